/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry.h: when to connect again, after whatever ended the last connection. Pure: time and chance are arguments.
 *
 *      close 4000-4099   when goaway said; else at once, unless it was tried before: then backoff
 *      close 4200-4299   a fresh token, then at once likewise; so is an upgrade refused with 401
 *      close 4300-4399   a resync, then at once likewise
 *      close 4400-4499   not again, until the app says so
 *      all else          backoff, and not before Retry-After or goaway said
 *
 * Backoff is exponential with full jitter (base/backoff.h), from base_ms to max_ms. Every planned wait counts, and they are
 * forgotten only by a session that lived for reset_ms: a hub that accepts and then dies would otherwise be hammered at base_ms
 * for ever.
 *
 * 1. No two ends in a row are answered at once, unless the session between them was healthy.
 * 2. A delay is at most max_ms, or what the hub asked for; that counts up to RETRY_HINT_MAX_MS.
 * 3. Chance is drawn only for a backoff, and once.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/backoff.h"

enum {
        RETRY_BASE_MS = 500, /* before the first welcome says otherwise: the hub's own defaults */
        RETRY_MAX_MS = 30000,
        RETRY_RESET_MS = 30000,
        RETRY_HINT_MAX_MS = 3600000,
};

struct retry {
        struct backoff backoff;
        uint64_t reset_ms;
};

#define RETRY_INIT ((struct retry){ .backoff = { .base_ms = RETRY_BASE_MS, .max_ms = RETRY_MAX_MS }, .reset_ms = RETRY_RESET_MS })

/* How a connection, or an attempt at one, ended. */
struct retry_end {
        int close_code;    /* of the WebSocket; 0: none came */
        int http_status;   /* of a refused upgrade; 0: none */
        int64_t hint_ms;   /* goaway.retry_after_ms or Retry-After; -1: none */
        uint64_t alive_ms; /* how long the session lived since welcome; 0: there was none */
};

enum retry_need { RETRY_NEEDS_NOTHING, RETRY_NEEDS_TOKEN, RETRY_NEEDS_RESYNC };

struct retry_plan {
        bool stop;         /* do not connect again */
        bool told;         /* the hub named the delay: no hint of the app shortens it */
        uint64_t delay_ms; /* from now */
        enum retry_need need;
};

/* One end. chance yields any uniform number. */
struct retry_plan retry_step(struct retry *retry, const struct retry_end *end, uint64_t (*chance)(void *context), void *context);
