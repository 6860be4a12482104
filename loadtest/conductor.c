/* SPDX-License-Identifier: Apache-2.0 */
/* conductor.c: see conductor.h. */
#include "loadtest/conductor.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "loadtest/html.h"
#include "loadtest/killer.h"
#include "loadtest/outcome.h"
#include "loadtest/plan.h"
#include "loadtest/progress.h"
#include "loadtest/report.h"
#include "loadtest/sheet.h"
#include "loadtest/swarm.h"

enum {
        TICK_MS = 20,
        SETUP_LIMIT_S = 600, /* conversations are made a few thousand a second */
        END_LIMIT_S = 60,
        ALONE_S = 30, /* no device connected for so long: the server is gone */
        REPORT_BYTES = 8 << 20,
};

struct conductor {
        const struct plan *plan;
        struct board *board;
        struct outcome *outcome;
        pid_t *swarms;
        struct killer killer;
        struct sheet json, html;
        uint64_t sampled_us, sample_every_us, alone_since_us, probed_us;
        uint64_t next_storm_us, storm_us;
        struct histogram earlier[2]; /* delivery and sent, as of the last sample */
        uint64_t earlier_deliveries, earlier_acknowledged, earlier_cpu_us;
        bool running; /* between begin_run() and end_run(): samples are taken */
};

static volatile sig_atomic_t told_to_end;

static void on_signal(int number) {
        told_to_end = number;
}

/* ---- the swarms ---- */

static int start_swarms(struct conductor *conductor) {
        for (uint32_t i = 0; i < conductor->plan->processes; i++) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(swarm_run(conductor->plan, conductor->board, i));
                if (pid < 0)
                        return -errno;
                conductor->swarms[i] = pid;
        }
        return 0;
}

/* Has a swarm ended? One that could not begin has said why. */
static bool swarm_has_ended(struct conductor *conductor) {
        for (uint32_t i = 0; i < conductor->plan->processes; i++)
                if (conductor->swarms[i] > 0 && waitpid(conductor->swarms[i], NULL, WNOHANG) == conductor->swarms[i]) {
                        conductor->swarms[i] = 0;
                        return true;
                }
        return false;
}

static void end_swarms(struct conductor *conductor) {
        for (uint32_t i = 0; i < conductor->plan->processes; i++)
                if (conductor->swarms[i] > 0) {
                        kill(conductor->swarms[i], SIGKILL);
                        waitpid(conductor->swarms[i], NULL, 0);
                }
}

static bool all_done(const struct board *board, enum phase phase) {
        for (uint32_t i = 0; i < board->slots_count; i++)
                if (atomic_load(&board->slots[i].done) <= phase)
                        return false;
        return true;
}

/* ---- what is seen ---- */

static void look_at_servers(struct conductor *conductor, uint64_t now_us, bool memory) {
        conductor->probed_us = now_us;
        probe_look(&conductor->outcome->probe, memory);
}

static void take_sample(struct conductor *conductor, uint64_t now_us) {
        struct outcome *outcome = conductor->outcome;
        struct board *board = conductor->board;
        struct histogram now[2];
        if (outcome->samples_count == LIMIT_LOAD_SAMPLES)
                return;
        struct outcome_sample *sample = &outcome->samples[outcome->samples_count++];
        look_at_servers(conductor, now_us, true);
        board_timing(board, TIMING_DELIVERY, &now[0]);
        board_timing(board, TIMING_SENT, &now[1]);
        uint64_t deliveries = board_tally(board, TALLY_DELIVERIES), acknowledged = board_tally(board, TALLY_ACKNOWLEDGED);
        uint64_t cpu_us = probe_cpu_us(&outcome->probe);
        struct histogram part = now[0], sent = now[1];
        histogram_subtract(&part, &conductor->earlier[0]);
        histogram_subtract(&sent, &conductor->earlier[1]);
        *sample = (struct outcome_sample){
                .at_s = (double)(now_us - atomic_load(&board->run_us)) / 1e6,
                .seconds = (double)(now_us - conductor->sampled_us) / 1e6,
                .deliveries = deliveries - conductor->earlier_deliveries,
                .acknowledged = acknowledged - conductor->earlier_acknowledged,
                .live = board_tally(board, TALLY_LIVE),
                .p50_us = histogram_quantile_us(&part, 0.5),
                .p99_us = histogram_quantile_us(&part, 0.99),
                .max_us = part.max_us,
                .sent_p99_us = histogram_quantile_us(&sent, 0.99),
                .cpu_us = cpu_us - conductor->earlier_cpu_us,
                .pss_bytes = probe_pss_bytes(&outcome->probe),
        };
        memcpy(conductor->earlier, now, sizeof now);
        conductor->earlier_deliveries = deliveries;
        conductor->earlier_acknowledged = acknowledged;
        conductor->earlier_cpu_us = cpu_us;
        conductor->sampled_us = now_us;
}

