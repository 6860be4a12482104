/* SPDX-License-Identifier: Apache-2.0 */
/* belfry.c: the functions of belfry.h. What they have in common: arguments are checked, the lock is held, answers become errors.
 */
#include "client/belfry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/scan.h"
#include "client/engine.h"
#include "client/errand.h"
#include "client/host.h"
#include "client/shelf.h"
#include "client/uuid.h"

enum { FIELDS_BYTES = 4 << 20 };

/* ---- errors ---- */

const char *belfry_error(int error) {
        static const char *const texts[] = {
                [BELFRY_OK] = "no error",
                [BELFRY_E_MEMORY] = "out of memory",
                [BELFRY_E_FULL] = "the disk is full, or too much waits in the outbox",
                [BELFRY_E_LOCKED] = "another process holds the store for too long",
                [BELFRY_E_CORRUPT] = "the store is no database, or a damaged one",
                [BELFRY_E_DISK] = "the store cannot be opened, read or written",
                [BELFRY_E_NEWER] = "the store was written by a later version",
                [BELFRY_E_OTHER] = "the store belongs to another user",
                [BELFRY_E_INVALID] = "an argument is not what it must be",
                [BELFRY_E_TOO_LARGE] = "the body is larger than the hub takes",
                [BELFRY_E_NOT_FOUND] = "there is no such item, entry or conversation here",
                [BELFRY_E_MAYBE] = "it cannot be cancelled: the hub may have it",
                [BELFRY_E_WAITS] = "it waits already",
                [BELFRY_E_OFFLINE] = "this can only be done while online",
                [BELFRY_E_TOKEN] = "there is no token, or the hub refuses it",
                [BELFRY_E_NETWORK] = "the hub cannot be reached, or does not answer as a hub",
                [BELFRY_E_LATE] = "the deadline has passed",
                [BELFRY_E_RUNNING] = "the client has its thread already",
        };

        return error >= 0 && (size_t)error < sizeof(texts) / sizeof(texts[0]) ? texts[error] : "unknown error";
}

const char *belfry_version(void) {
        return BELFRY_VERSION;
}

static int error_of_engine(struct belfry *client, int answer) {
        static const int errors[] = {
                [0] = BELFRY_OK,
                [ENGINE_E_REQUEST] = BELFRY_E_INVALID,
                [ENGINE_E_TOO_LARGE] = BELFRY_E_TOO_LARGE,
                [ENGINE_E_FULL] = BELFRY_E_FULL,
                [ENGINE_E_NOT_FOUND] = BELFRY_E_NOT_FOUND,
                [ENGINE_E_MAYBE] = BELFRY_E_MAYBE,
                [ENGINE_E_WAITS] = BELFRY_E_WAITS,
                [ENGINE_E_OFFLINE] = BELFRY_E_OFFLINE,
        };

        return answer == ENGINE_E_STORE ? host_error(engine_error(host_engine(client))) : errors[answer];
}

/* ---- life and loop ---- */

int belfry_open(const struct belfry_options *options, struct belfry **ret_client) {
        return host_open(options, ret_client);
}

void belfry_close(struct belfry *client) {
        host_close(client);
}

int belfry_run(struct belfry *client) {
        return host_run(client);
}

int belfry_fd(struct belfry *client) {
        return host_fd(client);
}

int belfry_timeout_ms(struct belfry *client) {
        return host_timeout_ms(client);
}

void belfry_step(struct belfry *client) {
        host_step(client);
}

int belfry_sync_once(struct belfry *client, int64_t deadline_ms, struct belfry_synced *result) {
        return host_sync_once(client, deadline_ms, result);
}

/* ---- the connection, as the app sees it ---- */

void belfry_start(struct belfry *client) {
        host_lock(client);
        host_connect(client);
        host_unlock(client);
}

void belfry_stop(struct belfry *client) {
        host_lock(client);
        host_disconnect(client);
        host_unlock(client);
}

int belfry_set_token(struct belfry *client, const char *token) {
        char *copy = token && strlen(token) <= LIMIT_TOKEN_BYTES ? strdup(token) : NULL;

        if (!copy)
                return token && strlen(token) <= LIMIT_TOKEN_BYTES ? BELFRY_E_MEMORY : BELFRY_E_INVALID;
        host_lock(client);
        host_take_token(client, copy);
        host_unlock(client);
        return BELFRY_OK;
}

