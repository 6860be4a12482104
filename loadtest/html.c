/* SPDX-License-Identifier: Apache-2.0 */
/* html.c: see html.h. */
#include "loadtest/html.h"
#include <inttypes.h>
#include "base/buf.h"
#include "loadtest/outcome.h"
#include "loadtest/plan.h"
#include "loadtest/plot.h"
#include "loadtest/report.h"

enum { TEXT_BYTES = 16384, QUANTILES = 9 };

static const char head[] =
        "<!doctype html>\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n<html lang=\"en\"><head><meta "
        "charset=\"utf-8\"><title>belfry-load</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>\n"
        "body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #222; }\n"
        "h1 { font-size: 1.4em; } code { background: #f3f3f3; padding: .1em .3em; overflow-wrap: anywhere; }\n"
        ".ok { color: #1d7a3a; } .bad { color: #b3202c; } table { border-collapse: collapse; margin: 1em 0; }\n"
        "td, th { padding: .15em .8em .15em 0; text-align: left; } td.n { text-align: right; font-variant-numeric: tabular-nums; "
        "}\n"
        "svg { width: 100%; margin: .5em 0; } svg text { font-size: 11px; fill: currentColor; } svg .title { font-size: 13px; "
        "font-weight: 600; }\n"
        "svg .grid { stroke: #ddd; } svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }\n"
        "</style></head><body>\n";

static void add_escaped(struct buf *out, struct slice text) {
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                if (c == '<')
                        buf_add_text(out, "&lt;");
                else if (c == '&')
                        buf_add_text(out, "&amp;");
                else if (c == '"')
                        buf_add_text(out, "&quot;");
                else
                        buf_add_char(out, (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ? '?' : c);
        }
}

static void add_head(const struct plan *plan, const struct outcome *outcome, struct buf *out) {
        _cleanup_buf_ struct buf machine = BUF_INIT(TEXT_BYTES), command = BUF_INIT(TEXT_BYTES);
        report_machine(&machine);
        report_command(plan, &command);
        buf_add_text(out, head);
        buf_printf(out, "<h1>belfry-load %s: <span class=\"%s\">", plan_scenario_name(plan->scenario),
                   outcome_is_ok(outcome) ? "ok" : "bad");
        add_escaped(out, slice_of(outcome->verdict));
        buf_add_text(out, "</span></h1>\n<p><code>");
        add_escaped(out, buf_slice(&command));
        buf_add_text(out, "</code></p>\n<p>The load generator: ");
        add_escaped(out, buf_slice(&machine));
        buf_printf(out, ", %" PRIu32 " %s. belfry-load " BELFRY_VERSION ", seed %" PRIu32 ", on <code>", plan->processes,
                   plan->processes == 1 ? "process" : "processes", plan->seed);
        add_escaped(out, slice_of(plan->url));
        buf_add_text(out, "</code>, over at ");
        report_time(outcome, out);
        buf_add_text(out, ".</p>\n");
}

static void add_tallies(const struct outcome *outcome, struct buf *out) {
        buf_add_text(out, "<table>\n");
        for (int i = 0; i < TALLY_COUNT; i++)
                buf_printf(out, "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td><td>%s</td></tr>\n",
                           board_tally_name((enum tally)i), outcome->tallies[i], board_tally_sentence((enum tally)i));
        buf_add_text(out, "</table>\n");
}

static void add_timings(const struct outcome *outcome, struct buf *out) {
        static const char *const names[] = { "delivery, from when the message was due", "sent, likewise", "handshake, to welcome",
                                             "catching up, to caught_up" };
        buf_add_text(out,
                     "<table><tr><th>ms</th><th>count</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>\n");
        for (int i = 0; i < TIMING_COUNT; i++) {
                const struct histogram *histogram = &outcome->timings[i];
                if (!histogram->count)
                        continue;
                buf_printf(out, "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td>", names[i], histogram->count);
                for (int k = 0; k < 4; k++)
                        buf_printf(out, "<td class=\"n\">%.2f</td>",
                                   (double)histogram_quantile_us(histogram, (const double[]){ 0.5, 0.9, 0.99, 0.999 }[k]) / 1e3);
                buf_printf(out, "<td class=\"n\">%.2f</td></tr>\n", (double)histogram->max_us / 1e3);
        }
        buf_add_text(out, "</table>\n");
}

