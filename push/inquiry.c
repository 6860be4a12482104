/* SPDX-License-Identifier: Apache-2.0 */
/* inquiry.c: see inquiry.h. It looks as the push worker does (look.c) and decides as it does (policy.c), but sends nothing. */
#include "push/inquiry.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/config.h"
#include "base/limits.h"
#include "fanout/store.h"
#include "push/compose.h"
#include "push/ledger.h"
#include "push/look.h"
#include "push/policy.h"
#include "push/zone.h"

enum { INQUIRY_PATIENCE_MS = 5000 };

struct inquiry {
        const struct config *config;
        struct slice user;
        struct store *store;
        struct look *look;
        struct zone_cache *zones;
        uv_timer_t patience;
        int status;
};

static const struct config_push *inquiry_section(const struct config *config, const struct look_device *device) {
        for (size_t i = 0; i < config->pushes_count; i++)
                if (slice_is(device->registration.provider, config->pushes[i].provider) && slice_is(device->registration.app, config->pushes[i].name))
                        return &config->pushes[i];
        return NULL;
}

static void inquiry_print_event(const struct inquiry *inquiry, const struct look_device *device, const struct ledger *ledger,
                                const struct look_event *event) {
        const struct ledger_owed *owed = ledger_find(ledger, event->n);
        const struct config_push *section = inquiry_section(inquiry->config, device);
        const int64_t now_ms = inquiry->look->now_ms;
        struct compose compose;
        if (!owed && event->n <= ledger->mark)
                return;
        if (compose_read(event, &compose) == 0) {
                struct policy_device about = compose_device(inquiry->look, device, ledger, inquiry->config->push_delay_ms, section);
                struct policy_event what = compose_event(event, &compose, owed && owed->attempt);
                struct policy_decision decision =
                        policy_decide(&about, &what, compose_quiet_end(inquiry->look, inquiry->zones, inquiry->user), now_ms);
                printf("    n %" PRIu64 " %s %.*s: ", event->n, event->is_notice ? "notification" : "message in",
                       (int)(event->is_notice ? event->op.len : event->conv.len), event->is_notice ? event->op.ptr : event->conv.ptr);
                if (decision.action == POLICY_DROP)
                        printf("no, it is %s\n", policy_cause_text(decision.cause));
                else if (owed && owed->due_ms > now_ms && !(owed->quiet && decision.action == POLICY_PUSH))
                        printf("again in %.1f s, after %u attempts\n", (double)(owed->due_ms - now_ms) / 1000, owed->attempt);
                else if (decision.action == POLICY_WAIT)
                        printf("in %.1f s: %s\n", (double)(decision.until_ms - now_ms) / 1000, policy_cause_text(decision.cause));
                else
                        printf("%s, priority %d of 3, badge %" PRId64 "\n", job_kind_text(decision.kind), (int)compose.priority, inquiry->look->badge);
        }
        compose_deinit(&compose);
}

static void inquiry_print_device(const struct inquiry *inquiry, const struct look_device *device) {
        const struct look *look = inquiry->look;
        struct ledger ledger;
        ledger_parse(device->ledger, &ledger);
        printf("  %.*s by %.*s, app %.*s%s: %s, acknowledged up to %" PRIu64 " of %" PRIu64 ", looked at up to %" PRIu64 "\n", (int)device->device.len,
               device->device.ptr, (int)device->registration.provider.len, device->registration.provider.ptr, (int)device->registration.app.len,
               device->registration.app.ptr, inquiry_section(inquiry->config, device) ? "" : " (NOT CONFIGURED)",
               device->connected ? "connected" : "away", device->cursor, look->head, ledger.mark);
        if (ledger.woken_ms)
                printf("    woken %.0f s ago\n", (double)(look->now_ms - ledger.woken_ms) / 1000);
        for (size_t i = 0; i < look->events_count; i++)
                inquiry_print_event(inquiry, device, &ledger, &look->events[i]);
}

