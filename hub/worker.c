/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c: puts a hub worker together, runs it, and takes it apart.
 *
 * One loop drives everything:
 *      every 100 ms  the timing wheel, (every fifth) the lease        every second  counters, probe, sweeper
 *      after each turn's I/O  acknowledgements and calls leave for the store; then, and before it sleeps: the flush of the dirty list
 *
 * A drain: stop listening -> goaway and close 4001 to everyone, each with a delay of its own -> leave the store -> end.
 */
#include "hub/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limits.h"
#include "base/link.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/channel.h"
#include "fanout/node.h"
#include "fanout/store.h"
#include "hub/acceptor.h"
#include "hub/auth.h"
#include "hub/gateway.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/keeper.h"
#include "hub/session.h"
#include "hub/settings.h"
#include "hub/ticket.h"

enum {
        WORKER_SECOND_MS = 1000,
        WORKER_WINDOW_MS = 2,              /* frames are gathered for so long when the loop is busy */
        WORKER_RESERVED_FILES = 128,       /* for the store, logs, lws */
        WORKER_ASKED_MS = 200,             /* who asked by HTTP that lately may ask again before a drain ends */
        WORKER_SCRATCH_BYTES = 48 << 20,   /* one reply may be large; what is usual stays below 64 KiB */
        WORKER_LONGEST_S = 5,
};

/* The longest turn of the loop in this span of time, and in the one before. */
struct worker_longest {
        uint64_t us, before_us;
};

struct worker {
        struct hub hub; /* first */
        const struct worker_options *options;
        struct config *config;          /* loaded again on SIGHUP; NULL: options->config */
        struct link_address address;
        struct buf scratch;
        struct keeper *keeper;          /* NULL: the Redis is not ours, or another worker does it */
        uv_loop_t loop;
        uv_timer_t tick, second, window;
        uv_prepare_t prepare;
        uv_check_t check;
        uv_idle_t idle;
        uv_signal_t on_term, on_hup;
        uint64_t flushed_ms;
        uint64_t idle_ns, idle_at_ns;   /* for the share of time the loop sleeps */
        uint64_t drain_ends_ms;
        uint64_t turn_at_ns, turn_idle_ns, turn_cpu_ns; /* when the present turn of the loop began */
        uint64_t longest_from_ns;
        struct worker_longest longest, longest_cpu; /* turns by the clock, and by CPU */
        bool behind;                    /* the last flush left some for the next one */
        bool announced, ending;
};

/* ---- the flush ---- */

static void worker_on_idle(uv_idle_t *idle) {
        /* Its only use is that the loop does not sleep while the dirty list waits for its next slice. */
}

static void worker_flush(struct worker *worker) {
        struct hub *hub = &worker->hub;
        struct list *link;
        uv_update_time(&worker->loop);
        worker->flushed_ms = uv_now(&worker->loop);
        uint64_t ends_ns = uv_hrtime() + LIMIT_FLUSH_US * 1000;
        for (int i = 0; i < LIMIT_FLUSH_SESSIONS && (link = list_first(&hub->dirty)) && uv_hrtime() < ends_ns; i++) {
                list_remove(link);
                session_flush(LIST_CONTAINER(link, struct session, dirty));
        }
        worker->behind = !list_is_empty(&hub->dirty);
        if (worker->behind)
                uv_idle_start(&worker->idle, worker_on_idle);
}

static void worker_on_window(uv_timer_t *timer) {
        worker_flush(timer->data);
}

static void worker_consider_flush(struct worker *worker) {
        worker->behind &= !list_is_empty(&worker->hub.dirty);
        if (list_is_empty(&worker->hub.dirty) || uv_is_active((uv_handle_t *)&worker->window))
                return;
        uint64_t now_ms = uv_now(&worker->loop);
        if (worker->hub.busy && !uv_is_active((uv_handle_t *)&worker->idle) && now_ms < worker->flushed_ms + WORKER_WINDOW_MS)
                uv_timer_start(&worker->window, worker_on_window, worker->flushed_ms + WORKER_WINDOW_MS - now_ms, 0);
        else
                worker_flush(worker);
}

