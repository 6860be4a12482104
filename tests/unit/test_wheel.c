/* SPDX-License-Identifier: Apache-2.0 */
/* When timers fire, in virtual time: each step of the wheel is a number in the test. */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TICK_MS = 10, ROUND_MS = 512 * TICK_MS };

struct timer {
        struct wheel_timer timer;
        char name;
        unsigned fired;
        uint64_t fired_ms;
        void (*then)(struct timer *timer, uint64_t now_ms); /* what its callback does besides */
};

static struct {
        struct wheel *wheel;
        struct timer a, b, c;
        char order[64]; /* names of those that fired */
} t;

static void on_due(struct wheel_timer *wheel_timer, uint64_t now_ms) {
        struct timer *timer = LIST_CONTAINER(wheel_timer, struct timer, timer);
        size_t len = strlen(t.order);

        assert_false(wheel_timer_is_started(wheel_timer));
        timer->fired++;
        timer->fired_ms = now_ms;
        if (len < sizeof(t.order) - 1)
                t.order[len] = timer->name;
        if (timer->then)
                timer->then(timer, now_ms);
}

static void init_timer(struct timer *timer, char name) {
        *timer = (struct timer){ .name = name };
        wheel_timer_init(&timer->timer, on_due);
}

static int set_up(void **state) {
        memset(&t, 0, sizeof(t));
        t.wheel = wheel_new(TICK_MS, 1000);
        init_timer(&t.a, 'a');
        init_timer(&t.b, 'b');
        init_timer(&t.c, 'c');
        return 0;
}

static int tear_down(void **state) {
        t.wheel = wheel_free(t.wheel);
        assert_null(t.wheel);
        return 0;
}

static void start(struct timer *timer, uint64_t due_ms) {
        wheel_start(t.wheel, &timer->timer, due_ms);
}

static void advance(uint64_t now_ms) {
        t.order[0] = '\0';
        memset(t.order, 0, sizeof(t.order));
        wheel_advance(t.wheel, now_ms);
}

static void a_timer_fires_once_in_time_and_never_early(void **state) {
        static const uint64_t dues[] = { 1001, 1005, 1009, 1010, 1011, 1019, 1020, 1990, 5000, 6119, 6120, 6121, 20000 };

        for (size_t i = 0; i < sizeof(dues) / sizeof(dues[0]); i++) {
                t.wheel = wheel_free(t.wheel);
                t.wheel = wheel_new(TICK_MS, 1000);
                init_timer(&t.a, 'a');
                start(&t.a, dues[i]);
                for (uint64_t now_ms = 1000; now_ms < dues[i]; now_ms++) {
                        advance(now_ms);
                        assert_int_equal(t.a.fired, 0);
                        assert_true(wheel_timer_is_started(&t.a.timer));
                }
                for (uint64_t now_ms = dues[i]; now_ms < dues[i] + TICK_MS; now_ms++)
                        advance(now_ms);
                assert_int_equal(t.a.fired, 1);
                assert_false(wheel_timer_is_started(&t.a.timer));
                advance(dues[i] + 2 * ROUND_MS);
                assert_int_equal(t.a.fired, 1);
        }
}

static void timers_of_one_slot_fire_in_their_own_rounds(void **state) {
        start(&t.c, 1500 + 2 * ROUND_MS);
        start(&t.b, 1500 + ROUND_MS);
        start(&t.a, 1500);
        advance(1499);
        assert_string_equal(t.order, "");
        advance(1500);
        assert_string_equal(t.order, "a");
        advance(1499 + ROUND_MS);
        assert_string_equal(t.order, "");
        advance(1500 + ROUND_MS);
        assert_string_equal(t.order, "b");
        advance(1500 + 2 * ROUND_MS);
        assert_string_equal(t.order, "c");
}

static void a_late_loop_fires_all_in_order_of_ticks(void **state) {
        start(&t.c, 1500 + ROUND_MS); /* the slot of a */
        start(&t.b, 1510);
        start(&t.a, 1500);
        advance(1600 + ROUND_MS);
        assert_string_equal(t.order, "abc");
        assert_int_equal(t.a.fired_ms, 1600 + ROUND_MS);
}

