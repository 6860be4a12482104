/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c: see http.h. Responses are written as whole texts of our own: lws's helpers answer HTTP/1.0 in places, and one text
 * is one write.
 */
#include "hub/http.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/metrics.h"
#include "hub/api.h"
#include "hub/hub.h"

enum {
        HTTP_RESPONSE_BYTES = 48 << 20,
        HTTP_LINGER_MS = 2000,
        HTTP_DEADLINE_MS = 15000, /* for the body to come; and, from then on, for the store to answer */
};

static const char *http_reason(int status) {
        static const struct {
                int status;
                const char *text;
        } rows[] = {
                { 200, "OK" },           { 201, "Created" },   { 202, "Accepted" },        { 400, "Bad Request" },
                { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },       { 405, "Method Not Allowed" },
                { 409, "Conflict" },     { 411, "Length Required" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
                { 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
                { 429, "Too Many Requests" }, { 500, "Internal Server Error" }, { 503, "Service Unavailable" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].status == status)
                        return rows[i].text;
        return "Unknown";
}

void http_build(struct buf *out, int status, const char *content_type, const char *extra_headers, struct slice body, bool close) {
        buf_printf(out, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\ncache-control: no-store\r\n", status, http_reason(status),
                   content_type, body.len);
        if (status == 401)
                buf_add_text(out, "www-authenticate: Bearer\r\n");
        if (status == 426)
                buf_add_text(out, "upgrade: websocket\r\nsec-websocket-version: 13\r\n");
        buf_add_text(out, extra_headers);
        buf_add_text(out, close ? "connection: close\r\n\r\n" : "\r\n");
        buf_add_slice(out, body);
}

void http_build_error(struct buf *out, enum error_code code, const char *message) {
        const struct codes_error *row = codes_error(code);
        buf_printf(out, "{\"error\":{\"code\":\"%s\",\"message\":", row->text);
        buf_add_json(out, slice_of(message ? message : row->sentence));
        buf_printf(out, ",\"temporary\":%s%s}}", row->temporary ? "true" : "false", row->temporary ? ",\"retry_after_ms\":1000" : "");
}

static void http_on_deadline(struct wheel_timer *timer, uint64_t now_ms) {
        struct http *http = LIST_CONTAINER(timer, struct http, deadline);
        if (!http->wsi)
                return;
        if (!hub_may_kill(http->hub)) {
                wheel_start(http->hub->wheel, timer, now_ms + 1); /* the next tick */
                return;
        }
        lws_set_timeout(http->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
        lws_cancel_service(http->hub->lws);
}

struct http *http_new(struct hub *hub, struct lws *wsi) {
        struct http *http = calloc(1, sizeof(*http));
        if (!http)
                return NULL;
        http->refs = 1;
        http->hub = hub;
        http->wsi = wsi;
        buf_init(&http->body, LIMIT_HTTP_BODY_BYTES);
        buf_init(&http->response, HTTP_RESPONSE_BYTES);
        wheel_timer_init(&http->deadline, http_on_deadline);
        wheel_start(hub->wheel, &http->deadline, uv_now(hub->loop) + HTTP_DEADLINE_MS);
        list_append(&hub->https, &http->link);
        return http;
}

struct http *http_new_inner(const struct http *outer, http_answer_fn on_answer, void *arg) {
        struct http *http = calloc(1, sizeof(*http));
        if (!http)
                return NULL;
        http->refs = 1;
        http->hub = outer->hub;
        http->on_answer = on_answer;
        http->answer_arg = arg;
        http->loopback = outer->loopback;
        http->dispatched = true;
        memcpy(http->bearer, outer->bearer, sizeof(http->bearer));
        buf_init(&http->body, LIMIT_HTTP_BODY_BYTES);
        buf_init(&http->response, HTTP_RESPONSE_BYTES);
        wheel_timer_init(&http->deadline, http_on_deadline);
        list_init(&http->link);
        return http;
}

struct http *http_ref(struct http *http) {
        http->refs++;
        return http;
}

struct http *http_unref(struct http *http) {
        if (http && --http->refs == 0) {
                buf_deinit(&http->body);
                buf_deinit(&http->response);
                free(http);
        }
        return NULL;
}

void http_on_body(struct http *http, const void *bytes, size_t len) {
        buf_add(&http->body, bytes, len);
}

void http_renew(struct http *http) {
        if (http->wsi)
                wheel_start(http->hub->wheel, &http->deadline, uv_now(http->hub->loop) + HTTP_DEADLINE_MS);
}

void http_dispatch(struct http *http) {
        if (http->dispatched)
                return;
        http->dispatched = true;
        lws_set_timeout(http->wsi, NO_PENDING_TIMEOUT, 0);
        http_renew(http);
        http->hub->asked_ms = uv_now(http->hub->loop);
        metrics_add(HTTP_REQUESTS, 1);
        api_handle(http);
}

static void http_answer_with(struct http *http, int status, const char *content_type, const char *extra, struct slice body) {
        if (http->answered)
                abort(); /* breaks http#1 */
        http->answered = true;
        http->must_close = http->must_close || http->hub->draining; /* the next request would find nobody */
        if (http->on_answer)
                http->on_answer(http->answer_arg, status, content_type, http->head ? SLICE("") : body);
        if (!http->wsi)
                return;
        char *front = buf_reserve(&http->response, LWS_PRE);
        if (front)
                buf_commit(&http->response, LWS_PRE);
        http_build(&http->response, status, content_type, extra, body, http->must_close);
        if (http->head && !buf_failed(&http->response))
                http->response.len -= body.len;
        if (buf_failed(&http->response))
                http_on_deadline(&http->deadline, 0);
        else
                lws_callback_on_writable(http->wsi);
}

void http_answer(struct http *http, int status, const char *content_type, struct slice body) {
        /* Our pages load nothing from elsewhere and run no inline script. */
        bool page = content_type[0] == 't' && strncmp(content_type, "text/html", 9) == 0;
        http_answer_with(http, status, content_type,
                         page ? "content-security-policy: default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:\r\n"
                                "x-content-type-options: nosniff\r\n"
                              : "x-content-type-options: nosniff\r\n",
                         body);
}

void http_answer_fields(struct http *http, int status, struct slice fields) {
        _cleanup_buf_ struct buf body = BUF_INIT(HTTP_RESPONSE_BYTES);
        buf_add_char(&body, '{');
        buf_add_slice(&body, fields);
        buf_add_char(&body, '}');
        http_answer(http, status, "application/json", buf_slice(&body));
}

static void http_fail_with(struct http *http, enum error_code code, int status, const char *headers, const char *message) {
        _cleanup_buf_ struct buf body = BUF_INIT(HTTP_RESPONSE_BYTES);
        http_build_error(&body, code, message);
        metrics_add(ERRORS_SENT, 1);
        http_answer_with(http, status, "application/json", headers, buf_slice(&body));
}

void http_fail(struct http *http, enum error_code code, int status, const char *message) {
        http_fail_with(http, code, status, codes_error(code)->temporary ? "retry-after: 1\r\n" : "", message);
}

void http_fail_code(struct http *http, enum error_code code, const char *message) {
        http_fail(http, code, codes_error(code)->status, message);
}

void http_fail_method(struct http *http, const char *allow) {
        char header[64];
        snprintf(header, sizeof(header), "allow: %s\r\n", allow);
        http_fail_with(http, ERROR_BAD_REQUEST, 405, header, "this path does not know the method");
}

/*
 * The answer is out, but the peer may still be sending: closing now would reset the connection and could take the answer from the
 * peer's hands (RFC 9112 section 9.6). So we only end our side, and read what comes for a while.
 */
static int http_linger(struct http *http) {
        shutdown(lws_get_socket_fd(http->wsi), SHUT_WR);
        wheel_start(http->hub->wheel, &http->deadline, uv_now(http->hub->loop) + HTTP_LINGER_MS);
        return 0;
}

int http_on_writable(struct http *http) {
        if (http->written && http->must_close && !lws_partial_buffered(http->wsi))
                return http_linger(http);
        if (!http->answered || http->written)
                return 0;
        http->written = true;
        size_t len = http->response.len - LWS_PRE;
        /* lws keeps what the socket does not take. */
        if (lws_write(http->wsi, (unsigned char *)http->response.ptr + LWS_PRE, len, LWS_WRITE_HTTP_FINAL) < 0)
                return -1;
        if (!http->must_close)
                return 1;
        lws_callback_on_writable(http->wsi);
        return 0;
}

void http_on_closed(struct http *http) {
        http->wsi = NULL;
        list_remove(&http->link);
        wheel_stop(&http->deadline);
        http_unref(http);
}
