/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.h: which nodes live.
 *
 * Each node renews its lease every LEASE_TICK_MS; one that did not for LEASE_TTL_MS is dead. So after a crash presence is right
 * everywhere within 5 s (4 s of lease and one tick), and no timer per user exists. A worker that a supervisor starts in place of a
 * dead one says so at once (lease_leave).
 *
 * 1. Time is the store's: nodes need no common clock.
 * 2. A time in which the store was away (or we were stopped) is not held against anyone: a node is called dead only after we
 *    ourselves have looked without a break for as long as a lease lasts.
 * 3. A node whose own lease had run out learns it (on_lost) and registers its sessions anew before it relies on them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;
struct lease;

enum { LEASE_TTL_MS = 4000, LEASE_TICK_MS = 500 };

struct lease_options {
        void *context;
        void (*on_held)(void *context);                                          /* the first renewal is confirmed */
        void (*on_lost)(void *context);                                          /* ours had run out; it is renewed now */
        void (*on_death)(void *context, struct slice node, int64_t last_ms);     /* last_ms: its latest renewal, wall time of the store */
        void (*on_life)(void *context);                                          /* some node is new, or lives after all; or unknown ones are dead now */
};

struct lease *lease_new(struct fanout *fanout, const struct lease_options *options);
struct lease *lease_free(struct lease *lease);

/* Every LEASE_TICK_MS, while the store is up. */
void lease_tick(struct lease *lease);
/* The store may have forgotten us: at once, before any session registers anew. */
void lease_renew(struct lease *lease);
bool lease_is_held(const struct lease *lease);
/* Does a session on this node count? */
bool lease_is_alive(const struct lease *lease, struct slice node);
/* The node channel says that a node is new, or lives again. */
void lease_on_birth(struct lease *lease, struct slice node);
/* The store's clock at now_ms (monotonic) as far as it is known here: it may be behind by as long as an answer takes, never ahead. */
int64_t lease_store_ms(const struct lease *lease, uint64_t now_ms);
/* Of all living nodes, the one that does what needs doing once. */
bool lease_is_chosen(const struct lease *lease);
/* A node has gone for good (this one, or the one whose process died and was replaced by this): others need not wait for its lease to run out. */
void lease_leave(struct lease *lease, struct slice node);
/* The same of a node that seems dead; if it lives after all, nothing happens. */
void lease_forget(struct lease *lease, struct slice node);
