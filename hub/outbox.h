/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h: what one session still has to write: a bounded ring of shared frames.
 *
 * 1. Events are held by n and tail; they may be dropped at any time, as the inbox has them (outbox_drop_events). A mark is what
 *    the hub says among them (gap, caught_up): it keeps its place, so the events before it stay when others are dropped.
 * 2. Ephemeral frames are refused when the ring is half full. Replies are always taken; the session stops reading from a peer
 *    that does not take them.
 * 3. Memory is held only while something waits.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"
#include "fanout/event.h"

struct buf;
struct frame;

struct outbox_slot {
        struct frame *frame; /* one reference */
        uint64_t what;       /* kind and event type in the top byte, n below */
};

/* How far the inbox was told. */
struct outbox_place {
        uint64_t n;     /* all up to it, by events and marks */
        uint64_t event; /* the latest event itself */
};

struct outbox {
        struct outbox_slot *slots;
        uint32_t head, count, capacity;
        uint32_t events;      /* of count */
        size_t bytes;         /* of all frames */
        size_t reply_bytes;   /* of the replies among them */
};

void outbox_deinit(struct outbox *outbox);

/* Takes a reference of its own. False: the ring is full (events, ephemera) or there is no memory. */
bool outbox_add_event(struct outbox *outbox, enum event_type type, uint64_t n, struct frame *tail);
bool outbox_add_ephemeral(struct outbox *outbox, struct frame *text);
/* An entry of a channel: refused as ephemeral frames are, so events always find room; the channel's log has it. */
bool outbox_add_entry(struct outbox *outbox, struct frame *text);
bool outbox_add_reply(struct outbox *outbox, struct frame *text);
/* Said once everything up to n is told. Taken as a reply is. */
bool outbox_add_mark(struct outbox *outbox, uint64_t n, struct frame *text);
/* A WebSocket ping (RFC 6455 section 5.5.2), without payload. */
bool outbox_add_ping(struct outbox *outbox);
/* A close frame (section 5.5.1); nothing may be added behind it. */
bool outbox_add_close(struct outbox *outbox, int code, struct slice reason);

/* Drops the events behind the last mark; returns how many. *ret_place moves on to what stays. */
uint32_t outbox_drop_events(struct outbox *outbox, struct outbox_place *ret_place);
/* Drops all events and marks: the session is at its end, or what they tell of is no more. */
void outbox_drop_all(struct outbox *outbox);

/*
 * Moves whole WebSocket frames (RFC 6455 section 5.2, unmasked, FIN) into out, as many as fit below limit bytes; the first one
 * always. Returns how many frames; *ret_place moves on with the events and marks among them.
 */
uint32_t outbox_gather(struct outbox *outbox, struct buf *out, size_t limit, struct outbox_place *ret_place);
