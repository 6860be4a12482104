/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h: the channels that this node follows, and who here subscribes to them.
 *
 * An entry reaches the node once, becomes one frame, and is queued to the subscribers in slices of LIMIT_CHANNEL_SLICE, so that
 * an audience of any size holds up nobody else:
 *
 *                 a frame comes              queued
 *      LEVEL ---------------------> READY -----------------> LEVEL
 *                                   |  ^ ^
 *          its next frame is gone   |  | |  channel_resume()
 *          from here                v  | '------------------------ PARKED  the outbox had no room
 *                                  WAITING                         HELD    it is being asked who still may read
 *                                      a page of the log comes: one for all who wait, whoever asked
 *
 * 1. A subscription gets every entry from its place on, in order, once; or it is told that the log does not reach back: on_lost().
 * 2. Frames are held only while someone in READY needs them. A slow subscriber costs no memory here: the log is the buffer.
 * 3. The node is in the store's list of followers while there is a subscription, and told at its end.
 * 4. When members leave, a public channel is closed or the channel is deleted, nothing more is given before the store has said
 *    who still may read; who may not gets on_end().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "base/slice.h"

struct channel;
struct channel_sub;
struct channel_table;
struct entry;
struct fanout;
struct frame;

/* Where a subscriber stands. */
struct channel_place {
        struct slice epoch;
        uint64_t seq;
        bool recovered; /* everything after since follows */
};

/* None of them may subscribe or leave. */
struct channel_calls {
        /* An entry, borrowed. False: there is no room; channel_resume() when there is. */
        bool (*on_entry)(struct channel_sub *sub, struct frame *frame);
        /* What was before place.seq is lost to it; what comes after follows. */
        void (*on_lost)(struct channel_sub *sub, const struct channel_place *place);
        /* The subscription has ended (FANOUT_E_NOT_FOUND or FANOUT_E_FORBIDDEN); sub may be freed. */
        void (*on_end)(struct channel_sub *sub, int answer);
};

/* A subscription, embedded by who subscribes. Zeroed but for: */
struct channel_sub {
        const struct channel_calls *calls;
        struct slice user; /* of the embedding struct */
        bool granted;      /* may read, whatever the members are */
        /* channel.c's own */
        struct channel *channel; /* NULL: not subscribed (yet) */
        struct list link;        /* in one of its channel's lists by state, or in none */
        struct list check;       /* in one of its channel's lists by who may read */
        struct list asks;        /* struct channel_ask, link: of it and not yet answered */
        uint64_t next;           /* the seq it gets next */
        uint32_t era, round;     /* of the channel, when it was last in order with them */
        uint32_t index;          /* in a question for who may read */
};

struct channel_table *channel_table_new(struct fanout *fanout); /* NULL without memory */
struct channel_table *channel_table_free(struct channel_table *table); /* nobody subscribes any more */

/* Initialises what is channel.c's own. */
void channel_init(struct channel_sub *sub);
/* Neither subscribed nor about to be: may be freed. */
bool channel_is_over(const struct channel_sub *sub);

/* answer: 0 and a place, or FANOUT_E_…: then sub is as before. Entries come after it. FANOUT_E_CONFLICT: channel_leave() came first. */
typedef void (*channel_done_fn)(void *arg, int answer, const struct channel_place *place);

/*
 * Subscribes, or moves a subscription to another place. since NULL: from now on. 0: done comes exactly once, later, or from
 * channel_leave(). FANOUT_E_UNAVAILABLE or -ENOMEM: it does not come.
 */
__attribute__((warn_unused_result)) int channel_subscribe(struct channel_table *table, struct channel_sub *sub, struct slice conv,
                                                          const struct channel_place *since, channel_done_fn done, void *arg);
/* Ends the subscription; harmless if there is none. */
void channel_leave(struct channel_sub *sub);
/* There is room again. */
void channel_resume(struct channel_sub *sub);
/* sub->granted is true no longer: it may go on only if the store says so. */
void channel_recheck(struct channel_sub *sub);

/* From the node channel: an entry (C), a change of who may read (D), messages were lost. */
void channel_on_entry(struct channel_table *table, uint64_t seq, struct slice conv, const struct entry *entry);
void channel_on_change(struct channel_table *table, struct slice conv);
void channel_repair(struct channel_table *table);

/* One slice of work, which ends at a time of uv_hrtime(); 0: when it is done. */
void channel_turn(struct channel_table *table, uint64_t ends_ns);
/* Is there work for a turn right now? */
bool channel_is_busy(const struct channel_table *table);
/* Once a second: what failed is tried again. */
void channel_tick(struct channel_table *table);
