/* SPDX-License-Identifier: Apache-2.0 */
/* protocol.c: see protocol.h. */
#include "hub/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limiter.h"
#include "base/limits.h"
#include "fanout/cast.h"
#include "fanout/fanout.h"
#include "fanout/notice.h"
#include "fanout/post.h"
#include "fanout/prefs.h"
#include "fanout/query.h"
#include "fanout/receipt.h"
#include "fanout/registration.h"
#include "fanout/roster.h"
#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/report.h"
#include "hub/session.h"
#include "hub/subscription.h"
#include "hub/typist.h"
#include "hub/wire.h"

enum { PROTOCOL_REPLY_BYTES = 40 << 20 };

/* ---- replies ---- */

static void protocol_reply(struct session *session, bool has_id, int64_t id, const char *type, struct slice fields) {
        _cleanup_buf_ struct buf text = BUF_INIT(PROTOCOL_REPLY_BYTES);
        buf_add_text(&text, "{\"type\":\"");
        buf_add_text(&text, type);
        buf_add_char(&text, '"');
        if (has_id) {
                buf_add_text(&text, ",\"id\":");
                buf_add_int(&text, id);
        }
        if (fields.len) {
                buf_add_char(&text, ',');
                buf_add_slice(&text, fields);
        }
        buf_add_char(&text, '}');
        session_reply(session, buf_slice(&text));
}

void protocol_ok(struct session *session, const struct request *request) {
        protocol_reply(session, request->has_id, request->id, "ok", SLICE(""));
}

/* A request that waits for the store. */
struct protocol_wait {
        struct session *session;
        const char *type; /* of the reply */
        bool has_id;
        int64_t id;
};

static struct protocol_wait *protocol_wait_new(struct session *session, const struct request *request, const char *type) {
        struct protocol_wait *wait = malloc(sizeof(*wait));
        if (!wait) {
                session_error(session, request, ERROR_INTERNAL, NULL);
                return NULL;
        }
        *wait = (struct protocol_wait){ session, type, request->has_id, request->id };
        session_begin(session);
        return wait;
}

static void protocol_wait_end(struct protocol_wait *wait, int answer, struct slice fields) {
        if (session_is_open(wait->session)) {
                if (answer)
                        session_error_id(wait->session, wait->has_id, wait->id, answer_code(answer), answer_message(answer));
                else
                        protocol_reply(wait->session, wait->has_id, wait->id, wait->type, fields);
        }
        session_end(wait->session);
        free(wait);
}

static void protocol_on_fields(void *arg, int answer, struct slice fields) {
        protocol_wait_end(arg, answer, fields);
}

static void protocol_on_done(void *arg, int answer) {
        protocol_wait_end(arg, answer, SLICE(""));
}

/* What could not even begin. */
static void protocol_started(struct protocol_wait *wait, int r) {
        if (r)
                protocol_wait_end(wait, FANOUT_E_UNAVAILABLE, SLICE(""));
}

/* ---- send ---- */

struct protocol_job {
        struct list link; /* in session->sends */
        struct session *session;
        bool has_id, started;
        int64_t id;
        uint64_t typed; /* session->typed when it came */
        struct roster *roster; /* the members as they were known when it started */
        struct post post; /* slices of text; session, from and device are the session's */
        char ref[24];
        char text[];
};

/*
 * Sends of a session in one conversation are stored in their order, and need not wait for each other's answers for that: the store carries
 * calls out as they were made, and if one names members who have changed it refuses all behind it that name the same. Then the first is
 * repeated by itself (attempt.c) and the others begin anew behind it (FANOUT_E_MEMBERS); one that knows of the change must not pass them.
 * Returns the first that may start, or NULL; first: none is under way before it.
 */
static struct protocol_job *protocol_next_send(const struct session *session, struct slice conv, const struct roster *known, bool *ret_first) {
        *ret_first = true;
        LIST_FOR_EACH(link, &session->sends) {
                struct protocol_job *job = LIST_CONTAINER(link, struct protocol_job, link);
                if (!slice_equal(job->post.conv, conv))
                        continue;
                if (!job->started)
                        return job;
                if (job->roster != known)
                        return NULL;
                *ret_first = false;
        }
        return NULL;
}

static void protocol_start_sends(struct session *session, struct slice of);