/* ---- what is done to the server ---- */

static bool storm_is_over(struct conductor *conductor) {
        struct board *board = conductor->board;
        struct outcome_storm *storm = &conductor->outcome->storms[conductor->outcome->storms_count - 1];
        uint64_t welcomed_us = 0, live_us = 0;
        for (uint32_t i = 0; i < board->slots_count; i++) {
                const struct board_slot *slot = &board->slots[i];
                if (atomic_load(&slot->storm_done) < atomic_load(&board->storm))
                        return false;
                if (atomic_load(&slot->storm_welcomed_us) > welcomed_us)
                        welcomed_us = atomic_load(&slot->storm_welcomed_us);
                if (atomic_load(&slot->storm_live_us) > live_us)
                        live_us = atomic_load(&slot->storm_live_us);
        }
        storm->welcomed_ms = (double)(welcomed_us - conductor->storm_us) / 1e3;
        storm->live_ms = (double)(live_us - conductor->storm_us) / 1e3;
        storm->complete = true;
        return true;
}

static void watch_storms(struct conductor *conductor, uint64_t now_us) {
        struct outcome *outcome = conductor->outcome;
        const struct plan *plan = conductor->plan;
        if (outcome->storms_count > 0 && !outcome->storms[outcome->storms_count - 1].complete && !storm_is_over(conductor))
                return;
        if (plan->scenario != SCENARIO_STORM || !conductor->running || outcome->storms_count == plan->storms ||
            now_us < conductor->next_storm_us)
                return;
        conductor->next_storm_us += plan->duration_s * 1000000ull / plan->storms;
        conductor->storm_us = now_us;
        outcome->storms_count++;
        atomic_fetch_add(&conductor->board->storm, 1);
}

/* ---- time ---- */

static bool server_is_gone(struct conductor *conductor, uint64_t now_us) {
        if (board_tally(conductor->board, TALLY_LIVE) > 0 || atomic_load(&conductor->board->phase) < PHASE_RUN)
                conductor->alone_since_us = now_us;
        return now_us - conductor->alone_since_us > ALONE_S * 1000000ull && conductor->plan->scenario != SCENARIO_MOBILE;
}

/* Waits one tick and does what is due in it. Says why the run must end, or OUTCOME_WHOLE. */
static enum outcome_end tick(struct conductor *conductor) {
        const struct timespec pause = { .tv_nsec = TICK_MS * 1000000L };
        nanosleep(&pause, NULL);
        uint64_t now_us = board_now_us();
        killer_step(&conductor->killer, now_us, conductor->plan->scenario == SCENARIO_KILL && conductor->running);
        watch_storms(conductor, now_us);
        if (conductor->running && now_us - conductor->sampled_us >= conductor->sample_every_us)
                take_sample(conductor, now_us);
        if (!conductor->plan->quiet)
                progress_show(conductor->plan, conductor->board, now_us);
        if (told_to_end)
                return OUTCOME_INTERRUPTED;
        if (swarm_has_ended(conductor))
                return atomic_load(&conductor->board->phase) == PHASE_SETUP ? OUTCOME_NO_SETUP : OUTCOME_SWARM_DIED;
        return server_is_gone(conductor, now_us) ? OUTCOME_NO_SERVER : OUTCOME_WHOLE;
}

static void begin(struct conductor *conductor, enum phase phase) {
        atomic_store(&conductor->board->phase, phase);
}

/* Waits until all swarms are through with the phase: OUTCOME_WHOLE, late when it took too long, or what else happened. */
static enum outcome_end wait_for(struct conductor *conductor, enum phase phase, uint32_t limit_s, enum outcome_end late) {
        uint64_t limit_us = board_now_us() + limit_s * 1000000ull;
        enum outcome_end end = OUTCOME_WHOLE;
        while (end == OUTCOME_WHOLE && !all_done(conductor->board, phase))
                end = board_now_us() > limit_us ? late : tick(conductor);
        return end;
}

/* We look at the swarms now and then, and so do they at their devices: a tenth of a second later, of which the server knows nothing. */
static uint64_t connected_us(const struct board *board) {
        uint64_t last_us = 0;
        for (uint32_t i = 0; i < board->slots_count; i++)
                if (atomic_load(&board->slots[i].connected_us) > last_us)
                        last_us = atomic_load(&board->slots[i].connected_us);
        return last_us;
}

