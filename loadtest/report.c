/* SPDX-License-Identifier: Apache-2.0 */
/* report.c: see report.h. */
#include "loadtest/report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/scan.h"
#include "loadtest/outcome.h"
#include "loadtest/plan.h"

enum { TEXT_BYTES = 16384 };

static const struct {
        const char *name;
        double share;
} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };

static const char *const timing_names[] = {
        [TIMING_DELIVERY] = "latency_ms",
        [TIMING_SENT] = "sent_ms",
        [TIMING_HANDSHAKE] = "handshake_ms",
        [TIMING_CATCH_UP] = "catch_up_ms",
};

static double ms(uint64_t us) {
        return (double)us / 1e3;
}

static double per(double sum, double count) {
        return count > 0 ? sum / count : 0;
}

void report_machine(struct buf *out) {
        char line[256], model[200] = "unknown processor";
        FILE *file = fopen("/proc/cpuinfo", "re");
        while (file && fgets(line, sizeof line, file)) {
                const char *colon = strchr(line, ':');
                if (strncmp(line, "model name", 10) != 0 || !colon)
                        continue;
                snprintf(model, sizeof model, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
                break;
        }
        if (file)
                fclose(file);
        struct utsname system;
        buf_printf(out, "Linux %s, %s, %ld cores, %.0f GiB", uname(&system) == 0 ? system.release : "?", model,
                   sysconf(_SC_NPROCESSORS_ONLN), (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30));
}

void report_time(const struct outcome *outcome, struct buf *out) {
        char at[32];
        struct tm tm;
        strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&outcome->at, &tm));
        buf_add_text(out, at);
}

void report_command(const struct plan *plan, struct buf *out) {
        const char *slash = strrchr(plan->argv[0], '/');
        buf_add_text(out, slash ? slash + 1 : plan->argv[0]);
        for (int i = 1; i < plan->argc; i++) {
                buf_add_char(out, ' ');
                buf_add_text(out, plan->argv[i]);
        }
}

/* A string from outside: what is no UTF-8 would spoil the whole text. */
static void add_string(struct buf *out, struct slice text) {
        buf_add_json(out, scan_utf8(text) ? text : SLICE("(not UTF-8)"));
}

static void add_head(struct buf *out, const struct plan *plan, const struct outcome *outcome) {
        _cleanup_buf_ struct buf machine = BUF_INIT(TEXT_BYTES), command = BUF_INIT(TEXT_BYTES);
        report_machine(&machine);
        report_command(plan, &command);
        buf_add_text(out, "\"verdict\":");
        add_string(out, slice_of(outcome->verdict));
        buf_printf(out, ",\"scenario\":\"%s\",\"url\":", plan_scenario_name(plan->scenario));
        add_string(out, slice_of(plan->url));
        buf_printf(out, ",\"version\":\"" BELFRY_VERSION "\",\"floor\":%s,\"run\":\"%s\",\"at\":\"",
                   plan->floor ? "true" : "false", plan->run);
        report_time(outcome, out);
        buf_add_text(out, "\",\"command\":");
        add_string(out, buf_slice(&command));
        buf_add_text(out, ",\"machine\":");
        add_string(out, buf_slice(&machine));
        buf_printf(out,
                   ",\"connections\":%" PRIu32 ",\"processes\":%" PRIu32 ",\"rate\":%.15g,\"duration_s\":%" PRIu32
                   ",\"seed\":%" PRIu32,
                   plan->connections, plan->processes, plan->rate, plan->duration_s, plan->seed);
        buf_printf(out, ",\"body_bytes\":%" PRIu32 ",\"room\":%" PRIu32 ",\"rooms\":%" PRIu32 ",\"devices\":%" PRIu32,
                   plan->body_bytes, plan->room, plan->rooms, plan->devices);
}

static void add_timing(struct buf *out, const char *name, const struct histogram *histogram) {
        buf_printf(out, ",\"%s\":{\"count\":%" PRIu64 ",\"mean\":%.3f", name, histogram->count,
                   histogram_mean_us(histogram) / 1e3);
        for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
                buf_printf(out, ",\"%s\":%.3f", quantiles[i].name, ms(histogram_quantile_us(histogram, quantiles[i].share)));
        buf_printf(out, ",\"max\":%.3f}", ms(histogram->max_us));
}

static double memory_each(const struct outcome *outcome) {
        double grown = (double)outcome->connected_pss_bytes - (double)outcome->idle_pss_bytes;
        return outcome->connected_pss_bytes ? per(grown, (double)outcome->connected_peak) : 0;
}