static void add_servers(const struct plan *plan, const struct outcome *outcome, struct buf *out) {
        const struct probe *probe = &outcome->probe;
        if (probe->processes_count == 0) {
                buf_add_text(out, plan->pids_count
                                          ? "<p>No process of the server was found.</p>\n"
                                          : "<p>CPU and memory of the server were not looked at, as there was no --pid.</p>\n");
                return;
        }
        buf_add_text(out, "<table><tr><th>server process</th><th>CPU s</th><th>us each delivery</th><th>Pss MiB</th></tr>\n");
        for (uint32_t i = 0; i < probe->processes_count; i++) {
                const struct probe_process *process = &probe->processes[i];
                double deliveries = outcome->run_deliveries ? (double)outcome->run_deliveries : 1;
                buf_add_text(out, "<tr><td>");
                add_escaped(out, slice_of(process->name));
                buf_printf(out, "</td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td><td class=\"n\">%.1f</td></tr>\n",
                           (double)process->run_us / 1e6, outcome->run_deliveries ? (double)process->run_us / deliveries : 0,
                           (double)process->marked_pss_bytes / (1 << 20));
        }
        buf_add_text(out, "</table>\n");
}

static void add_storms(const struct outcome *outcome, struct buf *out) {
        if (outcome->storms_count == 0)
                return;
        buf_add_text(out, "<table><tr><th>storm</th><th>all welcomed after ms</th><th>all caught up after ms</th></tr>\n");
        for (uint32_t i = 0; i < outcome->storms_count; i++)
                buf_printf(out, "<tr><td class=\"n\">%" PRIu32 "</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td></tr>\n",
                           i + 1, outcome->storms[i].welcomed_ms, outcome->storms[i].live_ms);
        buf_add_text(out, "</table>\n");
}

/* One column of the samples. */
enum column { AT, DELIVERIES, ACKNOWLEDGED, LIVE, P50, P99, MAX, SENT_P99, CORES, MEBIBYTES, COLUMNS };

struct columns {
        double values[COLUMNS][LIMIT_LOAD_SAMPLES];
};

static void fill(struct columns *columns, const struct outcome *outcome) {
        for (uint32_t i = 0; i < outcome->samples_count; i++) {
                const struct outcome_sample *sample = &outcome->samples[i];
                double seconds = sample->seconds > 0 ? sample->seconds : 1, none = sample->deliveries ? 0 : -1;
                columns->values[AT][i] = sample->at_s;
                columns->values[DELIVERIES][i] = (double)sample->deliveries / seconds;
                columns->values[ACKNOWLEDGED][i] = (double)sample->acknowledged / seconds;
                columns->values[LIVE][i] = (double)sample->live;
                columns->values[P50][i] = none < 0 ? none : (double)sample->p50_us / 1e3;
                columns->values[P99][i] = none < 0 ? none : (double)sample->p99_us / 1e3;
                columns->values[MAX][i] = none < 0 ? none : (double)sample->max_us / 1e3;
                columns->values[SENT_P99][i] = none < 0 ? none : (double)sample->sent_p99_us / 1e3;
                columns->values[CORES][i] = (double)sample->cpu_us / 1e6 / seconds;
                columns->values[MEBIBYTES][i] = (double)sample->pss_bytes / (1 << 20);
        }
}

