/* SPDX-License-Identifier: Apache-2.0 */
/* When acknowledgements go to the store, and how many at a time. What they bring about is for sim and stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fanout/acks.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/receipt.h"
#include "fanout/store.h"

enum { WAITING = 500, CALLS = 64, KEYS = 6 };

static struct {
        bool up, refuses;
        size_t keys, sent; /* of the call that is built; devices of all calls that were sent */
        struct {
                store_reply_fn cb;
                void *arg;
        } calls[CALLS];
        size_t count;
        struct fanout fanout;
        struct subscriber subscriber;
        struct ack waiting[WAITING];
        struct acks *acks;
} stage;

/* ---- the store ---- */

bool store_is_up(const struct store *store) {
        return stage.up;
}

struct call *store_call(struct store *store, const char *name) {
        assert_string_equal(name, "ack");
        stage.keys = 0;
        return NULL;
}

void store_call_key(struct call *call, enum key key, struct slice id) {
        stage.keys++;
}

void store_call_arg(struct call *call, struct slice value) {
}

void store_call_arg_text(struct call *call, const char *value) {
}

void store_call_arg_int(struct call *call, int64_t value) {
}

int store_call_send(struct call *call, store_reply_fn cb, void *arg) {
        if (stage.refuses)
                return STORE_E_UNAVAILABLE;
        assert_true(stage.count < CALLS);
        stage.calls[stage.count].cb = cb;
        stage.calls[stage.count++].arg = arg;
        stage.sent += stage.keys / KEYS;
        return 0;
}

struct slice store_text(const struct redisReply *reply) {
        return SLICE("");
}

const struct redisReply *store_item(const struct redisReply *reply, size_t index) {
        return reply;
}

int receipt_raise_all(struct fanout *fanout, struct slice conv, const struct receipt_mark *marks, size_t count, receipt_done_fn done, void *arg) {
        return 0;
}

/* Every call is answered, also those made meanwhile. stored: else each failed. */
static void store_answers(bool stored) {
        static const char reply; /* looked at by the functions above only */
        for (size_t i = 0; i < stage.count; i++)
                stage.calls[i].cb(stage.calls[i].arg, stored ? (const struct redisReply *)(const void *)&reply : NULL);
        stage.count = 0;
}

static int begin(void **state) {
        memset(&stage, 0, sizeof(stage));
        stage.up = true;
        stage.subscriber.user = SLICE("alice");
        stage.subscriber.device = SLICE("phone");
        stage.subscriber.session = SLICE("0123456789abcdef");
        for (size_t i = 0; i < WAITING; i++)
                acks_init(&stage.waiting[i], &stage.subscriber, "epoch");
        stage.acks = acks_new(&stage.fanout);
        return stage.acks ? 0 : -1;
}

static int end(void **state) {
        store_answers(true);
        acks_free(stage.acks);
        return 0;
}

static void note(size_t count, uint64_t n) {
        for (size_t i = 0; i < count; i++)
                acks_note(stage.acks, &stage.waiting[i], n);
}

/* Returns how many were sent by it. */
static size_t flush_at(uint64_t now_ms) {
        size_t before = stage.sent;
        acks_flush(stage.acks, now_ms);
        store_answers(true);
        return stage.sent - before;
}

/* ---- cases ---- */

static void few_go_together_after_a_tenth_of_a_second(void **state) {
        flush_at(1000);
        note(32, 1);
        assert_int_equal(flush_at(1099), 0);
        assert_int_equal(flush_at(1100), 32);
        assert_int_equal(flush_at(1200), 0); /* nobody is left */
}

static void many_go_in_small_portions(void **state) {
        flush_at(1000);
        note(WAITING, 1);
        assert_int_equal(flush_at(1024), 0);
        assert_int_equal(flush_at(1025), 12);
        assert_int_equal(flush_at(1026), 0);
        assert_int_equal(flush_at(1050), 12);
}

static void who_acknowledges_again_before_its_turn_is_sent_once(void **state) {
        flush_at(1000);
        note(8, 1);
        note(8, 2);
        note(4, 1); /* less than it said before */
        assert_int_equal(flush_at(1100), 8);
        note(8, 2);
        assert_int_equal(flush_at(1200), 0);
}

static void what_passed_before_is_not_all_owed(void **state) {
        note(WAITING, 1);
        stage.up = false;
        assert_int_equal(flush_at(60000), 0);
        stage.up = true;
        assert_int_equal(flush_at(60001), 0);
        assert_int_equal(flush_at(60025), 12);
        assert_int_equal(flush_at(60125), 48); /* a loop that was busy makes up for it */
}

static void what_could_not_be_stored_is_repeated_until_it_is(void **state) {
        flush_at(1000);
        note(3, 1);
        acks_flush(stage.acks, 1100);
        store_answers(false);
        assert_int_equal(flush_at(1200), 0);
        for (int i = 0; i < 3; i++) {
                size_t before = stage.sent;
                acks_repeat(stage.acks);
                assert_int_equal(stage.sent - before, 3);
                store_answers(i == 2);
        }
        size_t before = stage.sent;
        acks_repeat(stage.acks);
        assert_int_equal(stage.sent, before);
        note(3, 2);
        stage.refuses = true; /* there is no room for a call */
        assert_int_equal(flush_at(1300), 0);
        stage.refuses = false;
        acks_repeat(stage.acks);
        assert_int_equal(stage.sent - before, 3);
}

static void a_portion_is_what_a_second_has_of_those_that_wait(void **state) {
        assert_int_equal(acks_due(33, 25), 8); /* not less a second than few would */
        assert_int_equal(acks_due(20000, 50), 1000);
        assert_int_equal(acks_due(500, 1000000), 500);
        assert_int_equal(acks_due(1, 1000000), 32);
        assert_int_equal(acks_due(0, UINT64_MAX), 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(few_go_together_after_a_tenth_of_a_second, begin, end),
                cmocka_unit_test_setup_teardown(many_go_in_small_portions, begin, end),
                cmocka_unit_test_setup_teardown(who_acknowledges_again_before_its_turn_is_sent_once, begin, end),
                cmocka_unit_test_setup_teardown(what_passed_before_is_not_all_owed, begin, end),
                cmocka_unit_test_setup_teardown(what_could_not_be_stored_is_repeated_until_it_is, begin, end),
                cmocka_unit_test(a_portion_is_what_a_second_has_of_those_that_wait),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