static void protocol_send_end(struct protocol_job *job, const struct post_result *result) {
        struct session *session = job->session;
        if (!result->answer && !result->duplicate && slice_is(job->post.kind, "message"))
                typist_sent(session, job->post.conv, job->typed);
        if (session_is_open(session) && result->answer) {
                session_error_id(session, job->has_id, job->id, answer_code(result->answer), NULL);
        } else if (session_is_open(session)) {
                _cleanup_buf_ struct buf fields = BUF_INIT(4096);
                buf_add_text(&fields, "\"conv\":");
                buf_add_json(&fields, job->post.conv);
                buf_add_text(&fields, ",\"op\":");
                buf_add_json(&fields, job->post.op);
                buf_printf(&fields, ",\"seq\":%" PRIu64 ",\"at\":%" PRId64 "%s", result->seq, result->at,
                           result->duplicate ? ",\"duplicate\":true" : "");
                protocol_reply(session, job->has_id, job->id, "sent", buf_slice(&fields));
        }
        list_remove(&job->link);
        protocol_start_sends(session, job->post.conv); /* who waited for this one */
        roster_unref(job->roster);
        free(job);
        session_end(session);
}

static void protocol_on_sent(void *arg, const struct post_result *result) {
        struct protocol_job *job = arg;
        if (result->answer != FANOUT_E_MEMBERS) {
                protocol_send_end(job, result);
                return;
        }
        struct session *session = session_ref(job->session); /* the job may end in it */
        job->roster = roster_unref(job->roster);
        job->started = false;
        protocol_start_sends(session, job->post.conv);
        session_unref(session);
}

static void protocol_start_sends(struct session *session, struct slice of) {
        struct fanout *fanout = &session->hub->fanout;
        char id[LIMIT_ID_BYTES], *copy = id;
        struct slice conv = slice_copy(&copy, of); /* it may be of a job that ends here */
        for (;;) {
                struct roster *known = roster_find(fanout->rosters, conv);
                bool first;
                struct protocol_job *job = protocol_next_send(session, conv, known, &first);
                if (!job)
                        return;
                job->started = true;
                job->post.once = !first;
                job->roster = known ? roster_ref(known) : NULL;
                if (post_send(fanout, &job->post, protocol_on_sent, job))
                        protocol_send_end(job, &(struct post_result){ .answer = FANOUT_E_UNAVAILABLE });
        }
}

static void protocol_send(struct session *session, const struct request *request) {
        struct slice body = request->body.len ? request->body : SLICE("null");
        struct slice kind = request->kind.len ? request->kind : SLICE("message");
        struct protocol_job *job = calloc(1, sizeof(*job) + request->conv.len + request->op.len + kind.len + body.len + request->push.len);
        if (!job) {
                session_error(session, request, ERROR_INTERNAL, NULL);
                return;
        }
        char *text = job->text;
        if (request->ref)
                snprintf(job->ref, sizeof(job->ref), "%" PRIu64, request->ref);
        job->session = session;
        job->has_id = request->has_id;
        job->id = request->id;
        job->typed = session->typed;
        job->post = (struct post){
                .conv = slice_copy(&text, request->conv),
                .op = slice_copy(&text, request->op),
                .kind = slice_copy(&text, kind),
                .body = slice_copy(&text, body),
                .push = slice_copy(&text, request->push),
                .push_class = request->push_class,
                .ref = slice_of(job->ref),
                .from = session->subscriber.user,
                .device = session->subscriber.device,
                .session = session->subscriber.session,
        };
        list_append(&session->sends, &job->link);
        session_begin(session);
        protocol_start_sends(session, request->conv);
}

/* ---- the others ---- */

static void protocol_watch(struct session *session, const struct request *request) {
        if (session->watcher.count + request->users_count > LIMIT_WATCHED_USERS) {
                session_error(session, request, ERROR_TOO_LARGE, "this session follows too many users");
                return;
        }
        struct protocol_wait *wait = protocol_wait_new(session, request, "watching");
        if (wait)
                protocol_started(wait, watch_add(session->hub->watch, &session->watcher, (uint64_t)(uintptr_t)wait, request->users,
                                                 request->users_count));
}

void protocol_on_watching(struct watcher *watcher, uint64_t request, int answer, struct slice fields) {
        protocol_wait_end((struct protocol_wait *)(uintptr_t)request, answer, fields);
}

