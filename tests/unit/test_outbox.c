/* SPDX-License-Identifier: Apache-2.0 */
/* test_outbox.c: what waits, what goes, what is dropped; and the WebSocket frames that come out (RFC 6455 section 5.2). */
#include "hub/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"

enum { PLENTY = 1 << 22 };

static struct frame *text_of(size_t len) {
        char *bytes = malloc(len + 1);
        assert_non_null(bytes);
        memset(bytes, 'x', len);
        struct frame *frame = frame_new((struct slice){ bytes, len });
        assert_non_null(frame);
        free(bytes);
        return frame;
}

/* Adds by letter: e event, m mark, r reply, f ephemeral (each with its n as text), p ping. */
static bool add(struct outbox *outbox, char letter, uint64_t n) {
        char text[32];
        int len = snprintf(text, sizeof(text), letter == 'e' ? ",%c%d}" : "%c%d", letter, (int)n);
        struct frame *frame = frame_new((struct slice){ text, (size_t)len });
        bool added = letter == 'e'   ? outbox_add_event(outbox, EVENT_MESSAGE, n, frame)
                     : letter == 'm' ? outbox_add_mark(outbox, n, frame)
                     : letter == 'r' ? outbox_add_reply(outbox, frame)
                     : letter == 'f' ? outbox_add_ephemeral(outbox, frame)
                                     : outbox_add_ping(outbox);
        frame_unref(frame);
        return added;
}

/* What comes out, as letters and numbers. */
static void assert_out(struct outbox *outbox, const char *expected) {
        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY), said = BUF_INIT(PLENTY);
        struct outbox_place place = { 0 };
        outbox_gather(outbox, &out, PLENTY, &place);
        for (size_t at = 0; at < out.len;) {
                unsigned char opcode = (unsigned char)out.ptr[at], len = (unsigned char)out.ptr[at + 1];
                const char *text = out.ptr + at + 2, *comma = memchr(text, ',', len);
                assert_true(len < 126);
                if (said.len)
                        buf_add_char(&said, ' ');
                if (opcode == 0x89)
                        buf_add_text(&said, "ping");
                else if (text[0] == '{') /* an event: from the last comma to the brace */
                        for (comma = memchr(comma + 1, ',', len); *++comma != '}';)
                                buf_add_char(&said, *comma);
                else
                        buf_add(&said, text, len);
                at += 2 + len;
        }
        assert_string_equal(said.len ? said.ptr : "", expected);
}

static void frames_leave_in_the_order_they_came(void **state) {
        struct outbox outbox = { 0 };
        add(&outbox, 'r', 1);
        add(&outbox, 'e', 2);
        add(&outbox, 'f', 3);
        add(&outbox, 'p', 0);
        add(&outbox, 'm', 4);
        add(&outbox, 'e', 5);
        assert_int_equal(outbox.count, 6);
        assert_int_equal(outbox.events, 2);
        assert_out(&outbox, "r1 e2 f3 ping m4 e5");
}

static void nothing_is_held_while_nothing_waits(void **state) {
        struct outbox outbox = { 0 }, none = { 0 };
        for (uint64_t i = 0; i < 20; i++)
                add(&outbox, "erm"[i % 3], i);
        struct outbox_place place = { 0 };
        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
        assert_int_equal(outbox_gather(&outbox, &out, PLENTY, &place), 20);
        assert_memory_equal(&outbox, &none, sizeof(none));
        assert_int_equal(outbox_gather(&outbox, &out, PLENTY, &place), 0);
}

static const struct {
        size_t len;
        unsigned char header[10];
        size_t header_len;
} headers[] = {
        { 0, { 0x81, 0 }, 2 },
        { 125, { 0x81, 125 }, 2 },
        { 126, { 0x81, 126, 0, 126 }, 4 },
        { 65535, { 0x81, 126, 0xff, 0xff }, 4 },
        { 65536, { 0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0 }, 10 },
        { 1000000, { 0x81, 127, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40 }, 10 },
};

