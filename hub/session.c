/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c: see session.h. Requests are taken apart in wire.c and carried out in protocol.c; here is the session itself.
 *
 * long-file: one state machine with one set of invariants; what could be told apart from it (outbox, typist, subscription, peer) is.
 */
#include "hub/session.h"

#include <errno.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/inbox.h"
#include "fanout/store.h"
#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/peer.h"
#include "hub/protocol.h"
#include "hub/subscription.h"
#include "hub/typist.h"
#include "hub/wire.h"
#include "presence/detach.h"
#include "presence/lease.h"

enum {
        SESSION_RETRY_MS = 1000,        /* after an error that may pass */
        SESSION_CLOSE_MS = 5000,        /* for what is queued and the close handshake */
        SESSION_EXPIRING_MS = 60000,    /* token_expiring comes so long before */
        SESSION_WRITE_BYTES = 65536,    /* one write, lws's tx_packet_size */
        SESSION_WRITES = 4,             /* of one session in one flush, then others get their turn */
        SESSION_TEXT_BYTES = 16384,     /* a frame of the hub's own */
        SESSION_PAGE_AGAIN_MS = 1000,   /* after a page that failed */
        SESSION_EARLY_BYTES = 2 * LIMIT_FRAME_BYTES, /* the rest of a frame, and one that was read already */
};

/* ---- states ---- */

static void session_check(const struct session *session) {
        bool placed = session->state == SESSION_REPLAYING || session->state == SESSION_LIVE;
        if (placed && (session->acked > session->sent || session->sent > session->head || session->unacked > LIMIT_WINDOW_EVENTS))
                abort(); /* breaks session#1 */
        if (session->state == SESSION_LIVE && session->sent != session->head)
                abort(); /* breaks session#3 */
}

static void session_move(struct session *session, enum session_state to) {
        static const unsigned allowed[] = {
                [SESSION_FRESH] = 1 << SESSION_ATTACHING | 1 << SESSION_CLOSING | 1 << SESSION_ENDED,
                [SESSION_ATTACHING] = 1 << SESSION_REPLAYING | 1 << SESSION_CLOSING | 1 << SESSION_ENDED,
                [SESSION_REPLAYING] = 1 << SESSION_LIVE | 1 << SESSION_CLOSING | 1 << SESSION_ENDED,
                [SESSION_LIVE] = 1 << SESSION_REPLAYING | 1 << SESSION_CLOSING | 1 << SESSION_ENDED,
                [SESSION_CLOSING] = 1 << SESSION_ENDED,
                [SESSION_ENDED] = 0,
        };
        if (!(allowed[session->state] & 1u << to))
                abort();
        session->state = to;
        session_check(session);
}

bool session_is_open(const struct session *session) {
        return session->state == SESSION_REPLAYING || session->state == SESSION_LIVE;
}

struct session *session_ref(struct session *session) {
        session->refs++;
        return session;
}

struct session *session_unref(struct session *session) {
        if (session && --session->refs == 0) {
                free(session->user);
                free(session->grants);
                free(session);
        }
        return NULL;
}

struct registry_session session_registry(const struct session *session) {
        return (struct registry_session){
                .user = session->subscriber.user,
                .device = session->subscriber.device,
                .session = { session->id, sizeof(session->id) - 1 },
                .background = session->background,
                .away = session->away,
                .epoch = SLICE(""),
                .opened_ms = session->opened_store_ms,
        };
}

/* ---- writing ---- */

void session_mark_dirty(struct session *session) {
        /* The worker looks at the list in every turn of the loop. */
        if (session->wsi && list_is_empty(&session->dirty))
                list_append(&session->hub->dirty, &session->dirty);
}