static void hint(struct belfry *client, enum engine_hint what) {
        host_lock(client);
        engine_hint(host_engine(client), what);
        host_unlock(client);
}

void belfry_network_changed(struct belfry *client, bool there_is_one) {
        hint(client, there_is_one ? ENGINE_HINT_ONLINE : ENGINE_HINT_OFFLINE);
}

void belfry_foreground(struct belfry *client, bool in_foreground) {
        hint(client, in_foreground ? ENGINE_HINT_FOREGROUND : ENGINE_HINT_BACKGROUND);
}

/* ---- sending ---- */

static int send_kind(struct belfry *client, const char *conv, const char *kind, const struct belfry_about *about,
                     const char *body, char *ret_op) {
        struct errand_target target = { about ? about->op : NULL, about ? about->seq : 0 };
        unsigned char chance[10];
        char op[UUID_SIZE];
        char carrier[LIMIT_OP_BYTES + 1] = "";
        int r;

        if (!conv || (about && !about->op && about->seq < 1) || (!body && strcmp(kind, "delete") != 0))
                return BELFRY_E_INVALID;
        chance_bytes(chance, sizeof(chance));
        uuid_print(op, clock_wall_ms(), chance);
        host_lock(client);
        r = error_of_engine(client, engine_send(host_engine(client), op, slice_of(conv), kind, about ? &target : NULL,
                                                slice_of(body), carrier));
        host_unlock(client);
        if (r == BELFRY_OK && ret_op)
                snprintf(ret_op, BELFRY_OP_SIZE, "%s", carrier);
        return r;
}

int belfry_send(struct belfry *client, const char *conv, const char *body, char *op) {
        return send_kind(client, conv, "message", NULL, body, op);
}

int belfry_edit(struct belfry *client, const char *conv, struct belfry_about about, const char *body, char *op) {
        return send_kind(client, conv, "edit", &about, body, op);
}

int belfry_delete(struct belfry *client, const char *conv, struct belfry_about about, char *op) {
        return send_kind(client, conv, "delete", &about, NULL, op);
}

int belfry_react(struct belfry *client, const char *conv, struct belfry_about about, const char *body, char *op) {
        return send_kind(client, conv, "react", &about, body, op);
}

int belfry_cancel(struct belfry *client, const char *op) {
        int r;

        if (!op)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = error_of_engine(client, engine_cancel(host_engine(client), op));
        host_unlock(client);
        return r;
}

int belfry_retry(struct belfry *client, const char *op) {
        int r;

        if (!op)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = error_of_engine(client, engine_retry(host_engine(client), op));
        host_unlock(client);
        return r;
}

int belfry_read(struct belfry *client, const char *conv, int64_t seq) {
        int r;

        if (!conv)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = error_of_engine(client, engine_read(host_engine(client), slice_of(conv), seq));
        host_unlock(client);
        return r;
}

int belfry_subscribe(struct belfry *client, const char *conv, bool subscribe) {
        int r;

        if (!conv)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = error_of_engine(client, engine_subscribe(host_engine(client), slice_of(conv), subscribe));
        host_unlock(client);
        return r;
}

/* ---- of the moment ---- */

static int ask(struct belfry *client, struct buf *fields) {
        int r = buf_failed(fields) ? BELFRY_E_MEMORY : BELFRY_OK;

        if (r == BELFRY_OK) {
                host_lock(client);
                r = error_of_engine(client, engine_ask(host_engine(client), buf_slice(fields)));
                host_unlock(client);
        }
        buf_deinit(fields);
        return r;
}

static void begin_ask(struct buf *fields, const char *type, const char *conv) {
        buf_init(fields, FIELDS_BYTES);
        buf_printf(fields, "\"type\":\"%s\"", type);
        if (conv) {
                buf_add_text(fields, ",\"conv\":");
                buf_add_json(fields, slice_of(conv));
        }
}

static bool is_json(const char *text) {
        struct scan_value value;

        return text && scan_text(slice_of(text), LIMIT_JSON_DEPTH - 1, &value) == 0;
}

static bool is_text(const char *text) {
        return text && *text && scan_utf8(slice_of(text));
}

int belfry_typing(struct belfry *client, const char *conv, bool active) {
        struct buf fields;

        if (!is_text(conv))
                return BELFRY_E_INVALID;
        begin_ask(&fields, "typing", conv);
        buf_add_text(&fields, active ? ",\"active\":true" : ",\"active\":false");
        return ask(client, &fields);
}

