/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c: see schedule.h. */
#include "loadtest/schedule.h"
#include <errno.h>
#include <stdlib.h>

int schedule_init(struct schedule *schedule, uint32_t count, double rate_per_s, uint64_t seed) {
        *schedule = (struct schedule){ .dice = { seed }, .count = count };
        if (rate_per_s <= 0 || count == 0)
                return 0;
        schedule->weights = calloc(count, sizeof *schedule->weights);
        if (!schedule->weights)
                return -ENOMEM;
        double sum = 0;
        for (uint32_t i = 0; i < count; i++) {
                sum += dice_weight(&schedule->dice);
                schedule->weights[i] = (float)sum;
        }
        schedule->mean_us = 1e6 / rate_per_s;
        return 0;
}

void schedule_deinit(struct schedule *schedule) {
        free(schedule->weights);
        *schedule = (struct schedule){ .count = 0 };
}

void schedule_start(struct schedule *schedule, uint64_t now_us) {
        schedule->next_us = (double)now_us + dice_exponential(&schedule->dice, schedule->mean_us);
}

uint32_t schedule_draw(const struct schedule *schedule, struct dice *dice) {
        float wanted = (float)dice_unit(dice) * schedule->weights[schedule->count - 1];
        uint32_t low = 0, high = schedule->count - 1;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (schedule->weights[middle] < wanted)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool schedule_step(struct schedule *schedule, uint64_t now_us, uint32_t *ret_who, uint64_t *ret_due_us) {
        if (schedule->mean_us <= 0 || schedule->next_us > (double)now_us)
                return false;
        *ret_due_us = (uint64_t)schedule->next_us;
        *ret_who = schedule_draw(schedule, &schedule->dice);
        schedule->next_us += dice_exponential(&schedule->dice, schedule->mean_us);
        return true;
}

uint64_t schedule_next_us(const struct schedule *schedule) {
        return schedule->mean_us > 0 ? (uint64_t)schedule->next_us : UINT64_MAX;
}
