/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h: who does something when, whatever the server does: an open loop.
 *
 * Arrivals are a Poisson process; who it is, is drawn by weights from a log-normal distribution, so a few do much and most do
 * little, as people do. Latency is measured from these times, not from when the load generator got round to it: a server that
 * stalls is charged for all who wait ("coordinated omission", Gil Tene). Time and chance are arguments.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "loadtest/dice.h"

struct schedule {
        struct dice dice;
        double mean_us; /* between two arrivals; 0: none ever */
        double next_us;
        uint32_t count;
        float *weights; /* running sums */
};

/* count who may be drawn. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int schedule_init(struct schedule *schedule, uint32_t count, double rate_per_s,
                                                      uint64_t seed);
void schedule_deinit(struct schedule *schedule);

void schedule_start(struct schedule *schedule, uint64_t now_us);
/* Is something due at now_us? Then who, and since when; ask again until it is not. */
bool schedule_step(struct schedule *schedule, uint64_t now_us, uint32_t *ret_who, uint64_t *ret_due_us);
/* Somebody else in the place of who was drawn, by the same weights but with other dice: what the schedule draws stays as it is.
 */
uint32_t schedule_draw(const struct schedule *schedule, struct dice *dice);
/* When the next is due; UINT64_MAX: never. */
uint64_t schedule_next_us(const struct schedule *schedule);
