/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.c: see supervisor.h.
 *
 *      LOCKING -> STORE -> SERVING -> DRAINING -> ENDING -> DONE
 *
 * LOCKING waits for the Redis of a killed run to end. STORE waits until the private Redis has read its data, so that workers do
 * not begin their life in a backoff; both are skipped with --redis. SERVING runs everything. DRAINING: told to end, workers end
 * first. ENDING: then Redis. What is done with one child is decided in child.c; here it is done.
 *
 * No libuv, no lws: one poll() on a signalfd and the pipes on which new workers say that they are ready.
 */
#include "hub/supervisor.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/chance.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/process.h"
#include "hub/child.h"
#include "hub/port.h"
#include "hub/settings.h"
#include "hub/spawn.h"
#include "hub/store_server.h"
#include "hub/ticket.h"
#include "hub/worker.h"
#include "push/program.h"

enum phase { LOCKING, STORE, SERVING, DRAINING, ENDING, DONE };

enum {
        PORT_PATIENCE_MS = 2000, /* workers of a killed run need a moment to end and let go of the port */
        OWNER_PATIENCE_MS = 1000, /* a supervisor that was killed just now has not ended yet */
        LOCK_POLL_MS = 20,
        PROBE_EVERY_MS = 50,
        DRAIN_SLACK_MS = 5000,    /* past drain_ms, which a worker keeps itself, it hangs */
        HURRY_AFTER_MS = 500,     /* sooner, a second signal is the first one passed on by a wrapper as well, not haste */
        STORE_GRACE_MS = 20000,   /* Redis ends in milliseconds, unless its disk is slow */
        STORE_STARTS = 5,         /* so many without being ready once, and the installation is broken, not unlucky */
        WORDS_BYTES = 256,
};

/* A child and what the outside world knows of it. */
struct watched {
        struct child child;
        pid_t pid; /* 0: no process */
        char name[24];
        uint32_t slot;    /* its page of metrics */
        int ready_fd;     /* what a worker writes to when it serves; -1 */
        bool ready;       /* it serves */
        bool reload_due;  /* SIGHUP came before it was ready to hear it */
};

struct supervisor {
        enum phase phase;
        int status;
        int argc;
        char *const *argv;
        const struct config *config; /* the newest valid one */
        struct config *reloaded;     /* owns it after the first SIGHUP */
        struct sockaddr_storage address;
        socklen_t address_len;
        int port_fd, signal_fd;
        struct metrics_page *metrics;
        struct ticket_ring tickets;

        struct store_server *store_server; /* NULL: somebody else's Redis */
        struct watched store;
        unsigned store_starts;
        uint64_t probe_due_ms;
        uint64_t started_ms, drain_ms; /* when it was started, and told to end */

        struct watched *workers; /* and behind them the push worker */
        uint32_t workers_count, children_count;
        bool announced;
};

static void move(struct supervisor *s, enum phase to) {
        assert(to > s->phase);
        s->phase = to;
}

/* The one way to end other than being told to: status 1, and the children go the way of a normal end. */
static void give_up(struct supervisor *s) {
        s->status = 1;
        if (s->phase < DRAINING)
                move(s, DRAINING);
}

