/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c: see tally.h. */
#include "client/tally.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "client/db.h"
#include "client/errand.h"

static const char *const counters[] = {
#define X(name, text) text,
        TALLY_COUNTERS(X)
#undef X
};

static const char *const spans[] = { "op_to_synced_ms", "catch_up_ms", "catch_up_size" };

/* What a report holds of the counters. */
static const enum tally_counter reported[] = { TALLY_SYNCED, TALLY_FAILED, TALLY_CONFLICTED, TALLY_EXPIRED, TALLY_RETRIES,
                                               TALLY_GAPS,   TALLY_RESETS, TALLY_LOSSES,     TALLY_WAKES,   TALLY_EMPTY_WAKES };

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

/* ---- the report ---- */

enum { FACT_BYTES = 48 };

static const char *fact_of(const char *what, char fact[FACT_BYTES]) {
        snprintf(fact, FACT_BYTES, "reported_%s", what);
        return fact;
}

static int64_t news_of(struct db *db, const char *what) {
        char fact[FACT_BYTES];
        int64_t count = db_get(db, what) - db_get(db, fact_of(what, fact));

        return count > 0 ? count : 0;
}

static int64_t at_most(int64_t value, int64_t limit) {
        return value > limit ? limit : value;
}

int64_t tally_report_due(struct db *db, int64_t each_ms, int64_t wall_ms) {
        int64_t last_ms = db_get(db, "reported_at");

        if (last_ms == 0 || last_ms > wall_ms) /* the first time, or a clock that was set back */
                db_set(db, "reported_at", last_ms = wall_ms);
        return last_ms + each_ms;
}

bool tally_has_news(struct db *db) {
        int64_t news = 0;

        for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
                news += news_of(db, counters[reported[i]]);
        for (int i = 0; i < TALLY_SPANS; i++)
                news += news_of(db, spans[i]);
        return news > 0;
}

/* The latest samples that are new, the oldest of them first. */
static void report_samples(struct db *db, enum tally_span span, int64_t news, struct buf *out) {
        int64_t limit = span == TALLY_CATCH_UP_SIZE ? LIMIT_REPORT_COUNT : LIMIT_REPORT_SPAN_MS, count = db_get(db, spans[span]);

        buf_printf(out, ",\"%s\":[", spans[span]);
        for (int64_t left = at_most(news, LIMIT_REPORT_SAMPLES), comma = 0; left > 0; left--, comma = 1) {
                int64_t ms = db_number(db, 0, "SELECT ms FROM samples WHERE what = ? AND slot = ?", "ti", spans[span],
                                       (count - left) % TALLY_SAMPLES);

                if (comma)
                        buf_add_char(out, ',');
                buf_add_int(out, at_most(ms, limit));
        }
        buf_add_char(out, ']');
}

static void report_one(struct db *db, const char *what, int64_t news, struct buf *out) {
        char fact[FACT_BYTES];

        if (out)
                buf_printf(out, ",\"%s\":%" PRId64, what, at_most(news, LIMIT_REPORT_COUNT));
        db_set(db, fact_of(what, fact), db_get(db, what));
}

void tally_report(struct db *db, int64_t id, int64_t wall_ms, struct buf *out) {
        int64_t depth, oldest_ms, news;

        buf_printf(out, "{\"type\":\"report\",\"id\":%" PRId64, id);
        for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
                if ((news = news_of(db, counters[reported[i]])) > 0)
                        report_one(db, counters[reported[i]], news, out);
        for (int i = 0; i < TALLY_SPANS; i++) {
                if ((news = news_of(db, spans[i])) == 0)
                        continue;
                report_samples(db, (enum tally_span)i, news, out);
                report_one(db, spans[i], news, NULL);
        }
        errand_depth(db, wall_ms, &depth, &oldest_ms);
        buf_printf(out, ",\"outbox_depth\":%" PRId64 ",\"outbox_oldest_ms\":%" PRId64 "}", at_most(depth, LIMIT_REPORT_COUNT),
                   at_most(oldest_ms, LIMIT_REPORT_SPAN_MS));
        db_set(db, "reported_at", wall_ms);
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
