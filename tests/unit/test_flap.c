/* SPDX-License-Identifier: Apache-2.0 */
/* test_flap.c: what is observed when, and what is said of it. The grace is 8000 ms; the timing diagram of flap.c is the first rows. */
#include "presence/flap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

enum { GRACE_MS = 8000, DUE = -1, ON = FLAP_ONLINE, AWAY = FLAP_AWAY, OFF = FLAP_OFFLINE };

struct row {
        int64_t now_ms;
        int observed;    /* or DUE: the time that was asked for has come */
        int64_t gone_ms; /* since when, if offline */
        int said;        /* FLAP_…, or DUE: nothing */
        int64_t due_ms;
};

static const struct {
        const char *sentence;
        enum flap_status first;
        struct row rows[8];
} cases[] = {
        { "a flicker shorter than the grace is not told", FLAP_ONLINE,
          { { 10000, OFF, 10000, DUE, 18000 }, { 17999, ON, 0, DUE, 0 }, { 18000, DUE, 0, DUE, 0 } } },
        { "who stays away is offline after the grace, and online at once", FLAP_ONLINE,
          { { 10000, OFF, 10000, DUE, 18000 }, { 17999, DUE, 0, DUE, 0 }, { 18000, DUE, 0, OFF, 0 }, { 18001, DUE, 0, DUE, 0 }, { 20000, ON, 0, ON, 0 } } },
        { "a crash counts from the last sign of life", FLAP_ONLINE,
          { { 14000, OFF, 10000, DUE, 18000 }, { 18000, DUE, 0, OFF, 0 } } },
        { "a crash noticed after the grace is told at once", FLAP_ONLINE, { { 19000, OFF, 10000, OFF, 0 }, { 19001, DUE, 0, DUE, 0 } } },
        { "exactly the grace is over", FLAP_ONLINE, { { 18000, OFF, 10000, OFF, 0 } } },
        { "a sign of life from the future is taken as now", FLAP_ONLINE, { { 10000, OFF, 99000, DUE, 18000 } } },
        { "away is told at once, and so is being back", FLAP_ONLINE,
          { { 10000, AWAY, 0, AWAY, 0 }, { 10001, AWAY, 0, DUE, 0 }, { 10002, ON, 0, ON, 0 } } },
        { "coming back as away ends the wait and is told", FLAP_ONLINE,
          { { 10000, OFF, 10000, DUE, 18000 }, { 11000, AWAY, 0, AWAY, 0 }, { 18000, DUE, 0, DUE, 0 } } },
        { "further news of the same absence do not prolong it", FLAP_ONLINE,
          { { 10000, OFF, 10000, DUE, 18000 }, { 15000, OFF, 15000, DUE, 18000 }, { 18000, OFF, 18000, OFF, 0 } } },
        { "each absence has its own grace", FLAP_ONLINE,
          { { 10000, OFF, 10000, DUE, 18000 }, { 15000, ON, 0, DUE, 0 }, { 16000, OFF, 16000, DUE, 24000 }, { 18000, DUE, 0, DUE, 0 },
            { 24000, DUE, 0, OFF, 0 } } },
        { "who was found offline is not told of as offline", FLAP_OFFLINE, { { 10000, OFF, 5000, DUE, 0 }, { 11000, ON, 0, ON, 0 } } },
};

static void what_is_observed_is_said_as_the_rows_say(void **state) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct flap flap;
                flap_init(&flap, cases[i].first);
                for (const struct row *row = cases[i].rows; row->now_ms; row++) {
                        int64_t due_ms = 0;
                        bool said = row->observed == DUE ? flap_due(&flap, GRACE_MS, row->now_ms)
                                                         : flap_step(&flap, (enum flap_status)row->observed, row->gone_ms, GRACE_MS,
                                                                     row->now_ms, &due_ms);
                        if (said != (row->said != DUE) || (said && (int)flap.announced != row->said) || due_ms != row->due_ms)
                                fail_msg("%s: at %lld said %s, due %lld", cases[i].sentence, (long long)row->now_ms,
                                         said ? flap_text(flap.announced) : "nothing", (long long)due_ms);
                }
        }
}

static void each_status_has_its_word(void **state) {
        assert_string_equal(flap_text(FLAP_ONLINE), "online");
        assert_string_equal(flap_text(FLAP_AWAY), "away");
        assert_string_equal(flap_text(FLAP_OFFLINE), "offline");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_observed_is_said_as_the_rows_say),
                cmocka_unit_test(each_status_has_its_word),
        };
        return cmocka_run_group_tests_name("flap", tests, NULL, NULL);
}
