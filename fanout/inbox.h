/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox.h: reads one page of an inbox, ready to be sent.
 *
 * Pointers first (lua/inbox.lua, b1_sync), then what they point to, grouped by the owner of its slot (b1_fetch).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"
#include "fanout/event.h"
#include "fanout/fanout.h"

struct fanout;
struct frame;
struct inbox_read;

struct inbox_event {
        uint64_t n;
        enum event_type type;
        struct frame *tail; /* NULL: what it pointed to is gone */
};

struct inbox_page {
        int answer;         /* 0 or FANOUT_E_UNAVAILABLE */
        char epoch[EPOCH_BYTES];
        uint64_t base;      /* events up to it are gone from the inbox */
        uint64_t head;
        uint64_t cursor;    /* if base is above what was asked for: of the device, as the store has it */
        uint64_t next;      /* everything up to it is in this page (or gone, or replaced by a later receipt) */
        size_t count;
        struct inbox_event *events;
};

/* The result is borrowed for the time of the call. */
typedef void (*inbox_done_fn)(void *arg, const struct inbox_page *result);

/*
 * The events after n. What the session itself sent comes without body; "": no session, all have one. NULL: unavailable or without
 * memory, and done does not come.
 */
struct inbox_read *inbox_read(struct fanout *fanout, struct slice user, struct slice device, struct slice session, uint64_t after, size_t limit,
                              inbox_done_fn done, void *arg);
/* The caller goes away: done will not come. */
void inbox_cancel(struct inbox_read *page);
