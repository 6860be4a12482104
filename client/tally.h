/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.h: how well syncing goes: counters and spans of time, kept in the store, so that they outlive the process.
 *
 * They are counted in the transaction of what they count: what was rolled back was not counted, what was done is counted once.
 * Of each span the latest TALLY_SAMPLES are kept; percentiles are those of them, by nearest rank.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct db;

#define TALLY_COUNTERS(X)                                                                                                        \
        X(SYNCED, "synced") /* items of the outbox that the hub stored */                                                        \
        X(FAILED, "failed") /* refused for good */                                                                               \
        X(CONFLICTED, "conflicted")                                                                                              \
        X(EXPIRED, "expired")                                                                                                    \
        X(RETRIES, "retries")       /* an op sent again */                                                                       \
        X(DUPLICATES, "duplicates") /* the hub had it already */                                                                 \
        X(EVENTS, "events")         /* numbered events taken */                                                                  \
        X(REPEATS, "repeats")       /* and dropped, as they had been seen */                                                     \
        X(GAPS, "gaps")                                                                                                          \
        X(RESETS, "resets")                                                                                                      \
        X(CONNECTS, "connects") /* connections begun */                                                                          \
        X(WELCOMES, "welcomes")                                                                                                  \
        X(LOSSES, "losses") /* sessions lost without a word */                                                                   \
        X(CATCH_UP_EVENTS, "catch_up_events")                                                                                    \
        X(WAKES, "wakes")             /* background syncs */                                                                     \
        X(EMPTY_WAKES, "empty_wakes") /* that brought and sent nothing */

enum tally_counter {
#define X(name, text) TALLY_##name,
        TALLY_COUNTERS(X)
#undef X
                TALLY_COUNTERS_COUNT
};

enum tally_span { TALLY_OP_TO_SYNCED, TALLY_CATCH_UP, TALLY_CATCH_UP_SIZE, TALLY_SPANS }; /* the last one in events, not in ms */

enum { TALLY_SAMPLES = 256 };

struct tally_percentiles {
        int64_t count, p50_ms, p95_ms;
};

void tally_count(struct db *db, enum tally_counter counter, int64_t by);
int64_t tally_get(struct db *db, enum tally_counter counter);
const char *tally_name(enum tally_counter counter);

void tally_sample(struct db *db, enum tally_span span, int64_t ms);
struct tally_percentiles tally_percentiles(struct db *db, enum tally_span span);

/* ---- the report to the hub: what was counted since the last one, told once at most ---- */

/* When the next one is due, at most one each_ms (wall time). The first is so long after it was first asked about. */
int64_t tally_report_due(struct db *db, int64_t each_ms, int64_t wall_ms);
bool tally_has_news(struct db *db);
/* Appends it, as the request with that id, and takes it for told. */
void tally_report(struct db *db, int64_t id, int64_t wall_ms, struct buf *out);

/* All of it as one JSON object. */
void tally_print(struct db *db, int64_t wall_ms, struct buf *out);
