/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redial.h: when to connect again, after whatever ended the last connection. Pure: time and chance are arguments.
 *
 *      close 4000-4099   at once, or when goaway said; a second time without a healthy session between: backoff behind that
 *      close 4200-4299   a fresh token, then as above
 *      close 4300-4399   a reload, then as above
 *      close 4400-4499   not again, until the app says so
 *      upgrade 401       a fresh token, and backoff
 *      all else          backoff, behind Retry-After or goaway if there was one
 *
 * Backoff is exponential with full jitter (base/backoff.h), from base_ms to max_ms, and forgotten only by a session that lived
 * for reset_ms: a hub that accepts and then dies would otherwise be hammered at base_ms for ever.
 *
 * 1. No two ends in a row are answered at once, unless the session between them was healthy.
 * 2. A delay is at most max_ms behind what the hub asked for, and that counts up to REDIAL_HINT_MAX_MS.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/backoff.h"

enum {
        REDIAL_BASE_MS = 500, /* before the first welcome says otherwise: the hub's own defaults */
        REDIAL_MAX_MS = 30000,
        REDIAL_RESET_MS = 30000,
        REDIAL_HINT_MAX_MS = 3600000,
};

struct redial {
        struct backoff backoff;
        uint64_t reset_ms;
        bool hasty; /* an end was answered at once, and no healthy session followed */
};

#define REDIAL_INIT                                                                                                              \
        ((struct redial){ .backoff = { .base_ms = REDIAL_BASE_MS, .max_ms = REDIAL_MAX_MS }, .reset_ms = REDIAL_RESET_MS })

/* How a connection, or an attempt at one, ended. */
struct redial_end {
        int close_code;    /* of the WebSocket; 0: none came */
        int http_status;   /* of a refused upgrade; 0: none */
        int64_t hint_ms;   /* goaway.retry_after_ms or Retry-After; -1: none */
        uint64_t alive_ms; /* how long the session lived since welcome; 0: there was none */
};

enum redial_need { REDIAL_NEEDS_NOTHING, REDIAL_NEEDS_TOKEN, REDIAL_NEEDS_RELOAD };

struct redial_plan {
        bool stop;         /* do not connect again */
        bool told;         /* the hub named the delay: no hint of the app shortens it */
        uint64_t delay_ms; /* from now */
        enum redial_need need;
};

/* One end; random is any uniform number. */
struct redial_plan redial_step(struct redial *redial, const struct redial_end *end, uint64_t random);
/* The network is back, or the app came to the foreground: what we learnt of the old network says nothing now. */
void redial_forget(struct redial *redial);
