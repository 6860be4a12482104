/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome.h: what came out of a run, and whether that is good.
 *
 * The parent fills it in; the reports print it. The verdict is a pure function of the counts and of how far the run came.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "base/limits.h"
#include "loadtest/board.h"
#include "loadtest/probe.h"

struct plan;

/* What was seen in one interval of the run. Times are of messages shown in it. */
struct outcome_sample {
        double at_s, seconds; /* its end since the run began, and its length */
        uint64_t deliveries, acknowledged, live, p50_us, p99_us, max_us, sent_p99_us, cpu_us, pss_bytes;
};

struct outcome_storm {
        double welcomed_ms, live_ms;
        bool complete;
};

enum { OUTCOME_STORMS = 1000, OUTCOME_VERDICT_BYTES = 512 };

/* How far the run came. */
enum outcome_end {
        OUTCOME_WHOLE,
        OUTCOME_INTERRUPTED, /* by a signal */
        OUTCOME_NO_SETUP,    /* the conversations could not be made */
        OUTCOME_NO_CONNECT,  /* not all devices were connected in time */
        OUTCOME_NO_SERVER,   /* no device was connected for a while */
        OUTCOME_NO_ANSWER,   /* not all sends were answered in time, or not all devices came back */
        OUTCOME_NOT_SHOWN,   /* not all that was acknowledged was shown in time */
        OUTCOME_SWARM_DIED,  /* a process of the load test ended before it should */
};

struct outcome {
        enum outcome_end end;
        time_t at; /* when it was over */
        uint64_t tallies[TALLY_COUNT];
        struct histogram timings[TIMING_COUNT];
        double connect_s, run_s, settle_s; /* how long each took */
        uint64_t run_deliveries, run_acknowledged, connected_peak;
        uint64_t kills, kills_failed;
        bool kill_unended; /* the command to kill still ran when the run was over */
        bool channels_differ;
        struct outcome_storm storms[OUTCOME_STORMS];
        uint32_t storms_count;
        struct outcome_sample samples[LIMIT_LOAD_SAMPLES];
        uint32_t samples_count;
        struct probe probe;
        uint64_t idle_pss_bytes,
                connected_pss_bytes; /* of all server processes, before the first connection and after the last */
        uint64_t connect_cpu_us;     /* of all server processes, while all connected */
        const char *complaint;       /* the first of them, or NULL */
        char verdict[OUTCOME_VERDICT_BYTES];
};

/* Fills in the verdict: "ok", or what is wrong, the gravest first. */
void outcome_judge(const struct plan *plan, struct outcome *outcome);
bool outcome_is_ok(const struct outcome *outcome);
