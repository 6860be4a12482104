/* SPDX-License-Identifier: Apache-2.0 */
/* appetite.c: see appetite.h. Any full read completes a frame of at least half of it, or brings a piece of a larger one. */
#include "hub/appetite.h"

#include "base/limits.h"

static bool appetite_is_sated(const struct appetite *appetite, uint32_t turn) {
        bool in_vain = appetite->fed && appetite->reads == 1;
        return turn != appetite->turn + 1 && (in_vain || (appetite->sated && appetite->reads == 0));
}

bool appetite_hear(struct appetite *appetite, uint32_t turn, size_t len) {
        if (appetite->turn != turn)
                *appetite = (struct appetite){ .turn = turn, .sated = appetite_is_sated(appetite, turn) };
        appetite->fed = false;
        appetite->heard_bytes += (uint32_t)len;
        uint32_t enough_bytes = appetite->sated ? APPETITE_READ_BYTES : APPETITE_READ_BYTES / 2;
        return appetite->heard_bytes >= enough_bytes && appetite->reads < LIMIT_READS;
}

void appetite_feed(struct appetite *appetite) {
        appetite->heard_bytes = 0;
        appetite->fed = true;
        appetite->reads++;
}
