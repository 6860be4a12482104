/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h: what a client tells of its syncing, as numbers that cannot do harm, and counted in our metrics.
 *
 * Clients may lie, so what they say stays apart from what we count ourselves (belfry_client_…), and
 *
 * 1. a report moves each counter by at most LIMIT_REPORT_COUNT and each histogram by at most LIMIT_REPORT_SAMPLES;
 * 2. no number is above its limit, and none below 0;
 * 3. a device is heard once in LIMIT_REPORT_EVERY_MS, by each worker.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/scan.h"

struct limiter;
struct session;

enum report_list { REPORT_OP_TO_SYNCED, REPORT_CATCH_UP, REPORT_CATCH_UP_SIZE, REPORT_LISTS };

enum report_counter {
        REPORT_SYNCED,
        REPORT_FAILED,
        REPORT_CONFLICTED,
        REPORT_EXPIRED,
        REPORT_RETRIES,
        REPORT_GAPS,
        REPORT_RESETS,
        REPORT_LOSSES,
        REPORT_WAKES,
        REPORT_EMPTY_WAKES,
        REPORT_COUNTERS,
};

struct report {
        uint64_t samples[REPORT_LISTS][LIMIT_REPORT_SAMPLES];
        size_t counts[REPORT_LISTS];
        uint64_t counters[REPORT_COUNTERS];
        uint64_t outbox_depth, outbox_oldest_ms;
};

/* The fields of a report, each cut to its limit: NULL, or a sentence for the client: a field of the wrong type, too many samples. */
const char *report_parse(const struct scan_field *fields, size_t count, struct report *report);

/* Those by which hub->report_limiter is made. NULL without memory. */
struct limiter *report_limiter_new(void);

/* Counts it: 0, or how many ms it is too early. */
uint64_t report_take(struct session *session, const struct report *report);
