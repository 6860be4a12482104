/* SPDX-License-Identifier: Apache-2.0 */
/* Who is read once more in a turn of the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "hub/appetite.h"

static void who_says_little_is_not_read_again(void **state) {
        struct appetite appetite = { 0 };
        for (uint32_t turn = 0; turn < 100; turn++)
                assert_false(appetite_hear(&appetite, turn, APPETITE_READ_BYTES / 2 - 1));
}

static void who_fills_half_a_read_is_read_again(void **state) {
        struct appetite appetite = { 0 };
        assert_false(appetite_hear(&appetite, 7, APPETITE_READ_BYTES / 4));
        assert_true(appetite_hear(&appetite, 7, APPETITE_READ_BYTES / 4));
        assert_true(appetite_hear(&appetite, 7, 1));
}

static void a_read_that_brings_little_is_the_last(void **state) {
        struct appetite appetite = { 0 };
        assert_true(appetite_hear(&appetite, 7, APPETITE_READ_BYTES));
        appetite_feed(&appetite);
        assert_false(appetite_hear(&appetite, 7, APPETITE_READ_BYTES / 2 - 1));
}

static void nobody_is_read_on_without_end(void **state) {
        struct appetite appetite = { 0 };
        unsigned reads = 0;
        for (; appetite_hear(&appetite, 7, 65536); reads++) {
                assert_true(reads < 10 * LIMIT_READS);
                appetite_feed(&appetite);
        }
        assert_int_equal(reads, LIMIT_READS);
        assert_true(appetite_hear(&appetite, 8, 65536)); /* in the next turn it is its turn again */
}

static void a_turn_counts_for_itself(void **state) {
        struct appetite appetite = { 0 };
        assert_false(appetite_hear(&appetite, UINT32_MAX, APPETITE_READ_BYTES / 2 - 1));
        assert_false(appetite_hear(&appetite, 0, APPETITE_READ_BYTES / 2 - 1));
        assert_true(appetite_hear(&appetite, 0, 1));
}

/* One message in every other turn. */
static void who_was_read_in_vain_is_left_alone(void **state) {
        struct appetite appetite = { 0 };
        assert_true(appetite_hear(&appetite, 1, APPETITE_READ_BYTES - 1));
        appetite_feed(&appetite);
        for (uint32_t turn = 3; turn < 100; turn += 2)
                assert_false(appetite_hear(&appetite, turn, APPETITE_READ_BYTES - 1));
        assert_true(appetite_hear(&appetite, 101, APPETITE_READ_BYTES)); /* a full read is none in vain */
}

static void who_is_heard_in_two_turns_has_more_to_say(void **state) {
        struct appetite appetite = { 0 };
        assert_true(appetite_hear(&appetite, 1, APPETITE_READ_BYTES - 1));
        appetite_feed(&appetite);
        assert_false(appetite_hear(&appetite, 9, APPETITE_READ_BYTES - 1));
        assert_true(appetite_hear(&appetite, 10, APPETITE_READ_BYTES - 1));
}

static void the_end_of_much_is_not_in_vain(void **state) {
        struct appetite appetite = { 0 };
        for (int i = 0; i < 3; i++) {
                assert_true(appetite_hear(&appetite, 1, APPETITE_READ_BYTES - 1));
                appetite_feed(&appetite);
        }
        assert_true(appetite_hear(&appetite, 9, APPETITE_READ_BYTES - 1));
        appetite_feed(&appetite);
        assert_false(appetite_hear(&appetite, 9, 1));
        assert_true(appetite_hear(&appetite, 99, APPETITE_READ_BYTES - 1)); /* that one brought something, too */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_says_little_is_not_read_again), cmocka_unit_test(who_fills_half_a_read_is_read_again),
                cmocka_unit_test(a_read_that_brings_little_is_the_last), cmocka_unit_test(nobody_is_read_on_without_end),
                cmocka_unit_test(a_turn_counts_for_itself), cmocka_unit_test(who_was_read_in_vain_is_left_alone),
                cmocka_unit_test(who_is_heard_in_two_turns_has_more_to_say), cmocka_unit_test(the_end_of_much_is_not_in_vain),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
