/* SPDX-License-Identifier: Apache-2.0 */
/* What is owed to a device, and how far an escalation came, through their packed forms and back. */
#include "push/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fanout/due.h"

static void assert_printed(const struct ledger *ledger, const char *text) {
        _cleanup_buf_ struct buf out = BUF_INIT(8192);
        ledger_print(ledger, &out);
        assert_string_equal(out.ptr, text);
}

static void a_new_registration_owes_nothing_before_its_mark(void **state) {
        struct ledger ledger;
        ledger_parse(SLICE("0 3 42"), &ledger);
        assert_int_equal(ledger.mark, 42);
        assert_int_equal(ledger.woken_ms + ledger.used_milli + ledger.used_ms + (int64_t)ledger.owed_count, 0);
        assert_printed(&ledger, "0 3 42 0 0 0");
        ledger_parse(SLICE(""), &ledger);
        assert_printed(&ledger, "0 3 0 0 0 0");
}

static void the_earliest_and_the_most_urgent_come_first(void **state) {
        struct ledger ledger;
        ledger_parse(SLICE("0 3 9 5 6 7\n4 1 2000 2\n8 0 1000 1"), &ledger);
        assert_printed(&ledger, "1000 1 9 5 6 7\n4 1 2000 2\n8 0 1000 1");
        ledger.look_ms = 500;
        ledger.look_class = DUE_NORMAL;
        assert_printed(&ledger, "500 1 9 5 6 7\n4 1 2000 2\n8 0 1000 1");
        assert_true(ledger_settle(&ledger, 8));
        assert_false(ledger_settle(&ledger, 8));
        assert_printed(&ledger, "500 2 9 5 6 7\n4 1 2000 2");
}

static void each_event_is_owed_once_and_in_order(void **state) {
        struct ledger ledger;
        ledger_parse(SLICE(""), &ledger);
        static const uint64_t order[] = { 5, 3, 9, 3, 5, 1 };
        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
                assert_false(ledger_owe(&ledger, (struct ledger_owed){ order[i], (unsigned)i, 7, DUE_LOW, false }));
        assert_printed(&ledger, "7 3 0 0 0 0\n1 5 7 3\n3 3 7 3\n5 4 7 3\n9 2 7 3");
        assert_int_equal(ledger_find(&ledger, 5)->attempt, 4);
        assert_null(ledger_find(&ledger, 4));
}

static void past_its_limit_the_oldest_goes(void **state) {
        struct ledger ledger;
        ledger_parse(SLICE(""), &ledger);
        for (uint64_t n = 1; n <= LIMIT_PUSH_OWED; n++)
                assert_false(ledger_owe(&ledger, (struct ledger_owed){ n + 1, 0, 1, DUE_LOW, false }));
        assert_true(ledger_owe(&ledger, (struct ledger_owed){ 100, 0, 1, DUE_LOW, false }));
        assert_null(ledger_find(&ledger, 2));
        assert_non_null(ledger_find(&ledger, 3));
        assert_true(ledger_owe(&ledger, (struct ledger_owed){ 1, 0, 1, DUE_LOW, false }));
        assert_null(ledger_find(&ledger, 1));
        assert_int_equal(ledger.owed_count, LIMIT_PUSH_OWED);
}

static void more_lines_than_the_limit_are_read_without_harm(void **state) {
        _cleanup_buf_ struct buf text = BUF_INIT(65536);
        struct ledger ledger;
        buf_add_text(&text, "1 1 1000 0 0 0");
        for (int i = 1; i < 200; i++)
                buf_printf(&text, "\n%d 0 1 1", i);
        buf_add_text(&text, "\n\n0 0 0\nx y z\n \n");
        ledger_parse(buf_slice(&text), &ledger);
        assert_int_equal(ledger.owed_count, LIMIT_PUSH_OWED);
        assert_int_equal(ledger.owed[LIMIT_PUSH_OWED - 1].n, 199);
}

static void what_waits_for_the_end_of_quiet_hours_is_marked(void **state) {
        struct ledger ledger;
        ledger_parse(SLICE("1000 1 9 5 6 7\n4 1 2000 2 q\n8 0 1000 1"), &ledger);
        assert_true(ledger_find(&ledger, 4)->quiet);
        assert_int_equal(ledger_find(&ledger, 4)->class, 2);
        assert_false(ledger_find(&ledger, 8)->quiet);
        assert_printed(&ledger, "1000 1 9 5 6 7\n4 1 2000 2 q\n8 0 1000 1");
}

static void steps_keep_what_they_say(void **state) {
        static const char text[] = "5000 0 1 2\n1000 sent 77 push\n5000 waiting 0 webhook:sms\n9000 failed 88 webhook:mail no such app";
        struct ledger_steps steps;
        ledger_parse_steps(slice_of(text), &steps);
        assert_int_equal(steps.count, 3);
        assert_int_equal(steps.next, 1);
        assert_int_equal(steps.attempt, 2);
        assert_true(slice_is(steps.steps[2].reason, "no such app"));
        assert_true(slice_is(steps.steps[1].via, "webhook:sms"));
        _cleanup_buf_ struct buf out = BUF_INIT(8192);
        ledger_print_steps(&steps, &out);
        assert_string_equal(out.ptr, text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_new_registration_owes_nothing_before_its_mark),
                cmocka_unit_test(the_earliest_and_the_most_urgent_come_first),
                cmocka_unit_test(each_event_is_owed_once_and_in_order),
                cmocka_unit_test(past_its_limit_the_oldest_goes),
                cmocka_unit_test(more_lines_than_the_limit_are_read_without_harm),
                cmocka_unit_test(what_waits_for_the_end_of_quiet_hours_is_marked),
                cmocka_unit_test(steps_keep_what_they_say),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
