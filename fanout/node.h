/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.h: this worker as others see it: a channel in the store on which everything for its sessions arrives.
 *
 * 1. Every message that matters carries a number that rises by one for each in its partition. A hole in the numbers, or a
 *    counter in the store that stays ahead of what arrived (a lost tail), makes the node compare the heads of all its
 *    users' inboxes with what their sessions know: on_head().
 * 2. When the channel opens, or the store comes up or is another one, what arrives may be of a past that the store has lost: until a
 *    probe that was sent since has come back, events are passed over, and inboxes are compared then. Numbers are counted from there.
 * 3. The link that reads never waits for a receiver.
 * 4. A probe is published to the own channel each second; node_is_ready() tells whether they come back.
 *
 * A node is one run of one worker: its id is new at every start, so nothing meant for an earlier run is taken for its own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/link.h"
#include "base/list.h"
#include "base/slice.h"
#include "fanout/event.h"

struct fanout;
struct frame;
struct node;
struct subscriber;
struct wheel;

/* What a session gives to be told. All of it comes from the loop; none of it may free the subscriber's audience-mates. */
struct subscriber_calls {
        /* An event; tail is borrowed. */
        void (*on_event)(struct subscriber *subscriber, enum event_type type, uint64_t n, struct frame *tail);
        /* The head of the inbox is at least n. */
        void (*on_head)(struct subscriber *subscriber, uint64_t n);
        /* Another session of the device took over, or the backend ended this one. */
        void (*on_kick)(struct subscriber *subscriber, int close_code);
        /* The store has another epoch for the user, or another session for the device, or none: the session must ask. */
        void (*on_doubt)(struct subscriber *subscriber);
        /* A whole frame that may be dropped; borrowed. */
        void (*on_ephemeral)(struct subscriber *subscriber, struct frame *frame);
        /* The user's typing in conv has ended, and not by this session: its message came by another, say. */
        void (*on_typed)(struct subscriber *subscriber, struct slice conv);
};

struct subscriber {
        struct list link; /* in its user's audience */
        const struct subscriber_calls *calls;
        struct slice user, device, session; /* of the embedding struct */
};

struct node_options {
        uv_loop_t *loop;
        struct wheel *wheel;
        const struct link_address *address;
        const char *ca_file;
        uint64_t timeout_ms;
        int64_t typing_ttl_ms;
        void *context;
        /* A followed user's sessions changed; live as packed by lua/session.lua. */
        void (*on_presence)(void *context, struct slice user, int64_t seen_ms, bool invisible, struct slice live);
        /* A node is new, or lives again; what comes from it comes after this. */
        void (*on_birth)(void *context, struct slice node);
        /* The store believes in a session here that is none. */
        void (*on_stray)(void *context, struct slice user, struct slice device, struct slice session);
        /* Messages were lost: whoever follows presence must ask again. */
        void (*on_repair)(void *context);
};

/* Starts subscribing. NULL without memory. fanout->node is set. */
struct node *node_open(struct fanout *fanout, const struct node_options *options);
/* on_closed comes once, from the loop. Answers of the store may come still: free it when that is closed, too. */
void node_close(struct node *node, void (*on_closed)(void *context), void *context);
struct node *node_free(struct node *node);

struct slice node_id(const struct node *node);
/* Subscribed, the store up, and a probe came back within 3 s of now_ms (monotonic). */
bool node_is_ready(const struct node *node, uint64_t now_ms);
bool node_is_subscribed(const struct node *node);

/* Once a second: polls counters, sends the probe. */
void node_tick(struct node *node, uint64_t now_ms);
/* The store came up again or lost its past. */
void node_start_over(struct node *node);

/* From node_add() on, everything for the user reaches the subscriber. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int node_add(struct node *node, struct subscriber *subscriber);
void node_remove(struct node *node, struct subscriber *subscriber);
