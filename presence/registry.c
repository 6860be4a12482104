/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c: see registry.h. */
#include "presence/registry.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/registration.h"
#include "fanout/store.h"
#include "fanout/words.h"
#include "presence/lease.h"

enum { REGISTRY_BYTES = 4 << 20 };

/* ---- attach, status ---- */

struct registry_attach_job {
        struct fanout *fanout;
        registry_attached_fn done;
        void *arg;
};

static void registry_on_attached(void *arg, const struct redisReply *reply) {
        struct registry_attach_job *job = arg;
        struct registry_attached attached = { 0 };
        struct slice epoch = reply ? store_text(store_item(reply, 1)) : SLICE("");
        if (!reply || epoch.len >= sizeof(attached.epoch)) {
                attached.answer = FANOUT_E_UNAVAILABLE;
        } else if (slice_is(store_text(store_item(reply, 0)), "err")) {
                attached.answer = slice_is(epoch, "bad_request") ? FANOUT_E_BAD_REQUEST
                                : slice_is(epoch, "conflict")    ? FANOUT_E_CONFLICT
                                : slice_is(epoch, "full")        ? FANOUT_E_FULL
                                                                 : FANOUT_E_UNAVAILABLE;
                if (attached.answer == FANOUT_E_UNAVAILABLE)
                        store_tick(job->fanout->store); /* perhaps it is another one by now: sooner than in a second */
        } else {
                memcpy(attached.epoch, epoch.ptr, epoch.len);
                attached.cursor = (uint64_t)store_int(store_item(reply, 2));
                attached.head = (uint64_t)store_int(store_item(reply, 3));
                attached.base = (uint64_t)store_int(store_item(reply, 4));
                attached.fresh = store_int(store_item(reply, 5));
                attached.reset = store_int(store_item(reply, 6));
                attached.invisible = store_int(store_item(reply, 7));
        }
        job->done(job->arg, &attached);
        free(job);
}

