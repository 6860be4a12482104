/* SPDX-License-Identifier: Apache-2.0 */
/* truth.c: see truth.h. Reads the keyspace, not the hubs. */
#include "tests/sim/truth.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "fanout/keys.h"
#include "fanout/store.h"
#include "fanout/words.h"
#include "tests/sim/device.h"
#include "tests/sim/keyspace.h"
#include "tests/sim/server.h"
#include "tests/sim/sites.h"
#include "tests/sim/world.h"

enum { TRUTH_OP_BYTES = 24, TRUTH_ACKS = 64 };

static const char *const users[TRUTH_USERS] = { "u0", "u1", "u2", "u3", "u4", "u5" };
static const char *const convs[TRUTH_CONVS] = { "c0", "c1", "c2", "c3", "c4" };

struct stored {
        UT_hash_handle hh;
        int conv;
        uint64_t seq;
        bool kept; /* in the snapshot */
        char op[TRUTH_OP_BYTES];
};

static struct {
        struct stored *ops; /* in the order in which they were stored */
        int64_t joined[TRUTH_CONVS][TRUTH_USERS], kept_joined[TRUTH_CONVS][TRUTH_USERS];
        unsigned deleted[TRUTH_CONVS]; /* how often */
} truth;

static void truth_forget_members(void) {
        for (int c = 0; c < TRUTH_CONVS; c++)
                for (int u = 0; u < TRUTH_USERS; u++)
                        truth.joined[c][u] = -1;
}

void truth_init(void) {
        memset(&truth, 0, sizeof(truth));
        truth_forget_members();
}

static void truth_forget_ops(bool but_kept) {
        struct stored *stored, *next;
        HASH_ITER(hh, truth.ops, stored, next) {
                if (but_kept && stored->kept)
                        continue;
                HASH_DEL(truth.ops, stored);
                free(stored);
        }
}

void truth_deinit(void) {
        truth_forget_ops(false);
}

struct slice truth_user(int index) {
        return slice_of(users[index]);
}

struct slice truth_conv(int index) {
        return slice_of(convs[index]);
}

int truth_find_user(struct slice user) {
        for (int i = 0; i < TRUTH_USERS; i++)
                if (slice_is(user, users[i]))
                        return i;
        return -1;
}

int truth_find_conv(struct slice conv) {
        for (int i = 0; i < TRUTH_CONVS; i++)
                if (slice_is(conv, convs[i]))
                        return i;
        return -1;
}

/* ---- what the store does ---- */

static struct slice truth_user_epoch(struct slice user) {
        struct slice epoch = keyspace_field(server_keys(), server_key(KEY_USER, user), SLICE("epoch"));
        return epoch.ptr ? epoch : SLICE("");
}

static uint64_t truth_cursor_before[TRUTH_ACKS];

/* A cursor rises only to what its device acknowledged, in this epoch: for each of the call, whose user's key is that of argv. */
static void truth_look_at_acks(size_t count, const struct slice *argv, bool after) {
        for (size_t i = 0; i < count && i < TRUTH_ACKS; i++) {
                const char *at = strrchr(argv[i * TRUTH_ACK_KEYS].ptr, ':');
                struct slice user = slice_of(at + 1), device = argv[count * TRUTH_ACK_KEYS + 1 + i * 4];
                uint64_t n = 0;
                bool known = truth_cursor(user, device, &n);
                if (!after)
                        truth_cursor_before[i] = known ? n : UINT64_MAX;
                for (int k = 0; after && known && n > truth_cursor_before[i] && k < DEVICES; k++)
                        if (slice_equal(device_user(device_get(k)), user) && slice_equal(device_name(device_get(k)), device))
                                WORLD_DEMAND(device_may_have_acked(device_get(k), truth_user_epoch(user), n),
                                             "the cursor of %.*s.%.*s rises to %" PRIu64 ", which it did not acknowledge", (int)user.len, user.ptr,
                                             (int)device.len, device.ptr, n);
        }
}

void truth_before_call(struct slice name, size_t keys_count, const struct slice *argv) {
        if (slice_is(name, "b1_ack"))
                truth_look_at_acks(keys_count / TRUTH_ACK_KEYS, argv, false);
}

