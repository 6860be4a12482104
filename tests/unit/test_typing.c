/* SPDX-License-Identifier: Apache-2.0 */
/* test_typing.c: a typist's frames, and what of them is spread. ttl 6000 ms; the timing diagram of typing.h is the first row. */
#include "presence/typing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { TTL_MS = 6000, START_MS = 50000 };

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
        { "who has ended by then is not told of", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 300, '-', '.' }, { 6200, 't', '.' } } },
        { "nor is who has sent its message", { { 0, '+', '+' }, { 100, '-', '-' }, { 200, '+', '.' }, { 300, 'm', '.' }, { 6200, 't', '.' } } },
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
                                                                   typing_step(&typing, frame == '+', TTL_MS, now_ms);
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
        assert_int_equal(typing_step(&typing, true, TTL_MS, START_MS), TYPING_SAY_ON);
        assert_int_equal(typing_end(&typing), TYPING_SAY_OFF);
        assert_int_equal(typing_step(&typing, true, TTL_MS, START_MS + 200), TYPING_NOTHING);
        assert_int_equal(typing_on_due(&typing, START_MS + 1999), TYPING_NOTHING);
        assert_int_equal(typing_on_due(&typing, START_MS + 2000), TYPING_SAY_ON);
        assert_int_equal(typing_on_due(&typing, START_MS + 2001), TYPING_NOTHING);
}

/* A ttl below the throttle: it is over before it could be told. */
static void what_ends_before_it_may_be_told_is_not_told(void **state) {
        struct typing typing = { 0 };
        assert_int_equal(typing_step(&typing, true, 1000, START_MS), TYPING_SAY_ON);
        assert_int_equal(typing_step(&typing, false, 1000, START_MS + 100), TYPING_SAY_OFF);
        assert_int_equal(typing_step(&typing, true, 1000, START_MS + 200), TYPING_NOTHING);
        assert_int_equal(typing_due_ms(&typing), START_MS + 1200);
        assert_int_equal(typing_on_due(&typing, START_MS + 1200), TYPING_NOTHING);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_are_spread_as_the_rows_say),
                cmocka_unit_test(too_early_is_no_time),
                cmocka_unit_test(what_ends_before_it_may_be_told_is_not_told),
        };
        return cmocka_run_group_tests_name("typing", tests, NULL, NULL);
}
