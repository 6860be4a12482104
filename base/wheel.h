/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel.h: a hashed timing wheel for many coarse timers (Varghese and Lauck 1987, scheme 6).
 *
 * Starting, moving and stopping a timer is O(1) whatever their number; a timer may fire up to one tick late, never early.
 * Time is an argument: the wheel knows no clock.
 * 1. A timer is in at most one slot. 2. Callbacks may start and stop any timer, also their own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"

struct wheel;

struct wheel_timer {
        struct list link;
        uint64_t due_ms;                               /* 0: not started */
        void (*on_due)(struct wheel_timer *timer, uint64_t now_ms);
};

void wheel_timer_init(struct wheel_timer *timer, void (*on_due)(struct wheel_timer *timer, uint64_t now_ms));

struct wheel *wheel_new(uint64_t tick_ms, uint64_t now_ms); /* NULL without memory */
struct wheel *wheel_free(struct wheel *wheel);              /* started timers are forgotten */

/* Starts or moves a timer. due_ms in the past fires at the next wheel_advance(). */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);
void wheel_stop(struct wheel_timer *timer);
static inline bool wheel_timer_is_started(const struct wheel_timer *timer) {
        return timer->due_ms != 0;
}

/* Fires all that is due at now_ms, in order of ticks. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);
