/* SPDX-License-Identifier: Apache-2.0 */
/* Every way a connection can end, what is done about it, and how ten thousand clients spread that lose their hub at once. */
#include "client/redial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* From the third attempt on: backoff is uniform in [0, 2000], and random 1500 is 1500. */
static void each_end_has_its_answer(void **state) {
        static const struct {
                int code, status;
                int64_t hint_ms;
                bool stop;
                uint64_t delay_ms;
                enum redial_need need;
        } rows[] = {
                { 4001, 0, -1, false, 0, REDIAL_NEEDS_NOTHING },
                { 4001, 0, 1730, false, 1730, REDIAL_NEEDS_NOTHING },
                { 4099, 0, -1, false, 0, REDIAL_NEEDS_NOTHING },
                { 4100, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 4102, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 4199, 0, 100, false, 1600, REDIAL_NEEDS_NOTHING },
                { 4201, 0, -1, false, 0, REDIAL_NEEDS_TOKEN },
                { 4299, 0, -1, false, 0, REDIAL_NEEDS_TOKEN },
                { 4300, 0, -1, false, 0, REDIAL_NEEDS_RELOAD },
                { 4400, 0, -1, true, 0, REDIAL_NEEDS_TOKEN },
                { 4409, 0, -1, true, 0, REDIAL_NEEDS_TOKEN },
                { 4499, 0, -1, true, 0, REDIAL_NEEDS_TOKEN },
                { 1000, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 1006, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 1012, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 4500, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 0, 401, -1, false, 1500, REDIAL_NEEDS_TOKEN },
                { 0, 503, 5000, false, 6500, REDIAL_NEEDS_NOTHING },
                { 0, 404, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 0, 0, -1, false, 1500, REDIAL_NEEDS_NOTHING },
                { 0, 503, INT64_MAX, false, REDIAL_HINT_MAX_MS + 1500, REDIAL_NEEDS_NOTHING },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                struct redial redial = REDIAL_INIT;
                struct redial_end end = { rows[i].code, rows[i].status, rows[i].hint_ms, 0 };
                struct redial_plan plan;

                redial.backoff.attempts = 2;
                plan = redial_step(&redial, &end, 1500);
                assert_int_equal(plan.stop, rows[i].stop);
                assert_int_equal(plan.need, rows[i].need);
                if (!plan.stop)
                        assert_int_equal(plan.delay_ms, rows[i].delay_ms);
                assert_int_equal(plan.told, rows[i].hint_ms > 0);
        }
}

static void a_hub_that_sends_us_away_at_once_again_and_again_is_not_hammered(void **state) {
        struct redial redial = REDIAL_INIT;
        struct redial_end end = { .close_code = 4001, .hint_ms = -1, .alive_ms = 10 };
        uint64_t sum_ms = 0;

        assert_int_equal(redial_step(&redial, &end, UINT64_MAX).delay_ms, 0);
        for (int i = 0; i < 10; i++)
                sum_ms += redial_step(&redial, &end, 499).delay_ms;
        assert_true(sum_ms >= 499 * 10); /* breaks redial#1 */
}

static void only_a_healthy_session_forgets_the_backoff(void **state) {
        struct redial redial = REDIAL_INIT;
        struct redial_end end = { .close_code = 1006, .hint_ms = -1 };

        for (int i = 0; i < 5; i++)
                (void)redial_step(&redial, &end, 0);
        end.alive_ms = REDIAL_RESET_MS - 1;
        (void)redial_step(&redial, &end, 0);
        assert_int_equal(redial.backoff.attempts, 6);
        end.alive_ms = REDIAL_RESET_MS;
        (void)redial_step(&redial, &end, 0);
        assert_int_equal(redial.backoff.attempts, 1);
        redial_forget(&redial);
        assert_int_equal(redial.backoff.attempts, 0);
}

/* SplitMix64 (Steele and others, 2014): chance that is the same each time. */
static uint64_t next_random(uint64_t *seed) {
        uint64_t z = *seed += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

/* The hub is gone for 3 s; whoever tries then is refused at once. When is each back? */
static void ten_thousand_clients_come_back_spread(void **state) {
        enum { CLIENTS = 10000, DOWN_MS = 3000, SLICE_MS = 100, SLICES = 400 };
        static unsigned back[SLICES];
        uint64_t seed = 1;
        unsigned most = 0, sum = 0;

        for (int i = 0; i < CLIENTS; i++) {
                struct redial redial = REDIAL_INIT;
                struct redial_end end = { .close_code = 1006, .hint_ms = -1, .alive_ms = 60000 };
                uint64_t at_ms = 0;

                do {
                        at_ms += redial_step(&redial, &end, next_random(&seed)).delay_ms;
                        end = (struct redial_end){ .hint_ms = -1 };
                } while (at_ms < DOWN_MS);
                assert_true(at_ms / SLICE_MS < SLICES);
                back[at_ms / SLICE_MS]++;
        }
        for (int i = 0; i < SLICES; i++) {
                most = back[i] > most ? back[i] : most;
                sum += back[i];
        }
        assert_int_equal(sum, CLIENTS);
        assert_true(most < CLIENTS / 20); /* no tenth of a second brings more than a twentieth; without jitter one brings all */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_end_has_its_answer),
                cmocka_unit_test(a_hub_that_sends_us_away_at_once_again_and_again_is_not_hammered),
                cmocka_unit_test(only_a_healthy_session_forgets_the_backoff),
                cmocka_unit_test(ten_thousand_clients_come_back_spread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
