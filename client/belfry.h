/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * belfry.h: libbelfry, the device's half of Belfry: a store that is always readable, an outbox that loses nothing, and a
 * connection that comes back by itself.
 *
 *      struct belfry_options options = { .url = "https://chat.example.org", .token = jwt, .store = "alice.db", .on_event = show };
 *      struct belfry *client;
 *
 *      if (belfry_open(&options, &client) == BELFRY_OK && belfry_run(client) == BELFRY_OK) {
 *              belfry_start(client);
 *              belfry_send(client, "lunch", "{\"text\":\"Pizza?\"}", NULL); // on the disk when it returns, whether online or not
 *      }
 *      …
 *      belfry_close(client);
 *
 * THE LOOP. Either belfry_run() starts a thread that does everything, or your own loop does: wait until belfry_fd() is readable
 * or belfry_timeout_ms() has passed, then call belfry_step(), from one thread. All other functions may be called from any thread,
 * also from on_event. None of them waits for the network but belfry_sync_once(), and none for another than the disk.
 *
 * EVENTS. on_event comes from the thread of belfry_run(), or from inside belfry_step(), one at a time, in the order of what
 * happened. What it is told is in the store already. Each event is a JSON object as text:
 *
 *      {"type":"state","state":"online"}                        off connecting online waiting stopped standby (another process
 *                                                               has the connection), with code and reason of what ended it
 *      {"type":"message","n":18,"conv":"c1","seq":5,"from":"bob","op":"…","at":…,"body":…,"change":41}    and edit, delete, react
 *      {"type":"message",…,"changed":"edited","change":42}      a message reads otherwise: edited, deleted, reacted
 *      {"type":"outbox","op":"…","conv":"c1","state":"sending","change":43}
 *                                                               pending, sending, synced (with its seq), conflicted, expired,
 *                                                               failed (with reason, message, retryable), cancelled, edited
 *      {"type":"receipt"|"member"|"members"|"notification"|"conversation"|"gap"|"reset"|"reloaded",…,"change":…}
 *      {"type":"typing"|"signal"|"presence"|"caught_up"|…}      of the moment: not stored, no change
 *      {"type":"fault","code":3,"message":"…"}                  the store fails: nothing is lost, but nothing moves
 *
 * `change` numbers what is in the store: it only rises, over all processes and restarts. Who keeps the last one it has dealt with
 * (belfry_options.after) is told the rest exactly once.
 *
 * STATES of what you send: pending → sending → synced. A lost connection makes it pending again and costs nothing. The hub may
 * refuse: failed (retryable or not) and conflicted are set aside and hold up nobody; belfry_retry() and belfry_cancel()
 * are yours to call. In one conversation the order is kept. What waits for 6 days is expired.
 *
 * OWNERSHIP. What you pass is copied; what you are handed is lent until you return. Bodies are JSON text. Several processes may
 * open one store: the first that starts has the connection, the others wait to take over, and what they send goes out all the
 * same (set shared in all of them).
 *
 * ERRORS. Functions return BELFRY_OK or a BELFRY_E_…; nothing was done then. Every one has its sentence: belfry_error().
 */
/* clang-format on */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELFRY_API __attribute__((visibility("default")))

struct belfry;

enum {
        BELFRY_OK,
        BELFRY_E_MEMORY,    /* out of memory */
        BELFRY_E_FULL,      /* the disk is full, or too much waits in the outbox */
        BELFRY_E_LOCKED,    /* another process holds the store for too long */
        BELFRY_E_CORRUPT,   /* the store is no database, or a damaged one */
        BELFRY_E_DISK,      /* the store cannot be opened, read or written */
        BELFRY_E_NEWER,     /* the store was written by a later version */
        BELFRY_E_OTHER,     /* the store belongs to another user */
        BELFRY_E_INVALID,   /* an argument is not what it must be: an id, JSON, a URL */
        BELFRY_E_TOO_LARGE, /* a body that the hub would not take */
        BELFRY_E_NOT_FOUND, /* there is no such item, entry or conversation here */
        BELFRY_E_MAYBE,     /* cannot be cancelled: the hub may have it. Delete it instead */
        BELFRY_E_WAITS,     /* waits already: nothing to retry */
        BELFRY_E_OFFLINE,   /* only while online */
        BELFRY_E_TOKEN,     /* there is no token, or the hub refuses it */
        BELFRY_E_NETWORK,   /* the hub cannot be reached, or does not answer as a hub */
        BELFRY_E_LATE,      /* the deadline passed; what was done is done */
        BELFRY_E_RUNNING,   /* belfry_run() was called before */
};

struct belfry_options {
        const char *url;     /* http, https, ws or wss */
        const char *token;   /* a JWT, or NULL: on_token is asked */
        const char *device;  /* if the token names none; NULL: one is made, and the store keeps it */
        const char *user;    /* if the token cannot be read */
        const char *store;   /* a file; it is made if there is none, with -wal, -shm and -lock beside it */
        const char *ca_file; /* NULL: the system's authorities */
        bool shared;         /* other processes use the store, too: look 10 times a second for what they did */
        int64_t report_ms;   /* 0: no; 60,000 or more: report sync metrics to the hub, at most so often */
        int64_t after;       /* tell what changed after this; 0: what changes from now on; -1: all that is remembered */
        void *context;
        void (*on_event)(struct belfry *client, const char *json, size_t len, void *context);
        /* A token, NUL-terminated, into out: true if there is one. fresh: the one before was refused or is about to expire. It
         * must not call the client. Without it, and without a token, the client waits for belfry_set_token(). */
        bool (*on_token)(bool fresh, char *out, size_t size, void *context);
};

