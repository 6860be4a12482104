/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h: the answer to one HTTP/1.1 request, read as it comes (RFC 9112): its head, then a body by length, in chunks, or up to
 * the end of the connection.
 *
 * 1. Whatever comes, it ends in REPLY_WHOLE, REPLY_BROKEN, or waits for more: nothing is believed beyond its limits.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"

enum reply_state { REPLY_HEAD, REPLY_BODY, REPLY_WHOLE, REPLY_BROKEN };

struct reply {
        enum reply_state state;
        bool upgrade; /* asked for: the body of a 101 is not HTTP */
        int status;
        struct buf head;
        struct buf body;
        struct buf raw; /* chunks not taken apart yet */
        bool chunked, until_end;
        uint64_t length; /* of the body */
};

void reply_init(struct reply *reply, size_t limit_bytes, bool upgrade);
void reply_deinit(struct reply *reply);
/* Takes bytes; returns how many. After a head that switches protocols the rest is not taken. */
size_t reply_feed(struct reply *reply, struct slice bytes);
/* The connection ended. */
void reply_end(struct reply *reply);
/* A header's value, without the space around it; ptr NULL if there is none. name in small letters. */
struct slice reply_header(const struct reply *reply, const char *name);
/* Retry-After in ms, if it is a number of seconds; else -1. */
int64_t reply_retry_after_ms(const struct reply *reply);