static void a_header_has_the_length_in_its_shortest_form(void **state) {
        for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
                struct outbox outbox = { 0 };
                struct outbox_place place = { 0 };
                _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
                struct frame *text = text_of(headers[i].len);
                assert_true(outbox_add_reply(&outbox, text));
                assert_int_equal(outbox_gather(&outbox, &out, 100, &place), 1); /* the first one always, whatever the limit */
                assert_int_equal(out.len, headers[i].header_len + headers[i].len);
                assert_memory_equal(out.ptr, headers[i].header, headers[i].header_len);
                frame_unref(text);
        }
}

/* The length counts head and digits, which are not in the tail. */
static void an_event_is_head_number_and_tail_in_one_frame(void **state) {
        static const uint64_t numbers[] = { 0, 9, 10, UINT64_C(1234567890123), (UINT64_C(1) << 56) - 1 };
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                for (int type = 0; type < EVENT_TYPES; type++) {
                        struct outbox outbox = { 0 };
                        struct outbox_place place = { 0 };
                        char expected[200];
                        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
                        struct frame *tail = frame_new(SLICE(",\"rest\":1}"));
                        struct slice head = event_head((enum event_type)type);
                        outbox_add_event(&outbox, (enum event_type)type, numbers[i], tail);
                        outbox_gather(&outbox, &out, PLENTY, &place);
                        int len = snprintf(expected, sizeof(expected), "%.*s%llu,\"rest\":1}", (int)head.len, head.ptr,
                                           (unsigned long long)numbers[i]);
                        assert_int_equal(out.len, 2 + len);
                        assert_int_equal((unsigned char)out.ptr[1], len);
                        assert_string_equal(out.ptr + 2, expected);
                        assert_int_equal(place.event, numbers[i]);
                        frame_unref(tail);
                }
}

static void an_event_of_126_bytes_has_the_longer_header(void **state) {
        for (size_t whole = 125; whole <= 126; whole++) {
                struct outbox outbox = { 0 };
                struct outbox_place place = { 0 };
                _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
                struct frame *tail = text_of(whole - event_head(EVENT_MESSAGE).len - 2);
                outbox_add_event(&outbox, EVENT_MESSAGE, 42, tail);
                outbox_gather(&outbox, &out, PLENTY, &place);
                assert_int_equal(out.len, whole + (whole == 125 ? 2 : 4));
                frame_unref(tail);
        }
}

static void ping_and_close_are_control_frames(void **state) {
        struct outbox outbox = { 0 };
        struct outbox_place place = { 0 };
        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
        char reason[200];
        memset(reason, 'r', sizeof(reason));
        assert_true(outbox_add_ping(&outbox));
        assert_true(outbox_add_close(&outbox, 4409, SLICE("replaced")));
        outbox_gather(&outbox, &out, PLENTY, &place);
        assert_int_equal(out.len, 3 + 2 + 10);
        assert_memory_equal(out.ptr, "\x89\x01" "b\x88\x0a\x11\x39replaced", 15);
        buf_clear(&out);
        assert_true(outbox_add_close(&outbox, 4001, (struct slice){ reason, sizeof(reason) }));
        outbox_gather(&outbox, &out, PLENTY, &place);
        assert_int_equal(out.len, 2 + 125); /* the most a control frame may carry (section 5.5) */
        assert_int_equal(out.ptr[1], 125);
}

static void gathering_takes_whole_frames_up_to_the_limit(void **state) {
        struct outbox outbox = { 0 };
        struct outbox_place place = { 0 };
        struct frame *tail = text_of(1000);
        for (uint64_t n = 1; n <= 10; n++)
                outbox_add_event(&outbox, EVENT_MESSAGE, n, tail);
        uint32_t all = 0, turns = 0;
        while (outbox.count) {
                _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
                buf_add_text(&out, "before"); /* what is there counts too */
                uint32_t frames = outbox_gather(&outbox, &out, 3000, &place);
                assert_true(out.len <= 3000);
                all += frames;
                turns++;
                assert_int_equal(place.n, all);
        }
        assert_int_equal(all, 10);
        assert_int_equal(turns, 5); /* two in each */
        frame_unref(tail);
}

