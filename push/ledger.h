/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h: what is owed to a device, and how far an escalation came, as the store packs them (fanout/lua/push.lua):
 *
 *   device      <due> <class> <mark> <woken_at> <used> <used_at> { \n <n> <attempt> <due> <class> [q] }
 *   escalation  <due> <class> <next> <attempt> { \n <after_ms> <state> <at> <via> <reason> }
 *
 * Times are wall times in ms; a due of 0: nothing is owed. Lua reads the first two words and the n at the start of each line.
 *
 *   ledger#1  Each event is owed once, in the order of n; past LIMIT_PUSH_OWED the oldest goes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/slice.h"
#include "push/plan.h"

struct buf;

struct ledger_owed {
        uint64_t n;
        unsigned attempt; /* attempts made */
        int64_t due_ms;
        int class;        /* enum due_class */
        bool quiet;       /* q: it waits for the end of quiet hours, which may change */
};

struct ledger {
        int64_t look_ms;  /* when to look at events behind mark, which wait for an acknowledgement; 0: not needed */
        int look_class;
        uint64_t mark;    /* events up to here were looked at; those of them that are still owed are below */
        int64_t woken_ms; /* the latest silent push */
        int64_t used_milli, used_ms; /* of the budget of visible pushes, in thousandths, and when that was so */
        size_t owed_count;
        struct ledger_owed owed[LIMIT_PUSH_OWED];
};

/* packed "": a device that owes nothing up to mark 0. look_ms is not kept: a look decides it anew. */
void ledger_parse(struct slice packed, struct ledger *ledger);
void ledger_print(const struct ledger *ledger, struct buf *out);
/* Adds one that is owed, or changes it. Returns whether another had to go for it. */
bool ledger_owe(struct ledger *ledger, struct ledger_owed owed);
/* Removes it; false if it was not owed. */
bool ledger_settle(struct ledger *ledger, uint64_t n);
const struct ledger_owed *ledger_find(const struct ledger *ledger, uint64_t n);

struct ledger_step {
        int64_t after_ms, at_ms;
        struct slice state, via, reason; /* waiting, sent, failed, skipped, cancelled */
};

struct ledger_steps {
        int64_t due_ms;
        int class;
        unsigned next, attempt;
        size_t count;
        struct ledger_step steps[PLAN_STEPS];
};

/* Slices of packed. */
void ledger_parse_steps(struct slice packed, struct ledger_steps *steps);
void ledger_print_steps(const struct ledger_steps *steps, struct buf *out);
