/* SPDX-License-Identifier: Apache-2.0 */
/* share.c: see share.h. */
#include "loadtest/share.h"
#include "loadtest/plan.h"

struct share share_of(const struct plan *plan, uint32_t index) {
        uint64_t count = plan->processes;
        if (plan->scenario == SCENARIO_FANOUT) {
                uint32_t first = (uint32_t)(plan->connections * (uint64_t)index / count);
                uint32_t devices = (uint32_t)(plan->connections * ((uint64_t)index + 1) / count) - first;
                return (struct share){ first, devices, 0, 1, devices ? devices : 1, plan->channels };
        }
        uint32_t per_circle = plan->room * plan->devices, circles = (plan->connections + per_circle - 1) / per_circle;
        uint32_t first = (uint32_t)(circles * (uint64_t)index / count), end = (uint32_t)(circles * ((uint64_t)index + 1) / count);
        uint64_t last_device = (uint64_t)end * per_circle < plan->connections ? (uint64_t)end * per_circle : plan->connections;
        return (struct share){ first * per_circle,  (uint32_t)(last_device - (uint64_t)first * per_circle),
                               first * plan->rooms, end - first,
                               per_circle,          plan->rooms };
}

static uint32_t stalled(const struct plan *plan) {
        return plan->scenario == SCENARIO_SLOW ? plan->stalled : 0;
}

bool share_is_stalled(const struct share *share, const struct plan *plan, uint32_t index) {
        return share->first_device + index >= plan->connections - stalled(plan);
}

uint32_t share_speakers(const struct share *share, const struct plan *plan) {
        if (plan->scenario == SCENARIO_FANOUT)
                return share->first_device == 0 && share->devices > 0 ? plan->channels : 0;
        uint32_t end = plan->connections - stalled(plan);
        if (end <= share->first_device)
                return 0;
        return end - share->first_device < share->devices ? end - share->first_device : share->devices;
}

double share_rate(const struct share *share, const struct plan *plan) {
        uint32_t all = plan->scenario == SCENARIO_FANOUT ? plan->channels : plan->connections - stalled(plan);
        return all ? plan->rate * share_speakers(share, plan) / all : 0;
}
