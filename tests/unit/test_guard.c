/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a provider is believed when it says that a registration is not for us. */
#include "push/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void accept(struct guard *guard, int count) {
        for (int i = 0; i < count; i++)
                guard_on_accepted(guard);
}

static void one_among_good_ones_is_believed_the_second_time(void **state) {
        struct guard guard = { 0 };
        accept(&guard, 10);
        assert_int_equal(guard_on_doubt(&guard, false), GUARD_ASK_AGAIN);
        accept(&guard, 1);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_BELIEVE);
}

static void nothing_is_believed_before_a_push_was_accepted(void **state) {
        struct guard guard = { 0 };
        for (int i = 0; i < 19; i++)
                assert_int_equal(guard_on_doubt(&guard, true), GUARD_ASK_AGAIN);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_OURS);
}

/* However few there are: what failed together is never believed together. */
static void two_in_a_row_are_not_believed(void **state) {
        struct guard guard = { 0 };
        accept(&guard, 50);
        guard_on_doubt(&guard, false);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_ASK_AGAIN);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_ASK_AGAIN);
}

static void more_than_a_fifth_is_about_us(void **state) {
        struct guard guard = { 0 };
        for (int i = 0; i < 19; i++) {
                accept(&guard, 3);
                assert_true(guard_on_doubt(&guard, true) != GUARD_OURS);
        }
        accept(&guard, 3);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_OURS);
}

static void what_is_long_ago_is_forgotten(void **state) {
        struct guard guard = { 0 };
        for (int i = 0; i < 40; i++)
                guard_on_doubt(&guard, false);
        accept(&guard, 100);
        assert_int_equal(guard_on_doubt(&guard, true), GUARD_BELIEVE);
        assert_int_equal(guard.count, 100);
}

static void a_fifth_is_still_believed(void **state) {
        struct guard guard = { 0 };
        for (int i = 0; i < 200; i++) {
                accept(&guard, 4);
                assert_int_equal(guard_on_doubt(&guard, true), GUARD_BELIEVE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_among_good_ones_is_believed_the_second_time),
                cmocka_unit_test(nothing_is_believed_before_a_push_was_accepted),
                cmocka_unit_test(two_in_a_row_are_not_believed),
                cmocka_unit_test(more_than_a_fifth_is_about_us),
                cmocka_unit_test(what_is_long_ago_is_forgotten),
                cmocka_unit_test(a_fifth_is_still_believed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
