/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conductor.h: the parent of a run: starts the swarms, moves them from phase to phase, watches the clock, and judges.
 *
 * 1. Each phase has a limit of time, so a run ends whatever the server does.
 * 2. SIGINT and SIGTERM end it early, with a report.
 * 3. No child outlives it.
 */
#pragma once

struct plan;

enum { CONDUCTOR_EXIT_WRONG = 2 }; /* … if what was asked for cannot be done, and nothing was begun */

/* The whole run: the exit status of the program. */
int conductor_run(const struct plan *plan);
