/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.h: the memory that the parent and the swarms share: in which phase the run is, and what each swarm has counted.
 *
 * The parent maps it before it forks. Each swarm has one slot and is its only writer, so counting is a plain add; the parent
 * reads at any time and may see a count that is a moment old. Only the phase and what goes with it are atomic.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"
#include "loadtest/histogram.h"

/* The parent moves from one to the next when all swarms are through, or when it has waited long enough. */
enum phase {
        PHASE_SETUP,   /* conversations are made */
        PHASE_CONNECT, /* all devices connect and catch up */
        PHASE_RUN,     /* the load */
        PHASE_SETTLE,  /* no new sends; each that is under way gets its answer */
        PHASE_DRAIN,   /* everything acknowledged is shown to everyone */
        PHASE_END,     /* the swarm counts what never came, and ends */
        PHASE_OVER,
};

/* TALLY_ROW(NAME, sentence). The gauges come first. */
#define BOARD_TALLIES(TALLY_ROW)                                                                                                 \
        TALLY_ROW(OPEN, "connections that are open")                                                                             \
        TALLY_ROW(LIVE, "devices that are connected, authenticated and caught up")                                               \
        TALLY_ROW(ASLEEP, "devices that are away because they want to")                                                          \
        TALLY_ROW(DIALLED, "connections begun")                                                                                  \
        TALLY_ROW(UNREACHED, "connections that failed before the upgrade was answered")                                          \
        TALLY_ROW(REFUSED, "upgrades answered with another status than 101")                                                     \
        TALLY_ROW(TLS_RESUMED, "TLS handshakes without a certificate, by the ticket of an earlier one")                          \
        TALLY_ROW(WELCOMED, "sessions begun")                                                                                    \
        TALLY_ROW(DROPPED, "sessions ended by the server")                                                                       \
        TALLY_ROW(LEFT, "sessions ended by devices that went away because they wanted to")                                       \
        TALLY_ROW(TURNED_AWAY, "sessions closed with a code that says not to come back")                                         \
        TALLY_ROW(SCHEDULED, "messages that were due")                                                                           \
        TALLY_ROW(SKIPPED, "messages not sent as too many of the device had no answer yet")                                      \
        TALLY_ROW(UNSAID, "messages not sent as everybody was away who could")                                                   \
        TALLY_ROW(ACKNOWLEDGED, "messages acknowledged by sent")                                                                 \
        TALLY_ROW(REJECTED, "messages refused by a lasting error")                                                               \
        TALLY_ROW(UNANSWERED, "messages without an answer at the end")                                                           \
        TALLY_ROW(RESENT, "sends repeated with the same op")                                                                     \
        TALLY_ROW(ERRORS, "error frames")                                                                                        \
        TALLY_ROW(DELIVERIES, "messages shown to a device")                                                                      \
        TALLY_ROW(RECEIPTS, "receipts shown")                                                                                    \
        TALLY_ROW(SIGNALS, "typing and presence shown")                                                                          \
        TALLY_ROW(BYTES, "bytes received")                                                                                       \
        TALLY_ROW(MALFORMED, "frames that nobody could read")                                                                    \
        TALLY_ROW(LOST, "acknowledged messages never shown to a member's device")                                                \
        TALLY_ROW(REPEATED, "messages shown again, or stored twice")                                                             \
        TALLY_ROW(REORDERED, "messages shown out of order")                                                                      \
        TALLY_ROW(LEAKED, "messages shown to who is no member")                                                                  \
        TALLY_ROW(INVENTED, "messages shown that nobody sent")                                                                   \
        TALLY_ROW(ALTERED, "messages shown with another body than was sent")                                                     \
        TALLY_ROW(TOLD, "losses the server told of")

enum tally {
#define BOARD_TALLY(name, sentence) TALLY_##name,
        BOARD_TALLIES(BOARD_TALLY)
#undef BOARD_TALLY
                TALLY_COUNT
};

enum { TALLY_GAUGES = TALLY_ASLEEP + 1 }; /* what goes up and down */

enum timing {
        TIMING_DELIVERY,  /* from when a message was due to when a device was shown it */
        TIMING_SENT,      /* … to when its sender heard that it is stored */
        TIMING_HANDSHAKE, /* from the first packet to welcome */
        TIMING_CATCH_UP,  /* from the first packet to caught_up, of who came back */
        TIMING_COUNT,
};

enum { BOARD_CHANNELS = 16, BOARD_COMPLAINTS = 8, BOARD_COMPLAINT_BYTES = 240, BOARD_CODE_BYTES = 40 };

struct board_slot {
        _Atomic uint32_t done;                             /* the last phase this swarm is through with, plus 1 */
        _Atomic uint64_t connected_us;                     /* when the last of its devices was live for the first time */
        _Atomic uint32_t storm_done;                       /* the last storm after which all of its devices are live again */
        _Atomic uint64_t storm_welcomed_us, storm_live_us; /* when all were welcomed, and live */
        uint64_t tallies[TALLY_COUNT];
        uint64_t folds[BOARD_CHANNELS]; /* audit_fold() of each channel, at the end */
        struct histogram timings[TIMING_COUNT];
        char error_code[BOARD_CODE_BYTES]; /* of the first error frame */
        _Atomic uint32_t complaints_count; /* also those that were not kept */
        char complaints[BOARD_COMPLAINTS][BOARD_COMPLAINT_BYTES];
};

struct board {
        _Atomic uint32_t phase;
        _Atomic bool cut_short; /* the run ends before what is under way could arrive: it is not lost */
        _Atomic uint64_t run_us;                       /* when PHASE_RUN began (board_now_us()) */
        _Atomic uint32_t storm;                        /* how many storms there were */
        _Atomic uint64_t channel_tops[BOARD_CHANNELS]; /* the highest acknowledged seq */
        uint32_t slots_count;
        struct board_slot slots[];
};

struct board *board_new(uint32_t slots); /* NULL without memory */
struct board *board_free(struct board *board);

/* Adds a sentence about what went wrong: the first few are kept. */
void board_complain(struct board_slot *slot, const char *text);

/* Counts an error frame, and keeps the code of the first one. */
void board_count_error(struct board_slot *slot, struct slice code);
/* The code of an error frame that was among the first, or "". It stays where it is. */
const char *board_error_code(const struct board *board);

/* The sums over all slots. */
uint64_t board_tally(const struct board *board, enum tally tally);
void board_timing(const struct board *board, enum timing timing, struct histogram *ret_sum);

/* "acknowledged" and its sentence, for the report. */
const char *board_tally_name(enum tally tally);
const char *board_tally_sentence(enum tally tally);

/* CLOCK_MONOTONIC: the same in all processes. */
uint64_t board_now_us(void);
