/* SPDX-License-Identifier: Apache-2.0 */
/* The page of counters across a fork, a restart and into Prometheus text. */
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

static size_t count_of(const char *text, const char *part) {
        size_t count = 0;

        for (; (text = strstr(text, part)); text++)
                count++;
        return count;
}

static void counting_before_any_slot_is_harmless(void **state) {
        assert_non_null(process.metrics);
        metrics_add(ACKS, 5);
        metrics_sub(SESSIONS, 1);
}

static void a_childs_counts_are_seen_by_its_parent(void **state) {
        struct metrics_page *page = metrics_page_new(3);
        int status;

        assert_non_null(page);
        pid_t pid = fork();
        if (pid == 0) {
                metrics_open(page, 2, "worker1");
                metrics_add(MESSAGES, 40);
                metrics_add(MESSAGES, 2);
                metrics_add(SESSIONS, 7);
                metrics_sub(SESSIONS, 3);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_string_equal(page->slots[2].name, "worker1");
        assert_int_equal(page->slots[2].values[METRIC_MESSAGES], 42);
        assert_int_equal(page->slots[2].values[METRIC_SESSIONS], 4);
        assert_null(metrics_page_free(page));
}

static void a_new_process_keeps_counters_and_forgets_gauges(void **state) {
        struct metrics_page *page = metrics_page_new(1);

        metrics_open(page, 0, "a_long_name_for_a_worker");
        metrics_add(MESSAGES, 5);
        metrics_add(CONNECTIONS, 9);
        metrics_open(page, 0, "w");
        assert_string_equal(page->slots[0].name, "w");
        assert_int_equal(page->slots[0].values[METRIC_MESSAGES], 5);
        assert_int_equal(page->slots[0].values[METRIC_CONNECTIONS], 0);
        metrics_page_free(page);
}

static void every_row_is_printed_once_with_a_sample_for_each_process(void **state) {
        static const struct {
                const char *help, *type, *sample;
                enum metric metric;
        } rows[] = {
#define METRIC_ROW(name, kind, text, sentence)                                                                                   \
        { "# HELP " text " " sentence "\n", "# TYPE " text " " #kind "\n", "\n" text "{process=\"w1\"} ", METRIC_##name },
#include "contract/metrics.def"
#undef METRIC_ROW
        };
        struct metrics_page *page = metrics_page_new(4);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 3, "w2");
        metrics_open(page, 1, "w1");
        for (size_t i = 0; i < METRIC_COUNT; i++)
                page->slots[1].values[i] = 1000 + i;
        metrics_print(page, &out);
        assert_false(buf_failed(&out));
        for (size_t i = 0; i < METRIC_COUNT; i++) {
                char sample[200];
                snprintf(sample, sizeof(sample), "%s%d\n", rows[i].sample, 1000 + (int)rows[i].metric);
                assert_int_equal(count_of(out.ptr, rows[i].help), 1);
                assert_int_equal(count_of(out.ptr, rows[i].type), 1);
                assert_int_equal(count_of(out.ptr, sample), 1);
        }
        assert_int_equal(count_of(out.ptr, "\n"), METRIC_COUNT * 4);
        assert_int_equal(count_of(out.ptr, "{process=\"w2\"} 0\n"), METRIC_COUNT);
        assert_int_equal(count_of(out.ptr, "process=\"\""), 0); /* unused slots are not shown */
        metrics_page_free(page);
}

static void a_name_cannot_break_out_of_its_label(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 0, "a\"b\\c\nd");
        metrics_print(page, &out);
        assert_int_equal(count_of(out.ptr, "{process=\"a\\\"b\\\\c\\nd\"} 0\n"), METRIC_COUNT);
        metrics_page_free(page);
}

static void a_gauge_below_zero_is_shown_as_such(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 0, "w");
        metrics_sub(SESSIONS, 1);
        page->slots[0].values[METRIC_ACKS] = UINT64_MAX;
        metrics_print(page, &out);
        assert_int_equal(count_of(out.ptr, "belfry_sessions{process=\"w\"} -1\n"), 1);
        assert_int_equal(count_of(out.ptr, "belfry_acks_total{process=\"w\"} 18446744073709551615\n"), 1);
        metrics_page_free(page);
        assert_null(metrics_page_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(counting_before_any_slot_is_harmless),
                cmocka_unit_test(a_childs_counts_are_seen_by_its_parent),
                cmocka_unit_test(a_new_process_keeps_counters_and_forgets_gauges),
                cmocka_unit_test(every_row_is_printed_once_with_a_sample_for_each_process),
                cmocka_unit_test(a_name_cannot_break_out_of_its_label),
                cmocka_unit_test(a_gauge_below_zero_is_shown_as_such),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
