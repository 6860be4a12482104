/* SPDX-License-Identifier: Apache-2.0 */
/* How many acknowledgements go to the store at a time. That they arrive, and what they bring about, is for sim and stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fanout/acks.h"

static void few_go_together_after_a_tenth_of_a_second(void **state) {
        assert_int_equal(acks_due(1, 99), 0);
        assert_int_equal(acks_due(32, 99), 0);
        assert_true(acks_due(1, 100) >= 1);
        assert_int_equal(acks_due(32, 100), 32);
}

static void many_go_in_small_portions(void **state) {
        assert_int_equal(acks_due(500, 24), 0);
        assert_int_equal(acks_due(500, 25), 12);
        assert_int_equal(acks_due(33, 25), 8); /* not less a second than few would */
        assert_int_equal(acks_due(20000, 50), 1000);
}

/* A loop that was busy for long makes up for it, and one that had nothing to do for long does not begin with a heap. */
static void what_passed_before_is_not_all_owed(void **state) {
        assert_int_equal(acks_due(500, 1000), 500);
        assert_int_equal(acks_due(500, 1000000), 500);
        assert_int_equal(acks_due(1, 1000000), 32);
        assert_int_equal(acks_due(0, UINT64_MAX), 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(few_go_together_after_a_tenth_of_a_second), cmocka_unit_test(many_go_in_small_portions),
                cmocka_unit_test(what_passed_before_is_not_all_owed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
