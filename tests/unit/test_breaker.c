/* SPDX-License-Identifier: Apache-2.0 */
/* When a provider is left alone, and when it is tried again. */
#include "push/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void step_many(struct breaker *breaker, enum breaker_event event, int count, uint64_t now_ms) {
        for (int i = 0; i < count; i++)
                breaker_step(breaker, event, now_ms, 0, 0);
}

static void half_of_the_last_twenty_open_it_but_not_the_first_few(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_FAILED, 9, 100);
        assert_int_equal(breaker_wait_ms(&breaker, 100), 0);
        step_many(&breaker, BREAKER_FAILED, 1, 100);
        assert_int_equal(breaker_wait_ms(&breaker, 100), 2000);

        breaker_init(&breaker);
        step_many(&breaker, BREAKER_OK, 100, 100);
        step_many(&breaker, BREAKER_FAILED, 9, 100);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
        step_many(&breaker, BREAKER_FAILED, 1, 100);
        assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void one_refusal_of_our_credential_opens_it(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_OK, 100, 100);
        breaker_step(&breaker, BREAKER_REFUSED, 100, 0, UINT64_C(60000));
        assert_int_equal(breaker_wait_ms(&breaker, 100), 120000);
        step_many(&breaker, BREAKER_REFUSED, 5, 200); /* what was under way: tells nothing new */
        assert_int_equal(breaker_wait_ms(&breaker, 100), 120000);
}

static void half_open_one_goes_and_decides(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_FAILED, 10, 0);
        assert_int_equal(breaker_wait_ms(&breaker, 1999), 1);
        assert_int_equal(breaker_wait_ms(&breaker, 2000), 0);
        breaker_on_send(&breaker, 2000);
        assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
        assert_true(breaker_wait_ms(&breaker, 2001) > 0);
        step_many(&breaker, BREAKER_FAILED, 1, 2500);
        assert_int_equal(breaker_wait_ms(&breaker, 2500), 4000); /* twice as long */
        breaker_on_send(&breaker, 6500);
        step_many(&breaker, BREAKER_OK, 1, 6600);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
        assert_int_equal(breaker_wait_ms(&breaker, 6600), 0);
        step_many(&breaker, BREAKER_FAILED, 10, 7000);
        assert_int_equal(breaker_wait_ms(&breaker, 7000), 2000); /* from the beginning again */
}

static void a_probe_without_an_answer_is_forgotten(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_FAILED, 10, 0);
        breaker_on_send(&breaker, 2000);
        assert_int_equal(breaker_wait_ms(&breaker, 2000), 60000);
        assert_int_equal(breaker_wait_ms(&breaker, 62000), 0);
}

static void late_answers_do_not_close_what_is_open(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_FAILED, 10, 0);
        step_many(&breaker, BREAKER_OK, 5, 10);
        assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void being_told_to_wait_is_kept_to_within_an_hour(void **state) {
        struct breaker breaker;
        breaker_init(&breaker);
        breaker_step(&breaker, BREAKER_WAIT, 1000, 77000, 0);
        assert_int_equal(breaker_wait_ms(&breaker, 1000), 77000);
        breaker_step(&breaker, BREAKER_WAIT, 1000, 5000, 0); /* a shorter one does not shorten */
        assert_int_equal(breaker_wait_ms(&breaker, 1000), 77000);
        breaker_step(&breaker, BREAKER_WAIT, 1000, UINT64_C(1) << 60, 0);
        assert_int_equal(breaker_wait_ms(&breaker, 1000), 3600000);
}

static void it_never_stays_open_longer_than_it_may(void **state) {
        struct breaker breaker;
        uint64_t now_ms = 0;
        breaker_init(&breaker);
        step_many(&breaker, BREAKER_FAILED, 10, now_ms);
        for (int i = 0; i < 50; i++) {
                uint64_t wait_ms = breaker_wait_ms(&breaker, now_ms);
                assert_true(wait_ms > 0 && wait_ms <= 300000);
                now_ms += wait_ms;
                breaker_on_send(&breaker, now_ms);
                breaker_step(&breaker, BREAKER_FAILED, now_ms, 0, UINT64_MAX);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(half_of_the_last_twenty_open_it_but_not_the_first_few),
                cmocka_unit_test(one_refusal_of_our_credential_opens_it),
                cmocka_unit_test(half_open_one_goes_and_decides),
                cmocka_unit_test(a_probe_without_an_answer_is_forgotten),
                cmocka_unit_test(late_answers_do_not_close_what_is_open),
                cmocka_unit_test(being_told_to_wait_is_kept_to_within_an_hour),
                cmocka_unit_test(it_never_stays_open_longer_than_it_may),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
