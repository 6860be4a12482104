/* SPDX-License-Identifier: Apache-2.0 */
/* test_typing.c: a typist's frames, and what of them is told. ttl 6000 ms; the timing diagram of typing.h is the first row. */
#include "fanout/typing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { TTL_MS = 6000, START_MS = 50000 };

static const struct typing_rules rules = { .ttl_ms = TTL_MS };

/* '+' a frame says on, '-' off, 'm' a message is sent, 't' it is the time of typing_due_ms(), which the row says. Said: '+', '-' or '.' for nothing. */
static const struct {
        const char *sentence;
        struct {
                int at_ms;
                char frame, said;
        } rows[10];
} cases[] = {
        { "on is told once in 2 s, off at once, and the message ends it",
          { { 0, '+', '+' }, { 500, '+', '.' }, { 900, '+', '.' }, { 2000, '+', '+' }, { 3000, '-', '-' }, { 4000, '+', '+' }, { 5000, 'm', '-' } } },
        { "2 s are over at 2 s, not before", { { 0, '+', '+' }, { 1999, '+', '.' }, { 2000, '+', '+' } } },
        { "quick turns are throttled too", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 300, '-', '.' }, { 2000, '+', '+' } } },
        { "who types on is told when 2 s are over", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 2000, 't', '+' }, { 6200, 't', '-' } } },
        { "… but once, however many frames there were", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 1500, '+', '.' }, { 2000, 't', '+' }, { 2100, '+', '.' }, { 8100, 't', '-' } } },
        { "… and 2 s begin anew", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 2000, 't', '+' }, { 2100, '-', '-' }, { 2200, '+', '.' }, { 4000, 't', '+' } } },
        { "who begins again behind a message, too", { { 0, '+', '+' }, { 100, 'm', '-' }, { 200, '+', '.' }, { 2000, 't', '+' } } },
        { "who has ended by then is not told of", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 300, '-', '.' }, { 2000, 't', '.' } } },
        { "nor is who has sent its message", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 300, 'm', '.' }, { 2000, 't', '.' } } },
        { "a frame that comes before the timer is told, and then only that", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 2000, '+', '+' }, { 8000, 't', '-' } } },
        { "it ends by itself", { { 0, '+', '+' }, { 3000, '+', '+' }, { 9000, 't', '-' } } },
        { "off is told once", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '-', '.' }, { 300, 'm', '.' } } },
        { "who did not type stops nothing", { { 0, '-', '.' }, { 1, 'm', '.' } } },
};

static void frames_are_spread_as_the_rows_say(void **state) {
        static const char said[] = { [TYPING_NOTHING] = '.', [TYPING_SAY_ON] = '+', [TYPING_SAY_OFF] = '-' };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct typing typing = { 0 };
                for (size_t k = 0; cases[i].rows[k].frame; k++) {
                        char frame = cases[i].rows[k].frame;
                        int64_t now_ms = START_MS + cases[i].rows[k].at_ms;
                        if (frame == 't')
                                assert_int_equal(typing_due_ms(&typing), now_ms);
                        enum typing_action action = frame == 'm' ? typing_end(&typing) :
                                                    frame == 't' ? typing_on_due(&typing, now_ms) :
                                                                   typing_step(&typing, frame == '+', &rules, now_ms);
                        if (said[action] != cases[i].rows[k].said)
                                fail_msg("%s: at %d %c said %c", cases[i].sentence, cases[i].rows[k].at_ms, frame, said[action]);
                        if (frame == '+')
                                assert_int_equal(typing.ends_ms, now_ms + TTL_MS); /* each frame prolongs it, told or not */
                }
        }
}

/* A timer may come early, as it was set for what has changed since: then nothing is told. */
static void too_early_is_no_time(void **state) {
        struct typing typing = { 0 };
        assert_int_equal(typing_step(&typing, true, &rules, START_MS), TYPING_SAY_ON);
        assert_int_equal(typing_end(&typing), TYPING_SAY_OFF);
        assert_int_equal(typing_step(&typing, true, &rules, START_MS + 200), TYPING_NOTHING);
        assert_int_equal(typing_on_due(&typing, START_MS + 1999), TYPING_NOTHING);
        assert_int_equal(typing_on_due(&typing, START_MS + 2000), TYPING_SAY_ON);
        assert_int_equal(typing_on_due(&typing, START_MS + 2001), TYPING_NOTHING);
}

/* A ttl below the throttle: it is over before it could be told. */
static void what_ends_before_it_may_be_told_is_not_told(void **state) {
        const struct typing_rules brief = { .ttl_ms = 1000 };
        struct typing typing = { 0 };
        assert_int_equal(typing_step(&typing, true, &brief, START_MS), TYPING_SAY_ON);
        assert_int_equal(typing_step(&typing, false, &brief, START_MS + 100), TYPING_SAY_OFF);
        assert_int_equal(typing_step(&typing, true, &brief, START_MS + 200), TYPING_NOTHING);
        assert_int_equal(typing_due_ms(&typing), START_MS + 1200);
        assert_int_equal(typing_on_due(&typing, START_MS + 1200), TYPING_NOTHING);
        assert_int_equal(typing_step(&typing, true, &brief, START_MS + 1900), TYPING_NOTHING); /* it is throttled still */
        assert_int_equal(typing_on_due(&typing, START_MS + 2000), TYPING_SAY_ON);
}

/* Where it is told, frames come a little sooner or later than they were sent; what waits loses nothing by it, and waits for 2 s. */
static void a_little_too_early_is_early_enough(void **state) {
        const struct typing_rules slack = { .ttl_ms = TTL_MS, .slack_ms = 100 };
        struct typing typing = { 0 };
        assert_int_equal(typing_step(&typing, true, &slack, START_MS), TYPING_SAY_ON);
        assert_int_equal(typing_step(&typing, true, &slack, START_MS + 1899), TYPING_NOTHING);
        assert_int_equal(typing_step(&typing, true, &slack, START_MS + 1900), TYPING_SAY_ON);
        assert_int_equal(typing_end(&typing), TYPING_SAY_OFF);
        assert_int_equal(typing_step(&typing, true, &slack, START_MS + 2000), TYPING_NOTHING);
        assert_int_equal(typing_due_ms(&typing), START_MS + 3900);
        assert_int_equal(typing_on_due(&typing, START_MS + 3900), TYPING_SAY_ON);
}

static void it_is_over_when_it_would_not_be_throttled_any_more(void **state) {
        struct typing typing = { 0 };
        assert_true(typing_is_over(&typing, START_MS));
        typing_step(&typing, true, &rules, START_MS);
        assert_false(typing_is_over(&typing, START_MS + 5000));
        typing_end(&typing);
        assert_int_equal(typing_due_ms(&typing), START_MS + 2000);
        assert_false(typing_is_over(&typing, START_MS + 1999));
        assert_true(typing_is_over(&typing, START_MS + 2000));
        typing_step(&typing, true, &rules, START_MS + 1000);
        assert_false(typing_is_over(&typing, START_MS + 2000)); /* it waits */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_are_spread_as_the_rows_say),
                cmocka_unit_test(too_early_is_no_time),
                cmocka_unit_test(what_ends_before_it_may_be_told_is_not_told),
                cmocka_unit_test(a_little_too_early_is_early_enough),
                cmocka_unit_test(it_is_over_when_it_would_not_be_throttled_any_more),
        };
        return cmocka_run_group_tests_name("typing", tests, NULL, NULL);
}
