/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of belfry-load: read as it is meant, or refused with a sentence. */
#include "loadtest/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "loadtest/killer.h"

enum { WORDS = 40 };

static char *find_env(const char *name) {
        static char secret[] = "secret", key[] = "key";
        return strcmp(name, "BELFRY_JWT_SECRET") == 0 ? secret : strcmp(name, "BELFRY_API_KEY") == 0 ? key : NULL;
}

static char *find_nothing(const char *name) {
        return NULL;
}

/* Splits at spaces; the plan borrows the words, which live until the next call. */
static int read_line(const char *line, char *(*env)(const char *), struct plan *plan, const char **error) {
        static char text[1024];
        char *words[WORDS] = { NULL }, *rest = text, *word;
        int count = 0;
        snprintf(text, sizeof text, "belfry-load %s", line);
        while ((word = strsep(&rest, " ")) && count < WORDS - 1)
                if (*word)
                        words[count++] = word;
        return plan_read(count, words, env, plan, error);
}

static void a_command_line_is_read_as_it_is_meant(void **state) {
        struct plan plan;
        const char *error = "";
        int r = read_line("chat --url ws://127.0.0.1:8080/v1/ws --connections=5000 --rate 12.5 --duration 60 --json a.json --pid "
                          "12,34 --typing 0 --quiet",
                          find_env, &plan, &error);
        if (r != 0)
                fail_msg("%s", error);
        assert_int_equal(plan.scenario, SCENARIO_CHAT);
        assert_int_equal(plan.connections, 5000);
        assert_int_equal(plan.processes, 2);
        assert_true(plan.rate == 12.5);
        assert_int_equal(plan.duration_s, 60);
        assert_string_equal(plan.json_path, "a.json");
        assert_int_equal(plan.pids_count, 2);
        assert_int_equal(plan.pids[1], 34);
        assert_true(plan.typing == 0);
        assert_true(plan.read == 0.1);
        assert_true(plan.churn == 5);
        assert_int_equal(plan.at_once, 256);
        assert_true(plan.quiet);
        assert_string_equal(plan.dial.port, "8080");
        assert_string_equal(plan.dial.path, "/v1/ws");
        assert_int_equal(strlen(plan.run), PLAN_RUN_CHARS);
}

static void a_storm_comes_back_at_once_and_others_in_turn(void **state) {
        struct plan plan;
        const char *error;
        assert_int_equal(read_line("storm --url ws://127.0.0.1:1/ --connections 9000", find_env, &plan, &error), 0);
        assert_int_equal(plan.at_once, 9000);
        assert_int_equal(read_line("idle --url ws://127.0.0.1:1/ --processes 100", find_env, &plan, &error), 0);
        assert_int_equal(plan.at_once, 16);
        assert_int_equal(read_line("idle --url ws://127.0.0.1:1/ --at-once 7", find_env, &plan, &error), 0);
        assert_int_equal(plan.at_once, 7);
}

static void assert_rate(const char *line, double rate) {
        struct plan plan;
        const char *error = "";
        if (read_line(line, find_env, &plan, &error) != 0)
                fail_msg("%s: %s", line, error);
        if (plan.rate != rate)
                fail_msg("%s: %g messages a second, not %g", line, plan.rate, rate);
        assert_int_equal(plan.rate_chosen, rate > 0 && !strstr(line, "--rate"));
}

static void somebody_speaks_unless_it_is_to_be_quiet(void **state) {
        assert_rate("chat --url ws://127.0.0.1:1/", 100);
        assert_rate("storm --url ws://127.0.0.1:1/ --connections 25", 10);
        assert_rate("mobile --url ws://127.0.0.1:1/ --connections 5000", 500);
        assert_rate("storm --url ws://127.0.0.1:1/ --connections 10000", 1000);
        assert_rate("chat --url ws://127.0.0.1:1/ --connections 100000 --processes 50", 1000);
        assert_rate("chat --url ws://127.0.0.1:1/ --rate 5000", 5000);
        assert_rate("slow --url ws://127.0.0.1:1/ --rate 3", 3);
        assert_rate("chat --url ws://127.0.0.1:1/ --rate 0", 0);
        assert_rate("idle --url ws://127.0.0.1:1/", 0);
        assert_rate("fanout --url ws://127.0.0.1:1/", 0); /* flat out */
}

