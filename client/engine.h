/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h: what a client does, apart from how: it is told what happened and says what to do. It has no socket and no clock.
 *
 *      off ──start──▶ connecting ──welcome──▶ online
 *       ▲                ▲  │                   │
 *       └──stop──        │  └── lost, refused ──┤
 *                        │                      ▼
 *                     (time) ◀──────────── waiting          stopped: told not to come back, until start
 *
 * tests/golden/RULES.md has the rules where the protocol leaves it to the client; our other clients keep the same.
 *
 * 1. Nothing leaves that is not in the store: an item is committed as sending before its frame is handed to the port, an event
 *    is committed, with the cursor, before it is acknowledged.
 * 2. When the store fails, the connection is given up as lost, and what it brought comes again.
 * 3. become and hear may come from inside a transaction, so they must only take note. The port never calls back from inside.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct db;
struct engine;
struct errand_target;

enum engine_state { ENGINE_OFF, ENGINE_CONNECTING, ENGINE_ONLINE, ENGINE_WAITING, ENGINE_STOPPED };

enum {
        ENGINE_E_STORE = 1, /* the store failed: engine_error() says how */
        ENGINE_E_REQUEST,   /* the hub would not take this: an id, the depth, what is no JSON */
        ENGINE_E_TOO_LARGE, /* above max_frame */
        ENGINE_E_FULL,      /* the outbox is */
        ENGINE_E_NOT_FOUND,
        ENGINE_E_MAYBE,   /* cannot be cancelled: the hub may have it */
        ENGINE_E_WAITS,   /* nothing to retry: it waits already */
        ENGINE_E_OFFLINE, /* only while online */
};

enum engine_hint { ENGINE_HINT_ONLINE, ENGINE_HINT_OFFLINE, ENGINE_HINT_FOREGROUND, ENGINE_HINT_BACKGROUND };

struct engine_port {
        void *context;
        void (*dial)(void *context);    /* engine_on_open(), engine_on_closed() or engine_on_refused() follows */
        void (*hang_up)(void *context); /* close what was dialled; nothing follows */
        void (*send)(void *context, struct slice text);
        bool (*token)(void *context, bool fresh, char *out, size_t size); /* fresh: the one before was refused */
        void (*become)(void *context, enum engine_state state, int code,
                       const char *reason);              /* code: of a close, an HTTP status, or 0 */
        void (*hear)(void *context, struct slice frame); /* what is of the moment, and replies to what the app asked */
        void (*fail)(void *context, int error);          /* of the store: -ENOMEM or DB_E_… */
        uint64_t (*chance)(void *context);
};

/* Borrows db and port. device may be empty if the token names one. NULL without memory. */
struct engine *engine_new(struct db *db, const struct engine_port *port, const char *user, const char *device);
struct engine *engine_free(struct engine *engine);

/* Every call below happens at a time: monotonic, and wall. */
void engine_at(struct engine *engine, uint64_t now_ms, int64_t wall_ms);
/* For the one who owns the connection, at its beginning: what a process that died had under way waits again. */
void engine_recover(struct engine *engine);
/* When engine_on_time() should be called: monotonic, 0 if never. */
uint64_t engine_due(const struct engine *engine);
void engine_on_time(struct engine *engine);

/* ---- the app ---- */
void engine_start(struct engine *engine);
void engine_stop(struct engine *engine);
void engine_hint(struct engine *engine, enum engine_hint hint);
/* A token from the app. Online, the hub is told. */
void engine_take_token(struct engine *engine, const char *token);
/* Someone else wrote to the store. */
void engine_look_again(struct engine *engine);
enum engine_state engine_state(const struct engine *engine);
int engine_error(const struct engine *engine);
/* While waiting: for how long yet. */
uint64_t engine_wait_ms(const struct engine *engine);

/* Adds to the outbox under op (from the caller: a UUIDv7). ret_op, of LIMIT_OP_BYTES + 1, is as in errand_add(). */
__attribute__((warn_unused_result)) int engine_send(struct engine *engine, const char *op, struct slice conv, const char *kind,
                                                    const struct errand_target *target, struct slice body, char *ret_op);
__attribute__((warn_unused_result)) int engine_cancel(struct engine *engine, const char *op);
__attribute__((warn_unused_result)) int engine_retry(struct engine *engine, const char *op);
__attribute__((warn_unused_result)) int engine_read(struct engine *engine, struct slice conv, int64_t seq);
__attribute__((warn_unused_result)) int engine_subscribe(struct engine *engine, struct slice conv, bool subscribe);
/* Follows the presence of user for as long as this process lives, over all sessions. ENGINE_E_FULL: LIMIT_WATCHED_USERS are. */
__attribute__((warn_unused_result)) int engine_watch(struct engine *engine, struct slice user, bool watch);
/* Reports sync metrics to the hub, at most so often; 0: never, as at first. */
void engine_report_each(struct engine *engine, int64_t each_ms);
/* Any other request, without id and its braces: `"type":"typing",…`. What answers it is heard. ENGINE_E_OFFLINE unless online. */
__attribute__((warn_unused_result)) int engine_ask(struct engine *engine, struct slice fields);

/* ---- the network ---- */
void engine_on_open(struct engine *engine);
/* Everything that came in one breath: texts, each one message. */
void engine_on_texts(struct engine *engine, const struct slice *texts, size_t count);
void engine_on_heard(struct engine *engine);                                /* a sign of life that is no message */
void engine_on_closed(struct engine *engine, int code, const char *reason); /* 1006: lost */
void engine_on_refused(struct engine *engine, int http_status, int64_t retry_after_ms,
                       const char *reason); /* 0: nobody answers; -1: no hint */
