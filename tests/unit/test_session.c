/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c: the moves of a session, one by one. What no one thought of is in test_session_chance.c. */
#include "hub/session.h"
#include "hub/typist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/frame.h"
#include "base/limits.h"
#include "fanout/typing.h"
#include "tests/unit/stage.h"

static int set_up(void **state) {
        stage_open();
        return 0;
}

static int tear_down(void **state) {
        stage_close();
        return 0;
}

/* ---- helpers ---- */

static void expect(const char *type, const char *field, uint64_t value) {
        stage_flush();
        const char *frame = stage_take();
        assert_non_null(frame);
        if (!stage_is(frame, type))
                fail_msg("%s expected, not %s", type, frame);
        if (field)
                assert_int_equal(stage_number(frame, field), value);
}

static void expect_text(const char *text) {
        stage_flush();
        const char *frame = stage_take();
        assert_non_null(frame);
        assert_string_equal(frame, text);
}

static void expect_error(const char *code) {
        char start[64];
        snprintf(start, sizeof(start), "{\"type\":\"error\",\"code\":\"%s\"", code);
        stage_flush();
        const char *frame = stage_take();
        assert_non_null(frame);
        assert_memory_equal(frame, start, strlen(start));
}

static void expect_nothing(void) {
        stage_flush();
        const char *frame = stage_take();
        if (frame)
                fail_msg("nothing expected, not %s", frame);
}

static void expect_events(uint64_t first, uint64_t last) {
        for (uint64_t n = first; n <= last; n++)
                expect("message", "n", n);
}

/* At head, with nothing to catch up on. */
static void go_live(uint64_t head) {
        stage_hello(NULL, 0);
        stage_answer_attach(0, "E", head, head);
        expect("welcome", "head", head);
        expect("caught_up", "n", head);
        assert_int_equal(stage.session->state, SESSION_LIVE);
}

struct row {
        uint64_t n;
        bool gone;
};

/* The store answers the page under way with these events. */
static void answer(uint64_t base, uint64_t head, uint64_t next, const struct row *rows, size_t count) {
        struct inbox_event events[LIMIT_PAGE_EVENTS];
        struct inbox_page page = { .epoch = "E", .base = base, .head = head, .next = next, .count = count, .events = events };
        for (size_t i = 0; i < count; i++)
                events[i] = (struct inbox_event){ rows[i].n, EVENT_MESSAGE, rows[i].gone ? NULL : stage_tail(rows[i].n, 1) };
        stage_answer_page(&page);
        for (size_t i = 0; i < count; i++)
                frame_unref(events[i].tail);
}

static void answer_all(uint64_t first, uint64_t last, uint64_t head) {
        struct row rows[LIMIT_PAGE_EVENTS];
        size_t count = 0;
        for (uint64_t n = first; n <= last; n++)
                rows[count++] = (struct row){ n, false };
        answer(0, head, last, rows, count);
}

/* ---- the beginning ---- */

static void hello_is_answered_by_welcome_then_the_events_then_caught_up(void **state) {
        stage_hello("E", 3);
        assert_string_equal(stage.attached_epoch, "E");
        assert_int_equal(stage.attached_cursor, 3);
        assert_int_equal(stage.audience, 1); /* before the store is asked: nothing may slip between */
        stage_answer_attach(0, "E", 3, 5);
        assert_int_equal(stage.page->after, 3);
        answer_all(4, 5, 5);
        expect("welcome", "cursor", 3);
        expect_events(4, 5);
        expect("caught_up", "n", 5);
        expect_nothing();
}

static void an_event_that_comes_before_welcome_is_read_from_the_inbox(void **state) {
        stage_hello(NULL, 0);
        stage_event(8, 1);
        stage_answer_attach(0, "E", 7, 7);
        expect("welcome", "head", 8);
        expect_nothing();
        assert_int_equal(stage.page->after, 7);
        answer_all(8, 8, 8);
        expect_events(8, 8);
        expect("caught_up", "n", 8);
}

static void requests_before_welcome_wait_for_it(void **state) {
        stage_hello(NULL, 0);
        session_defer(stage.session, SLICE("{\"type\":\"ping\"}"));
        session_defer(stage.session, SLICE("{\"type\":\"ping\"}"));
        assert_int_equal(stage.objects, 0);
        stage_answer_attach(0, "E", 0, 0);
        assert_int_equal(stage.objects, 2);
}

