/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h: one HTTP request and its answer.
 *
 * 1. An answer is given exactly once, by http_answer() or http_fail(); it may be given long after the request, and also when
 *    the peer is gone (then it goes nowhere).
 * 2. A request body has a deadline of its own: lws's is renewed with every byte.
 * 3. Who answers a request need not know whether a peer asked it or a batch (batch.c): a request inside another one has no
 *    socket, and its answer goes to on_answer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/wheel.h"
#include "contract/codes.h"

struct hub;
struct lws;

enum http_method { HTTP_GET, HTTP_PUT, HTTP_POST, HTTP_DELETE, HTTP_OTHER }; /* HEAD is GET with http.head */

struct http;
/* The answer to a request inside another one; body is borrowed for the time of the call, and empty for HEAD. */
typedef void (*http_answer_fn)(void *arg, int status, const char *content_type, struct slice body);

struct http {
        uint32_t refs;        /* the socket (or who made it), and the answer under way */
        struct hub *hub;
        struct lws *wsi;      /* NULL: the peer is gone, or there never was one */
        http_answer_fn on_answer; /* NULL: the answer goes to the socket */
        void *answer_arg;
        struct list link;     /* in hub->https */
        struct wheel_timer deadline;
        enum http_method method;
        bool head;            /* HEAD: the answer's body is left out */
        bool loopback;        /* the peer is on this machine */
        bool has_type, json_type;
        bool no_length;       /* of a body that there may be */
        bool dispatched, answered, written;
        bool must_close;      /* what follows on the connection cannot be told apart from an unread body */
        char path[2049];      /* without query; percents are decoded by lws */
        char query[2049];     /* likewise; a newline between its parts */
        char bearer[4097];    /* of the Authorization header; "" */
        struct buf body;
        size_t body_expected;
        struct buf response;  /* whole, with LWS_PRE bytes in front */
};

struct http *http_new(struct hub *hub, struct lws *wsi);
/* A request inside another one, with the rights of that one; the caller fills in method, path, query and body. */
struct http *http_new_inner(const struct http *outer, http_answer_fn on_answer, void *arg);
struct http *http_ref(struct http *http);
struct http *http_unref(struct http *http);

void http_on_body(struct http *http, const void *bytes, size_t len);
/* The request is complete: finds who answers it (api.c). */
void http_dispatch(struct http *http);
/* The socket may be written. 1: the answer is written, and the next request may come. -1: close the connection. */
int http_on_writable(struct http *http);
void http_on_closed(struct http *http);
/* The answer takes long but goes on: its deadline begins anew. */
void http_renew(struct http *http);

void http_answer(struct http *http, int status, const char *content_type, struct slice body);
/* A JSON object made of fields (without braces). */
void http_answer_fields(struct http *http, int status, struct slice fields);
void http_fail(struct http *http, enum error_code code, int status, const char *message);
/* The same with the code's own status. */
void http_fail_code(struct http *http, enum error_code code, const char *message);

/* 405: the path has other methods, which are named (RFC 9110 section 15.5.6). */
void http_fail_method(struct http *http, const char *allow);

/* A whole HTTP/1.1 response text: status line, headers, body. */
void http_build(struct buf *out, int status, const char *content_type, const char *extra_headers, struct slice body, bool close);
/* {"error":{…}} */
void http_build_error(struct buf *out, enum error_code code, const char *message);
