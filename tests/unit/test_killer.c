/* SPDX-License-Identifier: Apache-2.0 */
/* The command of `belfry-load kill`: when it is begun, what counts as failed, and that nothing holds up its end. */
#include "loadtest/killer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { S = 1000000 };

/* Until the one that runs has ended, and been counted. */
static void wait_for_it(struct killer *killer) {
        siginfo_t info;
        assert_true(killer->pid > 0);
        assert_int_equal(waitid(P_PID, (id_t)killer->pid, &info, WEXITED | WNOWAIT), 0);
        killer_step(killer, 0, false);
        assert_int_equal(killer->pid, 0);
}

static void it_is_begun_when_it_is_due(void **state) {
        static const uint32_t rows[] = { 1, 5, 4294, 4295, 86400 };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct killer killer;
                uint64_t every_us = rows[i] * (uint64_t)S;
                killer_init(&killer, "true", rows[i], 7);
                killer_step(&killer, 7 + every_us - 1, true);
                assert_int_equal(killer.pid, 0);
                killer_step(&killer, 7 + every_us, false);
                assert_int_equal(killer.pid, 0);
                killer_step(&killer, 7 + every_us, true);
                wait_for_it(&killer);
                killer_step(&killer, 7 + 2 * every_us - 1, true);
                assert_int_equal(killer.pid, 0);
                killer_step(&killer, 7 + 2 * every_us, true);
                wait_for_it(&killer);
                assert_int_equal(killer.ended, 2);
                assert_int_equal(killer.failed, 0);
                assert_false(killer_end(&killer));
        }
}

static void another_status_than_0_is_a_failure(void **state) {
        static const char *const rows[] = { "false", "/nonexistent/command", "kill -9 0" };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct killer killer;
                killer_init(&killer, rows[i], 1, 0);
                killer_step(&killer, S, true);
                wait_for_it(&killer);
                assert_int_equal(killer.ended, 1);
                assert_int_equal(killer.failed, 1);
        }
}

/* The shell script leaves a line in the pipe when it has begun to ignore SIGTERM; its child holds the pipe, too, and both must be
 * gone. */
static void it_ends_even_if_it_ignores_that(void **state) {
        char folder[] = "/tmp/bf-killer-XXXXXX", script[64], command[128], byte;
        int ends[2];
        assert_non_null(mkdtemp(folder));
        assert_int_equal(pipe(ends), 0);
        snprintf(script, sizeof script, "%s/script", folder);
        FILE *file = fopen(script, "we");
        assert_non_null(file);
        fprintf(file, "trap '' TERM; echo >&%d; sleep 600; exit 0\n", ends[1]);
        assert_int_equal(fclose(file), 0);
        snprintf(command, sizeof command, "  sh  %s ", script);
        struct killer killer;
        killer_init(&killer, command, 1, 0);
        killer_step(&killer, S, true);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        pid_t pid = killer.pid;
        assert_true(killer_end(&killer));
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        assert_int_equal(killer.ended, 0);
        assert_false(killer_end(&killer));
        close(ends[0]);
        unlink(script);
        rmdir(folder);
}

static void what_would_be_cut_is_not_accepted(void **state) {
        char text[2 * KILLER_BYTES] = "";
        assert_false(killer_accepts(""));
        assert_false(killer_accepts("   "));
        assert_true(killer_accepts(" kill -9 1 "));
        for (size_t words = 1; words <= KILLER_WORDS + 1; words++) {
                memcpy(text + 2 * (words - 1), "a ", 3);
                assert_int_equal(killer_accepts(text), words <= KILLER_WORDS);
        }
        memset(text, 'a', sizeof text);
        text[KILLER_BYTES] = '\0';
        assert_false(killer_accepts(text));
        text[KILLER_BYTES - 1] = '\0';
        assert_true(killer_accepts(text));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_begun_when_it_is_due),
                cmocka_unit_test(another_status_than_0_is_a_failure),
                cmocka_unit_test(it_ends_even_if_it_ignores_that),
                cmocka_unit_test(what_would_be_cut_is_not_accepted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
