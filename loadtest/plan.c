/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: see plan.h. */
#include "loadtest/plan.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/chance.h"
#include "base/limits.h"
#include "loadtest/killer.h"

enum {
        FILES_RESERVED = 64,      /* of each process, for all that is no connection */
        CONNECTIONS_SMALL = 1000, /* up to here one process is enough */
        ERROR_BYTES = 200,
        AT_ONCE = 512, /* as many handshakes as a worker has at a time */
        AT_ONCE_LEAST = 16,
        SLEEP_S = 60,
        KILL_EVERY_S = 5,
        RATE_LEAST = 10,  /* so that a second without a message does not happen by chance */
        RATE_MOST = 1000, /* which a machine with two cores bears beside the load generator */
};

static const struct {
        const char *name, *sentence;
} scenarios[] = {
        [SCENARIO_IDLE] = { "idle", "all connect and stay: what does a connection cost?" },
        [SCENARIO_CHAT] = { "chat",
                            "rooms in which some speak much and most little, with typing, reads and devices that come and go" },
        [SCENARIO_FANOUT] = { "fanout", "channels to which all subscribe" },
        [SCENARIO_STORM] = { "storm",
                             "chat in which all connections are cut at once, again and again, and all come back at once" },
        [SCENARIO_MOBILE] = { "mobile", "chat with devices that go to sleep and come back to what they missed" },
        [SCENARIO_SLOW] = { "slow", "chat beside devices that read nothing until the end" },
        [SCENARIO_KILL] = { "kill", "chat while a command kills things" },
};

enum kind { TEXT, COUNT, NUMBER, FLAG };

struct row {
        const char *name, *argument;
        enum kind kind;
        size_t offset;
        double least, most;
        const char *sentence;
};

#define AT(field) offsetof(struct plan, field)

