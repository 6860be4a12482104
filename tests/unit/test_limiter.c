/* SPDX-License-Identifier: Apache-2.0 */
/* test_limiter.c: rate limits by name, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limiter.h"
#include "base/limits.h"

static unsigned allowed_of(struct limiter *limiter, const char *name, unsigned tries, uint64_t now_ms) {
        unsigned count = 0;
        uint64_t retry_ms;
        for (unsigned i = 0; i < tries; i++)
                count += limiter_allow(limiter, slice_of(name), now_ms, &retry_ms);
        return count;
}

static void a_burst_is_allowed_and_then_the_rate(void **state) {
        static const struct {
                uint64_t at_ms;
                unsigned tries, allowed;
        } rows[] = {
                { 1000, 20, 5 },  /* the burst */
                { 1000, 1, 0 },   /* nothing left */
                { 1050, 5, 0 },   /* half a step later: still nothing */
                { 1100, 5, 1 },   /* one step of 100 ms */
                { 1500, 20, 4 },  /* four steps */
                { 9000, 20, 5 },  /* long silence: the burst again, not more */
        };
        struct limiter *limiter = limiter_new(10, 5);
        assert_non_null(limiter);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(allowed_of(limiter, "alice", rows[i].tries, rows[i].at_ms), rows[i].allowed);
        limiter_free(limiter);
}

static void each_name_has_a_bucket_of_its_own(void **state) {
        struct limiter *limiter = limiter_new(1, 2);
        assert_int_equal(allowed_of(limiter, "alice", 5, 1000), 2);
        assert_int_equal(allowed_of(limiter, "bob", 5, 1000), 2);
        assert_int_equal(allowed_of(limiter, "alice", 5, 1000), 0);
        limiter_free(limiter);
}

static void a_refusal_says_when_to_come_back_and_is_right(void **state) {
        struct limiter *limiter = limiter_new(4, 1);
        uint64_t retry_ms = 77;
        assert_true(limiter_allow(limiter, SLICE("a"), 1000, &retry_ms));
        assert_int_equal(retry_ms, 0);
        assert_false(limiter_allow(limiter, SLICE("a"), 1010, &retry_ms));
        assert_int_equal(retry_ms, 240);
        assert_false(limiter_allow(limiter, SLICE("a"), 1010 + 239, &retry_ms));
        assert_true(limiter_allow(limiter, SLICE("a"), 1010 + 240, &retry_ms));
        limiter_free(limiter);
}

static void a_refusal_costs_nothing(void **state) {
        struct limiter *limiter = limiter_new(1, 1);
        assert_int_equal(allowed_of(limiter, "a", 1000, 1000), 1);
        assert_int_equal(allowed_of(limiter, "a", 1, 2000), 1);
        limiter_free(limiter);
}

static void no_rate_allows_everything(void **state) {
        struct limiter *limiter = limiter_new(0, 0);
        assert_int_equal(allowed_of(limiter, "a", 1000, 1), 1000);
        limiter_free(limiter);
}

static void names_are_bounded_and_forgotten_when_their_bucket_is_full_again(void **state) {
        struct limiter *limiter = limiter_new(1, 1);
        char name[16];
        uint64_t retry_ms;
        for (unsigned i = 0; i < LIMIT_LIMITER_NAMES + 10u; i++) {
                snprintf(name, sizeof(name), "n%u", i);
                assert_true(limiter_allow(limiter, slice_of(name), 1000, &retry_ms));
        }
        /* All rows are in use: a new name is not limited, a known one is. */
        assert_int_equal(allowed_of(limiter, "stranger", 3, 1000), 3);
        assert_int_equal(allowed_of(limiter, "n0", 3, 1000), 0);
        /* A second later they may go, so a new name finds room and is limited. */
        assert_int_equal(allowed_of(limiter, "stranger", 3, 2000), 1);
        limiter_free(limiter);
}

static void another_rate_counts_from_then_on(void **state) {
        struct limiter *limiter = limiter_new(0, 0);
        assert_int_equal(allowed_of(limiter, "a", 1000, 1000), 1000);
        limiter_set(limiter, 10, 5);
        assert_int_equal(allowed_of(limiter, "a", 20, 1000), 5);
        limiter_set(limiter, 1, 1);
        assert_int_equal(allowed_of(limiter, "a", 20, 1400), 0); /* still behind by the old one */
        assert_int_equal(allowed_of(limiter, "a", 20, 1500), 1);
        limiter_set(limiter, 0, 0);
        assert_int_equal(allowed_of(limiter, "a", 1000, 1500), 1000);
        limiter_free(limiter);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_burst_is_allowed_and_then_the_rate),
                cmocka_unit_test(each_name_has_a_bucket_of_its_own),
                cmocka_unit_test(a_refusal_says_when_to_come_back_and_is_right),
                cmocka_unit_test(a_refusal_costs_nothing),
                cmocka_unit_test(no_rate_allows_everything),
                cmocka_unit_test(another_rate_counts_from_then_on),
                cmocka_unit_test(names_are_bounded_and_forgotten_when_their_bucket_is_full_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