static void truth_on_append(const struct slice *args, const struct redisReply *reply) {
        struct slice answer = store_text(reply), said = args[5], op = words_take(&said, '\n');
        struct stored *stored = NULL;
        int conv = truth_find_conv(args[0]);
        for (int i = 0; i < 4; i++) /* kind, ref, from, device */
                words_take(&op, ' ');
        if (!slice_is(words_take(&answer, ' '), "ok") || conv < 0)
                return;
        HASH_FIND(hh, truth.ops, op.ptr, op.len, stored);
        WORLD_DEMAND(!stored, "%.*s is stored twice", (int)op.len, op.ptr);
        stored = calloc(1, sizeof(*stored));
        if (!stored || op.len >= TRUTH_OP_BYTES)
                abort();
        stored->conv = conv;
        stored->seq = words_uint(answer);
        memcpy(stored->op, op.ptr, op.len);
        HASH_ADD_KEYPTR(hh, truth.ops, stored->op, op.len, stored);
        world_trace("the store: %s is %s %llu", stored->op, convs[conv], (unsigned long long)stored->seq);
}

/* What its head says (lua/head.lua). */
static uint64_t truth_log_base(struct slice conv) {
        struct slice head = keyspace_get(server_keys(), server_key(KEY_CONV_HEAD, conv));
        return head.ptr ? words_uint(head) : 0;
}

uint64_t truth_seq(struct slice conv) {
        return truth_log_base(conv) + keyspace_length(server_keys(), server_key(KEY_LOG, conv));
}

static void truth_on_delete(struct slice conv_name) {
        int conv = truth_find_conv(conv_name);
        struct stored *stored, *next;
        HASH_ITER(hh, truth.ops, stored, next) {
                if (stored->conv != conv)
                        continue;
                HASH_DEL(truth.ops, stored);
                free(stored);
        }
        truth.deleted[conv]++;
}

static void truth_on_change(struct slice conv_name) {
        int conv = truth_find_conv(conv_name);
        if (conv < 0)
                return;
        for (int u = 0; u < TRUTH_USERS; u++) {
                bool is_member = keyspace_field(server_keys(), server_key(KEY_MEMBERS, truth_conv(conv)), truth_user(u)).ptr != NULL;
                if (is_member && truth.joined[conv][u] < 0)
                        truth.joined[conv][u] = (int64_t)truth_seq(truth_conv(conv));
                else if (!is_member)
                        truth.joined[conv][u] = -1;
        }
        world_trace("the store: the members of %s changed", convs[conv]);
}

void truth_after_call(struct slice name, size_t keys_count, size_t argc, const struct slice *argv, const struct redisReply *reply) {
        const struct slice *args = argv + keys_count;
        if (slice_is(name, "b1_append"))
                truth_on_append(args, reply);
        if (slice_is(name, "b1_ack"))
                truth_look_at_acks(keys_count / TRUTH_ACK_KEYS, argv, true);
        if (slice_is(name, "b1_delete") && slice_is(store_text(store_item(reply, 0)), "ok"))
                truth_on_delete(args[0]);
        if (slice_is(name, "b1_change") || slice_is(name, "b1_delete"))
                truth_on_change(args[0]);
        else if ((slice_is(name, "b1_detach") || slice_is(name, "b1_prune")) && store_int(reply))
                world_trace("the store: %.*s of %.*s %.*s", (int)name.len, name.ptr, (int)args[2].len, args[2].ptr, (int)args[3].len, args[3].ptr);
        else if (slice_is(name, "b1_leave"))
                world_trace("the store: %.*s leaves", (int)args[0].len, args[0].ptr);
        else if (slice_is(name, "b1_attach"))
                world_trace("the store: attach of %.*s.%.*s, session %.*s on %.*s, again %.*s", (int)args[2].len, args[2].ptr,
                            (int)args[3].len, args[3].ptr, (int)args[5].len, args[5].ptr, (int)args[4].len, args[4].ptr,
                            (int)args[11].len, args[11].ptr);
}

void truth_snapshot(void) {
        for (struct stored *stored = truth.ops; stored; stored = stored->hh.next)
                stored->kept = true;
        memcpy(truth.kept_joined, truth.joined, sizeof(truth.joined));
}

void truth_roll_back(void) {
        truth_forget_ops(true);
        memcpy(truth.joined, truth.kept_joined, sizeof(truth.joined));
        for (int i = 0; i < DEVICES; i++)
                device_doubt(device_get(i), truth_head(device_user(device_get(i))));
}

void truth_wipe(void) {
        truth_forget_ops(false);
        truth_forget_members();
}

/* ---- what is so ---- */

unsigned truth_past(int conv) {
        return server_past() + truth.deleted[conv];
}

bool truth_was_deleted(int conv) {
        return truth.deleted[conv] > 0;
}

bool truth_find_op(struct slice op, int *ret_conv, uint64_t *ret_seq) {
        struct stored *stored = NULL;
        HASH_FIND(hh, truth.ops, op.ptr, op.len, stored);
        if (!stored)
                return false;
        *ret_conv = stored->conv;
        *ret_seq = stored->seq;
        return true;
}