static void protocol_signal(struct session *session, const struct request *request) {
        char header[2 * LIMIT_ID_BYTES + LIMIT_ID_BYTES + 32];
        int len = snprintf(header, sizeof(header), "%.*s %s %s %s", (int)request->conv.len, request->conv.ptr, session->user,
                           session->device, session->id);
        struct protocol_wait *wait = protocol_wait_new(session, request, "ok");
        if (wait)
                protocol_started(wait, cast_send(&session->hub->fanout, request->conv, session->subscriber.user, 'S',
                                                 (struct slice){ header, (size_t)len }, request->body, protocol_on_done, wait));
}

static int protocol_set_prefs(struct session *session, const struct request *request, struct protocol_wait *wait) {
        const struct prefs_change change = {
                .conv = request->mute_conv,
                .until_ms = (int64_t)request->mute_until_ms,
                .has_quiet = request->has_quiet,
                .from = request->quiet_from,
                .to = request->quiet_to,
                .zone = request->quiet_zone,
        };
        return prefs_set(&session->hub->fanout, session->subscriber.user, &change, protocol_on_done, wait);
}

static void protocol_ask(struct session *session, const struct request *request) {
        struct fanout *fanout = &session->hub->fanout;
        struct slice user = session->subscriber.user;
        bool ok = request->type == REQUEST_READ || request->type == REQUEST_STATUS || request->type == REQUEST_PREFS ||
                    request->type == REQUEST_PUSH_REGISTER || request->type == REQUEST_PUSH_UNREGISTER;
        struct protocol_wait *wait = protocol_wait_new(session, request, ok ? "ok" : wire_type_text(request->type));
        struct registry_session registry = session_registry(session);
        if (!wait)
                return;
        switch (request->type) {
        case REQUEST_READ:
                if (request->conv.len == 0) {
                        protocol_started(wait, notice_read(fanout, user, request->op, protocol_on_done, wait));
                        break;
                }
                protocol_started(wait, receipt_raise(fanout, user, request->conv, 0, request->seq, protocol_on_done, wait));
                break;
        case REQUEST_STATUS:
                session_note_status(session, request->status);
                protocol_started(wait, registry_set_status(fanout, &registry, request->status, protocol_on_done, wait));
                break;
        case REQUEST_PREFS:
                protocol_started(wait, protocol_set_prefs(session, request, wait));
                break;
        case REQUEST_PUSH_REGISTER:
                protocol_started(wait, registration_set(fanout, user, session->subscriber.device, &request->registration, protocol_on_done, wait));
                break;
        case REQUEST_PUSH_UNREGISTER:
                protocol_started(wait, registration_remove(fanout, user, session->subscriber.device, request->registration.provider,
                                                           protocol_on_done, wait));
                break;
        case REQUEST_HISTORY:
                protocol_started(wait, query_history(fanout, user, request->conv, request->before, request->after, (unsigned)request->limit,
                                                     request->versions, protocol_on_fields, wait));
                break;
        case REQUEST_CONVERSATIONS:
                protocol_started(wait, query_conversations(fanout, user, request->after_conv, (unsigned)request->limit, protocol_on_fields, wait));
                break;
        case REQUEST_MEMBERS:
                protocol_started(wait, query_members(fanout, user, request->conv, protocol_on_fields, wait));
                break;
        default:
                abort();
        }
}

static void protocol_report(struct session *session, const struct request *request) {
        uint64_t retry_ms = report_take(session, &request->report);
        if (retry_ms)
                session_error_after(session, request->has_id, request->id, ERROR_RATE_LIMITED, NULL, retry_ms);
        else
                protocol_ok(session, request);
}

static void protocol_dispatch(struct session *session, const struct request *request) {
        switch (request->type) {
        case REQUEST_HELLO:
                session_error(session, request, ERROR_BAD_REQUEST, "hello comes once");
                break;
        case REQUEST_SEND:
                protocol_send(session, request);
                break;
        case REQUEST_ACK:
                session_ack(session, request);
                break;
        case REQUEST_TYPING:
                typist_step(session, request->conv, request->active);
                break;
        case REQUEST_SIGNAL:
                protocol_signal(session, request);
                break;
        case REQUEST_WATCH:
                protocol_watch(session, request);
                break;
        case REQUEST_UNWATCH:
                for (size_t i = 0; i < request->users_count; i++)
                        watch_remove(session->hub->watch, &session->watcher, request->users[i]);
                protocol_ok(session, request);
                break;
        case REQUEST_SUBSCRIBE:
                subscription_add(session, request);
                break;
        case REQUEST_UNSUBSCRIBE:
                subscription_remove(session, request);
                break;
        case REQUEST_AUTH:
                session_auth(session, request);
                break;
        case REQUEST_REPORT:
                protocol_report(session, request);
                break;
        case REQUEST_PING:
                protocol_reply(session, request->has_id, request->id, "pong", SLICE(""));
                break;
        case REQUEST_READ:
        case REQUEST_STATUS:
        case REQUEST_PREFS:
        case REQUEST_PUSH_REGISTER:
        case REQUEST_PUSH_UNREGISTER:
        case REQUEST_HISTORY:
        case REQUEST_CONVERSATIONS:
        case REQUEST_MEMBERS:
                protocol_ask(session, request);
                break;
        case REQUEST_TYPES:
                break;
        }
}

