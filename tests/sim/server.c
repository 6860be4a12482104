/* SPDX-License-Identifier: Apache-2.0 */
/* server.c: see server.h. */
#include "tests/sim/server.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "fanout/keys.h"
#include "fanout/words.h"
#include "tests/sim/keyspace.h"
#include "tests/sim/library.h"
#include "tests/sim/saboteur.h"
#include "tests/sim/truth.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

enum { SERVER_KEY_BYTES = 512, SERVER_DOWN_US = 400000 };

/* Who subscribes to a channel: a node's channel has one subscriber. */
struct subscription {
        UT_hash_handle hh;
        struct link *link;
        size_t name_len;
        char name[];
};

static struct {
        struct keyspace *keys, *snapshot;
        struct library *library;
        struct subscription *subscriptions;
        uint64_t busy_us;
        bool down;
        unsigned past;
} server;

static void server_publish(struct slice channel, struct slice message);

void server_init(void) {
        memset(&server, 0, sizeof(server));
        server.keys = keyspace_new();
}

void server_deinit(void) {
        struct subscription *at, *next;
        HASH_ITER(hh, server.subscriptions, at, next) {
                HASH_DEL(server.subscriptions, at);
                free(at);
        }
        server.keys = keyspace_free(server.keys);
        server.snapshot = keyspace_free(server.snapshot);
        server.library = library_free(server.library);
}

bool server_is_up(void) {
        return !server.down;
}

uint64_t server_busy_until_us(void) {
        return server.busy_us;
}

struct keyspace *server_keys(void) {
        return server.keys;
}

struct slice server_key(unsigned key, struct slice id) {
        static char bytes[SERVER_KEY_BYTES];
        _cleanup_buf_ struct buf name = BUF_INIT(SERVER_KEY_BYTES);
        if (key == KEY_STORE || key == KEY_NODES)
                keys_add_in(&name, SERVER_PREFIX, (enum key)key, 0, id);
        else
                keys_add(&name, SERVER_PREFIX, (enum key)key, id);
        memcpy(bytes, name.ptr, name.len + 1);
        return (struct slice){ bytes, name.len };
}

struct slice server_epoch(void) {
        struct slice epoch = keyspace_field(server.keys, server_key(KEY_STORE, SLICE("store")), SLICE("epoch"));
        return epoch.ptr ? epoch : SLICE("");
}

unsigned server_past(void) {
        return server.past;
}

/* ---- channels ---- */

static struct redisReply *server_push(const char *kind, struct slice channel, struct slice message) {
        struct redisReply *reply = library_reply(REDIS_REPLY_ARRAY, 0, (struct slice){ 0 }, 3);
        reply->element[0] = library_reply(REDIS_REPLY_STRING, 0, slice_of(kind), 0);
        reply->element[1] = library_reply(REDIS_REPLY_STRING, 0, channel, 0);
        reply->element[2] = library_reply(REDIS_REPLY_STRING, 0, message, 0);
        return reply;
}

static void server_publish(struct slice channel, struct slice message) {
        struct subscription *at = NULL;
        HASH_FIND(hh, server.subscriptions, channel.ptr, channel.len, at);
        if (!at)
                return;
        if (world_strikes(TROUBLE_LOSSES, message.ptr[0] == 'K' ? 4 : 60)) { /* that a session was replaced is said seldom enough */
                world_trace("a publication is lost: %.*s", (int)message.len, message.ptr);
                return;
        }
        struct slice texts[SABOTEUR_MESSAGES];
        size_t count = saboteur_message(channel, message, texts);
        for (size_t i = 0; i < count; i++)
                wires_push(at->link, server_push("smessage", channel, texts[i]));
}

static void server_subscribe(struct link *link, struct slice channel) {
        struct subscription *at = NULL;
        HASH_FIND(hh, server.subscriptions, channel.ptr, channel.len, at);
        if (!at) {
                at = calloc(1, sizeof(*at) + channel.len);
                if (!at)
                        abort();
                at->name_len = channel.len;
                memcpy(at->name, channel.ptr, channel.len);
                HASH_ADD_KEYPTR(hh, server.subscriptions, at->name, at->name_len, at);
        }
        at->link = link;
        wires_push(link, server_push("ssubscribe", channel, SLICE("1")));
}

void server_forget_link(const struct link *link) {
        struct subscription *at, *next;
        HASH_ITER(hh, server.subscriptions, at, next) {
                if (at->link != link)
                        continue;
                HASH_DEL(server.subscriptions, at);
                free(at);
        }
}

/* ---- commands ---- */

static struct redisReply *server_error(const char *text) {
        return library_reply(REDIS_REPLY_ERROR, 0, slice_of(text), 0);
}

static struct redisReply *server_call_one(struct slice name, size_t keys_count, size_t argc, const struct slice *argv) {
        struct redisReply *reply = saboteur_instead(name, keys_count, argc, argv);
        if (reply)
                return reply;
        truth_before_call(name, keys_count, argv);
        reply = library_call(server.library, server.keys, name, keys_count, argc, argv);
        if (!reply)
                return server_error("ERR Function not found");
        truth_after_call(name, keys_count, argc, argv, reply);
        saboteur_reply(name, keys_count, argv, reply);
        return reply;
}

