/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub.h: what the parts of a hub worker share, and how they are put together. There is one struct hub in a worker, and it is
 * reached through an argument.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/chance.h"
#include "base/limits.h"
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
struct link_address;
struct lws_context;
struct lws_vhost;
struct metrics_page;
struct tend;
struct ticket_ring;
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
        struct tend *tend;
        struct wheel *wheel;
        struct acceptor *acceptor;
        struct limiter *user_limiter, *conv_limiter, *address_limiter, *report_limiter;
        struct lws_context *lws;
        struct lws_vhost *vhost;
        struct ticket_ring *tickets; /* for TLS */
        struct list sessions;   /* struct session, all */
        struct list dirty;      /* struct session, dirty: has something to write */
        struct list unattached; /* struct session, unattached: waits to be registered anew */
        unsigned attaching;     /* sessions that are, right now */
        size_t connections;     /* WebSockets open */
        size_t connections_max;
        bool memory_full;       /* above memory_max_mb */
        struct buf *scratch;    /* for what is written right away */
        struct chance_stock ids; /* of sessions: a call of the kernel for each would be a good part of its handshake */
        bool draining;
        unsigned ticks;
        unsigned killed;        /* connections in this tick, see hub_may_kill() */
        uint64_t ticked_ms;     /* the latest tick */
        bool stalled;           /* this tick came late: what came meanwhile is not read yet */
        int closing;            /* what has still to report its end */
        void (*on_closed)(void *context);
        void *closed_context;
        bool busy;              /* the loop has little idle time: frames are gathered for up to 2 ms */
        struct list handshakes; /* struct conn, link: the oldest first */
        struct list hungry;     /* struct conn, link: may have more to say than was read in this turn of the loop */
        uint32_t turn;          /* counts them, for the above */
        bool hearing;           /* lws hands out what a peer said, and must not be told to stop before it has: see gateway_hold() */
        struct list https;      /* struct http, all */
        uint64_t asked_ms;      /* the latest request by HTTP */
};

enum { HUB_TICK_MS = 100, HUB_STALL_MS = 500 };

/*
 * Opens the store and all that lives on it. loop and config are set before; metrics, scratch, auth and what is of the sockets are the
 * worker's own. 0 or -ENOMEM. The address is borrowed.
 */
__attribute__((warn_unused_result)) int hub_open(struct hub *hub, const struct link_address *address);
/* Leaves the store and closes the links; on_closed comes once, from the loop. Nobody may be connected any more. */
void hub_close(struct hub *hub, void (*on_closed)(void *context), void *context);
/* Frees what hub_open() made, even if that failed; the links are closed. */
void hub_deinit(struct hub *hub);

/* Goes by this configuration from now on, which must live as long; for the rest (addresses, TLS, presence) it is too late. */
void hub_configure(struct hub *hub, const struct config *config);

/* One more connection may be killed in this tick; else the next one does it. */
static inline bool hub_may_kill(struct hub *hub) {
        return hub->killed++ < LIMIT_KILLS;
}

/*
 * Does the tick of now come so late behind the one before (0: none) that we stood still? Timers come before sockets in a turn of the loop, so
 * nobody is called late in it, before what was sent meanwhile is read. But not twice in a row: a loop that is always late must go on.
 */
bool hub_is_stalled(bool was, uint64_t before_ms, uint64_t now_ms);
/* Every HUB_TICK_MS: the timing wheel, acknowledgements of a loop without turns, what grew old, (every fifth) the lease. */
void hub_tick(struct hub *hub);
/* The sockets of a turn of the loop were read: acknowledgements, and what the turn asked of the store, leave. */
void hub_turn(struct hub *hub);
/* Every second, with monotonic time: counters, the probe, the sweeper. */
void hub_second(struct hub *hub, uint64_t now_ms);

/* Everything a session needs is there: the store, the node channel, the lease. */
bool hub_is_ready(const struct hub *hub);
