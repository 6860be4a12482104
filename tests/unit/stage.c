/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c: see stage.h. */
#include "tests/unit/stage.h"

#include <libwebsockets.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/frame.h"
#include "fanout/cast.h"
#include "fanout/store.h"
#include "hub/protocol.h"
#include "hub/subscription.h"
#include "presence/detach.h"
#include "presence/lease.h"

enum { STAGE_WIRE_BYTES = 64 << 20 };

struct stage stage;

/* ---- libwebsockets and libuv ---- */

static void stage_look_for_close(const unsigned char *frames, size_t len);

int lws_write(struct lws *wsi, unsigned char *bytes, size_t len, enum lws_write_protocol protocol) {
        assert_int_equal(protocol, LWS_WRITE_RAW);
        assert_false(stage.partial); /* lws forbids it */
        assert_false(stage.closed);  /* session#4 */
        buf_add(&stage.wire, bytes, len);
        assert_false(buf_failed(&stage.wire));
        stage_look_for_close(bytes, len);
        return (int)len;
}

int lws_partial_buffered(struct lws *wsi) {
        return stage.partial;
}

int lws_callback_on_writable(struct lws *wsi) {
        stage.wants_writable = true;
        return 1;
}

int lws_rx_flow_control(struct lws *wsi, int enable) {
        stage.paused = !enable;
        return 0;
}

void lws_set_timeout(struct lws *wsi, enum pending_timeout reason, int seconds) {
        stage.killed = true;
}

void lws_cancel_service(struct lws_context *context) {
}

lws_sockfd_type lws_get_socket_fd(struct lws *wsi) {
        return -1; /* its kernel answers nothing */
}

uint64_t uv_now(const uv_loop_t *loop) {
        return stage.now_ms;
}

uint64_t clock_monotonic_ms(void) {
        return stage.now_ms;
}

int64_t clock_wall_ms(void) {
        return stage.wall_ms;
}

/* ---- the worker ---- */

bool hub_is_ready(const struct hub *hub) {
        return stage.ready;
}

/* Subscriptions are test_channel.c's. */
int subscription_grant(struct session *session, const char *channels) {
        return 0;
}

void subscription_resume_all(struct session *session) {
}

void subscription_end_all(struct session *session) {
}

int auth_verify(struct auth *auth, struct slice token, int64_t now_ms, struct auth_claims *ret_claims) {
        if (!stage.auth_answer)
                *ret_claims = stage.claims;
        return stage.auth_answer;
}

void protocol_handle_frame(struct session *session, struct slice text, bool binary) {
        stage.objects++;
}

void protocol_handle_object(struct session *session, struct slice object) {
        stage.objects++;
}

void protocol_ok(struct session *session, const struct request *request) {
        session_reply(session, SLICE("{\"type\":\"ok\"}"));
}

void protocol_on_watching(struct watcher *watcher, uint64_t request, int answer, struct slice fields) {
}

/* ---- fanout and presence ---- */

void acks_init(struct ack *ack, const struct subscriber *of, const char *epoch) {
        list_init(&ack->link);
        ack->n = 0;
}

void acks_note(struct acks *acks, struct ack *ack, uint64_t n) {
        if (n > ack->n)
                stage.noted = ack->n = n;
}

void acks_take(struct acks *acks, struct ack *ack) {
}

int cast_send(struct fanout *fanout, struct slice conv, struct slice from, char letter, struct slice header, struct slice body,
              cast_done_fn done, void *arg) {
        stage.casts++;
        snprintf(stage.cast, sizeof(stage.cast), "%c %.*s", letter, (int)header.len, header.ptr);
        if (done)
                done(arg, 0); /* early: there is nothing that a typing waits for */
        return 0;
}

int node_add(struct node *node, struct subscriber *subscriber) {
        stage.audience++;
        return 0;
}

void node_remove(struct node *node, struct subscriber *subscriber) {
        stage.audience--;
}

bool store_is_up(const struct store *store) {
        return !stage.store_away;
}

const char *store_epoch(const struct store *store) {
        return stage.store_epoch;
}

int64_t lease_store_ms(const struct lease *lease, uint64_t now_ms) {
        return stage.wall_ms;
}

void detach_add(struct detach_queue *detaches, const struct registry_session *session) {
        stage.detached++;
}

void watch_init(struct watcher *watcher) {
        list_init(&watcher->follows);
}

void watch_repeat(struct watcher *watcher) {
        stage.presence_repeated++;
}

void watch_deinit(struct watch *watch, struct watcher *watcher) {
}