static enum outcome_end connect_all(struct conductor *conductor) {
        struct outcome *outcome = conductor->outcome;
        look_at_servers(conductor, board_now_us(), true);
        outcome->idle_pss_bytes = probe_pss_bytes(&outcome->probe);
        uint64_t cpu_us = probe_cpu_us(&outcome->probe), start_us = board_now_us();
        begin(conductor, PHASE_CONNECT);
        enum outcome_end end = wait_for(conductor, PHASE_CONNECT, conductor->plan->connect_s, OUTCOME_NO_CONNECT);
        if (end == OUTCOME_WHOLE && board_tally(conductor->board, TALLY_TURNED_AWAY) > 0)
                end = OUTCOME_NO_CONNECT; /* nobody is left to wait for */
        outcome->connect_s = (double)((end == OUTCOME_WHOLE ? connected_us(conductor->board) : board_now_us()) - start_us) / 1e6;
        outcome->connected_peak = board_tally(conductor->board, TALLY_LIVE);
        look_at_servers(conductor, board_now_us(), true);
        outcome->connected_pss_bytes = probe_pss_bytes(&outcome->probe);
        outcome->connect_cpu_us = probe_cpu_us(&outcome->probe) - cpu_us;
        return end;
}

static enum outcome_end run(struct conductor *conductor) {
        const struct plan *plan = conductor->plan;
        struct outcome *outcome = conductor->outcome;
        probe_mark(&outcome->probe);
        conductor->earlier_deliveries = board_tally(conductor->board, TALLY_DELIVERIES);
        conductor->earlier_acknowledged = board_tally(conductor->board, TALLY_ACKNOWLEDGED);
        conductor->earlier_cpu_us = probe_cpu_us(&outcome->probe);
        uint64_t now_us = board_now_us(), end_us = now_us + plan->duration_s * 1000000ull;
        uint64_t deliveries = conductor->earlier_deliveries, acknowledged = conductor->earlier_acknowledged;
        conductor->sampled_us = conductor->next_storm_us = now_us;
        killer_init(&conductor->killer, plan->kill_command, plan->kill_every_s, now_us);
        conductor->sample_every_us =
                plan->duration_s <= LIMIT_LOAD_SAMPLES - 1 ? 1000000 : plan->duration_s * 1000000ull / (LIMIT_LOAD_SAMPLES - 1);
        atomic_store(&conductor->board->run_us, now_us);
        conductor->running = true;
        begin(conductor, PHASE_RUN);
        enum outcome_end end = OUTCOME_WHOLE;
        while (end == OUTCOME_WHOLE && board_now_us() < end_us)
                end = tick(conductor);
        conductor->running = false;
        now_us = board_now_us();
        if (now_us - conductor->sampled_us > conductor->sample_every_us / 2)
                take_sample(conductor, now_us);
        look_at_servers(conductor, now_us, true);
        probe_mark(&outcome->probe);
        outcome->run_s = (double)(now_us - atomic_load(&conductor->board->run_us)) / 1e6;
        outcome->run_deliveries = board_tally(conductor->board, TALLY_DELIVERIES) - deliveries;
        outcome->run_acknowledged = board_tally(conductor->board, TALLY_ACKNOWLEDGED) - acknowledged;
        return end;
}

static enum outcome_end settle(struct conductor *conductor) {
        uint64_t start_us = board_now_us();
        enum outcome_end end = OUTCOME_WHOLE;
        while (end == OUTCOME_WHOLE && conductor->killer.pid > 0 &&
               board_now_us() - start_us < conductor->plan->settle_s * 1000000ull)
                end = tick(conductor); /* what it kills late belongs to the run, too */
        begin(conductor, PHASE_SETTLE);
        if (end == OUTCOME_WHOLE)
                end = wait_for(conductor, PHASE_SETTLE, conductor->plan->settle_s, OUTCOME_NO_ANSWER);
        if (end == OUTCOME_WHOLE || end == OUTCOME_NO_ANSWER) {
                begin(conductor, PHASE_DRAIN);
                enum outcome_end shown = wait_for(conductor, PHASE_DRAIN, conductor->plan->settle_s, OUTCOME_NOT_SHOWN);
                end = end == OUTCOME_WHOLE ? shown : end;
        }
        conductor->outcome->settle_s = (double)(board_now_us() - start_us) / 1e6;
        return end;
}

/* The swarms count what never came, and end. */
static void end_run(struct conductor *conductor) {
        begin(conductor, PHASE_END);
        uint64_t limit_us = board_now_us() + END_LIMIT_S * 1000000ull;
        const struct timespec pause = { .tv_nsec = TICK_MS * 1000000L };
        uint32_t left = 1;
        while (left > 0 && board_now_us() < limit_us) {
                nanosleep(&pause, NULL);
                swarm_has_ended(conductor);
                left = 0;
                for (uint32_t i = 0; i < conductor->plan->processes; i++)
                        left += conductor->swarms[i] > 0;
        }
        conductor->outcome->kill_unended = killer_end(&conductor->killer);
        conductor->outcome->kills = conductor->killer.ended;
        conductor->outcome->kills_failed = conductor->killer.failed;
}

