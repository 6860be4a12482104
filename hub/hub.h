/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub.h: what the parts of a hub worker share. There is one struct hub in a worker, and it is reached through an argument.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/list.h"
#include "fanout/fanout.h"

struct acceptor;
struct buf;
struct acks;
struct auth;
struct config;
struct detach_queue;
struct lease;
struct limiter;
struct lws_context;
struct lws_vhost;
struct metrics_page;
struct watch;
struct wheel;

struct hub {
        uv_loop_t *loop;
        const struct config *config;
        struct auth *auth;
        const struct metrics_page *metrics;
        struct fanout fanout;
        struct acks *acks;
        struct detach_queue *detaches;
        struct lease *lease;
        struct watch *watch;
        struct wheel *wheel;
        struct acceptor *acceptor;
        struct limiter *user_limiter, *conv_limiter, *address_limiter;
        struct lws_context *lws;
        struct lws_vhost *vhost;
        struct list sessions;   /* struct session, all */
        struct list dirty;      /* struct session, dirty: has something to write */
        size_t connections;     /* WebSockets open */
        size_t connections_max;
        bool memory_full;       /* above memory_max_mb */
        struct buf *scratch;    /* for what is written right away */
        bool draining;
        bool busy;              /* the loop has little idle time: frames are gathered for up to 2 ms */
        struct list handshakes; /* struct conn, handshake: the oldest first */
        struct list https;      /* struct http, all */
};

/* Everything a session needs is there: the store, the node channel, the lease. */
bool hub_is_ready(const struct hub *hub);