static void too_many_requests_before_welcome_end_the_session(void **state) {
        static char object[LIMIT_FRAME_BYTES / 2];
        memset(object, ' ', sizeof(object));
        stage_hello(NULL, 0);
        for (int i = 0; i < 4; i++) /* two frames' worth */
                session_defer(stage.session, (struct slice){ object, sizeof(object) });
        expect_error("too_large");
        expect_text("close 4413 too large");
}

static void requests_of_an_array_wait_for_those_before_them_and_so_does_the_peer(void **state) {
        static const char ping[] = "{\"type\":\"ping\"}";
        go_live(7);
        session_begin(stage.session); /* one waits for the store */
        session_begin(stage.session);
        for (int i = 0; i < 3; i++)
                session_defer(stage.session, slice_of(ping));
        assert_true(stage.paused);
        session_end(stage.session);
        assert_int_equal(stage.objects, 0);
        session_end(stage.session);
        assert_int_equal(stage.objects, 3);
        assert_false(stage.paused);
}

static void a_lost_past_is_said_after_welcome(void **state) {
        stage_hello("OLD", 50);
        stage_answer_attach(0, "E", 7, 7);
        expect("welcome", "head", 7);
        expect("reset", "head", 7);
        expect("caught_up", "n", 7);
}

static const struct {
        const char *sentence;
        int auth_answer;
        bool is_down, refuses, fails;
        const char *error, *close;
} refusals[] = {
        { "a forged token", AUTH_E_BAD, false, false, false, "unauthorized", "close 4401 bad token" },
        { "an expired token", AUTH_E_EXPIRED, false, false, false, "token_expired", "close 4201 token expired" },
        { "a worker that is not ready", 0, true, false, false, "unavailable", "close 4100 overloaded" },
        { "a store that cannot be asked", 0, false, true, false, "unavailable", "close 4100 overloaded" },
        { "a store that does not answer", 0, false, false, true, "unavailable", "close 4100 overloaded" },
};

static void a_refused_hello_is_told_and_closed(void **state) {
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                print_message("%s\n", refusals[i].sentence);
                stage.auth_answer = refusals[i].auth_answer;
                stage.ready = !refusals[i].is_down;
                stage.refuses_attach = refusals[i].refuses;
                stage_hello(NULL, 0);
                if (refusals[i].fails)
                        stage_answer_attach(FANOUT_E_UNAVAILABLE, "", 0, 0);
                expect_error(refusals[i].error);
                expect_text(refusals[i].close);
                stage_disconnect();
                stage_connect();
        }
}

static void a_session_that_ends_while_it_attaches_is_taken_out_again(void **state) {
        stage_hello(NULL, 0);
        stage_disconnect();
        assert_int_equal(stage.detached, 1);
        assert_int_equal(stage.audience, 0);
        stage_connect();
}

/* ---- live, window, pages ---- */

static void live_events_go_out_in_order_of_n(void **state) {
        go_live(10);
        stage_event(11, 1);
        stage_event(11, 1); /* a repeat is nothing */
        stage_event(12, 1);
        expect_events(11, 12);
        expect_nothing();
        assert_null(stage.page);
}

static void a_hole_is_filled_from_the_inbox(void **state) {
        go_live(10);
        stage_event(12, 1);
        assert_int_equal(stage.session->state, SESSION_REPLAYING);
        stage_event(11, 1); /* the page brings it */
        expect_nothing();
        answer_all(11, 12, 12);
        expect_events(11, 12);
        assert_int_equal(stage.session->state, SESSION_LIVE);
        expect_nothing(); /* caught_up comes once */
}

static void a_head_that_is_ahead_is_read_from_the_inbox(void **state) {
        go_live(10);
        stage_head(10);
        assert_null(stage.page);
        stage_head(11);
        answer_all(11, 11, 11);
        expect_events(11, 11);
}

