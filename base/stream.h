/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h: one connection over TCP, TLS or a Unix socket: it opens once, ends once and never comes back.
 *
 * 1. What is appended in one turn of the loop leaves in one write, and before the loop sleeps.
 * 2. on_open comes at most once and before any on_read; on_lost comes at most once and nothing but on_closed after it.
 * 3. No callback comes from inside stream_open(), stream_out() or stream_close(). After stream_close() only on_closed comes,
 *    exactly once, from the loop; the stream is freed then. So every callback may call stream_close().
 * 4. When the peer has hung up, what it sent before that is still read. on_lost comes after it.
 *
 * It knows no timeout and no second try: link.c does. The process must ignore SIGPIPE (libuv writes with it).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/slice.h"

struct buf;
struct stream;

/* All borrowed: they live until on_closed. */
struct stream_options {
        const char *path; /* a Unix socket, or NULL */
        const char *host; /* a name or an IP address */
        uint16_t port;
        unsigned turn;       /* a name with several addresses: which one, counted round and round */
        bool tls;            /* TLS to host */
        const char *ca_file; /* NULL: the system's authorities */
        size_t limit_bytes;  /* of what is not written yet */
        void *context;
        void (*on_open)(struct stream *stream, void *context);                     /* connected, with TLS shaken hands */
        void (*on_read)(struct stream *stream, struct slice bytes, void *context); /* plain bytes, lent */
        void (*on_lost)(struct stream *stream, const char *reason, void *context); /* reason is lent */
        void (*on_closed)(void *context);
};

/* 0, -ENOMEM, or TLS_E_CA (then nothing was opened and no callback comes). What else goes wrong is told by on_lost. */
__attribute__((warn_unused_result)) int stream_open(uv_loop_t *loop, const struct stream_options *options,
                                                    struct stream **ret_stream);
void stream_close(struct stream *stream);

/* Where to append what is to be written, once open. If it fails (limit, memory), on_lost comes. */
struct buf *stream_out(struct stream *stream);
