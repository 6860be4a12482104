/* SPDX-License-Identifier: Apache-2.0 */
/* test_notify.c: notifications as the backend posts them, and the states they can be in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/frame.h"
#include "base/limits.h"
#include "fanout/event.h"
#include "fanout/notice.h"
#include "hub/notify.h"

static int parse(const char *text, struct notify *notify) {
        struct scan_value value;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count = 0;
        if (scan_text(slice_of(text), LIMIT_JSON_DEPTH, &value) || scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count))
                fail_msg("the row is no JSON object: %s", text);
        return notify_parse(fields, count, notify);
}

static void refused_rows_are_refused_with_a_sentence(void **state) {
        static const char *const rows[] = {
                "{}",
                "{\"title\":\"no op\"}",
                "{\"op\":\"\",\"title\":\"t\"}",
                "{\"op\":5,\"title\":\"t\"}",
                "{\"op\":\"caf\xc3\xa9\",\"title\":\"t\"}",
                "{\"op\":\"a\\nb\",\"title\":\"t\"}",
                "{\"op\":\"a\\u0000b\",\"title\":\"t\"}",
                "{\"op\":\"12345678901234567890123456789012345678901234567890123456789012345\",\"title\":\"65 bytes\"}",
                "{\"op\":\"nothing to tell\"}",
                "{\"op\":\"o\",\"title\":null}",
                "{\"op\":\"o\",\"title\":5}",
                "{\"op\":\"o\",\"text\":[]}",
                "{\"op\":\"o\",\"text\":\"t\",\"priority\":\"urgent\"}",
                "{\"op\":\"o\",\"text\":\"t\",\"priority\":1}",
                "{\"op\":\"o\",\"text\":\"t\",\"collapse\":5}",
                "{\"op\":\"o\",\"text\":\"t\",\"collapse\":\"\\n\"}",
                "{\"op\":\"o\",\"text\":\"t\",\"ttl_s\":0}",
                "{\"op\":\"o\",\"text\":\"t\",\"ttl_s\":1.5}",
                "{\"op\":\"o\",\"text\":\"t\",\"ttl_s\":\"60\"}",
                "{\"op\":\"o\",\"text\":\"t\",\"ttl_s\":2592001}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":true}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"title\":5}}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"priority\":\"urgent\"}}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"ttl_s\":-1}}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"collapse\":{}}}",
                "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"a\":1,\"a\":2}}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":{}}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[5]}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[{\"via\":\"push\"}]}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[{\"after_s\":-1,\"via\":\"push\"}]}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[{\"after_s\":1,\"via\":\"webhook:\"}]}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[{\"after_s\":2,\"via\":\"push\"},{\"after_s\":1,\"via\":\"push\"}]}",
                "{\"op\":\"o\",\"text\":\"t\",\"escalate\":[{},{},{},{},{},{},{},{},{}]}",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct notify notify;
                if (parse(rows[i], &notify) != NOTIFY_E_INVALID || !notify.error)
                        fail_msg("this was taken: %s", rows[i]);
                notify_deinit(&notify);
        }
}

static void good_rows_keep_their_texts_as_they_are(void **state) {
        static const struct {
                const char *text, *op, *priority, *collapse, *content, *plan;
                int64_t ttl_ms;
        } rows[] = {
                { "{\"op\":\"o 1\",\"title\":\"t\"}", "o 1", "normal", "", "\"title\":\"t\",\"text\":\"\",\"data\":null", "", 0 },
                { "{\"op\":\"o\",\"data\":{ \"a\" : 1.50 }}", "o", "normal", "", "\"title\":\"\",\"text\":\"\",\"data\":{ \"a\" : 1.50 }", "", 0 },
                { "{\"op\":\"o\",\"text\":\"\\u00e9\\n\",\"ttl_s\":60,\"collapse\":\"c d\",\"priority\":\"high\"}", "o", "high", "c d",
                  "\"title\":\"\",\"text\":\"\\u00e9\\n\",\"data\":null", "", 60000 },
                { "{\"op\":\"o\",\"text\":\"t\",\"push\":{\"title\":\"p\",\"priority\":\"silent\",\"ttl_s\":5,\"new\":1}}", "o", "normal", "",
                  "\"title\":\"\",\"text\":\"t\",\"data\":null", "\"push\":{\"title\":\"p\",\"priority\":\"silent\",\"ttl_s\":5,\"new\":1}", 0 },
                { "{\"op\":\"o\",\"text\":\"t\",\"push\":null,\"escalate\":[{\"after_s\":60,\"via\":\"push\"}]}", "o", "normal", "",
                  "\"title\":\"\",\"text\":\"t\",\"data\":null", "\"escalate\":[{\"after_s\":60,\"via\":\"push\"}]", 0 },
                { "{\"op\":\"o\",\"text\":\"t\",\"push\":{},\"escalate\":[]}", "o", "normal", "", "\"title\":\"\",\"text\":\"t\",\"data\":null",
                  "\"push\":{},\"escalate\":[]", 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct notify notify;
                int r = parse(rows[i].text, &notify);
                const struct notice_post *post = &notify.post;
                if (r || !slice_is(post->op, rows[i].op) || !slice_is(post->priority, rows[i].priority) || !slice_is(post->collapse, rows[i].collapse) ||
                    !slice_is(post->content, rows[i].content) || !slice_is(post->plan, rows[i].plan) || post->ttl_ms != rows[i].ttl_ms)
                        fail_msg("row %zu: %d %.*s | %.*s", i, r, (int)post->content.len, post->content.ptr, (int)post->plan.len, post->plan.ptr);
                notify_deinit(&notify);
        }
}

static void what_is_too_large_is_told_from_what_is_wrong(void **state) {
        static char text[LIMIT_NOTICE_BYTES + 200];
        const char *const parts[] = { "text", "data" };
        for (size_t i = 0; i < 2; i++) {
                struct notify notify;
                char filler[LIMIT_NOTICE_BYTES];
                memset(filler, 'x', sizeof(filler) - 1);
                filler[sizeof(filler) - 1] = '\0';
                snprintf(text, sizeof(text), "{\"op\":\"o\",\"%s\":\"%s\"}", parts[i], filler);
                assert_int_equal(parse(text, &notify), NOTIFY_E_LARGE);
                notify_deinit(&notify);
                filler[LIMIT_NOTICE_BYTES - 100] = '\0';
                snprintf(text, sizeof(text), "{\"op\":\"o\",\"%s\":\"%s\"}", parts[i], filler);
                assert_int_equal(parse(text, &notify), 0);
                notify_deinit(&notify);
        }
}

static void states_follow_from_times(void **state) {
        static const struct {
                const char *packed, *text;
                int64_t now_ms;
        } rows[] = {
                { "1 100 0 0 0 ", "queued", 1000 },
                { "1 100 1001 0 0 ", "queued", 1000 },
                { "1 100 1000 0 0 ", "expired", 1000 },
                { "1 100 0 0 0 another op", "expired", 1000 },
                { "1 100 0 200 0 ", "delivered", 1000 },
                { "1 100 900 200 0 ", "delivered", 1000 },
                { "1 100 0 200 300 ", "read", 1000 },
                { "1 100 900 950 950 another op", "read", 1000 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct notice_state parsed = notice_parse_state(slice_of(rows[i].packed));
                assert_int_equal(parsed.n, 1);
                assert_int_equal(parsed.at, 100);
                assert_string_equal(notice_state_text(&parsed, false, rows[i].now_ms), rows[i].text);
        }
        assert_true(slice_is(notice_parse_state(SLICE("1 2 3 4 5 another op")).replaced_by, "another op"));
}

static void a_packed_notice_comes_apart_at_its_size(void **state) {
        struct notice notice = notice_parse(SLICE("7 9 high 11 a key\n\"data\":\"a\n\"\"push\":1"));
        assert_int_equal(notice.at, 7);
        assert_int_equal(notice.until, 9);
        assert_true(slice_is(notice.priority, "high"));
        assert_true(slice_is(notice.collapse, "a key"));
        assert_true(slice_is(notice.content, "\"data\":\"a\n\""));
        assert_true(slice_is(notice.plan, "\"push\":1"));
        notice = notice_parse(SLICE("7 0 high 99 \nshort"));
        assert_true(slice_is(notice.content, "short"));
        assert_int_equal(notice.plan.len, 0);
        notice = notice_parse(SLICE(""));
        assert_int_equal(notice.content.len, 0);
}

static void an_event_is_the_content_in_its_envelope(void **state) {
        struct frame *tail = event_notice_tail(7, SLICE("high"), SLICE("an \"op\""), SLICE("\"title\":\"t\",\"text\":\"\",\"data\":null"));
        assert_true(slice_is(event_head(EVENT_NOTIFICATION), "{\"type\":\"notification\",\"n\":"));
        assert_true(slice_is((struct slice){ tail->bytes, tail->len },
                             ",\"op\":\"an \\\"op\\\"\",\"title\":\"t\",\"text\":\"\",\"data\":null,\"priority\":\"high\",\"at\":7}"));
        frame_unref(tail);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(refused_rows_are_refused_with_a_sentence),
                cmocka_unit_test(good_rows_keep_their_texts_as_they_are),
                cmocka_unit_test(what_is_too_large_is_told_from_what_is_wrong),
                cmocka_unit_test(states_follow_from_times),
                cmocka_unit_test(a_packed_notice_comes_apart_at_its_size),
                cmocka_unit_test(an_event_is_the_content_in_its_envelope),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