/* Acks and pings cost nothing: a client must not be afraid of acknowledging. */
static bool protocol_allows(struct session *session, const struct request *request, uint64_t *ret_retry_ms) {
        struct hub *hub = session->hub;
        uint64_t now_ms = uv_now(hub->loop);
        if (request->type == REQUEST_ACK || request->type == REQUEST_PING)
                return true;
        if (!limiter_allow(hub->user_limiter, session->subscriber.user, now_ms, ret_retry_ms))
                return false;
        return request->type != REQUEST_SEND || limiter_allow(hub->conv_limiter, request->conv, now_ms, ret_retry_ms);
}

void protocol_handle_object(struct session *session, struct slice object) {
        if (session->state >= SESSION_CLOSING)
                return;
        if (session->state == SESSION_ATTACHING || session->early.len) {
                session_defer(session, object);
                return;
        }
        if (object.ptr[0] != '{') {
                session_error_id(session, false, 0, ERROR_BAD_REQUEST, "a request is a JSON object");
                return;
        }
        struct request request;
        uint64_t retry_ms;
        int r = wire_parse(object, &request);
        if (session->state == SESSION_FRESH && (r || request.type != REQUEST_HELLO)) {
                bool is_hello = r && request.type == REQUEST_HELLO;
                session_error(session, &request, is_hello ? ERROR_BAD_REQUEST : ERROR_UNAUTHORIZED, is_hello ? request.error : "hello comes first");
                session_close(session, is_hello ? CLOSE_MALFORMED : CLOSE_BAD_TOKEN);
        } else if (r) {
                session_error(session, &request, ERROR_BAD_REQUEST, request.error);
        } else if (session->state == SESSION_FRESH) {
                session_hello(session, &request);
        } else if (!protocol_allows(session, &request, &retry_ms)) {
                session_error_after(session, request.has_id, request.id, ERROR_RATE_LIMITED, NULL, retry_ms);
                if (++session->refused == LIMIT_REFUSED)
                        session_close(session, CLOSE_RATE_LIMITED);
        } else {
                if (session->refused)
                        session->refused--;
                protocol_dispatch(session, &request);
        }
}

/* Requests of one array are handled in order: one that waits for the store holds up those behind it. */
static void protocol_handle_array(struct session *session, struct slice array) {
        struct scan_value item;
        size_t position = 0, count = 0;
        while (scan_array(array, &position, &item))
                count++;
        if (count > LIMIT_FRAME_OBJECTS) {
                session_error_id(session, false, 0, ERROR_TOO_LARGE, "a frame holds at most 64 requests");
                return;
        }
        position = 0;
        while (scan_array(array, &position, &item)) {
                if (session->in_flight && session_is_open(session))
                        session_defer(session, item.raw);
                else
                        protocol_handle_object(session, item.raw);
        }
}

void protocol_handle_frame(struct session *session, struct slice text, bool binary) {
        struct scan_value value;
        int r = binary ? SCAN_E_SYNTAX : scan_text(text, LIMIT_JSON_DEPTH, &value);
        if (r) {
                static const char *const messages[] = {
                        [SCAN_E_SYNTAX] = "the frame is not JSON",
                        [SCAN_E_UTF8] = "the frame is not UTF-8",
                        [SCAN_E_DEPTH] = "the frame nests too deeply",
                };
                session_error_id(session, false, 0, ERROR_BAD_REQUEST, binary ? "frames are text" : messages[r]);
                session_close(session, CLOSE_MALFORMED);
        } else if (value.type == SCAN_ARRAY) {
                protocol_handle_array(session, value.raw);
        } else {
                protocol_handle_object(session, value.raw);
        }
}
