/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h: the store as this worker sees it: a Redis link with our functions loaded, and calls to them.
 *
 *      struct call *call = store_call(store, "append");
 *      store_call_key(call, KEY_CONV, conv); …            keys first
 *      store_call_arg(call, from); …                      then arguments
 *      r = store_call_send(call, on_appended, request);
 *
 * 1. A callback comes exactly once if store_call_send() returned 0, never if it did not, and never from inside it.
 * 2. The reply is NULL if the outcome is unknown or the store refused (full, read-only, loading): the caller answers
 *    "unavailable" and the client repeats. Replies that reach a callback are never Redis errors.
 * 3. Work is grouped by store_owner(): keys of partitions with the same owner may go into one call. A standalone Redis owns all.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/link.h"
#include "base/slice.h"
#include "fanout/keys.h"

struct call;
struct redisReply;
struct store;

enum {
        STORE_E_UNAVAILABLE = 1, /* not connected, or too much is waiting */
};

struct store_options {
        uv_loop_t *loop;
        const struct link_address *address; /* borrowed, outlives the store */
        const char *ca_file;                /* NULL: the system's */
        const char *prefix;
        uint64_t timeout_ms;
        void *context;
        /* Usable: connected, functions loaded, epoch known. changed: the epoch is not the one known before (never at the first time). */
        void (*on_up)(void *context, bool changed);
        void (*on_down)(void *context);
};

/* Starts connecting; NULL without memory. */
struct store *store_open(const struct store_options *options);
/* on_closed comes once, from the loop; the store is freed then. */
void store_close(struct store *store, void (*on_closed)(void *context), void *context);

/* Once a second: notices a store that was wiped while we were connected, and asks again where the first answer was an error. */
void store_tick(struct store *store);

/* The store has confirmed that the lease of this node was renewed then, by its own clock: if it knows less one day, it went back in time. */
void store_witness(struct store *store, struct slice node, int64_t renewed_ms);

/* The I/O of a turn of the loop is done: what it asked of the store leaves now, together. Unsaid, it does so before the loop sleeps. */
void store_turn(struct store *store);

bool store_is_up(const struct store *store);
const char *store_epoch(const struct store *store);  /* "" before the first on_up */
const char *store_prefix(const struct store *store);
unsigned store_owners(const struct store *store); /* how many there are */
unsigned store_owner(const struct store *store, unsigned partition);
struct link *store_link(struct store *store);

typedef void (*store_reply_fn)(void *arg, const struct redisReply *reply);

/* Begins a call; there is one at a time, and it is sent (or forgotten) before the next begins. name without "b1_". */
struct call *store_call(struct store *store, const char *name);
void store_call_key(struct call *call, enum key key, struct slice id);
void store_call_key_in(struct call *call, enum key key, unsigned partition, struct slice id);
void store_call_arg(struct call *call, struct slice value);
void store_call_arg_text(struct call *call, const char *value);
void store_call_arg_int(struct call *call, int64_t value);
/* The two arguments "channels" and "counters" of a partition, from which functions make node names. */
void store_call_arg_channels(struct call *call, unsigned partition);
void store_call_arg_channel(struct call *call, unsigned partition); /* the first of them only */
/* 0, STORE_E_UNAVAILABLE or -ENOMEM. cb may be NULL. */
__attribute__((warn_unused_result)) int store_call_send(struct call *call, store_reply_fn cb, void *arg);

/* Readers of replies: the element is there and of the type, else a harmless value (0, empty). Our functions are trusted, the store's owner is too. */
int64_t store_int(const struct redisReply *reply);               /* an integer, or a string that is one */
struct slice store_text(const struct redisReply *reply);         /* a string or status */
const struct redisReply *store_item(const struct redisReply *reply, size_t index); /* never NULL */
size_t store_count(const struct redisReply *reply);