struct inbox_read *inbox_read(struct fanout *fanout, struct slice user, struct slice device, struct slice session, uint64_t after, size_t limit,
                              inbox_done_fn done, void *arg) {
        if (stage.refuses_pages)
                return NULL;
        assert_null(stage.page);             /* one at a time */
        assert_false(stage.wants_writable);  /* a peer that takes nothing costs the store nothing */
        assert_true(limit > 0);
        stage.page = calloc(1, sizeof(*stage.page));
        assert_non_null(stage.page);
        *stage.page = (struct inbox_read){ ++stage.serial, after, limit, done, arg };
        return stage.page;
}

void inbox_cancel(struct inbox_read *page) {
        assert_ptr_equal(page, stage.page);
        stage.page = NULL;
        free(page);
}

int registry_attach(struct fanout *fanout, const struct registry_session *session, registry_attached_fn done, void *arg) {
        if (stage.refuses_attach || stage.store_away)
                return FANOUT_E_UNAVAILABLE;
        assert_null(stage.on_attached);
        stage.on_attached = done;
        stage.attached_arg = arg;
        stage.attached_again = session->again;
        stage.attached_told = session->told;
        stage.attached_away = session->away;
        stage.attached_said_ms = session->said_ms;
        stage.attached_invisible = session->invisible;
        stage.attached_cursor = session->cursor;
        snprintf(stage.attached_epoch, sizeof(stage.attached_epoch), "%.*s", (int)session->epoch.len, session->epoch.ptr);
        return 0;
}

/* ---- the test's side ---- */

void stage_connect(void) {
        buf_clear(&stage.wire);
        stage.read = 0;
        stage.partial = stage.wants_writable = stage.paused = stage.killed = stage.closed = false;
        stage.session = session_new(&stage.hub, (struct lws *)&stage, NULL);
        assert_non_null(stage.session);
}

void stage_open(void) {
        stage = (struct stage){ .now_ms = 1000000, .wall_ms = 1732150000000, .ready = true, .store_epoch = "E" };
        stage.config = (struct config){
                .ping_ms = 25000, .pong_ms = 10000, .stall_ms = 120000, .hello_ms = 10000, .typing_ttl_ms = 6000, .requests_per_s = 10,
        };
        snprintf(stage.claims.user, sizeof(stage.claims.user), "bob");
        snprintf(stage.claims.device, sizeof(stage.claims.device), "phone");
        stage.claims.expires_ms = stage.wall_ms + INT64_C(1000) * 3600 * 24 * 365 * 100;
        buf_init(&stage.wire, STAGE_WIRE_BYTES);
        list_init(&stage.hub.sessions);
        list_init(&stage.hub.dirty);
        list_init(&stage.hub.unattached);
        stage.hub.config = &stage.config;
        stage.hub.wheel = wheel_new(100, stage.now_ms);
        stage.hub.scratch = calloc(1, sizeof(*stage.hub.scratch));
        assert_true(stage.hub.wheel && stage.hub.scratch);
        buf_init(stage.hub.scratch, 1 << 20);
        stage_connect();
}

void stage_disconnect(void) {
        session_on_closed(stage.session);
        stage.session = NULL;
        /* Answers that come too late find a session that has ended. */
        if (stage.on_attached)
                stage_answer_attach(0, "E", 0, 0);
        assert_null(stage.page);
}

void stage_close(void) {
        if (stage.session)
                stage_disconnect();
        assert_int_equal(stage.audience, 0);
        assert_int_equal(stage.hub.connections, 0);
        assert_true(list_is_empty(&stage.hub.sessions) && list_is_empty(&stage.hub.dirty));
        wheel_free(stage.hub.wheel);
        buf_deinit(stage.hub.scratch);
        free(stage.hub.scratch);
        buf_deinit(&stage.wire);
}

void stage_hello(const char *epoch, uint64_t cursor) {
        struct request *request = calloc(1, sizeof(*request));
        assert_non_null(request);
        request->type = REQUEST_HELLO;
        request->token = SLICE("token");
        request->has_cursor = epoch != NULL;
        request->epoch = slice_of(epoch);
        request->cursor = cursor;
        session_hello(stage.session, request);
        free(request);
}

void stage_answer_attach(int answer, const char *epoch, uint64_t cursor, uint64_t head) {
        registry_attached_fn done = stage.on_attached;
        struct registry_attached attached = { .answer = answer, .cursor = cursor, .head = head };
        assert_non_null(done);
        snprintf(attached.epoch, sizeof(attached.epoch), "%s", epoch);
        attached.invisible = stage.user_invisible;
        attached.reset = stage.attached_epoch[0] && strcmp(epoch, stage.attached_epoch) != 0;
        stage.on_attached = NULL;
        done(stage.attached_arg, &attached);
}

