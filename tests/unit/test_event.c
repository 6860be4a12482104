/* SPDX-License-Identifier: Apache-2.0 */
/* test_event.c: events as the bytes that clients get. */
#include "fanout/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/scan.h"

/* Takes the frame; head, n and tail together are JSON. */
static void assert_event(enum event_type type, struct frame *tail, const char *text) {
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
        struct scan_value value;
        assert_non_null(tail);
        buf_add_slice(&out, event_head(type));
        buf_add_text(&out, "18");
        buf_add(&out, tail->bytes, tail->len);
        assert_string_equal(out.ptr, text);
        assert_int_equal(scan_text(buf_slice(&out), 32, &value), 0);
        frame_unref(tail);
}

static struct entry parse(const char *packed) {
        return event_parse_entry(slice_of(packed));
}

static void an_entry_is_taken_apart(void **state) {
        struct entry entry = parse("1732150000123 edit 5 bob phone an op with spaces\n{\"a\":\n1}");
        assert_int_equal(entry.at, INT64_C(1732150000123));
        assert_int_equal(entry.type, EVENT_EDIT);
        assert_true(slice_is(entry.kind, "edit"));
        assert_true(slice_is(entry.ref, "5"));
        assert_true(slice_is(entry.from, "bob"));
        assert_true(slice_is(entry.device, "phone"));
        assert_true(slice_is(entry.op, "an op with spaces"));
        assert_true(slice_is(entry.body, "{\"a\":\n1}")); /* only the first line is the header */
}

static const struct {
        const char *kind;
        enum event_type type;
} kinds[] = {
        { "message", EVENT_MESSAGE }, { "edit", EVENT_EDIT }, { "delete", EVENT_DELETE }, { "react", EVENT_REACT },
        { "member", EVENT_MESSAGE }, /* no kind of entry */
        { "", EVENT_MESSAGE },
};

static void an_entry_has_the_type_of_its_kind(void **state) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                _cleanup_buf_ struct buf packed = BUF_INIT(100);
                buf_printf(&packed, "7 %s  bob d op\n1", kinds[i].kind);
                assert_int_equal(event_parse_entry(buf_slice(&packed)).type, kinds[i].type);
        }
}

static void a_broken_entry_reads_nothing_it_does_not_have(void **state) {
        static const char *const broken[] = { "", "\n", " ", "7", "7 message", "7 message  bob", "no number at all" };
        for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
                char *exact = test_malloc(strlen(broken[i]) + 1); /* a sanitizer sees each byte beyond */
                memcpy(exact, broken[i], strlen(broken[i]));
                struct entry entry = event_parse_entry((struct slice){ exact, strlen(broken[i]) });
                assert_true(entry.body.len <= strlen(broken[i]) && entry.op.len <= strlen(broken[i]));
                test_free(exact);
        }
}

static void a_message_says_all_that_others_need(void **state) {
        struct entry entry = parse("7 message  bob phone op-1\n{\"text\":\"h\xc3\xa4\"}");
        assert_event(EVENT_MESSAGE, event_entry_tail(5, SLICE("c1"), &entry, true),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"from\":\"bob\",\"device\":\"phone\",\"op\":\"op-1\",\"at\":7,"
                     "\"body\":{\"text\":\"h\xc3\xa4\"}}");
}

static void the_senders_own_event_has_no_body(void **state) {
        struct entry entry = parse("7 message  bob phone op-1\n{}");
        assert_event(EVENT_MESSAGE, event_entry_tail(5, SLICE("c1"), &entry, false),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"from\":\"bob\",\"device\":\"phone\",\"op\":\"op-1\",\"at\":7}");
}

static void an_edit_says_what_it_is_about(void **state) {
        struct entry entry = parse("7 edit 3 bob phone op-1\n1");
        assert_event(EVENT_EDIT, event_entry_tail(5, SLICE("c1"), &entry, true),
                     "{\"type\":\"edit\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"ref\":3,\"from\":\"bob\",\"device\":\"phone\",\"op\":\"op-1\",\"at\":7,"
                     "\"body\":1}");
}

