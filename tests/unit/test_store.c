/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c: calls to a real Redis: those that may go together do, in their order, and each has its own answer. */
#include "fanout/store.h"
#include "fanout/words.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "base/limits.h"
#include "base/link.h"
#include "fanout/keys.h"
#include "tests/unit/world.h"

struct stand {
        struct world *world;
        struct redis redis;
        struct link_address address;
        struct store *store;
        bool up, closed;
        int answers, answers_at_down;
        int64_t seqs[128];  /* of the appends, in the order of their answers */
        int64_t seen;       /* the seq that a read saw */
        int refused;        /* NULL came */
        char version[24];   /* of the member list */
};

static void on_up(void *context, bool changed) {
        ((struct stand *)context)->up = true;
}

static void on_down(void *context) {
        struct stand *stand = context;
        stand->up = false;
        stand->answers_at_down = stand->answers;
}

static void on_closed(void *context) {
        ((struct stand *)context)->closed = true;
}

static void on_append(void *arg, const struct redisReply *reply) {
        struct stand *stand = arg;
        stand->refused += !reply;
        struct slice answer = reply ? store_text(reply) : SLICE("");
        words_take(&answer, ' '); /* "", if it is a list, which is no success */
        stand->seqs[stand->answers++] = reply ? (int64_t)words_uint(answer) : -1;
}

static void on_members(void *arg, const struct redisReply *reply) {
        struct stand *stand = arg;
        stand->answers++;
        stand->seen = reply ? store_int(store_item(reply, 2)) : -1;
}

static void on_changed(void *arg, const struct redisReply *reply) {
        struct stand *stand = arg;
        stand->answers++;
        assert_non_null(reply);
        assert_true(slice_is(store_text(store_item(reply, 0)), "ok"));
        snprintf(stand->version, sizeof(stand->version), "%lld", (long long)store_int(store_item(reply, 1)));
}

static void stand_open(struct stand *stand, void **state) {
        char url[96];
        *stand = (struct stand){ .world = *state };
        redis_start(&stand->redis, stand->world);
        snprintf(url, sizeof(url), "unix://%s", stand->redis.socket);
        assert_int_equal(link_parse_address(url, &stand->address), 0);
        stand->store = store_open(&(struct store_options){ .loop = &stand->world->loop,
                                                          .address = &stand->address,
                                                          .prefix = "b",
                                                          .timeout_ms = 5000,
                                                          .context = stand,
                                                          .on_up = on_up,
                                                          .on_down = on_down });
        assert_non_null(stand->store);
        WAIT(stand->world, stand->up);
}

static void stand_close(struct stand *stand) {
        store_close(stand->store, on_closed, stand);
        WAIT(stand->world, stand->closed);
        link_address_deinit(&stand->address);
        if (stand->redis.pid)
                redis_kill(&stand->redis);
}

/* The conversation c with its only member ann. */
static void make(struct stand *stand) {
        static const char *const args[] = { "0", "group", "", "e", "1000", "1", "", "1", "joined", "ann", "member", "ann" };
        struct call *call = store_call(stand->store, "change");
        store_call_key(call, KEY_CONV, SLICE("c"));
        store_call_key(call, KEY_MEMBERS, SLICE("c"));
        store_call_key(call, KEY_LOG, SLICE("c"));
        store_call_key(call, KEY_USER, SLICE("ann"));
        store_call_key(call, KEY_INBOX, SLICE("ann"));
        store_call_arg_text(call, "c");
        for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
                store_call_arg_text(call, args[i]);
        assert_int_equal(store_call_send(call, on_changed, stand), 0);
}

/* By the backend, without names: nobody's list is asked for, as the entries are left to the sweeper. conv may be one that is none. */
static void append_then(struct stand *stand, const char *conv, int op, store_reply_fn cb) {
        static const enum key keys[] = { KEY_LOG, KEY_OPS, KEY_CONV_HEAD };
        struct call *call = store_call(stand->store, "append");
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                store_call_key(call, keys[i], slice_of(conv));
        store_call_arg_text(call, conv);
        store_call_arg_text(call, stand->version);
        store_call_arg_int(call, op);
        store_call_arg_text(call, "session");
        store_call_arg_text(call, "message 0 1 0 1000 1000 "); /* not all members are named, and nothing is pushed */
        store_call_arg_text(call, "message  x x x\n{}");
        assert_int_equal(store_call_send(call, cb, stand), 0);
}

static void append(struct stand *stand, const char *conv, int op) {
        append_then(stand, conv, op, on_append);
}

static void members(struct stand *stand) {
        struct call *call = store_call(stand->store, "members");
        store_call_key(call, KEY_CONV, SLICE("c"));
        store_call_key(call, KEY_MEMBERS, SLICE("c"));
        store_call_key(call, KEY_LOG, SLICE("c"));
        assert_int_equal(store_call_send(call, on_members, stand), 0);
}

static void calls_of_one_turn_go_together_and_in_order(void **state) {
        struct stand stand;
        stand_open(&stand, state);
        make(&stand);
        WAIT(stand.world, stand.answers == 1);
        size_t before = link_pending(store_link(stand.store));
        for (int op = 0; op < LIMIT_BUNDLE_CALLS + 6; op++)
                append(&stand, op == 3 ? "none" : "c", op);
        assert_int_equal(stand.answers, 1); /* never from inside */
        members(&stand);
        assert_int_equal(link_pending(store_link(stand.store)), before + 3); /* a full bundle, the rest, and the read behind them */
        append(&stand, "c", 1000);
        WAIT(stand.world, stand.answers == LIMIT_BUNDLE_CALLS + 9);
        assert_int_equal(stand.seen, LIMIT_BUNDLE_CALLS + 5); /* all that were called before, but for the one to none */
        stand_close(&stand);
}

