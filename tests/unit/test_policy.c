/* SPDX-License-Identifier: Apache-2.0 */
/* What is pushed, when and how: rows of what is known and what follows. A device is offline, an event of 1,000 ms ago is visible and normal, unless its row says otherwise. */
#include "push/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
        NOW = 100000000,
        DELAY = 5000,
        MINUTE = 60000,
};

struct row {
        const char *sentence;
        struct policy_device device;
        struct policy_event event;
        int64_t quiet_ends_ms;
        struct policy_decision want;
};

#define EVENT(...) { .n = 10, .at_ms = NOW - 1000, .expires_ms = NOW + 1000000, .visible = true, .priority = PUSH_NORMAL, __VA_ARGS__ }
#define DEVICE(...) { .cursor = 9, .delay_ms = DELAY, __VA_ARGS__ }
#define PUSHED(as) { POLICY_PUSH, POLICY_DUE, 0, as }
#define WAITS(cause, until) { POLICY_WAIT, POLICY_##cause, until, PUSH_ALERT }
#define DROPPED(cause) { POLICY_DROP, POLICY_##cause, 0, PUSH_ALERT }

#pragma GCC diagnostic ignored "-Woverride-init" /* rows say what differs */

static const struct row rows[] = {
        { "an offline device is pushed to at once", DEVICE(), EVENT(), 0, PUSHED(PUSH_ALERT) },
        { "what shows nothing only wakes", DEVICE(), EVENT(.visible = false), 0, PUSHED(PUSH_BACKGROUND) },
        /* policy#1 */
        { "what was acknowledged is not", DEVICE(.cursor = 10), EVENT(), 0, DROPPED(ACKNOWLEDGED) },
        { "nor what was acknowledged long ago", DEVICE(.cursor = 4000000000), EVENT(), 0, DROPPED(ACKNOWLEDGED) },
        { "nor what was read", DEVICE(), EVENT(.read = true), 0, DROPPED(READ) },
        { "nor what was deleted", DEVICE(), EVENT(.deleted = true), 0, DROPPED(DELETED) },
        { "nor what is muted, however urgent", DEVICE(), EVENT(.muted = true, .priority = PUSH_CRITICAL), 0, DROPPED(MUTED) },
        { "nor what has expired", DEVICE(), EVENT(.expires_ms = NOW), 0, DROPPED(EXPIRED) },
        { "but what will expire in a moment", DEVICE(), EVENT(.expires_ms = NOW + 1), 0, PUSHED(PUSH_ALERT) },
        /* policy#2 */
        { "a connected device has its delay", DEVICE(.connected = true, .user_online = true), EVENT(), 0, WAITS(CONNECTED, NOW + 4000) },
        { "so it has for what is critical", DEVICE(.connected = true), EVENT(.priority = PUSH_CRITICAL), 0, WAITS(CONNECTED, NOW + 4000) },
        { "and is silent behind it", DEVICE(.connected = true, .user_online = true), EVENT(.at_ms = NOW - DELAY), 0, PUSHED(PUSH_ALERT) },
        { "one that left just now may be back", DEVICE(.seen_ms = NOW - 100), EVENT(), 0, WAITS(RECONNECTING, NOW + 4900) },
        { "one that left before the delay is not", DEVICE(.seen_ms = NOW - DELAY), EVENT(), 0, PUSHED(PUSH_ALERT) },
        { "a clock that went back keeps nobody waiting", DEVICE(.seen_ms = NOW + MINUTE), EVENT(), 0, PUSHED(PUSH_ALERT) },
        { "who is online elsewhere may read it there", DEVICE(.user_online = true), EVENT(), 0, WAITS(ELSEWHERE, NOW + 4000) },
        { "but not what is critical", DEVICE(.user_online = true), EVENT(.priority = PUSH_CRITICAL), 0, PUSHED(PUSH_ALERT) },
        { "a second attempt has waited already", DEVICE(.connected = true), EVENT(.again = true), 0, PUSHED(PUSH_ALERT) },
        { "without a delay nobody waits", { .cursor = 9, .connected = true, .seen_ms = NOW }, EVENT(), 0, PUSHED(PUSH_ALERT) },
        /* policy#3 */
        { "one that was woken waits for 20 minutes", DEVICE(.woken_ms = NOW - 5 * MINUTE), EVENT(.visible = false), 0,
          WAITS(WOKEN, NOW + 15 * MINUTE) },
        { "and is woken then", DEVICE(.woken_ms = NOW - 20 * MINUTE), EVENT(.visible = false), 0, PUSHED(PUSH_BACKGROUND) },
        { "a webhook has no battery", DEVICE(.woken_ms = NOW - 1, .wakes_freely = true), EVENT(.visible = false), 0, PUSHED(PUSH_BACKGROUND) },
        { "what is shown does not wait for that", DEVICE(.woken_ms = NOW - 1), EVENT(), 0, PUSHED(PUSH_ALERT) },
        /* policy#4 */
        { "in quiet hours what is normal waits", DEVICE(), EVENT(), NOW + 7 * MINUTE, WAITS(QUIET, NOW + 7 * MINUTE) },
        { "what is low, too", DEVICE(), EVENT(.priority = PUSH_LOW), NOW + 7 * MINUTE, WAITS(QUIET, NOW + 7 * MINUTE) },
        { "what is high makes no sound", DEVICE(), EVENT(.priority = PUSH_HIGH), NOW + 7 * MINUTE, PUSHED(PUSH_SILENT) },
        { "what is critical neither, by itself", DEVICE(), EVENT(.priority = PUSH_CRITICAL), NOW + 1, PUSHED(PUSH_SILENT) },
        { "unless its app may", DEVICE(.critical_skips_quiet = true), EVENT(.priority = PUSH_CRITICAL), NOW + 1, PUSHED(PUSH_ALERT) },
        { "which helps nothing else", DEVICE(.critical_skips_quiet = true), EVENT(.priority = PUSH_HIGH), NOW + 1, PUSHED(PUSH_SILENT) },
        { "waking makes no noise", DEVICE(), EVENT(.visible = false), NOW + 1, PUSHED(PUSH_BACKGROUND) },
        /* policy#5 */
        { "the tenth at once goes out", DEVICE(.used_milli = 9000, .used_ms = NOW), EVENT(), 0, PUSHED(PUSH_ALERT) },
        { "the eleventh waits for a quarter of a minute", DEVICE(.used_milli = 10000, .used_ms = NOW), EVENT(), 0, WAITS(BUDGET, NOW + 15000) },
        { "less if that was used a while ago", DEVICE(.used_milli = 10000, .used_ms = NOW - 5000), EVENT(), 0, WAITS(BUDGET, NOW + 10005) },
        { "what is critical never waits", DEVICE(.used_milli = 20000, .used_ms = NOW), EVENT(.priority = PUSH_CRITICAL), 0, PUSHED(PUSH_ALERT) },
        { "a wake-up needs no budget of what is shown", DEVICE(.used_milli = 20000, .used_ms = NOW), EVENT(.visible = false), 0,
          PUSHED(PUSH_BACKGROUND) },
        /* what comes first */
        { "acknowledged goes before connected", DEVICE(.cursor = 10, .connected = true), EVENT(), 0, DROPPED(ACKNOWLEDGED) },
        { "expired before quiet", DEVICE(), EVENT(.expires_ms = NOW - 1), NOW + MINUTE, DROPPED(EXPIRED) },
        { "patience before quiet hours", DEVICE(.connected = true), EVENT(), NOW + MINUTE, WAITS(CONNECTED, NOW + 4000) },
        { "quiet hours before the budget", DEVICE(.used_milli = 20000, .used_ms = NOW), EVENT(), NOW + 1, WAITS(QUIET, NOW + 1) },
};

