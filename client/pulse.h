/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse.h: is the other end still there? Pure: time is an argument, and the caller sends what it is told to.
 *
 *      heard ──every_ms without a sign of life──▶ PING ──PULSE_DEAD_MS without one──▶ DEAD
 *
 * While nobody looks at the app (quiet), the hub is asked more rarely: each ping wakes the radio of a phone, and the hub's own
 * pings keep the way open. Whoever comes back to the app has the link probed at once.
 *
 * 1. One ping is under way at most, and any sign of life answers it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
        PULSE_DEAD_MS = 10000,
        PULSE_SILENCE_MS = 5000, /* so long without a word raises the question whether the link has survived */
        PULSE_QUIET_TIMES = 4,
};

struct pulse {
        uint64_t every_ms; /* as the hub wishes; 0: never of our own accord */
        uint64_t heard_ms;
        uint64_t asked_ms; /* 0: no ping is under way */
        bool beats;        /* there is a session */
        bool quiet;
};

enum pulse_word { PULSE_NOTHING, PULSE_PING, PULSE_DEAD };

/* The session begins, and ends. quiet stays. */
void pulse_begin(struct pulse *pulse, uint64_t every_ms, uint64_t now_ms);
void pulse_end(struct pulse *pulse);
void pulse_heard(struct pulse *pulse, uint64_t now_ms);
/* When pulse_step() has something to say: 0 if never. */
uint64_t pulse_due_ms(const struct pulse *pulse);
/* PULSE_PING is taken for sent. */
enum pulse_word pulse_step(struct pulse *pulse, uint64_t now_ms);
/* The same now, if nothing was heard for silence_ms. */
enum pulse_word pulse_probe(struct pulse *pulse, uint64_t silence_ms, uint64_t now_ms);
