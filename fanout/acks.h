/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acks.h: brings acknowledgements to the store, coalesced, and raises the delivered watermarks they imply.
 *
 * 1. However often a session acknowledges while its turn has not come, one cursor is written. The more wait, the later it comes:
 *    with few after 100 ms, with many after a second, and of very many at once the last after some; so the store's work is bounded. And it
 *    is even: many go in small portions, as all else waits while the store takes one and the receipts it causes.
 * 2. An ack that could not be stored is repeated until it is; while the store is away, acks wait in their sessions.
 */
#pragma once
#include <stdint.h>
#include "base/list.h"
#include "base/slice.h"

struct acks;
struct fanout;
struct subscriber;

/* Embedded in a session. */
struct ack {
        struct list link;
        const struct subscriber *of; /* who acknowledges: of the embedding struct, as is epoch */
        const char *epoch;           /* of n */
        uint64_t n;
};

struct acks *acks_new(struct fanout *fanout);
struct acks *acks_free(struct acks *acks);

/* epoch is read when something is sent: the store takes no n of another one, nor of a session (of->session; "" for a visit) that the device has replaced. */
void acks_init(struct ack *ack, const struct subscriber *of, const char *epoch);
/* The device has everything up to n. */
void acks_note(struct acks *acks, struct ack *ack, uint64_t n);
/* The session ends: its ack is sent at once and not looked at again. */
void acks_take(struct acks *acks, struct ack *ack);
/* The store lost its past: what waits to be repeated was about other events. */
void acks_forget(struct acks *acks);
/* Sends those that waited longest, of those that wait as many as acks_due() says. Call it in every turn of the loop, and each 100 ms at least. */
void acks_flush(struct acks *acks, uint64_t now_ms);
/* Sends again what could not be stored. Call it each 100 ms. */
void acks_repeat(struct acks *acks);
/* How many of those waiting are to be sent so long after some were last; 0: none yet. */
size_t acks_due(size_t waiting, uint64_t passed_ms);
