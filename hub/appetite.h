/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appetite.h: whether a connection is read once more in the same turn of the loop.
 *
 * libwebsockets takes APPETITE_READ_BYTES of a connection and returns to the loop, as each connection pays for a buffer of that size. Of a
 * peer that says much, that is a message or two a turn, each with a sync of the store and a write to everyone of its own. So who
 * filled a read is read again, and what comes thereby shares both.
 *
 *   appetite#1  Who says less than half of that in a turn is not read again: for most messages that would be a call for nothing.
 *   appetite#2  Nobody is read more than LIMIT_READS times more in a turn.
 *   appetite#3  If that brought nothing the last time, who sends one message now and then is left alone, until something is heard in two turns
 *               behind each other: there is more to come then.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APPETITE_READ_BYTES = 256 }; /* the main knob of memory: 1.6 KB a connection instead of 5.5 with 4,096 */

/* All zero at first. */
struct appetite {
        uint32_t turn;         /* of the loop, in which the connection was heard last; in it: */
        uint16_t reads;        /* how often it was read again */
        bool fed;              /* it was, and nothing was heard since */
        bool sated;            /* appetite#3 */
        uint32_t heard_bytes;  /* since it was last */
};

/* It said len bytes of payload in this turn. Returns whether it is to be read again. */
bool appetite_hear(struct appetite *appetite, uint32_t turn, size_t len);
/* It is read again now. */
void appetite_feed(struct appetite *appetite);
