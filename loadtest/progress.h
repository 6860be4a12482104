/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h: one line in the terminal that says how the run goes; where stderr is no terminal, a line each ten seconds. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct board;
struct plan;

/* What it says. */
struct progress {
        const char *phase;
        double seconds, shown_per_s, p99_ms;
        uint64_t live, connections, faults, shown, acknowledged;
};

enum { PROGRESS_BYTES = 256, PROGRESS_UNLIMITED = PROGRESS_BYTES };

/* Writes it in less than width columns, so that no terminal breaks it, and leaves out what has no room, the least important
 * first. */
void progress_write(const struct progress *progress, size_t width, char out[static PROGRESS_BYTES]);

void progress_show(const struct plan *plan, const struct board *board, uint64_t now_us); /* as often as you like */
void progress_end(const struct plan *plan);
