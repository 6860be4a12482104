/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h: the one piece of global state: who this process is in the log, and its slot in the page of counters.
 *
 * Everything else is reached through an argument. It is set once when a process starts (log_open, metrics_open).
 */
#pragma once
#include "base/log.h"

struct metrics_slot;

struct process {
        const char *ident;
        enum log_level level;
        struct metrics_slot *metrics; /* never NULL: a private slot until metrics_open() */
};

extern struct process process;
