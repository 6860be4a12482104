/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c: see sync.h. */
#include "hub/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/scan.h"
#include "fanout/inbox.h"
#include "hub/answer.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/protocol.h"
#include "hub/session.h"
#include "hub/wire.h"

enum {
        SYNC_EVENTS_BYTES = 4 << 20, /* a page's payload is at most LIMIT_PAGE_BYTES, or one event */
        SYNC_ROOM_BYTES = 256 << 10, /* for the errors instead of replies that are too much */
};

struct sync {
        struct http *http;       /* one reference; its body holds the ops */
        struct session *session; /* a visit */
        struct slice ops;
        size_t position;
        struct buf results;
        bool waiting;            /* for the reply to an op */
        bool stepping;
        bool fresh, reset;
        bool has_ack;
        uint64_t ack;
        uint64_t after;          /* the page begins behind it */
        uint64_t head;
        size_t limit;
};

static void sync_free(struct sync *sync) {
        http_unref(sync->http);
        session_unref(sync->session);
        buf_deinit(&sync->results);
        free(sync);
}

static void sync_fail(struct sync *sync, enum error_code code, int status, const char *message) {
        http_fail(sync->http, code, status, message);
        sync_free(sync);
}

/* ---- the page ---- */

static void sync_add_gap(struct buf *events, uint64_t from, uint64_t to) {
        metrics_add(GAPS, 1);
        buf_printf(events, "%s{\"type\":\"gap\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}", events->len ? "," : "", from, to);
}

static void sync_add_page(struct buf *events, const struct inbox_page *page, uint64_t after) {
        uint64_t gap_from = 0;
        if (page->base > after)
                sync_add_gap(events, after + 1, page->base);
        for (size_t i = 0; i < page->count; i++) {
                const struct inbox_event *event = &page->events[i];
                if (!event->tail) {
                        gap_from = gap_from ? gap_from : event->n;
                        if (i + 1 == page->count || page->events[i + 1].tail) {
                                sync_add_gap(events, gap_from, event->n);
                                gap_from = 0;
                        }
                        continue;
                }
                if (events->len)
                        buf_add_char(events, ',');
                buf_add_slice(events, event_head(event->type));
                buf_add_uint(events, event->n);
                buf_add(events, event->tail->bytes, event->tail->len);
        }
        metrics_add(EVENTS_REPLAYED, page->count);
}

static void sync_answer(struct sync *sync, uint64_t cursor, uint64_t head, struct slice events) {
        _cleanup_buf_ struct buf fields = BUF_INIT(LIMIT_BATCH_BYTES + SYNC_ROOM_BYTES + SYNC_EVENTS_BYTES + 1024);
        buf_add_text(&fields, "\"epoch\":");
        buf_add_json(&fields, slice_of(sync->session->epoch));
        buf_printf(&fields, ",\"cursor\":%" PRIu64 ",\"head\":%" PRIu64 ",\"more\":%s%s,\"events\":[", cursor, head, cursor < head ? "true" : "false",
                   sync->fresh ? ",\"fresh\":true" : "");
        buf_add_slice(&fields, events);
        buf_add_text(&fields, "],\"results\":[");
        buf_add_slice(&fields, buf_slice(&sync->results));
        buf_add_char(&fields, ']');
        if (buf_failed(&fields) || buf_failed(&sync->results)) {
                sync_fail(sync, ERROR_INTERNAL, 500, NULL);
                return;
        }
        metrics_add(SYNCS, 1);
        http_answer_fields(sync->http, 200, buf_slice(&fields));
        sync_free(sync);
}

static void sync_on_page(void *arg, const struct inbox_page *page) {
        struct sync *sync = arg;
        _cleanup_buf_ struct buf events = BUF_INIT(SYNC_EVENTS_BYTES);
        /* Another epoch: the store lost its past meanwhile, and the next sync is told so. */
        if (page->answer || strcmp(page->epoch, sync->session->epoch) != 0) {
                sync_fail(sync, ERROR_UNAVAILABLE, 503, NULL);
                return;
        }
        if (sync->reset) {
                metrics_add(RESETS, 1);
                buf_printf(&events, "{\"type\":\"reset\",\"epoch\":\"%s\",\"head\":%" PRIu64 "}", sync->session->epoch, sync->head);
        }
        sync_add_page(&events, page, sync->after);
        if (buf_failed(&events))
                sync_fail(sync, ERROR_INTERNAL, 500, NULL);
        else
                sync_answer(sync, page->next > sync->after ? page->next : sync->after, page->head, buf_slice(&events));
}

/* ---- the ops ---- */

/* What asks or changes something durable. The rest is about a session that lives, and a sync has none. */
static bool sync_takes(enum request_type type) {
        switch (type) {
        case REQUEST_SEND:
        case REQUEST_READ:
        case REQUEST_HISTORY:
        case REQUEST_CONVERSATIONS:
        case REQUEST_MEMBERS:
        case REQUEST_PREFS:
        case REQUEST_PUSH_REGISTER:
        case REQUEST_PUSH_UNREGISTER:
        case REQUEST_REPORT:
        case REQUEST_PING:
                return true;
        default:
                return false;
        }
}

