/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c: see progress.h. */
#include "loadtest/progress.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "loadtest/board.h"
#include "loadtest/plan.h"

enum { EVERY_US = 500000, EVERY_QUIETLY_US = 10000000, WIDTH = 80 };

static uint64_t shown_us, shown_deliveries;

static const char *const phases[] = { "making conversations", "connecting", "running", "settling", "draining", "ending", "over" };

/* Behind what stands there, if it fits as a whole. */
__attribute__((format(printf, 3, 4))) static void add(char out[static PROGRESS_BYTES], size_t width, const char *format, ...) {
        char piece[PROGRESS_BYTES];
        size_t len = strlen(out);
        va_list args;
        va_start(args, format);
        size_t more = (size_t)vsnprintf(piece, sizeof piece, format, args);
        va_end(args);
        if (len + more < width && len + more < PROGRESS_BYTES)
                memcpy(out + len, piece, more + 1);
}

void progress_write(const struct progress *progress, size_t width, char out[static PROGRESS_BYTES]) {
        out[0] = '\0';
        add(out, width, "%s %.0f s", progress->phase, progress->seconds);
        add(out, width, ", %" PRIu64 " of %" PRIu64 " live", progress->live, progress->connections);
        add(out, width, ", %" PRIu64 " faults", progress->faults);
        add(out, width, ", p99 %.1f ms", progress->p99_ms);
        add(out, width, ", %" PRIu64 " shown (%.0f/s)", progress->shown, progress->shown_per_s);
        add(out, width, ", %" PRIu64 " acknowledged", progress->acknowledged);
}

static size_t width_of_terminal(void) {
        struct winsize size;
        return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH;
}

void progress_show(const struct plan *plan, const struct board *board, uint64_t now_us) {
        bool terminal = isatty(STDERR_FILENO);
        if (!shown_us)
                shown_us = now_us;
        uint64_t since_us = now_us - shown_us;
        if (since_us < (terminal ? EVERY_US : EVERY_QUIETLY_US))
                return;
        uint64_t deliveries = board_tally(board, TALLY_DELIVERIES), run_us = atomic_load(&board->run_us);
        struct histogram latency;
        board_timing(board, TIMING_DELIVERY, &latency);
        struct progress progress = {
                .phase = phases[atomic_load(&board->phase)],
                .seconds = run_us ? (double)(now_us - run_us) / 1e6 : 0,
                .shown_per_s = (double)(deliveries - shown_deliveries) * 1e6 / (double)since_us,
                .p99_ms = (double)histogram_quantile_us(&latency, 0.99) / 1e3,
                .live = board_tally(board, TALLY_LIVE),
                .connections = plan->connections,
                .shown = deliveries,
                .acknowledged = board_tally(board, TALLY_ACKNOWLEDGED),
        };
        for (enum tally i = TALLY_LOST; i <= TALLY_TOLD; i++)
                progress.faults += board_tally(board, i);
        char line[PROGRESS_BYTES];
        progress_write(&progress, terminal ? width_of_terminal() : PROGRESS_UNLIMITED, line);
        fprintf(stderr, "%s%s%s", terminal ? "\r\x1b[K" : "", line, terminal ? "" : "\n");
        shown_us = now_us;
        shown_deliveries = deliveries;
}

void progress_end(const struct plan *plan) {
        if (!plan->quiet && isatty(STDERR_FILENO))
                fputs("\r\x1b[K", stderr);
}
