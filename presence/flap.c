/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flap.c: when a flicker of presence counts.
 *
 *      observed   ──online──┐            ┌──online──┐                      ┌─ online
 *                           └──offline───┘          └──offline─────────────┘
 *                           |<- < grace ->|         |<---- grace ---->|
 *      announced  ──online───────────────────────────────────────────┐     ┌─ online
 *                                                                     └─────┘
 *                           nothing is said                      offline   online
 *
 * online <-> away is said at once; only going offline waits. After a crash the grace counts from the node's last sign of
 * life, so it may be over when the crash is noticed.
 */
#include "presence/flap.h"

void flap_init(struct flap *flap, enum flap_status observed) {
        flap->announced = flap->observed = observed;
        flap->gone_ms = 0;
}

bool flap_due(struct flap *flap, int64_t grace_ms, int64_t now_ms) {
        if (flap->observed != FLAP_OFFLINE || flap->announced == FLAP_OFFLINE || now_ms < flap->gone_ms + grace_ms)
                return false;
        flap->announced = FLAP_OFFLINE;
        return true;
}

bool flap_step(struct flap *flap, enum flap_status observed, int64_t gone_ms, int64_t grace_ms, int64_t now_ms, int64_t *ret_due_ms) {
        *ret_due_ms = 0;
        if (observed != FLAP_OFFLINE) {
                bool changed = flap->announced != observed;
                flap->observed = flap->announced = observed;
                flap->gone_ms = 0;
                return changed;
        }
        if (flap->observed != FLAP_OFFLINE) {
                flap->observed = FLAP_OFFLINE;
                flap->gone_ms = gone_ms < now_ms ? gone_ms : now_ms;
        }
        if (flap->announced == FLAP_OFFLINE)
                return false;
        if (flap_due(flap, grace_ms, now_ms))
                return true;
        *ret_due_ms = flap->gone_ms + grace_ms;
        return false;
}

const char *flap_text(enum flap_status status) {
        switch (status) {
        case FLAP_ONLINE:
                return "online";
        case FLAP_AWAY:
                return "away";
        case FLAP_OFFLINE:
                break;
        }
        return "offline";
}
