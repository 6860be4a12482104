/* SPDX-License-Identifier: Apache-2.0 */
/* What is pushed of an event, and its id. */
#include "push/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "push/look.h"
#include "push/zone.h"

enum { AT = 1000000 };

static const int64_t day_ms = INT64_C(86400000);

static struct look_event message(const char *push) {
        return (struct look_event){ .n = 7, .seq = 3, .conv = SLICE("c"), .op = SLICE("o"), .at_ms = AT, .plan = slice_of(push), .known = true };
}

static struct look_event templated(const char *template, const char *body) {
        struct look_event event = message("");
        event.template = slice_of(template);
        event.from = SLICE("ann");
        event.body = slice_of(body);
        return event;
}

static struct look_event notice(const char *priority, const char *content, const char *plan) {
        struct look_event event = { .n = 7, .is_notice = true, .op = SLICE("o"), .at_ms = AT, .known = true };
        event.state.n = 7;
        event.notice.priority = slice_of(priority);
        event.notice.content = slice_of(content);
        event.notice.plan = slice_of(plan);
        return event;
}

/* compose#2 */
static void each_row_is_pushed_as_it_says(void **state) {
        static const char content[] = "\"title\":\"T\",\"text\":\"\\u00e9\",\"data\":{\"a\":1}";
        const struct {
                struct look_event event;
                bool visible;
                enum push_priority priority;
                const char *title, *text, *data, *collapse;
                int64_t ttl_ms;
        } rows[] = {
                { message(""), false, PUSH_LOW, "", "", "", "", day_ms },
                { message("{\"priority\":\"high\"}"), false, PUSH_LOW, "", "", "", "", day_ms },
                { message("{\"title\":\"t\"}"), true, PUSH_NORMAL, "t", "", "", "", 28 * day_ms },
                { message("{\"text\":\"a\\nb\",\"priority\":\"high\",\"ttl_s\":60,\"collapse\":\"k\",\"data\":[1]}"), true, PUSH_HIGH, "", "a\nb", "[1]", "k", 60000 },
                { message("{\"title\":\"t\",\"priority\":\"silent\",\"data\":5}"), false, PUSH_LOW, "t", "", "5", "", day_ms },
                { message("{\"title\":null,\"text\":\"\",\"ttl_s\":2592000}"), false, PUSH_NORMAL, "", "", "", "", 28 * day_ms },
                { templated("{\"title\":\"{from} in {conv}\",\"text\":\"{body.text} {body.n}\",\"priority\":\"high\"}", "{\"text\":\"h\\u00e9\",\"n\":5}"), true, PUSH_HIGH,
                  "ann in c", "h\xc3\xa9 5", "", "", 28 * day_ms },
                { templated("{\"text\":\"{body.text}\"}", "{\"text\":\"{from}{body.text}\"}"), true, PUSH_NORMAL, "", "{from}{body.text}", "", "", 28 * day_ms }, /* template#1 */
                { templated("{\"text\":\"{body.text}\"}", "[7]"), false, PUSH_LOW, "", "", "", "", day_ms },
                { templated("{\"text\":\"{body.text}\"}", ""), false, PUSH_LOW, "", "", "", "", day_ms },
                { templated("{\"text\":\"{{from} {none} {body.} {\"}", "{}"), true, PUSH_NORMAL, "", "{ann {none} {body.} {", "", "", 28 * day_ms },
                { templated("{\"title\":\"{from}\",\"priority\":\"silent\"}", "{}"), false, PUSH_LOW, "ann", "", "", "", day_ms },
                { notice("normal", content, ""), true, PUSH_NORMAL, "T", "\xc3\xa9", "{\"a\":1}", "", 28 * day_ms },
                { notice("critical", content, ""), true, PUSH_CRITICAL, "T", "\xc3\xa9", "{\"a\":1}", "", 28 * day_ms },
                { notice("low", content, ""), true, PUSH_LOW, "T", "\xc3\xa9", "{\"a\":1}", "", 28 * day_ms },
                { notice("silent", content, ""), false, PUSH_LOW, "T", "\xc3\xa9", "{\"a\":1}", "", day_ms },
                { notice("high", content, "\"push\":{\"title\":\"other\"}"), true, PUSH_HIGH, "other", "\xc3\xa9", "{\"a\":1}", "", 28 * day_ms },
                { notice("high", content, "\"push\":{\"priority\":\"normal\"}"), true, PUSH_NORMAL, "T", "\xc3\xa9", "{\"a\":1}", "", 28 * day_ms },
                { notice("high", content, "\"push\":{\"priority\":\"silent\"},\"escalate\":[{\"after_s\":1,\"via\":\"push\"}]"), false, PUSH_LOW, "T",
                  "\xc3\xa9", "{\"a\":1}", "", day_ms },
                { notice("normal", "\"title\":\"\",\"text\":\"\",\"data\":1", ""), false, PUSH_LOW, "", "", "1", "", day_ms },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct compose compose;
                assert_int_equal(compose_read(&rows[i].event, &compose), 0);
                if (compose.visible != rows[i].visible || (rows[i].visible && compose.priority != rows[i].priority) ||
                    !slice_is(compose.title, rows[i].title) || !slice_is(compose.text, rows[i].text) || !slice_is(compose.data, rows[i].data) ||
                    !slice_is(compose.collapse, rows[i].collapse) || compose.expires_ms != AT + rows[i].ttl_ms)
                        fail_msg("row %zu: visible %d priority %d title %.*s ttl %lld", i, compose.visible, compose.priority, (int)compose.title.len,
                                 compose.title.ptr, (long long)(compose.expires_ms - AT));
                compose_deinit(&compose);
        }
}

