/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c: see device.h. What it knows is kept over connections; what is of one connection is in struct device_link.
 *
 * long-file: one client with one state; what it has of a conversation is in view.c.
 */
#include "tests/sim/device.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "fanout/store.h"
#include "hub/hub.h"
#include "tests/sim/server.h"
#include "tests/sim/sites.h"
#include "tests/sim/sockets.h"
#include "tests/sim/truth.h"
#include "tests/sim/view.h"
#include "tests/sim/world.h"

enum {
        DEVICE_OPS = 6,
        DEVICE_ASKS = 24,
        DEVICE_FIELDS = 24,
        DEVICE_WATCHED = 2,
        DEVICE_FRAME_BYTES = 8192,
        DEVICE_WINDOW = LIMIT_WINDOW_EVENTS,
        DEVICE_HISTORY = 200,
};

/* A send that is not yet known to be stored. */
struct op {
        bool used, under_way;
        int conv;
        unsigned past;     /* of the store, when it was made */
        uint64_t after_us; /* not before */
        char name[24];
        char kind[8];
        uint64_t ref;
};

enum ask_kind { ASK_NONE, ASK_SEND, ASK_CONVERSATIONS, ASK_HISTORY, ASK_MEMBERS, ASK_WATCH, ASK_OTHER };

/* A request without its reply. */
struct ask {
        enum ask_kind kind;
        int64_t id;
        int conv, op;
        unsigned past;   /* of the store, when it was asked */
        uint64_t resets; /* of the device, then */
};

struct device_link {
        struct lws *wsi; /* NULL: not connected */
        int site;
        bool welcome, caught_up, expects_reset, background, wants_watch;
        char session[24];
        uint64_t last;                  /* the n of the latest event on the wire */
        uint64_t serial;                /* of the device, at the welcome: ops above it are of this session alone */
        uint64_t unacked[DEVICE_WINDOW];
        unsigned unacked_count;
        struct ask asks[DEVICE_ASKS];
        int watched[DEVICE_WATCHED];
        char presence[DEVICE_WATCHED][12]; /* "" unknown */
        uint64_t acked_us;              /* when it acknowledged last */
        uint64_t silent_until_us;       /* it acknowledges nothing */
};

struct device {
        int index, user;
        const char *name;
        bool keeps_cursor;
        struct device_link link;
        /* kept */
        bool known;          /* it has a place in epoch */
        char epoch[48];
        uint64_t n;          /* all up to it was taken */
        uint64_t acked;      /* the highest it ever acknowledged in this epoch */
        uint64_t again;      /* events up to it may be shown again */
        bool doubtful;       /* the store went back behind its back */
        bool wants_conversations;
        struct view views[TRUTH_CONVS];
        struct op ops[DEVICE_OPS];
        uint64_t own_seq[TRUTH_CONVS]; /* a message of its own */
        uint64_t serial;
        int64_t id;
        uint64_t retry_ms;
        uint64_t shown, gaps, resets;
};

static struct device devices[DEVICES];
static const struct {
        int user;
        const char *name;
        bool keeps_cursor;
} device_rows[DEVICES] = {
        { 0, "phone", true }, { 0, "laptop", false }, { 1, "phone", true }, { 1, "web", true }, { 2, "phone", false },
        { 3, "phone", true }, { 3, "tablet", true },  { 4, "phone", true }, { 5, "phone", true },
};

#define D(device) users_of(device), (device)->name

static const char *users_of(const struct device *device) {
        return truth_user(device->user).ptr;
}

static _Noreturn void device_fail(const struct device *device, const char *format, ...) __attribute__((format(printf, 2, 3)));

static _Noreturn void device_fail(const struct device *device, const char *format, ...) {
        char text[400];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        world_fail("%s.%s (epoch %s, n %" PRIu64 ", session %s on hub %d): %s", D(device), device->epoch, device->n, device->link.session,
                   device->link.site, text);
}

#define DEMAND(condition, ...)                            \
        do {                                              \
                if (!(condition))                         \
                        device_fail(device, __VA_ARGS__); \
        } while (0)

struct device *device_get(int index) {
        return &devices[index];
}

struct slice device_user(const struct device *device) {
        return truth_user(device->user);
}

struct slice device_name(const struct device *device) {
        return slice_of(device->name);
}

struct slice device_session(const struct device *device) {
        return device->link.welcome ? slice_of(device->link.session) : SLICE("");
}

bool device_is_background(const struct device *device) {
        return device->link.background;
}

/* ---- requests ---- */