static void collect(struct conductor *conductor) {
        struct outcome *outcome = conductor->outcome;
        const struct board *board = conductor->board;
        for (int i = TALLY_GAUGES; i < TALLY_COUNT; i++) /* gauges stay as they were before all left */
                outcome->tallies[i] = board_tally(board, (enum tally)i);
        outcome->at = time(NULL);
        for (int i = 0; i < TIMING_COUNT; i++)
                board_timing(board, (enum timing)i, &outcome->timings[i]);
        for (uint32_t i = 0; i < board->slots_count; i++) {
                if (!outcome->complaint && atomic_load(&board->slots[i].complaints_count) > 0)
                        outcome->complaint = board->slots[i].complaints[0];
                for (uint32_t k = 0; k < BOARD_CHANNELS && outcome->end == OUTCOME_WHOLE; k++)
                        outcome->channels_differ |= board->slots[i].folds[k] != board->slots[0].folds[k];
        }
}

static int open_sheets(struct conductor *conductor) {
        const struct plan *plan = conductor->plan;
        int r = sheet_open(&conductor->json, plan->json_path, plan->run);
        if (r < 0)
                fprintf(stderr, "belfry-load: --json: %s cannot be written: %s\n", plan->json_path, strerror(-r));
        int also = sheet_open(&conductor->html, plan->html_path, plan->run);
        if (also < 0)
                fprintf(stderr, "belfry-load: --html: %s cannot be written: %s\n", plan->html_path, strerror(-also));
        return r < 0 ? r : also;
}

static int write_sheet(struct sheet *sheet,
                       void (*print)(const struct plan *, const struct board *, const struct outcome *, struct buf *),
                       const struct conductor *conductor) {
        const char *path = sheet->path;
        if (!path)
                return 0;
        _cleanup_buf_ struct buf text = BUF_INIT(REPORT_BYTES);
        print(conductor->plan, conductor->board, conductor->outcome, &text);
        int r = buf_failed(&text) ? text.error : sheet_write(sheet, buf_slice(&text));
        if (r < 0)
                fprintf(stderr, "belfry-load: %s cannot be written: %s\n", path, strerror(-r));
        return r;
}

static int perform(struct conductor *conductor) {
        struct outcome *outcome = conductor->outcome;
        probe_init(&outcome->probe, conductor->plan->pids, conductor->plan->pids_count);
        enum outcome_end end = wait_for(conductor, PHASE_SETUP, SETUP_LIMIT_S, OUTCOME_NO_SETUP);
        if (end == OUTCOME_WHOLE)
                end = connect_all(conductor);
        if (end == OUTCOME_WHOLE)
                end = run(conductor);
        if (end == OUTCOME_WHOLE)
                end = settle(conductor);
        outcome->end = end;
        for (int i = 0; i < TALLY_GAUGES; i++)
                outcome->tallies[i] = board_tally(conductor->board, (enum tally)i);
        atomic_store(&conductor->board->cut_short, end == OUTCOME_INTERRUPTED);
        end_run(conductor);
        collect(conductor);
        outcome_judge(conductor->plan, outcome);
        progress_end(conductor->plan);
        report_summary(conductor->plan, conductor->board, outcome, stdout);
        int r = write_sheet(&conductor->json, report_json, conductor);
        r |= write_sheet(&conductor->html, html_print, conductor);
        return r == 0 && outcome_is_ok(outcome) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int conductor_run(const struct plan *plan) {
        struct conductor conductor = { .plan = plan, .board = board_new(plan->processes) };
        int status = EXIT_FAILURE, r = open_sheets(&conductor);
        conductor.outcome = calloc(1, sizeof *conductor.outcome);
        conductor.swarms = calloc(plan->processes, sizeof *conductor.swarms);
        const struct sigaction action = { .sa_handler = on_signal };
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        if (r < 0)
                status = CONDUCTOR_EXIT_WRONG;
        else if (conductor.board && conductor.outcome && conductor.swarms && start_swarms(&conductor) == 0)
                status = perform(&conductor);
        else
                fputs("belfry-load: out of memory or processes\n", stderr);
        if (conductor.swarms)
                end_swarms(&conductor);
        free(conductor.swarms);
        free(conductor.outcome);
        board_free(conductor.board);
        sheet_drop(&conductor.json);
        sheet_drop(&conductor.html);
        return status;
}