static void the_backends_own_message_has_no_device(void **state) {
        struct entry entry = parse("7 message  bob  op-1\n1");
        assert_event(EVENT_MESSAGE, event_entry_tail(5, SLICE("c1"), &entry, true),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"from\":\"bob\",\"op\":\"op-1\",\"at\":7,\"body\":1}");
}

static void a_body_that_is_withheld_is_said_to_be_deleted(void **state) {
        struct entry entry = parse("7 message  bob  op-1\n");
        assert_event(EVENT_MESSAGE, event_entry_tail(5, SLICE("c1"), &entry, true),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c1\",\"seq\":5,\"from\":\"bob\",\"op\":\"op-1\",\"at\":7,\"deleted\":true}");
}

static void ids_and_ops_are_escaped(void **state) {
        struct entry entry = parse("7 message  b\"ob ph\\one o\"p\n1");
        assert_event(EVENT_MESSAGE, event_entry_tail(5, SLICE("c\"1\\"), &entry, true),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c\\\"1\\\\\",\"seq\":5,\"from\":\"b\\\"ob\",\"device\":\"ph\\\\one\","
                     "\"op\":\"o\\\"p\",\"at\":7,\"body\":1}");
        assert_event(EVENT_RECEIPT, event_receipt_tail(SLICE("\""), SLICE("\\"), 1, 0),
                     "{\"type\":\"receipt\",\"n\":18,\"conv\":\"\\\"\",\"user\":\"\\\\\",\"delivered\":1,\"read\":0}");
        assert_event(EVENT_MEMBER, event_member_tail(7, SLICE("joined"), SLICE("\""), SLICE("\""), SLICE("\"")),
                     "{\"type\":\"member\",\"n\":18,\"conv\":\"\\\"\",\"action\":\"joined\",\"user\":\"\\\"\",\"role\":\"\\\"\",\"at\":7}");
}

static void a_notification_carries_its_content_verbatim(void **state) {
        assert_event(EVENT_NOTIFICATION, event_notice_tail(7, SLICE("high"), SLICE("op\"1"), SLICE("\"title\":\"T\",\"data\":{}")),
                     "{\"type\":\"notification\",\"n\":18,\"op\":\"op\\\"1\",\"title\":\"T\",\"data\":{},\"priority\":\"high\",\"at\":7}");
}

static void history_shows_the_same_without_n(void **state) {
        _cleanup_buf_ struct buf out = BUF_INIT(1000);
        struct entry entry = parse("7 react 2 bob phone op-1\n\"+1\"");
        event_open_entry(&out, 5, SLICE("c1"), &entry);
        assert_string_equal(out.ptr, "{\"type\":\"react\",\"conv\":\"c1\",\"seq\":5,\"ref\":2,\"from\":\"bob\",\"device\":\"phone\",\"op\":\"op-1\","
                                     "\"at\":7,\"body\":\"+1\"");
}

static void numbers_keep_all_their_digits(void **state) {
        struct entry entry = parse("9007199254740993 message  b d o\n1");
        assert_event(EVENT_MESSAGE, event_entry_tail(UINT64_C(9007199254740993), SLICE("c"), &entry, false),
                     "{\"type\":\"message\",\"n\":18,\"conv\":\"c\",\"seq\":9007199254740993,\"from\":\"b\",\"device\":\"d\",\"op\":\"o\","
                     "\"at\":9007199254740993}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_entry_is_taken_apart),
                cmocka_unit_test(an_entry_has_the_type_of_its_kind),
                cmocka_unit_test(a_broken_entry_reads_nothing_it_does_not_have),
                cmocka_unit_test(a_message_says_all_that_others_need),
                cmocka_unit_test(the_senders_own_event_has_no_body),
                cmocka_unit_test(an_edit_says_what_it_is_about),
                cmocka_unit_test(the_backends_own_message_has_no_device),
                cmocka_unit_test(a_body_that_is_withheld_is_said_to_be_deleted),
                cmocka_unit_test(ids_and_ops_are_escaped),
                cmocka_unit_test(a_notification_carries_its_content_verbatim),
                cmocka_unit_test(history_shows_the_same_without_n),
                cmocka_unit_test(numbers_keep_all_their_digits),
        };
        return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
