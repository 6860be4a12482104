/* SPDX-License-Identifier: Apache-2.0 */
/* How long each attempt may wait, for the smallest and the largest chance. */
#include "base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* The highest delay of each attempt: the remainder of ceiling by ceiling + 1 is itself. */
static void each_delay_may_be_twice_as_long_until_the_longest(void **state) {
        static const uint64_t ceilings[] = { 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
        struct backoff highest = { .base_ms = 500, .max_ms = 30000 }, above = highest, lowest = highest;

        for (size_t i = 0; i < COUNT(ceilings); i++) {
                assert_int_equal(backoff_step(&highest, ceilings[i]), ceilings[i]);
                assert_int_equal(backoff_step(&above, ceilings[i] + 1), 0);
                assert_int_equal(backoff_step(&lowest, 0), 0);
        }
        assert_int_equal(highest.attempts, COUNT(ceilings));
}

static void a_reset_begins_again(void **state) {
        struct backoff backoff = { .base_ms = 10, .max_ms = 1000 };

        for (int i = 0; i < 20; i++)
                assert_true(backoff_step(&backoff, UINT64_MAX) <= 1000);
        backoff_reset(&backoff);
        assert_int_equal(backoff_step(&backoff, 10), 10);
        assert_int_equal(backoff_step(&backoff, 11), 11);
}

static void nothing_overflows_however_many_attempts(void **state) {
        struct backoff backoff = { .base_ms = 3, .max_ms = UINT64_MAX, .attempts = UINT32_MAX - 1 };

        assert_true(backoff_step(&backoff, UINT64_MAX) == UINT64_MAX);
        assert_true(backoff_step(&backoff, UINT64_MAX - 1) == UINT64_MAX - 1);
        assert_int_equal(backoff.attempts, UINT32_MAX);

        backoff = (struct backoff){ .base_ms = 3, .max_ms = UINT64_MAX, .attempts = 62 };
        assert_true(backoff_step(&backoff, UINT64_C(3) << 62) == UINT64_C(3) << 62);
        assert_true(backoff_step(&backoff, UINT64_MAX) == UINT64_MAX); /* 3 << 63 does not fit: the longest */
}

static void a_base_above_the_longest_is_cut(void **state) {
        struct backoff backoff = { .base_ms = 5000, .max_ms = 100 };

        assert_int_equal(backoff_step(&backoff, 100), 100);
        assert_int_equal(backoff_step(&backoff, 101), 0);
}

static void a_base_of_nothing_never_waits(void **state) {
        struct backoff backoff = { .base_ms = 0, .max_ms = 100 };

        for (int i = 0; i < 63; i++)
                assert_int_equal(backoff_step(&backoff, UINT64_MAX), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_delay_may_be_twice_as_long_until_the_longest),
                cmocka_unit_test(a_reset_begins_again),
                cmocka_unit_test(nothing_overflows_however_many_attempts),
                cmocka_unit_test(a_base_above_the_longest_is_cut),
                cmocka_unit_test(a_base_of_nothing_never_waits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
