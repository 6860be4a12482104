/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c: see progress.h. */
#include "loadtest/progress.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "loadtest/board.h"
#include "loadtest/plan.h"

enum { EVERY_US = 500000, EVERY_QUIETLY_US = 10000000 };

static uint64_t shown_us, shown_deliveries;

static const char *const phases[] = { "making conversations", "connecting", "running", "settling", "draining", "ending", "over" };

void progress_show(const struct plan *plan, const struct board *board, uint64_t now_us) {
        bool terminal = isatty(STDERR_FILENO);
        if (!shown_us)
                shown_us = now_us;
        uint64_t since_us = now_us - shown_us;
        if (since_us < (terminal ? EVERY_US : EVERY_QUIETLY_US))
                return;
        uint64_t deliveries = board_tally(board, TALLY_DELIVERIES), run_us = atomic_load(&board->run_us);
        uint64_t faults = 0;
        for (enum tally i = TALLY_LOST; i <= TALLY_TOLD; i++)
                faults += board_tally(board, i);
        struct histogram latency;
        board_timing(board, TIMING_DELIVERY, &latency);
        fprintf(stderr,
                "%s%s %.0f s, %" PRIu64 " of %" PRIu32 " live, %" PRIu64 " acknowledged, %" PRIu64
                " deliveries (%.0f/s), p99 %.1f ms, %" PRIu64 " faults%s",
                terminal ? "\r\x1b[K" : "", phases[atomic_load(&board->phase)], run_us ? (double)(now_us - run_us) / 1e6 : 0.0,
                board_tally(board, TALLY_LIVE), plan->connections, board_tally(board, TALLY_ACKNOWLEDGED), deliveries,
                (double)(deliveries - shown_deliveries) * 1e6 / (double)since_us,
                (double)histogram_quantile_us(&latency, 0.99) / 1e3, faults, terminal ? "" : "\n");
        shown_us = now_us;
        shown_deliveries = deliveries;
}

void progress_end(const struct plan *plan) {
        if (!plan->quiet && isatty(STDERR_FILENO))
                fputs("\r\x1b[K", stderr);
}