/* For what goes wrong before anything runs: a line for a person at a terminal, not for a log. */
__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...) {
        va_list args;
        va_start(args, format);
        fputs("belfry: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
        return 1;
}

/* ---- children ---- */

static void forget_ready_fd(struct watched *w) {
        if (w->ready_fd >= 0)
                close(w->ready_fd);
        w->ready_fd = -1;
}

static struct config *reload_for_push(void *context) {
        const struct worker_options *options = context;
        struct config *config = NULL;
        char *error = NULL;
        if (settings_load(options->argc, options->argv, &config, &error) == 0)
                return config;
        log_error("The configuration was not loaded again: %s", error ? error : "no memory");
        free(error);
        return NULL;
}

static int run_push(const struct worker_options *options) {
        explicit_bzero(options->tickets, sizeof(*options->tickets)); /* it has no peers, and would keep them as they are */
        struct worker_options own = *options;
        const struct program_options push = {
                .config = options->config,
                .redis_url = options->redis_url,
                .ready_fd = options->ready_fd,
                .reload = reload_for_push,
                .context = &own,
        };
        return program_run(&push);
}

static int start_worker(struct supervisor *s, struct watched *w) {
        const struct worker_options options = {
                .argc = s->argc,
                .argv = s->argv,
                .config = s->config,
                .redis_url = s->store_server ? store_server_url(s->store_server) : s->config->redis,
                .redis_is_private = s->store_server,
                .address = s->address,
                .address_len = s->address_len,
                .metrics = s->metrics,
                .tickets = &s->tickets,
                .index = w->slot - 1,
        };
        bool push = w == &s->workers[s->workers_count];
        int folder_fd = s->store_server ? store_server_folder_fd(s->store_server) : -1;
        return spawn_worker(push ? run_push : worker_run, &options, w->name, folder_fd, &w->pid, &w->ready_fd);
}

static int start_store(struct supervisor *s) {
        int r = store_server_start(s->store_server, &s->store.pid);
        s->store_starts++;
        s->probe_due_ms = clock_monotonic_ms() + PROBE_EVERY_MS;
        return r;
}

static void start(struct supervisor *s, struct watched *w) {
        int r = w == &s->store ? start_store(s) : start_worker(s, w);
        (void)child_step(&w->child, r == 0 ? CHILD_EVENT_STARTED : CHILD_EVENT_FAILED, clock_monotonic_ms(), chance_u64());
        if (r == 0)
                log_info("A child is started. name=%s child_pid=%ld", w->name, (long)w->pid);
        else
                log_error("A child cannot be started. name=%s error=\"%s\"", w->name, strerror(-r));
        if (r != 0 && w == &s->store && s->phase == STORE) {
                log_error("The private Redis cannot be started; install redis-server, or name a Redis of your own with --redis. "
                          "program=%s",
                          s->config->redis_server);
                give_up(s);
        }
}

static void step(struct supervisor *s, struct watched *w, enum child_event event) {
        switch (child_step(&w->child, event, clock_monotonic_ms(), chance_u64())) {
        case CHILD_ACTION_NONE:
                break;
        case CHILD_ACTION_START:
                start(s, w);
                break;
        case CHILD_ACTION_TERM:
                kill(w->pid, SIGTERM);
                break;
        case CHILD_ACTION_KILL:
                log_warning("A child is killed. name=%s child_pid=%ld", w->name, (long)w->pid);
                kill(w->pid, SIGKILL);
                break;
        }
}

static void log_end(const struct supervisor *s, const struct watched *w, pid_t pid, int wait_status) {
        char how[32], why[WORDS_BYTES + 32] = "", words[WORDS_BYTES];
        if (WIFSIGNALED(wait_status))
                snprintf(how, sizeof how, "signal=%d", WTERMSIG(wait_status));
        else
                snprintf(how, sizeof how, "status=%d", WEXITSTATUS(wait_status));
        if (w->child.state == CHILD_GONE) {
                log_info("A child has ended as told. name=%s child_pid=%ld %s", w->name, (long)pid, how);
                return;
        }
        if (w == &s->store) {
                store_server_last_words(s->store_server, words, sizeof words);
                snprintf(why, sizeof why, " last_words=\"%s\"", words);
        }
        log_error("A child has died and is started again. name=%s child_pid=%ld %s in_ms=%" PRIu64 "%s", w->name, (long)pid, how,
                  child_due_ms(&w->child) - clock_monotonic_ms(), why);
}

static void on_exit_of(struct supervisor *s, struct watched *w, int wait_status) {
        pid_t pid = w->pid;
        w->pid = 0;
        w->ready = false;
        w->reload_due = false;
        forget_ready_fd(w);
        step(s, w, CHILD_EVENT_EXITED);
        log_end(s, w, pid, wait_status);
        if (w->child.state == CHILD_WAITING)
                s->metrics->slots[w->slot].values[METRIC_RESTARTS]++; /* its only writer is dead */
        if (w == &s->store && s->phase == STORE && s->store_starts >= STORE_STARTS) {
                log_error("The private Redis was never ready; giving up. See redis.log in the data folder. starts=%u",
                          s->store_starts);
                give_up(s);
        }
}

static void reap(struct supervisor *s) {
        int wait_status;
        for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
                if (pid == s->store.pid)
                        on_exit_of(s, &s->store, wait_status);
                for (uint32_t i = 0; i < s->children_count; i++)
                        if (pid == s->workers[i].pid)
                                on_exit_of(s, &s->workers[i], wait_status);
                /* Any other is an orphan that we got as the first process of a container. */
        }
}