static void device_say(struct device *device, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void device_say(struct device *device, const char *format, ...) {
        char text[DEVICE_FRAME_BYTES];
        va_list args;
        va_start(args, format);
        int len = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        WORLD_DEMAND(len < (int)sizeof(text), "a device says too much");
        world_trace("%s.%s -> hub %d  %s", D(device), device->link.site, text);
        sockets_send(device->link.wsi, (struct slice){ text, (size_t)len });
}

/* NULL: enough is under way. */
static struct ask *device_ask(struct device *device, enum ask_kind kind, int conv) {
        for (int i = 0; i < DEVICE_ASKS; i++) {
                struct ask *ask = &device->link.asks[i];
                if (ask->kind != ASK_NONE)
                        continue;
                *ask = (struct ask){ .kind = kind, .id = ++device->id, .conv = conv, .op = -1, .past = server_past(), .resets = device->resets };
                return ask;
        }
        return NULL;
}

static bool device_asks(const struct device *device, enum ask_kind kind, int conv) {
        for (int i = 0; i < DEVICE_ASKS; i++)
                if (device->link.asks[i].kind == kind && (conv < 0 || device->link.asks[i].conv == conv))
                        return true;
        return false;
}

static void device_send_op(struct device *device, int index) {
        struct op *op = &device->ops[index];
        struct ask *ask = device_ask(device, ASK_SEND, op->conv);
        char ref[40] = "";
        if (!ask)
                return;
        ask->op = index;
        op->under_way = true;
        if (op->ref)
                snprintf(ref, sizeof(ref), ",\"ref\":%" PRIu64, op->ref);
        device_say(device, "{\"type\":\"send\",\"id\":%" PRId64 ",\"conv\":\"%s\",\"op\":\"%s\",\"kind\":\"%s\"%s,\"body\":{\"t\":\"%s\"}}", ask->id,
                   truth_conv(op->conv).ptr, op->name, op->kind, ref, op->name);
}

static void device_make_op(struct device *device) {
        int conv = (int)world_chance(TRUTH_CONVS);
        if (conv == TRUTH_CROWD && !world_one_in(20))
                conv = 0; /* a delivery to a crowd costs as much as thirty others */
        if (truth_joined(conv, device->user) < 0 && !world_one_in(50))
                return;
        for (int i = 0; i < DEVICE_OPS; i++) {
                struct op *op = &device->ops[i];
                if (op->used)
                        continue;
                bool about = device->own_seq[conv] && world_one_in(6);
                *op = (struct op){ .used = true, .conv = conv, .past = truth_past(conv), .ref = about ? device->own_seq[conv] : 0 };
                snprintf(op->name, sizeof(op->name), "d%d-%" PRIu64, device->index, ++device->serial);
                snprintf(op->kind, sizeof(op->kind), "%s", !about ? "message" : world_one_in(2) ? "edit" : world_one_in(4) ? "delete" : "react");
                device_send_op(device, i);
                return;
        }
}

static void device_ack(struct device *device) {
        struct device_link *link = &device->link;
        if (device->n > device->acked)
                device->acked = device->n;
        device_say(device, "{\"type\":\"ack\",\"n\":%" PRIu64 "}", device->n);
        link->unacked_count = 0;
        link->acked_us = world.now_us;
}

/* ---- loading ---- */

static void device_load_all(struct device *device) {
        device->wants_conversations = true;
}

static void device_load_history(struct device *device, int conv) {
        struct view *view = &device->views[conv];
        struct ask *ask = device_ask(device, ASK_HISTORY, conv);
        if (!ask)
                return;
        uint64_t first, last;
        truth_log(conv, &first, &last); /* a device would begin with the latest; this saves pages that are not there */
        uint64_t complete = view_complete(view, first);
        view->loaded = view->loaded > complete ? view->loaded : complete;
        view->wants_history = false;
        device_say(device, "{\"type\":\"history\",\"id\":%" PRId64 ",\"conv\":\"%s\",\"after\":%" PRIu64 ",\"limit\":%d}", ask->id,
                   truth_conv(conv).ptr, view->loaded, DEVICE_HISTORY);
}

static void device_load_members(struct device *device, int conv) {
        struct ask *ask = device_ask(device, ASK_MEMBERS, conv);
        if (!ask)
                return;
        device->views[conv].wants_members = false;
        device_say(device, "{\"type\":\"members\",\"id\":%" PRId64 ",\"conv\":\"%s\"}", ask->id, truth_conv(conv).ptr);
}

static void device_watch(struct device *device);

/* What was asked for did not come. */
static void device_want_again(struct device *device, const struct ask *ask) {
        if (ask->kind == ASK_HISTORY)
                device->views[ask->conv].wants_history = true;
        else if (ask->kind == ASK_MEMBERS)
                device->views[ask->conv].wants_members = true;
}

/* One thing that is wanted and not yet asked for. */
static bool device_loads(struct device *device) {
        if (device->link.wants_watch) {
                device_watch(device);
                return true;
        }
        if (device->wants_conversations && !device_asks(device, ASK_CONVERSATIONS, -1)) {
                struct ask *ask = device_ask(device, ASK_CONVERSATIONS, 0);
                if (ask)
                        device_say(device, "{\"type\":\"conversations\",\"id\":%" PRId64 ",\"limit\":200}", ask->id);
                return true;
        }
        for (int conv = 0; conv < TRUTH_CONVS; conv++) {
                if (device->views[conv].wants_history && !device_asks(device, ASK_HISTORY, conv)) {
                        device_load_history(device, conv);
                        return true;
                }
                if (device->views[conv].wants_members && !device_asks(device, ASK_MEMBERS, conv)) {
                        device_load_members(device, conv);
                        return true;
                }
        }
        return false;
}

/* From nothing. */
static void device_start_over(struct device *device) {
        for (int conv = 0; conv < TRUTH_CONVS; conv++)
                view_clear(&device->views[conv]);
        device->doubtful = false;
        device->again = 0;
        device_load_all(device);
}

/* ---- frames: fields ---- */

struct fields {
        struct scan_field rows[DEVICE_FIELDS];
        size_t count;
};

static uint64_t field_uint(const struct fields *fields, const char *name) {
        const struct scan_value *value = scan_find(fields->rows, fields->count, name);
        return value && value->type == SCAN_INT ? (uint64_t)value->integer : 0;
}

/* Without quotes; ids and words here have no escapes. */
static struct slice field_text(const struct fields *fields, const char *name) {
        const struct scan_value *value = scan_find(fields->rows, fields->count, name);
        if (!value || value->type != SCAN_STRING)
                return SLICE("");
        return (struct slice){ value->raw.ptr + 1, value->raw.len - 2 };
}

static bool field_is_true(const struct fields *fields, const char *name) {
        const struct scan_value *value = scan_find(fields->rows, fields->count, name);
        return value && value->type == SCAN_BOOL && value->integer;
}

static const struct scan_value *field_array(const struct fields *fields, const char *name) {
        const struct scan_value *value = scan_find(fields->rows, fields->count, name);
        return value && value->type == SCAN_ARRAY ? value : NULL;
}

static struct fields fields_of(struct slice object) {
        struct fields fields;
        WORLD_DEMAND(scan_object(object, fields.rows, DEVICE_FIELDS, &fields.count) == 0, "an object with too many fields: %.*s",
                     (int)object.len, object.ptr);
        return fields;
}

/* ---- events ---- */

/* The body is that of the op, and is withheld from the session that sent it alone (device#4). */
static void device_check_body(struct device *device, const struct fields *fields) {
        const struct scan_value *body = scan_find(fields->rows, fields->count, "body");
        struct slice op = field_text(fields, "op");
        if (field_is_true(fields, "deleted"))
                return;
        char own[16];
        snprintf(own, sizeof(own), "d%d-", device->index);
        bool is_own = op.len > strlen(own) && memcmp(op.ptr, own, strlen(own)) == 0;
        if (body) {
                char expected[64];
                snprintf(expected, sizeof(expected), "{\"t\":\"%.*s\"}", (int)op.len, op.ptr);
                DEMAND(slice_is(body->raw, expected), "the body of %.*s is %.*s", (int)op.len, op.ptr, (int)body->raw.len, body->raw.ptr);
                bool alone = is_own && strtoull(op.ptr + strlen(own), NULL, 10) > device->link.serial;
                /* In a crowd the call of a later entry may reach the sender first, and does not know by whom the earlier was sent (lua/fan.lua). */
                bool crowd = slice_equal(field_text(fields, "conv"), truth_conv(TRUTH_CROWD));
                DEMAND(!alone || crowd, "%.*s comes with its body to the session that sent it", (int)op.len, op.ptr);
                return;
        }
        DEMAND(is_own, "%.*s comes without its body", (int)op.len, op.ptr);
}

static void device_on_entry(struct device *device, const struct fields *fields, uint64_t n) {
        int conv = truth_find_conv(field_text(fields, "conv")), stored_conv;
        uint64_t seq = field_uint(fields, "seq"), stored_seq;
        struct slice op = field_text(fields, "op");
        DEMAND(conv >= 0 && seq, "an entry without conv or seq");
        struct view *view = &device->views[conv];
        device_check_body(device, fields);
        bool present = slice_is(server_epoch(), device->epoch) && !device->doubtful && !truth_was_deleted(conv);
        if (present && truth_find_op(op, &stored_conv, &stored_seq))
                DEMAND(stored_conv == conv && stored_seq == seq, "%.*s comes as %s %" PRIu64 " and is stored as %s %" PRIu64, (int)op.len, op.ptr,
                       truth_conv(conv).ptr, seq, truth_conv(stored_conv).ptr, stored_seq);
        bool again = n <= device->again || device->doubtful;
        DEMAND(again || !view->next || seq == view->next, "%s %" PRIu64 " comes where %" PRIu64 " is due", truth_conv(conv).ptr, seq, view->next);
        if (!again || !view->next || seq >= view->next) {
                view->next = seq + 1;
                view->shown = seq;
        }
        view_take(view, seq);
        device->shown++;
}

static void device_on_receipt(struct device *device, const struct fields *fields) {
        int conv = truth_find_conv(field_text(fields, "conv")), user = truth_find_user(field_text(fields, "user"));
        uint64_t delivered = field_uint(fields, "delivered"), read = field_uint(fields, "read");
        if (user < 0)
                return;
        DEMAND(conv >= 0 && read <= delivered, "a receipt that cannot be");
        struct view *view = &device->views[conv];
        DEMAND(device->doubtful || (delivered >= view->marks[user].delivered && read >= view->marks[user].read),
               "the watermarks of %s in %s fall from %" PRIu64 " %" PRIu64 " to %" PRIu64 " %" PRIu64, truth_user(user).ptr, truth_conv(conv).ptr,
               view->marks[user].delivered, view->marks[user].read, delivered, read);
        view->marks[user].delivered = delivered;
        view->marks[user].read = read;
        if (delivered > view->marks[user].known_delivered)
                view->marks[user].known_delivered = delivered;
        if (read > view->marks[user].known_read)
                view->marks[user].known_read = read;
}

static void device_on_member(struct device *device, const struct fields *fields) {
        int conv = truth_find_conv(field_text(fields, "conv")), user = truth_find_user(field_text(fields, "user"));
        struct view *view;
        if (conv < 0 || user < 0)
                return;
        view = &device->views[conv];
        view->wants_members = true;
        memset(&view->marks[user], 0, sizeof(view->marks[user])); /* who joins anew begins anew */
        if (user == device->user) {
                view->next = 0;
                view->wants_history = true;
        }
}

static void device_count(struct device *device, uint64_t n) {
        struct device_link *link = &device->link;
        DEMAND(link->unacked_count < DEVICE_WINDOW, "the window is exceeded at %" PRIu64, n);
        link->unacked[link->unacked_count++] = n;
}

static void device_on_event(struct device *device, struct slice type, const struct fields *fields) {
        uint64_t n = field_uint(fields, "n");
        DEMAND(device->link.welcome && !device->link.expects_reset, "event %" PRIu64 " comes before the reset", n);
        DEMAND(n > device->link.last, "event %" PRIu64 " comes behind %" PRIu64, n, device->link.last);
        device->link.last = n;
        device_count(device, n);
        if (n <= device->n)
                return; /* seen */
        if (slice_is(type, "receipt"))
                device_on_receipt(device, fields);
        else if (slice_is(type, "member"))
                device_on_member(device, fields);
        else if (!slice_is(type, "notification"))
                device_on_entry(device, fields, n);
        device->n = n;
}

static void device_on_gap(struct device *device, const struct fields *fields) {
        uint64_t from = field_uint(fields, "from"), to = field_uint(fields, "to");
        DEMAND(!device->link.expects_reset && from <= to && from > device->link.last, "a gap from %" PRIu64 " to %" PRIu64, from, to);
        device->link.last = to;
        device->gaps++;
        if (to > device->n)
                device->n = to;
        for (int conv = 0; conv < TRUTH_CONVS; conv++)
                device->views[conv].next = 0;
        device_load_all(device);
}

static void device_on_reset(struct device *device, const struct fields *fields) {
        struct slice epoch = field_text(fields, "epoch");
        DEMAND(epoch.len && epoch.len < sizeof(device->epoch), "a reset without epoch");
        snprintf(device->epoch, sizeof(device->epoch), "%.*s", (int)epoch.len, epoch.ptr);
        device->n = device->link.last = field_uint(fields, "head");
        device->acked = device->n; /* what was before is over */
        device->link.unacked_count = 0;
        device->link.expects_reset = device->link.caught_up = false;
        device->resets++;
        device_start_over(device);
}

/* ---- replies ---- */

static void device_on_welcome(struct device *device, const struct fields *fields) {
        struct device_link *link = &device->link;
        struct slice session = field_text(fields, "session"), epoch = field_text(fields, "epoch");
        uint64_t cursor = field_uint(fields, "cursor");
        bool fresh = field_is_true(fields, "fresh"), same = device->known && slice_is(epoch, device->epoch);
        DEMAND(!link->welcome && epoch.len && epoch.len < sizeof(device->epoch), "a second welcome");
        link->welcome = true;
        device->retry_ms = 50;
        snprintf(link->session, sizeof(link->session), "%.*s", (int)session.len, session.ptr);
        link->last = cursor;
        link->serial = device->serial;
        if (device->known && device->keeps_cursor) {
                DEMAND(!same || cursor <= device->n, "the session begins at %" PRIu64, cursor);
                link->expects_reset = !same || cursor < device->n;
                return;
        }
        DEMAND(!same || fresh || cursor <= device->acked || device->doubtful, "the session begins at %" PRIu64 ", acknowledged is %" PRIu64, cursor,
               device->acked);
        uint64_t before = !same || fresh ? 0 : device->n > device->again ? device->n : device->again;
        if (!same || fresh) {
                device_start_over(device);
                device->acked = cursor;
        }
        device->known = true;
        device->again = before;
        device->n = cursor;
        snprintf(device->epoch, sizeof(device->epoch), "%.*s", (int)epoch.len, epoch.ptr);
}

static void device_on_sent(struct device *device, const struct fields *fields, struct op *op) {
        uint64_t seq = field_uint(fields, "seq"), stored_seq = 0;
        int stored_conv = -1;
        DEMAND(slice_is(field_text(fields, "op"), op->name), "sent tells of another op than %s", op->name);
        if (truth_find_op(slice_of(op->name), &stored_conv, &stored_seq))
                DEMAND(stored_conv == op->conv && (stored_seq == seq || op->past != truth_past(op->conv)), "%s is acknowledged as %" PRIu64 " and stored as %" PRIu64,
                       op->name, seq, stored_seq);
        else
                DEMAND(op->past != truth_past(op->conv), "%s is acknowledged and not stored", op->name);
        if (strcmp(op->kind, "message") == 0)
                device->own_seq[op->conv] = seq;
        op->used = false;
}

static void device_on_conversations(struct device *device, const struct fields *fields) {
        const struct scan_value *items = field_array(fields, "items");
        struct scan_value item;
        size_t position = 0;
        device->wants_conversations = false;
        while (items && scan_array(items->raw, &position, &item)) {
                struct fields row = fields_of(item.raw);
                int conv = truth_find_conv(field_text(&row, "conv"));
                struct slice epoch = field_text(&row, "epoch");
                if (conv < 0)
                        continue;
                struct view *view = &device->views[conv];
                if (view->epoch[0] && !slice_is(epoch, view->epoch))
                        view_clear(view);
                snprintf(view->epoch, sizeof(view->epoch), "%.*s", (int)epoch.len, epoch.ptr);
                view->wants_history = view->wants_members = true;
                view->loaded = 0;
        }
}

static void device_on_history(struct device *device, const struct fields *fields, int conv) {
        const struct scan_value *entries = field_array(fields, "entries");
        struct view *view = &device->views[conv];
        struct scan_value item;
        size_t position = 0;
        while (entries && scan_array(entries->raw, &position, &item)) {
                struct fields row = fields_of(item.raw);
                view->loaded = field_uint(&row, "seq");
                view_take(view, view->loaded);
        }
        view->wants_history |= field_is_true(fields, "more");
}

static void device_on_members(struct device *device, const struct fields *fields, int conv) {
        const struct scan_value *items = field_array(fields, "items");
        struct view *view = &device->views[conv];
        struct scan_value item;
        size_t position = 0;
        while (items && scan_array(items->raw, &position, &item)) {
                struct fields row = fields_of(item.raw);
                int user = truth_find_user(field_text(&row, "user"));
                if (user < 0)
                        continue;
                uint64_t delivered = field_uint(&row, "delivered"), read = field_uint(&row, "read");
                if (delivered > view->marks[user].known_delivered)
                        view->marks[user].known_delivered = delivered;
                if (read > view->marks[user].known_read)
                        view->marks[user].known_read = read;
        }
}

static void device_note_presence(struct device *device, const struct fields *row) {
        for (int i = 0; i < DEVICE_WATCHED; i++) {
                struct slice status = field_text(row, "status");
                if (slice_equal(field_text(row, "user"), truth_user(device->link.watched[i])))
                        snprintf(device->link.presence[i], sizeof(device->link.presence[i]), "%.*s", (int)status.len, status.ptr);
        }
}

static void device_on_watching(struct device *device, const struct fields *fields) {
        const struct scan_value *items = field_array(fields, "presence");
        struct scan_value item;
        size_t position = 0;
        while (items && scan_array(items->raw, &position, &item)) {
                struct fields row = fields_of(item.raw);
                device_note_presence(device, &row);
        }
}

/* The hub does not know yet what the store has lost. An answer may have waited in the socket since before: only what was asked after it counts. */
static bool device_meets_secret(const struct device *device, const struct ask *ask) {
        if (world.troubles & TROUBLE_ROLLBACK)
                return false; /* until someone finds out, the store itself is of the opinion that it is the same */
        if (sites_node(device->link.site).len == 0)
                return false; /* it said so before it ended */
        struct slice known = slice_of(store_epoch(sites_hub(device->link.site)->fanout.store));
        return ask->past == server_past() && server_epoch().len && !slice_equal(known, server_epoch());
}

static void device_on_error(struct device *device, const struct fields *fields, struct ask *ask) {
        struct slice code = field_text(fields, "code");
        bool denied = slice_is(code, "not_found") || slice_is(code, "forbidden");
        /* To have read what the store has lost, and to say so before one is told, is no mistake. */
        bool crossed = ask && (ask->past != server_past() || ask->resets != device->resets || !slice_is(server_epoch(), device->epoch) || device->doubtful);
        DEMAND(!slice_is(code, "bad_request") || crossed, "it is told that %.*s", (int)field_text(fields, "message").len, field_text(fields, "message").ptr);
        if (!ask)
                return;
        if (slice_is(code, "not_found") && ask->kind != ASK_OTHER && device_meets_secret(device, ask))
                device_fail(device, "%s is told not to be there, by a hub that does not know what the store lost", truth_conv(ask->conv).ptr);
        if (ask->kind == ASK_SEND) {
                struct op *op = &device->ops[ask->op];
                op->after_us = world.now_us + 20000 + world_chance(200000);
                if (denied || slice_is(code, "conflict")) {
                        op->used = false;
                        device->own_seq[op->conv] = 0;
                }
        } else if (ask->kind == ASK_WATCH) {
                device->link.wants_watch = true;
        } else if (!denied) {
                device_want_again(device, ask);
        }
}

static void device_on_reply(struct device *device, struct slice type, const struct fields *fields) {
        struct ask *ask = NULL;
        int64_t id = (int64_t)field_uint(fields, "id");
        for (int i = 0; i < DEVICE_ASKS; i++)
                if (device->link.asks[i].kind != ASK_NONE && device->link.asks[i].id == id)
                        ask = &device->link.asks[i];
        if (slice_is(type, "welcome")) {
                device_on_welcome(device, fields);
                return;
        }
        struct ask copy = ask ? *ask : (struct ask){ 0 };
        if (ask) {
                ask->kind = ASK_NONE;
                if (copy.kind == ASK_SEND)
                        device->ops[copy.op].under_way = false;
        }
        if (slice_is(type, "error")) {
                device_on_error(device, fields, ask ? &copy : NULL);
                return;
        }
        DEMAND(ask, "a reply to nothing");
        if (copy.kind == ASK_SEND)
                device_on_sent(device, fields, &device->ops[copy.op]);
        else if (copy.kind == ASK_CONVERSATIONS && device_meets_secret(device, &copy))
                device_fail(device, "it is told its conversations by a hub that does not know what the store lost");
        else if (copy.kind == ASK_CONVERSATIONS)
                device_on_conversations(device, fields);
        else if (copy.kind == ASK_HISTORY)
                device_on_history(device, fields, copy.conv);
        else if (copy.kind == ASK_MEMBERS)
                device_on_members(device, fields, copy.conv);
        else if (copy.kind == ASK_WATCH)
                device_on_watching(device, fields);
}

static void device_watch(struct device *device) {
        struct ask *ask = device_ask(device, ASK_WATCH, 0);
        device->link.wants_watch = !ask;
        if (!ask)
                return;
        device->link.watched[0] = (device->user + 1) % TRUTH_USERS;
        device->link.watched[1] = (device->user + 2 + (int)world_chance(3)) % TRUTH_USERS;
        device_say(device, "{\"type\":\"watch\",\"id\":%" PRId64 ",\"users\":[\"%s\",\"%s\"]}", ask->id, truth_user(device->link.watched[0]).ptr,
                   truth_user(device->link.watched[1]).ptr);
}

void device_on_frame(struct device *device, struct slice text) {
        struct scan_value top;
        WORLD_DEMAND(scan_text(text, LIMIT_JSON_DEPTH, &top) == 0 && top.type == SCAN_OBJECT, "not JSON: %.*s", (int)text.len, text.ptr);
        struct fields fields = fields_of(top.raw);
        struct slice type = field_text(&fields, "type");
        world_trace("%s.%s <- hub %d  %.*s", D(device), device->link.site, (int)text.len, text.ptr);
        if (scan_find(fields.rows, fields.count, "id") || slice_is(type, "error"))
                device_on_reply(device, type, &fields);
        else if (slice_is(type, "gap"))
                device_on_gap(device, &fields);
        else if (slice_is(type, "reset"))
                device_on_reset(device, &fields);
        else if (slice_is(type, "caught_up")) {
                DEMAND(!device->link.caught_up, "caught_up comes twice");
                device->link.caught_up = true;
                if (field_uint(&fields, "n") > device->n)
                        device->n = field_uint(&fields, "n");
        } else if (slice_is(type, "presence"))
                device_note_presence(device, &fields);
        else if (slice_is(type, "typing"))
                DEMAND(!slice_equal(field_text(&fields, "user"), device_user(device)), "it is told of its own typing");
        else if (scan_find(fields.rows, fields.count, "n"))
                device_on_event(device, type, &fields);
        else
                DEMAND(slice_is(type, "signal") || slice_is(type, "goaway"), "an unknown frame");
        if (slice_is(type, "welcome") && device->link.wsi)
                device_watch(device);
}

/* ---- connections ---- */

static void device_connect(void *arg);

static void device_drop_link(struct device *device) {
        for (int i = 0; i < DEVICE_ASKS; i++)
                device_want_again(device, &device->link.asks[i]);
        for (int i = 0; i < DEVICE_OPS; i++)
                device->ops[i].under_way = false;
        memset(&device->link, 0, sizeof(device->link));
}

static void device_leave(struct device *device, bool late, uint64_t back_us) {
        struct lws *wsi = device->link.wsi;
        if (!wsi)
                return;
        device_drop_link(device);
        sockets_leave(wsi, late);
        world_after(back_us, device_connect, device);
}

void device_on_closed(struct device *device, struct lws *wsi, int code) {
        world_trace("%s.%s is closed with %d", D(device), code);
        DEMAND(code < 4400, "its only session is ended with %d", code);
        DEMAND(code != 4102 || sockets_overslept(wsi), "it is told not to have answered a ping");
        device->retry_ms = device->retry_ms * 2 > 1000 ? 1000 : device->retry_ms * 2;
        device_leave(device, false, 1000 + world_chance(device->retry_ms * 1000 + 1));
}

static void device_connect(void *arg) {
        struct device *device = arg;
        int site = sites_any();
        if (device->link.wsi)
                return;
        device_drop_link(device);
        device->link.wsi = site < 0 ? NULL : sockets_connect(device, site);
        if (!device->link.wsi) {
                world_after(20000 + world_chance(200000), device_connect, device);
                return;
        }
        char cursor[80] = "";
        device->link.site = site;
        device->link.background = world_one_in(12);
        if (device->known && device->keeps_cursor && device->n > device->acked)
                device->acked = device->n; /* a cursor says so, too */
        if (device->known && device->keeps_cursor)
                snprintf(cursor, sizeof(cursor), ",\"cursor\":{\"epoch\":\"%s\",\"n\":%" PRIu64 "}", device->epoch, device->n);
        char *token = sites_token(device_user(device), device_name(device));
        device_say(device, "{\"type\":\"hello\",\"id\":0%s%s,\"token\":\"%s\"}", cursor, device->link.background ? ",\"background\":true" : "",
                   token);
        free(token);
        if (device->known && device->keeps_cursor && world_one_in(6))
                device_ack(device); /* without waiting for welcome */
}

/* ---- what it does ---- */

static void device_say_something(struct device *device) {
        int conv = (int)world_chance(TRUTH_CROWD);
        struct view *view = &device->views[conv];
        struct ask *ask;
        switch (world_chance(12)) {
        case 0:
                device_say(device, "{\"type\":\"typing\",\"conv\":\"%s\",\"active\":%s}", truth_conv(conv).ptr, world_one_in(2) ? "true" : "false");
                break;
        case 1:
                if ((ask = device_ask(device, ASK_OTHER, conv)))
                        device_say(device, "{\"type\":\"signal\",\"id\":%" PRId64 ",\"conv\":\"%s\",\"body\":1}", ask->id, truth_conv(conv).ptr);
                break;
        case 2:
                if (world_one_in(4) && (ask = device_ask(device, ASK_OTHER, conv)))
                        device_say(device, "{\"type\":\"status\",\"id\":%" PRId64 ",\"status\":\"%s\"}", ask->id,
                                   world_one_in(3)   ? "away"
                                   : world_one_in(4) ? "invisible"
                                                     : "online");
                break;
        case 3:
        case 4:
        case 5:
                if (view->shown && !device->doubtful && (ask = device_ask(device, ASK_OTHER, conv)))
                        device_say(device, "{\"type\":\"read\",\"id\":%" PRId64 ",\"conv\":\"%s\",\"seq\":%" PRIu64 "}", ask->id, truth_conv(conv).ptr,
                                   view->shown);
                break;
        case 6:
                if (world_one_in(20))
                        device_load_all(device);
                break;
        default:
                device_make_op(device);
                break;
        }
}

static bool device_repeats(struct device *device) {
        for (int i = 0; i < DEVICE_OPS; i++) {
                struct op *op = &device->ops[i];
                if (!op->used || op->under_way || op->after_us > world.now_us)
                        continue;
                device_send_op(device, i);
                return true;
        }
        return false;
}

static void device_consider_ack(struct device *device) {
        struct device_link *link = &device->link;
        if (link->silent_until_us > world.now_us && !world.calm)
                return;
        if (device->n > device->acked || link->unacked_count) {
                if (world_one_in(4) || link->unacked_count > 20 || world.now_us > link->acked_us + 500000)
                        device_ack(device);
        }
}

static void device_on_turn(void *arg) {
        struct device *device = arg;
        world_after(world.calm ? 20000 + world_chance(60000) : 2000 + world_chance(60000), device_on_turn, device);
        if (!device->link.wsi || !device->link.welcome)
                return;
        if (!device->link.expects_reset)
                device_consider_ack(device);
        if (device_repeats(device) || device_loads(device) || world.calm || device->link.background)
                return;
        device_say_something(device);
}

/* ---- faults ---- */

/* The process dies: what it took and did not acknowledge is forgotten. */
static void device_crash(struct device *device) {
        if (device->keeps_cursor && device->n > device->acked && device->known && !device->link.expects_reset) {
                device->again = device->n > device->again ? device->n : device->again;
                device->n = device->acked > 0 ? device->acked : device->n;
        }
        device_leave(device, world_one_in(3), 1000 + world_chance(3000000));
}

/* It is back before the hub knows, and the hub would never know: something between them answers for it. */
static void device_haunt(struct device *device) {
        struct lws *wsi = device->link.wsi;
        device_drop_link(device);
        sockets_haunt(wsi);
        world_after(100 + world_chance(300000), device_connect, device);
}

void device_disturb(struct device *device) {
        if (!device->link.wsi)
                return;
        switch (world_chance(8)) {
        case 0:
                device_crash(device);
                break;
        case 1:
                device_leave(device, false, world_chance(30000000)); /* away for long */
                break;
        case 2:
        case 3:
                if (device->link.welcome && world_one_in(2))
                        device_haunt(device);
                else
                        device_leave(device, true, 100 + world_chance(300000)); /* back before the hub knows */
                break;
        case 4:
                device_leave(device, false, 100 + world_chance(1000000));
                break;
        case 5:
                device->link.silent_until_us = world.now_us + world_chance(20000000);
                break;
        default:
                sockets_sleep(device->link.wsi, world_chance(8000000));
                break;
        }
}

void device_doubt(struct device *device, uint64_t head) {
        uint64_t told = device->link.wsi ? sockets_told(device->link.wsi) : 0;
        device->doubtful |= (device->known && device->n > head) || told > head;
        for (int conv = 0; conv < TRUTH_CONVS && !device->doubtful; conv++) {
                uint64_t first, last;
                truth_log(conv, &first, &last);
                device->doubtful |= device->views[conv].shown > last;
        }
}

bool device_may_have_acked(const struct device *device, struct slice epoch, uint64_t n) {
        return device->doubtful || !device->known || (slice_is(epoch, device->epoch) && n <= device->acked);
}

/* ---- the calm ---- */

static const char *device_complain_of(struct device *device, int conv) {
        static char text[200];
        struct view *view = &device->views[conv];
        int64_t joined = truth_joined(conv, device->user);
        uint64_t first, last, delivered, read;
        if (joined < 0)
                return NULL;
        truth_log(conv, &first, &last);
        for (uint64_t seq = first > (uint64_t)joined + 1 ? first : (uint64_t)joined + 1; seq <= last; seq++) {
                snprintf(text, sizeof(text), "%s.%s has not %s %" PRIu64 " of %" PRIu64 ", joined at %" PRId64, D(device), truth_conv(conv).ptr, seq,
                         last, joined);
                if (!view_has(view, seq))
                        return text;
        }
        for (int user = 0; user < TRUTH_USERS && conv != TRUTH_CROWD; user++) {
                if (!truth_marks(conv, truth_user(user), &delivered, &read))
                        continue;
                snprintf(text, sizeof(text), "%s.%s believes %s in %s at %" PRIu64 " %" PRIu64 ", not %" PRIu64 " %" PRIu64, D(device),
                         truth_user(user).ptr, truth_conv(conv).ptr, view->marks[user].known_delivered, view->marks[user].known_read, delivered, read);
                if (view->marks[user].known_delivered != delivered || view->marks[user].known_read != read)
                        return text;
        }
        return NULL;
}

const char *device_complaint(struct device *device) {
        static char text[200];
        const char *complaint = NULL;
        uint64_t cursor = 0;
        const struct device_link *link = &device->link;
        snprintf(text, sizeof(text), "%s.%s: no welcome", D(device));
        if (!link->welcome)
                return text;
        snprintf(text, sizeof(text), "%s.%s: %s", D(device), !link->caught_up ? "not caught up" : link->expects_reset ? "no reset" : "still loads");
        if (!link->caught_up || link->expects_reset || device->wants_conversations)
                return text;
        for (int conv = 0; conv < TRUTH_CONVS; conv++)
                if (device->views[conv].wants_history || device->views[conv].wants_members || device_asks(device, ASK_HISTORY, conv) ||
                    device_asks(device, ASK_MEMBERS, conv))
                        return text;
        snprintf(text, sizeof(text), "%s.%s: a send without answer", D(device));
        for (int i = 0; i < DEVICE_OPS; i++)
                if (device->ops[i].used)
                        return text;
        for (int conv = 0; conv < TRUTH_CONVS && !complaint && !device->doubtful; conv++)
                complaint = device_complain_of(device, conv);
        if (complaint)
                return complaint;
        bool known = truth_cursor(device_user(device), device_name(device), &cursor);
        snprintf(text, sizeof(text), "%s.%s acknowledged %" PRIu64 ", the store has %" PRIu64, D(device), device->acked, cursor);
        if (!device->doubtful && (!known || (cursor != device->acked && device->acked)))
                return text;
        for (int i = 0; i < DEVICE_WATCHED; i++) {
                const char *truth = truth_presence(truth_user(link->watched[i]));
                snprintf(text, sizeof(text), "%s.%s believes %s %s, who is %s", D(device), truth_user(link->watched[i]).ptr, link->presence[i], truth);
                if (strcmp(link->presence[i], truth) != 0)
                        return text;
        }
        return NULL;
}

/* ---- life ---- */

void device_init_all(void) {
        memset(devices, 0, sizeof(devices));
        for (int i = 0; i < DEVICES; i++) {
                devices[i].index = i;
                devices[i].user = device_rows[i].user;
                devices[i].name = device_rows[i].name;
                devices[i].keeps_cursor = device_rows[i].keeps_cursor;
                devices[i].retry_ms = 50;
                world_after(world_chance(3000000), device_connect, &devices[i]);
                world_after(world_chance(3000000), device_on_turn, &devices[i]);
        }
}

void device_deinit_all(void) {
        for (int i = 0; i < DEVICES; i++) {
                world_forget(&devices[i]);
                if (devices[i].link.wsi)
                        sockets_leave(devices[i].link.wsi, false);
                memset(&devices[i].link, 0, sizeof(devices[i].link));
                for (int conv = 0; conv < TRUTH_CONVS; conv++)
                        view_clear(&devices[i].views[conv]);
        }
}
