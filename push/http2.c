/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http2.c: see http2.h.
 *
 *      http2 ── pool (present) ── request, request …       a pool is a multi handle of libcurl with its connections, watches, timer
 *            └─ pool (retiring)                            one that was renewed ends with its last request
 *
 * libcurl wants to be told of sockets and time (curl_multi_socket_action) and says what to watch by callbacks. It must not be
 * called from inside those, nor be freed while it is on the stack: so answers are collected behind each action, and
 * pools end in a turn of their own.
 *
 * Before 8.0 (Debian 12 has 7.88) libcurl sends a needless RST_STREAM behind each answer that has no body. Servers that count those, as
 * nghttp2 does since CVE-2023-44487 (1000 and then 33 a second), end the connection with a GOAWAY: what was under way is lost and is
 * sent again later, with the same ids.
 */
#include "push/http2.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <uv.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"
#include "push/address.h"
#include "push/window.h"

enum {
        IDLE_S = 2 * 3600,      /* libcurl throws a connection away after 118 s; Apple wants it kept for hours */
        KEEPALIVE_IDLE_S = 60,  /* a connection that died while idle is noticed in about two minutes … */
        KEEPALIVE_STEP_S = 15,
        UNACKED_MS = 20000,     /* … and one that dies under load in 20 s, where Linux' own patience is a quarter of an hour */
};

struct pool {
        struct http2 *http2;
        CURLM *multi;
        uv_timer_t timer;     /* libcurl's; once is_ending, the turn in which it ends */
        struct list requests; /* struct request, link */
        struct list link;     /* in http2.retiring, if it is retiring */
        struct window window;
        uint32_t in_flight, sockets;
        uint64_t sent, lost;  /* requests so far; those up to the number lost went down together, and count as one loss */
        bool is_retiring, is_ending;
};

struct http2 {
        struct uv_loop_s *loop;
        struct http2_options options;
        char *ca_file, *cert_file, *key_file;
        struct pool *pool;     /* NULL: none yet, or no memory for one */
        struct list retiring;  /* struct pool, link */
        struct list idle;      /* struct request, link: their handles are used again */
        bool is_closing;
        void (*on_closed)(void *context);
        void *closed_context;
};

/* A socket of libcurl's that is watched for it. */
struct watch {
        uv_poll_t poll;
        struct pool *pool;
        curl_socket_t fd;
};

struct request {
        struct list link;
        struct pool *pool;
        CURL *easy;
        struct curl_slist *headers;
        char *body;
        struct buf answer;
        uint64_t number; /* pool.sent when it was sent */
        bool is_cut, is_forbidden;
        char id[HTTP2_ID_BYTES];
        char retry[HTTP2_RETRY_BYTES];
        http2_answer_fn on_answer;
        void *context;
};

static void pool_end_soon(struct pool *pool);

int http2_start(void) {
        return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

/* ---- Requests ---- */

static struct request *request_free(struct request *request) {
        if (!request)
                return NULL;
        curl_easy_cleanup(request->easy);
        curl_slist_free_all(request->headers);
        free(request->body);
        buf_deinit(&request->answer);
        free(request);
        return NULL;
}

/* Back among the idle ones, with nothing of what it carried. */
static void request_rest(struct request *request, struct http2 *http2) {
        curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, NULL);
        curl_slist_free_all(request->headers);
        free(request->body);
        request->headers = NULL;
        request->body = NULL;
        request->pool = NULL;
        buf_clear(&request->answer);
        list_append(&http2->idle, &request->link);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
        struct request *request = arg;
        size_t len = size * count;
        size_t room = LIMIT_PUSH_ANSWER_BYTES - request->answer.len;
        if (len > room)
                request->is_cut = true;
        buf_add(&request->answer, bytes, len < room ? len : room);
        if (buf_failed(&request->answer))
                request->is_cut = true;
        return request->is_cut ? 0 : len; /* 0 ends it: http2#5 */
}

