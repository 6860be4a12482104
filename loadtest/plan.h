/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h: what a run of belfry-load shall do: its command line, read and checked as a whole.
 *
 * Texts are borrowed from the command line and the environment. Counts are within the limits of the table in plan.c, so nothing
 * that is made by them is checked again.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "loadtest/dial.h"

struct buf;

enum scenario { SCENARIO_IDLE, SCENARIO_CHAT, SCENARIO_FANOUT, SCENARIO_STORM, SCENARIO_MOBILE, SCENARIO_SLOW, SCENARIO_KILL };

enum { PLAN_PIDS = 16, PLAN_RUN_CHARS = 8 };

enum { PLAN_E_HELP = 1, PLAN_E_WRONG };

struct plan {
        enum scenario scenario;
        struct dial dial;
        char run[PLAN_RUN_CHARS + 1]; /* the first part of every id, so that two runs never meet */
        const char *url, *json_path, *html_path, *ca_path, *kill_command;
        const char *jwt_secret, *api_key;
        pid_t pids[PLAN_PIDS];
        uint32_t pids_count;

        uint32_t connections, processes, devices, room, rooms, channels, body_bytes, at_once, in_flight;
        uint32_t duration_s, connect_s, settle_s, sleep_s, kill_every_s, stalled, storms, seed;
        double rate; /* messages a second, over all; 0: as fast as they are answered (fanout), none (else) */
        double churn, connect_rate;
        double typing, read, asleep; /* shares, 0 to 1 */
        bool rate_chosen; /* by us, as nobody said it */
        bool floor, quiet, unverified, fresh;
        int argc; /* the command line, for the report */
        char **argv;
};

/* Reads argv (argv[0] is the program). 0, PLAN_E_HELP, or PLAN_E_WRONG with one line that says what is wrong in *ret_error, which
 * is static. find_env is getenv, or what a test puts there. */
__attribute__((warn_unused_result)) int plan_read(int argc, char *argv[], char *(*find_env)(const char *name),
                                                  struct plan *ret_plan, const char **ret_error);
/* Is anything to be sent? */
bool plan_talks(const struct plan *plan);
void plan_print_help(struct buf *out);
const char *plan_scenario_name(enum scenario scenario);