static void the_ring_of_events_is_bounded_by_frames(void **state) {
        struct outbox outbox = { 0 };
        uint64_t n = 0;
        while (add(&outbox, 'e', n))
                n++;
        assert_int_equal(n, LIMIT_OUTBOX_FRAMES);
        assert_false(outbox_add_ping(&outbox));
        assert_true(add(&outbox, 'r', 1)); /* replies are always taken */
        assert_true(add(&outbox, 'm', 1));
        assert_true(outbox_add_close(&outbox, 4001, SLICE("")));
        assert_false(add(&outbox, 'e', n));
        outbox_deinit(&outbox);
}

static void the_ring_of_events_is_bounded_by_bytes(void **state) {
        struct outbox outbox = { 0 };
        struct frame *tail = text_of(60000), *huge = text_of(LIMIT_OUTBOX_BYTES + 1);
        assert_true(outbox_add_event(&outbox, EVENT_MESSAGE, 1, huge)); /* alone, whatever its size: else it would never go */
        assert_false(outbox_add_event(&outbox, EVENT_MESSAGE, 2, tail));
        outbox_deinit(&outbox);
        uint64_t n = 0;
        while (outbox_add_event(&outbox, EVENT_MESSAGE, n, tail))
                n++;
        assert_int_equal(n, LIMIT_OUTBOX_BYTES / tail->len);
        assert_true(outbox.bytes <= LIMIT_OUTBOX_BYTES);
        outbox_deinit(&outbox);
        frame_unref(tail);
        frame_unref(huge);
}

static void ephemera_are_refused_when_the_ring_is_half_full(void **state) {
        struct outbox outbox = { 0 };
        uint64_t n = 0;
        while (add(&outbox, 'f', n))
                n++;
        assert_int_equal(n, LIMIT_OUTBOX_FRAMES / 2);
        assert_true(add(&outbox, 'e', 1));
        outbox_deinit(&outbox);
        struct frame *text = text_of(LIMIT_OUTBOX_BYTES / 2 - 1);
        assert_true(add(&outbox, 'e', 1));
        assert_false(outbox_add_ephemeral(&outbox, text));
        outbox_deinit(&outbox);
        frame_unref(text);
}

/* Added, then dropped: what is left, how many went, and where that leaves the session. */
static const struct {
        const char *sentence, *added;
        uint32_t dropped;
        const char *left;
        struct outbox_place place;
} drops[] = {
        { "events go, replies stay", "e1 r2 e3 f4 e5", 3, "r2 f4", { 0, 0 } },
        { "nothing is nothing", "", 0, "", { 0, 0 } },
        { "what stands before a mark stays with it", "e1 r2 e3 m4 e5 r6 e7", 2, "e1 r2 e3 m4 r6", { 4, 3 } },
        { "the last mark counts", "e1 m2 e3 m4 e5", 1, "e1 m2 e3 m4", { 4, 3 } },
        { "a mark at the end keeps all", "e1 e2 m9", 0, "e1 e2 m9", { 9, 2 } },
        { "a mark alone is told by no event", "m9 e10", 1, "m9", { 9, 0 } },
};

static void add_all(struct outbox *outbox, const char *text) {
        for (; *text; text += strcspn(text, " "), text += *text == ' ')
                assert_true(add(outbox, text[0], strtoull(text + 1, NULL, 10)));
}

static void dropping_leaves_what_the_rows_say(void **state) {
        for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
                struct outbox outbox = { 0 };
                struct outbox_place place = { 0 };
                print_message("%s\n", drops[i].sentence);
                add_all(&outbox, drops[i].added);
                assert_int_equal(outbox_drop_events(&outbox, &place), drops[i].dropped);
                assert_int_equal(place.n, drops[i].place.n);
                assert_int_equal(place.event, drops[i].place.event);
                assert_out(&outbox, drops[i].left);
                assert_int_equal(outbox.bytes, 0);
                assert_int_equal(outbox.reply_bytes, 0);
                outbox_deinit(&outbox);
        }
}

