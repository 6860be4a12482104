/* SPDX-License-Identifier: Apache-2.0 */
/* When a push is tried again, for the smallest and the largest chance. */
#include "push/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#define LEAST 0
#define DAY_MS INT64_C(86400000)

/* base_ms - 1 with a random that is it: the remainder by the span of chance is itself. */
static int64_t wait_ms(enum push_provider provider, enum push_class class, int status, unsigned attempt, uint64_t random) {
        return retry_wait_ms(provider, class, status, attempt, -1, random);
}

static void each_provider_waits_at_least_what_it_asks_for(void **state) {
        static const struct {
                enum push_provider provider;
                enum push_class class;
                int status;
                unsigned attempt;
                int64_t least_ms, span_ms;
        } rows[] = {
                { PUSH_FCM, PUSH_TRANSIENT, 503, 0, 10000, 10000 },      /* Google: 10 s and more */
                { PUSH_FCM, PUSH_TRANSIENT, 503, 1, 10000, 20000 },
                { PUSH_FCM, PUSH_TRANSIENT, 503, 40, 10000, 900000 },
                { PUSH_FCM, PUSH_THROTTLED, 429, 0, 60000, 60000 },      /* and a minute after 429 */
                { PUSH_APNS, PUSH_TRANSIENT, 0, 0, 5000, 10000 },
                { PUSH_APNS, PUSH_TRANSIENT, 0, 9, 5000, 900000 },
                { PUSH_APNS, PUSH_TRANSIENT, 503, 1, 5000, 20000 },
                { PUSH_APNS, PUSH_TRANSIENT, 503, 2, 900000, 60000 },    /* Apple: 15 minutes after a 5xx */
                { PUSH_APNS, PUSH_TRANSIENT, 500, 30, 900000, 300000 },
                { PUSH_APNS, PUSH_THROTTLED, 429, 0, 30000, 30000 },
                { PUSH_WEBPUSH, PUSH_THROTTLED, 429, 0, 60000, 30000 },
                { PUSH_WEBHOOK, PUSH_TRANSIENT, 500, 0, 5000, 1000 },    /* the schedule, and up to a fifth */
                { PUSH_WEBHOOK, PUSH_TRANSIENT, 500, 1, 300000, 60000 },
                { PUSH_WEBHOOK, PUSH_TRANSIENT, 500, 8, DAY_MS, DAY_MS / 5 },
                { PUSH_APNS, PUSH_UNKNOWN, 418, 0, 60000, 29999 },
                { PUSH_WEBHOOK, PUSH_DEFERRED, 0, 9, 0, 0 },             /* the worker ends: the next may begin at once */
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                int64_t least = wait_ms(rows[i].provider, rows[i].class, rows[i].status, rows[i].attempt, LEAST);
                int64_t most = wait_ms(rows[i].provider, rows[i].class, rows[i].status, rows[i].attempt, (uint64_t)rows[i].span_ms);
                if (least != rows[i].least_ms || most != rows[i].least_ms + rows[i].span_ms)
                        fail_msg("row %zu: %lld to %lld", i, (long long)least, (long long)most);
        }
}

static void what_is_done_is_not_tried_again(void **state) {
        for (int provider = 0; provider < PUSH_PROVIDERS; provider++) {
                assert_int_equal(retry_wait_ms((enum push_provider)provider, PUSH_ACCEPTED, 200, 0, 5000, 1), -1);
                assert_int_equal(retry_wait_ms((enum push_provider)provider, PUSH_TOKEN_DEAD, 410, 0, 5000, 1), -1);
                assert_int_equal(retry_wait_ms((enum push_provider)provider, PUSH_PAYLOAD_BAD, 400, 0, 5000, 1), -1);
        }
}

static void what_nobody_understands_is_tried_four_times(void **state) {
        assert_true(wait_ms(PUSH_APNS, PUSH_UNKNOWN, 418, 2, 0) > 0);
        assert_int_equal(wait_ms(PUSH_APNS, PUSH_UNKNOWN, 418, 3, 0), -1);
        assert_int_equal(wait_ms(PUSH_WEBHOOK, PUSH_TRANSIENT, 500, 9, 0), -1); /* and webhooks as often as the schedule has steps */
}

static void retry_after_wins_within_a_day(void **state) {
        assert_int_equal(retry_wait_ms(PUSH_FCM, PUSH_THROTTLED, 429, 5, 7000, 99), 7000);
        assert_int_equal(retry_wait_ms(PUSH_APNS, PUSH_TRANSIENT, 503, 5, 0, 99), 0);
        assert_int_equal(retry_wait_ms(PUSH_FCM, PUSH_THROTTLED, 429, 5, DAY_MS * 30, 99), DAY_MS);
}

static void retry_after_is_read_in_both_forms(void **state) {
        static const int64_t now_ms = INT64_C(1732150000000); /* Thu, 21 Nov 2024 00:46:40 GMT */
        static const struct {
                const char *text;
                int64_t ms;
        } rows[] = {
                { "0", 0 },
                { "120", 120000 },
                { "86400", DAY_MS },
                { "86401", DAY_MS },
                { "99999999999999999999999", DAY_MS },
                { "Thu, 21 Nov 2024 00:48:40 GMT", 120000 },
                { "Thursday, 21-Nov-24 00:48:40 GMT", 120000 },
                { "Thu Nov 21 00:48:40 2024", 120000 },
                { "Wed, 20 Nov 2024 00:48:40 GMT", 0 },
                { "Thu, 21 Nov 2030 00:48:40 GMT", DAY_MS },
                { "", -1 },
                { "-5", -1 },
                { "1.5", -1 },
                { "5 s", -1 },
                { "soon", -1 },
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                if (retry_after_parse(rows[i].text, now_ms) != rows[i].ms)
                        fail_msg("%s: %lld", rows[i].text, (long long)retry_after_parse(rows[i].text, now_ms));
}

static void doubts_wait_longer_and_longer(void **state) {
        assert_int_equal(retry_doubt_ms(0, 0), 60000);
        assert_int_equal(retry_doubt_ms(0, 30000), 90000);
        assert_int_equal(retry_doubt_ms(60, 21600000), 21660000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_provider_waits_at_least_what_it_asks_for),
                cmocka_unit_test(what_is_done_is_not_tried_again),
                cmocka_unit_test(what_nobody_understands_is_tried_four_times),
                cmocka_unit_test(retry_after_wins_within_a_day),
                cmocka_unit_test(retry_after_is_read_in_both_forms),
                cmocka_unit_test(doubts_wait_longer_and_longer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
