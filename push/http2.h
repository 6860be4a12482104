/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http2.h: POST requests to one provider, over HTTP/2 (or 1.1), by libcurl on a libuv loop.
 *
 *   http2#1  A request is answered once, never from inside http2_send().
 *   http2#2  At most window_room() requests are under way (window.h): the first on a new connection goes alone, and so
 *            does the first after a rest.
 *   http2#3  The peer's certificate is always checked. Redirects are never followed, proxies in the environment never used.
 *   http2#4  Unless any_address is set, a connection is opened only to an address that address_is_public() allows: looked at when it is
 *            opened, so a name that changes its address between a check and the use gains nothing.
 *   http2#5  No more than LIMIT_PUSH_ANSWER_BYTES of an answer are kept, and what goes on beyond is cut off.
 *   http2#6  Requests are at-least-once below us: libcurl sends again by itself what a connection lost before any answer. Ids in
 *            the requests make that harmless.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct http2;
struct uv_loop_s;

enum {
        HTTP2_E_DOWN = 1,  /* no connection came about */
        HTTP2_E_FORBIDDEN, /* only to an address that is forbidden: http2#4 */
        HTTP2_E_TLS,       /* the peer is not who it should be, or TLS failed */
        HTTP2_E_OLD,       /* the peer does not speak HTTP/2 */
        HTTP2_E_LOST,      /* the connection or the stream ended before the answer did */
        HTTP2_E_LATE,      /* no whole answer in time */
        HTTP2_E_OURS,      /* our certificate or the file of authorities cannot be used */
        HTTP2_E_CLOSED,    /* http2_close() */
};

enum { HTTP2_ID_BYTES = 256, HTTP2_RETRY_BYTES = 64 };

struct http2_options {
        const char *ca_file;              /* NULL: the system's authorities */
        const char *cert_file, *key_file; /* our certificate and its key (PEM; may be one file), or NULL */
        uint32_t streams;                 /* at most so many requests at once */
        uint32_t connections;             /* at most so many connections */
        enum { HTTP2_ONLY, HTTP2_OR_1, HTTP2_NEVER } version;
        bool any_address;                 /* also one that is not public: where the operator and no stranger says where to */
        bool any_scheme;                  /* also http:// */
        uint64_t connect_ms, answer_ms;
};

struct http2_answer {
        int error;          /* 0, or HTTP2_E_…: then the rest is empty */
        int status;
        bool is_cut;        /* the body is not whole */
        struct slice body;
        const char *id;     /* header apns-id or location; "" none */
        const char *retry;  /* header retry-after; "" none */
};

typedef void (*http2_answer_fn)(void *context, const struct http2_answer *answer);

struct http2_request {
        const char *url;
        const char *const *headers; /* "name: value", NULL at the end */
        struct slice body;
        http2_answer_fn on_answer;  /* the answer lives for the call */
        void *context;
};

/* Once in a process, before any other call: 0 or -EIO. */
__attribute__((warn_unused_result)) int http2_start(void);

/* Copies the options. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int http2_new(struct uv_loop_s *loop, const struct http2_options *options,
                                                  struct http2 **ret_http2);
/* What is under way is answered HTTP2_E_CLOSED, later; then on_closed, when the memory is gone. */
void http2_close(struct http2 *http2, void (*on_closed)(void *context), void *context);

/* How many more requests may be sent now. */
uint32_t http2_room(const struct http2 *http2);
uint32_t http2_in_flight(const struct http2 *http2);
uint32_t http2_connections(const struct http2 *http2);
/* Copies the request. There must be room. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int http2_send(struct http2 *http2, const struct http2_request *request);
/* The sender has nothing to send: if nothing is under way either, the connection rests from now on. */
void http2_rest(struct http2 *http2);
/* What is sent from now on goes over a new connection; what is under way ends on the old one. */
void http2_renew(struct http2 *http2);
