/* SPDX-License-Identifier: Apache-2.0 */
/* An open loop: arrivals come at their rate whatever happens in between, from all who may speak, and again with the same seed. */
#include "loadtest/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SPEAKERS = 100, RATE = 1000, SECONDS = 60 };

static void arrivals_keep_their_rate_and_their_order_however_seldom_one_asks(void **state) {
        static const uint64_t steps_us[] = { 100, 20000, 5000000 };
        for (size_t i = 0; i < sizeof steps_us / sizeof *steps_us; i++) {
                struct schedule schedule;
                uint64_t due_us = 0, last_us = 0, count = 0, start_us = 123456;
                uint32_t who;
                assert_int_equal(schedule_init(&schedule, SPEAKERS, RATE, 42), 0);
                schedule_start(&schedule, start_us);
                for (uint64_t now_us = start_us; now_us <= start_us + SECONDS * 1000000ull; now_us += steps_us[i])
                        while (schedule_step(&schedule, now_us, &who, &due_us)) {
                                assert_true(due_us >= last_us && due_us <= now_us && due_us >= start_us);
                                assert_true(who < SPEAKERS);
                                last_us = due_us;
                                count++;
                        }
                /* 60,000 are expected, with a standard deviation of 245. */
                assert_in_range(count, SECONDS * RATE - 1500, SECONDS * RATE + 1500);
                assert_true(schedule_next_us(&schedule) > last_us);
                schedule_deinit(&schedule);
        }
}

static int compare(const void *a, const void *b) {
        return *(const int *)b - *(const int *)a;
}

static void a_few_say_much_and_everybody_something(void **state) {
        struct schedule schedule;
        int said[SPEAKERS] = { 0 }, loudest = 0, all = 0;
        uint64_t due_us;
        uint32_t who;
        assert_int_equal(schedule_init(&schedule, SPEAKERS, RATE, 43), 0);
        schedule_start(&schedule, 0);
        while (schedule_step(&schedule, SECONDS * 1000000ull, &who, &due_us))
                said[who]++;
        qsort(said, SPEAKERS, sizeof *said, compare);
        for (int i = 0; i < SPEAKERS; i++) {
                loudest += i < SPEAKERS / 10 ? said[i] : 0;
                all += said[i];
        }
        assert_true(said[SPEAKERS - 1] > 0);
        assert_true(loudest > all / 4 && loudest < all * 3 / 4);
        schedule_deinit(&schedule);
}

static void the_same_seed_draws_the_same_and_another_one_does_not(void **state) {
        struct schedule one, two, other;
        uint64_t one_us, two_us, other_us;
        uint32_t first, second, third, same = 0;
        assert_int_equal(schedule_init(&one, SPEAKERS, RATE, 1), 0);
        assert_int_equal(schedule_init(&two, SPEAKERS, RATE, 1), 0);
        assert_int_equal(schedule_init(&other, SPEAKERS, RATE, 2), 0);
        schedule_start(&one, 0);
        schedule_start(&two, 0);
        schedule_start(&other, 0);
        struct dice dice = { 3 };
        for (int i = 0; i < 1000; i++) {
                assert_true(schedule_draw(&two, &dice) < SPEAKERS); /* a stand-in changes nothing */
                assert_true(schedule_step(&one, UINT64_MAX / 2, &first, &one_us));
                assert_true(schedule_step(&two, UINT64_MAX / 2, &second, &two_us));
                assert_true(schedule_step(&other, UINT64_MAX / 2, &third, &other_us));
                assert_int_equal(first, second);
                assert_int_equal(one_us, two_us);
                same += one_us == other_us;
        }
        assert_true(same < 10);
        schedule_deinit(&one);
        schedule_deinit(&two);
        schedule_deinit(&other);
}

static void without_a_rate_or_speakers_nothing_is_ever_due(void **state) {
        static const struct {
                uint32_t count;
                double rate;
        } rows[] = { { SPEAKERS, 0 }, { 0, RATE } };
        for (size_t i = 0; i < 2; i++) {
                struct schedule schedule;
                uint64_t due_us;
                uint32_t who;
                assert_int_equal(schedule_init(&schedule, rows[i].count, rows[i].rate, 1), 0);
                schedule_start(&schedule, 0);
                assert_false(schedule_step(&schedule, UINT64_MAX, &who, &due_us));
                assert_true(schedule_next_us(&schedule) == UINT64_MAX);
                schedule_deinit(&schedule);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(arrivals_keep_their_rate_and_their_order_however_seldom_one_asks),
                cmocka_unit_test(a_few_say_much_and_everybody_something),
                cmocka_unit_test(the_same_seed_draws_the_same_and_another_one_does_not),
                cmocka_unit_test(without_a_rate_or_speakers_nothing_is_ever_due),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