static void a_full_window_ends_live_and_an_ack_goes_on(void **state) {
        go_live(0);
        for (uint64_t n = 1; n <= LIMIT_WINDOW_EVENTS; n++)
                stage_event(n, 1);
        assert_int_equal(stage.session->state, SESSION_LIVE);
        stage_event(LIMIT_WINDOW_EVENTS + 1, 1);
        assert_int_equal(stage.session->state, SESSION_REPLAYING);
        expect_events(1, LIMIT_WINDOW_EVENTS);
        expect_nothing();
        assert_null(stage.page);
        stage_ack(100);
        assert_int_equal(stage.page->limit, 100);
        answer_all(LIMIT_WINDOW_EVENTS + 1, LIMIT_WINDOW_EVENTS + 1, LIMIT_WINDOW_EVENTS + 1);
        expect_events(LIMIT_WINDOW_EVENTS + 1, LIMIT_WINDOW_EVENTS + 1);
        assert_int_equal(stage.session->state, SESSION_LIVE);
}

static void numbers_that_no_event_has_cost_no_window(void **state) {
        stage_hello("E", 0);
        stage_answer_attach(0, "E", 0, 1000);
        for (uint64_t next = 100; next <= 900; next += 100)
                answer(0, 1000, next, &(struct row){ next, false }, 1); /* 99 receipts that later ones replaced, and an event */
        assert_non_null(stage.page);
        assert_int_equal(stage.page->limit, LIMIT_WINDOW_EVENTS - 9);
        answer(0, 1000, 1000, NULL, 0);
        assert_int_equal(stage.session->state, SESSION_LIVE);
        stage_ack(900);
        assert_int_equal(stage.session->acked, 1000); /* nothing of what was sent is left to acknowledge */
}

static void a_page_that_was_cut_short_is_followed_by_the_next(void **state) {
        stage_hello("E", 0);
        stage_answer_attach(0, "E", 0, 4);
        answer_all(1, 3, 4);
        assert_int_equal(stage.page->after, 3);
        answer_all(4, 4, 4);
        expect("welcome", NULL, 0);
        expect_events(1, 4);
        expect("caught_up", "n", 4);
}

static void a_page_that_fails_is_asked_for_again_after_a_second(void **state) {
        go_live(0);
        stage_head(1);
        stage_answer_page(&(struct inbox_page){ .answer = FANOUT_E_UNAVAILABLE });
        assert_null(stage.page);
        stage.refuses_pages = true;
        stage_tick(1200);
        assert_null(stage.page);
        stage.refuses_pages = false;
        stage_tick(900);
        assert_null(stage.page);
        stage_tick(400);
        answer_all(1, 1, 1);
        expect_events(1, 1);
}

/* ---- gaps ---- */

static void what_the_inbox_no_longer_has_is_a_gap_in_its_place(void **state) {
        stage_hello("E", 10);
        stage_answer_attach(0, "E", 10, 5002);
        expect("welcome", NULL, 0);
        const struct row rows[] = { { 5000, false }, { 5001, true }, { 5002, true } };
        answer(4999, 5002, 5002, rows, 3);
        stage_flush();
        expect_text("{\"type\":\"gap\",\"from\":11,\"to\":4999}");
        expect("message", "n", 5000);
        expect_text("{\"type\":\"gap\",\"from\":5001,\"to\":5002}");
        expect("caught_up", "n", 5002);
}

static void a_gap_needs_no_acknowledgement(void **state) {
        stage_hello("E", 0);
        stage_answer_attach(0, "E", 0, 9001);
        answer(9000, 9001, 9001, &(struct row){ 9001, false }, 1);
        assert_int_equal(stage.session->unacked, 1);
        stage_event(9002, 1);
        assert_int_equal(stage.session->state, SESSION_LIVE);
}

/* ---- falling back ---- */

static void fill_outbox(uint64_t n) {
        while (stage.session->state == SESSION_LIVE)
                stage_event(++n, 20000);
}

static void a_peer_that_reads_slowly_is_served_from_the_inbox(void **state) {
        go_live(0);
        stage_event(1, 1);
        expect_events(1, 1);
        stage.partial = true;
        stage_event(2, 1);
        stage_flush();
        fill_outbox(2);
        assert_int_equal(stage.session->outbox.count, 0); /* the log is the buffer */
        assert_int_equal(stage.session->sent, 1);
        assert_null(stage.page); /* nothing is read for it before it takes something */
        stage_unblock();
        assert_int_equal(stage.page->after, 1);
}

