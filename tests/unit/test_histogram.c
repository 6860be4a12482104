/* SPDX-License-Identifier: Apache-2.0 */
/* What a histogram says is what was recorded, to within its 1.6 percent, however it was put together. */
#include "loadtest/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loadtest/dice.h"

enum { VALUES = 20000 };

static struct histogram *make(void) {
        struct histogram *histogram = calloc(1, sizeof *histogram);
        assert_non_null(histogram);
        return histogram;
}

static void a_value_is_never_told_lower_and_at_most_a_64th_higher(void **state) {
        struct histogram *histogram = make();
        for (uint64_t value = 0; value < (uint64_t)1 << 36; value = value < 4096 ? value + 1 : value + value / 37) {
                memset(histogram, 0, sizeof *histogram);
                histogram_record(histogram, value);
                histogram_record(histogram, UINT64_MAX); /* so that the maximum does not hide the bucket */
                uint64_t told = histogram_quantile_us(histogram, 0.5);
                assert_true(told >= value);
                assert_true(told <= value + value / HISTOGRAM_STEPS);
        }
        free(histogram);
}

static int compare(const void *a, const void *b) {
        uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
        return (left > right) - (left < right);
}

static void quantiles_are_those_of_the_sorted_values(void **state) {
        static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
        uint64_t *values = calloc(VALUES, sizeof *values), sum = 0;
        struct histogram *histogram = make();
        struct dice dice = { 7 };
        for (size_t i = 0; i < VALUES; i++) {
                values[i] = (uint64_t)dice_exponential(&dice, 5000);
                sum += values[i];
                histogram_record(histogram, values[i]);
        }
        qsort(values, VALUES, sizeof *values, compare);
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
                uint64_t exact = values[(size_t)(shares[i] * VALUES) - 1], told = histogram_quantile_us(histogram, shares[i]);
                assert_in_range(told, exact, exact + exact / HISTOGRAM_STEPS);
        }
        assert_int_equal(histogram->max_us, values[VALUES - 1]);
        assert_int_equal(histogram->count, VALUES);
        assert_true(histogram_mean_us(histogram) == (double)sum / VALUES);
        free(values);
        free(histogram);
}

static void merged_parts_are_the_whole_and_what_is_subtracted_is_gone(void **state) {
        struct histogram *whole = make(), *first = make(), *second = make(), *merged = make();
        struct dice dice = { 8 };
        for (int i = 0; i < VALUES; i++) {
                uint64_t value = (uint64_t)dice_exponential(&dice, i < VALUES / 2 ? 100 : 90000);
                histogram_record(whole, value);
                histogram_record(i < VALUES / 2 ? first : second, value);
        }
        histogram_merge(merged, second);
        histogram_merge(merged, first);
        assert_memory_equal(merged, whole, sizeof *whole);

        histogram_subtract(merged, first);
        assert_memory_equal(merged->buckets, second->buckets, sizeof second->buckets);
        assert_int_equal(merged->count, second->count);
        assert_int_equal(merged->sum_us, second->sum_us);
        assert_int_equal(merged->max_us, second->max_us);
        histogram_subtract(whole, second); /* the highest of what is left is known as its bucket only */
        assert_in_range(whole->max_us, first->max_us, first->max_us + first->max_us / HISTOGRAM_STEPS);
        free(whole);
        free(first);
        free(second);
        free(merged);
}

static void an_empty_one_says_0_and_what_is_too_long_is_the_last_bucket(void **state) {
        struct histogram *histogram = make();
        assert_int_equal(histogram_quantile_us(histogram, 0.99), 0);
        assert_true(histogram_mean_us(histogram) == 0);
        histogram_record(histogram, UINT64_MAX);
        assert_int_equal(histogram->buckets[HISTOGRAM_BUCKETS - 1], 1);
        assert_true(histogram_quantile_us(histogram, 0.5) >= (uint64_t)19 * 3600 * 1000000);
        free(histogram);
}

static void buckets_follow_one_another_without_a_hole(void **state) {
        struct histogram *histogram = make();
        for (uint32_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
                assert_true(histogram_bucket_us(i) < histogram_bucket_us(i + 1));
                memset(histogram, 0, sizeof *histogram);
                histogram_record(histogram, histogram_bucket_us(i));
                histogram_record(histogram, histogram_bucket_us(i) + 1);
                assert_int_equal(histogram->buckets[i], 1);
                assert_int_equal(histogram->buckets[i + 1], 1);
        }
        free(histogram);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_value_is_never_told_lower_and_at_most_a_64th_higher),
                cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
                cmocka_unit_test(merged_parts_are_the_whole_and_what_is_subtracted_is_gone),
                cmocka_unit_test(an_empty_one_says_0_and_what_is_too_long_is_the_last_bucket),
                cmocka_unit_test(buckets_follow_one_another_without_a_hole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