int belfry_signal(struct belfry *client, const char *conv, const char *body) {
        struct buf fields;

        if (!is_text(conv) || !is_json(body))
                return BELFRY_E_INVALID;
        begin_ask(&fields, "signal", conv);
        buf_add_text(&fields, ",\"body\":");
        buf_add_text(&fields, body);
        return ask(client, &fields);
}

int belfry_watch(struct belfry *client, const char *user, bool watch) {
        int r;

        if (!user)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = error_of_engine(client, engine_watch(host_engine(client), slice_of(user), watch));
        host_unlock(client);
        return r;
}

int belfry_load(struct belfry *client, const char *conv, int64_t before, int limit) {
        struct buf fields;

        if (!is_text(conv) || before < 0 || limit < 1 || limit > LIMIT_LIST_ITEMS)
                return BELFRY_E_INVALID;
        begin_ask(&fields, "history", conv);
        if (before > 0) {
                buf_add_text(&fields, ",\"before\":");
                buf_add_int(&fields, before);
        }
        buf_add_text(&fields, ",\"limit\":");
        buf_add_int(&fields, limit);
        return ask(client, &fields);
}

int belfry_load_members(struct belfry *client, const char *conv) {
        struct buf fields;

        if (!is_text(conv))
                return BELFRY_E_INVALID;
        begin_ask(&fields, "members", conv);
        return ask(client, &fields);
}

int belfry_ask(struct belfry *client, const char *json) {
        struct scan_value value;
        struct buf fields;

        if (!is_json(json) || scan_text(slice_of(json), LIMIT_JSON_DEPTH, &value) != 0 || value.type != SCAN_OBJECT ||
            value.raw.len < 3)
                return BELFRY_E_INVALID;
        buf_init(&fields, FIELDS_BYTES);
        buf_add(&fields, value.raw.ptr + 1, value.raw.len - 2);
        return ask(client, &fields);
}

/* ---- reading: rows are printed under the lock and handed out without it ---- */

static int hand_out(struct belfry *client, int db_error, struct buf *lines, belfry_each_fn each, void *context) {
        int error = db_error ? host_error(db_error) : buf_failed(lines) ? BELFRY_E_MEMORY : BELFRY_OK;
        size_t start = 0, len;

        host_unlock(client);
        for (; error == BELFRY_OK && start < lines->len; start += len + 1) {
                len = strlen(lines->ptr + start);
                if (!each(context, lines->ptr + start, len))
                        break;
        }
        buf_deinit(lines);
        return error;
}

int belfry_conversations(struct belfry *client, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        host_lock(client);
        return hand_out(client, shelf_conversations(host_db(client), &lines), &lines, each, context);
}

int belfry_entries(struct belfry *client, const char *conv, int64_t before, int limit, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        if (!conv || limit < 1)
                return BELFRY_E_INVALID;
        host_lock(client);
        return hand_out(client, shelf_entries(host_db(client), conv, before, limit, &lines), &lines, each, context);
}

int belfry_outbox(struct belfry *client, const char *conv, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        host_lock(client);
        return hand_out(client, shelf_outbox(host_db(client), conv, &lines), &lines, each, context);
}

int belfry_receipts(struct belfry *client, const char *conv, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        if (!conv)
                return BELFRY_E_INVALID;
        host_lock(client);
        return hand_out(client, shelf_receipts(host_db(client), conv, &lines), &lines, each, context);
}

int belfry_find(struct belfry *client, const char *op, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);
        bool found;
        int r;

        if (!op)
                return BELFRY_E_INVALID;
        host_lock(client);
        r = shelf_find(host_db(client), op, &lines);
        found = lines.len > 0;
        r = hand_out(client, r, &lines, each, context);
        return r == BELFRY_OK && !found ? BELFRY_E_NOT_FOUND : r;
}

int belfry_place(struct belfry *client, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        host_lock(client);
        return hand_out(client, shelf_place(host_db(client), &lines), &lines, each, context);
}

int belfry_metrics(struct belfry *client, belfry_each_fn each, void *context) {
        struct buf lines = BUF_INIT(LIMIT_CLIENT_REPLY_BYTES);

        host_lock(client);
        return hand_out(client, shelf_metrics(host_db(client), clock_wall_ms(), &lines), &lines, each, context);
}