/* Copies the value behind "name:" if the line is that header. */
static void take_header(struct slice line, const char *name, char *out, size_t size) {
        size_t name_len = strlen(name);
        if (line.len <= name_len || line.ptr[name_len] != ':' || strncasecmp(line.ptr, name, name_len) != 0)
                return;
        const char *from = line.ptr + name_len + 1, *end = line.ptr + line.len;
        while (from < end && (*from == ' ' || *from == '\t'))
                from++;
        while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
                end--;
        size_t len = (size_t)(end - from);
        if (len >= size || memchr(from, '\0', len))
                return;
        memcpy(out, from, len);
        out[len] = '\0';
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg) {
        struct request *request = arg;
        struct slice line = { bytes, size * count };
        if (line.len > 5 && strncasecmp(line.ptr, "HTTP/", 5) == 0) { /* an interim answer (1xx) came before */
                request->id[0] = '\0';
                request->retry[0] = '\0';
        }
        take_header(line, "apns-id", request->id, sizeof(request->id));
        take_header(line, "location", request->id, sizeof(request->id));
        take_header(line, "retry-after", request->retry, sizeof(request->retry));
        return line.len;
}

/* http2#4. Sockets are counted, as libcurl does not say which connections it has. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to) {
        struct request *request = arg;
        struct pool *pool = request->pool;
        if (!pool->http2->options.any_address && !address_is_public(&to->addr)) {
                request->is_forbidden = true;
                return CURL_SOCKET_BAD;
        }
        int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
        if (fd < 0)
                return CURL_SOCKET_BAD;
        unsigned unacked_ms = UNACKED_MS;
        (void)!setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms)); /* without it: only slower to notice */
        if (pool->sockets++ == 0)
                window_on_connection(&pool->window);
        return fd;
}

static int on_close_socket(void *arg, curl_socket_t fd) {
        struct pool *pool = arg;
        assert(pool->sockets > 0);
        pool->sockets--;
        return close(fd);
}

/* What all requests of one http2 have in common. Strings are copied by libcurl. */
static bool set_common(struct request *request, const struct http2_options *options) {
        CURL *easy = request->easy;
        const char *protocols = options->any_scheme ? "https,http" : "https";
        long version = options->version == HTTP2_NEVER ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
        bool set = curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_PIPEWAIT, options->version == HTTP2_NEVER ? 0L : 1L) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->answer_ms) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_S) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L) == CURLE_OK && /* Apple: a fresh query for each connection */
                   curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_STEP_S) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK;
        if (options->ca_file)
                set = set && curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK;
        if (options->cert_file)
                set = set && curl_easy_setopt(easy, CURLOPT_SSLCERT, options->cert_file) == CURLE_OK &&
                      curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key_file ? options->key_file : options->cert_file) == CURLE_OK;
        return set;
}

static struct request *request_new(const struct http2_options *options) {
        struct request *request = calloc(1, sizeof(*request));
        if (!request)
                return NULL;
        list_init(&request->link);
        buf_init(&request->answer, LIMIT_PUSH_ANSWER_BYTES);
        request->easy = curl_easy_init();
        if (!request->easy || !set_common(request, options))
                return request_free(request);
        return request;
}

static struct request *request_take(struct http2 *http2) {
        struct list *idle = list_first(&http2->idle);
        if (!idle)
                return request_new(&http2->options);
        list_remove(idle);
        return LIST_CONTAINER(idle, struct request, link);
}

static bool add_header(struct request *request, const char *header) {
        struct curl_slist *longer = curl_slist_append(request->headers, header);
        if (longer)
                request->headers = longer;
        return longer != NULL;
}

/* A name without a value takes a header of libcurl's own away. */
static bool add_headers(struct request *request, const char *const *headers) {
        for (size_t i = 0; headers[i]; i++)
                if (!add_header(request, headers[i]))
                        return false;
        return add_header(request, "accept:") && add_header(request, "expect:");
}