/* ---- readiness ---- */

static void announce(struct supervisor *s) {
        if (s->announced)
                return;
        for (uint32_t i = 0; i < s->workers_count; i++)
                if (!s->workers[i].ready)
                        return;
        s->announced = true;
        char address[80];
        port_print(&s->address, s->address_len, address, sizeof address);
        log_info("The hub serves. address=%s workers=%u took_ms=%" PRIu64, address, s->workers_count,
                 clock_monotonic_ms() - s->started_ms);
        printf("Belfry is ready: %s://%s/\n", s->config->tls_cert[0] ? "https" : "http", address);
        if (s->config->dev)
                printf("Development mode: the demo is at that URL; the API key is in %s/api-key; belfry token --data %s --user "
                       "alice makes a token.\n",
                       s->config->data, s->config->data);
        fflush(stdout);
}

static void on_worker_ready(struct supervisor *s, struct watched *w) {
        char byte;
        ssize_t len = read(w->ready_fd, &byte, 1);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        forget_ready_fd(w);
        if (len != 1)
                return; /* it died; SIGCHLD tells the rest */
        w->ready = true;
        log_info("A child is ready. name=%s child_pid=%ld", w->name, (long)w->pid);
        if (w->reload_due)
                kill(w->pid, SIGHUP);
        w->reload_due = false;
        announce(s);
}

static struct watched *push_of(struct supervisor *s) {
        return &s->workers[s->workers_count];
}

/* The push worker is there while the configuration has apps to push to. */
static void settle_push(struct supervisor *s) {
        struct watched *w = push_of(s);
        if (s->config->pushes_count == 0)
                step(s, w, CHILD_EVENT_STOP);
        else if (w->child.state == CHILD_GONE && w->pid == 0 && s->phase == SERVING)
                child_init(&w->child, (uint64_t)s->config->drain_ms + DRAIN_SLACK_MS, clock_monotonic_ms());
}

static void start_workers(struct supervisor *s) {
        move(s, SERVING);
        uint64_t now_ms = clock_monotonic_ms();
        for (uint32_t i = 0; i < s->workers_count; i++)
                child_init(&s->workers[i].child, (uint64_t)s->config->drain_ms + DRAIN_SLACK_MS, now_ms);
        settle_push(s);
}

static void probe_store(struct supervisor *s) {
        if (store_server_probe(s->store_server) != 0) {
                s->probe_due_ms = clock_monotonic_ms() + PROBE_EVERY_MS;
                return;
        }
        s->store.ready = true;
        log_info("A child is ready. name=%s child_pid=%ld", s->store.name, (long)s->store.pid);
        if (s->phase == STORE)
                start_workers(s);
}

static bool is_probe_due(const struct supervisor *s, uint64_t now_ms) {
        return s->store.pid != 0 && !s->store.ready && s->phase <= SERVING && now_ms >= s->probe_due_ms;
}

/* ---- signals ---- */

