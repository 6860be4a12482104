/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h: calls to the store that came together, sent as one command (b1_batch, see lua/batch.lua for what that saves).
 *
 * bundle#1  The calls are carried out in the order in which they were added.
 * bundle#2  A single one is sent as it is.
 * bundle#3  What they tell a node is one message (node.c: Z), counted in partition 0.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/limits.h"
#include "base/slice.h"

struct link;
struct redisReply;

typedef void (*bundle_reply_fn)(void *arg, const struct redisReply *reply);

struct bundle_wait {
        bundle_reply_fn cb; /* may be NULL */
        void *arg;
};

/* To whoever sends a bundle. */
struct bundle_calls {
        void *context;
        void (*on_answered)(void *context); /* once for each, before those who wait are told; also if the link was lost */
        void (*on_error)(void *context, const char *error);
};

struct bundle {
        struct buf keys, args;         /* pieces, one behind the other */
        struct buf key_ends, arg_ends; /* size_t each: where a piece ends */
        struct buf argv;               /* struct slice each, made when sent */
        size_t count;
        struct bundle_wait waits[LIMIT_BUNDLE_CALLS];
};

void bundle_init(struct bundle *bundle);
void bundle_deinit(struct bundle *bundle);

bool bundle_is_full(const struct bundle *bundle);
/* May this function be in a bundle? */
bool bundle_takes(struct slice function);

/* Comes before the first call. prefix: of the store's keys */
void bundle_begin(struct bundle *bundle, const char *prefix);
/* pieces: the keys, then the arguments. 0, or -ENOMEM: then those before it can be sent no more either. */
__attribute__((warn_unused_result)) int bundle_add(struct bundle *bundle, struct slice function, const struct slice *pieces, size_t keys,
                                                   size_t args, struct bundle_wait wait);
/* Sends all and is empty again. Unless 0 is returned (LINK_E_…, -ENOMEM), no callback comes and nothing is forgotten. */
__attribute__((warn_unused_result)) int bundle_send(struct bundle *bundle, struct link *link, const struct bundle_calls *calls);
/* Takes the calls out unsent: each gets NULL. */
void bundle_fail(struct bundle *bundle);