static const struct row rows[] = {
        { "--url", "URL", TEXT, AT(url), 0, 0, "ws://HOST:PORT/v1/ws or wss://…: the server." },
        { "--connections", "N", COUNT, AT(connections), 1, LIMIT_LOAD_CONNECTIONS, "Devices; 1,000 if not said." },
        { "--rate", "R", NUMBER, AT(rate), 0, 1e6,
          "Messages a second over all, due at random times whatever the server does; if not said, a tenth of the devices, but 10 at "
          "least and 1,000 at most, and in idle none. 0: none; with fanout, and there if not said, as fast as they come back." },
        { "--duration", "S", COUNT, AT(duration_s), 1, LIMIT_LOAD_DURATION_S, "Seconds of load; 10 if not said." },
        { "--json", "FILE", TEXT, AT(json_path), 0, 0, "The report for programs." },
        { "--html", "FILE", TEXT, AT(html_path), 0, 0, "The report for people, with plots." },
        { "--pid", "PID[,PID…]", TEXT, 0, 0, 0,
          "The server's processes, with all their children: their CPU and memory are reported." },
        { "--processes", "N", COUNT, AT(processes), 1, LIMIT_LOAD_PROCESSES,
          "Processes that bear the connections; as few as can, or 2." },
        { "--seed", "N", COUNT, AT(seed), 0, UINT32_MAX, "Who does what when, again; 0, and if not said: any." },
        { "--body", "BYTES", COUNT, AT(body_bytes), 48, 32768, "Size of a message's body; 100 if not said." },
        { "--room", "N", COUNT, AT(room), 1, LIMIT_MEMBERS, "Users of a room; 4 if not said." },
        { "--rooms", "N", COUNT, AT(rooms), 1, 10000, "Rooms that the same users share; 1 if not said." },
        { "--devices", "N", COUNT, AT(devices), 1, LIMIT_DEVICES, "Devices of a user; 1 if not said." },
        { "--channels", "N", COUNT, AT(channels), 1, 16, "fanout: channels to which each device subscribes; 1 if not said." },
        { "--in-flight", "N", COUNT, AT(in_flight), 1, LIMIT_LOAD_PENDING / 2,
          "fanout without --rate: messages under way; 32 if not said." },
        { "--typing", "SHARE", NUMBER, AT(typing), 0, 1, "Of the messages, those with typing before them; 0.2 if not said." },
        { "--read", "SHARE", NUMBER, AT(read), 0, 1, "Of the messages, those told as read; 0.1 if not said." },
        { "--churn", "R", NUMBER, AT(churn), 0, 1e5,
          "chat: devices that go and come back, a second; 0.1 % of them if not said." },
        { "--storms", "N", COUNT, AT(storms), 1, 1000, "storm: how many, evenly over the duration; 3 if not said." },
        { "--asleep", "SHARE", NUMBER, AT(asleep), 0.01, 0.99, "mobile: devices that are away at a time; 0.5 if not said." },
        { "--sleep", "S", COUNT, AT(sleep_s), 1, 86400, "mobile: how long a device is away, on average; if not said 60, or a third of a duration below 180." },
        { "--stalled", "K", COUNT, AT(stalled), 1, LIMIT_LOAD_CONNECTIONS,
          "slow: devices that do not read; a tenth if not said." },
        { "--kill-command", "COMMAND", TEXT, AT(kill_command), 0, 0, "kill: a program and its arguments, split at spaces." },
        { "--kill-every", "S", COUNT, AT(kill_every_s), 1, 86400, "kill: seconds between; if not said 5, or a third of a duration below 15." },
        { "--at-once", "N", COUNT, AT(at_once), 1, LIMIT_LOAD_CONNECTIONS,
          "Handshakes of one process at a time; 512 over all if not said, and in a storm as many as there are." },
        { "--connect-rate", "R", NUMBER, AT(connect_rate), 0, 1e6,
          "Connections begun a second, at first; 0: as fast as they are answered." },
        { "--connect-limit", "S", COUNT, AT(connect_s), 1, 86400,
          "Seconds until all must be connected; 30, and 1 for each 200." },
        { "--settle-limit", "S", COUNT, AT(settle_s), 1, 86400,
          "Seconds after the load until all must be answered and shown; 60." },
        { "--floor", NULL, FLAG, AT(floor), 0, 0,
          "The server is belfry-floor: rooms are joined by subscribe, and nothing is durable." },
        { "--ca", "FILE", TEXT, AT(ca_path), 0, 0, "wss: authorities (PEM) to check the server by; the system's if not said." },
        { "--unverified", NULL, FLAG, AT(unverified), 0, 0, "wss: any certificate will do." },
        { "--fresh", NULL, FLAG, AT(fresh), 0, 0, "wss: nobody comes back with the ticket of an earlier connection." },
        { "--quiet", NULL, FLAG, AT(quiet), 0, 0, "No progress." },
};

static char error_text[ERROR_BYTES];

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...) {
        va_list args;
        va_start(args, format);
        vsnprintf(error_text, sizeof error_text, format, args);
        va_end(args);
        return PLAN_E_WRONG;
}

const char *plan_scenario_name(enum scenario scenario) {
        return scenarios[scenario].name;
}

bool plan_talks(const struct plan *plan) {
        return plan->scenario == SCENARIO_FANOUT || plan->rate > 0;
}

void plan_print_help(struct buf *out) {
        buf_add_text(
                out,
                "belfry-load SCENARIO --url ws://HOST:PORT/v1/ws [options]\n"
                "\nPuts a load on a hub, checks what every device was shown, and says so: the exit status is 0 only if nothing\n"
                "acknowledged was lost, nothing was shown twice, out of order, or to who is no member.\n\n");
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
                buf_printf(out, "  %-8s %s\n", scenarios[i].name, scenarios[i].sentence);
        buf_add_text(out, "\n");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char left[48];
                snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
                buf_printf(out, "  %-24s %s\n", left, rows[i].sentence);
        }
        buf_add_text(out, "\nThe secrets come from where the hub has them: BELFRY_JWT_SECRET and BELFRY_API_KEY.\n"
                          "Exit status: 0 ok, 1 not, 2 the command line is wrong.\n");
}