static void reload(struct supervisor *s) {
        struct config *config = NULL;
        char *error = NULL;
        int r = settings_load(s->argc, s->argv, &config, &error);
        if (r != 0) {
                log_error("The new configuration is wrong; the old one stays. error=\"%s\"", error ? error : "out of memory");
                free(error);
                return;
        }
        const struct config *old = s->config;
        if (strcmp(old->listen, config->listen) != 0 || strcmp(old->data, config->data) != 0 ||
            strcmp(old->redis, config->redis) != 0 || strcmp(old->redis_server, config->redis_server) != 0 ||
            old->workers != config->workers || old->dev != config->dev)
                log_warning("listen, data, workers, dev and the Redis to use change only with a restart.");
        enum log_level level;
        if (log_parse_level(config->log_level, &level) == 0)
                log_set_level(level);
        config_free(s->reloaded);
        s->config = s->reloaded = config;

        for (uint32_t i = 0; i < s->children_count; i++) {
                struct watched *w = &s->workers[i];
                w->child.grace_ms = (uint64_t)config->drain_ms + DRAIN_SLACK_MS;
                if (w->pid != 0 && w->ready)
                        kill(w->pid, SIGHUP);
                w->reload_due = w->pid != 0 && !w->ready;
        }
        settle_push(s);
        log_info("The configuration is loaded again.");
}

static void drain(struct supervisor *s, int number) {
        if (s->phase < DRAINING) {
                log_info("The hub drains and ends. signal=%d", number);
                s->drain_ms = clock_monotonic_ms();
                move(s, DRAINING);
                return;
        }
        if (s->phase == DRAINING && clock_monotonic_ms() - s->drain_ms >= HURRY_AFTER_MS)
                for (uint32_t i = 0; i < s->children_count; i++)
                        step(s, &s->workers[i], CHILD_EVENT_HURRY);
}

static void on_signals(struct supervisor *s) {
        struct signalfd_siginfo info;
        while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
                if (info.ssi_signo == SIGHUP && s->phase < DRAINING)
                        reload(s);
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                        drain(s, (int)info.ssi_signo);
        }
        reap(s); /* SIGCHLDs merge: one may stand for many */
}

/* ---- the loop ---- */

static bool is_gone(const struct watched *w) {
        return w->child.state == CHILD_GONE;
}

static bool are_workers_gone(const struct supervisor *s) {
        for (uint32_t i = 0; i < s->children_count; i++)
                if (!is_gone(&s->workers[i]))
                        return false;
        return true;
}

/* What follows from the phase alone; STOP may be said again and again. */
static void settle(struct supervisor *s) {
        if (s->phase == DRAINING) {
                for (uint32_t i = 0; i < s->children_count; i++)
                        step(s, &s->workers[i], CHILD_EVENT_STOP);
                if (are_workers_gone(s))
                        move(s, ENDING);
        }
        if (s->phase == ENDING) {
                step(s, &s->store, CHILD_EVENT_STOP);
                if (is_gone(&s->store))
                        move(s, DONE);
        }
}

static int until_ms(uint64_t due_ms, uint64_t now_ms) {
        if (due_ms <= now_ms)
                return 0;
        return due_ms - now_ms > 60000 ? 60000 : (int)(due_ms - now_ms);
}

static void wait_for_something(struct supervisor *s) {
        struct pollfd fds[2 + LIMIT_WORKERS] = { { .fd = s->signal_fd, .events = POLLIN } };
        uint64_t due_ms = child_due_ms(&s->store.child);
        if (s->store.pid != 0 && !s->store.ready && s->phase <= SERVING && s->probe_due_ms < due_ms)
                due_ms = s->probe_due_ms;
        for (uint32_t i = 0; i < s->children_count; i++) {
                fds[1 + i] = (struct pollfd){ .fd = s->workers[i].ready_fd, .events = POLLIN }; /* poll() skips -1 */
                if (child_due_ms(&s->workers[i].child) < due_ms)
                        due_ms = child_due_ms(&s->workers[i].child);
        }
        if (poll(fds, 1 + s->children_count, until_ms(due_ms, clock_monotonic_ms())) < 0)
                return; /* EINTR by a tracer: the next turn sees the same */
        for (uint32_t i = 0; i < s->children_count; i++)
                if (fds[1 + i].revents)
                        on_worker_ready(s, &s->workers[i]);
        if (fds[0].revents)
                on_signals(s);
}

