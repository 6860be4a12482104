/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub.c: see hub.h. What the store, the lease and the node channel report meets here; worker.c has the loop and the sockets.
 */
#include "hub/hub.h"

#include <errno.h>
#include <stdio.h>

#include "base/config.h"
#include "base/limiter.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/wheel.h"
#include "fanout/acks.h"
#include "fanout/channel.h"
#include "fanout/node.h"
#include "fanout/roster.h"
#include "fanout/store.h"
#include "fanout/sweep.h"
#include "fanout/tend.h"
#include "hub/report.h"
#include "hub/session.h"
#include "presence/detach.h"
#include "presence/lease.h"
#include "presence/registry.h"
#include "presence/watch.h"

enum { HUB_BURST = 10 /* seconds' worth of a rate that may come at once */ };

bool hub_is_ready(const struct hub *hub) {
        return store_is_up(hub->fanout.store) && node_is_subscribed(hub->fanout.node) && lease_is_held(hub->lease);
}

/* ---- what the store and the lease report ---- */

static void hub_each_attach_again(struct hub *hub) {
        LIST_FOR_EACH(link, &hub->sessions) session_attach_again(LIST_CONTAINER(link, struct session, all));
}

static void hub_on_store_up(void *context, bool changed) {
        struct hub *hub = context;
        log_info("The store is up. epoch=%s", store_epoch(hub->fanout.store));
        detach_flush(hub->detaches);
        lease_renew(hub->lease);
        if (changed)
                acks_forget(hub->acks);
        /* Even under the same epoch the store may know less than we told it: a replica took over, or it fsyncs each second only. */
        hub_each_attach_again(hub);
        node_start_over(hub->fanout.node);
}

static void hub_on_store_down(void *context) {
        log_warning("The store is away; requests get unavailable until it is back.");
}

/* The process that had this slot before has died: its sessions count no longer. */
static void hub_on_lease_held(void *context) {
        struct hub *hub = context;
        struct metrics_slot *slot = process.metrics;
        if (slot->node[0])
                lease_leave(hub->lease, slice_of(slot->node));
        struct slice node = node_id(hub->fanout.node);
        snprintf(slot->node, sizeof(slot->node), "%.*s", (int)node.len, node.ptr);
}

static void hub_on_lease_lost(void *context) {
        struct hub *hub = context;
        log_warning("The lease had run out; all sessions register anew.");
        hub_each_attach_again(hub);
        watch_on_repair(hub->watch); /* whoever thought this node dead took its interest out, too (b1_prune) */
}

static void hub_on_death(void *context, struct slice node, int64_t last_ms) {
        struct hub *hub = context;
        log_info("A node is gone. node=%.*s", (int)node.len, node.ptr);
        watch_on_death(hub->watch, node, last_ms);
}

static void hub_on_life(void *context) {
        struct hub *hub = context;
        watch_on_life(hub->watch);
}

static void hub_on_presence(void *context, struct slice user, int64_t seen_ms, bool invisible, struct slice live) {
        struct hub *hub = context;
        watch_on_presence(hub->watch, user, seen_ms, invisible, live);
}

static void hub_on_birth(void *context, struct slice node) {
        struct hub *hub = context;
        lease_on_birth(hub->lease, node);
}

static void hub_on_stray(void *context, struct slice user, struct slice device, struct slice session) {
        struct hub *hub = context;
        detach_add(hub->detaches, &(struct registry_session){ .user = user, .device = device, .session = session });
}

static void hub_on_repair(void *context) {
        struct hub *hub = context;
        watch_on_repair(hub->watch);
}

static bool hub_is_alive(void *context, struct slice node) {
        struct hub *hub = context;
        return lease_is_alive(hub->lease, node);
}

static void hub_forget(void *context, struct slice node) {
        struct hub *hub = context;
        lease_forget(hub->lease, node);
}

/* ---- time ---- */

static int64_t hub_device_age_ms(const struct config *config) {
        return config->device_age_ms ? config->device_age_ms : INT64_MAX / 1024; /* no limit */
}

static void hub_tend(struct hub *hub) {
        const struct config *config = hub->config;
        const struct tend_ages ages = {
                .device_ms = hub_device_age_ms(config),
                .inbox_ms = config->inbox_age_ms,
                .log_ms = config->log_age_ms,
                .delivered_ms = config->log_delivered_age_ms,
                .walk_ms = config->walk_ms,
        };
        hub->fanout.device_age_ms = ages.device_ms;
        if (store_is_up(hub->fanout.store) && lease_is_chosen(hub->lease))
                tend_tick(hub->tend, &ages, uv_now(hub->loop));
}

bool hub_is_stalled(bool was, uint64_t before_ms, uint64_t now_ms) {
        return !was && before_ms && now_ms > before_ms + HUB_STALL_MS;
}

void hub_tick(struct hub *hub) {
        uint64_t now_ms = uv_now(hub->loop);
        hub->killed = 0;
        hub->stalled = hub_is_stalled(hub->stalled, hub->ticked_ms, now_ms);
        hub->ticked_ms = now_ms;
        if (!hub->stalled)
                wheel_advance(hub->wheel, now_ms);
        acks_repeat(hub->acks);
        acks_flush(hub->acks, now_ms);
        if (++hub->ticks % (LEASE_TICK_MS / HUB_TICK_MS) == 0 && store_is_up(hub->fanout.store))
                lease_tick(hub->lease);
        hub_tend(hub);
}

void hub_turn(struct hub *hub) {
        acks_flush(hub->acks, uv_now(hub->loop));
        store_turn(hub->fanout.store);
}