static void replies_outlive_the_events_that_are_dropped(void **state) {
        go_live(0);
        stage.partial = true;
        stage_event(1, 1);
        session_reply(stage.session, SLICE("{\"type\":\"pong\"}"));
        stage_flush();
        fill_outbox(1);
        stage_unblock();
        expect("pong", NULL, 0);
        expect_nothing();
}

static void a_gap_and_what_is_before_it_outlive_the_events_behind(void **state) {
        stage_hello("E", 0);
        stage_answer_attach(0, "E", 0, 3);
        expect("welcome", NULL, 0);
        stage.partial = true;
        const struct row rows[] = { { 1, false }, { 2, true }, { 3, false } };
        answer(0, 3, 3, rows, 3);
        stage_flush();
        fill_outbox(3);
        assert_int_equal(stage.session->sent, 3);
        stage_unblock();
        expect_events(1, 1);
        expect_text("{\"type\":\"gap\",\"from\":2,\"to\":2}");
        expect_events(3, 3);
        expect("caught_up", "n", 3);
        assert_int_equal(stage.page->after, 3);
}

static void presence_that_found_no_room_is_told_again(void **state) {
        struct frame *frame = frame_new(SLICE("{\"type\":\"presence\"}"));
        go_live(0);
        stage.partial = true;
        for (int i = 0; i <= LIMIT_OUTBOX_FRAMES / 2; i++)
                stage.session->watcher.on_presence(&stage.session->watcher, frame);
        frame_unref(frame);
        stage_flush();
        assert_int_equal(stage.presence_repeated, 0);
        stage_unblock();
        assert_int_equal(stage.presence_repeated, 1);
        stage_flush();
        assert_int_equal(stage.presence_repeated, 1);
        while (stage_take())
                ;
}

static void ephemeral_frames_are_dropped_first(void **state) {
        struct frame *frame = stage_tail(0, 20000);
        const struct subscriber_calls *calls = stage.session->subscriber.calls;
        go_live(0);
        stage.partial = true;
        calls->on_ephemeral(&stage.session->subscriber, frame);
        uint32_t count = 0;
        while (stage.session->outbox.count > count) {
                count = stage.session->outbox.count;
                calls->on_ephemeral(&stage.session->subscriber, frame);
        }
        stage_event(1, 20000);
        assert_int_equal(stage.session->outbox.count, count + 1); /* an event still has room */
        assert_int_equal(stage.session->state, SESSION_LIVE);
        frame_unref(frame);
}

static void a_peer_that_takes_no_replies_is_not_read_from(void **state) {
        static char pong[60000];
        memset(pong, ' ', sizeof(pong));
        go_live(0);
        stage.partial = true;
        while (!stage.paused)
                session_reply(stage.session, (struct slice){ pong, sizeof(pong) });
        assert_true(stage.session->outbox.reply_bytes > LIMIT_OUTBOX_REPLY_BYTES);
        stage_flush();
        stage_unblock();
        stage_flush();
        assert_false(stage.paused);
}

/* ---- acknowledging ---- */

static void an_ack_reaches_the_store(void **state) {
        go_live(5);
        stage_event(6, 1);
        stage_ack(6);
        assert_int_equal(stage.noted, 6);
        stage_ack(4); /* older ones are nothing */
        assert_int_equal(stage.noted, 6);
        expect_events(6, 6);
        expect_nothing();
}

static void what_is_acknowledged_ahead_is_not_sent(void **state) {
        stage_hello("E", 0);
        stage_answer_attach(0, "E", 0, 4);
        expect("welcome", NULL, 0);
        stage_ack(3); /* it has them from elsewhere */
        answer_all(1, 4, 4);
        expect_events(4, 4);
        expect("caught_up", "n", 4);
}

static void an_ack_beyond_the_head_is_refused(void **state) {
        go_live(5);
        stage_ack(6);
        expect_error("bad_request");
        assert_int_equal(stage.noted, 5); /* what hello said */
}

/* ---- a lost lease, a lost past ---- */