/* One line of JSON of a list; return false to end the list. */
typedef bool (*belfry_each_fn)(void *context, const char *json, size_t len);

/* ---- life ---- */

BELFRY_API int belfry_open(const struct belfry_options *options, struct belfry **ret_client);
/* Says goodbye, ends the thread, frees. Not from on_event. NULL is fine. */
BELFRY_API void belfry_close(struct belfry *client);
BELFRY_API const char *belfry_error(int error);
BELFRY_API const char *belfry_version(void);

/* ---- the loop: one or the other ---- */

BELFRY_API int belfry_run(struct belfry *client);
BELFRY_API int belfry_fd(struct belfry *client);
BELFRY_API int belfry_timeout_ms(struct belfry *client); /* at most 1000 */
BELFRY_API void belfry_step(struct belfry *client);

/* ---- the connection ---- */

BELFRY_API void belfry_start(struct belfry *client); /* connect, and stay connected */
BELFRY_API void belfry_stop(struct belfry *client);
BELFRY_API int belfry_set_token(struct belfry *client, const char *token);
/* What the system says of the network, as often as it says it. There is one: a wait ends at once, and the link is probed, as it
 * may be of the network before. There is none: the link is given up at once, not when it has been silent for long enough. */
BELFRY_API void belfry_network_changed(struct belfry *client, bool there_is_one);
/* Does anyone look? No: what is stored is acknowledged at once, and the hub is asked, and dialled, more rarely. Yes: a wait ends
 * at once, and a link that was silent for 5 s is probed. */
BELFRY_API void belfry_foreground(struct belfry *client, bool in_foreground);

struct belfry_synced {
        int64_t events, sent, requests;
};
/* A whole background sync, such as a silent push asks for: the outbox out, events in, acknowledged, and after a gap or a reset
 * what they made due loaded. Returns when all is done, or fails, or after deadline_ms. May be killed at any instant. result may
 * be NULL. Not from on_event. */
BELFRY_API int belfry_sync_once(struct belfry *client, int64_t deadline_ms, struct belfry_synced *result);

/* ---- sending: each is in the store when it returns ---- */

enum { BELFRY_OP_SIZE = 65 };
/* What an edit, a deletion or a reaction is about: seq, or op if the message may still wait in the outbox. */
struct belfry_about {
        const char *op;
        int64_t seq;
};
/* op: NULL, or BELFRY_OP_SIZE bytes for the name of the item that carries it; "" if it was folded into the message, which waits.
 */
BELFRY_API int belfry_send(struct belfry *client, const char *conv, const char *body, char *op);
BELFRY_API int belfry_edit(struct belfry *client, const char *conv, struct belfry_about about, const char *body, char *op);
BELFRY_API int belfry_delete(struct belfry *client, const char *conv, struct belfry_about about, char *op);
BELFRY_API int belfry_react(struct belfry *client, const char *conv, struct belfry_about about, const char *body, char *op);
BELFRY_API int belfry_cancel(struct belfry *client, const char *op);
BELFRY_API int belfry_retry(struct belfry *client, const char *op);
/* The user has read up to seq. Told when there is a connection. */
BELFRY_API int belfry_read(struct belfry *client, const char *conv, int64_t seq);

/* ---- of the moment: only while online ---- */

BELFRY_API int belfry_typing(struct belfry *client, const char *conv, bool active);
BELFRY_API int belfry_signal(struct belfry *client, const char *conv, const char *body);
/* The presence of a user, as events, while this process lives: also offline, and again after each reconnect. */
BELFRY_API int belfry_watch(struct belfry *client, const char *user, bool watch);
/* A channel: its entries, and again after each reconnect. Also offline. */
BELFRY_API int belfry_subscribe(struct belfry *client, const char *conv, bool subscribe);
/* A page of older entries (before 0: the latest), or the members, into the store; events tell. */
BELFRY_API int belfry_load(struct belfry *client, const char *conv, int64_t before, int limit);
BELFRY_API int belfry_load_members(struct belfry *client, const char *conv);
/* Any request of the protocol, without id; an event brings its reply. */
BELFRY_API int belfry_ask(struct belfry *client, const char *json);

/* ---- reading the store ---- */

BELFRY_API int belfry_conversations(struct belfry *client, belfry_each_fn each, void *context);
/* Messages, oldest first, up to limit of them before seq (0: the latest), as they will be when all that waits is done: with the
 * edits and deletions of the outbox. New ones that wait there are in belfry_outbox(). */
BELFRY_API int belfry_entries(struct belfry *client, const char *conv, int64_t before, int limit, belfry_each_fn each,
                              void *context);
/* What waits or was set aside; conv NULL: everywhere. */
BELFRY_API int belfry_outbox(struct belfry *client, const char *conv, belfry_each_fn each, void *context);
BELFRY_API int belfry_receipts(struct belfry *client, const char *conv, belfry_each_fn each, void *context);
/* One item of the outbox, or the entry that it has become. */
BELFRY_API int belfry_find(struct belfry *client, const char *op, belfry_each_fn each, void *context);
/* {"epoch","n","change"}: where the device stands. */
BELFRY_API int belfry_place(struct belfry *client, belfry_each_fn each, void *context);
/* Sync metrics, since the store was made: docs/client-c.md lists them. */
BELFRY_API int belfry_metrics(struct belfry *client, belfry_each_fn each, void *context);

#ifdef __cplusplus
}
#endif
