/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c: name -> address -> connect -> (TLS) -> bytes.
 *
 * Which handle writes in time? A prepare handle does not: libuv calls a snapshot of them, and what another prepare handle
 * appends after ours would lie there as long as the loop sleeps. An idle handle does: while one is active the loop does not
 * sleep at all. The first append of a turn starts it, and it stops itself when it has written.
 *
 * Memory is freed when libuv holds nothing of it any more (holds): the socket, the idle handle, a look-up. A look-up that has
 * begun cannot be cancelled, so closing may take as long as the resolver does.
 */
#include "base/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/tls.h"

#define STREAM_READ_BYTES 16384  /* one TLS record; more only makes redisReader move bytes about (it compacts after each 1 KB) */
#define STREAM_SEAL_BYTES 65536  /* encrypted at once: OpenSSL's memory never shrinks */
#define STREAM_KEPT_BYTES 262144 /* a buffer that grew past this in a burst gives its memory back */

struct stream {
        struct stream_options options;
        uv_loop_t *loop;
        union {
                uv_handle_t handle;
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        } socket;
        uv_idle_t idle; /* active: something is to be written */
        uv_connect_t connect;
        uv_getaddrinfo_t resolve;
        uv_write_t write;
        unsigned holds;
        int error; /* met inside stream_open(), told from the loop */

        bool is_open;
        bool is_over; /* lost or closed: no callback but on_closed */
        bool is_closing, is_resolving, is_writing;
        bool is_mute; /* the peer takes nothing more */

        struct tls *tls;
        struct buf out;     /* plain */
        struct buf sealed;  /* encrypted, all of it if there is no failure */
        struct buf writing; /* lent to uv_write() */
        char in[STREAM_READ_BYTES];
};

static void stream_free(struct stream *stream) {
        tls_free(stream->tls);
        buf_deinit(&stream->out);
        buf_deinit(&stream->sealed);
        buf_deinit(&stream->writing);
        free(stream);
}

/* Called when libuv lets go of one thing. Unless we are closing there are others. */
static void stream_let_go(struct stream *stream) {
        void (*on_closed)(void *context) = stream->options.on_closed;
        void *context = stream->options.context;

        stream->holds--;
        if (stream->holds > 0)
                return;
        assert(stream->is_closing);
        stream_free(stream);
        on_closed(context);
}

/* Tells that it is over, once (stream#2). */
static void __attribute__((format(printf, 2, 3))) stream_lose(struct stream *stream, const char *format, ...) {
        char reason[256];
        va_list args;

        if (stream->is_over)
                return;
        va_start(args, format);
        vsnprintf(reason, sizeof(reason), format, args);
        va_end(args);
        stream->is_over = true;
        uv_read_stop(&stream->socket.stream);
        stream->options.on_lost(stream, reason, stream->options.context);
}

static void stream_become_open(struct stream *stream) {
        stream->is_open = true;
        stream->options.on_open(stream, stream->options.context);
}

/* ---- Writing ---- */

static void stream_flush(struct stream *stream);

static void on_idle(uv_idle_t *idle) {
        struct stream *stream = idle->data;

        uv_idle_stop(idle);
        if (stream->error < 0)
                stream_lose(stream, "connect: %s", uv_strerror(stream->error));
        else
                stream_flush(stream);
}

static void stream_wake(struct stream *stream) {
        uv_idle_start(&stream->idle, on_idle);
}

/*
 * The peer has hung up. What it sent before (why it did, answers to what we sent earlier) may still lie in our socket, so
 * reading decides when it is over (stream#4).
 */
static void stream_fail_write(struct stream *stream, int error) {
        if (error == UV_EPIPE || error == UV_ECONNRESET)
                stream->is_mute = true;
        else
                stream_lose(stream, "write: %s", uv_strerror(error));
}

static void on_written(uv_write_t *write, int status) {
        struct stream *stream = write->data;

        stream->is_writing = false;
        buf_deinit(&stream->writing);
        if (stream->is_over)
                return;
        if (status < 0)
                stream_fail_write(stream, status);
        else
                stream_flush(stream);
}

/* Hands the rest to libuv, which waits until the socket takes more; what comes meanwhile gathers in a fresh buffer. */
static void stream_write_rest(struct stream *stream, struct buf *ready, size_t written) {
        size_t limit = ready->limit;
        uv_buf_t chunk;
        int r;

        stream->writing = *ready;
        buf_init(ready, limit);
        chunk = uv_buf_init(stream->writing.ptr + written, (unsigned)(stream->writing.len - written));
        r = uv_write(&stream->write, &stream->socket.stream, &chunk, 1, on_written);
        if (r < 0)
                stream_fail_write(stream, r);
        else
                stream->is_writing = true;
}