static void a_lost_lease_is_not_noticed_by_the_client(void **state) {
        go_live(5);
        stage.session->away = true;
        session_attach_again(stage.session);
        assert_true(stage.attached_again);
        assert_true(stage.attached_away);
        stage_answer_attach(0, "E", 5, 5);
        expect_nothing();
        stage_event(6, 1);
        expect_events(6, 6);
}

static void what_was_said_last_of_being_invisible_is_brought_when_it_is_registered_anew(void **state) {
        go_live(5);
        session_attach_again(stage.session);
        assert_int_equal(stage.attached_said_ms, 0); /* nothing was */
        stage_answer_attach(0, "E", 5, 5);
        stage.wall_ms += 1000;
        session_note_status(stage.session, SLICE("away"));
        session_note_status(stage.session, SLICE("invisible"));
        session_attach_again(stage.session);
        assert_true(stage.attached_invisible && stage.attached_away);
        assert_int_equal(stage.attached_said_ms, stage.wall_ms);
        stage_answer_attach(0, "E", 5, 5);
        session_note_status(stage.session, SLICE("online"));
        session_attach_again(stage.session);
        assert_false(stage.attached_invisible || stage.attached_away);
        stage_answer_attach(0, "E", 5, 5);
        expect_nothing();
}

static void that_another_session_said_invisible_is_known_from_the_welcome_on(void **state) {
        stage.user_invisible = true;
        go_live(5);
        session_attach_again(stage.session);
        assert_true(stage.attached_invisible);
        assert_int_equal(stage.attached_said_ms, stage.session->opened_store_ms);
        stage_answer_attach(0, "E", 5, 5);
}

static void a_store_that_goes_while_sessions_register_closes_none(void **state) {
        go_live(5);
        session_attach_again(stage.session);
        stage.store_away = true;
        stage_answer_attach(FANOUT_E_UNAVAILABLE, "", 0, 0);
        session_attach_again(stage.session);
        expect_nothing();
        assert_int_equal(stage.hub.attaching, 0);
        stage.store_away = false;
        session_attach_again(stage.session); /* as hub_on_store_up() has them all do */
        stage_answer_attach(0, "E", 5, 6);
        answer_all(6, 6, 6);
        expect_events(6, 6);
}

static void a_store_that_is_there_and_refuses_a_session_ends_it(void **state) {
        go_live(5);
        session_attach_again(stage.session);
        stage_answer_attach(FANOUT_E_UNAVAILABLE, "", 0, 0);
        expect_text("close 4100 overloaded");
}

static void only_so_many_sessions_register_at_a_time(void **state) {
        go_live(5);
        stage.hub.attaching = LIMIT_ATTACHES_AGAIN;
        session_attach_again(stage.session);
        assert_null(stage.on_attached);
        stage_event(6, 1); /* of which past is not known */
        expect_nothing();
        stage_disconnect();
        stage_connect();
        go_live(6);
        stage.hub.attaching--; /* another has its answer */
        session_attach_again(stage.session);
        assert_int_equal(stage.hub.attaching, LIMIT_ATTACHES_AGAIN);
        stage_answer_attach(0, "E", 6, 6);
        assert_int_equal(stage.hub.attaching, LIMIT_ATTACHES_AGAIN - 1); /* who is gone took none */
        stage_event(7, 1);
        expect_events(7, 7);
}

static void a_device_that_went_elsewhere_meanwhile_ends_this_session(void **state) {
        go_live(5);
        session_attach_again(stage.session);
        stage_answer_attach(FANOUT_E_CONFLICT, "E", 0, 0);
        expect_text("close 4409 replaced");
}

/* Event 8 comes by the node channel before the store's answer: a device told of head 8 would take it for one it has. */
static void a_reset_says_from_where_the_events_go_on(void **state) {
        stage_hello("E", 40);
        stage_event(8, 1);
        stage_answer_attach(0, "F", 7, 7);
        expect("welcome", NULL, 0);
        expect_text("{\"type\":\"reset\",\"epoch\":\"F\",\"head\":7}");
}

