/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h: counters, gauges and histograms in one page of memory shared by the supervisor and its children.
 *
 * The supervisor maps the page before it forks; each child has one slot and is its only writer, so counting is a plain add.
 * Any worker can print the sum. A crash loses no counter; the gauges of a slot are set to 0 when a new process takes it.
 * The rows are in contract/metrics.def.
 */
#pragma once
#include <stdint.h>
#include "base/limits.h"
#include "base/process.h"

struct buf;

enum metric {
#define METRIC_ROW(name, kind, text, sentence) METRIC_##name,
#include "contract/metrics.def"
#undef METRIC_ROW
        METRIC_COUNT
};

enum histogram {
#define HISTOGRAM_ROW(name, scale, text, sentence) HISTOGRAM_##name,
#include "contract/metrics.def"
#undef HISTOGRAM_ROW
        HISTOGRAM_COUNT
};

enum series_value {
#define SERIES_ROW(name, kind, text, label, sentence) SERIES_##name,
#include "contract/metrics.def"
#undef SERIES_ROW
        SERIES_COUNT
};

enum series_histogram {
#define SERIES_HISTOGRAM_ROW(name, scale, text, sentence) SERIES_##name,
#include "contract/metrics.def"
#undef SERIES_HISTOGRAM_ROW
        SERIES_HISTOGRAM_COUNT
};

enum { METRICS_SERIES = LIMIT_PUSH_APPS, METRICS_LABEL_BYTES = LIMIT_PUSH_APP_BYTES + 1 };
enum { METRICS_BOUNDS = 15 }; /* of one scale; a histogram is two cache lines */

struct metrics_histogram {
        uint64_t counts[METRICS_BOUNDS + 1]; /* of each bucket alone; the last is what is above all bounds of its scale */
        uint64_t sum;
};

/* What is counted for one provider and app apart. */
struct metrics_series {
        char provider[METRICS_LABEL_BYTES]; /* "": unused */
        char app[METRICS_LABEL_BYTES];
        uint64_t values[SERIES_COUNT];
        struct metrics_histogram histograms[SERIES_HISTOGRAM_COUNT];
};

struct metrics_slot {
        char name[32]; /* label process="…"; empty: the slot is unused */
        char node[32]; /* of the process that has or had the slot, so that its successor can say that it is gone; "" if it is none */
        uint64_t values[METRIC_COUNT];
        struct metrics_histogram histograms[HISTOGRAM_COUNT];
        struct metrics_series series[METRICS_SERIES];
};

struct metrics_page {
        uint32_t slots_count;
        struct metrics_slot slots[];
};

/* Maps a page shared with later children, NULL without memory. */
struct metrics_page *metrics_page_new(uint32_t slots);
struct metrics_page *metrics_page_free(struct metrics_page *page);

/* Makes slot index this process's own: names it, zeroes its gauges. */
void metrics_open(struct metrics_page *page, uint32_t index, const char *name);

/* Prometheus text format 0.0.4: HELP, TYPE, and for each used slot one sample with process="name", or those of its histogram. */
void metrics_print(const struct metrics_page *page, struct buf *out);

/* Counts value in its bucket. */
void metrics_observe(enum histogram histogram, uint64_t value);

/* The series of this process with these labels; a new one if there is none. Once all are in use by others, whoever comes shares the last. */
struct metrics_series *metrics_series(const char *provider, const char *app);
void metrics_observe_series(struct metrics_series *series, enum series_histogram histogram, uint64_t value);

#define metrics_add(metric, count) (process.metrics->values[METRIC_##metric] += (uint64_t)(count))
#define metrics_set(metric, value) (process.metrics->values[METRIC_##metric] = (uint64_t)(value))
#define metrics_sub(metric, count) (process.metrics->values[METRIC_##metric] -= (uint64_t)(count))