/* Encrypts what is plain, and adds what TLS itself has to say: 0 or TLS_E_PEER. */
static int stream_seal(struct stream *stream) {
        struct slice rest = buf_slice(&stream->out);
        int r = 0;

        while (r == 0 && rest.len > 0) {
                size_t len = rest.len < STREAM_SEAL_BYTES ? rest.len : STREAM_SEAL_BYTES;

                r = tls_write(stream->tls, (struct slice){ rest.ptr, len });
                if (r == 0)
                        rest = (struct slice){ rest.ptr + len, rest.len - len };
                tls_output(stream->tls, &stream->sealed);
        }
        buf_consume(&stream->out, stream->out.len - rest.len);
        tls_output(stream->tls, &stream->sealed);
        return r == TLS_E_PEER ? TLS_E_PEER : 0;
}

static void stream_write_now(struct stream *stream, struct buf *ready) {
        uv_buf_t chunk = uv_buf_init(ready->ptr, (unsigned)ready->len);
        int n = uv_try_write(&stream->socket.stream, &chunk, 1);

        if (n < 0 && n != UV_EAGAIN)
                stream_fail_write(stream, n);
        else if (n < 0 || (size_t)n < ready->len)
                stream_write_rest(stream, ready, n < 0 ? 0 : (size_t)n);
        else if (ready->cap > STREAM_KEPT_BYTES)
                buf_deinit(ready);
        else
                buf_clear(ready);
}

static void stream_flush(struct stream *stream) {
        struct buf *ready = stream->tls ? &stream->sealed : &stream->out;

        if (stream->is_over || stream->is_writing || stream->is_mute)
                return; /* on_written() comes back here */
        if (buf_failed(&stream->out)) {
                stream_lose(stream, "out of memory");
        } else if (stream->tls && stream_seal(stream) != 0) {
                stream_lose(stream, "TLS: %s", tls_error(stream->tls));
        } else if (buf_failed(ready)) {
                stream_lose(stream, "out of memory");
        } else if (ready->len > 0) {
                stream_write_now(stream, ready);
        }
}

struct buf *stream_out(struct stream *stream) {
        assert(stream->is_open && !stream->is_over);
        stream_wake(stream);
        return &stream->out;
}

/* ---- Reading ---- */

/* One move of the handshake. Its last message, or an alert that tells the peer what we dislike, leaves before we go on. */
static void stream_shake_hands(struct stream *stream) {
        int r = tls_step(stream->tls);

        stream_flush(stream);
        if (stream->is_over || r == TLS_E_WAIT)
                return;
        if (r)
                stream_lose(stream, "TLS: %s", tls_error(stream->tls));
        else
                stream_become_open(stream);
}

static void stream_decrypt(struct stream *stream, struct slice bytes) {
        char plain[STREAM_READ_BYTES];
        size_t len;
        int r = 0;

        if (tls_feed(stream->tls, bytes) < 0) {
                stream_lose(stream, "out of memory");
                return;
        }
        if (!stream->is_open)
                stream_shake_hands(stream);
        while (r == 0 && stream->is_open && !stream->is_over) {
                r = tls_read(stream->tls, plain, sizeof(plain), &len);
                if (r == 0)
                        stream->options.on_read(stream, (struct slice){ plain, len }, stream->options.context);
        }
        if (stream->is_over)
                return;
        if (r == TLS_E_END || r == TLS_E_PEER)
                stream_lose(stream, "TLS: %s", tls_error(stream->tls));
        else
                stream_wake(stream); /* reading may have made something to write, such as the answer to a key update */
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf) {
        struct stream *stream = handle->data;

        *ret_buf = uv_buf_init(stream->in, sizeof(stream->in));
}

static void on_read(uv_stream_t *socket, ssize_t nread, const uv_buf_t *buf) {
        struct stream *stream = socket->data;

        if (nread == 0 || stream->is_over)
                return;
        if (nread == UV_EOF)
                stream_lose(stream, "the peer closed the connection");
        else if (nread < 0)
                stream_lose(stream, "read: %s", uv_strerror((int)nread));
        else if (stream->tls)
                stream_decrypt(stream, (struct slice){ buf->base, (size_t)nread });
        else
                stream->options.on_read(stream, (struct slice){ buf->base, (size_t)nread }, stream->options.context);
}

/* ---- Connecting ---- */