static void a_past_lost_while_live_is_said(void **state) {
        go_live(500);
        stage_head(501); /* a page is under way, by the old numbers */
        session_attach_again(stage.session);
        assert_int_equal(stage.attached_told, 500); /* which the new epoch does not give again */
        stage_answer_attach(0, "F", 500, 500);
        expect_text("{\"type\":\"reset\",\"epoch\":\"F\",\"head\":500}");
        /* Event 501 came before this answer and was taken for an old one, so the inbox is looked at once more. */
        assert_int_equal(stage.page->after, 500);
        struct inbox_event event = { 501, EVENT_MESSAGE, stage_tail(501, 1) };
        stage_answer_page(&(struct inbox_page){ .epoch = "F", .head = 501, .next = 501, .count = 1, .events = &event });
        frame_unref(event.tail);
        expect_events(501, 501);
        expect("caught_up", "n", 501);
        stage_event(502, 1);
        expect_events(502, 502);
        /* What the device said before it knew. */
        stage_ack(450);
        stage_ack(600);
        expect_nothing();
        assert_int_equal(stage.session->acked, 500);
}

static void an_epoch_of_the_user_that_is_new_is_asked_for(void **state) {
        go_live(5);
        stage_head(7);
        stage_answer_page(&(struct inbox_page){ .epoch = "EF", .head = 7, .next = 5 });
        assert_false(stage.attached_again); /* that of another store will be told */
        stage_head(8);
        stage_answer_page(&(struct inbox_page){ .epoch = "E.9", .head = 8, .next = 5 });
        assert_true(stage.attached_again);
        stage_answer_attach(0, "E.9", 8, 8);
        expect_text("{\"type\":\"reset\",\"epoch\":\"E.9\",\"head\":8}");
        stage.attached_again = false;
        stage.session->subscriber.calls->on_doubt(&stage.session->subscriber);
        assert_true(stage.attached_again);
}

static void a_head_of_a_past_that_is_lost_is_forgotten_with_the_next_page(void **state) {
        go_live(5);
        stage_head(50); /* published before the store lost it */
        stage_answer_page(&(struct inbox_page){ .epoch = "E", .head = 5, .next = 5 });
        assert_null(stage.page); /* once is enough */
        assert_int_equal(stage.session->state, SESSION_LIVE);
        stage_event(6, 1);
        expect_events(6, 6);
        /* One that is heard of while a page is under way is not in it. */
        stage_head(8);
        stage_head(9);
        stage_answer_page(&(struct inbox_page){ .epoch = "E", .head = 8, .next = 8 });
        assert_int_equal(stage.session->head, 9);
}

/* ---- the end ---- */

static void nothing_follows_the_close_frame(void **state) {
        go_live(5);
        stage_event(6, 1);
        stage.session->subscriber.calls->on_kick(&stage.session->subscriber, CLOSE_REPLACED);
        stage_event(7, 1);
        session_reply(stage.session, SLICE("{\"type\":\"pong\"}"));
        stage_head(9);
        expect_text("close 4409 replaced"); /* event 6 stays in the inbox */
        expect_nothing();
        assert_null(stage.page);
}

static void a_drain_tells_each_client_its_delay(void **state) {
        go_live(0);
        session_drain(stage.session, 1730);
        expect_text("{\"type\":\"goaway\",\"reason\":\"drain\",\"retry_after_ms\":1730}");
        expect_text("close 4001 drain");
}

static void a_close_that_is_not_answered_ends_after_5_s(void **state) {
        go_live(0);
        session_close(stage.session, CLOSE_DRAIN);
        stage_flush();
        stage_tick(4900);
        assert_false(stage.killed);
        stage_tick(300);
        assert_true(stage.killed);
}

/* libwebsockets walks its sorted list of timeouts past all that are to be killed: thousands at once would stop the loop for minutes. */
static void when_many_do_not_answer_a_close_the_rest_ends_in_the_next_ticks(void **state) {
        go_live(0);
        session_close(stage.session, CLOSE_OVERLOADED);
        stage_flush();
        stage.hub.killed = LIMIT_KILLS;
        stage_tick(5200);
        assert_false(stage.killed);
        stage.hub.killed = 0;
        stage_tick(200);
        assert_true(stage.killed);
        assert_int_equal(stage.hub.killed, 1);
}

/* ---- time ---- */

static void no_hello_in_time_closes(void **state) {
        stage_tick(9900);
        expect_nothing();
        stage_tick(300);
        expect_text("close 4408 no hello");
}

