/* SPDX-License-Identifier: Apache-2.0 */
/* test_typing.c: a typist's frames, and what of them is spread. ttl 6000 ms; the timing diagram of typing.h is the first row. */
#include "presence/typing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { TTL_MS = 6000, START_MS = 50000 };

/* '+' a frame says on, '-' off, 'm' a message is sent or the time is over. Said: '+', '-' or '.' for nothing. */
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
                        enum typing_action action = frame == 'm' ? typing_end(&typing) : typing_step(&typing, frame == '+', TTL_MS, now_ms);
                        if (said[action] != cases[i].rows[k].said)
                                fail_msg("%s: at %d %c said %c", cases[i].sentence, cases[i].rows[k].at_ms, frame, said[action]);
                        if (frame == '+')
                                assert_int_equal(typing.ends_ms, now_ms + TTL_MS); /* each frame prolongs it, told or not */
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(frames_are_spread_as_the_rows_say) };
        return cmocka_run_group_tests_name("typing", tests, NULL, NULL);
}