/* Notes one turn, then begins a new span if this one is over. Returns the longest of both. */
static uint64_t worker_longest(struct worker_longest *longest, uint64_t turn_us, bool over) {
        if (turn_us > longest->us)
                longest->us = turn_us;
        if (over) {
                longest->before_us = longest->us;
                longest->us = 0;
        }
        return longest->us > longest->before_us ? longest->us : longest->before_us;
}

static uint64_t worker_cpu_ns(void) {
        struct timespec time = { 0 };
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The time since the turn before, less what the loop slept. */
static void worker_measure_turn(struct worker *worker) {
        uint64_t idle_ns = uv_metrics_idle_time(&worker->loop), now_ns = uv_hrtime();
        uint64_t turn_us = (now_ns - worker->turn_at_ns - (idle_ns - worker->turn_idle_ns)) / 1000;
        uint64_t cpu_ns = worker_cpu_ns(), turn_cpu_us = (cpu_ns - worker->turn_cpu_ns) / 1000;
        bool over = now_ns > worker->longest_from_ns + (uint64_t)WORKER_LONGEST_S * 1000000000;
        if (worker->turn_at_ns) {
                metrics_set(TURN_US, worker_longest(&worker->longest, turn_us, over));
                metrics_set(TURN_CPU_US, worker_longest(&worker->longest_cpu, turn_cpu_us, over));
        }
        if (over)
                worker->longest_from_ns = now_ns;
        worker->turn_cpu_ns = cpu_ns;
        worker->turn_at_ns = now_ns;
        worker->turn_idle_ns = idle_ns;
}

/* The loop does not sleep on what is left for its next turn; for what the window gathers it does. */
static void worker_consider_sleep(struct worker *worker) {
        if (worker->behind || channel_is_busy(worker->hub.fanout.channels))
                uv_idle_start(&worker->idle, worker_on_idle);
        else
                uv_idle_stop(&worker->idle);
}

static void worker_on_check(uv_check_t *check) {
        struct worker *worker = check->data;
        if (!worker->ending) {
                gateway_read_on(&worker->hub);
                hub_turn(&worker->hub);
        }
        /* A large audience is queued no faster than it is written, or everyone else's frames would stand behind it. */
        if (!worker->behind)
                channel_turn(worker->hub.fanout.channels, uv_hrtime() + LIMIT_CHANNEL_US * 1000);
        worker_consider_flush(worker);
        worker_consider_sleep(worker);
}

/* With work left the check comes right after a poll that does not wait: one slice a turn is enough. */
static void worker_on_prepare(uv_prepare_t *prepare) {
        struct worker *worker = prepare->data;
        if (!uv_is_active((uv_handle_t *)&worker->idle))
                worker_consider_flush(worker);
        worker_consider_sleep(worker);
        worker_measure_turn(worker);
}

/* ---- time ---- */

static void worker_announce(struct worker *worker) {
        if (worker->announced || !hub_is_ready(&worker->hub))
                return;
        worker->announced = true;
        log_info("The worker serves. node=%.*s", (int)node_id(worker->hub.fanout.node).len, node_id(worker->hub.fanout.node).ptr);
        int fd = worker->options->ready_fd;
        if (fd < 0)
                return;
        if (write(fd, "r", 1) != 1)
                log_warning("Nobody waits for this worker to be ready.");
        close(fd);
}

/* Is the loop asleep for less than half of its time? */
static void worker_measure(struct worker *worker) {
        uint64_t idle_ns = uv_metrics_idle_time(&worker->loop), now_ns = uv_hrtime();
        worker->hub.busy = (idle_ns - worker->idle_ns) * 2 < now_ns - worker->idle_at_ns;
        worker->idle_ns = idle_ns;
        worker->idle_at_ns = now_ns;
}

static void worker_end(struct worker *worker);

/* Nobody is connected, asks, or asked just now on a connection that is kept: the next answer tells that it ends. */
static bool worker_is_alone(const struct worker *worker) {
        const struct hub *hub = &worker->hub;
        return list_is_empty(&hub->sessions) && list_is_empty(&hub->https) && uv_now(&worker->loop) >= hub->asked_ms + WORKER_ASKED_MS;
}

static void worker_on_tick(uv_timer_t *timer) {
        struct worker *worker = timer->data;
        worker_measure(worker);
        hub_tick(&worker->hub);
        if (!worker->hub.stalled)
                acceptor_tick(worker->hub.acceptor);
        worker_announce(worker);
        if (worker->hub.draining && !worker->ending && (worker_is_alone(worker) || uv_now(&worker->loop) >= worker->drain_ends_ms))
                worker_end(worker);
}

/* Resident pages are the second number of statm (proc(5)). */
static void worker_check_memory(struct worker *worker) {
        unsigned long long size, resident;
        int64_t max_mb = worker->hub.config->memory_max_mb;
        FILE *statm = max_mb ? fopen("/proc/self/statm", "re") : NULL;
        bool full = statm && fscanf(statm, "%llu %llu", &size, &resident) == 2 &&
                    resident * (unsigned long long)sysconf(_SC_PAGESIZE) > (unsigned long long)max_mb << 20;
        if (statm)
                fclose(statm);
        if (full != worker->hub.memory_full)
                log_warning(full ? "Memory is above memory_max_mb: no new connections." : "Memory is below memory_max_mb again.");
        worker->hub.memory_full = full;
}

static void worker_on_second(uv_timer_t *timer) {
        struct worker *worker = timer->data;
        struct hub *hub = &worker->hub;
        uint64_t now_ms = clock_monotonic_ms();
        worker_check_memory(worker);
        ticket_ring_step(hub->tickets, now_ms); /* though nobody may come with a ticket */
        hub_second(hub, now_ms);
        if (worker->keeper)
                keeper_second(worker->keeper, hub->config);
}

/* ---- the end ---- */

/* The links are closed; the loop ends by itself when lws and our own handles have. */
static void worker_on_hub_closed(void *context) {
        struct worker *worker = context;
        uv_handle_t *const handles[] = {
                (uv_handle_t *)&worker->tick, (uv_handle_t *)&worker->second, (uv_handle_t *)&worker->window, (uv_handle_t *)&worker->prepare,
                (uv_handle_t *)&worker->check, (uv_handle_t *)&worker->idle,  (uv_handle_t *)&worker->on_term, (uv_handle_t *)&worker->on_hup,
        };
        for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
                uv_close(handles[i], NULL);
}

/* The peers are gone: the store is told, then the links end. */
static void worker_end(struct worker *worker) {
        worker->ending = true;
        /* One link may be closed long before the other (a look-up of a name cannot be cancelled), and with it what these use. */
        uv_timer_stop(&worker->tick);
        uv_timer_stop(&worker->second);
        gateway_close(&worker->hub);
        hub_close(&worker->hub, worker_on_hub_closed, worker);
}

static void worker_on_term(uv_signal_t *signal, int number) {
        struct worker *worker = signal->data;
        struct hub *hub = &worker->hub;
        if (hub->draining)
                return;
        uint64_t spread_ms = (uint64_t)hub->config->drain_ms;
        log_info("Draining. connections=%zu spread_ms=%" PRIu64, hub->connections, spread_ms);
        hub->draining = true;
        worker->drain_ends_ms = uv_now(&worker->loop) + spread_ms;
        acceptor_close(hub->acceptor);
        LIST_FOR_EACH(link, &hub->sessions)
                session_drain(LIST_CONTAINER(link, struct session, all), chance_u64() % (spread_ms + 1));
}

static size_t worker_connections_max(const struct config *config) {
        struct rlimit files;
        size_t allowed = 1024;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0)
                allowed = files.rlim_cur > WORKER_RESERVED_FILES * 2 ? (size_t)files.rlim_cur - WORKER_RESERVED_FILES : WORKER_RESERVED_FILES;
        return config->max_connections && (size_t)config->max_connections < allowed ? (size_t)config->max_connections : allowed;
}