static int registry_result(int r) {
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

int registry_attach(struct fanout *fanout, const struct registry_session *session, registry_attached_fn done, void *arg) {
        struct registry_attach_job *job = malloc(sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (struct registry_attach_job){ fanout, done, arg };
        struct call *call = store_call(fanout->store, "attach");
        store_call_key(call, KEY_USER, session->user);
        store_call_key(call, KEY_INBOX, session->user);
        store_call_key(call, KEY_DEVICES, session->user);
        /* Of another partition: with more than one owner each would need an epoch of its own. */
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_key(call, KEY_PUSH, session->user);
        store_call_key(call, KEY_HEAD, session->user);
        store_call_arg_channels(call, partition_of(session->user));
        store_call_arg(call, session->user);
        store_call_arg(call, session->device);
        store_call_arg(call, node_id(fanout->node));
        store_call_arg(call, session->session);
        store_call_arg_text(call, session->background ? "b" : session->away ? "a" : "o");
        store_call_arg_text(call, store_epoch(fanout->store));
        store_call_arg(call, session->epoch);
        store_call_arg_int(call, (int64_t)session->cursor);
        store_call_arg_int(call, LIMIT_DEVICES);
        store_call_arg_int(call, session->again);
        store_call_arg_int(call, session->opened_ms);
        store_call_arg_int(call, (int64_t)session->told);
        store_call_arg_int(call, session->said_ms);
        store_call_arg_int(call, session->invisible);
        int r = store_call_send(call, registry_on_attached, job);
        if (r)
                free(job);
        return registry_result(r);
}

int registry_visit(struct fanout *fanout, const struct registry_session *session, int64_t ack, registry_attached_fn done, void *arg) {
        struct registry_attach_job *job = malloc(sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (struct registry_attach_job){ fanout, done, arg };
        struct call *call = store_call(fanout->store, "visit");
        store_call_key(call, KEY_USER, session->user);
        store_call_key(call, KEY_INBOX, session->user);
        store_call_key(call, KEY_DEVICES, session->user);
        /* Of another partition: with more than one owner each would need an epoch of its own. */
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_key(call, KEY_PUSH, session->user);
        store_call_key(call, KEY_HEAD, session->user);
        store_call_arg(call, session->device);
        store_call_arg_text(call, store_epoch(fanout->store));
        store_call_arg(call, session->epoch);
        store_call_arg_int(call, (int64_t)session->cursor);
        store_call_arg_int(call, LIMIT_DEVICES);
        store_call_arg_int(call, ack);
        int r = store_call_send(call, registry_on_attached, job);
        if (r)
                free(job);
        return registry_result(r);
}

struct registry_job {
        registry_done_fn done;
        registry_fields_fn done_fields;
        void *arg;
        const struct lease *lease;
        int64_t now_ms;
        bool alone;
        size_t count;
        struct slice *users; /* behind the struct */
        char *text;
};

static void registry_on_status(void *arg, const struct redisReply *reply) {
        struct registry_job *job = arg;
        job->done(job->arg, reply ? 0 : FANOUT_E_UNAVAILABLE);
        free(job);
}

int registry_set_status(struct fanout *fanout, const struct registry_session *session, struct slice status, registry_done_fn done, void *arg) {
        struct registry_job *job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->done = done;
        job->arg = arg;
        struct call *call = store_call(fanout->store, "status");
        store_call_key(call, KEY_USER, session->user);
        store_call_arg_channels(call, partition_of(session->user));
        store_call_arg(call, session->user);
        store_call_arg(call, session->device);
        store_call_arg(call, session->session);
        store_call_arg(call, status);
        int r = store_call_send(call, registry_on_status, job);
        if (r)
                free(job);
        return registry_result(r);
}

/* ---- presence ---- */

enum flap_status registry_evaluate(const struct lease *lease, struct slice live, bool invisible, struct buf *devices) {
        enum flap_status status = FLAP_OFFLINE;
        bool first = true;
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                struct slice device = words_take(&line, ' ');
                words_take(&line, ' '); /* session */
                struct slice node = words_take(&line, ' '), flags = words_take(&line, ' ');
                if (slice_is(flags, "b") || !lease_is_alive(lease, node))
                        continue;
                enum flap_status says = slice_is(flags, "a") ? FLAP_AWAY : FLAP_ONLINE;
                if (says > status)
                        status = says;
                if (devices && !invisible) {
                        if (!first)
                                buf_add_char(devices, ',');
                        first = false;
                        buf_add_json(devices, device);
                }
        }
        return invisible ? FLAP_OFFLINE : status;
}

/* One call for all users of one owner; the hub asks for one owner at a time, as a standalone Redis has just one. */
static struct registry_job *registry_job_new(const struct slice *users, size_t count) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++)
                bytes += users[i].len;
        struct registry_job *job = calloc(1, sizeof(*job) + count * sizeof(struct slice) + bytes);
        if (!job)
                return NULL;
        job->users = (struct slice *)(job + 1);
        char *text = (char *)(job->users + count);
        for (size_t i = 0; i < count; i++)
                job->users[i] = slice_copy(&text, users[i]);
        job->count = count;
        return job;
}

static void registry_on_presence(void *arg, const struct redisReply *reply) {
        struct registry_job *job = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(REGISTRY_BYTES);
        if (!job->alone)
                buf_add_text(&out, "\"presence\":[");
        for (size_t i = 0; reply && i < job->count; i++) {
                struct slice live = store_text(store_item(reply, i * 3));
                int64_t seen_ms = store_int(store_item(reply, i * 3 + 1));
                bool invisible = store_int(store_item(reply, i * 3 + 2)) != 0;
                _cleanup_buf_ struct buf devices = BUF_INIT(REGISTRY_BYTES);
                enum flap_status status = registry_evaluate(job->lease, live, invisible, &devices);
                if (!job->alone)
                        buf_add_text(&out, i ? ",{" : "{");
                buf_add_text(&out, "\"user\":");
                buf_add_json(&out, job->users[i]);
                buf_printf(&out, ",\"status\":\"%s\",\"last_seen\":", flap_text(status));
                if (status != FLAP_OFFLINE)
                        buf_add_int(&out, job->now_ms);
                else if (seen_ms)
                        buf_add_int(&out, seen_ms);
                else
                        buf_add_text(&out, "null");
                buf_add_text(&out, ",\"devices\":[");
                buf_add_slice(&out, buf_slice(&devices));
                buf_add_text(&out, job->alone ? "]" : "]}");
        }
        if (!job->alone)
                buf_add_char(&out, ']');
        bool failed = !reply || buf_failed(&out);
        job->done_fields(job->arg, failed ? FANOUT_E_UNAVAILABLE : 0, failed ? SLICE("") : buf_slice(&out));
        free(job);
}

