/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c: see host.h. The engine decides, the line carries, the store remembers; this file gives them a loop, a clock, a lock
 * and a queue for what the app is told.
 *
 * One mutex guards everything. The loop runs under it, but never sleeps under it: whoever drives it (our thread or the app's)
 * polls its descriptor first. Events are queued under it and handed out without it, so that on_event may call what it likes.
 */
#include "client/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/limits.h"
#include "client/belfry.h"
#include "client/claim.h"
#include "client/courier.h"
#include "client/db.h"
#include "client/engine.h"
#include "client/errand.h"
#include "client/ledger.h"
#include "client/line.h"
#include "client/news.h"
#include "client/url.h"
#include "client/wake.h"

enum {
        LOOK_MS = 100,      /* at what other processes did */
        TAKE_OVER_MS = 500, /* asking for the connection again */
        TIMEOUT_MAX_MS = 1000,
        FEED_AT_ONCE = 512,
        EVENT_BYTES = 4 << 20,
        REPORT_MIN_MS = 60000, /* twice what the hub asks for (LIMIT_REPORT_EVERY_MS) */
        STEP_TURNS = 8,
};

struct belfry {
        pthread_mutex_t lock;
        pthread_cond_t woken; /* a sync has ended */
        pthread_t thread;
        bool has_thread, ending;

        uv_loop_t loop;
        uv_async_t async;
        uv_timer_t timer, look;
        unsigned handles; /* open ones of ours, and lines and couriers */

        struct belfry_options options; /* its texts are the ones below */
        struct url url;
        char *ca_file;
        char *token;
        char user[LIMIT_ID_BYTES + 1], device[LIMIT_ID_BYTES + 1];

        struct db *db;
        struct engine *engine;
        struct line *line;
        unsigned turn; /* of the addresses of the hub's name */
        int lock_fd;
        bool owner, wanted; /* wanted: the app wants to be connected */
        bool standby;       /* told so */
        int64_t version;    /* of the store, when we last looked */
        int64_t told;       /* the last change the app was told */
        struct news news;

        struct wake *wake;
        struct courier *courier;
        struct wake_result wake_result;
        bool wake_is_over, wake_tried_fresh;
};

/* ---- errors ---- */

int host_error(int error) {
        switch (error) {
        case 0:
                return BELFRY_OK;
        case -ENOMEM:
                return BELFRY_E_MEMORY;
        case DB_E_FULL:
                return BELFRY_E_FULL;
        case DB_E_LOCKED:
                return BELFRY_E_LOCKED;
        case DB_E_CORRUPT:
                return BELFRY_E_CORRUPT;
        case DB_E_NEWER:
                return BELFRY_E_NEWER;
        default:
                return BELFRY_E_DISK;
        }
}

/* ---- what the app is told ---- */

static void hand_out(struct belfry *client, struct news *news) {
        size_t len;
        char *json;

        while ((json = news_take(news, &len)) != NULL) {
                client->options.on_event(client, json, len, client->options.context);
                free(json);
        }
}

/* What changed in the store since the app was told last, by whomever. */
static void read_feed(struct belfry *client) {
        struct sqlite3_stmt *rows;
        int64_t last = client->told;

        if (!client->options.on_event)
                return;
        db_begin_read(client->db);
        rows = db_query(client->db,
                        "SELECT change, what, conv, seq, name, word FROM feed WHERE change > ? ORDER BY change LIMIT ?", "ii",
                        client->told, (int64_t)FEED_AT_ONCE);
        while (db_next(client->db, rows)) {
                struct ledger_change change = { .change = db_int(rows, 0),
                                                .what = db_text(rows, 1),
                                                .conv = db_text(rows, 2),
                                                .seq = db_int(rows, 3),
                                                .name = db_text(rows, 4),
                                                .word = db_text(rows, 5) };
                _cleanup_buf_ struct buf json = BUF_INIT(EVENT_BYTES);

                if (ledger_print_change(client->db, &change, &json) && !news_add(&client->news, buf_slice(&json)))
                        break;
                if (buf_failed(&json))
                        break; /* told when there is memory again */
                last = change.change;
        }
        db_done(rows);
        if (db_end(client->db) == 0)
                client->told = last;
}

/* ---- the engine's port ---- */

static void port_become(void *context, enum engine_state state, int code, const char *reason) {
        static const char *const names[] = { "off", "connecting", "online", "waiting", "stopped" };
        struct belfry *client = context;

        news_add_state(&client->news, names[state], code, reason);
}

static void port_hear(void *context, struct slice frame) {
        struct belfry *client = context;
        _cleanup_buf_ struct buf json = BUF_INIT(EVENT_BYTES);

        ledger_add_line(&json, frame);
        if (!buf_failed(&json))
                (void)news_add(&client->news, buf_slice(&json)); /* of the moment: it may be dropped */
}

static void port_fail(void *context, int error) {
        struct belfry *client = context;
        int code = host_error(error);

        news_add_fault(&client->news, code, belfry_error(code), error < 0 ? "" : db_reason(client->db));
}

static bool port_token(void *context, bool fresh, char *out, size_t size) {
        struct belfry *client = context;

        if (client->options.on_token)
                return client->options.on_token(fresh, out, size, client->options.context);
        if (!client->token || strlen(client->token) >= size)
                return false;
        memcpy(out, client->token, strlen(client->token) + 1);
        return true;
}

static uint64_t port_chance(void *context) {
        return chance_u64();
}

static void engine_time(struct belfry *client) {
        engine_at(client->engine, clock_monotonic_ms(), clock_wall_ms());
}

/* ---- the connection ---- */

static void settle(struct belfry *client);

static void on_line_open(void *context) {
        struct belfry *client = context;

        engine_time(client);
        engine_on_open(client->engine);
        settle(client);
}

static void on_line_texts(void *context, const struct slice *texts, size_t count) {
        struct belfry *client = context;

        engine_time(client);
        engine_on_texts(client->engine, texts, count);
        settle(client);
}

static void on_line_heard(void *context) {
        struct belfry *client = context;

        engine_time(client);
        engine_on_heard(client->engine);
        settle(client);
}

static void on_line_closed(void *context, int code, const char *reason) {
        struct belfry *client = context;

        client->line = NULL;
        engine_time(client);
        engine_on_closed(client->engine, code, reason);
        settle(client);
}

static void on_line_refused(void *context, int http_status, int64_t retry_after_ms, const char *reason) {
        struct belfry *client = context;

        client->line = NULL;
        client->turn++;
        engine_time(client);
        engine_on_refused(client->engine, http_status, retry_after_ms, reason);
        settle(client);
}

static void on_part_gone(void *context) {
        struct belfry *client = context;

        client->handles--;
}

static void port_dial(void *context) {
        struct belfry *client = context;
        struct line_port port = { client,         on_line_open,    on_line_texts, on_line_heard,
                                  on_line_closed, on_line_refused, on_part_gone };

        /* Without memory, or without authorities: the engine gives up when no welcome comes, and tries again. */
        if (line_open(&client->loop, &client->url, client->ca_file, client->turn, &port, &client->line) == 0)
                client->handles++;
}

static void port_hang_up(void *context) {
        struct belfry *client = context;

        if (client->line)
                line_close(client->line);
        client->line = NULL;
}

static void port_send(void *context, struct slice text) {
        struct belfry *client = context;

        if (client->line)
                line_send(client->line, text);
}

/* ---- who has the connection ---- */

static void tell_standby(struct belfry *client) {
        if (!client->standby)
                news_add_state(&client->news, "standby", 0, NULL);
        client->standby = true;
}

/* The lock goes with the process, however it ends. */
static bool take_connection(struct belfry *client) {
        if (client->owner)
                return true;
        if (flock(client->lock_fd, LOCK_EX | LOCK_NB) != 0)
                return false;
        client->owner = true;
        client->standby = false;
        engine_time(client);
        engine_recover(client->engine);
        return true;
}

static void connect_if_ours(struct belfry *client) {
        if (!client->wanted)
                return;
        engine_time(client);
        if (take_connection(client))
                engine_start(client->engine);
        else
                tell_standby(client);
}

/* ---- background sync ---- */

static void go_on_syncing(struct belfry *client);

static void end_sync(struct belfry *client) {
        client->wake_result = *wake_result(client->wake);
        client->wake = wake_free(client->wake);
        client->wake_is_over = true;
        pthread_cond_broadcast(&client->woken);
}

static void on_sync_answer(void *context, int status, struct slice body) {
        struct belfry *client = context;

        client->courier = NULL;
        if (!client->wake)
                return;
        wake_on_answer(client->wake, status, body, clock_wall_ms(), chance_u64());
        go_on_syncing(client);
        settle(client);
}

static void go_on_syncing(struct belfry *client) {
        struct courier_port port = { client, on_sync_answer, on_part_gone };
        _cleanup_buf_ struct buf body = BUF_INIT(LIMIT_HTTP_BODY_BYTES);
        char token[LIMIT_TOKEN_BYTES + 1];

        if (wake_next(client->wake, clock_monotonic_ms(), clock_wall_ms(), &body) != WAKE_GOES_ON) {
                end_sync(client);
                return;
        }
        if (port_token(client, client->wake_tried_fresh, token, sizeof(token)) &&
            courier_send(&client->loop, &client->url, client->ca_file, "/v1/sync", token, buf_slice(&body), &port,
                         &client->courier) == 0) {
                client->handles++;
                return;
        }
        wake_on_answer(client->wake, 0, (struct slice){ NULL, 0 }, clock_wall_ms(), chance_u64());
        end_sync(client);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer) {
        struct belfry *client = timer->data;

        engine_time(client);
        engine_on_time(client->engine);
        settle(client);
}

/* Another process has written: into its outbox, which is ours to send, or from a sync of its own. */
static void on_look(uv_timer_t *look) {
        struct belfry *client = look->data;
        int64_t version;

        if (client->wanted && !client->owner)
                connect_if_ours(client);
        db_begin_read(client->db);
        version = db_version(client->db);
        if (db_end(client->db) != 0 || version == client->version) {
                settle(client);
                return;
        }
        client->version = version;
        engine_time(client);
        if (client->owner)
                engine_look_again(client->engine);
        settle(client);
}

static void on_async(uv_async_t *async) {
        settle(async->data);
}

/* After whatever happened: the app is told, the timer is set. */
static void settle(struct belfry *client) {
        uint64_t due_ms = engine_due(client->engine), now_ms = clock_monotonic_ms();

        read_feed(client);
        if (due_ms && !client->ending)
                uv_timer_start(&client->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
        else
                uv_timer_stop(&client->timer);
}

void host_lock(struct belfry *client) {
        pthread_mutex_lock(&client->lock);
}

/* Ends a call of the app's: what it caused is told by the loop. */
void host_unlock(struct belfry *client) {
        uv_async_send(&client->async);
        pthread_mutex_unlock(&client->lock);
}

int host_fd(struct belfry *client) {
        return uv_backend_fd(&client->loop);
}

int host_timeout_ms(struct belfry *client) {
        int timeout_ms;

        pthread_mutex_lock(&client->lock);
        uv_update_time(&client->loop);
        timeout_ms = news_is_empty(&client->news) ? uv_backend_timeout(&client->loop) : 0;
        pthread_mutex_unlock(&client->lock);
        return timeout_ms < 0 || timeout_ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : timeout_ms;
}

/*
 * libuv tells the kernel of a new socket only when it polls, so the last turn must be one before which nothing was ready. What
 * becomes ready in the very moment between is found by the next step, at most TIMEOUT_MAX_MS later.
 */
void host_step(struct belfry *client) {
        struct pollfd pollfd = { .fd = uv_backend_fd(&client->loop), .events = POLLIN };
        struct news news;
        bool ready = true;

        news_init(&news, true);
        pthread_mutex_lock(&client->lock);
        for (int turn = 0; turn < STEP_TURNS && ready; turn++) {
                uv_update_time(&client->loop);
                ready = poll(&pollfd, 1, 0) > 0 || uv_backend_timeout(&client->loop) == 0;
                uv_run(&client->loop, UV_RUN_NOWAIT);
        }
        read_feed(client);
        news_move(&news, &client->news);
        pthread_mutex_unlock(&client->lock);
        hand_out(client, &news);
}

static void step_and_wait(struct belfry *client) {
        struct pollfd pollfd = { .fd = uv_backend_fd(&client->loop), .events = POLLIN };

        host_step(client);
        (void)poll(&pollfd, 1, host_timeout_ms(client));
}

static void *thread_main(void *context) {
        struct belfry *client = context;
        bool ending = false;

        while (!ending) {
                step_and_wait(client);
                pthread_mutex_lock(&client->lock);
                ending = client->ending;
                pthread_mutex_unlock(&client->lock);
        }
        return NULL;
}

int host_run(struct belfry *client) {
        sigset_t all, before;
        int r;

        if (client->has_thread)
                return BELFRY_E_RUNNING;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the app's; the thread inherits that it takes none */
        r = pthread_create(&client->thread, NULL, thread_main, client);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        client->has_thread = r == 0;
        return r == 0 ? BELFRY_OK : BELFRY_E_MEMORY;
}

/* ---- opening ---- */

/* For who names none, neither in a token nor in the options: the store remembers it, so that it is made once. */
static void make_device(char *out, size_t size) {
        char word[13];

        chance_hex(word, sizeof(word) - 1);
        snprintf(out, size, "c-%s", word);
}

/* Whose store it is: the first who uses it. */
static int own_store(struct belfry *client) {
        char owner[LIMIT_ID_BYTES + 1];
        bool mine;
        int error;

        db_begin(client->db);
        db_get_text(client->db, "user", owner, sizeof(owner));
        mine = !owner[0] || !client->user[0] || strcmp(owner, client->user) == 0;
        if (mine && client->user[0] && !owner[0])
                db_set_text(client->db, "user", slice_of(client->user));
        if (mine && !client->device[0])
                db_get_text(client->db, "device", client->device, sizeof(client->device));
        if (mine && !client->device[0])
                make_device(client->device, sizeof(client->device));
        if (mine)
                db_set_text(client->db, "device", slice_of(client->device));
        client->told = client->options.after > 0   ? client->options.after
                       : client->options.after < 0 ? 0
                                                   : ledger_last_change(client->db);
        error = db_end(client->db);
        if (error)
                return host_error(error);
        return mine ? BELFRY_OK : BELFRY_E_OTHER;
}

static int open_store(struct belfry *client, const char *path) {
        char lock_path[4096];
        int r = db_open(path, &client->db);

        if (r)
                return host_error(r);
        if (snprintf(lock_path, sizeof(lock_path), "%s-lock", path) >= (int)sizeof(lock_path))
                return BELFRY_E_INVALID;
        client->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (client->lock_fd < 0)
                return BELFRY_E_DISK;
        return own_store(client);
}

static int open_engine(struct belfry *client) {
        struct engine_port port = {
                .context = client,
                .dial = port_dial,
                .hang_up = port_hang_up,
                .send = port_send,
                .token = port_token,
                .become = port_become,
                .hear = port_hear,
                .fail = port_fail,
                .chance = port_chance,
        };

        client->engine = engine_new(client->db, &port, client->user, client->device);
        if (!client->engine)
                return BELFRY_E_MEMORY;
        engine_time(client);
        engine_report_each(client->engine, client->options.report_ms);
        return BELFRY_OK;
}

static void open_loop(struct belfry *client) {
        uv_async_init(&client->loop, &client->async, on_async);
        uv_timer_init(&client->loop, &client->timer);
        uv_timer_init(&client->loop, &client->look);
        client->async.data = client->timer.data = client->look.data = client;
        client->handles = 3;
        if (client->options.shared)
                uv_timer_start(&client->look, on_look, LOOK_MS, LOOK_MS);
}

static int copy_options(struct belfry *client, const struct belfry_options *options) {
        client->options = *options;
        client->token = options->token ? strdup(options->token) : NULL;
        client->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
        if ((options->token && !client->token) || (options->ca_file && !client->ca_file))
                return BELFRY_E_MEMORY;
        if (options->report_ms < 0 || (options->report_ms > 0 && options->report_ms < REPORT_MIN_MS))
                return BELFRY_E_INVALID;
        if (url_parse(options->url, &client->url) != 0)
                return BELFRY_E_INVALID;
        claim_read(options->token, "sub", client->user, sizeof(client->user));
        claim_read(options->token, "dev", client->device, sizeof(client->device));
        if (options->user)
                snprintf(client->user, sizeof(client->user), "%s", options->user);
        if (options->device && !client->device[0])
                snprintf(client->device, sizeof(client->device), "%s", options->device);
        return BELFRY_OK;
}

static void free_client(struct belfry *client) {
        news_deinit(&client->news);
        wake_free(client->wake);
        engine_free(client->engine);
        db_free(client->db);
        if (client->lock_fd >= 0)
                close(client->lock_fd);
        free(client->token);
        free(client->ca_file);
        pthread_cond_destroy(&client->woken);
        pthread_mutex_destroy(&client->lock);
        free(client);
}

int host_open(const struct belfry_options *options, struct belfry **ret_client) {
        struct belfry *client;
        int r;

        if (!options || !options->url || !options->store)
                return BELFRY_E_INVALID;
        client = calloc(1, sizeof(*client));
        if (!client)
                return BELFRY_E_MEMORY;
        client->lock_fd = -1;
        news_init(&client->news, options->on_event != NULL);
        pthread_mutex_init(&client->lock, NULL);
        pthread_cond_init(&client->woken, NULL);
        r = copy_options(client, options);
        if (r == BELFRY_OK)
                r = open_store(client, options->store);
        if (r == BELFRY_OK)
                r = open_engine(client);
        if (r == BELFRY_OK && uv_loop_init(&client->loop) < 0)
                r = BELFRY_E_MEMORY;
        if (r != BELFRY_OK) {
                free_client(client);
                return r;
        }
        open_loop(client);
        *ret_client = client;
        return BELFRY_OK;
}

static void on_handle_closed(uv_handle_t *handle) {
        struct belfry *client = handle->data;

        client->handles--;
}

void host_close(struct belfry *client) {
        if (!client)
                return;
        host_lock(client);
        client->ending = true;
        client->wanted = false;
        client->options.on_event = NULL;
        client->news.wanted = false;
        host_unlock(client);
        if (client->has_thread)
                pthread_join(client->thread, NULL);
        if (client->owner) {
                engine_time(client);
                engine_stop(client->engine);
        } else {
                port_hang_up(client);
        }
        if (client->courier)
                courier_cancel(client->courier);
        uv_close((uv_handle_t *)&client->async, on_handle_closed);
        uv_close((uv_handle_t *)&client->timer, on_handle_closed);
        uv_close((uv_handle_t *)&client->look, on_handle_closed);
        while (client->handles > 0)
                uv_run(&client->loop, UV_RUN_ONCE);
        uv_loop_close(&client->loop);
        free_client(client);
}

/* ---- background sync ---- */

static int error_of_sync(const struct wake_result *result) {
        switch (result->end) {
        case WAKE_DONE:
                return BELFRY_OK;
        case WAKE_STORE:
                return host_error(result->error);
        case WAKE_UNAUTHORIZED:
                return BELFRY_E_TOKEN;
        case WAKE_FAILED:
                return BELFRY_E_NETWORK;
        default:
                return BELFRY_E_LATE;
        }
}

static bool outbox_is_empty(struct belfry *client) {
        int64_t depth = 1, oldest_ms;

        db_begin_read(client->db);
        errand_depth(client->db, clock_wall_ms(), &depth, &oldest_ms);
        return db_end(client->db) == 0 && depth == 0;
}

/* Is it over? While there is a session, that does the work, and the sync only waits for the outbox. */
static bool sync_is_over(struct belfry *client, bool by_session, uint64_t deadline_ms) {
        if (by_session) {
                client->wake_result.end = outbox_is_empty(client) ? WAKE_DONE : WAKE_LATE;
                return client->wake_result.end == WAKE_DONE || clock_monotonic_ms() >= deadline_ms ||
                       engine_state(client->engine) != ENGINE_ONLINE;
        }
        if (!client->wake_is_over && clock_monotonic_ms() >= deadline_ms) {
                if (client->courier)
                        courier_cancel(client->courier);
                client->courier = NULL;
                wake_on_answer(client->wake, 0, (struct slice){ NULL, 0 }, clock_wall_ms(),
                               0); /* what is under way waits again */
                end_sync(client);
                client->wake_result.end = WAKE_LATE;
        }
        return client->wake_is_over;
}

static void wait_a_little(struct belfry *client) {
        struct timespec until;

        if (client->has_thread) {
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_nsec += 20 * 1000 * 1000;
                until.tv_sec += until.tv_nsec / 1000000000;
                until.tv_nsec %= 1000000000;
                pthread_cond_timedwait(&client->woken, &client->lock, &until);
                return;
        }
        pthread_mutex_unlock(&client->lock);
        host_step(client);
        (void)poll(&(struct pollfd){ .fd = host_fd(client), .events = POLLIN }, 1, 20);
        pthread_mutex_lock(&client->lock);
}

int host_sync_once(struct belfry *client, int64_t deadline_ms, struct belfry_synced *result) {
        uint64_t until_ms = clock_monotonic_ms() + (deadline_ms > 0 ? (uint64_t)deadline_ms : 0);
        bool by_session;
        int error;

        pthread_mutex_lock(&client->lock);
        client->wake_result = (struct wake_result){ .end = WAKE_GOES_ON };
        by_session = engine_state(client->engine) == ENGINE_ONLINE || client->wake;
        if (!by_session) {
                client->wake_is_over = client->wake_tried_fresh = false;
                /* What a process that was killed had under way is ours to send, and what is due ours to load, if nobody else is
                 * here. */
                client->wake = wake_new(client->db, &(struct wake_options){ .device = client->device,
                                                                            .deadline_ms = until_ms,
                                                                            .reloads = take_connection(client),
                                                                            .report_each_ms = client->options.report_ms });
                if (!client->wake) {
                        pthread_mutex_unlock(&client->lock);
                        return BELFRY_E_MEMORY;
                }
                go_on_syncing(client);
                uv_async_send(&client->async);
        }
        while (!sync_is_over(client, by_session, until_ms))
                wait_a_little(client);
        error = error_of_sync(&client->wake_result);
        if (result)
                *result = (struct belfry_synced){ client->wake_result.events, client->wake_result.sent,
                                                  client->wake_result.requests };
        host_unlock(client);
        return error;
}

/* ---- what the functions of the app work on ---- */

struct engine *host_engine(struct belfry *client) {
        engine_time(client);
        return client->engine;
}

struct db *host_db(struct belfry *client) {
        return client->db;
}

void host_connect(struct belfry *client) {
        client->wanted = true;
        connect_if_ours(client);
}

void host_disconnect(struct belfry *client) {
        client->wanted = false;
        engine_time(client);
        engine_stop(client->engine);
}

void host_take_token(struct belfry *client, char *take_token) {
        free(client->token);
        client->token = take_token;
        engine_time(client);
        engine_take_token(client->engine, take_token);
}