void stage_answer_page(const struct inbox_page *result) {
        struct inbox_read *page = stage.page;
        assert_non_null(page);
        stage.page = NULL;
        page->done(page->arg, result);
        free(page);
}

struct frame *stage_tail(uint64_t n, size_t bytes) {
        char start[40];
        size_t len = (size_t)snprintf(start, sizeof(start), ",\"event\":%llu,\"pad\":\"", (unsigned long long)n);
        _cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        buf_add(&text, start, len);
        memset(buf_reserve(&text, bytes + 2), 'x', bytes);
        buf_commit(&text, bytes);
        buf_add_text(&text, "\"}");
        return frame_new(buf_slice(&text));
}

void stage_event(uint64_t n, size_t bytes) {
        struct frame *tail = stage_tail(n, bytes);
        stage.session->subscriber.calls->on_event(&stage.session->subscriber, EVENT_MESSAGE, n, tail);
        frame_unref(tail);
}

void stage_head(uint64_t n) {
        stage.session->subscriber.calls->on_head(&stage.session->subscriber, n);
}

void stage_ack(uint64_t n) {
        struct request *request = calloc(1, sizeof(*request));
        assert_non_null(request);
        request->type = REQUEST_ACK;
        request->has_n = true;
        request->n = n;
        session_ack(stage.session, request);
        free(request);
}

void stage_flush(void) {
        struct list *link;
        while ((link = list_first(&stage.hub.dirty))) {
                list_remove(link);
                session_flush(LIST_CONTAINER(link, struct session, dirty));
        }
}

void stage_unblock(void) {
        stage.partial = false;
        if (stage.wants_writable && stage.session) {
                stage.wants_writable = false;
                session_flush(stage.session);
        }
}

void stage_tick(uint64_t ms) {
        stage.now_ms += ms;
        stage.wall_ms += (int64_t)ms;
        wheel_advance(stage.hub.wheel, stage.now_ms);
}

/* The length of the frame at the start of bytes, header included (RFC 6455 section 5.2); 0 if there is no whole one. */
static size_t stage_frame_len(const unsigned char *bytes, size_t len, size_t *ret_header) {
        if (len < 2)
                return 0;
        size_t header = 2, payload = bytes[1];
        assert_true(payload <= 127); /* a server does not mask */
        size_t extra = payload == 126 ? 2 : payload == 127 ? 8 : 0;
        if (extra) {
                payload = 0;
                for (size_t i = 0; i < extra; i++)
                        payload = payload << 8 | bytes[2 + i];
        }
        header += extra;
        *ret_header = header;
        return len >= header + payload ? header + payload : 0;
}

static void stage_look_for_close(const unsigned char *frames, size_t len) {
        size_t header, whole;
        while ((whole = stage_frame_len(frames, len, &header))) {
                assert_false(stage.closed);
                stage.closed = frames[0] == 0x88;
                frames += whole;
                len -= whole;
        }
        assert_int_equal(len, 0); /* whole frames only */
}

const char *stage_take(void) {
        static char text[1 << 18];
        const unsigned char *at = (const unsigned char *)stage.wire.ptr + stage.read;
        size_t header, whole = stage_frame_len(at, stage.wire.len - stage.read, &header);
        if (whole == 0)
                return NULL;
        size_t len = whole - header;
        assert_true(len < sizeof(text));
        memcpy(text, at + header, len);
        text[len] = '\0';
        if (at[0] == 0x89)
                snprintf(text, sizeof(text), "ping");
        else if (at[0] == 0x88)
                snprintf(text, sizeof(text), "close %d %.*s", at[header] << 8 | at[header + 1], (int)len - 2, at + header + 2);
        else
                assert_int_equal(at[0], 0x81);
        stage.read += whole;
        if (stage.read == stage.wire.len || stage.read > 1 << 16) {
                buf_consume(&stage.wire, stage.read);
                stage.read = 0;
        }
        return text;
}

uint64_t stage_number(const char *frame, const char *name) {
        char field[32];
        snprintf(field, sizeof(field), "\"%s\":", name);
        const char *at = strstr(frame, field);
        if (!at)
                fail_msg("no %s in %s", name, frame);
        return strtoull(at + strlen(field), NULL, 10);
}

bool stage_is(const char *frame, const char *type) {
        char start[48];
        int len = snprintf(start, sizeof(start), "{\"type\":\"%s\"", type);
        return strncmp(frame, start, (size_t)len) == 0;
}
