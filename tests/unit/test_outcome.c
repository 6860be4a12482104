/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict is ok only if nothing is wrong, and otherwise says what, the gravest first. */
#include "loadtest/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loadtest/plan.h"

static struct outcome *make(void) {
        struct outcome *outcome = calloc(1, sizeof *outcome);
        assert_non_null(outcome);
        outcome->tallies[TALLY_ACKNOWLEDGED] = 10;
        return outcome;
}

static void assert_verdict(enum scenario scenario, struct outcome *outcome, const char *verdict) {
        const struct plan plan = { .scenario = scenario, .rate = 1, .connections = 50, .settle_s = 7, .storms = 2 };
        outcome_judge(&plan, outcome);
        assert_string_equal(outcome->verdict, verdict);
        assert_int_equal(outcome_is_ok(outcome), strcmp(verdict, "ok") == 0);
        free(outcome);
}

static void a_run_without_a_fault_is_ok(void **state) {
        struct outcome *outcome = make();
        outcome->tallies[TALLY_DROPPED] = outcome->tallies[TALLY_RESENT] = outcome->tallies[TALLY_ERRORS] =
                3; /* what is mended is no fault */
        outcome->complaint = "closed: device 1 was closed with 4100";
        assert_verdict(SCENARIO_CHAT, outcome, "ok");
}

static void each_fault_alone_is_enough(void **state) {
        static const struct {
                enum tally tally;
                const char *verdict;
        } rows[] = {
                { TALLY_LOST, "lost 1" },           { TALLY_REPEATED, "repeated 1" },
                { TALLY_REORDERED, "reordered 1" }, { TALLY_LEAKED, "leaked 1" },
                { TALLY_INVENTED, "invented 1" },   { TALLY_TOLD, "told 1" },
                { TALLY_ALTERED, "altered 1" },     { TALLY_REJECTED, "rejected 1" },
                { TALLY_SKIPPED, "skipped 1" },     { TALLY_UNANSWERED, "unanswered 1" },
                { TALLY_MALFORMED, "malformed 1" }, { TALLY_TURNED_AWAY, "turned_away 1" },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct outcome *outcome = make();
                outcome->tallies[rows[i].tally] = 1;
                assert_verdict(SCENARIO_CHAT, outcome, rows[i].verdict);
        }
        struct outcome *outcome = make();
        outcome->channels_differ = true;
        assert_verdict(SCENARIO_FANOUT, outcome, "two processes saw different messages in one channel");
        outcome = make();
        outcome->kills = outcome->kills_failed = 2;
        assert_verdict(SCENARIO_KILL, outcome, "the command to kill failed 2 times");
        outcome = make();
        outcome->kill_unended = true;
        assert_verdict(SCENARIO_KILL, outcome, "the command to kill did not end");
        outcome = make();
        outcome->kill_unended = true;
        outcome->end = OUTCOME_INTERRUPTED;
        assert_verdict(SCENARIO_KILL, outcome, "interrupted");
        outcome = make();
        outcome->storms_count = 2;
        outcome->storms[0].complete = true;
        assert_verdict(SCENARIO_STORM, outcome, "after storm 2 not all came back");
        outcome = make();
        outcome->tallies[TALLY_DROPPED] = 1;
        assert_verdict(SCENARIO_IDLE, outcome, "dropped 1");
        outcome = make();
        outcome->tallies[TALLY_ACKNOWLEDGED] = 0;
        assert_verdict(SCENARIO_CHAT, outcome, "nothing was acknowledged");
}

/* Each scenario is named for what must have happened in it; a run that was cut short is told as that alone. */
static void a_scenario_that_did_not_happen_is_not_ok(void **state) {
        static const struct {
                enum scenario scenario;
                uint32_t storms;
                const char *verdict;
        } rows[] = {
                { SCENARIO_KILL, 0, "nothing was killed" },
                { SCENARIO_STORM, 0, "0 of 2 storms" },
                { SCENARIO_STORM, 1, "1 of 2 storms" },
                { SCENARIO_MOBILE, 0, "nobody slept" },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct outcome *outcome = make();
                outcome->storms_count = rows[i].storms;
                outcome->storms[0].complete = true;
                assert_verdict(rows[i].scenario, outcome, rows[i].verdict);
                outcome = make();
                outcome->end = OUTCOME_INTERRUPTED;
                assert_verdict(rows[i].scenario, outcome, "interrupted");
                outcome = make();
                outcome->end = OUTCOME_NO_CONNECT;
                assert_verdict(rows[i].scenario, outcome, "0 of 50 devices were connected in 0 s");
        }
        struct outcome *outcome = make();
        outcome->kills = 1;
        assert_verdict(SCENARIO_KILL, outcome, "ok");
        outcome = make();
        outcome->storms_count = 2;
        outcome->storms[0].complete = outcome->storms[1].complete = true;
        assert_verdict(SCENARIO_STORM, outcome, "ok");
        outcome = make();
        outcome->tallies[TALLY_LEFT] = 1;
        assert_verdict(SCENARIO_MOBILE, outcome, "ok");
}

static void each_early_end_is_told(void **state) {
        static const struct {
                enum outcome_end end;
                const char *verdict;
        } rows[] = {
                { OUTCOME_INTERRUPTED, "interrupted" },
                { OUTCOME_NO_SETUP, "the conversations could not be made" },
                { OUTCOME_NO_CONNECT, "0 of 50 devices were connected in 0 s" },
                { OUTCOME_NO_SERVER, "the server went away and did not come back" },
                { OUTCOME_NO_ANSWER, "not everything was answered in 7 s" },
                { OUTCOME_NOT_SHOWN, "not everything was shown in 7 s" },
                { OUTCOME_SWARM_DIED, "a process of the load test died" },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct outcome *outcome = make();
                outcome->end = rows[i].end;
                outcome->tallies[TALLY_UNANSWERED] = rows[i].end == OUTCOME_INTERRUPTED; /* its answer may be under way */
                assert_verdict(SCENARIO_CHAT, outcome, rows[i].verdict);
        }
}

static void faults_come_together_and_with_the_first_complaint_and_fit(void **state) {
        struct outcome *outcome = make();
        outcome->tallies[TALLY_REPEATED] = 2;
        outcome->tallies[TALLY_LOST] = 1;
        outcome->end = OUTCOME_NOT_SHOWN;
        outcome->complaint = "x";
        assert_verdict(SCENARIO_CHAT, outcome, "lost 1, repeated 2, not everything was shown in 7 s, the first complaint: x");

        outcome = make();
        char *text = calloc(1, 2 * OUTCOME_VERDICT_BYTES);
        memset(text, 'y', 2 * OUTCOME_VERDICT_BYTES - 1);
        for (int i = TALLY_LOST; i <= TALLY_TOLD; i++)
                outcome->tallies[i] = UINT64_MAX;
        outcome->complaint = text;
        const struct plan plan = { .scenario = SCENARIO_CHAT };
        outcome_judge(&plan, outcome);
        assert_int_equal(strlen(outcome->verdict), OUTCOME_VERDICT_BYTES - 1);
        free(text);
        free(outcome);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_run_without_a_fault_is_ok),
                cmocka_unit_test(each_fault_alone_is_enough),
                cmocka_unit_test(a_scenario_that_did_not_happen_is_not_ok),
                cmocka_unit_test(each_early_end_is_told),
                cmocka_unit_test(faults_come_together_and_with_the_first_complaint_and_fit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