static void sync_go_on(struct sync *sync);

static void sync_on_reply(void *arg, struct slice text) {
        static const char too_large[] = "{\"type\":\"error\",\"code\":\"too_large\",\"message\":\"the replies of this sync are too large to be told\",\"temporary\":false}";
        struct sync *sync = arg;
        if (sync->results.len + text.len > LIMIT_BATCH_BYTES)
                text = SLICE(too_large);
        if (sync->results.len)
                buf_add_char(&sync->results, ',');
        buf_add_slice(&sync->results, text);
        sync->waiting = false;
        sync_go_on(sync);
}

static void sync_start_op(struct sync *sync, const struct scan_value *op) {
        struct session *session = sync->session;
        struct request request;
        sync->waiting = true;
        if (op->type != SCAN_OBJECT) {
                session_error_id(session, false, 0, ERROR_BAD_REQUEST, "a request is a JSON object");
                return;
        }
        int r = wire_parse(op->raw, &request);
        if (op->raw.len > LIMIT_FRAME_BYTES)
                session_error(session, &request, ERROR_TOO_LARGE, "a request is at most 64 KiB");
        else if (request.type != REQUEST_TYPES && !sync_takes(request.type))
                session_error(session, &request, ERROR_BAD_REQUEST, "this can be asked by a session only");
        else if (r)
                session_error(session, &request, ERROR_BAD_REQUEST, request.error);
        else
                protocol_handle_object(session, op->raw);
}

static void sync_read_page(struct sync *sync) {
        const struct subscriber *subscriber = &sync->session->subscriber;
        http_renew(sync->http);
        if (!inbox_read(&sync->http->hub->fanout, subscriber->user, subscriber->device, subscriber->session, sync->after, sync->limit, sync_on_page, sync))
                sync_fail(sync, ERROR_UNAVAILABLE, 503, NULL);
}

/* Replies may come at once: a loop, so that a hundred of them do not nest. */
static void sync_go_on(struct sync *sync) {
        struct scan_value op;
        if (sync->stepping)
                return;
        sync->stepping = true;
        while (!sync->waiting && sync->http->wsi && scan_array(sync->ops, &sync->position, &op)) {
                http_renew(sync->http);
                sync_start_op(sync, &op);
        }
        sync->stepping = false;
        if (!sync->waiting)
                sync_read_page(sync);
}

/* ---- its begin ---- */

static void sync_on_visited(void *arg, const struct registry_attached *visited) {
        struct sync *sync = arg;
        struct session *session = sync->session;
        if (visited->answer == FANOUT_E_BAD_REQUEST) {
                sync_fail(sync, ERROR_BAD_REQUEST, 422, "ack is beyond the latest event");
                return;
        }
        if (visited->answer) {
                sync_fail(sync, answer_code(visited->answer), codes_error(answer_code(visited->answer))->status,
                          answer_message(visited->answer));
                return;
        }
        snprintf(session->epoch, sizeof(session->epoch), "%s", visited->epoch);
        sync->fresh = visited->fresh;
        sync->reset = visited->reset;
        sync->after = visited->cursor;
        sync->head = visited->head;
        if (sync->has_ack && !visited->reset) {
                metrics_add(ACKS, 1);
                if (sync->ack > sync->after)
                        sync->after = sync->ack;
                /* All that follows takes the same link to the store, so it sees the cursor moved. */
                acks_note(session->hub->acks, &session->ack, sync->ack);
                acks_take(session->hub->acks, &session->ack);
        }
        sync_go_on(sync);
}

void sync_run(struct http *http, struct slice user, const struct request *request, struct slice ops) {
        struct scan_value item;
        size_t position = 0, count = 0;
        while (scan_array(ops, &position, &item))
                count++;
        if (count > LIMIT_SYNC_OPERATIONS) {
                http_fail_code(http, ERROR_TOO_LARGE, "a sync holds at most 100 ops");
                return;
        }
        struct sync *sync = calloc(1, sizeof(*sync));
        if (sync)
                sync->session = session_new_visit(http->hub, user, request->device, sync_on_reply, sync);
        if (!sync || !sync->session) {
                free(sync);
                http_fail_code(http, ERROR_INTERNAL, NULL);
                return;
        }
        sync->http = http_ref(http);
        sync->ops = ops;
        sync->has_ack = request->has_n;
        sync->ack = request->n;
        sync->limit = (size_t)request->limit;
        buf_init(&sync->results, LIMIT_BATCH_BYTES + SYNC_ROOM_BYTES);
        struct registry_session registry = session_registry(sync->session);
        registry.epoch = request->has_cursor ? request->epoch : SLICE("");
        registry.cursor = request->cursor;
        if (registry_visit(&http->hub->fanout, &registry, request->has_n ? (int64_t)request->n : -1, sync_on_visited, sync))
                sync_fail(sync, ERROR_UNAVAILABLE, 503, NULL);
}
