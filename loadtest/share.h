/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h: which of all devices and rooms one process bears, and which of them speak. All of it follows from the plan.
 *
 * 1. Each device and each room is in one process, and a room's members together; a channel is in all of them.
 * 2. The shares of the rate add up to the plan's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct plan;

struct share {
        uint32_t first_device, devices;
        uint32_t first_room, circles;
        uint32_t devices_per_circle, rooms_per_circle;
};

/* Where process index begins and what it bears. */
struct share share_of(const struct plan *plan, uint32_t index);

/* The last of all devices stall. index is in the share. */
bool share_is_stalled(const struct share *share, const struct plan *plan, uint32_t index);
/* How many of the share may speak: its first ones. Who stalls does not, and of a channel only the one who posts, in the first
 * process. */
uint32_t share_speakers(const struct share *share, const struct plan *plan);
/* Messages a second that they are to send. */
double share_rate(const struct share *share, const struct plan *plan);