static void session_kill(struct session *session) {
        /* From a foreign callback lws's own timer would not fire on an idle loop, hence the wake-up (facts: libraries, finding 8). */
        lws_set_timeout(session->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        lws_cancel_service(session->hub->lws);
}

static void session_pause(struct session *session) {
        if (session->paused || !session->wsi)
                return;
        session->paused = true;
        if (!session->hub->hearing) /* else gateway.c does it, when it is over */
                lws_rx_flow_control(session->wsi, 0);
}

static void session_resume(struct session *session) {
        if (!session->paused || !session->wsi || session->outbox.reply_bytes > LIMIT_OUTBOX_REPLY_BYTES / 2 ||
            session->in_flight > LIMIT_REQUESTS_IN_FLIGHT / 2 || session->early.len)
                return;
        session->paused = false;
        lws_rx_flow_control(session->wsi, 1);
}

static void session_took(struct session *session, bool taken) {
        if (!taken)
                session_kill(session); /* no memory: the peer repeats on a new connection */
        if (session->outbox.reply_bytes > LIMIT_OUTBOX_REPLY_BYTES)
                session_pause(session);
        session_mark_dirty(session);
}

void session_reply(struct session *session, struct slice text) {
        if (session->on_reply) {
                session->on_reply(session->reply_arg, text);
                return;
        }
        if (session->state >= SESSION_CLOSING)
                return;
        struct frame *frame = frame_new(text);
        session_took(session, frame && outbox_add_reply(&session->outbox, frame));
        frame_unref(frame);
}

/* Something about events, which has its place among them. */
static void session_mark(struct session *session, uint64_t n, struct slice text) {
        struct frame *frame = frame_new(text);
        session_took(session, frame && outbox_add_mark(&session->outbox, n, frame));
        frame_unref(frame);
}

void session_error_id(struct session *session, bool has_id, int64_t id, enum error_code code, const char *message) {
        session_error_after(session, has_id, id, code, message, SESSION_RETRY_MS);
}

void session_error_after(struct session *session, bool has_id, int64_t id, enum error_code code, const char *message, uint64_t retry_ms) {
        const struct codes_error *row = codes_error(code);
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_add_text(&text, "{\"type\":\"error\"");
        if (has_id)
                buf_printf(&text, ",\"id\":%" PRId64, id);
        buf_printf(&text, ",\"code\":\"%s\",\"message\":", row->text);
        buf_add_json(&text, slice_of(message ? message : row->sentence));
        buf_add_text(&text, row->temporary ? ",\"temporary\":true" : ",\"temporary\":false");
        if (row->temporary)
                buf_printf(&text, ",\"retry_after_ms\":%" PRIu64, retry_ms);
        buf_add_char(&text, '}');
        metrics_add(ERRORS_SENT, 1);
        session_reply(session, buf_slice(&text));
}

void session_error(struct session *session, const struct request *request, enum error_code code, const char *message) {
        session_error_id(session, request && request->has_id, request ? request->id : 0, code, message);
}

void session_flush(struct session *session) {
        struct hub *hub = session->hub;
        if (!session->wsi || session->close_sent)
                return;
        static const size_t pre = LWS_PRE;
        for (int i = 0; session->outbox.count; i++) {
                if (lws_partial_buffered(session->wsi)) {
                        session->blocked = true;
                        lws_callback_on_writable(session->wsi);
                        return;
                }
                if (i == SESSION_WRITES) {
                        session_mark_dirty(session);
                        return;
                }
                struct buf *scratch = hub->scratch;
                buf_clear(scratch);
                buf_reserve(scratch, pre);
                buf_commit(scratch, pre);
                uint32_t frames = outbox_gather(&session->outbox, scratch, pre + SESSION_WRITE_BYTES, &session->written);
                if (buf_failed(scratch)) {
                        session_kill(session);
                        return;
                }
                size_t len = scratch->len - pre;
                metrics_add(FRAMES_OUT, frames);
                metrics_add(BYTES_OUT, len);
                metrics_add(WRITES, 1);
                /* Whole frames, as they are: lws adds nothing in this mode and keeps what the socket does not take. */
                if (lws_write(session->wsi, (unsigned char *)scratch->ptr + pre, len, LWS_WRITE_RAW) < 0) {
                        session_kill(session);
                        return;
                }
        }
        session->blocked = lws_partial_buffered(session->wsi);
        if (session->blocked)
                lws_callback_on_writable(session->wsi);
        else if (session->state == SESSION_CLOSING)
                session->close_sent = true; /* the peer answers it, or the timer ends the wait */
        session_resume(session);
        if (session->starved && !session->blocked)
                subscription_resume_all(session);
        if (session->presence_missed && !session->blocked) {
                session->presence_missed = false;
                watch_repeat(&session->watcher);
        }
        if (session->state == SESSION_REPLAYING)
                session_advance(session);
}

void session_close(struct session *session, enum close_code code) {
        if (session->state >= SESSION_CLOSING)
                return;
        outbox_drop_all(&session->outbox);
        session_move(session, SESSION_CLOSING);
        subscription_end_all(session);
        if (!outbox_add_close(&session->outbox, (int)code, slice_of(codes_close_reason((int)code))))
                session_kill(session);
        wheel_start(session->hub->wheel, &session->timer, uv_now(session->hub->loop) + SESSION_CLOSE_MS);
        session_mark_dirty(session);
}

void session_drain(struct session *session, uint64_t retry_after_ms) {
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_printf(&text, "{\"type\":\"goaway\",\"reason\":\"drain\",\"retry_after_ms\":%" PRIu64 "}", retry_after_ms);
        session_reply(session, buf_slice(&text));
        session_close(session, CLOSE_DRAIN);
}

/* ---- replaying and live ---- */

static void session_say_gap(struct session *session, uint64_t from, uint64_t to) {
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_printf(&text, "{\"type\":\"gap\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}", from, to);
        metrics_add(GAPS, 1);
        session_mark(session, to, buf_slice(&text));
}

static void session_say_caught_up(struct session *session) {
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_printf(&text, "{\"type\":\"caught_up\",\"n\":%" PRIu64 "}", session->head);
        session->caught_up_sent = true;
        session_mark(session, session->head, buf_slice(&text));
}

static void session_raise_sent(struct session *session, uint64_t n) {
        if (n > session->sent)
                session->sent = n;
        if (n > session->head)
                session->head = n;
        /* Nothing that was really sent is unacknowledged: what was skipped needs no acknowledgement. */
        if (session->acked >= session->last_event) {
                session->acked = session->sent;
                session->unacked = 0;
        }
        /* How many of the skipped numbers were below acked is not known; so this is a bound, exact after each full ack, */
        if (session->unacked > session->sent - session->acked)
                session->unacked = (uint32_t)(session->sent - session->acked);
        /* and never off by SESSION_STEP or more: a client that acknowledges each half window, but not all of it, must not be stuck. */
        for (uint64_t step = session->queued / SESSION_STEP, i = 0; step && i < SESSION_STEPS; step--, i++) {
                uint64_t behind = session->queued - step * SESSION_STEP;
                if (session->steps[step % SESSION_STEPS] <= session->acked && session->unacked > behind)
                        session->unacked = (uint32_t)behind;
        }
}

/* Event n was queued. */
static void session_count(struct session *session, uint64_t n) {
        session->last_event = n;
        session->unacked++;
        if (++session->queued % SESSION_STEP == 0)
                session->steps[session->queued / SESSION_STEP % SESSION_STEPS] = n;
        session_raise_sent(session, n);
}

/* The events of a page, from sent on. Returns false if the outbox is full. */
static bool session_queue_page(struct session *session, const struct inbox_page *result) {
        uint64_t gap_from = 0;
        for (size_t i = 0; i < result->count; i++) {
                const struct inbox_event *event = &result->events[i];
                if (event->n <= session->sent)
                        continue; /* acknowledged while the page was under way */
                if (!event->tail) {
                        gap_from = gap_from ? gap_from : event->n;
                        session_raise_sent(session, event->n);
                        bool more = i + 1 < result->count && !result->events[i + 1].tail;
                        if (!more) {
                                session_say_gap(session, gap_from, event->n);
                                gap_from = 0;
                        }
                        continue;
                }
                if (!outbox_add_event(&session->outbox, event->type, event->n, event->tail))
                        return false;
                metrics_add(EVENTS_REPLAYED, 1);
                session_count(session, event->n);
        }
        session_raise_sent(session, result->next);
        return true;
}

static void session_page_again(struct session *session) {
        session->page_failed = true;
        session_schedule(session);
}

static void session_on_page(void *arg, const struct inbox_page *result);

static void session_read_page(struct session *session) {
        session->noted = 0;
        const struct subscriber *subscriber = &session->subscriber;
        session->page = inbox_read(&session->hub->fanout, subscriber->user, subscriber->device, subscriber->session, session->sent,
                                   LIMIT_WINDOW_EVENTS - session->unacked, session_on_page, session);
        if (session->page)
                session_ref(session);
        else
                session_page_again(session);
}

static void session_cancel_page(struct session *session) {
        if (!session->page)
                return;
        inbox_cancel(session->page);
        session->page = NULL;
        session_unref(session);
}

/* The inbox has another epoch, of the store as we know it; when the store has another one, that will be told (store.h). */
static bool session_is_behind(const struct session *session, const char *epoch) {
        const char *known = store_epoch(session->hub->fanout.store);
        size_t len = strlen(known);
        return strcmp(epoch, session->epoch) != 0 && strncmp(epoch, known, len) == 0 && (epoch[len] == '\0' || epoch[len] == '.');
}

static void session_on_page(void *arg, const struct inbox_page *result) {
        struct session *session = arg;
        session->page = NULL;
        if (session_is_open(session) && result->answer)
                session_page_again(session);
        else if (session_is_open(session) && session_is_behind(session, result->epoch))
                session_attach_again(session);
        /* After a lost past the session attaches anew. */
        if (session_is_open(session) && !result->answer && !session->again && strcmp(result->epoch, session->epoch) == 0) {
                session->head_unsure = false;
                if (result->head < session->sent) {
                        session_attach_again(session); /* the store went back in time */
                        session_unref(session);
                        return;
                }
                /* What was noted before the page was asked for and is not in it is of a past that the store has lost. */
                session->head = result->head > session->noted ? result->head : session->noted;
                if (session->head < session->sent)
                        session->head = session->sent;
                if (result->cursor > session->sent && result->cursor <= session->head) {
                        session->acked = result->cursor; /* by another way: a sync */
                        session_raise_sent(session, result->cursor);
                }
                if (result->base > session->sent) {
                        session_say_gap(session, session->sent + 1, result->base);
                        session_raise_sent(session, result->base);
                }
                session_queue_page(session, result);
                session_mark_dirty(session);
                session_advance(session);
        }
        session_unref(session);
}

void session_advance(struct session *session) {
        if (!session_is_open(session))
                return;
        if (session->sent >= session->head && !session->head_unsure) {
                if (session->state == SESSION_REPLAYING)
                        session_move(session, SESSION_LIVE);
                if (!session->caught_up_sent)
                        session_say_caught_up(session);
                return;
        }
        if (session->state == SESSION_LIVE)
                session_move(session, SESSION_REPLAYING);
        if (session->again || session->page || session->blocked || session->outbox.events > LIMIT_PAGE_EVENTS / 2 ||
            session->unacked >= LIMIT_WINDOW_EVENTS)
                return; /* the page's end, the flush or an ack goes on */
        session_read_page(session);
}

/* What was queued goes back to the inbox, and is read from there when the peer has taken what is on the way. */
static void session_fall_back(struct session *session) {
        struct outbox_place place = session->written;
        uint32_t dropped = outbox_drop_events(&session->outbox, &place);
        metrics_add(EVENTS_DROPPED, dropped);
        session->unacked = place.n > session->acked ? session->unacked - dropped : 0;
        session->queued -= dropped;
        session->sent = place.n > session->acked ? place.n : session->acked;
        session->last_event = place.event;
        if (session->state == SESSION_LIVE && session->sent != session->head)
                session->state = SESSION_REPLAYING;
        session_check(session);
        session_advance(session);
}

static struct session *session_of(struct subscriber *subscriber) {
        return LIST_CONTAINER(subscriber, struct session, subscriber);
}

static void session_on_event(struct subscriber *subscriber, enum event_type type, uint64_t n, struct frame *tail) {
        struct session *session = session_of(subscriber);
        bool next = session->state == SESSION_LIVE && n == session->sent + 1 && session->unacked < LIMIT_WINDOW_EVENTS && !session->again;
        if (next && outbox_add_event(&session->outbox, type, n, tail)) {
                metrics_add(EVENTS_LIVE, 1);
                session->head = n;
                session_count(session, n);
                session_mark_dirty(session);
                return;
        }
        if (n > session->noted)
                session->noted = n;
        if (n <= session->head)
                return;
        bool was_live = session->state == SESSION_LIVE;
        session->head = n;
        if (was_live)
                session->state = SESSION_REPLAYING; /* before anything looks: session#3 */
        if (next)
                session_fall_back(session); /* it was the outbox that is full */
        else
                session_advance(session);
}

static void session_on_head(struct subscriber *subscriber, uint64_t n) {
        struct session *session = session_of(subscriber);
        if (n > session->noted)
                session->noted = n;
        if (n > session->head) {
                session->head = n;
                if (session->state == SESSION_LIVE)
                        session->state = SESSION_REPLAYING;
        }
        session_advance(session);
}

static void session_on_kick(struct subscriber *subscriber, int close_code) {
        if (close_code == CLOSE_REPLACED)
                metrics_add(REPLACED, 1);
        session_close(session_of(subscriber), (enum close_code)close_code);
}

static void session_on_doubt(struct subscriber *subscriber) {
        if (session_is_open(session_of(subscriber)))
                session_attach_again(session_of(subscriber));
}

/* False: there was no room for it. */
static bool session_give_ephemeral(struct session *session, struct frame *frame) {
        if (!session_is_open(session))
                return true;
        bool given = outbox_add_ephemeral(&session->outbox, frame);
        if (given)
                session_mark_dirty(session);
        else
                metrics_add(EPHEMERAL_DROPPED, 1);
        return given;
}

static void session_on_ephemeral(struct subscriber *subscriber, struct frame *frame) {
        session_give_ephemeral(session_of(subscriber), frame);
}

static void session_on_typed(struct subscriber *subscriber, struct slice conv) {
        typist_end(session_of(subscriber), conv);
}

/* A change that is lost would be a lie until the next one. */
static void session_on_presence(struct watcher *watcher, struct frame *frame) {
        struct session *session = LIST_CONTAINER(watcher, struct session, watcher);
        session->presence_missed |= !session_give_ephemeral(session, frame);
}

static const struct subscriber_calls session_subscriber_calls = {
        .on_event = session_on_event,
        .on_head = session_on_head,
        .on_kick = session_on_kick,
        .on_doubt = session_on_doubt,
        .on_ephemeral = session_on_ephemeral,
        .on_typed = session_on_typed,
};

void session_ack(struct session *session, const struct request *request) {
        if (!request->has_n)
                return; /* channels keep no cursor here */
        metrics_add(ACKS, 1);
        if (request->n > session->head && session->was_reset)
                return; /* said before the device knew */
        if (request->n > session->head) {
                session_error(session, request, ERROR_BAD_REQUEST, "n is beyond the latest event");
                return;
        }
        if (request->n <= session->acked && request->n <= session->ack.n)
                return;
        if (request->n > session->acked)
                session->acked = request->n;
        session_raise_sent(session, request->n);
        acks_note(session->hub->acks, &session->ack, request->n);
        session_advance(session);
}

/* ---- hello ---- */

static void session_say_welcome(struct session *session, const struct registry_attached *attached) {
        const struct config *config = session->hub->config;
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_add_text(&text, "{\"type\":\"welcome\"");
        if (session->hello_has_id)
                buf_printf(&text, ",\"id\":%" PRId64, session->hello_id);
        buf_printf(&text, ",\"session\":\"%s\",\"user\":", session->id);
        buf_add_json(&text, session->subscriber.user);
        buf_add_text(&text, ",\"device\":");
        buf_add_json(&text, session->subscriber.device);
        buf_printf(&text,
                   ",\"epoch\":\"%s\",\"cursor\":%" PRIu64 ",\"head\":%" PRIu64 ",\"server_time\":%" PRId64 ",\"ping_ms\":%" PRId64
                   ",\"window\":%d,\"max_frame\":%d,\"retry\":{\"base_ms\":%" PRId64 ",\"max_ms\":%" PRId64 ",\"reset_ms\":%" PRId64 "}%s}",
                   session->epoch, attached->cursor, session->head, clock_wall_ms(), config->ping_ms, LIMIT_WINDOW_EVENTS,
                   LIMIT_FRAME_BYTES, config->retry_base_ms, config->retry_max_ms, config->retry_reset_ms,
                   attached->fresh ? ",\"fresh\":true" : "");
        session_reply(session, buf_slice(&text));
}

/* Not the head: that may have risen meanwhile, and the device takes nothing up to the number it is told. */
static void session_say_reset(struct session *session) {
        _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
        buf_printf(&text, "{\"type\":\"reset\",\"epoch\":\"%s\",\"head\":%" PRIu64 "}", session->epoch, session->sent);
        metrics_add(RESETS, 1);
        session->was_reset = true;
        session_reply(session, buf_slice(&text));
}

static void session_start_from(struct session *session, uint64_t n) {
        session->sent = session->acked = session->last_event = n;
        session->unacked = 0;
        session->queued = 0;
        session->written = (struct outbox_place){ .n = n, .event = n };
}

/* The session's place is what the store says. */
static void session_place(struct session *session, const struct registry_attached *attached) {
        snprintf(session->epoch, sizeof(session->epoch), "%s", attached->epoch);
        if (attached->head > session->head)
                session->head = attached->head;
        session_start_from(session, attached->cursor);
}

/* One after the other: each is handled when those before it have their replies. The peer's next frames wait in its socket. */
static void session_handle_early(struct session *session) {
        struct buf early = session->early;
        size_t at = 0;
        buf_init(&session->early, SESSION_EARLY_BYTES);
        while (at < early.len && session_is_open(session) && session->in_flight == 0) {
                uint32_t len;
                memcpy(&len, early.ptr + at, sizeof(len));
                at += sizeof(len);
                protocol_handle_object(session, (struct slice){ early.ptr + at, len });
                at += len;
        }
        if (at < early.len && session_is_open(session)) {
                buf_add(&session->early, early.ptr + at, early.len - at);
                if (buf_failed(&session->early))
                        session_kill(session);
                session_pause(session);
        }
        buf_deinit(&early);
}

static void session_on_attached(void *arg, const struct registry_attached *attached) {
        struct session *session = arg;
        if (session->state == SESSION_ATTACHING && attached->answer) {
                session_error_id(session, session->hello_has_id, session->hello_id, ERROR_UNAVAILABLE, answer_message(attached->answer));
                session_close(session, CLOSE_OVERLOADED);
        } else if (session->state == SESSION_ATTACHING) {
                session_place(session, attached);
                session_move(session, SESSION_REPLAYING);
                session->invisible = attached->invisible;
                session->said_ms = attached->invisible ? session->opened_store_ms : 0;
                metrics_add(SESSIONS, 1);
                session->counted = true;
                session_say_welcome(session, attached);
                if (attached->reset)
                        session_say_reset(session);
                else
                        acks_note(session->hub->acks, &session->ack, attached->cursor); /* a cursor says what was received (attach#7) */
                session_advance(session);
                session_handle_early(session);
                if (session->again_due)
                        session_attach_again(session);
        }
        session_unref(session);
}

/*
 * The store knows less than this session was told, so it lost its past. Events that were published before this answer was read
 * seemed to be old ones, hence the head is not sure before one look at the inbox.
 */
static void session_lose_past(struct session *session, const struct registry_attached *attached) {
        bool seen_more = attached->reset || attached->head < session->again_sent || strcmp(attached->epoch, session->epoch) != 0;
        if (!seen_more && session->head == session->again_head)
                session->head = session->sent > attached->head ? session->sent : attached->head;
        if (seen_more) {
                outbox_drop_all(&session->outbox);
                session->head = attached->head;
                session_place(session, attached);
                session_start_from(session, session->head);
                session->ack.n = 0;
                session->caught_up_sent = false;
                session_say_reset(session);
        }
        session_cancel_page(session); /* it was asked for in the past */
        session->state = SESSION_REPLAYING;
        session->head_unsure = true;
        session_advance(session);
}

/* It may be here unknown to all others. If the store is away so it is, and registers when that is back (hub_on_store_up). */
static void session_not_attached(struct session *session) {
        if (store_is_up(session->hub->fanout.store))
                session_close(session, CLOSE_OVERLOADED);
}

static void session_attach_next(struct hub *hub);

static void session_on_attached_again(void *arg, const struct registry_attached *attached) {
        struct session *session = arg;
        struct hub *hub = session->hub;
        session->again = false;
        hub->attaching--;
        if (session_is_open(session)) {
                if (attached->answer == FANOUT_E_CONFLICT)
                        session_close(session, CLOSE_REPLACED);
                else if (attached->answer)
                        session_not_attached(session);
                else if (session->sent > attached->head)
                        session->again_due = true; /* it was told more meanwhile, and more must not be given again */
                else if (attached->reset || attached->head < session->again_head || strcmp(attached->epoch, session->epoch) != 0)
                        session_lose_past(session, attached);
                else
                        session_on_head(&session->subscriber, attached->head); /* what came meanwhile was published to nobody */
        }
        if (session->again_due && session_is_open(session))
                session_attach_again(session);
        session_unref(session);
        session_attach_next(hub);
}

static void session_attach_now(struct session *session) {
        struct registry_session registry = session_registry(session);
        registry.again = true;
        registry.epoch = slice_of(session->epoch);
        registry.cursor = session->acked;
        registry.told = session->sent;
        registry.said_ms = session->said_ms;
        registry.invisible = session->invisible;
        session->again_sent = session->sent;
        session->again_head = session->head;
        if (registry_attach(&session->hub->fanout, &registry, session_on_attached_again, session) == 0) {
                session->hub->attaching++;
                return;
        }
        session->again = false;
        session_not_attached(session);
        session_unref(session);
}

static void session_attach_next(struct hub *hub) {
        struct list *link;
        while (hub->attaching < LIMIT_ATTACHES_AGAIN && (link = list_first(&hub->unattached)) != NULL) {
                struct session *session = LIST_CONTAINER(link, struct session, unattached);
                list_remove(link);
                if (session_is_open(session)) {
                        session_attach_now(session);
                } else {
                        session->again = false;
                        session_unref(session);
                }
        }
}

/* Some at a time: when a store comes back all sessions want it, and what they asked in the same moment would be answered too late for the link. */
void session_attach_again(struct session *session) {
        /* An answer under way may be older than the reason to ask: then once more behind it. */
        session->again_due = session->state == SESSION_ATTACHING || session->again;
        if (!session_is_open(session) || session->again)
                return;
        session->again = true;
        session_ref(session);
        list_append(&session->hub->unattached, &session->unattached);
        session_attach_next(session->hub);
}

static int session_name(struct session *session, struct slice user, struct slice device) {
        session->user = malloc(user.len + device.len + 2);
        if (!session->user)
                return -ENOMEM;
        memcpy(session->user, user.ptr, user.len);
        session->user[user.len] = '\0';
        session->device = session->user + user.len + 1;
        memcpy(session->device, device.ptr, device.len);
        session->device[device.len] = '\0';
        chance_stock_hex(&session->hub->ids, session->id, sizeof(session->id) - 1);
        session->subscriber.user = (struct slice){ session->user, user.len };
        session->subscriber.device = (struct slice){ session->device, device.len };
        /* A visit has no session that could be replaced. */
        session->subscriber.session = session->on_reply ? SLICE("") : (struct slice){ session->id, sizeof(session->id) - 1 };
        acks_init(&session->ack, &session->subscriber, session->epoch);
        return 0;
}

/* False: refused, and told. */
static bool session_verify(struct session *session, const struct request *request, struct auth_claims *ret_claims) {
        int r = auth_verify(session->hub->auth, request->token, clock_wall_ms(), ret_claims);
        if (!r)
                return true;
        metrics_add(AUTH_FAILURES, 1);
        if (r == AUTH_E_EXPIRED) {
                session_error(session, request, ERROR_TOKEN_EXPIRED, NULL);
                session_close(session, CLOSE_TOKEN_EXPIRED);
        } else {
                session_error(session, request, ERROR_UNAUTHORIZED, NULL);
                session_close(session, CLOSE_BAD_TOKEN);
        }
        return false;
}

void session_hello(struct session *session, const struct request *request) {
        struct auth_claims claims;
        if (request->token.len) {
                if (!session_verify(session, request, &claims))
                        return;
        } else if (session->claims) {
                claims = *session->claims;
        } else {
                session_error(session, request, ERROR_UNAUTHORIZED, "hello needs a token");
                session_close(session, CLOSE_BAD_TOKEN);
                return;
        }
        struct slice device = claims.device[0] ? slice_of(claims.device) : request->device;
        if (device.len == 0) {
                session_error(session, request, ERROR_BAD_REQUEST, "device is neither in the token nor in hello");
                return;
        }
        session->hello_has_id = request->has_id;
        session->hello_id = request->id;
        session->background = request->background;
        session->token_ms = claims.expires_ms;
        if (!hub_is_ready(session->hub)) {
                session_error(session, request, ERROR_UNAVAILABLE, NULL);
                session_close(session, CLOSE_OVERLOADED);
                return;
        }
        if (session_name(session, slice_of(claims.user), device) < 0 || subscription_grant(session, claims.channels) < 0 ||
            node_add(session->hub->fanout.node, &session->subscriber) < 0) {
                session_kill(session);
                return;
        }
        session->registered = true;
        free(session->claims);
        session->claims = NULL;
        session_move(session, SESSION_ATTACHING);
        uint64_t now_ms = uv_now(session->hub->loop);
        session->opened_store_ms = lease_store_ms(session->hub->lease, now_ms) - (int64_t)(now_ms - session->opened_ms);
        struct registry_session registry = session_registry(session);
        registry.epoch = request->has_cursor ? request->epoch : SLICE("");
        registry.cursor = request->cursor;
        if (registry_attach(&session->hub->fanout, &registry, session_on_attached, session) == 0) {
                session_ref(session);
        } else {
                session_error(session, request, ERROR_UNAVAILABLE, NULL);
                session_close(session, CLOSE_OVERLOADED);
        }
        session_schedule(session);
}

void session_note_status(struct session *session, struct slice status) {
        session->invisible = slice_is(status, "invisible");
        session->said_ms = lease_store_ms(session->hub->lease, uv_now(session->hub->loop));
        if (!session->invisible)
                session->away = slice_is(status, "away");
}

void session_auth(struct session *session, const struct request *request) {
        struct auth_claims claims;
        if (!session_verify(session, request, &claims))
                return;
        if (!slice_is(session->subscriber.user, claims.user) || (claims.device[0] && !slice_is(session->subscriber.device, claims.device))) {
                session_error(session, request, ERROR_FORBIDDEN, "the token is for another user or device");
                return;
        }
        if (subscription_grant(session, claims.channels) < 0) {
                session_error(session, request, ERROR_INTERNAL, NULL);
                return;
        }
        session->token_ms = claims.expires_ms;
        session->expiring_sent = false;
        protocol_ok(session, request);
        session_schedule(session);
}

/* ---- time ---- */

void session_schedule(struct session *session) {
        const struct config *config = session->hub->config;
        uint64_t now_ms = uv_now(session->hub->loop);
        uint64_t due_ms = session->heard_ms + (uint64_t)config->ping_ms;
        if (session->pinged_ms)
                due_ms = now_ms + 1000;
        if (session->page_failed && now_ms + SESSION_PAGE_AGAIN_MS < due_ms)
                due_ms = now_ms + SESSION_PAGE_AGAIN_MS;
        if (session->state == SESSION_FRESH && session->opened_ms + (uint64_t)config->hello_ms < due_ms)
                due_ms = session->opened_ms + (uint64_t)config->hello_ms;
        if (session->token_ms) {
                int64_t left_ms = session->token_ms - clock_wall_ms() - (session->expiring_sent ? 0 : SESSION_EXPIRING_MS);
                uint64_t token_due_ms = now_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
                due_ms = token_due_ms < due_ms ? token_due_ms : due_ms;
        }
        wheel_start(session->hub->wheel, &session->timer, due_ms);
}

/* Returns false if the session was closed. */
static bool session_check_token(struct session *session) {
        int64_t left_ms = session->token_ms - clock_wall_ms();
        if (!session->token_ms || left_ms > SESSION_EXPIRING_MS)
                return true;
        if (left_ms <= 0) {
                session_error_id(session, false, 0, ERROR_TOKEN_EXPIRED, NULL);
                session_close(session, CLOSE_TOKEN_EXPIRED);
                return false;
        }
        if (!session->expiring_sent && session_is_open(session)) {
                _cleanup_buf_ struct buf text = BUF_INIT(SESSION_TEXT_BYTES);
                buf_printf(&text, "{\"type\":\"token_expiring\",\"in_ms\":%" PRId64 "}", left_ms);
                session->expiring_sent = true;
                session_reply(session, buf_slice(&text));
        }
        return true;
}

static bool session_check_peer(struct session *session, uint64_t now_ms) {
        const struct config *config = session->hub->config;
        if (session->pinged_ms && session->heard_ms >= session->pinged_ms)
                session->pinged_ms = 0;
        if (session->pinged_ms) {
                bool late = now_ms >= session->pinged_ms + (uint64_t)config->pong_ms;
                bool stalled = now_ms >= session->pinged_ms + (uint64_t)config->stall_ms;
                if (stalled || (late && !peer_host_answers(lws_get_socket_fd(session->wsi)))) {
                        metrics_add(NO_PONG, 1);
                        session_close(session, CLOSE_NO_PONG);
                        return false;
                }
        } else if (now_ms >= session->heard_ms + (uint64_t)config->ping_ms) {
                if (outbox_add_ping(&session->outbox))
                        session_mark_dirty(session);
                session->pinged_ms = now_ms;
        }
        return true;
}

static void session_on_due(struct wheel_timer *timer, uint64_t now_ms) {
        struct session *session = LIST_CONTAINER(timer, struct session, timer);
        if (session->state == SESSION_CLOSING) {
                if (hub_may_kill(session->hub))
                        session_kill(session); /* the close frame was not answered */
                else
                        wheel_start(session->hub->wheel, timer, now_ms + 1); /* the next tick */
                return;
        }
        if (session->state == SESSION_FRESH && now_ms >= session->opened_ms + (uint64_t)session->hub->config->hello_ms) {
                session_close(session, CLOSE_NO_HELLO);
                return;
        }
        if (!session_check_token(session) || !session_check_peer(session, now_ms))
                return;
        bool again = session->page_failed;
        session->page_failed = false;
        session_schedule(session);
        if (again)
                session_advance(session);
}

void session_on_heard(struct session *session) {
        session->heard_ms = uv_now(session->hub->loop);
}

/* ---- what comes in ---- */

void session_defer(struct session *session, struct slice object) {
        uint32_t len = (uint32_t)object.len;
        buf_add(&session->early, &len, sizeof(len));
        buf_add_slice(&session->early, object);
        if (session_is_open(session))
                session_pause(session);
        if (!buf_failed(&session->early))
                return;
        session_error_id(session, false, 0, ERROR_TOO_LARGE, "too many requests wait for those before them");
        session_close(session, CLOSE_TOO_LARGE);
}

void session_on_frame(struct session *session, struct slice text, bool binary) {
        if (session->state >= SESSION_CLOSING)
                return;
        metrics_add(FRAMES_IN, 1);
        metrics_add(BYTES_IN, text.len);
        protocol_handle_frame(session, text, binary);
}

void session_on_too_large(struct session *session) {
        session_error_id(session, false, 0, ERROR_TOO_LARGE, "a frame is at most max_frame bytes");
        session_close(session, CLOSE_TOO_LARGE);
}

void session_begin(struct session *session) {
        session_ref(session);
        if (++session->in_flight >= LIMIT_REQUESTS_IN_FLIGHT)
                session_pause(session);
}

void session_end(struct session *session) {
        session->in_flight--;
        if (session->early.len && session_is_open(session))
                session_handle_early(session);
        session_resume(session);
        session_unref(session);
}

/* ---- life ---- */

struct session *session_new(struct hub *hub, struct lws *wsi, const struct auth_claims *claims) {
        struct session *session = calloc(1, sizeof(*session));
        if (session && claims) {
                session->claims = malloc(sizeof(*claims));
                if (session->claims)
                        *session->claims = *claims;
        }
        if (!session || (claims && !session->claims)) {
                free(session);
                return NULL;
        }
        session->refs = 1;
        session->hub = hub;
        session->wsi = wsi;
        session->subscriber.calls = &session_subscriber_calls;
        list_init(&session->subscriber.link);
        list_init(&session->ack.link);
        list_init(&session->dirty);
        list_init(&session->unattached);
        list_init(&session->sends);
        list_init(&session->typings);
        list_init(&session->subscriptions);
        buf_init(&session->early, SESSION_EARLY_BYTES);
        watch_init(&session->watcher);
        session->watcher.on_presence = session_on_presence;
        session->watcher.on_watching = protocol_on_watching;
        session->opened_ms = session->heard_ms = uv_now(hub->loop);
        wheel_timer_init(&session->timer, session_on_due);
        list_append(&hub->sessions, &session->all);
        hub->connections++;
        metrics_add(CONNECTIONS, 1);
        metrics_add(CONNECTIONS_TOTAL, 1);
        session_schedule(session);
        return session;
}

struct session *session_new_visit(struct hub *hub, struct slice user, struct slice device, void (*on_reply)(void *arg, struct slice text), void *arg) {
        struct session *session = calloc(1, sizeof(*session));
        if (!session)
                return NULL;
        session->refs = 1;
        session->state = SESSION_REPLAYING;
        session->hub = hub;
        session->on_reply = on_reply;
        session->reply_arg = arg;
        session->background = true;
        list_init(&session->subscriber.link);
        list_init(&session->dirty);
        list_init(&session->unattached);
        list_init(&session->sends);
        list_init(&session->typings);
        list_init(&session->subscriptions);
        if (session_name(session, user, device) < 0)
                return session_unref(session);
        return session;
}

void session_on_closed(struct session *session) {
        struct hub *hub = session->hub;
        session_move(session, SESSION_ENDED);
        session->wsi = NULL;
        wheel_stop(&session->timer);
        list_remove(&session->all);
        list_remove(&session->dirty);
        outbox_deinit(&session->outbox);
        buf_deinit(&session->early);
        free(session->claims);
        session->claims = NULL;
        typist_deinit(session);
        session_cancel_page(session);
        subscription_end_all(session);
        watch_deinit(hub->watch, &session->watcher);
        if (session->registered) {
                struct registry_session registry = session_registry(session);
                node_remove(hub->fanout.node, &session->subscriber);
                acks_take(hub->acks, &session->ack);
                detach_add(hub->detaches, &registry);
        }
        hub->connections--;
        metrics_sub(CONNECTIONS, 1);
        if (session->counted)
                metrics_sub(SESSIONS, 1);
        session_unref(session);
}
