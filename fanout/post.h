/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.h: stores an entry and brings it to every member: append, then what is left to deliver.
 *
 * The answer comes when the entry is stored. Inboxes that did not fit into the same call follow; until all are confirmed
 * the entry is on the pending set, where a sweeper finds it if this process ends. So nothing is ever half spread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;

struct post {
        struct slice conv, from, device, session, op, kind, ref, body; /* ref: "" or a seq in digits */
        struct slice push;                                             /* what to push, a JSON object (push/plan.h); "": nothing is said */
        int push_class;                                                /* enum due_class */
        bool trusted;                                                  /* the backend: need not be a member */
        bool once;                                                     /* if the members have changed the answer is FANOUT_E_MEMBERS */
};

struct post_result {
        int answer; /* 0 or FANOUT_E_… */
        uint64_t seq;
        int64_t at;
        bool duplicate;
};

typedef void (*post_done_fn)(void *arg, const struct post_result *result);

/* Copies post. 0: done comes exactly once, later. FANOUT_E_UNAVAILABLE or -ENOMEM: it does not come. */
__attribute__((warn_unused_result)) int post_send(struct fanout *fanout, const struct post *post, post_done_fn done, void *arg);

/*
 * Delivers an entry again to the members given (sweeper): entry as in the log, "" if it is gone; marked: the conversation's pt.
 * Settles it at the end.
 */
struct roster;
__attribute__((warn_unused_result)) int post_deliver(struct fanout *fanout, struct roster *roster, struct slice conv, uint64_t seq, struct slice entry,
                                                     int64_t marked);
