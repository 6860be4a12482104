/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c: see ledger.h. */
#include "push/ledger.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "fanout/due.h"
#include "fanout/words.h"

void ledger_parse(struct slice packed, struct ledger *ledger) {
        struct slice line = words_take(&packed, '\n');
        words_take(&line, ' ');
        words_take(&line, ' ');
        *ledger = (struct ledger){ .look_class = DUE_LOW, .mark = words_uint(words_take(&line, ' ')) };
        ledger->woken_ms = (int64_t)words_uint(words_take(&line, ' '));
        ledger->used_milli = (int64_t)words_uint(words_take(&line, ' '));
        ledger->used_ms = (int64_t)words_uint(words_take(&line, ' '));
        while (packed.len) {
                line = words_take(&packed, '\n');
                struct ledger_owed owed = { .n = words_uint(words_take(&line, ' ')) };
                owed.attempt = (unsigned)words_uint(words_take(&line, ' '));
                owed.due_ms = (int64_t)words_uint(words_take(&line, ' '));
                owed.class = (int)words_uint(words_take(&line, ' '));
                owed.quiet = slice_is(line, "q");
                if (owed.n)
                        ledger_owe(ledger, owed);
        }
}

void ledger_print(const struct ledger *ledger, struct buf *out) {
        int64_t due_ms = ledger->look_ms;
        int class = ledger->look_ms ? ledger->look_class : DUE_LOW;
        for (size_t i = 0; i < ledger->owed_count; i++) {
                const struct ledger_owed *owed = &ledger->owed[i];
                due_ms = due_ms == 0 || owed->due_ms < due_ms ? owed->due_ms : due_ms;
                class = owed->class < class ? owed->class : class;
        }
        buf_printf(out, "%" PRId64 " %d %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64, due_ms, class, ledger->mark, ledger->woken_ms,
                   ledger->used_milli, ledger->used_ms);
        for (size_t i = 0; i < ledger->owed_count; i++) {
                const struct ledger_owed *owed = &ledger->owed[i];
                buf_printf(out, "\n%" PRIu64 " %u %" PRId64 " %d%s", owed->n, owed->attempt, owed->due_ms, owed->class, owed->quiet ? " q" : "");
        }
}

static size_t ledger_place(const struct ledger *ledger, uint64_t n) {
        size_t place = 0;
        while (place < ledger->owed_count && ledger->owed[place].n < n)
                place++;
        return place;
}

const struct ledger_owed *ledger_find(const struct ledger *ledger, uint64_t n) {
        size_t place = ledger_place(ledger, n);
        return place < ledger->owed_count && ledger->owed[place].n == n ? &ledger->owed[place] : NULL;
}

bool ledger_settle(struct ledger *ledger, uint64_t n) {
        size_t place = ledger_place(ledger, n);
        if (place == ledger->owed_count || ledger->owed[place].n != n)
                return false;
        ledger->owed_count--;
        memmove(&ledger->owed[place], &ledger->owed[place + 1], (ledger->owed_count - place) * sizeof(ledger->owed[0]));
        return true;
}

bool ledger_owe(struct ledger *ledger, struct ledger_owed owed) {
        bool dropped = false;
        ledger_settle(ledger, owed.n);
        if (ledger->owed_count == LIMIT_PUSH_OWED) {
                if (owed.n < ledger->owed[0].n)
                        return true; /* it is the oldest itself */
                dropped = ledger_settle(ledger, ledger->owed[0].n);
        }
        size_t place = ledger_place(ledger, owed.n);
        memmove(&ledger->owed[place + 1], &ledger->owed[place], (ledger->owed_count - place) * sizeof(ledger->owed[0]));
        ledger->owed[place] = owed;
        ledger->owed_count++;
        return dropped;
}

void ledger_parse_steps(struct slice packed, struct ledger_steps *steps) {
        struct slice line = words_take(&packed, '\n');
        *steps = (struct ledger_steps){ .due_ms = (int64_t)words_uint(words_take(&line, ' ')) };
        steps->class = (int)words_uint(words_take(&line, ' '));
        steps->next = (unsigned)words_uint(words_take(&line, ' '));
        steps->attempt = (unsigned)words_uint(line);
        while (packed.len && steps->count < PLAN_STEPS) {
                struct ledger_step *step = &steps->steps[steps->count++];
                line = words_take(&packed, '\n');
                step->after_ms = (int64_t)words_uint(words_take(&line, ' '));
                step->state = words_take(&line, ' ');
                step->at_ms = (int64_t)words_uint(words_take(&line, ' '));
                step->via = words_take(&line, ' ');
                step->reason = line;
        }
}

void ledger_print_steps(const struct ledger_steps *steps, struct buf *out) {
        buf_printf(out, "%" PRId64 " %d %u %u", steps->due_ms, steps->class, steps->next, steps->attempt);
        for (size_t i = 0; i < steps->count; i++) {
                const struct ledger_step *step = &steps->steps[i];
                buf_printf(out, "\n%" PRId64 " ", step->after_ms);
                buf_add_slice(out, step->state);
                buf_printf(out, " %" PRId64 " ", step->at_ms);
                buf_add_slice(out, step->via);
                if (step->reason.len) {
                        buf_add_char(out, ' ');
                        buf_add_slice(out, step->reason);
                }
        }
}