static void dropping_all_spares_replies_only(void **state) {
        struct outbox outbox = { 0 };
        add_all(&outbox, "e1 r2 m3 e4 f5 m6");
        outbox_drop_all(&outbox);
        assert_int_equal(outbox.events, 0);
        assert_int_equal(outbox.reply_bytes, 2);
        assert_out(&outbox, "r2 f5");
}

static void what_is_dropped_gives_its_room_back(void **state) {
        struct outbox outbox = { 0 };
        struct outbox_place place = { 0 };
        struct frame *tail = text_of(60000);
        for (int round = 0; round < 3; round++) {
                uint32_t count = 0;
                while (outbox_add_event(&outbox, EVENT_MESSAGE, count, tail))
                        count++;
                assert_int_equal(count, LIMIT_OUTBOX_BYTES / tail->len);
                assert_int_equal(outbox_drop_events(&outbox, &place), count);
                assert_int_equal(outbox.bytes, 0);
        }
        outbox_deinit(&outbox);
        frame_unref(tail);
}

static void a_place_never_moves_back(void **state) {
        struct outbox outbox = { 0 };
        struct outbox_place place = { .n = 50, .event = 50 };
        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
        add_all(&outbox, "m20");
        outbox_gather(&outbox, &out, PLENTY, &place);
        assert_int_equal(place.n, 50);
}

static void the_ring_turns_round_and_grows_without_losing_order(void **state) {
        struct outbox outbox = { 0 };
        struct outbox_place place = { 0 };
        uint64_t in = 0, out_n = 0;
        for (int turn = 0; turn < 200; turn++) {
                for (int i = 0; i < 7 && add(&outbox, 'e', in + 1); i++)
                        in++;
                _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
                out_n += outbox_gather(&outbox, &out, 150, &place); /* fewer than come */
                assert_int_equal(place.event, out_n);
                assert_int_equal(outbox.count, in - out_n);
                assert_int_equal(outbox.events, in - out_n);
        }
        assert_true(in > LIMIT_OUTBOX_FRAMES && outbox.count > LIMIT_OUTBOX_FRAMES / 2);
        outbox_deinit(&outbox);
}

static void a_frame_is_held_once_for_each_place_and_let_go(void **state) {
        struct outbox one = { 0 }, two = { 0 };
        struct outbox_place place = { 0 };
        _cleanup_buf_ struct buf out = BUF_INIT(PLENTY);
        struct frame *frame = text_of(10);
        outbox_add_event(&one, EVENT_MESSAGE, 1, frame);
        outbox_add_event(&two, EVENT_MESSAGE, 9, frame);
        outbox_add_reply(&two, frame);
        assert_int_equal(frame->refs, 4);
        outbox_gather(&one, &out, PLENTY, &place);
        assert_int_equal(frame->refs, 3);
        outbox_drop_events(&two, &place);
        assert_int_equal(frame->refs, 2);
        outbox_deinit(&two);
        assert_int_equal(frame->refs, 1);
        frame_unref(frame);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_leave_in_the_order_they_came),
                cmocka_unit_test(nothing_is_held_while_nothing_waits),
                cmocka_unit_test(a_header_has_the_length_in_its_shortest_form),
                cmocka_unit_test(an_event_is_head_number_and_tail_in_one_frame),
                cmocka_unit_test(an_event_of_126_bytes_has_the_longer_header),
                cmocka_unit_test(ping_and_close_are_control_frames),
                cmocka_unit_test(gathering_takes_whole_frames_up_to_the_limit),
                cmocka_unit_test(the_ring_of_events_is_bounded_by_frames),
                cmocka_unit_test(the_ring_of_events_is_bounded_by_bytes),
                cmocka_unit_test(ephemera_are_refused_when_the_ring_is_half_full),
                cmocka_unit_test(dropping_leaves_what_the_rows_say),
                cmocka_unit_test(dropping_all_spares_replies_only),
                cmocka_unit_test(what_is_dropped_gives_its_room_back),
                cmocka_unit_test(a_place_never_moves_back),
                cmocka_unit_test(the_ring_turns_round_and_grows_without_losing_order),
                cmocka_unit_test(a_frame_is_held_once_for_each_place_and_let_go),
        };
        return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
