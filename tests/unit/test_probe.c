/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a process and its children: who they are, what they used, also after they are gone. */
#include "loadtest/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { BURNT_MS = 100, MEMORY = 8 << 20 };

/* A child that names itself, takes memory, uses so much CPU, says so, and waits to be killed. */
static pid_t start_child(const char *name) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_NAME, name);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                volatile char *memory = malloc(MEMORY);
                struct timespec used = { 0 };
                for (unsigned round = 1; used.tv_sec * 1000 + used.tv_nsec / 1000000 < BURNT_MS; round++) {
                        for (size_t i = 0; i < MEMORY; i += 512)
                                memory[i] = (char)round;
                        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
                }
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void end_child(pid_t pid) {
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static const struct probe_process *get(const struct probe *probe, pid_t pid) {
        for (uint32_t i = 0; i < probe->processes_count; i++)
                if (probe->processes[i].pid == pid)
                        return &probe->processes[i];
        fail_msg("process %d was not found", (int)pid);
        return NULL;
}

static void children_are_found_with_their_cpu_and_memory(void **state) {
        struct probe *probe = malloc(sizeof *probe);
        pid_t me = getpid(), child = start_child("odd) name (");
        probe_init(probe, &me, 1);
        probe_look(probe, true);
        const struct probe_process *found = get(probe, child);
        assert_string_equal(found->name, "odd) name (");
        assert_true(found->alive);
        assert_true(found->cpu_us >= (BURNT_MS - 20) * 1000);
        assert_true(found->pss_bytes >= MEMORY);
        assert_true(get(probe, me)->pss_bytes > 0);
        assert_true(probe_pss_bytes(probe) >= found->pss_bytes + get(probe, me)->pss_bytes);
        end_child(child);
        free(probe);
}

static void what_the_dead_used_stays_counted_and_new_ones_join(void **state) {
        struct probe *probe = malloc(sizeof *probe);
        pid_t me = getpid(), first = start_child("first");
        probe_init(probe, &me, 1);
        probe_look(probe, true);
        probe_mark(probe);
        uint64_t first_us = get(probe, first)->cpu_us;
        end_child(first);
        pid_t second = start_child("second");
        probe_look(probe, true);
        probe_mark(probe);
        assert_false(get(probe, first)->alive);
        assert_int_equal(get(probe, first)->cpu_us, first_us);
        assert_int_equal(get(probe, first)->run_us, 0);
        assert_int_equal(get(probe, first)->pss_bytes, 0);
        assert_int_equal(get(probe, second)->run_us, get(probe, second)->cpu_us);
        assert_true(probe_run_us(probe) >= (BURNT_MS - 20) * 1000);
        assert_true(probe_cpu_us(probe) >= 2 * (BURNT_MS - 20) * 1000);
        end_child(second);
        free(probe);
}

static void a_process_that_is_not_there_is_nothing(void **state) {
        struct probe *probe = malloc(sizeof *probe);
        pid_t gone = start_child("gone");
        end_child(gone);
        probe_init(probe, &gone, 1);
        probe_look(probe, true);
        assert_int_equal(probe->processes_count, 0);
        assert_int_equal(probe_pss_bytes(probe), 0);
        free(probe);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(children_are_found_with_their_cpu_and_memory),
                cmocka_unit_test(what_the_dead_used_stays_counted_and_new_ones_join),
                cmocka_unit_test(a_process_that_is_not_there_is_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
