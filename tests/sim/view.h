/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h: what a device has of one conversation: entries by seq, watermarks by member.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "tests/sim/truth.h"

struct view {
        uint64_t next;        /* the seq that the next event has; 0: any */
        uint64_t shown;       /* the highest seq that an event brought */
        uint8_t *have;        /* by seq: had, by whatever way */
        uint64_t capacity;
        char epoch[48];       /* as conversations told it, "" if it never did */
        struct {
                uint64_t delivered, read;           /* as receipts told it */
                uint64_t known_delivered, known_read; /* as anything told it */
        } marks[TRUTH_USERS];
        bool wants_history, wants_members; /* to be loaded */
        uint64_t loaded;      /* by pages of history, so far */
};

void view_clear(struct view *view);
void view_take(struct view *view, uint64_t seq);
bool view_has(const struct view *view, uint64_t seq);
/* All up to it is there or was before first. */
uint64_t view_complete(const struct view *view, uint64_t first);
