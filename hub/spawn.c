/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c: see spawn.h. */
#include "hub/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/log.h"
#include "base/metrics.h"
#include "base/process.h"
#include "hub/worker.h"

/* spawn#2: all from 3 on but these two, of which the second may be -1. */
static void close_all_but(int a, int b) {
        int low = a < b ? a : b, high = a < b ? b : a;
        unsigned from = 3;
        const int kept[] = { low, high };
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
                if (kept[i] < (int)from)
                        continue;
                if (kept[i] > (int)from)
                        (void)close_range(from, (unsigned)kept[i] - 1, 0);
                from = (unsigned)kept[i] + 1;
        }
        (void)close_range(from, ~0U, 0);
}

static void be_a_child_of(pid_t supervisor, const char *name) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
                _exit(EXIT_FAILURE); /* the second: it died before the first */
        char title[16]; /* all that the kernel keeps */
        snprintf(title, sizeof title, "belfry-%.8s", name);
        (void)prctl(PR_SET_NAME, title);

        sigset_t none;
        sigemptyset(&none);
        signal(SIGINT, SIG_IGN); /* spawn#3 */
        signal(SIGHUP, SIG_IGN);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_a_worker(spawn_run_fn run, const struct worker_options *options, const char *name, int keep_fd, int ready_fd) {
        close_all_but(ready_fd, keep_fd);
        log_open(name, process.level);
        metrics_open(options->metrics, options->index + 1, name);
        struct worker_options own = *options;
        own.ready_fd = ready_fd;
        exit(run(&own));
}

int spawn_worker(spawn_run_fn run, const struct worker_options *options, const char *name, int keep_fd, pid_t *ret_pid, int *ret_ready_fd) {
        int pipe_fds[2];
        if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
                return -errno;
        fflush(NULL); /* what is buffered would be written twice */
        pid_t supervisor = getpid(), pid = fork();
        if (pid == 0) {
                be_a_child_of(supervisor, name);
                be_a_worker(run, options, name, keep_fd, pipe_fds[1]);
        }
        int error = pid < 0 ? -errno : 0;
        close(pipe_fds[1]);
        if (error != 0) {
                close(pipe_fds[0]);
                return error;
        }
        *ret_pid = pid;
        *ret_ready_fd = pipe_fds[0];
        return 0;
}