static int read_number(const struct row *row, const char *text, double *ret_number) {
        char *end;
        errno = 0;
        double number = strtod(text, &end);
        if (errno != 0 || end == text || *end || !isfinite(number) || (row->kind == COUNT && number != floor(number)))
                return refuse("%s: %.40s is no number", row->name, text);
        if (number < row->least || number > row->most)
                return refuse("%s: %.40s is not between %.15g and %.15g", row->name, text, row->least, row->most);
        *ret_number = number;
        return 0;
}

static int read_pids(const char *text, struct plan *plan) {
        while (*text) {
                char *end;
                errno = 0;
                long pid = strtol(text, &end, 10);
                if (errno != 0 || end == text || pid <= 0 || pid > INT32_MAX || (*end && *end != ',') ||
                    plan->pids_count == PLAN_PIDS)
                        return refuse("--pid: process ids with commas between them, at most %d", PLAN_PIDS);
                plan->pids[plan->pids_count++] = (pid_t)pid;
                text = *end ? end + 1 : end;
        }
        return 0;
}

static int take(const struct row *row, const char *value, struct plan *plan) {
        char *field = (char *)plan + row->offset;
        double number = 0;
        if (strcmp(row->name, "--pid") == 0)
                return read_pids(value, plan);
        if (row->kind == FLAG)
                *(bool *)field = true;
        if (row->kind == TEXT)
                *(const char **)(void *)field = value;
        if (row->kind != COUNT && row->kind != NUMBER)
                return 0;
        int r = read_number(row, value, &number);
        if (r == 0 && row->kind == COUNT)
                *(uint32_t *)(void *)field = (uint32_t)number;
        else if (r == 0)
                *(double *)(void *)field = number;
        return r;
}

/* --name value or --name=value. */
static int read_option(int argc, char *argv[], int *at, struct plan *plan) {
        const char *word = argv[*at], *equals = strchr(word, '=');
        size_t len = equals ? (size_t)(equals - word) : strlen(word);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (strlen(rows[i].name) != len || strncmp(rows[i].name, word, len) != 0)
                        continue;
                if (rows[i].kind == FLAG)
                        return equals ? refuse("%s takes no value", rows[i].name) : take(&rows[i], NULL, plan);
                const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : "";
                return *value ? take(&rows[i], value, plan) : refuse("%s: %s is missing", rows[i].name, rows[i].argument);
        }
        return refuse("there is no option %.60s; --help shows them", word);
}

static int read_scenario(const char *name, struct plan *plan) {
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
                if (strcmp(scenarios[i].name, name) == 0) {
                        plan->scenario = (enum scenario)i;
                        return 0;
                }
        return refuse("there is no scenario %.40s; --help shows them", name);
}

/* How many connections one process can bear. */
static uint32_t files_limit(void) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max <= 2 * FILES_RESERVED)
                return FILES_RESERVED;
        return limit.rlim_max > LIMIT_LOAD_CONNECTIONS ? LIMIT_LOAD_CONNECTIONS : (uint32_t)limit.rlim_max - FILES_RESERVED;
}

static int check_processes(struct plan *plan) {
        uint32_t each = files_limit(), least = (plan->connections + each - 1) / each;
        if (plan->processes == 0)
                plan->processes = least > 2 ? least : plan->connections > CONNECTIONS_SMALL ? 2 : 1;
        if (least > plan->processes || least > LIMIT_LOAD_PROCESSES)
                return refuse("%u connections take %u processes here, as one may open %u files", plan->connections, least, each);
        return 0;
}

/* Who asks for a chat means one in which somebody speaks. */
static double default_rate(const struct plan *plan) {
        if (plan->scenario == SCENARIO_IDLE || plan->scenario == SCENARIO_FANOUT)
                return 0;
        double rate = plan->connections / 10.0;
        return rate < RATE_LEAST ? RATE_LEAST : rate > RATE_MOST ? RATE_MOST : rate;
}

