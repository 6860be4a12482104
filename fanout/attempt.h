/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempt.h: a call to the store that names the members of a conversation, and is repeated with the present ones if they changed.
 *
 * Embed it as the first member. build() fills a call for a roster (never NULL, perhaps empty with version ""); done() gets the
 * final answer, exactly once if attempt_start() returned 0, and owns the attempt then.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct call;
struct fanout;
struct redisReply;
struct roster;

struct attempt {
        struct fanout *fanout;
        struct slice conv; /* of the embedding struct */
        const char *function;
        void (*build)(struct attempt *attempt, struct call *call, const struct roster *roster);
        void (*done)(struct attempt *attempt, int answer, const struct redisReply *reply);
        struct roster *roster; /* the one last used, held; NULL for an empty one */
        unsigned tries;
        bool once; /* it is not repeated, but answered FANOUT_E_MEMBERS */
};

/* 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done() does not come and the caller still owns the attempt. */
__attribute__((warn_unused_result)) int attempt_start(struct attempt *attempt);
void attempt_deinit(struct attempt *attempt);
