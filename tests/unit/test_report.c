/* SPDX-License-Identifier: Apache-2.0 */
/* What a run says of itself: in the terminal nothing that matters is missing, and nothing that means nothing is there. */
#include "loadtest/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "loadtest/html.h"
#include "loadtest/outcome.h"
#include "loadtest/plan.h"

static char program[] = "belfry-load", *words[] = { program };

struct run {
        struct plan plan;
        struct board *board;
        struct outcome *outcome;
};

static int make(void **state) {
        struct run *run = calloc(1, sizeof *run);
        assert_non_null(run);
        run->plan = (struct plan){ .scenario = SCENARIO_FANOUT, .url = "ws://127.0.0.1:1/", .argc = 1, .argv = words };
        run->board = board_new(2);
        run->outcome = calloc(1, sizeof *run->outcome);
        assert_true(run->board && run->outcome);
        outcome_judge(&run->plan, run->outcome);
        *state = run;
        return 0;
}

static int drop(void **state) {
        struct run *run = *state;
        board_free(run->board);
        free(run->outcome);
        free(run);
        return 0;
}

/* The lines in the terminal; free() it. */
static char *summary(const struct run *run) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        assert_non_null(out);
        for (int i = 0; i < TALLY_COUNT; i++)
                run->outcome->tallies[i] = board_tally(run->board, (enum tally)i);
        report_summary(&run->plan, run->board, run->outcome, out);
        assert_int_equal(fclose(out), 0);
        return text;
}

static void assert_says(const struct run *run, const char *sentence, bool says) {
        char *text = summary(run);
        if (!strstr(text, sentence) == says)
                fail_msg("'%s' is %s in: %s", sentence, says ? "not" : "still", text);
        free(text);
}

static void errors_are_told_with_the_code_of_the_first(void **state) {
        struct run *run = *state;
        assert_says(run, "errors", false);
        run->board->slots[0].tallies[TALLY_RESENT] = 3;
        assert_says(run, "\nerrors 0, resent 3\n", true);
        for (int i = 0; i < 160; i++)
                board_count_error(&run->board->slots[1], i ? SLICE("internal") : SLICE("rate_limited"));
        assert_says(run, "\nerrors 160, the first was rate_limited, resent 3\n", true);
        board_count_error(&run->board->slots[0], SLICE("\x1b[2J and much more than there is room for in a code of an error"));
        char *text = summary(run);
        assert_null(strchr(text, '\x1b'));
        free(text);
}

static void a_rate_that_nobody_chose_is_told(void **state) {
        struct run *run = *state;
        run->plan.rate = 123.5;
        assert_says(run, "rate:", false);
        run->plan.rate_chosen = true;
        assert_says(run, "\nrate: 123.5 messages a second, as --rate was not said\n", true);
}

static void memory_that_shrank_is_no_price_of_a_connection(void **state) {
        struct run *run = *state;
        struct outcome *outcome = run->outcome;
        outcome->run_s = 1, outcome->probe.processes_count = 1, outcome->connected_peak = 10;
        outcome->idle_pss_bytes = 5000, outcome->connected_pss_bytes = 3000;
        assert_says(run, "\nserver: 0.00 us CPU each delivery\n", true);
        outcome->connected_pss_bytes = 7000;
        assert_says(run, "\nserver: 0.00 us CPU each delivery, 200 bytes each connection\n", true);
}

static void assert_has(const struct buf *text, const char *part, bool has) {
        assert_false(buf_failed(text));
        if (!strstr(text->ptr, part) == has)
                fail_msg("'%s' is %s in: %s", part, has ? "not" : "still", text->ptr);
}

static void a_report_says_of_what_it_is(void **state) {
        struct run *run = *state;
        run->plan.seed = 4711;
        run->plan.url = "ws://[::1]:8080/v1/ws?a=<b>";
        run->outcome->at = 1764342000; /* 2025-11-28 15:00:00 UTC */
        _cleanup_buf_ struct buf json = BUF_INIT(1 << 16), page = BUF_INIT(1 << 16), more = BUF_INIT(1 << 16);
        report_json(&run->plan, run->board, run->outcome, &json);
        assert_has(&json, ",\"url\":\"ws://[::1]:8080/v1/ws?a=<b>\"", true);
        assert_has(&json, ",\"version\":\"", true);
        assert_has(&json, ",\"seed\":4711,", true);
        assert_has(&json, ",\"at\":\"2025-11-28T15:00:00Z\",", true);
        html_print(&run->plan, run->board, run->outcome, &page);
        const char *version = strstr(json.ptr, "\"version\":\"") + strlen("\"version\":\"");
        char program_and_version[64];
        snprintf(program_and_version, sizeof program_and_version, "belfry-load %.*s, seed 4711", (int)strcspn(version, "\""),
                 version);
        assert_has(&page, program_and_version, true);
        assert_has(&page, "<code>ws://[::1]:8080/v1/ws?a=&lt;b></code>", true);
        assert_has(&page, "2025-11-28T15:00:00Z", true);
        assert_has(&page, "as there was no --pid", true);
        run->plan.pids_count = 1;
        html_print(&run->plan, run->board, run->outcome, &more);
        assert_has(&more, "as there was no --pid", false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(errors_are_told_with_the_code_of_the_first, make, drop),
                cmocka_unit_test_setup_teardown(a_rate_that_nobody_chose_is_told, make, drop),
                cmocka_unit_test_setup_teardown(memory_that_shrank_is_no_price_of_a_connection, make, drop),
                cmocka_unit_test_setup_teardown(a_report_says_of_what_it_is, make, drop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