static void each_row_follows(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct policy_decision got = policy_decide(&rows[i].device, &rows[i].event, rows[i].quiet_ends_ms, NOW), want = rows[i].want;
                if (got.action != want.action || got.cause != want.cause || (want.action == POLICY_WAIT && got.until_ms != want.until_ms) ||
                    (want.action == POLICY_PUSH && got.kind != want.kind))
                        fail_msg("%s: action %d cause %s until %lld kind %d", rows[i].sentence, got.action, policy_cause_text(got.cause),
                                 (long long)(got.until_ms - NOW), got.kind);
        }
}

static void whoever_waits_waits_for_the_future(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct policy_decision got = policy_decide(&rows[i].device, &rows[i].event, rows[i].quiet_ends_ms, NOW);
                if (got.action != POLICY_WAIT)
                        continue;
                struct policy_decision then = policy_decide(&rows[i].device, &rows[i].event, 0, got.until_ms);
                if (got.until_ms <= NOW || (then.action == POLICY_WAIT && then.cause == got.cause))
                        fail_msg("%s: it waits for ever", rows[i].sentence);
        }
}

static void the_budget_is_a_bucket(void **state) {
        struct policy_device device = DEVICE();
        const struct policy_event event = EVENT();
        int64_t shown = 0;
        /* An hour in which there is always something to show. */
        for (int64_t now_ms = NOW; now_ms < NOW + 60 * MINUTE; now_ms += 500) {
                struct policy_event fresh = event;
                fresh.expires_ms = now_ms + 1000;
                if (policy_decide(&device, &fresh, 0, now_ms).action != POLICY_PUSH)
                        continue;
                device.used_milli = policy_use(device.used_milli, device.used_ms, now_ms);
                device.used_ms = now_ms;
                shown++;
                if (now_ms < NOW + 5000)
                        assert_true(shown <= POLICY_BURST);
        }
        assert_in_range(shown, POLICY_BURST + 59 * POLICY_PER_MINUTE, POLICY_BURST + 60 * POLICY_PER_MINUTE);
}

static void quiet_hours_go_over_midnight(void **state) {
        static const struct {
                int from, to, minute, left;
        } hours[] = {
                { 22 * 60, 7 * 60, 22 * 60, 9 * 60 }, { 22 * 60, 7 * 60, 0, 7 * 60 },      { 22 * 60, 7 * 60, 7 * 60 - 1, 1 },
                { 22 * 60, 7 * 60, 7 * 60, 0 },       { 22 * 60, 7 * 60, 22 * 60 - 1, 0 }, { 9 * 60, 17 * 60, 9 * 60, 8 * 60 },
                { 9 * 60, 17 * 60, 8 * 60, 0 },       { 9 * 60, 17 * 60, 17 * 60, 0 },     { 0, 1439, 1438, 1 },
                { 0, 1439, 1439, 0 },                 { 1439, 0, 1439, 1 },                { 1439, 0, 0, 0 },
        };
        for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++)
                assert_int_equal(policy_quiet_minutes(hours[i].from, hours[i].to, hours[i].minute), hours[i].left);
}

static void every_cause_has_a_word(void **state) {
        for (int i = 0; i < POLICY_CAUSES; i++)
                assert_true(strlen(policy_cause_text((enum policy_cause)i)) > 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_row_follows),
                cmocka_unit_test(whoever_waits_waits_for_the_future),
                cmocka_unit_test(the_budget_is_a_bucket),
                cmocka_unit_test(quiet_hours_go_over_midnight),
                cmocka_unit_test(every_cause_has_a_word),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
