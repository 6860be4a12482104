/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.c: see outcome.h. */
#include "loadtest/outcome.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "loadtest/plan.h"

/* What is a fault in whichever scenario, if there is one at all. */
static const enum tally faults[] = {
        TALLY_LOST, TALLY_REPEATED, TALLY_REORDERED, TALLY_LEAKED,     TALLY_INVENTED,  TALLY_ALTERED,
        TALLY_TOLD, TALLY_REJECTED, TALLY_SKIPPED,   TALLY_UNANSWERED, TALLY_MALFORMED, TALLY_TURNED_AWAY,
};

__attribute__((format(printf, 2, 3))) static void add(struct outcome *outcome, const char *format, ...) {
        size_t len = strlen(outcome->verdict);
        va_list args;
        if (len > 0 && len + 2 < sizeof outcome->verdict)
                len += (size_t)snprintf(outcome->verdict + len, sizeof outcome->verdict - len, ", ");
        va_start(args, format);
        if (len < sizeof outcome->verdict)
                vsnprintf(outcome->verdict + len, sizeof outcome->verdict - len, format, args);
        va_end(args);
}

static void add_end(const struct plan *plan, struct outcome *outcome) {
        switch (outcome->end) {
        case OUTCOME_WHOLE:
                return;
        case OUTCOME_INTERRUPTED:
                return add(outcome, "interrupted");
        case OUTCOME_NO_SETUP:
                return add(outcome, "the conversations could not be made");
        case OUTCOME_NO_CONNECT:
                return add(outcome, "%" PRIu64 " of %" PRIu32 " devices were connected in %.0f s", outcome->tallies[TALLY_LIVE],
                           plan->connections, outcome->connect_s);
        case OUTCOME_NO_SERVER:
                return add(outcome, "the server went away and did not come back");
        case OUTCOME_NO_ANSWER:
                return add(outcome, "not everything was answered in %" PRIu32 " s", plan->settle_s);
        case OUTCOME_NOT_SHOWN:
                return add(outcome, "not everything was shown in %" PRIu32 " s", plan->settle_s);
        case OUTCOME_SWARM_DIED:
                return add(outcome, "a process of the load test died");
        }
}

/* A verdict on a storm without storms would be one on something else. Who interrupts a run, or whose run never began, knows that. */
static void add_what_did_not_happen(const struct plan *plan, struct outcome *outcome) {
        if (outcome->end != OUTCOME_WHOLE && outcome->end != OUTCOME_NO_ANSWER && outcome->end != OUTCOME_NOT_SHOWN)
                return;
        if (outcome->end == OUTCOME_WHOLE && plan_talks(plan) && outcome->tallies[TALLY_ACKNOWLEDGED] == 0)
                add(outcome, "nothing was acknowledged");
        if (plan->scenario == SCENARIO_KILL && outcome->kills == 0 && !outcome->kill_unended)
                add(outcome, "nothing was killed");
        if (plan->scenario == SCENARIO_STORM && outcome->storms_count < plan->storms)
                add(outcome, "%" PRIu32 " of %" PRIu32 " storms", outcome->storms_count, plan->storms);
        if (plan->scenario == SCENARIO_MOBILE && outcome->tallies[TALLY_LEFT] == 0)
                add(outcome, "nobody slept");
}

void outcome_judge(const struct plan *plan, struct outcome *outcome) {
        outcome->verdict[0] = '\0';
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
                if (outcome->tallies[faults[i]] && !(outcome->end == OUTCOME_INTERRUPTED && faults[i] == TALLY_UNANSWERED))
                        add(outcome, "%s %" PRIu64, board_tally_name(faults[i]), outcome->tallies[faults[i]]);
        if (outcome->channels_differ)
                add(outcome, "two processes saw different messages in one channel");
        if (plan->scenario == SCENARIO_IDLE && outcome->tallies[TALLY_DROPPED])
                add(outcome, "dropped %" PRIu64, outcome->tallies[TALLY_DROPPED]);
        for (uint32_t i = 0; i < outcome->storms_count; i++)
                if (!outcome->storms[i].complete) {
                        add(outcome, "after storm %" PRIu32 " not all came back", i + 1);
                        break;
                }
        if (outcome->kills_failed)
                add(outcome, "the command to kill failed %" PRIu64 " times", outcome->kills_failed);
        if (outcome->kill_unended && outcome->end != OUTCOME_INTERRUPTED)
                add(outcome, "the command to kill did not end");
        add_what_did_not_happen(plan, outcome);
        add_end(plan, outcome);
        if (!outcome->verdict[0])
                add(outcome, "ok");
        else if (outcome->complaint)
                add(outcome, "the first complaint: %s", outcome->complaint);
}

bool outcome_is_ok(const struct outcome *outcome) {
        return strcmp(outcome->verdict, "ok") == 0;
}