static void worker_on_hup(uv_signal_t *signal, int number) {
        struct worker *worker = signal->data;
        struct config *config = NULL;
        struct auth *auth = NULL;
        char *error = NULL;
        if (settings_load(worker->options->argc, worker->options->argv, &config, &error) || auth_new(config, &auth, &error)) {
                log_error("The configuration was not loaded again: %s", error ? error : "no memory");
                free(error);
                config_free(config);
                return;
        }
        enum log_level level;
        if (log_parse_level(config->log_level, &level) == 0)
                log_set_level(level);
        auth_free(worker->hub.auth);
        config_free(worker->config);
        worker->hub.auth = auth;
        worker->config = config;
        hub_configure(&worker->hub, config);
        worker->hub.connections_max = worker_connections_max(config);
        log_info("The configuration was loaded again.");
}

/* ---- putting it together ---- */

static void worker_start_handles(struct worker *worker) {
        uv_loop_t *loop = &worker->loop;
        uv_timer_init(loop, &worker->tick);
        uv_timer_init(loop, &worker->second);
        uv_timer_init(loop, &worker->window);
        uv_prepare_init(loop, &worker->prepare);
        uv_check_init(loop, &worker->check);
        uv_idle_init(loop, &worker->idle);
        uv_signal_init(loop, &worker->on_term);
        uv_signal_init(loop, &worker->on_hup);
        worker->tick.data = worker->second.data = worker->window.data = worker->prepare.data = worker->check.data = worker->idle.data =
                worker->on_term.data = worker->on_hup.data = worker;
        uv_timer_start(&worker->tick, worker_on_tick, HUB_TICK_MS, HUB_TICK_MS);
        uv_timer_start(&worker->second, worker_on_second, WORKER_SECOND_MS, WORKER_SECOND_MS);
        uv_prepare_start(&worker->prepare, worker_on_prepare);
        uv_check_start(&worker->check, worker_on_check);
        uv_signal_start(&worker->on_term, worker_on_term, SIGTERM);
        uv_signal_start(&worker->on_hup, worker_on_hup, SIGHUP);
}

