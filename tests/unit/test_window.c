/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests may be under way at once. */
#include "push/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void a_new_connection_takes_one_until_it_answered_well(void **state) {
        struct window window;
        window_init(&window, 100);
        assert_int_equal(window_room(&window, 0), 1);
        assert_int_equal(window_room(&window, 1), 0);
        window_on_answer(&window, false);
        assert_int_equal(window_room(&window, 0), 1);
        window_on_answer(&window, true);
        assert_int_equal(window_room(&window, 0), 2);
        window_on_connection(&window);
        assert_int_equal(window_room(&window, 0), 1);
}

static void room_doubles_each_round_up_to_the_most(void **state) {
        struct window window;
        window_init(&window, 100);
        for (uint32_t round = 0, expected = 1; round < 10; round++) {
                assert_int_equal(window_room(&window, 0), expected);
                for (uint32_t i = 0; i < expected; i++)
                        window_on_answer(&window, true);
                expected = expected * 2 < 100 ? expected * 2 : 100;
        }
}

static void a_loss_halves_it_and_then_it_grows_slowly(void **state) {
        struct window window;
        window_init(&window, 100);
        for (int i = 0; i < 200; i++)
                window_on_answer(&window, true);
        window_on_loss(&window);
        assert_int_equal(window_room(&window, 0), 50);
        for (int i = 0; i < 63; i++)
                window_on_answer(&window, true);
        assert_int_equal(window_room(&window, 0), 50);
        window_on_answer(&window, true);
        assert_int_equal(window_room(&window, 0), 51);
        for (int i = 0; i < 20; i++)
                window_on_loss(&window);
        assert_int_equal(window_room(&window, 0), 1);
}

static void after_a_rest_one_goes_alone_until_it_is_answered(void **state) {
        struct window window;
        window_init(&window, 100);
        for (int i = 0; i < 50; i++)
                window_on_answer(&window, true);
        assert_int_equal(window_room(&window, 0), 51);
        window_on_rest(&window);
        assert_int_equal(window_room(&window, 0), 1);
        assert_int_equal(window_room(&window, 1), 0);
        window_on_answer(&window, false);
        assert_int_equal(window_room(&window, 0), 52);
}

static void more_under_way_than_room_is_no_room(void **state) {
        struct window window;
        window_init(&window, 4);
        assert_int_equal(window_room(&window, 7), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_new_connection_takes_one_until_it_answered_well),
                cmocka_unit_test(room_doubles_each_round_up_to_the_most),
                cmocka_unit_test(a_loss_halves_it_and_then_it_grows_slowly),
                cmocka_unit_test(after_a_rest_one_goes_alone_until_it_is_answered),
                cmocka_unit_test(more_under_way_than_room_is_no_room),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
