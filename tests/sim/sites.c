/* SPDX-License-Identifier: Apache-2.0 */
/* sites.c: see sites.h. */
#include "tests/sim/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/metrics.h"
#include "fanout/node.h"
#include "fanout/store.h"
#include "hub/auth.h"
#include "hub/hub.h"
#include "hub/session.h"
#include "tests/sim/sockets.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

enum { SITES_SCRATCH_BYTES = 48 << 20, SITES_DRAIN_US = 800000, SITES_TOKEN_S = 1000000000 };

enum site_state { SITE_NONE, SITE_RUNNING, SITE_DRAINING, SITE_ENDING };

struct site {
        struct hub hub;
        uv_loop_t loop; /* never run: its address is what counts */
        struct buf scratch;
        struct metrics_slot slot; /* as in shared memory: it outlives the process */
        enum site_state state;
        uv_idle_t *idle;          /* started: its turn comes at the end of the step */
        uv_timer_t *timer;        /* started: */
        uint64_t timer_us;        /* when its turn comes */
        unsigned ticks;
        uint64_t frozen_us;
};

static struct site sites[SITES];
static struct config *config;
static struct auth *auth;

static void sites_open(void *arg);

static char *sites_getenv(const char *name) {
        static char secret[] = "a secret of the simulation, 32 bytes long";
        return strcmp(name, "BELFRY_JWT_SECRET") == 0 ? secret : NULL;
}

/* Small inboxes and logs, so that their limits are met; rates that nobody meets. */
static void sites_make_config(void) {
        static char program[] = "sim";
        char *argv[] = { program, NULL }, *error = NULL;
        WORLD_DEMAND(config_load(1, argv, sites_getenv, &config, &error) == 0, "no configuration: %s", error);
        config->redis_timeout_ms = 3000;
        config->inbox_events = 40;
        config->log_entries = 400;
        config->ping_ms = 20000;
        config->pong_ms = 8000;
        config->requests_per_s = config->messages_per_s = 1000;
        config->retry_base_ms = 50;
        config->retry_max_ms = 1000;
        WORLD_DEMAND(auth_new(config, &auth, &error) == 0, "tokens cannot be checked: %s", error);
}

static struct site *sites_of(const void *loop) {
        for (int i = 0; i < SITES; i++)
                if (loop == &sites[i].loop)
                        return &sites[i];
        abort();
}

int sites_index(const void *loop) {
        return (int)(sites_of(loop) - sites);
}

struct hub *sites_hub(int index) {
        return &sites[index].hub;
}

static bool sites_lives(const struct site *site) {
        return site->state == SITE_RUNNING || site->state == SITE_DRAINING;
}

struct slice sites_node(int index) {
        const struct site *site = &sites[index];
        return sites_lives(site) ? node_id(site->hub.fanout.node) : SLICE("");
}

int sites_sessions(struct slice user, struct slice device) {
        int count = 0;
        for (int i = 0; i < SITES; i++) {
                if (!sites_node(i).len)
                        continue;
                LIST_FOR_EACH(link, &sites[i].hub.sessions) {
                        const struct session *session = LIST_CONTAINER(link, struct session, all);
                        count += session_is_open(session) && slice_equal(session->subscriber.user, user) &&
                                 slice_equal(session->subscriber.device, device);
                }
        }
        return count;
}

void sites_enter(const void *loop) {
        process.metrics = &sites_of(loop)->slot;
}

uint64_t sites_frozen_until_us(const void *loop) {
        return sites_of(loop)->frozen_us;
}

int sites_any(void) {
        int first = (int)world_chance(SITES);
        for (int i = 0; i < SITES; i++) {
                int index = (first + i) % SITES;
                if (sites[index].state == SITE_RUNNING)
                        return index;
        }
        return -1;
}

/* ---- tokens ---- */

char *sites_token(struct slice user, struct slice device) {
        char *token = auth_sign(auth, user.ptr, device.ptr, world_wall_ms(), SITES_TOKEN_S);
        WORLD_DEMAND(token, "no token");
        return token;
}

/* ---- libuv: what fanout/store.c arranges for the end of a turn, and for soon after ---- */

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle) {
        idle->loop = loop;
        return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb cb) {
        idle->idle_cb = cb;
        sites_of(idle->loop)->idle = idle;
        return 0;
}

int uv_idle_stop(uv_idle_t *idle) {
        sites_of(idle->loop)->idle = NULL;
        return 0;
}

static void sites_on_timer(void *arg) {
        struct site *site = arg;
        if (!site->timer || site->timer_us > world.now_us)
                return; /* closed, or started anew */
        if (site->frozen_us > world.now_us) {
                site->timer_us = site->frozen_us;
                world_at(site->timer_us, sites_on_timer, site);
                return;
        }
        uv_timer_t *timer = site->timer;
        site->timer = NULL;
        sites_enter(&site->loop);
        timer->timer_cb(timer);
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
        timer->loop = loop;
        return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout_ms, uint64_t repeat_ms) {
        struct site *site = sites_of(timer->loop);
        timer->timer_cb = cb;
        site->timer = timer;
        site->timer_us = world_after(timeout_ms * 1000, sites_on_timer, site);
        return 0;
}

int uv_timer_stop(uv_timer_t *timer) {
        sites_of(timer->loop)->timer = NULL;
        return 0;
}