int64_t truth_joined(int conv, int user) {
        return truth.joined[conv][user];
}

void truth_log(int conv, uint64_t *ret_first, uint64_t *ret_last) {
        size_t length = keyspace_length(server_keys(), server_key(KEY_LOG, truth_conv(conv)));
        *ret_first = *ret_last = 0;
        if (!length)
                return;
        *ret_first = truth_log_base(truth_conv(conv)) + 1;
        *ret_last = truth_seq(truth_conv(conv));
}

uint64_t truth_base(struct slice user) {
        struct slice head = keyspace_get(server_keys(), server_key(KEY_HEAD, user));
        return head.ptr ? words_uint(head) : 0;
}

uint64_t truth_head(struct slice user) {
        return truth_base(user) + keyspace_length(server_keys(), server_key(KEY_INBOX, user));
}

bool truth_marks(int conv, struct slice user, uint64_t *ret_delivered, uint64_t *ret_read) {
        struct slice packed = keyspace_field(server_keys(), server_key(KEY_MEMBERS, truth_conv(conv)), user);
        if (!packed.ptr)
                return false;
        words_take(&packed, ' ');
        *ret_delivered = words_uint(words_take(&packed, ' '));
        *ret_read = words_uint(packed);
        return true;
}

bool truth_cursor(struct slice user, struct slice device, uint64_t *ret_n) {
        struct slice packed = keyspace_field(server_keys(), server_key(KEY_DEVICES, user), device);
        if (packed.ptr)
                *ret_n = words_uint(packed);
        return packed.ptr != NULL;
}

static struct slice truth_live(struct slice user) {
        struct slice live = keyspace_field(server_keys(), server_key(KEY_USER, user), SLICE("live"));
        return live.ptr ? live : SLICE("");
}

const char *truth_presence(struct slice user) {
        struct slice live = truth_live(user);
        bool online = false, away = false;
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                for (int i = 0; i < 3; i++)
                        words_take(&line, ' ');
                struct slice flags = words_take(&line, ' ');
                online |= slice_is(flags, "o");
                away |= slice_is(flags, "a");
        }
        if (keyspace_field(server_keys(), server_key(KEY_USER, user), SLICE("inv")).ptr)
                return "offline";
        return online ? "online" : away ? "away" : "offline";
}

/* Exactly the sessions that are open are registered, each on a node that lives. */
static const char *truth_complain_of_live(int user) {
        static char text[160];
        struct slice live = truth_live(truth_user(user));
        int lines = 0, open = 0;
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                struct slice name = words_take(&line, ' '), session = words_take(&line, ' '), node = words_take(&line, ' ');
                bool known = false, lives = false;
                for (int i = 0; i < DEVICES; i++)
                        known |= slice_equal(device_user(device_get(i)), truth_user(user)) && slice_equal(device_name(device_get(i)), name) &&
                                 slice_equal(device_session(device_get(i)), session);
                for (int i = 0; i < SITES; i++)
                        lives |= slice_equal(sites_node(i), node);
                snprintf(text, sizeof(text), "session %.*s of %s.%.*s on node %.*s is registered and %s", (int)session.len, session.ptr, users[user],
                         (int)name.len, name.ptr, (int)node.len, node.ptr, known ? "its node does not live" : "is none");
                if (!known || !lives)
                        return text;
                lines++;
        }
        for (int i = 0; i < DEVICES; i++) {
                snprintf(text, sizeof(text), "%.*s.%.*s has two sessions", (int)device_user(device_get(i)).len, device_user(device_get(i)).ptr,
                         (int)device_name(device_get(i)).len, device_name(device_get(i)).ptr);
                if (sites_sessions(device_user(device_get(i)), device_name(device_get(i))) > 1)
                        return text;
        }
        for (int i = 0; i < DEVICES; i++)
                open += slice_equal(device_user(device_get(i)), truth_user(user)) && device_session(device_get(i)).len;
        snprintf(text, sizeof(text), "%d sessions of %s are open and %d registered", open, users[user], lines);
        return lines == open ? NULL : text;
}

const char *truth_complaint(void) {
        const char *complaint = NULL;
        for (int p = 0; p < PARTITIONS && !complaint; p++) {
                char key[32];
                int len = snprintf(key, sizeof(key), SERVER_PREFIX ":{%d}:w:", p);
                if (keyspace_length(server_keys(), (struct slice){ key, (size_t)len }))
                        complaint = "a delivery is pending";
        }
        for (int u = 0; u < TRUTH_USERS && !complaint; u++)
                complaint = truth_complain_of_live(u);
        return complaint;
}
