/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h: one line in the terminal that says how the run goes; where stderr is no terminal, a line each ten seconds. */
#pragma once
#include <stdint.h>

struct board;
struct plan;

void progress_show(const struct plan *plan, const struct board *board, uint64_t now_us); /* as often as you like */
void progress_end(const struct plan *plan);