int registry_presence(struct fanout *fanout, const struct lease *lease, const struct slice *users, size_t count, bool alone, int64_t now_ms,
                      registry_fields_fn done, void *arg) {
        struct registry_job *job = registry_job_new(users, count);
        if (!job)
                return -ENOMEM;
        job->done_fields = done;
        job->arg = arg;
        job->lease = lease;
        job->now_ms = now_ms;
        job->alone = alone;
        struct call *call = store_call(fanout->store, "presence");
        for (size_t i = 0; i < count; i++)
                store_call_key(call, KEY_USER, users[i]);
        int r = store_call_send(call, registry_on_presence, job);
        if (r)
                free(job);
        return registry_result(r);
}

/* ---- devices ---- */

static bool registry_is_connected(const struct lease *lease, struct slice live, struct slice device) {
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                struct slice d = words_take(&line, ' ');
                words_take(&line, ' ');
                if (slice_equal(d, device))
                        return lease_is_alive(lease, words_take(&line, ' '));
        }
        return false;
}

/* A device of the answer, until all times are known. */
struct registry_device {
        struct slice device, oldest, registration; /* of text */
        int64_t cursor, seen_ms, depth, oldest_at; /* oldest_at 0: not known, or nothing waits */
        bool connected;
};

struct registry_devices {
        struct fanout *fanout;
        const struct lease *lease;
        registry_fields_fn done;
        void *arg;
        int64_t now_ms;
        size_t count;
        struct registry_device *devices;
        char *text;
};

static void registry_devices_end(struct registry_devices *job, bool failed) {
        _cleanup_buf_ struct buf out = BUF_INIT(REGISTRY_BYTES);
        buf_add_text(&out, "\"devices\":[");
        for (size_t i = 0; i < job->count; i++) {
                const struct registry_device *device = &job->devices[i];
                int64_t oldest_ms = device->oldest_at && device->oldest_at < job->now_ms ? job->now_ms - device->oldest_at : 0;
                buf_add_text(&out, i ? ",{\"device\":" : "{\"device\":");
                buf_add_json(&out, device->device);
                buf_printf(&out,
                           ",\"connected\":%s,\"cursor\":%" PRId64 ",\"last_seen\":%" PRId64 ",\"queue\":{\"depth\":%" PRId64
                           ",\"oldest_ms\":%" PRId64 "}",
                           device->connected ? "true" : "false", device->cursor, device->seen_ms, device->depth, oldest_ms);
                buf_add_text(&out, ",\"push\":");
                if (device->registration.len)
                        registration_add_json(&out, device->registration);
                else
                        buf_add_text(&out, "null");
                buf_add_char(&out, '}');
        }
        buf_add_char(&out, ']');
        failed |= buf_failed(&out);
        job->done(job->arg, failed ? FANOUT_E_UNAVAILABLE : 0, failed ? SLICE("") : buf_slice(&out));
        free(job->devices);
        free(job->text);
        free(job);
}

static bool registry_points_to_entry(const struct registry_device *device) {
        return device->oldest.len && (device->oldest.ptr[0] == 'm' || device->oldest.ptr[0] == 'o');
}

static void registry_on_oldest(void *arg, const struct redisReply *reply) {
        struct registry_devices *job = arg;
        size_t k = 0;
        for (size_t i = 0; reply && i < job->count; i++)
                if (registry_points_to_entry(&job->devices[i]))
                        job->devices[i].oldest_at = (int64_t)words_uint(store_text(store_item(reply, k++)));
        registry_devices_end(job, !reply);
}