static void a_leap_over_years_costs_a_round_of_empty_slots(void **state) {
        uint64_t years_ms = UINT64_C(1000) * 365 * 86400 * 1000;

        start(&t.a, 5000);
        advance(years_ms);
        assert_string_equal(t.order, "a");
        start(&t.b, years_ms + 15);
        advance(years_ms + 14);
        assert_string_equal(t.order, "");
        advance(years_ms + 20);
        assert_string_equal(t.order, "b");
}

static void a_time_in_the_past_fires_at_the_next_advance(void **state) {
        advance(1234);
        start(&t.a, 500);
        start(&t.b, 1234);
        start(&t.c, 0);
        assert_true(wheel_timer_is_started(&t.c.timer));
        advance(1234); /* not even a tick later */
        assert_string_equal(t.order, "abc");
        advance(1240);
        assert_string_equal(t.order, "");
}

static void a_clock_that_goes_back_is_taken_as_standing_still(void **state) {
        advance(2000);
        start(&t.a, 2010);
        start(&t.b, 1500);
        advance(1000);
        assert_string_equal(t.order, "b");
        assert_int_equal(t.b.fired_ms, 2000);
        advance(2010);
        assert_string_equal(t.order, "a");
}

static void a_started_timer_can_be_moved_and_stopped(void **state) {
        start(&t.a, 1100);
        start(&t.a, 1200);
        start(&t.b, 1100);
        start(&t.b, 1050);
        start(&t.c, 1100);
        wheel_stop(&t.c.timer);
        wheel_stop(&t.c.timer);
        advance(1100);
        assert_string_equal(t.order, "b");
        advance(1200);
        assert_string_equal(t.order, "a");
        assert_int_equal(t.c.fired, 0);
}

static void never_is_never(void **state) {
        start(&t.a, UINT64_MAX);
        start(&t.b, UINT64_MAX - 5);
        advance(1000 + 3 * ROUND_MS);
        assert_string_equal(t.order, "");
        wheel_stop(&t.a.timer);
        assert_false(wheel_timer_is_started(&t.a.timer));
}

static void restart_now(struct timer *timer, uint64_t now_ms) {
        start(timer, now_ms);
}

static void restart_in_100ms(struct timer *timer, uint64_t now_ms) {
        start(timer, now_ms + 100);
}

static void a_callback_may_start_its_own_timer(void **state) {
        t.a.then = restart_in_100ms;
        start(&t.a, 1100);
        for (uint64_t now_ms = 1000; now_ms <= 2000; now_ms += 5)
                advance(now_ms);
        assert_int_equal(t.a.fired, 10);
}

static void a_callback_that_starts_its_timer_for_now_does_not_hold_the_loop(void **state) {
        t.a.then = restart_now;
        start(&t.a, 1100);
        advance(1100);
        assert_int_equal(t.a.fired, 1);
        advance(1100);
        assert_int_equal(t.a.fired, 2);
}

static void stop_b(struct timer *timer, uint64_t now_ms) {
        wheel_stop(&t.b.timer);
}

static void start_b_later(struct timer *timer, uint64_t now_ms) {
        start(&t.b, now_ms + ROUND_MS);
}

static void start_b_now(struct timer *timer, uint64_t now_ms) {
        start(&t.b, now_ms);
}

/* b is due in the same tick as a, and is already out of its slot when a's callback comes. */
static void a_callback_may_stop_or_move_the_next_one(void **state) {
        t.a.then = stop_b;
        start(&t.a, 1100);
        start(&t.b, 1100);
        start(&t.c, 1100);
        advance(1100);
        assert_string_equal(t.order, "ac");

        t.a.then = start_b_later;
        start(&t.a, 1200);
        start(&t.b, 1200);
        advance(1200);
        assert_string_equal(t.order, "a");
        advance(1200 + ROUND_MS - 1);
        assert_string_equal(t.order, "");
        advance(1200 + ROUND_MS);
        assert_string_equal(t.order, "b");

        t.a.then = start_b_now;
        start(&t.a, 9000);
        start(&t.b, 9000);
        advance(9000);
        assert_string_equal(t.order, "a"); /* moved to the next advance */
        advance(9000);
        assert_string_equal(t.order, "b");
}

