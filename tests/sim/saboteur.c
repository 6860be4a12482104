/* SPDX-License-Identifier: Apache-2.0 */
/* saboteur.c: see saboteur.h. Packed texts are those of fanout/lua/common.lua and fanout/node.c. */
#include "tests/sim/saboteur.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "fanout/store.h"
#include "fanout/words.h"
#include "tests/sim/device.h"
#include "tests/sim/keyspace.h"
#include "tests/sim/library.h"
#include "tests/sim/server.h"
#include "tests/sim/truth.h"
#include "tests/sim/world.h"

enum { SABOTEUR_BYTES = 1 << 20, SABOTEUR_NAME = 64 };

/* How far the counters of a node in a partition are off. */
struct shift {
        UT_hash_handle hh;
        long long by;
        char name[SABOTEUR_NAME]; /* of the counter's key */
};

static struct shift *shifts;
static char *held; /* a publication that waits for its successor */
static size_t held_len;

/*
 * A publication taken apart: "<letter> <counter> <header>" with \n and a body behind it, or with one event of users (lua/tell.lua)
 * "Z <counter> \n 0xff <letter> <header> \n <body> 0xfe <users>". Of several events, which no plant touches, users is what is behind the first.
 */
struct parts {
        bool of_users;
        struct slice letter, header, body, users;
        long long counter;
};

static struct parts parts_of(struct slice message) {
        struct parts parts = { .header = words_take(&message, '\n') };
        parts.letter = words_take(&parts.header, ' ');
        parts.counter = (long long)words_uint(words_take(&parts.header, ' '));
        parts.of_users = slice_is(parts.letter, "Z");
        if (parts.of_users) {
                words_take(&message, '\xff');
                parts.header = words_take(&message, '\n');
                parts.letter = words_take(&parts.header, ' ');
                parts.body = words_take(&message, '\xfe');
                words_take(&message, ' ');
                parts.users = message;
        } else {
                parts.body = message;
        }
        return parts;
}

static char texts_of[SABOTEUR_MESSAGES][SABOTEUR_BYTES];

static struct slice join(int i, const struct parts *parts, struct slice users) {
        int len = parts->of_users ?
                snprintf(texts_of[i], SABOTEUR_BYTES, "Z %lld\n\xff%.*s %.*s\n%.*s\xfe %.*s", parts->counter, (int)parts->letter.len, parts->letter.ptr,
                         (int)parts->header.len, parts->header.ptr, (int)parts->body.len, parts->body.ptr, (int)users.len, users.ptr) :
                snprintf(texts_of[i], SABOTEUR_BYTES, "%.*s %lld %.*s\n%.*s", (int)parts->letter.len, parts->letter.ptr, parts->counter,
                         (int)parts->header.len, parts->header.ptr, (int)parts->body.len, parts->body.ptr);
        return (struct slice){ texts_of[i], (size_t)len };
}

/* The shift of a channel <prefix>:{p}:node:<node>, named as its counter <prefix>:{p}:n:<node>. */
static struct shift *shift_of(struct slice channel, bool make) {
        char name[SABOTEUR_NAME];
        struct shift *shift = NULL;
        const char *at = strstr(channel.ptr, ":node:");
        if (at)
                snprintf(name, sizeof(name), "%.*s:n:%s", (int)(at - channel.ptr), channel.ptr, at + 6);
        else
                snprintf(name, sizeof(name), "%.*s", (int)channel.len, channel.ptr);
        HASH_FIND_STR(shifts, name, shift);
        if (!shift && make) {
                shift = calloc(1, sizeof(*shift));
                if (!shift)
                        abort();
                memcpy(shift->name, name, sizeof(name));
                HASH_ADD_STR(shifts, name, shift);
        }
        return shift;
}

/* user n+1 user n+1 … */
static struct slice raise_users(struct slice users) {
        static char text[8192];
        size_t len = 0;
        while (users.len) {
                struct slice user = words_take(&users, ' ');
                unsigned long long n = words_uint(words_take(&users, ' '));
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s %llu", len ? " " : "", (int)user.len, user.ptr, n + 1);
        }
        return (struct slice){ text, len };
}