/* Taken apart here instead of by lua/batch.lua, so that each of its calls is looked at. */
static struct redisReply *server_batch(size_t keys_count, size_t argc, const struct slice *argv) {
        struct redisReply *reply = library_reply(REDIS_REPLY_ARRAY, 0, (struct slice){ 0 }, argc);
        struct slice *call = calloc(argc, sizeof(*call));
        size_t count = 0, key = 0;
        if (!call)
                abort();
        for (size_t at = keys_count + 2; at < argc;) { /* behind channels and counters */
                struct slice shape = argv[at], function = words_take(&shape, ' ');
                size_t keys = words_uint(words_take(&shape, ' ')), args = words_uint(shape);
                WORLD_DEMAND(key + keys <= keys_count && at + 1 + args <= argc, "a batch with fewer pieces than it says");
                memcpy(call, argv + key, keys * sizeof(*call));
                memcpy(call + keys, argv + at + 1, args * sizeof(*call));
                reply->element[count++] = server_call_one(function, keys, keys + args, call);
                key += keys;
                at += 1 + args;
        }
        reply->elements = count;
        free(call);
        return reply;
}

static struct redisReply *server_call(size_t argc, const struct slice *argv) {
        size_t keys_count = strtoul(argv[2].ptr, NULL, 10);
        WORLD_DEMAND(keys_count + 3 <= argc, "a call with fewer keys than it says");
        if (!server.library)
                return server_error("ERR Function not found");
        if (slice_is(argv[1], "b1_batch"))
                return server_batch(keys_count, argc - 3, argv + 3);
        return server_call_one(argv[1], keys_count, argc - 3, argv + 3);
}

static struct redisReply *server_get_all(size_t argc, const struct slice *argv) {
        struct redisReply *reply = library_reply(REDIS_REPLY_ARRAY, 0, (struct slice){ 0 }, argc - 1);
        for (size_t i = 1; i < argc; i++) {
                struct slice value = keyspace_get(server.keys, argv[i]);
                char text[24];
                if (value.ptr)
                        value = saboteur_counter(argv[i], value, text, sizeof(text));
                reply->element[i - 1] = library_reply(value.ptr ? REDIS_REPLY_STRING : REDIS_REPLY_NIL, 0, value, 0);
        }
        return reply;
}

struct redisReply *server_execute(struct link *link, size_t argc, const struct slice *argv) {
        if (slice_is(argv[0], "FCALL") || slice_is(argv[0], "FCALL_RO"))
                return server_call(argc, argv);
        if (slice_is(argv[0], "MGET"))
                return server_get_all(argc, argv);
        if (slice_is(argv[0], "SPUBLISH")) {
                server_publish(argv[1], argv[2]);
                return library_reply(REDIS_REPLY_INTEGER, 1, (struct slice){ 0 }, 0);
        }
        if (slice_is(argv[0], "SSUBSCRIBE")) {
                server_subscribe(link, argv[1]);
                return NULL;
        }
        if (slice_is(argv[0], "FUNCTION") && argc == 4) {
                library_free(server.library);
                server.library = library_new(argv[3], server_publish);
                return library_reply(REDIS_REPLY_STRING, 0, SLICE("belfry1"), 0);
        }
        world_fail("the model of Redis has no command %.*s", (int)argv[0].len, argv[0].ptr);
}

/* ---- faults ---- */

void server_stall(uint64_t span_us) {
        if (server.busy_us > world.now_us)
                return;
        world_trace("the store stalls for %llu ms", (unsigned long long)(span_us / 1000));
        server.busy_us = world_pause_end(span_us);
}

static void server_come_up(void *arg) {
        server.down = false;
        world_trace("the store is up again");
}

/* Counters of nodes are never on the disk. */
static void server_forget_counters(void) {
        struct slice key;
        for (size_t i = 0; (key = keyspace_key(server.keys, i)).ptr;) {
                char name[SERVER_KEY_BYTES];
                snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
                if (strstr(name, "}:n:"))
                        keyspace_delete(server.keys, key);
                else
                        i++;
        }
}

void server_restart(void) {
        if (server.down)
                return;
        server_forget_counters();
        world_trace("the store restarts");
        server.down = true;
        wires_sever_all();
        world_after(20000 + world_chance(SERVER_DOWN_US), server_come_up, &server);
}

void server_snapshot(void) {
        keyspace_free(server.snapshot);
        server.snapshot = keyspace_clone(server.keys);
        truth_snapshot();
}

bool server_roll_back(void) {
        if (!server.snapshot || server.down)
                return false;
        world_trace("the store goes back to an older state");
        server_restart();
        keyspace_free(server.keys);
        server.keys = keyspace_clone(server.snapshot);
        server_forget_counters();
        server.past++;
        truth_roll_back();
        return true;
}

void server_wipe(void) {
        world_trace("the store loses all");
        server.keys = keyspace_free(server.keys);
        server.keys = keyspace_new();
        server.snapshot = keyspace_free(server.snapshot);
        server.past++;
        truth_wipe();
}