static struct timer *freed;

static void free_the_other(struct timer *timer, uint64_t now_ms) {
        wheel_stop(&freed->timer);
        free(freed);
        freed = NULL;
}

static void free_itself(struct timer *timer, uint64_t now_ms) {
        free(timer);
}

static void a_callback_may_free_timers(void **state) {
        freed = malloc(sizeof(*freed));
        init_timer(freed, 'f');
        t.a.then = free_the_other;
        start(&t.a, 1100);
        start(freed, 1100);
        advance(1100);
        assert_string_equal(t.order, "a");
        assert_null(freed);

        struct timer *own = malloc(sizeof(*own));
        init_timer(own, 'o');
        own->then = free_itself;
        start(own, 1200);
        start(&t.b, 1200);
        advance(1200);
        assert_string_equal(t.order, "ob");
}

static void freeing_a_wheel_forgets_its_timers(void **state) {
        start(&t.a, 1100);
        start(&t.b, 500);
        t.wheel = wheel_free(t.wheel);
        assert_false(wheel_timer_is_started(&t.a.timer));
        assert_false(wheel_timer_is_started(&t.b.timer));
        wheel_stop(&t.a.timer);
        assert_null(wheel_free(NULL));
}

/* A thousand timers against a list that simply compares: none is lost, early, late or twice. */
static void many_timers_agree_with_a_plain_list(void **state) {
        enum { TIMERS = 1000, STEPS = 4000 };
        struct timer *timers = calloc(TIMERS, sizeof(*timers));
        uint64_t dues[TIMERS], random = 88172645463325252u, now_ms = 1000;

        for (size_t i = 0; i < TIMERS; i++) {
                init_timer(&timers[i], 'x');
                dues[i] = 0;
        }
        for (size_t step = 0; step < STEPS; step++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                size_t i = random % TIMERS;
                if (random >> 60 == 0) {
                        wheel_stop(&timers[i].timer);
                        dues[i] = 0;
                } else {
                        dues[i] = now_ms + 1 + (random >> 20) % (3 * ROUND_MS);
                        wheel_start(t.wheel, &timers[i].timer, dues[i]);
                }
                now_ms += (random >> 40) % 25;
                advance(now_ms);
                for (size_t k = 0; k < TIMERS; k++) {
                        bool due = dues[k] != 0 && (dues[k] + TICK_MS - 1) / TICK_MS <= now_ms / TICK_MS;
                        if (timers[k].fired != due || wheel_timer_is_started(&timers[k].timer) != (dues[k] != 0 && !due))
                                fail_msg("timer %zu at step %zu", k, step);
                        timers[k].fired = 0;
                        if (due)
                                dues[k] = 0;
                }
        }
        for (size_t i = 0; i < TIMERS; i++)
                wheel_stop(&timers[i].timer);
        free(timers);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(a_timer_fires_once_in_time_and_never_early),
                CASE(timers_of_one_slot_fire_in_their_own_rounds),
                CASE(a_late_loop_fires_all_in_order_of_ticks),
                CASE(a_leap_over_years_costs_a_round_of_empty_slots),
                CASE(a_time_in_the_past_fires_at_the_next_advance),
                CASE(a_clock_that_goes_back_is_taken_as_standing_still),
                CASE(a_started_timer_can_be_moved_and_stopped),
                CASE(never_is_never),
                CASE(a_callback_may_start_its_own_timer),
                CASE(a_callback_that_starts_its_timer_for_now_does_not_hold_the_loop),
                CASE(a_callback_may_stop_or_move_the_next_one),
                CASE(a_callback_may_free_timers),
                CASE(freeing_a_wheel_forgets_its_timers),
                CASE(many_timers_agree_with_a_plain_list),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