int uv_is_active(const uv_handle_t *handle) {
        return (const void *)sites_of(handle->loop)->timer == (const void *)handle;
}

static void sites_on_handle_closed(void *arg) {
        uv_handle_t *handle = arg;
        handle->close_cb(handle);
}

void uv_close(uv_handle_t *handle, uv_close_cb cb) {
        handle->close_cb = cb;
        for (int i = 0; i < SITES; i++) {
                if ((void *)sites[i].idle == (void *)handle)
                        sites[i].idle = NULL;
                if ((void *)sites[i].timer == (void *)handle)
                        sites[i].timer = NULL;
        }
        if (cb)
                world_after(1, sites_on_handle_closed, handle);
}

/* ---- time ---- */

static void sites_on_tick(void *arg) {
        struct site *site = arg;
        if (site->frozen_us > world.now_us) {
                world_at(site->frozen_us, sites_on_tick, site);
                return;
        }
        sites_enter(&site->loop);
        hub_tick(&site->hub);
        if (++site->ticks % 10 == 0)
                hub_second(&site->hub, world_ms());
        wires_tick();
        world_after(HUB_TICK_MS * 1000 - 1000 + world_chance(2000), sites_on_tick, site);
}

static void sites_flush(struct site *site) {
        struct list *link;
        sites_enter(&site->loop);
        while ((link = list_first(&site->hub.dirty))) {
                list_remove(link);
                session_flush(LIST_CONTAINER(link, struct session, dirty));
        }
}

static void sites_on_window(void *arg) {
        struct site *site = arg;
        if (site->state != SITE_NONE)
                sites_flush(site);
}

void sites_end_turn(void) {
        for (int i = 0; i < SITES; i++) {
                struct site *site = &sites[i];
                sites_enter(&site->loop);
                if (sites_lives(site) && site->frozen_us <= world.now_us)
                        hub_turn(&site->hub);
                else if (site->idle)
                        site->idle->idle_cb(site->idle);
                if (site->state == SITE_NONE || list_is_empty(&site->hub.dirty) || site->frozen_us > world.now_us)
                        continue;
                if (world_one_in(4))
                        world_after(2000, sites_on_window, site); /* as a busy worker gathers */
                else
                        sites_flush(site);
        }
}

/* ---- life ---- */

static void sites_open(void *arg) {
        struct site *site = arg;
        site->hub = (struct hub){ .loop = &site->loop, .config = config, .auth = auth, .scratch = &site->scratch };
        buf_init(&site->scratch, SITES_SCRATCH_BYTES);
        sites_enter(&site->loop);
        WORLD_DEMAND(hub_open(&site->hub, NULL) == 0, "a hub did not open");
        site->state = SITE_RUNNING;
        site->ticks = (unsigned)world_chance(10);
        site->frozen_us = 0;
        world_trace("hub %d runs as %.*s", sites_index(&site->loop), (int)node_id(site->hub.fanout.node).len,
                    node_id(site->hub.fanout.node).ptr);
        world_after(world_chance(HUB_TICK_MS * 1000), sites_on_tick, site);
}

static void sites_on_closed(void *context) {
        struct site *site = context;
        hub_deinit(&site->hub);
        buf_deinit(&site->scratch);
        site->state = SITE_NONE;
        if (world.steps < world.steps_max)
                world_after(1000 + world_chance(2000000), sites_open, site);
}

static void sites_end(void *arg) {
        struct site *site = arg;
        if (site->state == SITE_ENDING)
                return;
        site->state = SITE_ENDING;
        world_forget(site); /* its timers */
        sites_enter(&site->loop);
        sockets_end(&site->hub);
        hub_close(&site->hub, sites_on_closed, site);
}

void sites_kill(int index) {
        struct site *site = &sites[index];
        if (site->state == SITE_NONE || site->state == SITE_ENDING)
                return;
        world_trace("hub %d is killed", index);
        wires_kill(&site->loop);
        sites_end(site);
}

void sites_drain(int index) {
        struct site *site = &sites[index];
        if (site->state != SITE_RUNNING || site->frozen_us > world.now_us)
                return;
        world_trace("hub %d drains", index);
        site->state = SITE_DRAINING;
        sites_enter(&site->loop);
        LIST_FOR_EACH(link, &site->hub.sessions) session_drain(LIST_CONTAINER(link, struct session, all), world_chance(1000));
        world_after(SITES_DRAIN_US, sites_end, site);
}

void sites_freeze(int index, uint64_t span_us) {
        struct site *site = &sites[index];
        if (site->state != SITE_RUNNING || site->frozen_us > world.now_us)
                return;
        world_trace("hub %d stands still for %llu ms", index, (unsigned long long)(span_us / 1000));
        site->frozen_us = world_pause_end(span_us);
}

void sites_init(void) {
        memset(sites, 0, sizeof(sites));
        sites_make_config();
        for (int i = 0; i < SITES; i++)
                sites_open(&sites[i]);
}

void sites_deinit(void) {
        for (int i = 0; i < SITES; i++)
                sites_kill(i);
        bool open = true;
        while (open && world_step()) {
                open = false;
                for (int i = 0; i < SITES; i++)
                        open |= sites[i].state != SITE_NONE;
        }
        auth = auth_free(auth);
        config = config_free(config);
}