/* The body is our own copy: libcurl may send it a second time on another connection. */
static bool request_fill(struct request *request, struct pool *pool, const struct http2_request *from) {
        request->pool = pool;
        request->is_cut = request->is_forbidden = false;
        request->id[0] = request->retry[0] = '\0';
        request->on_answer = from->on_answer;
        request->context = from->context;
        request->body = malloc(from->body.len + 1);
        if (!request->body || !add_headers(request, from->headers))
                return false;
        if (from->body.len)
                memcpy(request->body, from->body.ptr, from->body.len);
        return curl_easy_setopt(request->easy, CURLOPT_URL, from->url) == CURLE_OK &&
               curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK &&
               curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE, (long)from->body.len) == CURLE_OK &&
               curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->body) == CURLE_OK &&
               curl_easy_setopt(request->easy, CURLOPT_CLOSESOCKETDATA, pool) == CURLE_OK;
}

/* ---- Answers ---- */

static int error_of(const struct request *request, CURLcode code) {
        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
                return request->is_forbidden ? HTTP2_E_FORBIDDEN : HTTP2_E_DOWN;
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
                return HTTP2_E_FORBIDDEN;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS:
                return HTTP2_E_TLS;
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
                return HTTP2_E_OURS;
        case CURLE_OPERATION_TIMEDOUT:
                return HTTP2_E_LATE;
        default:
                return HTTP2_E_LOST;
        }
}

/*
 * A status of 200 to 299 says all we need, even if the body behind it never ends. Others need their body, which says why, and
 * count only whole, or cut off by us.
 */
static void read_answer(struct request *request, CURLcode code, struct http2_answer *answer) {
        long status = 0, version = 0;
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(request->easy, CURLINFO_HTTP_VERSION, &version);
        bool is_known = code == CURLE_OK || request->is_cut || (status >= 200 && status < 300);

        if (is_known && request->pool->http2->options.version == HTTP2_ONLY && version != CURL_HTTP_VERSION_2_0) {
                answer->error = HTTP2_E_OLD;
                return;
        }
        if (!is_known || status < 200) {
                answer->error = code == CURLE_OK ? HTTP2_E_LOST : error_of(request, code);
                return;
        }
        answer->status = (int)status;
        answer->is_cut = request->is_cut || code != CURLE_OK;
        answer->body = buf_slice(&request->answer);
        answer->id = request->id;
        answer->retry = request->retry;
}

static void pool_count(struct pool *pool, const struct request *request, const struct http2_answer *answer) {
        if (answer->error == 0) {
                window_on_answer(&pool->window, answer->status < 300);
        } else if (answer->error != HTTP2_E_CLOSED && request->number > pool->lost) {
                window_on_loss(&pool->window);
                pool->lost = pool->sent;
        }
}

static void request_finish(struct request *request, CURLcode code, int forced_error) {
        struct pool *pool = request->pool;
        struct http2 *http2 = pool->http2;
        struct http2_answer answer = { .error = forced_error, .id = "", .retry = "" };
        curl_multi_remove_handle(pool->multi, request->easy);
        if (forced_error == 0)
                read_answer(request, code, &answer);
        list_remove(&request->link);
        assert(pool->in_flight > 0);
        pool->in_flight--;
        pool_count(pool, request, &answer);
        if (pool->is_retiring && pool->in_flight == 0)
                pool_end_soon(pool);
        request->on_answer(request->context, &answer);
        request_rest(request, http2);
}

static void pool_collect(struct pool *pool) {
        int left;
        for (CURLMsg *message; !pool->is_ending && (message = curl_multi_info_read(pool->multi, &left));) {
                if (message->msg != CURLMSG_DONE)
                        continue;
                struct request *request = NULL;
                CURLcode code = message->data.result; /* the message is gone once its handle is removed */
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
                request_finish(request, code, 0);
        }
}

