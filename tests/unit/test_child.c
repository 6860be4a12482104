/* SPDX-License-Identifier: Apache-2.0 */
/* test_child.c: lives of children as rows: what happens when, what is to be done, where it leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include "hub/child.h"

enum { NEVER = -1, GRACE_MS = 15000 };
#define MOST UINT64_MAX /* where chance does not matter: the first wait is always 50 ms */

/* One event at a time, and what must follow. due_ms is absolute; NEVER for none. */
struct row {
        uint64_t at_ms;
        enum child_event event;
        enum child_action action;
        enum child_state state;
        int64_t due_ms;
};

static void play(const struct row *rows, size_t count, uint64_t random) {
        struct child child;
        child_init(&child, GRACE_MS, 0);
        for (size_t i = 0; i < count; i++) {
                enum child_action action = child_step(&child, rows[i].event, rows[i].at_ms, random);
                uint64_t due_ms = rows[i].due_ms == NEVER ? UINT64_MAX : (uint64_t)rows[i].due_ms;
                if (action != rows[i].action || child.state != rows[i].state || child_due_ms(&child) != due_ms)
                        fail_msg("row %zu: action %d state %d due %llu", i, action, child.state,
                                 (unsigned long long)child_due_ms(&child));
        }
}
#define PLAY(random, ...)                                                                                                        \
        play((const struct row[]){ __VA_ARGS__ }, sizeof((const struct row[]){ __VA_ARGS__ }) / sizeof(struct row), random)

#define TICK CHILD_EVENT_TICK
#define STARTED CHILD_EVENT_STARTED
#define FAILED CHILD_EVENT_FAILED
#define EXITED CHILD_EVENT_EXITED
#define STOP CHILD_EVENT_STOP
#define HURRY CHILD_EVENT_HURRY
#define NONE CHILD_ACTION_NONE
#define START CHILD_ACTION_START
#define TERM CHILD_ACTION_TERM
#define KILL CHILD_ACTION_KILL
#define WAITING CHILD_WAITING
#define RUNNING CHILD_RUNNING
#define STOPPING CHILD_STOPPING
#define GONE CHILD_GONE

static void it_is_started_at_once_and_then_left_alone(void **state) {
        PLAY(MOST, { 0, TICK, START, WAITING, 0 }, { 0, STARTED, NONE, RUNNING, NEVER },
             { 86400000, TICK, NONE, RUNNING, NEVER });
}

static void one_that_dies_is_started_again_after_50_ms(void **state) {
        PLAY(0, { 0, TICK, START, WAITING, 0 }, { 0, STARTED, NONE, RUNNING, NEVER }, { 3, EXITED, NONE, WAITING, 53 },
             { 52, TICK, NONE, WAITING, 53 }, { 53, TICK, START, WAITING, 53 }, { 54, STARTED, NONE, RUNNING, NEVER });
}

/* Of many chances, the longest wait after so many deaths at once and then a life of last_ms. */
static uint64_t longest_wait(int deaths, uint64_t last_ms) {
        uint64_t longest_ms = 0;
        for (uint64_t i = 0; i < 4096; i++) {
                const uint64_t random = i * UINT64_C(0x9E3779B97F4A7C15); /* spread evenly: Knuth's multiplicative hash */
                struct child child;
                child_init(&child, GRACE_MS, 0);
                for (int death = 0; death < deaths; death++) {
                        child_step(&child, STARTED, 0, random);
                        child_step(&child, EXITED, 0, random);
                }
                child_step(&child, STARTED, 0, random);
                child_step(&child, EXITED, last_ms, random);
                if (child_due_ms(&child) - last_ms > longest_ms)
                        longest_ms = child_due_ms(&child) - last_ms;
        }
        return longest_ms;
}

static void the_longest_wait_doubles_with_each_early_death(void **state) {
        const uint64_t longest_ms[] = { 50, 100, 200, 400 };
        for (int deaths = 0; deaths < 4; deaths++)
                assert_int_equal(longest_wait(deaths, 0), longest_ms[deaths]);
        assert_in_range(longest_wait(20, 0), 4900, 5000);
}

