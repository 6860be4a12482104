/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asked.h: what the hub was asked in this session and has not answered yet, by id.
 *
 * 1. An id is used once in a session. At most ASKED_MAX are open: what finds no place is asked when another is answered.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

enum { ASKED_MAX = 64 };

enum asked_kind {
        ASKED_NOTHING,
        ASKED_HELLO,
        ASKED_SEND, /* an item of the outbox */
        ASKED_READ,
        ASKED_CONVERSATIONS, /* a page, because a reload is due */
        ASKED_LATEST,        /* the latest page of history, likewise */
        ASKED_REPORT,
        ASKED_SUBSCRIBE,
        ASKED_WATCH,
        ASKED_AUTH,
        ASKED_PING,
        ASKED_BY_APP,
};

struct asked_row {
        enum asked_kind kind;
        int64_t id;
        int64_t seq;                   /* read: up to which; subscribe: since which, -1 if from now */
        uint64_t due_ms;               /* of an item: when it is sent again */
        char name[LIMIT_ID_BYTES + 1]; /* op of an item; after of a page of conversations; else conv */
};

struct asked {
        int64_t next_id;
        struct asked_row rows[ASKED_MAX];
};

void asked_init(struct asked *asked);
/* A new row, or NULL if there is no place. */
struct asked_row *asked_add(struct asked *asked, enum asked_kind kind, const char *name);
struct asked_row *asked_find(struct asked *asked, int64_t id);
struct asked_row *asked_find_send(struct asked *asked, const char *op);
/* It is answered. row may be NULL. */
void asked_drop(struct asked_row *row);
size_t asked_count(const struct asked *asked, enum asked_kind kind);
