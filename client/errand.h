/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand.h: one item of the outbox: what the app asked for and the hub has not stored yet.
 *
 *      pending ⇄ sending → (an entry)        it left the outbox: synced
 *         ▲         ├────→ failed            refused: retryable, or final
 *         └─ retry ─┼────→ conflicted        what it is about had changed
 *                   └────→ expired           nobody took it for LIMIT_CLIENT_EXPIRE_MS
 *
 * Everything here happens inside a transaction of the caller (client/db.h), whose failures stick there.
 *
 * 1. An op is made once and never means two things: an item that the hub may have (touched) keeps its content.
 * 2. Of one conversation one item is under way at a time, and in the order in which they were added.
 * 3. What failed, conflicted or expired is set aside: it holds up only what is about itself.
 * 4. A lost connection changes no count: attempts are answers of the hub.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/slice.h"

struct buf;
struct db;

enum { ERRAND_WORD_BYTES = 33, ERRAND_ATTEMPTS = 10, ERRAND_UNDER_WAY = 16 };

enum {
        ERRAND_E_FULL = 1,  /* LIMIT_CLIENT_OUTBOX items wait already */
        ERRAND_E_NOT_FOUND, /* nothing is known under that name */
        ERRAND_E_MAYBE,     /* the hub may have it: it cannot be taken back, but deleted */
        ERRAND_E_DONE,      /* it waits already: there is nothing to retry */
        ERRAND_E_INVALID,   /* the hub would not take it: an id, the depth, what is no JSON */
        ERRAND_E_TOO_LARGE, /* its request would be above max_frame */
};

struct errand {
        int64_t id, ref, created_ms, attempts;
        bool touched;
        char op[LIMIT_OP_BYTES + 1];
        char conv[LIMIT_ID_BYTES + 1];
        char kind[ERRAND_WORD_BYTES];
        char state[ERRAND_WORD_BYTES];
        struct slice body; /* owned, NULL if none: errand_clear() */
};

void errand_clear(struct errand *errand);
/* True if op is in the outbox, whatever its state. */
bool errand_find(struct db *db, const char *op, struct errand *ret_errand);

bool errand_is_conv(struct slice id);
/* Would the hub read the request that sends this? It is asked before anything is added: 0, ERRAND_E_INVALID or
 * ERRAND_E_TOO_LARGE. */
__attribute__((warn_unused_result)) int errand_check(struct slice conv, struct slice body, int64_t max_frame);

/* What an edit, delete or reaction is about: an entry that is stored, or an item of the outbox. */
struct errand_target {
        const char *op; /* or NULL */
        int64_t seq;    /* if op is NULL */
};

/*
 * Adds an item under op. kind "message" has no target. An edit or a delete of what the hub cannot have is folded into it, and one
 * edit that waits into another: ret_op (LIMIT_OP_BYTES + 1) names the item that carries it, "" if that is the message. 0 or
 * ERRAND_E_….
 */
__attribute__((warn_unused_result)) int errand_add(struct db *db, const char *op, struct slice conv, const char *kind,
                                                   const struct errand_target *target, struct slice body, int64_t wall_ms,
                                                   char *ret_op);
/* Takes it away for good: 0, ERRAND_E_NOT_FOUND or ERRAND_E_MAYBE. */
__attribute__((warn_unused_result)) int errand_cancel(struct db *db, const char *op);
/* What was set aside waits again, at the end of its conversation: 0, ERRAND_E_NOT_FOUND or ERRAND_E_DONE. */
__attribute__((warn_unused_result)) int errand_retry(struct db *db, const char *op, int64_t wall_ms);

/* The next item that may go out now: false if there is none. It is not changed. after: the id of the one before in this round, or
 * 0. */
bool errand_next(struct db *db, int64_t after, int64_t wall_ms, struct errand *ret_errand);
/* When the next one that waits for a time may go: wall time, or 0. */
int64_t errand_next_due(struct db *db);
/* It is about to leave: committed before its first byte. */
void errand_start(struct db *db, const struct errand *errand);
/* The connection was lost, or no answer came: under way no more. op NULL: all of them. */
void errand_revert(struct db *db, const char *op);
/* The hub has it as seq: it leaves the outbox. The entry is the caller's to add. */
void errand_settle(struct db *db, const struct errand *errand, int64_t seq, int64_t wall_ms);
/* The hub refused it. wait_ms: when a temporary refusal may be repeated. */
void errand_refuse(struct db *db, const char *op, const char *code, const char *message, bool temporary, int64_t wait_ms,
                   int64_t wall_ms);
/* That wait: what the hub says (-1: nothing), else a backoff by attempts; random is any uniform number. */
int64_t errand_wait_ms(int64_t attempts, int64_t hint_ms, uint64_t random);
/* Sets aside what has waited for too long. */
void errand_expire(struct db *db, int64_t wall_ms);

/* The request that sends it, with this id. */
void errand_print_request(const struct errand *errand, int64_t id, struct buf *out);
/* How many items wait, and for how long the oldest does. */
void errand_depth(struct db *db, int64_t wall_ms, int64_t *ret_depth, int64_t *ret_oldest_ms);
/* Its present state, as the inside of a JSON object. word: the state that a change came with. False if nothing is known of it. */
bool errand_print(struct db *db, struct slice op, struct slice word, struct slice conv, int64_t seq, struct buf *out);