static void add_percentiles(const struct outcome *outcome, struct buf *out) {
        static const char *const labels[QUANTILES] = { "0", "50", "75", "90", "95", "99", "99.9", "99.99", "100" };
        static const double shares[QUANTILES] = { 0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1 };
        double x[QUANTILES], delivery[QUANTILES], sent[QUANTILES];
        for (int i = 0; i < QUANTILES; i++) {
                x[i] = i;
                delivery[i] = (double)histogram_quantile_us(&outcome->timings[TIMING_DELIVERY], shares[i]) / 1e3;
                sent[i] = (double)histogram_quantile_us(&outcome->timings[TIMING_SENT], shares[i]) / 1e3;
        }
        plot_print(&(struct plot){ .title = "Latency by percentile",
                                   .x_name = "percentile",
                                   .y_name = "ms",
                                   .x = x,
                                   .points = QUANTILES,
                                   .lines_count = 2,
                                   .lines = { { "delivery", delivery }, { "sent", sent } },
                                   .logarithmic = true,
                                   .x_labels = labels },
                   out);
}

static void add_plots(const struct outcome *outcome, struct buf *out) {
        static struct columns columns;
        fill(&columns, outcome);
        struct plot plot = { .x_name = "seconds", .x = columns.values[AT], .points = outcome->samples_count };
        if (outcome->timings[TIMING_DELIVERY].count) {
                plot.title = "Latency over time", plot.y_name = "ms", plot.logarithmic = true, plot.lines_count = 4;
                plot.lines[0] = (struct plot_line){ "delivery p50", columns.values[P50] };
                plot.lines[1] = (struct plot_line){ "delivery p99", columns.values[P99] };
                plot.lines[2] = (struct plot_line){ "delivery max", columns.values[MAX] };
                plot.lines[3] = (struct plot_line){ "sent p99", columns.values[SENT_P99] };
                plot_print(&plot, out);
                add_percentiles(outcome, out);
                plot.title = "Messages", plot.y_name = "a second", plot.logarithmic = false, plot.lines_count = 2;
                plot.lines[0] = (struct plot_line){ "deliveries", columns.values[DELIVERIES] };
                plot.lines[1] = (struct plot_line){ "acknowledged", columns.values[ACKNOWLEDGED] };
                plot_print(&plot, out);
        }
        plot.title = "Devices", plot.y_name = "live", plot.lines_count = 1, plot.logarithmic = false;
        plot.lines[0] = (struct plot_line){ "live", columns.values[LIVE] };
        plot_print(&plot, out);
        if (outcome->probe.processes_count == 0)
                return;
        plot.title = "Memory of the server", plot.y_name = "MiB";
        plot.lines[0] = (struct plot_line){ "Pss", columns.values[MEBIBYTES] };
        plot_print(&plot, out);
        plot.title = "CPU of the server", plot.y_name = "cores";
        plot.lines[0] = (struct plot_line){ "cores", columns.values[CORES] };
        plot_print(&plot, out);
}

void html_print(const struct plan *plan, const struct board *board, const struct outcome *outcome, struct buf *out) {
        add_head(plan, outcome, out);
        buf_printf(out,
                   "<p>%" PRIu64
                   " devices connected in %.1f s; the load lasted %.1f s and took %.1f s to settle: %.0f deliveries and "
                   "%.0f acknowledged messages a second.</p>\n",
                   outcome->connected_peak, outcome->connect_s, outcome->run_s, outcome->settle_s,
                   outcome->run_s > 0 ? (double)outcome->run_deliveries / outcome->run_s : 0,
                   outcome->run_s > 0 ? (double)outcome->run_acknowledged / outcome->run_s : 0);
        add_timings(outcome, out);
        add_storms(outcome, out);
        add_servers(plan, outcome, out);
        add_plots(outcome, out);
        add_tallies(outcome, out);
        for (uint32_t i = 0; i < board->slots_count; i++)
                for (uint32_t k = 0; k < atomic_load(&board->slots[i].complaints_count) && k < BOARD_COMPLAINTS; k++) {
                        buf_add_text(out, "<p class=\"bad\">");
                        add_escaped(out, slice_of(board->slots[i].complaints[k]));
                        buf_add_text(out, "</p>\n");
                }
        buf_add_text(out, "</body></html>\n");
}