static size_t swap_messages(const struct parts *parts, struct slice message, struct slice *texts) {
        if (!held) {
                held = strndup(message.ptr, message.len);
                held_len = message.len;
                return 0;
        }
        struct parts first = parts_of((struct slice){ held, held_len }), second = *parts;
        struct parts swapped_first = second, swapped_second = first;
        swapped_first.counter = first.counter;
        swapped_second.counter = second.counter;
        texts[0] = join(0, &swapped_first, first.users);
        texts[1] = join(1, &swapped_second, second.users);
        free(held);
        held = NULL;
        return 2;
}

/* The watermarks of "R conv user delivered read" become those of long ago. */
static struct slice lower_receipt(const struct parts *parts) {
        static char text[512];
        struct slice rest = parts->header, conv = words_take(&rest, ' '), user = words_take(&rest, ' ');
        int len = snprintf(text, sizeof(text), "%.*s %.*s 1 0", (int)conv.len, conv.ptr, (int)user.len, user.ptr);
        return (struct slice){ text, (size_t)len };
}

/* The session that sent "M seq conv session" becomes another one. */
static struct slice change_session(const struct parts *parts) {
        static char text[4096];
        struct slice rest = parts->header, seq = words_take(&rest, ' '), conv = words_take(&rest, ' ');
        struct slice other = device_session(device_get((int)world_chance(DEVICES)));
        int len = snprintf(text, sizeof(text), "%.*s %.*s %.*s", (int)seq.len, seq.ptr, (int)conv.len, conv.ptr, (int)other.len, other.ptr);
        return (struct slice){ text, (size_t)len };
}

size_t saboteur_message(struct slice channel, struct slice message, struct slice *texts) {
        texts[0] = message;
        if (world.plant == PLANT_NONE)
                return 1;
        struct parts parts = parts_of(message);
        if (!parts.counter)
                return 1;
        struct shift *shift = shift_of(channel, true);
        bool entry = slice_is(parts.letter, "M"), receipt = slice_is(parts.letter, "R"), presence = slice_is(parts.letter, "P"), kick = slice_is(parts.letter, "K");
        if (((entry || receipt) && world_planted(PLANT_CHANNEL_DROP, 3)) || (presence && world_planted(PLANT_PRESENCE_LOST, 2)) ||
            (kick && world_planted(PLANT_KICK_LOST, 1))) {
                shift->by--;
                return 0;
        }
        parts.counter += shift->by;
        if (entry && (held || world_planted(PLANT_CHANNEL_SWAP, 10)))
                return swap_messages(&parts, join(2, &parts, parts.users), texts);
        if (receipt && world_planted(PLANT_RECEIPT_FALLS, 5))
                parts.header = lower_receipt(&parts);
        if (entry && world_planted(PLANT_BODY_WITHHELD, 3))
                parts.header = change_session(&parts);
        if (shift->by || world.plant == PLANT_RECEIPT_FALLS || world.plant == PLANT_BODY_WITHHELD)
                texts[0] = presence || kick ? message : join(0, &parts, parts.users);
        if (!entry || !world_planted(PLANT_CHANNEL_REPEAT, 5))
                return 1;
        shift->by++;
        parts.counter++;
        texts[1] = join(1, &parts, raise_users(parts.users));
        return 2;
}

struct slice saboteur_counter(struct slice key, struct slice value, char *text, size_t size) {
        struct shift *shift = world.plant == PLANT_NONE ? NULL : shift_of(key, false);
        if (!shift || !shift->by)
                return value;
        int len = snprintf(text, size, "%lld", (long long)words_uint(value) + shift->by);
        return (struct slice){ text, (size_t)len };
}

/* ---- calls ---- */

static struct redisReply *confirm_append(size_t keys_count, const struct slice *argv) {
        char text[64];
        int len = snprintf(text, sizeof(text), "ok %llu %lld", (unsigned long long)truth_seq(argv[keys_count]) + 1, (long long)world_wall_ms());
        return library_reply(REDIS_REPLY_STRING, 0, (struct slice){ text, (size_t)len }, 0);
}

static struct redisReply *confirm_acks(size_t count) {
        struct redisReply *reply = library_reply(REDIS_REPLY_ARRAY, 0, (struct slice){ 0 }, count);
        for (size_t i = 0; i < count; i++)
                reply->element[i] = library_reply(REDIS_REPLY_ARRAY, 0, (struct slice){ 0 }, 0);
        return reply;
}

