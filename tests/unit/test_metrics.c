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
        assert_int_equal(count_of(out.ptr, "{process=\"w2\"} 0\n"), METRIC_COUNT + HISTOGRAM_COUNT * 2); /* _sum and _count */
        assert_int_equal(count_of(out.ptr, "# TYPE "), METRIC_COUNT + HISTOGRAM_COUNT + 3); /* three names of series */
        assert_int_equal(count_of(out.ptr, "provider="), 0);
        assert_int_equal(count_of(out.ptr, "process=\"\""), 0); /* unused slots are not shown */
        metrics_page_free(page);
}

static void a_name_cannot_break_out_of_its_label(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 0, "a\"b\\c\nd");
        metrics_print(page, &out);
        assert_int_equal(count_of(out.ptr, "{process=\"a\\\"b\\\\c\\nd\"} 0\n"), METRIC_COUNT + HISTOGRAM_COUNT * 2);
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

static void a_histogram_has_each_value_in_the_first_bucket_that_is_not_below_it(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 0, "w");
        metrics_observe(HISTOGRAM_CLIENT_CATCH_UP_SIZE, 0);
        metrics_observe(HISTOGRAM_CLIENT_CATCH_UP_SIZE, 1);
        metrics_observe(HISTOGRAM_CLIENT_CATCH_UP_SIZE, 3);
        metrics_observe(HISTOGRAM_CLIENT_CATCH_UP_SIZE, 10000);
        metrics_observe(HISTOGRAM_CLIENT_CATCH_UP_SIZE, 10001);
        metrics_open(page, 0, "w"); /* the process died and was started again */
        metrics_print(page, &out);
        assert_non_null(strstr(out.ptr, "# TYPE belfry_client_catch_up_events histogram\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"0\"} 1\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"1\"} 2\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"2\"} 2\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"5\"} 3\n"));
        assert_non_null(strstr(out.ptr, "belfry_client_catch_up_events_bucket{process=\"w\",le=\"1000\"} 3\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"10000\"} 4\n"
                                        "belfry_client_catch_up_events_bucket{process=\"w\",le=\"+Inf\"} 5\n"
                                        "belfry_client_catch_up_events_sum{process=\"w\"} 20005\n"
                                        "belfry_client_catch_up_events_count{process=\"w\"} 5\n"));
        assert_non_null(strstr(out.ptr, "belfry_client_outbox_depth_count{process=\"w\"} 0\n"));
        metrics_page_free(page);
}

static void the_bounds_of_each_scale_rise(void **state) {
#define SCALE_ROW(name, why, ...)                                                                                                \
        {                                                                                                                        \
                static const uint64_t bounds[] = { __VA_ARGS__ };                                                                \
                                                                                                                                 \
                for (size_t i = 1; i < sizeof(bounds) / sizeof(bounds[0]); i++)                                                  \
                        assert_true(bounds[i] > bounds[i - 1]);                                                                  \
        }
#include "contract/metrics.def"
#undef SCALE_ROW
}

static void what_is_counted_for_an_app_is_shown_with_its_labels_and_outlives_a_crash(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

        metrics_open(page, 0, "w");
        struct metrics_series *main = metrics_series("fcm", "main");
        assert_ptr_equal(metrics_series("fcm", "main"), main);
        assert_ptr_not_equal(metrics_series("apns", "ma\"in"), main);
        main->values[SERIES_PUSH_THROTTLED] += 3;
        main->values[SERIES_PUSH_LOAD] += 2;
        metrics_observe_series(main, SERIES_PUSH_LATENCY_MS, 60);
        metrics_open(page, 0, "w");
        metrics_print(page, &out);
        assert_int_equal(count_of(out.ptr, "# TYPE belfry_push_outcomes_total counter\nbelfry_push_outcomes_total{process=\"w\",provider=\"fcm\",app=\"main\",class=\"accepted\"} 0\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_outcomes_total{process=\"w\",provider=\"fcm\",app=\"main\",class=\"throttled\"} 3\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_outcomes_total{process=\"w\",provider=\"apns\",app=\"ma\\\"in\",class=\"throttled\"} 0\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_load{process=\"w\",provider=\"fcm\",app=\"main\"} 0\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_latency_milliseconds_bucket{process=\"w\",provider=\"fcm\",app=\"main\",le=\"50\"} 0\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_latency_milliseconds_bucket{process=\"w\",provider=\"fcm\",app=\"main\",le=\"100\"} 1\n"), 1);
        assert_int_equal(count_of(out.ptr, "\nbelfry_push_latency_milliseconds_sum{process=\"w\",provider=\"fcm\",app=\"main\"} 60\n"), 1);
        metrics_page_free(page);
}

static void more_apps_than_there_is_room_for_share_the_last_series(void **state) {
        struct metrics_page *page = metrics_page_new(1);
        char name[16];

        metrics_open(page, 0, "w");
        for (int i = 0; i < METRICS_SERIES; i++) {
                snprintf(name, sizeof(name), "app%d", i);
                assert_ptr_equal(metrics_series("fcm", name), &page->slots[0].series[i]);
        }
        assert_ptr_equal(metrics_series("fcm", "one more"), &page->slots[0].series[METRICS_SERIES - 1]);
        assert_string_equal(page->slots[0].series[METRICS_SERIES - 1].app, name);
        metrics_page_free(page);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(counting_before_any_slot_is_harmless),
                cmocka_unit_test(a_childs_counts_are_seen_by_its_parent),
                cmocka_unit_test(a_new_process_keeps_counters_and_forgets_gauges),
                cmocka_unit_test(every_row_is_printed_once_with_a_sample_for_each_process),
                cmocka_unit_test(a_name_cannot_break_out_of_its_label),
                cmocka_unit_test(a_gauge_below_zero_is_shown_as_such),
                cmocka_unit_test(a_histogram_has_each_value_in_the_first_bucket_that_is_not_below_it),
                cmocka_unit_test(what_is_counted_for_an_app_is_shown_with_its_labels_and_outlives_a_crash),
                cmocka_unit_test(more_apps_than_there_is_room_for_share_the_last_series),
                cmocka_unit_test(the_bounds_of_each_scale_rise),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