static void a_silent_peer_is_pinged_then_closed(void **state) {
        go_live(0);
        stage_tick(24900);
        expect_nothing();
        stage_tick(300);
        expect_text("ping");
        for (int i = 0; i < 9; i++)
                stage_tick(1100);
        expect_nothing();
        stage_tick(1100);
        expect_text("close 4102 no pong");
}

static void a_peer_that_answers_pings_stays(void **state) {
        go_live(0);
        for (int i = 0; i < 10; i++) {
                stage_tick(26000);
                expect_text("ping");
                session_on_heard(stage.session);
                stage_tick(1100);
                expect_nothing();
        }
}

static void a_token_that_expires_is_told_a_minute_before(void **state) {
        stage.claims.expires_ms = stage.wall_ms + 70000;
        go_live(0);
        stage_tick(10200);
        const char *frame;
        stage_flush();
        assert_non_null(frame = stage_take());
        assert_true(stage_is(frame, "token_expiring"));
        for (int i = 0; i < 59; i++) {
                stage_tick(1000);
                session_on_heard(stage.session);
        }
        expect_nothing();
        stage_tick(1200);
        expect_error("token_expired");
        expect_text("close 4201 token expired");
}

static void a_fresh_token_is_taken_without_reconnecting(void **state) {
        struct request *request = calloc(1, sizeof(*request));
        assert_non_null(request);
        stage.claims.expires_ms = stage.wall_ms + 70000;
        go_live(0);
        stage.claims.expires_ms += 3600000;
        session_auth(stage.session, request);
        expect("ok", NULL, 0);
        stage_tick(20000);
        expect_nothing();
        snprintf(stage.claims.user, sizeof(stage.claims.user), "carol");
        session_auth(stage.session, request);
        expect_error("forbidden"); /* another user's token */
        free(request);
}

/* ---- typing ---- */

static void typing_ends_by_itself_and_with_the_session(void **state) {
        go_live(0);
        typist_step(stage.session, SLICE("c1"), true);
        assert_string_equal(stage.cast, "T c1 bob 1");
        typist_step(stage.session, SLICE("c1"), true);
        assert_int_equal(stage.casts, 1); /* throttled */
        stage_tick(6200);
        assert_string_equal(stage.cast, "T c1 bob 0");

        typist_step(stage.session, SLICE("c3"), true);
        stage_disconnect();
        assert_string_equal(stage.cast, "T c3 bob 0");
        stage_connect();
}

/* The message itself says so to everyone: nothing is spread for it. */
static void a_message_ends_what_was_typed_before_it(void **state) {
        go_live(0);
        typist_step(stage.session, SLICE("c1"), true);
        uint64_t typed = stage.session->typed;
        typist_sent(stage.session, SLICE("c2"), typed); /* in another conversation */
        typist_sent(stage.session, SLICE("c1"), typed);
        stage_tick(6200);
        assert_int_equal(stage.casts, 1);

        /* What is typed between a send and its answer is typed behind the message: it waits for its turn. */
        typist_step(stage.session, SLICE("c1"), true);
        typed = stage.session->typed;
        typist_step(stage.session, SLICE("c1"), true);
        assert_int_equal(stage.casts, 2);
        typist_sent(stage.session, SLICE("c1"), typed);
        stage_tick(2200);
        assert_int_equal(stage.casts, 3);
        assert_string_equal(stage.cast, "T c1 bob 1");

        /* If it was spread before the answer, others heard it behind the message. */
        typed = stage.session->typed;
        stage_tick(2000);
        typist_step(stage.session, SLICE("c1"), true);
        assert_int_equal(stage.casts, 4);
        typist_sent(stage.session, SLICE("c1"), typed);
        typist_step(stage.session, SLICE("c1"), false);
        assert_int_equal(stage.casts, 5);
        assert_string_equal(stage.cast, "T c1 bob 0");
}