static void tick(struct supervisor *s) {
        ticket_ring_step(&s->tickets, clock_monotonic_ms());
        step(s, &s->store, CHILD_EVENT_TICK);
        for (uint32_t i = 0; i < s->children_count; i++)
                step(s, &s->workers[i], CHILD_EVENT_TICK);
        if (is_probe_due(s, clock_monotonic_ms()))
                probe_store(s);
}

static int loop(struct supervisor *s) {
        while (s->phase < DONE) {
                wait_for_something(s);
                settle(s); /* first, so that nothing is started that is to end */
                tick(s);
                settle(s); /* it may have given up */
        }
        log_info("The hub has ended. status=%d", s->status);
        return s->status;
}

/* ---- the start ---- */

/* Told to end, or time_ms over? */
static bool is_ended_within(struct supervisor *s, int time_ms) {
        if (poll(&(struct pollfd){ .fd = s->signal_fd, .events = POLLIN }, 1, time_ms) > 0)
                on_signals(s);
        return s->phase >= DRAINING;
}

static int take_port(struct supervisor *s) {
        char address[80];
        port_print(&s->address, s->address_len, address, sizeof address);
        uint64_t from_ms = clock_monotonic_ms();
        int r;
        while ((r = port_hold(&s->address, s->address_len, &s->port_fd)) == -EADDRINUSE) {
                if (clock_monotonic_ms() - from_ms >= PORT_PATIENCE_MS || is_ended_within(s, LOCK_POLL_MS))
                        break;
        }
        if (r == 0 || s->phase >= DRAINING)
                return 0;
        if (r == -EADDRINUSE)
                return complain("another program listens on %s (ss -ltnp shows which); choose another port with --listen",
                                address);
        return complain("cannot serve on %s: %s", address, strerror(-r));
}

static void evict_store(const struct supervisor *s, int number, bool *told) {
        if (!*told)
                log_warning("A Redis of an earlier run still holds the data folder; it is told to end. signal=%d servers=%zu",
                            number, store_server_evict(s->store_server, number));
        *told = true;
}

static int own_folder(struct supervisor *s) {
        uint64_t from_ms = clock_monotonic_ms();
        int r;
        while ((r = store_server_own(s->store_server)) == STORE_SERVER_E_LOCKED) {
                if (clock_monotonic_ms() - from_ms >= OWNER_PATIENCE_MS)
                        return complain("another hub uses the data folder %s", s->config->data);
                if (is_ended_within(s, LOCK_POLL_MS))
                        return 0;
        }
        return r == 0 ? 0 : complain("cannot lock the data folder %s: %s", s->config->data, strerror(-r));
}

/* supervisor#3 */
static int lock_store(struct supervisor *s) {
        uint64_t from_ms = clock_monotonic_ms();
        bool termed = false, killed = false;
        int r;
        while ((r = store_server_lock(s->store_server)) == STORE_SERVER_E_LOCKED) {
                switch (store_server_patience(clock_monotonic_ms() - from_ms)) {
                case STORE_SERVER_WAIT:
                        break;
                case STORE_SERVER_TERM:
                        evict_store(s, SIGTERM, &termed);
                        break;
                case STORE_SERVER_KILL:
                        evict_store(s, SIGKILL, &killed);
                        break;
                case STORE_SERVER_GIVE_UP:
                        return complain("another process holds %s/lock and does not end (fuser shows which)", s->config->data);
                }
                if (is_ended_within(s, LOCK_POLL_MS))
                        return 0;
        }
        return r == 0 ? 0 : complain("cannot lock the data folder %s: %s", s->config->data, strerror(-r));
}

static int open_store(struct supervisor *s) {
        if (s->config->redis[0])
                return 0;
        char *error = NULL;
        int r = store_server_new(s->config->data, s->config->redis_server, &s->store_server, &error);
        if (r != 0) {
                complain("%s", error ? error : strerror(-r));
                free(error);
                return 1;
        }
        r = own_folder(s);
        return r == 0 && s->phase < DRAINING ? lock_store(s) : r;
}