/* The bytes of an argument, which are the call's own. */
static char *bytes_of(struct slice arg) {
        return (char *)(uintptr_t)arg.ptr;
}

struct redisReply *saboteur_instead(struct slice name, size_t keys_count, size_t argc, const struct slice *argv) {
        const struct slice *args = argv + keys_count;
        if (world.plant == PLANT_NONE)
                return NULL;
        if (slice_is(name, "b1_append") && world_planted(PLANT_APPEND_FORGET, 20))
                return confirm_append(keys_count, argv);
        if (slice_is(name, "b1_append") && world.plant == PLANT_APPEND_TWICE && world_planted(PLANT_APPEND_TWICE, 2))
                bytes_of(args[2])[0] = (char)world_chance(256);
        if (slice_is(name, "b1_ack") && world_planted(PLANT_ACK_SKIP, 3))
                return confirm_acks(keys_count / TRUTH_ACK_KEYS);
        if (slice_is(name, "b1_ack") && world_planted(PLANT_ACK_AHEAD, 3))
                bytes_of(args[2])[args[2].len - 1] = '9';
        if (slice_is(name, "b1_deliver") && world_planted(PLANT_DELIVER_FORGET, 1))
                return library_reply(REDIS_REPLY_INTEGER, 0, (struct slice){ 0 }, 0);
        return NULL;
}

static void change_text(struct redisReply *reply, struct slice text) {
        free(reply->str);
        reply->str = strndup(text.ptr, text.len);
        reply->len = text.len;
}

/* {epoch, base, head, pointer …} */
static void change_page(struct redisReply *reply) {
        for (size_t i = 3; i + 1 < reply->elements; i++) {
                struct redisReply *at = reply->element[i], *next = reply->element[i + 1];
                if (at->len == 0 || next->len == 0 || !strchr("mo", at->str[0]) || !strchr("mo", next->str[0]))
                        continue;
                if (world_planted(PLANT_INBOX_DROP, 4))
                        change_text(at, SLICE(""));
                else if (world_planted(PLANT_INBOX_REPEAT, 4))
                        change_text(next, store_text(at));
                else if (world_planted(PLANT_INBOX_SWAP, 4)) {
                        reply->element[i] = next;
                        reply->element[i + 1] = at;
                }
        }
}

void saboteur_reply(struct slice name, size_t keys_count, const struct slice *argv, struct redisReply *reply) {
        if (world.plant == PLANT_NONE)
                return;
        if (slice_is(name, "b1_sync"))
                change_page(reply);
        bool attached = slice_is(name, "b1_attach") && reply->elements >= 7;
        if (attached && reply->element[2]->integer < reply->element[3]->integer && world_planted(PLANT_ATTACH_CURSOR, 2))
                reply->element[2]->integer++;
        if (attached && reply->element[6]->integer && world_planted(PLANT_RESET_UNTOLD, 1))
                reply->element[6]->integer = 0;
}

/* ---- frames ---- */

static bool is_entry(struct slice frame) {
        static const char head[] = "{\"type\":\"message\",\"n\":";
        return frame.len > 40 && memmem(frame.ptr, 40, head, sizeof(head) - 1);
}

size_t saboteur_frames(struct slice *frames, size_t count) {
        if (world.plant == PLANT_NONE)
                return count;
        for (size_t i = 0; i < count; i++) {
                if (!is_entry(frames[i]))
                        continue;
                if (world_planted(PLANT_WIRE_DROP, 10)) {
                        memmove(frames + i, frames + i + 1, (--count - i) * sizeof(*frames));
                        return count;
                }
                if (world_planted(PLANT_WIRE_REPEAT, 10)) {
                        memmove(frames + i + 1, frames + i, (count - i) * sizeof(*frames));
                        return count + 1;
                }
                if (i + 1 < count && is_entry(frames[i + 1]) && world_planted(PLANT_WIRE_SWAP, 2)) {
                        struct slice first = frames[i];
                        frames[i] = frames[i + 1];
                        frames[i + 1] = first;
                        return count;
                }
        }
        return count;
}