static void add_servers(struct buf *out, const struct outcome *outcome) {
        const struct probe *probe = &outcome->probe;
        buf_printf(out, ",\"servers\":{\"cpu_us_per_delivery\":%.3f,\"cpu_cores\":%.3f,\"pss_bytes\":%" PRIu64 ",\"processes\":[",
                   per((double)probe_run_us(probe), (double)outcome->run_deliveries),
                   per((double)probe_run_us(probe) / 1e6, outcome->run_s), probe_pss_bytes(probe));
        for (uint32_t i = 0; i < probe->processes_count; i++) {
                const struct probe_process *process = &probe->processes[i];
                buf_printf(out, "%s{\"pid\":%d,\"name\":", i ? "," : "", (int)process->pid);
                add_string(out, slice_of(process->name));
                buf_printf(out, ",\"cpu_s\":%.2f,\"cpu_us_per_delivery\":%.3f,\"pss_bytes\":%" PRIu64 "}",
                           (double)process->run_us / 1e6, per((double)process->run_us, (double)outcome->run_deliveries),
                           process->marked_pss_bytes);
        }
        buf_add_text(out, "]}");
}

static void add_samples(struct buf *out, const struct outcome *outcome) {
        buf_add_text(out, ",\"samples\":[");
        for (uint32_t i = 0; i < outcome->samples_count; i++) {
                const struct outcome_sample *sample = &outcome->samples[i];
                buf_printf(out,
                           "%s\n{\"at_s\":%.2f,\"deliveries_per_s\":%.0f,\"acknowledged_per_s\":%.0f,\"live\":%" PRIu64
                           ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"sent_p99_ms\":%.3f,\"cpu_cores\":%.3f,\"pss_"
                           "bytes\":%" PRIu64 "}",
                           i ? "," : "", sample->at_s, per((double)sample->deliveries, sample->seconds),
                           per((double)sample->acknowledged, sample->seconds), sample->live, ms(sample->p50_us),
                           ms(sample->p99_us), ms(sample->max_us), ms(sample->sent_p99_us),
                           per((double)sample->cpu_us / 1e6, sample->seconds), sample->pss_bytes);
        }
        buf_add_text(out, "]");
}

static void add_complaints(struct buf *out, const struct board *board) {
        bool any = false;
        buf_add_text(out, ",\"complaints\":[");
        for (uint32_t i = 0; i < board->slots_count; i++) {
                uint32_t count = atomic_load(&board->slots[i].complaints_count);
                for (uint32_t k = 0; k < count && k < BOARD_COMPLAINTS; k++) {
                        buf_add_text(out, any ? ",\n" : "\n");
                        add_string(out, slice_of(board->slots[i].complaints[k]));
                        any = true;
                }
        }
        buf_add_text(out, "]");
}

void report_json(const struct plan *plan, const struct board *board, const struct outcome *outcome, struct buf *out) {
        buf_add_char(out, '{');
        add_head(out, plan, outcome);
        for (int i = 0; i < TALLY_COUNT; i++)
                buf_printf(out, ",\"%s\":%" PRIu64, board_tally_name((enum tally)i), outcome->tallies[i]);
        buf_printf(out, ",\"deliveries_per_s\":%.1f,\"acknowledged_per_s\":%.1f,\"run_s\":%.2f,\"settle_s\":%.2f",
                   per((double)outcome->run_deliveries, outcome->run_s), per((double)outcome->run_acknowledged, outcome->run_s),
                   outcome->run_s, outcome->settle_s);
        for (int i = 0; i < TIMING_COUNT; i++)
                add_timing(out, timing_names[i], &outcome->timings[i]);
        buf_printf(out, ",\"connect\":{\"seconds\":%.3f,\"per_s\":%.0f,\"cpu_us_each\":%.1f,\"pss_bytes_each\":%.0f}",
                   outcome->connect_s, per((double)outcome->connected_peak, outcome->connect_s),
                   per((double)outcome->connect_cpu_us, (double)outcome->connected_peak), memory_each(outcome));
        buf_add_text(out, ",\"storms\":[");
        for (uint32_t i = 0; i < outcome->storms_count; i++)
                buf_printf(out, "%s{\"complete\":%s,\"welcomed_ms\":%.1f,\"live_ms\":%.1f}", i ? "," : "",
                           outcome->storms[i].complete ? "true" : "false", outcome->storms[i].welcomed_ms,
                           outcome->storms[i].live_ms);
        buf_printf(out, "],\"kills\":%" PRIu64, outcome->kills);
        add_servers(out, outcome);
        add_complaints(out, board);
        add_samples(out, outcome);
        buf_add_text(out, "}\n");
}

