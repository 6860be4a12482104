/* SPDX-License-Identifier: Apache-2.0 */
/* html.h: the outcome of a run for people: one page with its plots, that needs nothing else. */
#pragma once

struct board;
struct buf;
struct outcome;
struct plan;

void html_print(const struct plan *plan, const struct board *board, const struct outcome *outcome, struct buf *out);
