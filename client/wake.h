/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake.h: one background sync, from the first POST /v1/sync to the last: the outbox out, events in, acknowledged, done.
 *
 * It says what to post and takes what was answered. It may be killed at any instant: what is under way waits again at the next
 * start with the same op, and a page of events is stored together with the cursor behind it.
 *
 * 1. What was stored is acknowledged, and asked for again, only by a request that follows.
 * 2. It ends when a page brought the last event, nothing may be sent, what a gap or a reset made due is loaded, and everything
 *    stored is acknowledged; or at its first failure. A hub that says "more" and brings nothing is one, and so is one
 *    that leaves out a reply.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct db;
struct wake;

enum wake_end { WAKE_GOES_ON, WAKE_DONE, WAKE_LATE, WAKE_FAILED, WAKE_UNAUTHORIZED, WAKE_STORE };

struct wake_result {
        enum wake_end end;
        int error;       /* WAKE_STORE: -ENOMEM or DB_E_… */
        int http_status; /* WAKE_FAILED; 0: no answer */
        int64_t events, sent, requests;
};

struct wake_options {
        const char *device; /* when the token names none */
        uint64_t deadline_ms;
        bool reloads;           /* what is due; else that is left to whoever has the connection */
        int64_t report_each_ms; /* as engine_report_each() */
};

/* Borrows db. NULL without memory. */
struct wake *wake_new(struct db *db, const struct wake_options *options);
/* Counts it, too. */
struct wake *wake_free(struct wake *wake);

/* Appends the next request to out: WAKE_GOES_ON, or why there is none. */
enum wake_end wake_next(struct wake *wake, uint64_t now_ms, int64_t wall_ms, struct buf *out);
/* Its answer; status 0: none. chance: of the backoff of what was refused for now. */
void wake_on_answer(struct wake *wake, int status, struct slice body, int64_t wall_ms, uint64_t chance);
const struct wake_result *wake_result(const struct wake *wake);