/* ---- The loop ---- */

static void on_watch_closed(uv_handle_t *handle) {
        free(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
        struct watch *watch = poll->data;
        struct pool *pool = watch->pool;
        int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
        if (events & UV_READABLE)
                flags |= CURL_CSELECT_IN;
        if (events & UV_WRITABLE)
                flags |= CURL_CSELECT_OUT;
        curl_multi_socket_action(pool->multi, watch->fd, flags, &running);
        pool_collect(pool);
}

static struct watch *watch_new(struct pool *pool, curl_socket_t fd) {
        struct watch *watch = calloc(1, sizeof(*watch));
        if (!watch)
                return NULL;
        watch->pool = pool;
        watch->fd = fd;
        watch->poll.data = watch;
        if (uv_poll_init_socket(pool->http2->loop, &watch->poll, fd) != 0) {
                free(watch);
                return NULL;
        }
        return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
        struct pool *pool = arg;
        struct watch *watch = socket_arg;
        if (what == CURL_POLL_REMOVE) {
                if (watch) {
                        curl_multi_assign(pool->multi, fd, NULL);
                        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
                }
                return 0;
        }
        if (!watch) {
                watch = watch_new(pool, fd);
                if (!watch)
                        return -1; /* libcurl fails the transfer */
                curl_multi_assign(pool->multi, fd, watch);
        }
        int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
        return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

static void http2_free(struct http2 *http2) {
        LIST_FOR_EACH(idle, &http2->idle)
                request_free(LIST_CONTAINER(idle, struct request, link));
        free(http2->ca_file);
        free(http2->cert_file);
        free(http2->key_file);
        free(http2);
}

static void on_pool_closed(uv_handle_t *handle) {
        struct pool *pool = handle->data;
        struct http2 *http2 = pool->http2;
        list_remove(&pool->link);
        if (http2->pool == pool)
                http2->pool = NULL;
        free(pool);
        if (!http2->is_closing || http2->pool || !list_is_empty(&http2->retiring))
                return;
        void (*on_closed)(void *) = http2->on_closed;
        void *context = http2->closed_context;
        http2_free(http2);
        on_closed(context);
}

static void on_end(uv_timer_t *timer) {
        struct pool *pool = timer->data;
        LIST_FOR_EACH(link, &pool->requests)
                request_finish(LIST_CONTAINER(link, struct request, link), CURLE_OK, HTTP2_E_CLOSED);
        curl_multi_cleanup(pool->multi);
        pool->multi = NULL;
        uv_close((uv_handle_t *)&pool->timer, on_pool_closed);
}

static void pool_end_soon(struct pool *pool) {
        if (pool->is_ending)
                return;
        pool->is_ending = true;
        uv_timer_start(&pool->timer, on_end, 0, 0);
}

static void on_timer(uv_timer_t *timer) {
        struct pool *pool = timer->data;
        int running;
        curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        pool_collect(pool);
}

static int on_want_time(CURLM *multi, long timeout_ms, void *arg) {
        struct pool *pool = arg;
        if (pool->is_ending)
                return 0;
        if (timeout_ms < 0)
                return uv_timer_stop(&pool->timer);
        uv_update_time(pool->http2->loop); /* libcurl counts from now, not from the beginning of this turn */
        return uv_timer_start(&pool->timer, on_timer, (uint64_t)timeout_ms, 0);
}

/* ---- Pools ---- */

static struct pool *pool_new(struct http2 *http2) {
        struct pool *pool = calloc(1, sizeof(*pool));
        if (!pool)
                return NULL;
        pool->http2 = http2;
        pool->multi = curl_multi_init();
        if (!pool->multi) {
                free(pool);
                return NULL;
        }
        list_init(&pool->link);
        list_init(&pool->requests);
        window_init(&pool->window, http2->options.streams);
        uv_timer_init(http2->loop, &pool->timer);
        pool->timer.data = pool;
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_want_time);
        curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
        curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, http2->options.version == HTTP2_NEVER ? (long)CURLPIPE_NOTHING : (long)CURLPIPE_MULTIPLEX);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http2->options.connections);
        curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)http2->options.connections);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)http2->options.streams);
        return pool;
}

