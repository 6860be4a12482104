/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h: one connection to Redis on a libuv loop: pipelined, with timeouts, and connected again for ever.
 *
 * hiredis is used only to read replies (redisReader, RESP2); the transport is ours, as hiredis 0.14 has no TLS and its libuv
 * adapter swallows a refused connection. Commands of one loop turn leave in one write.
 *
 *      CLOSED -> CONNECTING -> (TLS) -> GREETING -> READY -> WAITING (backoff) -> CONNECTING …
 *
 * 1. A callback comes exactly once if link_command() returned 0, never if it did not, and never from inside link_command().
 * 2. When the connection is lost, every command already written gets reply NULL: its effect is unknown. Commands
 *    not yet written get NULL as well; the caller decides what may be repeated.
 * 3. While the link is not READY, link_command() returns LINK_E_DOWN.
 * 4. A link that has waited timeout_ms for a reply is lost (the peer is hung or the network is).
 * 5. With pushes (a subscriber link), frames named message, smessage, subscribe, ssubscribe, sunsubscribe … go to on_push and
 *    never to a command's callback. Its reader is never blocked by the receiver.
 * 6. A READONLY reply, or a refused subscription, ends the connection after its callback: the address leads elsewhere by now.
 *
 * Any callback may call link_command() and link_close(). The process must ignore SIGPIPE.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/slice.h"

struct link;
struct redisReply;

enum {
        LINK_E_DOWN = 1, /* not connected now */
        LINK_E_FULL,     /* LIMIT_LINK_PENDING commands are waiting */
        LINK_E_URL,      /* not a redis://, rediss:// or unix:// URL */
};

struct link_address {
        char *host;     /* NULL for a Unix socket */
        char *path;     /* NULL for TCP */
        uint16_t port;
        bool tls;
        char *user, *password; /* NULL if none */
        int database;
};

/*
 * redis://[[user]:password@]host[:port][/db], rediss:// the same over TLS, unix:///path[?db=N] with the same user part:
 * percent-encoding in user and password is decoded. 0, -ENOMEM or LINK_E_URL. deinit frees the parts.
 */
__attribute__((warn_unused_result)) int link_parse_address(const char *url, struct link_address *ret_address);
void link_address_deinit(struct link_address *address);

struct link_options {
        const struct link_address *address; /* borrowed, outlives the link */
        const char *ca_file;                /* NULL: the system's */
        const char *name;                   /* for the log */
        uint64_t timeout_ms;                /* for connect and for each reply */
        bool pushes;                        /* a subscriber link */
        void *context;
        /* Connected, greeted (AUTH, SELECT): commands may be sent. Comes again after each reconnect. */
        void (*on_up)(struct link *link, void *context);
        /* Lost after it was up. Pending callbacks have had their NULL before. Not after link_close(). */
        void (*on_down)(struct link *link, void *context);
        /* A push frame: an array whose first element names it. The reply is freed afterwards. */
        void (*on_push)(struct link *link, struct redisReply *reply, void *context);
};

/* reply is NULL if the connection was lost; it is freed after the callback. Redis errors come as REDIS_REPLY_ERROR. */
typedef void (*link_reply_fn)(struct link *link, struct redisReply *reply, void *arg);

/* Starts connecting. NULL without memory. */
struct link *link_open(uv_loop_t *loop, const struct link_options *options);
/*
 * Ends: pending callbacks get NULL, then on_closed comes (all from the loop, exactly once) and the link is freed. Takes as long
 * as a look-up of the host's name that has begun: libuv cannot cancel one.
 */
void link_close(struct link *link, void (*on_closed)(void *context), void *context);

/*
 * Queues one command; argv is copied into the output buffer at once. cb NULL: the reply does not matter.
 * On a subscriber link use cb NULL for SSUBSCRIBE and the like. 0, LINK_E_DOWN, LINK_E_FULL or -ENOMEM.
 */
__attribute__((warn_unused_result)) int link_command(struct link *link, size_t argc, const struct slice *argv, link_reply_fn cb, void *arg);

bool link_is_ready(const struct link *link);
size_t link_pending(const struct link *link); /* commands without a reply yet */
