/* SPDX-License-Identifier: Apache-2.0 */
/*
 * carrier.h: takes the items of the outbox over a session: what may go, goes; what is not answered, or refused for now, goes
 * again with the same op.
 *
 * Everything here happens inside a transaction of the caller.
 *
 * 1. An item is committed as sending in the transaction that made its frame, before the frame leaves.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct asked;
struct asked_row;
struct buf;
struct db;
struct inbound;

struct carrier {
        int64_t due_ms; /* wall time at which a waiting item may go, or one expires; 0: none */
};

/* Sends as many as may be under way. */
void carrier_pump(struct carrier *carrier, struct db *db, uint64_t now_ms, int64_t wall_ms, struct asked *asked, struct buf *out);
/* Without a session there is only what expires. */
void carrier_expire(struct carrier *carrier, struct db *db, int64_t wall_ms);
/* The hub refused an item. chance is drawn only if the hub says nothing of when to try again. */
void carrier_on_error(struct db *db, const struct asked_row *request, const struct inbound *in, int64_t wall_ms,
                      uint64_t (*chance)(void *context), void *context);
/* What was not answered in time waits again: true if there was something. */
bool carrier_revert_late(struct db *db, uint64_t now_ms, struct asked *asked);
/* When the first will be late: monotonic, 0 if none is under way. */
uint64_t carrier_late_ms(const struct asked *asked);