static void a_short_run_has_short_sleeps_and_its_kills(void **state) {
        static const struct {
                const char *line;
                uint32_t sleep_s, kill_every_s;
        } rows[] = {
                { "mobile --url ws://127.0.0.1:1/ --duration 600", 60, 5 },
                { "mobile --url ws://127.0.0.1:1/", 3, 3 },
                { "mobile --url ws://127.0.0.1:1/ --duration 1", 1, 1 },
                { "mobile --url ws://127.0.0.1:1/ --sleep 70 --kill-every 9", 70, 9 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct plan plan;
                const char *error = "";
                assert_int_equal(read_line(rows[i].line, find_env, &plan, &error), 0);
                if (plan.sleep_s != rows[i].sleep_s || plan.kill_every_s != rows[i].kill_every_s)
                        fail_msg("%s: %u and %u", rows[i].line, plan.sleep_s, plan.kill_every_s);
        }
}

static void what_is_wrong_is_said(void **state) {
        static const struct {
                const char *line, *error;
        } rows[] = {
                { "sing --url ws://127.0.0.1:1/", "there is no scenario sing" },
                { "idle", "--url is missing" },
                { "idle --url", "--url: URL is missing" },
                { "idle --url ws://127.0.0.1:1/ --speed 3", "there is no option --speed" },
                { "idle --url ws://127.0.0.1:1/ --connections 0", "--connections: 0 is not between 1 and 2000000" },
                { "idle --url ws://127.0.0.1:1/ --connections 1.5", "--connections: 1.5 is no number" },
                { "idle --url ws://127.0.0.1:1/ --connections 9999999999", "--connections: 9999999999 is not between" },
                { "idle --url ws://127.0.0.1:1/ --rate nan", "--rate: nan is no number" },
                { "idle --url ws://127.0.0.1:1/ --rate -1", "--rate: -1 is not between" },
                { "idle --url ws://127.0.0.1:1/ --quiet=yes", "--quiet takes no value" },
                { "idle --url ws://127.0.0.1:1/ --pid 12,x", "--pid:" },
                { "idle --url ws://127.0.0.1:1/ --pid 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "--pid:" },
                { "idle --url ws://127.0.0.1:1/ --connections 2000000 --processes 2", "2000000 connections take" },
                { "idle --url https://127.0.0.1/", "--url: it does not begin with ws:// or wss://" },
                { "idle --url ws://:80/", "--url: it names no host" },
                { "idle --url ws://127.0.0.1:http/", "--url: its port is no number" },
                { "idle --url ws://127.0.0.1:99999/", "--url: its port is over 65535" },
                { "idle --url ws://127.0.0.1:65536/", "--url: its port is over" },
                { "idle --url ws://127.0.0.1:18446744073709551617/", "--url: its port is no number" },
                { "idle --url ws://[::1/", "--url: the address in brackets does not end" },
                { "kill --url ws://127.0.0.1:1/", "--kill-command is missing" },
                { "kill --url ws://127.0.0.1:1/ --kill-command", "--kill-command: COMMAND is missing" },
                { "idle --url ws://127.0.0.1:1/ --json a --html a", "--json and --html are the same file" },
                { "slow --url ws://127.0.0.1:1/ --connections 5 --stalled 6", "--stalled is more" },
                { "fanout --url ws://127.0.0.1:1/ --connections 5 --channels 6", "--channels is more" },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct plan plan;
                const char *error = "";
                assert_int_equal(read_line(rows[i].line, find_env, &plan, &error), PLAN_E_WRONG);
                if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
                        fail_msg("%s: %s", rows[i].line, error);
        }
}

static void a_command_to_kill_that_would_be_cut_is_refused(void **state) {
        char url[] = "--url=ws://127.0.0.1:1/", command[2 * KILLER_BYTES], *words[] = { "belfry-load", "kill", url, "--kill-command", command };
        struct plan plan;
        const char *error = "";
        snprintf(command, sizeof command, "kill -9 1");
        assert_int_equal(plan_read(5, words, find_env, &plan, &error), 0);
        assert_string_equal(plan.kill_command, "kill -9 1");
        memset(command, 'a', sizeof command - 1);
        command[sizeof command - 1] = '\0';
        assert_int_equal(plan_read(5, words, find_env, &plan, &error), PLAN_E_WRONG);
        assert_non_null(strstr(error, "at most 32 words and 1023 bytes"));
}

static void secrets_are_asked_for_only_where_they_are_needed(void **state) {
        struct plan plan;
        const char *error;
        assert_int_equal(read_line("idle --url ws://127.0.0.1:1/", find_nothing, &plan, &error), PLAN_E_WRONG);
        assert_non_null(strstr(error, "BELFRY_JWT_SECRET"));
        assert_int_equal(read_line("fanout --floor --url ws://127.0.0.1:1/", find_nothing, &plan, &error), 0);
}

static void help_names_each_scenario_and_each_option(void **state) {
        _cleanup_buf_ struct buf help = BUF_INIT(1 << 16);
        struct plan plan;
        const char *error;
        assert_int_equal(read_line("", find_env, &plan, &error), PLAN_E_HELP);
        assert_int_equal(read_line("chat --url x --help", find_env, &plan, &error), PLAN_E_HELP);
        plan_print_help(&help);
        for (int i = SCENARIO_IDLE; i <= SCENARIO_KILL; i++)
                assert_non_null(strstr(help.ptr, plan_scenario_name((enum scenario)i)));
        assert_non_null(strstr(help.ptr, "--kill-command COMMAND"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_command_line_is_read_as_it_is_meant),
                cmocka_unit_test(a_storm_comes_back_at_once_and_others_in_turn),
                cmocka_unit_test(somebody_speaks_unless_it_is_to_be_quiet),
                cmocka_unit_test(a_short_run_has_short_sleeps_and_its_kills),
                cmocka_unit_test(what_is_wrong_is_said),
                cmocka_unit_test(a_command_to_kill_that_would_be_cut_is_refused),
                cmocka_unit_test(secrets_are_asked_for_only_where_they_are_needed),
                cmocka_unit_test(help_names_each_scenario_and_each_option),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