int http2_new(struct uv_loop_s *loop, const struct http2_options *options, struct http2 **ret_http2) {
        struct http2 *http2 = calloc(1, sizeof(*http2));
        if (!http2)
                return -ENOMEM;
        http2->loop = loop;
        http2->options = *options;
        list_init(&http2->retiring);
        list_init(&http2->idle);
        http2->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
        http2->cert_file = options->cert_file ? strdup(options->cert_file) : NULL;
        http2->key_file = options->key_file ? strdup(options->key_file) : NULL;
        http2->options.ca_file = http2->ca_file;
        http2->options.cert_file = http2->cert_file;
        http2->options.key_file = http2->key_file;
        /* A pool comes last: once made it ends only in the loop. */
        bool copied = !http2->ca_file == !options->ca_file && !http2->cert_file == !options->cert_file &&
                      !http2->key_file == !options->key_file;
        http2->pool = copied ? pool_new(http2) : NULL;
        if (!http2->pool) {
                http2_free(http2);
                return -ENOMEM;
        }
        *ret_http2 = http2;
        return 0;
}

void http2_close(struct http2 *http2, void (*on_closed)(void *context), void *context) {
        assert(!http2->is_closing);
        http2->is_closing = true;
        http2->on_closed = on_closed;
        http2->closed_context = context;
        pool_end_soon(http2->pool);
        LIST_FOR_EACH(link, &http2->retiring)
                pool_end_soon(LIST_CONTAINER(link, struct pool, link));
}

uint32_t http2_in_flight(const struct http2 *http2) {
        uint32_t in_flight = http2->pool->in_flight;
        LIST_FOR_EACH(link, &http2->retiring)
                in_flight += LIST_CONTAINER(link, struct pool, link)->in_flight;
        return in_flight;
}

uint32_t http2_connections(const struct http2 *http2) {
        return http2->pool->sockets;
}

uint32_t http2_room(const struct http2 *http2) {
        const struct pool *pool = http2->pool;
        if (http2->is_closing || http2_in_flight(http2) >= http2->options.streams)
                return 0;
        if (pool->sockets == 0) /* the window hears of the connection only when it is opened */
                return pool->in_flight == 0;
        return window_room(&pool->window, pool->in_flight);
}

int http2_send(struct http2 *http2, const struct http2_request *from) {
        assert(http2_room(http2) > 0);
        struct pool *pool = http2->pool;
        struct request *request = request_take(http2);
        if (!request)
                return -ENOMEM;
        if (!request_fill(request, pool, from) || curl_multi_add_handle(pool->multi, request->easy) != CURLM_OK) {
                request_free(request);
                return -ENOMEM;
        }
        pool->in_flight++;
        request->number = ++pool->sent;
        list_append(&pool->requests, &request->link);
        return 0;
}

void http2_rest(struct http2 *http2) {
        struct pool *pool = http2->pool;
        if (pool->in_flight == 0 && http2->options.version != HTTP2_NEVER) /* without streams each connection is found out by itself */
                window_on_rest(&pool->window);
}

void http2_renew(struct http2 *http2) {
        struct pool *old = http2->pool;
        struct pool *fresh = http2->is_closing || old->sockets == 0 ? NULL : pool_new(http2);
        if (!fresh)
                return; /* nothing to leave behind; or no memory: then the old connection serves on, and may be renewed later */
        http2->pool = fresh;
        old->is_retiring = true;
        list_append(&http2->retiring, &old->link);
        if (old->in_flight == 0)
                pool_end_soon(old);
}
