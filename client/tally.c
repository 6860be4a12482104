/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c: see tally.h. */
#include "client/tally.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "client/db.h"
#include "client/errand.h"

static const char *const counters[] = {
#define X(name, text) text,
        TALLY_COUNTERS(X)
#undef X
};

static const char *const spans[] = { "op_to_synced_ms", "catch_up_ms" };

const char *tally_name(enum tally_counter counter) {
        return counters[counter];
}

void tally_count(struct db *db, enum tally_counter counter, int64_t by) {
        db_run(db, "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + ?2", "ti", counters[counter], by);
}

int64_t tally_get(struct db *db, enum tally_counter counter) {
        return db_get(db, counters[counter]);
}

void tally_sample(struct db *db, enum tally_span span, int64_t ms) {
        int64_t count = db_get(db, spans[span]);

        db_run(db, "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", "tii", spans[span], count % TALLY_SAMPLES, ms > 0 ? ms : 0);
        db_set(db, spans[span], count + 1);
}

/* The smallest sample that percent of all do not exceed. */
static int64_t nearest_rank(struct db *db, const char *what, int64_t count, int64_t percent) {
        int64_t rank = (count * percent + 99) / 100;

        return db_number(db, 0, "SELECT ms FROM samples WHERE what = ? ORDER BY ms LIMIT 1 OFFSET ?", "ti", what,
                         rank > 0 ? rank - 1 : 0);
}

struct tally_percentiles tally_percentiles(struct db *db, enum tally_span span) {
        int64_t kept = db_number(db, 0, "SELECT count(*) FROM samples WHERE what = ?", "t", spans[span]);
        struct tally_percentiles all = { .count = db_get(db, spans[span]) };

        if (kept > 0) {
                all.p50_ms = nearest_rank(db, spans[span], kept, 50);
                all.p95_ms = nearest_rank(db, spans[span], kept, 95);
        }
        return all;
}

void tally_print(struct db *db, int64_t wall_ms, struct buf *out) {
        int64_t synced = tally_get(db, TALLY_SYNCED);
        int64_t ended = synced + tally_get(db, TALLY_FAILED) + tally_get(db, TALLY_CONFLICTED) + tally_get(db, TALLY_EXPIRED);
        int64_t depth, oldest_ms;

        buf_add_char(out, '{');
        for (int i = 0; i < TALLY_COUNTERS_COUNT; i++)
                buf_printf(out, "\"%s\":%" PRId64 ",", counters[i], tally_get(db, (enum tally_counter)i));
        for (int i = 0; i < TALLY_SPANS; i++) {
                struct tally_percentiles all = tally_percentiles(db, (enum tally_span)i);

                buf_printf(out, "\"%s\":{\"count\":%" PRId64 ",\"p50\":%" PRId64 ",\"p95\":%" PRId64 "},", spans[i], all.count,
                           all.p50_ms, all.p95_ms);
        }
        errand_depth(db, wall_ms, &depth, &oldest_ms);
        buf_printf(out, "\"outbox_depth\":%" PRId64 ",\"outbox_oldest_ms\":%" PRId64 ",\"success_rate\":%.4g}", depth, oldest_ms,
                   ended ? (double)synced / (double)ended : 1.0);
}