static void it_never_waits_longer_than_5_s_nor_shorter_than_50_ms(void **state) {
        const uint64_t chances[] = { 0, 1, UINT64_MAX / 3, UINT64_MAX };
        for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
                struct child child;
                uint64_t now_ms = 0;
                child_init(&child, GRACE_MS, now_ms);
                for (int death = 0; death < 100; death++) {
                        assert_int_equal(child_step(&child, TICK, now_ms, chances[i]), START);
                        child_step(&child, STARTED, now_ms, chances[i]);
                        child_step(&child, EXITED, now_ms, chances[i]);
                        assert_in_range(child_due_ms(&child) - now_ms, 50, 5000);
                        now_ms = child_due_ms(&child);
                }
        }
}

static void a_life_of_10_s_forgets_the_earlier_deaths(void **state) {
        assert_int_equal(longest_wait(3, 10000), 50);
        assert_int_equal(longest_wait(3, 9999), 400);
}

static void a_start_that_fails_is_tried_again(void **state) {
        PLAY(MOST, { 0, TICK, START, WAITING, 0 }, { 0, FAILED, NONE, WAITING, 50 }, { 49, TICK, NONE, WAITING, 50 },
             { 50, TICK, START, WAITING, 50 }, { 51, STARTED, NONE, RUNNING, NEVER });
}

static void one_told_to_end_ends_and_stays_away(void **state) {
        PLAY(MOST, { 0, STARTED, NONE, RUNNING, NEVER }, { 100, STOP, TERM, STOPPING, 100 + GRACE_MS },
             { 200, STOP, NONE, STOPPING, 100 + GRACE_MS }, { 300, EXITED, NONE, GONE, NEVER },
             { 99999, TICK, NONE, GONE, NEVER }, { 99999, STOP, NONE, GONE, NEVER }, { 99999, HURRY, NONE, GONE, NEVER });
}

static void one_that_outstays_its_grace_is_killed_once(void **state) {
        PLAY(MOST, { 0, STARTED, NONE, RUNNING, NEVER }, { 100, STOP, TERM, STOPPING, 15100 },
             { 15099, TICK, NONE, STOPPING, 15100 }, { 15100, TICK, KILL, STOPPING, NEVER },
             { 15200, TICK, NONE, STOPPING, NEVER }, { 15300, EXITED, NONE, GONE, NEVER });
}

static void hurry_kills_at_once_what_was_told_to_end(void **state) {
        PLAY(MOST, { 0, STARTED, NONE, RUNNING, NEVER }, { 100, STOP, TERM, STOPPING, 15100 },
             { 200, HURRY, KILL, STOPPING, NEVER }, { 201, TICK, NONE, STOPPING, NEVER }, { 202, EXITED, NONE, GONE, NEVER });
}

static void hurry_kills_at_once_what_was_not(void **state) {
        PLAY(MOST, { 0, STARTED, NONE, RUNNING, NEVER }, { 100, HURRY, KILL, STOPPING, NEVER },
             { 101, EXITED, NONE, GONE, NEVER });
}

static void one_that_waits_for_its_restart_is_gone_when_told_to_end(void **state) {
        PLAY(MOST, { 0, STARTED, NONE, RUNNING, NEVER }, { 10, EXITED, NONE, WAITING, 60 }, { 20, STOP, NONE, GONE, NEVER },
             { 60, TICK, NONE, GONE, NEVER });
}

static void a_new_grace_counts_until_it_is_told_to_end(void **state) {
        struct child child;
        child_init(&child, GRACE_MS, 0);
        child_step(&child, STARTED, 0, 0);
        child.grace_ms = 7;
        child_step(&child, STOP, 10, 0);
        assert_int_equal(child_due_ms(&child), 17);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_started_at_once_and_then_left_alone),
                cmocka_unit_test(one_that_dies_is_started_again_after_50_ms),
                cmocka_unit_test(the_longest_wait_doubles_with_each_early_death),
                cmocka_unit_test(it_never_waits_longer_than_5_s_nor_shorter_than_50_ms),
                cmocka_unit_test(a_life_of_10_s_forgets_the_earlier_deaths),
                cmocka_unit_test(a_start_that_fails_is_tried_again),
                cmocka_unit_test(one_told_to_end_ends_and_stays_away),
                cmocka_unit_test(one_that_outstays_its_grace_is_killed_once),
                cmocka_unit_test(hurry_kills_at_once_what_was_told_to_end),
                cmocka_unit_test(hurry_kills_at_once_what_was_not),
                cmocka_unit_test(one_that_waits_for_its_restart_is_gone_when_told_to_end),
                cmocka_unit_test(a_new_grace_counts_until_it_is_told_to_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
