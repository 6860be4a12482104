/* SPDX-License-Identifier: Apache-2.0 */
/* report.h: the outcome of a run for programs (JSON, RFC 8259) and, in a few lines, for who started it. */
#pragma once
#include <stdio.h>

struct board;
struct buf;
struct outcome;
struct plan;

void report_json(const struct plan *plan, const struct board *board, const struct outcome *outcome, struct buf *out);
void report_summary(const struct plan *plan, const struct board *board, const struct outcome *outcome, FILE *out);

/* The machine, in one line: kernel, processor, cores, memory. */
void report_machine(struct buf *out);
/* When the run was over (RFC 3339). */
void report_time(const struct outcome *outcome, struct buf *out);
/* The command line, in one line. */
void report_command(const struct plan *plan, struct buf *out);