static int open_signals(struct supervisor *s) {
        sigset_t ours;
        sigemptyset(&ours);
        sigaddset(&ours, SIGCHLD);
        sigaddset(&ours, SIGTERM);
        sigaddset(&ours, SIGINT);
        sigaddset(&ours, SIGHUP);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_DFL); /* whoever started us may have ignored it, and then nothing can be waited for */
        if (sigprocmask(SIG_BLOCK, &ours, NULL) != 0)
                return -errno;
        s->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
        return s->signal_fd >= 0 ? 0 : -errno;
}

static uint32_t count_cores(void) {
        cpu_set_t cores;
        if (sched_getaffinity(0, sizeof cores, &cores) != 0) /* a machine with more than 1024 */
                return LIMIT_WORKERS;
        uint32_t count = (uint32_t)CPU_COUNT(&cores);
        return count < LIMIT_WORKERS ? count : LIMIT_WORKERS;
}

static void name_watched(struct supervisor *s, struct watched *w, uint32_t slot, const char *name) {
        snprintf(w->name, sizeof w->name, "%s", name);
        w->slot = slot;
        w->ready_fd = -1;
        w->child = (struct child){ .state = CHILD_GONE, .due_ms = UINT64_MAX }; /* until its phase comes */
        metrics_open(s->metrics, slot, w->name);
}

static int make_children(struct supervisor *s) {
        s->workers_count = s->config->workers > 0 ? (uint32_t)s->config->workers : count_cores();
        s->children_count = s->workers_count + 1;
        s->workers = calloc(s->children_count, sizeof *s->workers);
        ticket_ring_init(&s->tickets, clock_monotonic_ms());
        s->metrics = metrics_page_new(s->workers_count + 3);
        if (!s->workers || !s->metrics)
                return -ENOMEM;
        name_watched(s, &s->store, s->workers_count + 1, "redis");
        name_watched(s, push_of(s), s->workers_count + 2, "push");
        for (uint32_t i = 0; i < s->workers_count; i++) {
                char name[sizeof s->workers[i].name];
                snprintf(name, sizeof name, "worker%u", i + 1);
                name_watched(s, &s->workers[i], i + 1, name);
        }
        metrics_open(s->metrics, 0, "supervisor"); /* the last one opened is ours to count in */
        return 0;
}

static void raise_limits(void) {
        umask(077);
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) != 0)
                return;
        rlim_t wanted = files.rlim_max < LIMIT_OPEN_FILES ? files.rlim_max : LIMIT_OPEN_FILES;
        if (files.rlim_cur == wanted)
                return;
        files.rlim_cur = wanted;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
                log_warning("The limit of open files stays as it is. error=\"%s\"", strerror(errno));
}

static int run(struct supervisor *s) {
        enum log_level level = LOG_INFO;
        if (port_parse(s->config->listen, &s->address, &s->address_len) != 0 ||
            log_parse_level(s->config->log_level, &level) != 0)
                return complain("the configuration was not checked"), 2;
        log_open("supervisor", level);
        raise_limits();
        int r = open_signals(s);
        if (r == 0)
                r = make_children(s);
        if (r != 0)
                return complain("cannot start: %s", strerror(-r));
        if (open_store(s) != 0 || take_port(s) != 0)
                return 1;
        if (s->phase >= DRAINING)
                return 0; /* told to end while it waited: nothing runs yet */
        if (s->store_server) {
                move(s, STORE);
                child_init(&s->store.child, STORE_GRACE_MS, clock_monotonic_ms());
        } else {
                start_workers(s);
        }
        return loop(s);
}

int supervisor_run(int argc, char *const argv[], struct config *config) {
        struct supervisor s = {
                .phase = LOCKING,
                .argc = argc,
                .argv = argv,
                .config = config,
                .port_fd = -1,
                .signal_fd = -1,
                .started_ms = clock_monotonic_ms(),
        };
        int status = run(&s);
        store_server_free(s.store_server);
        if (s.port_fd >= 0)
                close(s.port_fd);
        if (s.signal_fd >= 0)
                close(s.signal_fd);
        free(s.workers);
        config_free(s.reloaded);
        return status; /* the page of metrics stays: this process counts in it to its end */
}
