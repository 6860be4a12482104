/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h: makes a worker process, of the hub or of push: a fork of the supervisor that keeps nothing of it but its memory.
 *
 * 1. It is killed when the supervisor ends, whatever ends that: PR_SET_PDEATHSIG, and a look at getppid() for the moment before.
 * 2. It has three descriptors, one to say that it is ready, and the one it is told to keep; no lock, no port, no other's pipe.
 * 3. SIGTERM ends it, SIGINT and SIGHUP do not reach it until it asks for them: Ctrl-C goes to a whole terminal, and only the
 *    supervisor knows who ends first.
 */
#pragma once
#include <sys/types.h>

struct worker_options;

/* What a child runs; its result is the status. ready_fd gets one byte once it serves. */
typedef int (*spawn_run_fn)(const struct worker_options *options);

/*
 * options->index + 1 is its slot of metrics. name ("worker1") is borrowed for the worker's life, as its log's. keep_fd -1: none. options->ready_fd is set here. The caller
 * reads one byte from *ret_ready_fd once the worker serves, end of file if it died before, and closes it. 0 or -errno.
 */
__attribute__((warn_unused_result)) int spawn_worker(spawn_run_fn run, const struct worker_options *options, const char *name,
                                                     int keep_fd, pid_t *ret_pid, int *ret_ready_fd);