static int worker_open(struct worker *worker) {
        struct hub *hub = &worker->hub;
        const struct worker_options *options = worker->options;
        char *error = NULL;
        hub->loop = &worker->loop;
        hub->config = options->config;
        hub->metrics = options->metrics;
        hub->tickets = options->tickets;
        hub->connections_max = worker_connections_max(options->config);
        buf_init(&worker->scratch, WORKER_SCRATCH_BYTES);
        hub->scratch = &worker->scratch;
        if (uv_loop_init(&worker->loop))
                return -EIO;
        uv_loop_configure(&worker->loop, UV_METRICS_IDLE_TIME);
        if (auth_new(options->config, &hub->auth, &error)) {
                log_error("Tokens cannot be checked: %s", error ? error : "no memory");
                free(error);
                return -EINVAL;
        }
        worker_start_handles(worker);
        if (link_parse_address(options->redis_url, &worker->address)) {
                log_error("The Redis URL cannot be used.");
                return -EINVAL;
        }
        int r = hub_open(hub, &worker->address);
        if (r == 0 && options->redis_is_private && options->index == 0) {
                worker->keeper = keeper_new(hub->fanout.store);
                r = worker->keeper ? 0 : -ENOMEM;
        }
        if (r == 0)
                r = gateway_open(hub);
        if (r == 0) {
                hub->acceptor = acceptor_open(hub, (const struct sockaddr *)&options->address, options->address_len);
                r = hub->acceptor ? 0 : -EIO;
        }
        return r;
}

static void worker_deinit(struct worker *worker) {
        struct hub *hub = &worker->hub;
        gateway_deinit(hub);
        if (uv_loop_close(&worker->loop))
                log_warning("Something is still open at the end of the loop.");
        keeper_free(worker->keeper);
        hub_deinit(hub);
        acceptor_free(hub->acceptor);
        auth_free(hub->auth);
        config_free(worker->config);
        link_address_deinit(&worker->address);
        buf_deinit(&worker->scratch);
}

int worker_run(const struct worker_options *options) {
        struct worker *worker = calloc(1, sizeof(*worker));
        if (!worker)
                return 1;
        worker->options = options;
        signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an answer of write(), not the end */
        int r = worker_open(worker);
        if (r < 0) {
                log_error("The worker cannot start. error=\"%s\"", strerror(-r));
                free(worker);
                return 1;
        }
        uv_run(&worker->loop, UV_RUN_DEFAULT);
        log_info("The worker has ended.");
        worker_deinit(worker);
        free(worker);
        return 0;
}
