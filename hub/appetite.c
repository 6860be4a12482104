/* SPDX-License-Identifier: Apache-2.0 */
/* appetite.c: see appetite.h. Any full read completes a frame of at least half of it, or brings a piece of a larger one. */
#include "hub/appetite.h"

#include "base/limits.h"

bool appetite_hear(struct appetite *appetite, uint32_t turn, size_t len) {
        if (appetite->turn != turn)
                *appetite = (struct appetite){ .turn = turn };
        appetite->heard_bytes += (uint32_t)len;
        return appetite->heard_bytes >= APPETITE_READ_BYTES / 2 && appetite->reads < LIMIT_READS;
}

void appetite_feed(struct appetite *appetite) {
        appetite->heard_bytes = 0;
        appetite->reads++;
}