/* What takes most_s, unless the run is so short that it would hardly happen. */
static uint32_t thrice_in(uint32_t duration_s, uint32_t most_s) {
        uint32_t third_s = duration_s < 3 ? 1 : duration_s / 3;
        return third_s < most_s ? third_s : most_s;
}

static int check(struct plan *plan) {
        if (!plan->url)
                return refuse("--url is missing");
        const char *error = NULL;
        if (dial_parse(plan->url, &plan->dial, &error) != 0)
                return refuse("--url: %s", error);
        if (!plan->floor && (!plan->jwt_secret || !*plan->jwt_secret))
                return refuse("BELFRY_JWT_SECRET is not set: the secret of the hub's tokens");
        if (!plan->floor && plan_talks(plan) && (!plan->api_key || !*plan->api_key))
                return refuse("BELFRY_API_KEY is not set: the key with which conversations are made");
        if (plan->scenario == SCENARIO_KILL && !plan->kill_command)
                return refuse("--kill-command is missing: what shall be killed?");
        if (plan->scenario == SCENARIO_KILL && !killer_accepts(plan->kill_command))
                return refuse("--kill-command: a program and its arguments, at most %d words and %d bytes", KILLER_WORDS,
                              KILLER_BYTES - 1);
        if (plan->json_path && plan->html_path && strcmp(plan->json_path, plan->html_path) == 0)
                return refuse("--json and --html are the same file");
        if (plan->stalled > plan->connections)
                return refuse("--stalled is more than --connections");
        int r = check_processes(plan);
        if (r == 0 && plan->channels > plan->connections / plan->processes)
                return refuse("--channels is more than the devices of a process");
        return r;
}

int plan_read(int argc, char *argv[], char *(*find_env)(const char *name), struct plan *ret_plan, const char **ret_error) {
        struct plan plan = {
                .connections = 1000,
                .devices = 1,
                .room = 4,
                .rooms = 1,
                .channels = 1,
                .body_bytes = 100,
                .in_flight = 32,
                .duration_s = 10,
                .settle_s = 60,
                .storms = 3,
                .typing = 0.2,
                .read = 0.1,
                .asleep = 0.5,
                .rate = -1,
                .churn = -1,
                .jwt_secret = find_env("BELFRY_JWT_SECRET"),
                .api_key = find_env("BELFRY_API_KEY"),
                .argc = argc,
                .argv = argv,
        };
        *ret_error = error_text;
        int r = argc > 1 ? 0 : PLAN_E_HELP;
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "help") == 0)
                        r = PLAN_E_HELP;
        if (r == 0)
                r = read_scenario(argv[1], &plan);
        for (int i = 2; r == 0 && i < argc; i++)
                r = read_option(argc, argv, &i, &plan);
        if (r == 0 && plan.rate < 0) {
                plan.rate = default_rate(&plan);
                plan.rate_chosen = plan.rate > 0;
        }
        if (r == 0)
                r = check(&plan);
        if (r != 0)
                return r;
        if (plan.churn < 0)
                plan.churn = plan.scenario == SCENARIO_CHAT && !plan.floor ? plan.connections / 1000.0 : 0;
        if (plan.sleep_s == 0)
                plan.sleep_s = thrice_in(plan.duration_s, SLEEP_S);
        if (plan.kill_every_s == 0)
                plan.kill_every_s = thrice_in(plan.duration_s, KILL_EVERY_S);
        if (plan.scenario == SCENARIO_SLOW && plan.stalled == 0)
                plan.stalled = (plan.connections + 9) / 10;
        if (plan.at_once == 0)
                plan.at_once = plan.scenario == SCENARIO_STORM            ? plan.connections
                               : AT_ONCE / plan.processes > AT_ONCE_LEAST ? AT_ONCE / plan.processes
                                                                          : AT_ONCE_LEAST;
        if (plan.connect_s == 0)
                plan.connect_s = 30 + plan.connections / 200;
        if (plan.seed == 0)
                plan.seed = (uint32_t)chance_u64() | 1;
        chance_hex(plan.run, PLAN_RUN_CHARS);
        *ret_plan = plan;
        return 0;
}