static void inquiry_print(const struct inquiry *inquiry) {
        const struct look *look = inquiry->look;
        printf("%.*s: %s, %zu devices to push to\n", (int)inquiry->user.len, inquiry->user.ptr, look->online ? "online" : "away", look->devices_count);
        if (look->quiet_from >= 0)
                printf("  quiet hours %02d:%02d to %02d:%02d %.*s%s\n", look->quiet_from / 60, look->quiet_from % 60, look->quiet_to / 60,
                       look->quiet_to % 60, (int)look->zone.len, look->zone.ptr,
                       !zone_cache_find(inquiry->zones, look->zone)                 ? ": there is no such zone"
                       : compose_quiet_end(look, inquiry->zones, inquiry->user) ? ", now"
                                                                                     : "");
        for (size_t i = 0; i < look->devices_count; i++)
                inquiry_print_device(inquiry, &look->devices[i]);
        for (size_t i = 0; i < look->escalations_count; i++) {
                struct ledger_steps steps;
                ledger_parse_steps(look->escalations[i].ledger, &steps);
                if (steps.next < steps.count)
                        printf("  escalation of %.*s: step %u of %zu by %.*s in %.1f s\n", (int)look->escalations[i].op.len, look->escalations[i].op.ptr,
                               steps.next + 1, steps.count, (int)steps.steps[steps.next].via.len, steps.steps[steps.next].via.ptr,
                               (double)(steps.due_ms - look->now_ms) / 1000);
        }
}

static void inquiry_on_closed(void *context) {
        struct inquiry *inquiry = context;
        uv_close((uv_handle_t *)&inquiry->patience, NULL);
}

static void inquiry_end(struct inquiry *inquiry, int status) {
        inquiry->status = status;
        if (status)
                fputs("belfry: the store does not answer\n", stderr);
        uv_timer_stop(&inquiry->patience);
        store_close(inquiry->store, inquiry_on_closed, inquiry);
}

static void inquiry_on_patience(uv_timer_t *timer) {
        inquiry_end(timer->data, 1);
}

static void inquiry_on_fetched(void *arg, const struct redisReply *reply) {
        struct inquiry *inquiry = arg;
        if (!uv_is_active((uv_handle_t *)&inquiry->patience))
                return; /* it ends already */
        bool failed = !reply || look_add_entries(inquiry->look, reply, true) < 0;
        if (!failed)
                inquiry_print(inquiry);
        inquiry_end(inquiry, failed);
}

static void inquiry_on_look(void *arg, const struct redisReply *reply) {
        struct inquiry *inquiry = arg;
        if (!uv_is_active((uv_handle_t *)&inquiry->patience))
                return;
        inquiry->look = reply ? look_new(reply) : NULL;
        struct call *call = store_call(inquiry->store, "push_fetch");
        if (inquiry->look)
                look_add_fetch(inquiry->look, call, inquiry->user, true);
        if (!inquiry->look || store_call_send(call, inquiry_on_fetched, inquiry))
                inquiry_end(inquiry, 1);
}

static void inquiry_on_up(void *context, bool changed) {
        struct inquiry *inquiry = context;
        static const enum key keys[] = { KEY_USER, KEY_PUSH, KEY_INBOX, KEY_DEVICES, KEY_PREFS, KEY_NOTICES };
        struct call *call = store_call(inquiry->store, "push_look");
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                store_call_key(call, keys[i], inquiry->user);
        store_call_arg_int(call, LIMIT_PUSH_EVENTS);
        if (store_call_send(call, inquiry_on_look, inquiry))
                inquiry_end(inquiry, 1);
}

static void inquiry_on_down(void *context) {
}

int inquiry_run(const struct config *config, const char *redis_url, const char *user) {
        struct inquiry inquiry = { .config = config, .user = slice_of(user), .status = 1 };
        struct link_address address;
        uv_loop_t loop;
        if (link_parse_address(redis_url, &address) || uv_loop_init(&loop))
                return 1;
        uv_timer_init(&loop, &inquiry.patience);
        inquiry.patience.data = &inquiry;
        uv_timer_start(&inquiry.patience, inquiry_on_patience, INQUIRY_PATIENCE_MS, 0);
        inquiry.zones = zone_cache_new(ZONE_FOLDER);
        inquiry.store = store_open(&(struct store_options){
                .loop = &loop,
                .address = &address,
                .ca_file = config->redis_ca_file[0] ? config->redis_ca_file : NULL,
                .prefix = config->redis_prefix,
                .timeout_ms = (uint64_t)config->redis_timeout_ms,
                .context = &inquiry,
                .on_up = inquiry_on_up,
                .on_down = inquiry_on_down,
        });
        if (inquiry.store && inquiry.zones)
                uv_run(&loop, UV_RUN_DEFAULT);
        look_unref(inquiry.look);
        zone_cache_free(inquiry.zones);
        (void)uv_loop_close(&loop);
        link_address_deinit(&address);
        return inquiry.status;
}
