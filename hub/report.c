/* SPDX-License-Identifier: Apache-2.0 */
/* report.c: see report.h. */
#include "hub/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/limiter.h"
#include "base/metrics.h"
#include "hub/hub.h"
#include "hub/session.h"

static const struct {
        const char *name;
        enum histogram histogram;
        int64_t limit;
} report_lists[REPORT_LISTS] = {
        [REPORT_OP_TO_SYNCED] = { "op_to_synced_ms", HISTOGRAM_CLIENT_OP_TO_SYNCED_MS, LIMIT_REPORT_SPAN_MS },
        [REPORT_CATCH_UP] = { "catch_up_ms", HISTOGRAM_CLIENT_CATCH_UP_MS, LIMIT_REPORT_SPAN_MS },
        [REPORT_CATCH_UP_SIZE] = { "catch_up_size", HISTOGRAM_CLIENT_CATCH_UP_SIZE, LIMIT_REPORT_COUNT },
};

static const struct {
        const char *name;
        enum metric metric;
} report_counters[REPORT_COUNTERS] = {
        [REPORT_SYNCED] = { "synced", METRIC_CLIENT_SYNCED },
        [REPORT_FAILED] = { "failed", METRIC_CLIENT_FAILED },
        [REPORT_CONFLICTED] = { "conflicted", METRIC_CLIENT_CONFLICTED },
        [REPORT_EXPIRED] = { "expired", METRIC_CLIENT_EXPIRED },
        [REPORT_RETRIES] = { "retries", METRIC_CLIENT_RETRIES },
        [REPORT_GAPS] = { "gaps", METRIC_CLIENT_GAPS },
        [REPORT_RESETS] = { "resets", METRIC_CLIENT_RESETS },
        [REPORT_LOSSES] = { "losses", METRIC_CLIENT_LOSSES },
        [REPORT_WAKES] = { "wakes", METRIC_CLIENT_WAKES },
        [REPORT_EMPTY_WAKES] = { "empty_wakes", METRIC_CLIENT_EMPTY_WAKES },
};

/* Whole numbers only; what is out of range is taken to its end. (report#2) */
static bool report_number(const struct scan_value *value, int64_t limit, uint64_t *ret) {
        if (value->type != SCAN_INT)
                return false;
        *ret = value->integer < 0 ? 0 : (uint64_t)(value->integer > limit ? limit : value->integer);
        return true;
}

static bool report_field(const struct scan_field *fields, size_t count, const char *name, int64_t limit, uint64_t *ret) {
        const struct scan_value *value = scan_find(fields, count, name);
        *ret = 0;
        return !value || value->type == SCAN_NULL || report_number(value, limit, ret);
}

static const char *report_list(const struct scan_value *list, int64_t limit, uint64_t *samples, size_t *ret_count) {
        struct scan_value item;
        size_t position = 0;
        *ret_count = 0;
        if (!list || list->type == SCAN_NULL)
                return NULL;
        if (list->type != SCAN_ARRAY)
                return "op_to_synced_ms, catch_up_ms and catch_up_size are lists of whole numbers";
        while (scan_array(list->raw, &position, &item)) {
                if (*ret_count == LIMIT_REPORT_SAMPLES)
                        return "a list of a report holds at most 32 numbers";
                if (!report_number(&item, limit, &samples[(*ret_count)++]))
                        return "op_to_synced_ms, catch_up_ms and catch_up_size are lists of whole numbers";
        }
        return NULL;
}

const char *report_parse(const struct scan_field *fields, size_t count, struct report *report) {
        static const char error[] = "the counts of a report, outbox_depth and outbox_oldest_ms are whole numbers";
        for (size_t i = 0; i < REPORT_LISTS; i++) {
                const char *wrong = report_list(scan_find(fields, count, report_lists[i].name), report_lists[i].limit, report->samples[i], &report->counts[i]);
                if (wrong)
                        return wrong;
        }
        for (size_t i = 0; i < REPORT_COUNTERS; i++)
                if (!report_field(fields, count, report_counters[i].name, LIMIT_REPORT_COUNT, &report->counters[i]))
                        return error;
        if (!report_field(fields, count, "outbox_depth", LIMIT_REPORT_COUNT, &report->outbox_depth) ||
            !report_field(fields, count, "outbox_oldest_ms", LIMIT_REPORT_SPAN_MS, &report->outbox_oldest_ms))
                return error;
        return NULL;
}

/* One each LIMIT_REPORT_EVERY_MS, as a limiter that counts by the second sees it if its time goes slower. */
enum { REPORT_SLOWER = LIMIT_REPORT_EVERY_MS / 1000 };

struct limiter *report_limiter_new(void) {
        return limiter_new(1, 1);
}

static bool report_is_early(struct session *session, uint64_t *ret_retry_ms) {
        char name[2 * LIMIT_ID_BYTES + 2];
        int len = snprintf(name, sizeof(name), "%s/%s", session->user, session->device); /* no id has a slash */
        if (limiter_allow(session->hub->report_limiter, (struct slice){ name, (size_t)len }, uv_now(session->hub->loop) / REPORT_SLOWER, ret_retry_ms))
                return false;
        *ret_retry_ms = (*ret_retry_ms + 1) * REPORT_SLOWER;
        return true;
}

uint64_t report_take(struct session *session, const struct report *report) {
        uint64_t retry_ms;
        if (report_is_early(session, &retry_ms))
                return retry_ms;
        metrics_add(CLIENT_REPORTS, 1);
        for (size_t i = 0; i < REPORT_LISTS; i++)
                for (size_t sample = 0; sample < report->counts[i]; sample++)
                        metrics_observe(report_lists[i].histogram, report->samples[i][sample]);
        for (size_t i = 0; i < REPORT_COUNTERS; i++)
                process.metrics->values[report_counters[i].metric] += report->counters[i];
        metrics_observe(HISTOGRAM_CLIENT_OUTBOX_DEPTH, report->outbox_depth);
        metrics_observe(HISTOGRAM_CLIENT_OUTBOX_OLDEST_MS, report->outbox_oldest_ms);
        return 0;
}