static void a_template_that_asks_for_too_much_is_cut(void **state) {
        static char pattern[LIMIT_PUSH_TEMPLATE_BYTES], body[LIMIT_FRAME_BYTES];
        struct compose compose;
        int len = snprintf(pattern, sizeof(pattern), "{\"text\":\"");
        while (len < (int)sizeof(pattern) - 16)
                len += snprintf(pattern + len, sizeof(pattern) - (size_t)len, "{body.t}");
        snprintf(pattern + len, sizeof(pattern) - (size_t)len, "\"}");
        snprintf(body, sizeof(body), "{\"t\":\"%03000d\"}", 0);
        struct look_event event = templated(pattern, body);
        assert_int_equal(compose_read(&event, &compose), 0);
        assert_true(compose.visible);
        assert_int_equal(compose.text.len, LIMIT_NOTICE_BYTES);
        compose_deinit(&compose);
}

static void a_notification_expires_no_later_than_it_says(void **state) {
        struct look_event event = notice("high", "\"title\":\"t\",\"text\":\"\",\"data\":null", "\"push\":{\"ttl_s\":600}");
        struct compose compose;
        event.state.until = AT + 5000;
        assert_int_equal(compose_read(&event, &compose), 0);
        assert_int_equal(compose.expires_ms, AT + 5000);
        compose_deinit(&compose);
}

static struct push_job job_of(const char *epoch, const char *user, const char *device, uint64_t n, unsigned step) {
        struct look look = { .epoch = slice_of(epoch), .head = 9, .badge = 4 };
        struct look_device to = { .device = slice_of(device), .registration = { .app = SLICE("app"), .token = SLICE("t") } };
        struct look_event event = message("{\"title\":\"t\"}");
        struct compose compose;
        event.n = n;
        assert_int_equal(compose_read(&event, &compose), 0);
        struct push_job job = compose_job(&look, slice_of(user), &to, &event, &compose, PUSH_ALERT, step);
        compose_deinit(&compose);
        return job;
}

/* compose#1 */
static void an_id_is_made_of_what_it_is_about(void **state) {
        struct push_job first = job_of("e", "u", "d", 7, 0), again = job_of("e", "u", "d", 7, 0);
        const struct push_job others[] = { job_of("f", "u", "d", 7, 0), job_of("e", "v", "d", 7, 0), job_of("e", "u", "e", 7, 0),
                                           job_of("e", "u", "d", 8, 0), job_of("e", "u", "d", 7, 1), job_of("e", "ud", "", 7, 0) };
        assert_string_equal(first.id, again.id);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                assert_string_not_equal(first.id, others[i].id);
        assert_int_equal(strlen(first.id), PUSH_ID_BYTES);
        assert_int_equal(strspn(first.id, "0123456789abcdef-"), PUSH_ID_BYTES);
        assert_int_equal(first.id[14], '8');
        assert_non_null(strchr("89ab", first.id[19]));
}

static void a_wake_up_says_only_how_far_the_inbox_reaches(void **state) {
        struct look look = { .epoch = SLICE("e"), .head = 99, .badge = 4 };
        struct look_device to = { .device = SLICE("d"), .registration = { .app = SLICE("app"), .token = SLICE("t") } };
        struct look_event event = notice("silent", "\"title\":\"secret\",\"text\":\"secret\",\"data\":\"secret\"", "");
        struct compose compose;
        assert_int_equal(compose_read(&event, &compose), 0);
        struct push_job job = compose_job(&look, SLICE("u"), &to, &event, &compose, PUSH_BACKGROUND, 0);
        assert_int_equal(job.head, 99);
        assert_int_equal(job.title.len + job.text.len + job.data.len + job.conv.len + job.op.len, 0);
        assert_int_equal(job.badge, -1);
        assert_int_equal(job.priority, PUSH_LOW);
        to.provider = PUSH_WEBHOOK;
        job = compose_job(&look, SLICE("u"), &to, &event, &compose, PUSH_BACKGROUND, 0);
        assert_true(job.op.len > 0); /* but the app's own server is told which it was */
        compose_deinit(&compose);
}

static void quiet_hours_end_in_the_zone_of_the_user(void **state) {
        struct zone_cache *zones = zone_cache_new("/usr/share/zoneinfo");
        struct look look = { .quiet_from = 22 * 60, .quiet_to = 7 * 60, .zone = SLICE("Europe/Berlin") };
        look.now_ms = INT64_C(1782864000000); /* 2026-07-01 00:00 UTC, 02:00 there */
        int64_t end = compose_quiet_end(&look, zones, SLICE("bob")), seven = look.now_ms + 5 * 3600000;
        assert_in_range(end, seven, seven + POLICY_QUIET_SPREAD_MS - 1);
        assert_int_not_equal(end, compose_quiet_end(&look, zones, SLICE("alice")));
        look.now_ms += 5 * 3600000;
        assert_int_equal(compose_quiet_end(&look, zones, SLICE("bob")), 0);
        look.now_ms -= 5 * 3600000;
        look.zone = SLICE("Moon/Base");
        assert_int_equal(compose_quiet_end(&look, zones, SLICE("bob")), 0);
        look.quiet_from = -1;
        assert_int_equal(compose_quiet_end(&look, zones, SLICE("bob")), 0);
        zone_cache_free(zones);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_row_is_pushed_as_it_says),
                cmocka_unit_test(a_template_that_asks_for_too_much_is_cut),
                cmocka_unit_test(a_notification_expires_no_later_than_it_says),
                cmocka_unit_test(an_id_is_made_of_what_it_is_about),
                cmocka_unit_test(a_wake_up_says_only_how_far_the_inbox_reaches),
                cmocka_unit_test(quiet_hours_end_in_the_zone_of_the_user),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