void hub_second(struct hub *hub, uint64_t now_ms) {
        store_tick(hub->fanout.store);
        if (!store_is_up(hub->fanout.store))
                return;
        node_tick(hub->fanout.node, now_ms);
        channel_tick(hub->fanout.channels);
        detach_flush(hub->detaches);
        if (lease_is_chosen(hub->lease))
                sweep_run(&hub->fanout);
}

/* ---- life ---- */

static void hub_set_rate(struct limiter *limiter, int64_t per_s) {
        limiter_set(limiter, (uint64_t)per_s, (uint64_t)per_s * HUB_BURST);
}

void hub_configure(struct hub *hub, const struct config *config) {
        struct fanout *fanout = &hub->fanout;
        hub->config = config;
        fanout->inbox_max = config->inbox_events > 0 ? config->inbox_events : 1;
        fanout->log_max = config->log_entries > 0 ? config->log_entries : 1;
        fanout->device_age_ms = hub_device_age_ms(config);
        fanout->push_delay_ms = config->pushes_count ? config->push_delay_ms : -1;
        fanout->receipts_max = config->receipts_members > 0 ? (uint64_t)config->receipts_members : 0;
        hub_set_rate(hub->user_limiter, config->requests_per_s);
        hub_set_rate(hub->conv_limiter, config->messages_per_s);
        hub_set_rate(hub->address_limiter, config->connects_per_s);
}

static int hub_open_store(struct hub *hub, const struct link_address *address) {
        const struct config *config = hub->config;
        const char *ca_file = config->redis_ca_file && *config->redis_ca_file ? config->redis_ca_file : NULL;
        hub->fanout.rosters = roster_cache_new();
        hub->fanout.store = store_open(&(struct store_options){
                .loop = hub->loop,
                .address = address,
                .ca_file = ca_file,
                .prefix = config->redis_prefix,
                .timeout_ms = (uint64_t)config->redis_timeout_ms,
                .context = hub,
                .on_up = hub_on_store_up,
                .on_down = hub_on_store_down,
        });
        hub->fanout.channels = channel_table_new(&hub->fanout);
        if (!hub->fanout.store || !hub->fanout.rosters || !hub->fanout.channels)
                return -ENOMEM;
        struct node *node = node_open(&hub->fanout, &(struct node_options){
                .loop = hub->loop,
                .wheel = hub->wheel,
                .address = address,
                .ca_file = ca_file,
                .timeout_ms = (uint64_t)config->redis_timeout_ms,
                .typing_ttl_ms = config->typing_ttl_ms,
                .context = hub,
                .on_presence = hub_on_presence,
                .on_birth = hub_on_birth,
                .on_stray = hub_on_stray,
                .on_repair = hub_on_repair,
        });
        hub->acks = acks_new(&hub->fanout);
        hub->detaches = detach_queue_new(&hub->fanout);
        hub->lease = lease_new(&hub->fanout, &(struct lease_options){
                .context = hub,
                .on_held = hub_on_lease_held,
                .on_lost = hub_on_lease_lost,
                .on_death = hub_on_death,
                .on_life = hub_on_life,
        });
        hub->watch = hub->lease ? watch_new(&hub->fanout, hub->lease, hub->wheel, config->offline_grace_ms) : NULL;
        hub->tend = tend_new(&hub->fanout, &(struct tend_options){ .context = hub, .is_alive = hub_is_alive, .forget = hub_forget });
        return node && hub->acks && hub->detaches && hub->watch && hub->tend ? 0 : -ENOMEM;
}

int hub_open(struct hub *hub, const struct link_address *address) {
        list_init(&hub->sessions);
        list_init(&hub->dirty);
        list_init(&hub->unattached);
        list_init(&hub->handshakes);
        list_init(&hub->hungry);
        list_init(&hub->https);
        hub->wheel = wheel_new(HUB_TICK_MS, uv_now(hub->loop));
        hub->user_limiter = limiter_new(0, 0);
        hub->conv_limiter = limiter_new(0, 0);
        hub->address_limiter = limiter_new(0, 0);
        hub->report_limiter = report_limiter_new();
        if (!hub->wheel || !hub->user_limiter || !hub->conv_limiter || !hub->address_limiter || !hub->report_limiter)
                return -ENOMEM;
        hub_configure(hub, hub->config);
        return hub_open_store(hub, address);
}

static void hub_on_part_closed(void *context) {
        struct hub *hub = context;
        if (--hub->closing == 0)
                hub->on_closed(hub->closed_context);
}

void hub_close(struct hub *hub, void (*on_closed)(void *context), void *context) {
        hub->on_closed = on_closed;
        hub->closed_context = context;
        if (store_is_up(hub->fanout.store))
                lease_leave(hub->lease, node_id(hub->fanout.node));
        hub->closing = 2;
        node_close(hub->fanout.node, hub_on_part_closed, hub);
        store_close(hub->fanout.store, hub_on_part_closed, hub);
}

void hub_deinit(struct hub *hub) {
        hub->fanout.node = node_free(hub->fanout.node);
        tend_free(hub->tend);
        watch_free(hub->watch);
        lease_free(hub->lease);
        detach_queue_free(hub->detaches);
        acks_free(hub->acks);
        roster_cache_free(hub->fanout.rosters);
        channel_table_free(hub->fanout.channels);
        wheel_free(hub->wheel);
        limiter_free(hub->user_limiter);
        limiter_free(hub->conv_limiter);
        limiter_free(hub->address_limiter);
        limiter_free(hub->report_limiter);
}