static void on_connected(uv_connect_t *connect, int status) {
        struct stream *stream = connect->data;

        if (stream->is_over)
                return;
        if (status == 0 && !stream->options.path)
                (void)uv_tcp_nodelay(&stream->socket.tcp, 1); /* without it we are only slower */
        if (status == 0)
                status = uv_read_start(&stream->socket.stream, on_alloc, on_read);
        if (status < 0)
                stream_lose(stream, "connect: %s", uv_strerror(status));
        else if (stream->tls)
                stream_shake_hands(stream);
        else
                stream_become_open(stream);
}

static int stream_connect_tcp(struct stream *stream, const struct sockaddr *address) {
        return uv_tcp_connect(&stream->connect, &stream->socket.tcp, address, on_connected);
}

/* A name with ::1 and 127.0.0.1, of which one listens: whoever tries again passes the next turn. */
static const struct addrinfo *stream_choose(const struct addrinfo *list, unsigned turn) {
        const struct addrinfo *chosen = list;

        for (unsigned steps = turn % 64; steps > 0; steps--) /* a name has fewer; a long outage does not count for ever */
                chosen = chosen->ai_next ? chosen->ai_next : list;
        return chosen;
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list) {
        struct stream *stream = resolve->data;

        stream->is_resolving = false;
        if (status == 0 && !stream->is_over)
                status = stream_connect_tcp(stream, stream_choose(list, stream->options.turn)->ai_addr);
        if (status < 0)
                stream_lose(stream, "connect: %s", uv_strerror(status));
        uv_freeaddrinfo(list);
        stream_let_go(stream);
}

static int stream_resolve(struct stream *stream) {
        struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
        char port[8];

        int r;

        snprintf(port, sizeof(port), "%u", (unsigned)stream->options.port);
        r = uv_getaddrinfo(stream->loop, &stream->resolve, on_resolved, stream->options.host, port, &hints);
        if (r < 0)
                return r;
        stream->is_resolving = true;
        stream->holds++;
        return 0;
}

/* An IP address needs no look-up, and so no thread. */
static int stream_connect(struct stream *stream) {
        const struct stream_options *options = &stream->options;
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        } to;

        if (options->path) {
                uv_pipe_connect(&stream->connect, &stream->socket.pipe, options->path, on_connected);
                return 0;
        }
        if (uv_ip4_addr(options->host, options->port, &to.in) == 0 || uv_ip6_addr(options->host, options->port, &to.in6) == 0)
                return stream_connect_tcp(stream, &to.any);
        return stream_resolve(stream);
}

/* ---- Opening and closing ---- */

/* 0 once libuv holds the socket: from then on the way out is stream_close(). */
static int stream_build(struct stream *stream) {
        const struct stream_options *options = &stream->options;

        buf_init(&stream->out, options->limit_bytes);
        buf_init(&stream->sealed,
                 options->limit_bytes + options->limit_bytes / 64 + STREAM_SEAL_BYTES); /* TLS adds 22 bytes to 16 KB */
        buf_init(&stream->writing, stream->sealed.limit);
        if (options->tls) {
                int r = tls_new(options->host, options->ca_file, &stream->tls);

                if (r)
                        return r;
        }
        return options->path ? uv_pipe_init(stream->loop, &stream->socket.pipe, 0)
                             : uv_tcp_init(stream->loop, &stream->socket.tcp);
}

int stream_open(uv_loop_t *loop, const struct stream_options *options, struct stream **ret_stream) {
        struct stream *stream = calloc(1, sizeof(*stream));
        int r;

        if (!stream)
                return -ENOMEM;
        stream->loop = loop;
        stream->options = *options;
        r = stream_build(stream);
        if (r) {
                stream_free(stream);
                return r;
        }
        uv_idle_init(loop, &stream->idle);
        stream->socket.handle.data = stream->idle.data = stream;
        stream->connect.data = stream->resolve.data = stream->write.data = stream;
        stream->holds = 2;
        stream->error = stream_connect(stream);
        if (stream->error < 0)
                stream_wake(stream);
        *ret_stream = stream;
        return 0;
}

static void on_handle_closed(uv_handle_t *handle) {
        stream_let_go(handle->data);
}

void stream_close(struct stream *stream) {
        assert(!stream->is_closing);
        stream->is_closing = stream->is_over = true;
        if (stream->is_resolving)
                (void)uv_cancel((uv_req_t *)&stream->resolve);
        uv_close(&stream->socket.handle, on_handle_closed);
        uv_close((uv_handle_t *)&stream->idle, on_handle_closed);
}
