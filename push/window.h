/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h: how many requests may be under way at once on the connections to one provider.
 *
 * A server says how many streams it takes (SETTINGS_MAX_CONCURRENT_STREAMS), but libcurl keeps that to itself, and libcurl 7.88
 * loses requests on a connection that takes fewer than there are. APNs takes one until the first push was accepted. So:
 *
 *      room      1  1  2  4  8 …             most      on a loss: half        then one more for each 64 answers
 *                |  first success: doubled by each round of answers
 *                a new connection: one request alone
 *
 * 1. On a new connection there is one request until one has been answered well.
 * 2. After a rest there is one request until one has been answered: the connection may have ended meanwhile, and all that was sent
 *    before libcurl finds out would go to a new one at once.
 * 3. Room is never below 1 nor above most.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct window {
        uint32_t most;      /* streams */
        uint32_t room;      /* how many may be under way */
        uint32_t threshold; /* up to here room doubles each round; above it it grows slowly */
        uint32_t answered;  /* since room last grew slowly */
        bool is_proven;     /* the present connection has answered well */
        bool is_resting;    /* nothing was answered since the rest */
};

void window_init(struct window *window, uint32_t most);
/* A connection was opened while there was none. */
void window_on_connection(struct window *window);
/* A request was answered: well (the server believes us), or at least answered. */
void window_on_answer(struct window *window, bool is_good);
/* Nothing is under way, nor waits for room. */
void window_on_rest(struct window *window);
/* Requests were lost with a connection or a stream. */
void window_on_loss(struct window *window);
/* How many more may be sent now. */
uint32_t window_room(const struct window *window, uint32_t in_flight);