static void print_timing(FILE *out, const char *name, const struct histogram *histogram) {
        if (histogram->count)
                fprintf(out, "%s: p50 %.2f, p99 %.2f, p99.9 %.2f, max %.2f ms\n", name, ms(histogram_quantile_us(histogram, 0.5)),
                        ms(histogram_quantile_us(histogram, 0.99)), ms(histogram_quantile_us(histogram, 0.999)),
                        ms(histogram->max_us));
}

static void print_servers(FILE *out, const struct outcome *outcome) {
        const struct probe *probe = &outcome->probe;
        for (uint32_t i = 0; i < probe->processes_count; i++) {
                const struct probe_process *process = &probe->processes[i];
                fprintf(out, "  %-16s %6d  %8.2f s CPU, %7.2f us each delivery, %8.1f MiB\n", process->name, (int)process->pid,
                        (double)process->run_us / 1e6, per((double)process->run_us, (double)outcome->run_deliveries),
                        (double)process->marked_pss_bytes / (1 << 20));
        }
}

/* A server that says "not now" delays messages, which latency alone would not explain. */
static void print_errors(FILE *out, const struct board *board, const uint64_t *tallies) {
        const char *code = board_error_code(board);
        if (tallies[TALLY_ERRORS] || tallies[TALLY_RESENT])
                fprintf(out, "errors %" PRIu64 "%s%s, resent %" PRIu64 "\n", tallies[TALLY_ERRORS],
                        *code ? ", the first was " : "", code, tallies[TALLY_RESENT]);
}

/* With few devices the memory of the server may have fallen meanwhile, which says nothing of a connection. */
static void print_server(FILE *out, const struct outcome *outcome) {
        double each = memory_each(outcome);
        fprintf(out, "server: %.2f us CPU each delivery",
                per((double)probe_run_us(&outcome->probe), (double)outcome->run_deliveries));
        if (each > 0)
                fprintf(out, ", %.0f bytes each connection", each);
        fputc('\n', out);
        print_servers(out, outcome);
}

void report_summary(const struct plan *plan, const struct board *board, const struct outcome *outcome, FILE *out) {
        const uint64_t *tallies = outcome->tallies;
        fprintf(out, "%s: %s\n", plan_scenario_name(plan->scenario), outcome->verdict);
        if (plan->rate_chosen)
                fprintf(out, "rate: %.15g messages a second, as --rate was not said\n", plan->rate);
        fprintf(out, "connected: %" PRIu64 " in %.1f s (%.0f/s), dropped %" PRIu64 "\n", outcome->connected_peak,
                outcome->connect_s, per((double)outcome->connected_peak, outcome->connect_s), tallies[TALLY_DROPPED]);
        fprintf(out, "acknowledged: %" PRIu64 " (%.0f/s), deliveries: %" PRIu64 " (%.0f/s), receipts: %" PRIu64 "\n",
                tallies[TALLY_ACKNOWLEDGED], per((double)outcome->run_acknowledged, outcome->run_s), tallies[TALLY_DELIVERIES],
                per((double)outcome->run_deliveries, outcome->run_s), tallies[TALLY_RECEIPTS]);
        fprintf(out,
                "lost %" PRIu64 ", repeated %" PRIu64 ", reordered %" PRIu64 ", leaked %" PRIu64 ", invented %" PRIu64
                ", altered %" PRIu64 ", told %" PRIu64 "\n",
                tallies[TALLY_LOST], tallies[TALLY_REPEATED], tallies[TALLY_REORDERED], tallies[TALLY_LEAKED],
                tallies[TALLY_INVENTED], tallies[TALLY_ALTERED], tallies[TALLY_TOLD]);
        print_errors(out, board, tallies);
        print_timing(out, "latency", &outcome->timings[TIMING_DELIVERY]);
        print_timing(out, "sent", &outcome->timings[TIMING_SENT]);
        print_timing(out, "handshake", &outcome->timings[TIMING_HANDSHAKE]);
        print_timing(out, "catch up", &outcome->timings[TIMING_CATCH_UP]);
        for (uint32_t i = 0; i < outcome->storms_count; i++)
                fprintf(out, "storm %" PRIu32 ": all welcomed after %.0f ms, live after %.0f ms\n", i + 1,
                        outcome->storms[i].welcomed_ms, outcome->storms[i].live_ms);
        if (outcome->probe.processes_count && outcome->run_s > 0)
                print_server(out, outcome);
        for (uint32_t i = 0; i < board->slots_count && !outcome_is_ok(outcome); i++)
                for (uint32_t k = 0; k < atomic_load(&board->slots[i].complaints_count) && k < BOARD_COMPLAINTS; k++)
                        fprintf(out, "  %s\n", board->slots[i].complaints[k]);
}