static void what_ended_elsewhere_may_be_said_anew(void **state) {
        go_live(0);
        typist_step(stage.session, SLICE("c1"), true);
        stage.session->subscriber.calls->on_typed(&stage.session->subscriber, SLICE("c1"));
        typist_step(stage.session, SLICE("c1"), true);
        assert_int_equal(stage.casts, 1);
        stage_tick(2200);
        assert_int_equal(stage.casts, 2);
        assert_string_equal(stage.cast, "T c1 bob 1");
        stage.session->subscriber.calls->on_typed(&stage.session->subscriber, SLICE("c1"));
        stage_tick(6200);
        assert_int_equal(stage.casts, 2); /* it has ended before */
}

static void typing_has_a_limit(void **state) {
        char conv[8];
        go_live(0);
        for (int i = 0; i < LIMIT_TYPING_ACTIVE + 5; i++) {
                snprintf(conv, sizeof(conv), "c%d", i);
                typist_step(stage.session, slice_of(conv), true);
        }
        assert_int_equal(stage.casts, LIMIT_TYPING_ACTIVE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(hello_is_answered_by_welcome_then_the_events_then_caught_up),
                CASE(an_event_that_comes_before_welcome_is_read_from_the_inbox),
                CASE(requests_before_welcome_wait_for_it),
                CASE(too_many_requests_before_welcome_end_the_session),
                CASE(requests_of_an_array_wait_for_those_before_them_and_so_does_the_peer),
                CASE(a_lost_past_is_said_after_welcome),
                CASE(a_refused_hello_is_told_and_closed),
                CASE(a_session_that_ends_while_it_attaches_is_taken_out_again),
                CASE(a_store_that_goes_while_sessions_register_closes_none),
                CASE(a_store_that_is_there_and_refuses_a_session_ends_it),
                CASE(only_so_many_sessions_register_at_a_time),
                CASE(live_events_go_out_in_order_of_n),
                CASE(a_hole_is_filled_from_the_inbox),
                CASE(a_head_that_is_ahead_is_read_from_the_inbox),
                CASE(a_full_window_ends_live_and_an_ack_goes_on),
                CASE(numbers_that_no_event_has_cost_no_window),
                CASE(a_page_that_was_cut_short_is_followed_by_the_next),
                CASE(a_page_that_fails_is_asked_for_again_after_a_second),
                CASE(what_the_inbox_no_longer_has_is_a_gap_in_its_place),
                CASE(a_gap_needs_no_acknowledgement),
                CASE(a_peer_that_reads_slowly_is_served_from_the_inbox),
                CASE(replies_outlive_the_events_that_are_dropped),
                CASE(a_gap_and_what_is_before_it_outlive_the_events_behind),
                CASE(ephemeral_frames_are_dropped_first),
                CASE(presence_that_found_no_room_is_told_again),
                CASE(a_peer_that_takes_no_replies_is_not_read_from),
                CASE(an_ack_reaches_the_store),
                CASE(what_is_acknowledged_ahead_is_not_sent),
                CASE(an_ack_beyond_the_head_is_refused),
                CASE(a_lost_lease_is_not_noticed_by_the_client),
                CASE(what_was_said_last_of_being_invisible_is_brought_when_it_is_registered_anew),
                CASE(that_another_session_said_invisible_is_known_from_the_welcome_on),
                CASE(a_device_that_went_elsewhere_meanwhile_ends_this_session),
                CASE(a_reset_says_from_where_the_events_go_on),
                CASE(a_past_lost_while_live_is_said),
                CASE(an_epoch_of_the_user_that_is_new_is_asked_for),
                CASE(a_head_of_a_past_that_is_lost_is_forgotten_with_the_next_page),
                CASE(nothing_follows_the_close_frame),
                CASE(a_drain_tells_each_client_its_delay),
                CASE(a_close_that_is_not_answered_ends_after_5_s),
                CASE(when_many_do_not_answer_a_close_the_rest_ends_in_the_next_ticks),
                CASE(no_hello_in_time_closes),
                CASE(a_silent_peer_is_pinged_then_closed),
                CASE(a_peer_that_answers_pings_stays),
                CASE(a_token_that_expires_is_told_a_minute_before),
                CASE(a_fresh_token_is_taken_without_reconnecting),
                CASE(typing_ends_by_itself_and_with_the_session),
                CASE(a_message_ends_what_was_typed_before_it),
                CASE(what_ended_elsewhere_may_be_said_anew),
                CASE(typing_has_a_limit),
        };
        return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