/* The times of entries stand in their logs. */
static void registry_ask_oldest(struct registry_devices *job) {
        struct call *call = store_call(job->fanout->store, "fetch");
        size_t wanted = 0;
        for (size_t i = 0; i < job->count; i++) {
                struct slice rest = job->devices[i].oldest;
                words_take(&rest, ' ');
                words_take(&rest, ' ');
                if (registry_points_to_entry(&job->devices[i])) {
                        struct slice conv = words_take(&rest, ' ');
                        store_call_key(call, KEY_LOG, conv);
                        store_call_key(call, KEY_STATES, conv);
                        wanted++;
                }
        }
        if (wanted == 0) {
                registry_devices_end(job, false);
                return;
        }
        store_call_arg_int(call, REGISTRY_BYTES);
        for (size_t i = 0; i < job->count; i++) {
                struct slice rest = job->devices[i].oldest;
                if (!registry_points_to_entry(&job->devices[i]))
                        continue;
                words_take(&rest, ' ');
                store_call_arg_text(call, "m");
                store_call_arg(call, words_take(&rest, ' '));
        }
        if (store_call_send(call, registry_on_oldest, job))
                registry_devices_end(job, true);
}

static int registry_take_devices(struct registry_devices *job, const struct redisReply *reply) {
        size_t count = store_count(reply) / 5, bytes = 0;
        for (size_t i = 1; i < store_count(reply); i++)
                bytes += store_text(store_item(reply, i)).len;
        job->devices = calloc(count + 1, sizeof(*job->devices));
        char *text = job->text = malloc(bytes + 1);
        if (!job->devices || !text)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                struct registry_device *device = &job->devices[job->count++];
                struct slice packed = store_text(store_item(reply, i * 5 + 2));
                device->device = slice_copy(&text, store_text(store_item(reply, i * 5 + 1)));
                device->cursor = (int64_t)words_uint(words_take(&packed, ' '));
                device->seen_ms = (int64_t)words_uint(packed);
                device->depth = store_int(store_item(reply, i * 5 + 3));
                device->oldest = slice_copy(&text, store_text(store_item(reply, i * 5 + 4)));
                device->connected = registry_is_connected(job->lease, store_text(store_item(reply, 0)), device->device);
                device->registration = slice_copy(&text, store_text(store_item(reply, i * 5 + 5)));
                struct slice rest = device->oldest;
                words_take(&rest, ' ');
                if (device->oldest.len && (device->oldest.ptr[0] == 'j' || device->oldest.ptr[0] == 'x'))
                        device->oldest_at = (int64_t)words_uint(rest);
        }
        return 0;
}

static void registry_on_devices(void *arg, const struct redisReply *reply) {
        struct registry_devices *job = arg;
        if (!reply || registry_take_devices(job, reply) < 0)
                registry_devices_end(job, true);
        else
                registry_ask_oldest(job);
}

int registry_devices(struct fanout *fanout, const struct lease *lease, struct slice user, int64_t now_ms, registry_fields_fn done, void *arg) {
        struct registry_devices *job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (struct registry_devices){ .fanout = fanout, .lease = lease, .done = done, .arg = arg, .now_ms = now_ms };
        struct call *call = store_call(fanout->store, "devices");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_INBOX, user);
        store_call_key(call, KEY_DEVICES, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_key(call, KEY_HEAD, user);
        int r = store_call_send(call, registry_on_devices, job);
        if (r)
                free(job);
        return registry_result(r);
}

static void registry_on_disconnected(void *arg, const struct redisReply *reply) {
        struct registry_job *job = arg;
        char fields[64];
        int len = snprintf(fields, sizeof(fields), "\"disconnected\":%lld", reply ? (long long)store_int(reply) : 0LL);
        job->done_fields(job->arg, reply ? 0 : FANOUT_E_UNAVAILABLE, (struct slice){ fields, (size_t)len });
        free(job);
}

int registry_disconnect(struct fanout *fanout, struct slice user, struct slice device, int close_code, registry_fields_fn done, void *arg) {
        struct registry_job *job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->done_fields = done;
        job->arg = arg;
        struct call *call = store_call(fanout->store, "disconnect");
        store_call_key(call, KEY_USER, user);
        store_call_arg_channels(call, partition_of(user));
        store_call_arg(call, user);
        store_call_arg(call, device);
        store_call_arg_int(call, close_code);
        int r = store_call_send(call, registry_on_disconnected, job);
        if (r)
                free(job);
        return registry_result(r);
}
