/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c: see guard.h. */
#include "push/guard.h"

enum {
        WINDOW = 100,
        LEAST = 20,        /* fewer say nothing about a share */
        SHARE = 5,         /* a fifth */
        ROW_BELIEVED = 1, /* itself: the answer before it was a push accepted */
};

static void count(struct guard *guard, bool is_doubt) {
        guard->recent[1] = ((guard->recent[1] << 1) | (guard->recent[0] >> 63)) & ((UINT64_C(1) << (WINDOW - 64)) - 1);
        guard->recent[0] = (guard->recent[0] << 1) | is_doubt;
        if (guard->count < WINDOW)
                guard->count++;
}

static uint32_t doubts(const struct guard *guard) {
        return (uint32_t)(__builtin_popcountll(guard->recent[0]) + __builtin_popcountll(guard->recent[1]));
}

void guard_on_accepted(struct guard *guard) {
        count(guard, false);
        guard->in_a_row = 0;
        guard->has_accepted = true;
}

enum guard_verdict guard_on_doubt(struct guard *guard, bool is_again) {
        count(guard, true);
        guard->in_a_row++;
        bool are_many = doubts(guard) >= LEAST && doubts(guard) * SHARE > guard->count;
        if (are_many || guard->in_a_row >= LEAST)
                return GUARD_OURS;
        if (is_again && guard->has_accepted && guard->in_a_row <= ROW_BELIEVED)
                return GUARD_BELIEVE;
        return GUARD_ASK_AGAIN;
}
