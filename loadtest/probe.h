/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h: CPU and memory of the server's processes, as the kernel counts them (proc(5)).
 *
 * CPU is utime + stime of /proc/PID/stat, for the whole process, in steps of 10 ms; memory is Pss of /proc/PID/smaps_rollup.
 * Children are found anew at each look, so a worker that is started again is seen; what a dead one used stays counted.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/limits.h"

struct probe_process {
        pid_t pid;
        char name[16];      /* comm */
        uint64_t cpu_us;    /* so far */
        uint64_t marked_us; /* … at the last mark */
        uint64_t run_us;    /* between the last two marks */
        uint64_t pss_bytes, marked_pss_bytes;
        bool alive;
};

struct probe {
        const pid_t *roots;
        uint32_t roots_count;
        uint32_t processes_count;
        struct probe_process processes[LIMIT_LOAD_SERVERS];
};

void probe_init(struct probe *probe, const pid_t *roots, uint32_t roots_count);
/* Looks at all of them, with their memory or without: that takes the kernel a while for a large process. */
void probe_look(struct probe *probe, bool memory);
/* run_us becomes the CPU since the mark before, and marked_pss_bytes the memory as it was seen last. */
void probe_mark(struct probe *probe);
uint64_t probe_pss_bytes(const struct probe *probe);
uint64_t probe_cpu_us(const struct probe *probe);
uint64_t probe_run_us(const struct probe *probe);