static void what_comes_before_the_answer_goes_behind_it_as_one(void **state) {
        struct stand stand;
        stand_open(&stand, state);
        make(&stand);
        WAIT(stand.world, stand.answers == 1);
        struct link *link = store_link(stand.store);
        append(&stand, "c", 1);
        size_t before = link_pending(link);
        WAIT(stand.world, link_pending(link) == before + 1); /* nothing was under way: it left at once */
        for (int op = 2; op < 6; op++)
                append(&stand, "c", op);
        assert_int_equal(stand.answers, 1);
        bool held = true;
        while (stand.answers == 1) {
                held = held && link_pending(link) <= before + 1;
                uv_run(&stand.world->loop, UV_RUN_ONCE);
        }
        assert_true(held);
        assert_int_equal(stand.answers, 2); /* that of the first alone */
        WAIT(stand.world, stand.answers == 6);
        assert_int_equal(stand.seqs[5], 5);
        stand_close(&stand);
}

static void on_last_append(void *arg, const struct redisReply *reply) {
        struct stand *stand = arg;
        on_append(stand, reply);
        append(stand, "c", 9);
}

/* Redis answers a bundle of many and ends the connection; what is made of its answer is held back, as others may follow. */
static void nothing_is_held_for_the_store_that_comes_after_a_lost_link(void **state) {
        struct slice end[] = { SLICE("CLIENT"), SLICE("KILL"), SLICE("TYPE"), SLICE("normal"), SLICE("SKIPME"), SLICE("no") };
        struct stand stand;
        stand_open(&stand, state);
        make(&stand);
        WAIT(stand.world, stand.answers == 1);
        stand.answers = 0;
        for (int op = 0; op < 3; op++)
                append(&stand, "c", op);
        append_then(&stand, "c", 3, on_last_append);
        store_turn(stand.store);
        assert_int_equal(link_command(store_link(stand.store), 6, end, NULL, NULL), 0);
        WAIT(stand.world, !stand.up);
        assert_int_equal(stand.answers_at_down, 5);
        assert_int_equal(stand.refused, 1);
        WAIT(stand.world, stand.up);
        stand_close(&stand);
}

/* Each bundle is made the moment the one before is answered. They are 3 ms apart by the loop's clock, or more if the machine is slow. */
static void where_many_come_bundles_keep_a_distance(void **state) {
        enum { ROUNDS = 20, CALLS = 4, DISTANCE_MS = 3 };
        struct stand stand;
        stand_open(&stand, state);
        make(&stand);
        WAIT(stand.world, stand.answers == 1);
        uint64_t began_ms = uv_now(&stand.world->loop);
        for (int round = 0; round < ROUNDS; round++) {
                stand.answers = 0;
                for (int op = 0; op < CALLS; op++)
                        append(&stand, "c", round * CALLS + op);
                WAIT(stand.world, stand.answers == CALLS);
                assert_int_equal(stand.seqs[CALLS - 1], round * CALLS + CALLS);
        }
        assert_true(uv_now(&stand.world->loop) - began_ms >= (ROUNDS - 1) * DISTANCE_MS);
        stand_close(&stand);
}

static void each_call_has_its_own_answer(void **state) {
        struct stand stand;
        stand_open(&stand, state);
        make(&stand);
        WAIT(stand.world, stand.answers == 1);
        stand.answers = 0;
        append(&stand, "c", 1);
        append(&stand, "none", 2);
        append(&stand, "c", 3);
        append(&stand, "c", 1);
        WAIT(stand.world, stand.answers == 4);
        int64_t seqs[] = { 0, 0, 0, 0 };
        memcpy(seqs, stand.seqs, sizeof(seqs));
        assert_int_equal(seqs[1], 0); /* {'err', 'not_found'}, which is an answer */
        assert_int_equal(stand.refused, 0);
        assert_int_equal(seqs[0], seqs[3]); /* the same op */
        assert_int_equal(seqs[2], seqs[0] + 1);
        members(&stand);
        WAIT(stand.world, stand.answers == 5);
        assert_int_equal(stand.seen, 2);
        stand_close(&stand);
}

static void when_the_store_goes_away_all_that_waits_is_told(void **state) {
        struct stand stand;
        stand_open(&stand, state);
        append(&stand, "c", 1);
        append(&stand, "c", 2);
        redis_kill(&stand.redis);
        WAIT(stand.world, stand.answers == 2);
        assert_true(stand.refused == 2 || stand.refused == 0); /* lost on the way, or answered before it died */
        WAIT(stand.world, !stand.up);
        struct call *call = store_call(stand.store, "cast");
        assert_int_equal(store_call_send(call, on_append, &stand), STORE_E_UNAVAILABLE);
        stand_close(&stand);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(calls_of_one_turn_go_together_and_in_order, world_open, world_close),
                cmocka_unit_test_setup_teardown(what_comes_before_the_answer_goes_behind_it_as_one, world_open, world_close),
                cmocka_unit_test_setup_teardown(where_many_come_bundles_keep_a_distance, world_open, world_close),
                cmocka_unit_test_setup_teardown(nothing_is_held_for_the_store_that_comes_after_a_lost_link, world_open, world_close),
                cmocka_unit_test_setup_teardown(each_call_has_its_own_answer, world_open, world_close),
                cmocka_unit_test_setup_teardown(when_the_store_goes_away_all_that_waits_is_told, world_open, world_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
