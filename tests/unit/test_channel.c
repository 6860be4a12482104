/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel.c: channels against a store that the test plays: one conversation, its log, and calls that are answered when the
 * test says so.
 *
 * Each listener keeps what every subscriber must be able to rely on (listener_hears): entries come in order, without a hole, once.
 */
#include "fanout/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/frame.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "fanout/event.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { LISTENERS = 4000, ARGS = 160, CALLS = 256, ITEMS = 1024, ENTRIES = 1 << 16 };

struct listener {
        struct channel_sub sub; /* first */
        char user[16];
        bool subscribed, deaf, ended; /* deaf: its outbox has no room */
        int answer;                   /* the last one; -1: none yet */
        int answers, losses;
        uint64_t at;                  /* the last seq heard, or where it stands */
        uint64_t since;               /* of the question under way */
        struct channel_place place;
        char epoch[16];
};

struct call {
        char name[16];
        char args[ARGS][24];
        size_t count;
        store_reply_fn cb;
        void *arg;
};

static struct {
        /* the store */
        bool up, full; /* full: it is up, and takes no more calls */
        char epoch[16];
        uint64_t seq, first;
        bool exists, is_public;
        bool members[LISTENERS];
        bool followed;
        size_t entry_bytes;
        /* calls not yet answered, oldest first */
        struct call building, calls[CALLS];
        size_t count;
        struct fanout fanout;
        struct listener listeners[LISTENERS];
} stage;

/* ---- fanout/store.h and fanout/node.h, as channel.c sees them ---- */

struct call *store_call(struct store *store, const char *name) {
        memset(&stage.building, 0, sizeof(stage.building));
        snprintf(stage.building.name, sizeof(stage.building.name), "%s", name);
        return &stage.building;
}

void store_call_key(struct call *call, enum key key, struct slice id) {
}

void store_call_key_in(struct call *call, enum key key, unsigned partition, struct slice id) {
}

void store_call_arg(struct call *call, struct slice value) {
        assert_in_range(call->count, 0, ARGS - 1);
        snprintf(call->args[call->count++], sizeof(call->args[0]), "%.*s", (int)value.len, value.ptr);
}

void store_call_arg_text(struct call *call, const char *value) {
        store_call_arg(call, slice_of(value));
}

void store_call_arg_int(struct call *call, int64_t value) {
        assert_in_range(call->count, 0, ARGS - 1);
        snprintf(call->args[call->count++], sizeof(call->args[0]), "%lld", (long long)value);
}

int store_call_send(struct call *call, store_reply_fn cb, void *arg) {
        if (!stage.up || stage.full || stage.count == CALLS)
                return STORE_E_UNAVAILABLE;
        stage.calls[stage.count] = *call;
        stage.calls[stage.count].cb = cb;
        stage.calls[stage.count++].arg = arg;
        return 0;
}

const char *store_epoch(const struct store *store) {
        return stage.epoch;
}

bool store_is_up(const struct store *store) {
        return stage.up;
}

struct slice node_id(const struct node *node) {
        return SLICE("node");
}

int64_t store_int(const struct redisReply *reply) {
        return reply->integer;
}

struct slice store_text(const struct redisReply *reply) {
        return (struct slice){ reply->str, reply->str ? strlen(reply->str) : 0 };
}

size_t store_count(const struct redisReply *reply) {
        return reply->elements;
}

const struct redisReply *store_item(const struct redisReply *reply, size_t index) {
        static const struct redisReply none;
        return index < reply->elements ? reply->element[index] : &none;
}

/* ---- answers ---- */

static struct {
        struct redisReply items[ITEMS], *pointers[ITEMS], reply;
        char texts[ITEMS][64];
        size_t count;
} answer;

static void answer_text(const char *text) {
        struct redisReply *item = &answer.items[answer.count];
        *item = (struct redisReply){ .str = answer.texts[answer.count] };
        snprintf(item->str, sizeof(answer.texts[0]), "%s", text);
        answer.pointers[answer.count++] = item;
}

static void answer_int(uint64_t value) {
        answer.items[answer.count] = (struct redisReply){ .integer = (long long)value };
        answer.pointers[answer.count] = &answer.items[answer.count];
        answer.count++;
}

static void answer_follow(const struct call *call) {
        bool keep = strcmp(call->args[1], "1") == 0 || stage.is_public;
        answer_text("ok");
        answer_text(stage.epoch);
        answer_int(stage.seq);
        answer_int(stage.first);
        answer_int(stage.is_public);
        for (size_t i = 3; i < call->count; i++) {
                bool may = stage.is_public || stage.members[words_uint(slice_of(call->args[i] + 1))];
                keep |= may;
                answer_int(may);
        }
        if (!keep) {
                answer.count = 0;
                answer_text("err");
                answer_text("forbidden");
        }
        stage.followed |= keep;
}

static void answer_replay(const struct call *call) {
        uint64_t after = words_uint(slice_of(call->args[0])), limit = words_uint(slice_of(call->args[1]));
        answer_text("ok");
        answer_text(stage.epoch);
        answer_int(stage.seq);
        uint64_t from = after + 1 > stage.first ? after + 1 : stage.first;
        for (uint64_t seq = from; seq <= stage.seq && seq < from + limit; seq++) {
                answer_int(seq);
                answer_text("7 message  ann desk op\n1");
        }
}

static struct call stage_take_call(void) {
        struct call call = stage.calls[0];
        assert_true(stage.count > 0);
        memmove(stage.calls, stage.calls + 1, --stage.count * sizeof(stage.calls[0]));
        return call;
}

/* The oldest call is carried out and answered. */
static void stage_answer(void) {
        struct call call = stage_take_call();
        answer.count = 0;
        if (strcmp(call.name, "unfollow") == 0) {
                stage.followed = false;
        } else if (!stage.exists) {
                answer_text("err");
                answer_text("not_found");
        } else if (strcmp(call.name, "follow") == 0) {
                answer_follow(&call);
        } else {
                answer_replay(&call);
        }
        answer.reply = (struct redisReply){ .type = REDIS_REPLY_ARRAY, .elements = answer.count, .element = answer.pointers };
        if (call.cb)
                call.cb(call.arg, &answer.reply);
}

static void stage_fail(void) {
        struct call call = stage_take_call();
        if (call.cb)
                call.cb(call.arg, NULL);
}

/* Answers and turns until nothing is left to do. */
static void stage_settle(void) {
        for (int i = 0; stage.count || channel_is_busy(stage.fanout.channels); i++) {
                assert_in_range(i, 0, 1000000);
                channel_turn(stage.fanout.channels, 0);
                if (stage.count)
                        stage_answer();
        }
}

static size_t stage_calls(const char *name) {
        size_t count = 0;
        for (size_t i = 0; i < stage.count; i++)
                count += strcmp(stage.calls[i].name, name) == 0;
        return count;
}

/* ---- listeners ---- */

static bool listener_on_entry(struct channel_sub *sub, struct frame *frame) {
        struct listener *listener = (struct listener *)sub;
        char text[256], expected[64];
        assert_true(listener->subscribed);
        if (listener->deaf)
                return false;
        snprintf(text, sizeof(text), "%.*s", (int)frame->len, frame->bytes);
        snprintf(expected, sizeof(expected), "{\"type\":\"message\",\"conv\":\"news\",\"seq\":%llu,", (unsigned long long)listener->at + 1);
        if (strncmp(text, expected, strlen(expected)) != 0)
                fail_msg("%s expected seq %llu and was given %s", listener->user, (unsigned long long)listener->at + 1, text);
        listener->at++;
        return true;
}

static void listener_on_lost(struct channel_sub *sub, const struct channel_place *place) {
        struct listener *listener = (struct listener *)sub;
        assert_false(place->recovered);
        listener->losses++;
        listener->at = place->seq;
        snprintf(listener->epoch, sizeof(listener->epoch), "%.*s", (int)place->epoch.len, place->epoch.ptr);
}

static void listener_on_end(struct channel_sub *sub, int why) {
        struct listener *listener = (struct listener *)sub;
        listener->ended = true;
        listener->subscribed = false;
        listener->answer = why;
}

static const struct channel_calls listener_calls = {
        .on_entry = listener_on_entry,
        .on_lost = listener_on_lost,
        .on_end = listener_on_end,
};

static void listener_on_done(void *arg, int why, const struct channel_place *place) {
        struct listener *listener = arg;
        listener->answer = why;
        listener->answers++;
        if (why)
                return;
        listener->subscribed = true;
        listener->ended = false;
        listener->place = *place;
        listener->at = listener->since != UINT64_MAX && place->recovered ? listener->since : place->seq;
        snprintf(listener->epoch, sizeof(listener->epoch), "%.*s", (int)place->epoch.len, place->epoch.ptr);
}

static struct listener *listener_get(size_t index) {
        return &stage.listeners[index];
}

/* since UINT64_MAX: from now on. */
static int listener_subscribe(size_t index, uint64_t since, const char *epoch) {
        struct listener *listener = listener_get(index);
        struct channel_place place = { .epoch = slice_of(epoch), .seq = since };
        listener->answer = -1;
        listener->since = since;
        return channel_subscribe(stage.fanout.channels, &listener->sub, SLICE("news"), since == UINT64_MAX ? NULL : &place, listener_on_done,
                                 listener);
}

static void listener_start(size_t index) {
        assert_int_equal(listener_subscribe(index, UINT64_MAX, ""), 0);
}

static void listener_leave(size_t index) {
        channel_leave(&listener_get(index)->sub);
        listener_get(index)->subscribed = false;
}

/* ---- the world ---- */

/* An entry is stored; the node may hear of it. */
static void stage_store(bool heard) {
        stage.seq++;
        struct entry entry = { .at = 7, .kind = SLICE("message"), .from = SLICE("ann"), .op = SLICE("op"), .body = SLICE("1") };
        entry.device = entry.ref = SLICE("");
        if (heard && stage.followed)
                channel_on_entry(stage.fanout.channels, stage.seq, SLICE("news"), &entry);
}

static int setup(void **state) {
        memset(&stage, 0, sizeof(stage));
        stage.up = stage.exists = stage.is_public = true;
        stage.first = 1;
        snprintf(stage.epoch, sizeof(stage.epoch), "e1");
        stage.fanout.channels = channel_table_new(&stage.fanout);
        assert_non_null(stage.fanout.channels);
        for (size_t i = 0; i < LISTENERS; i++) {
                struct listener *listener = listener_get(i);
                snprintf(listener->user, sizeof(listener->user), "u%zu", i);
                channel_init(&listener->sub);
                listener->sub.calls = &listener_calls;
                listener->sub.user = slice_of(listener->user);
        }
        return 0;
}

static int teardown(void **state) {
        for (size_t i = 0; i < LISTENERS; i++)
                listener_leave(i);
        stage_settle();
        stage_store(true); /* ends a following whose end could not be told */
        stage_settle();
        assert_false(stage.followed);
        assert_int_equal(process.metrics->values[METRIC_SUBSCRIPTIONS], 0);
        stage.fanout.channels = channel_table_free(stage.fanout.channels);
        return 0;
}

/* ---- cases ---- */

static void test_a_subscriber_gets_what_comes_from_now_on(void **state) {
        stage.seq = 5;
        listener_start(0);
        assert_int_equal(listener_get(0)->answer, -1); /* never from inside */
        stage_settle();
        assert_int_equal(listener_get(0)->answer, 0);
        assert_true(listener_get(0)->place.recovered);
        assert_int_equal(listener_get(0)->at, 5);
        stage_store(true);
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 7);
}

static void test_since_decides_what_is_recovered(void **state) {
        static const struct {
                const char *epoch;
                uint64_t since;
                bool recovered;
        } rows[] = {
                { "e1", 300, true }, { "e1", 299, true },  { "e1", 150, true }, { "e1", 100, true },
                { "e1", 99, true }, /* the first entry of the log is the next one */
                { "e1", 98, false }, { "e1", 0, false },   { "e1", 301, false }, { "e2", 200, false },
        };
        stage.first = 100;
        stage.seq = 300;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct listener *listener = listener_get(i);
                assert_int_equal(listener_subscribe(i, rows[i].since, rows[i].epoch), 0);
                stage_settle();
                assert_int_equal(listener->place.recovered, rows[i].recovered);
                assert_int_equal(listener->place.seq, 300);
                assert_int_equal(listener->at, 300); /* with all between, or from the head on */
                assert_int_equal(listener->losses, 0);
        }
        stage_store(true);
        stage_settle();
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(listener_get(i)->at, 301);
}

static void test_what_comes_before_the_first_answer_is_read_from_the_log(void **state) {
        stage.followed = true;
        listener_start(0);
        struct call follow = stage.calls[0];
        answer.count = 0;
        answer_follow(&follow); /* carried out, and its answer is under way */
        struct redisReply reply = { .type = REDIS_REPLY_ARRAY, .elements = answer.count, .element = answer.pointers };
        stage_store(true);
        stage_store(true);
        stage_take_call();
        follow.cb(follow.arg, &reply);
        assert_int_equal(listener_get(0)->at, 0);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 2);
}

static void test_a_hole_is_read_from_the_log_before_it_goes_on(void **state) {
        listener_start(0);
        listener_start(1);
        stage_settle();
        stage_store(true);
        for (int i = 0; i < 300; i++)
                stage_store(false);
        stage_store(true);
        channel_turn(stage.fanout.channels, 0);
        assert_int_equal(listener_get(0)->at, 1);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 302);
        assert_int_equal(listener_get(1)->at, 302);
}

static void test_a_lost_tail_is_found_by_a_repair(void **state) {
        listener_start(0);
        stage_settle();
        stage_store(false);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 0);
        channel_repair(stage.fanout.channels);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 1);
}

static void test_one_turn_gives_no_more_than_a_slice(void **state) {
        for (size_t i = 0; i < LISTENERS; i++) {
                listener_start(i);
                stage_settle();
        }
        uint64_t before = process.metrics->values[METRIC_CHANNEL_FRAMES];
        stage_store(true);
        for (size_t turns = 1; channel_is_busy(stage.fanout.channels); turns++) {
                uint64_t now = process.metrics->values[METRIC_CHANNEL_FRAMES];
                channel_turn(stage.fanout.channels, 0);
                assert_in_range(process.metrics->values[METRIC_CHANNEL_FRAMES] - now, 0, LIMIT_CHANNEL_SLICE);
                if (turns == 2)
                        stage_store(true); /* in the middle of it: order holds, and each is visited */
        }
        assert_int_equal(process.metrics->values[METRIC_CHANNEL_FRAMES] - before, 2 * LISTENERS);
        for (int i = 0; i < 200; i++)
                stage_store(true);
        while (channel_is_busy(stage.fanout.channels)) {
                uint64_t now = process.metrics->values[METRIC_CHANNEL_FRAMES];
                channel_turn(stage.fanout.channels, 0);
                assert_in_range(process.metrics->values[METRIC_CHANNEL_FRAMES] - now, 1, LIMIT_CHANNEL_SLICE);
        }
        for (size_t i = 0; i < LISTENERS; i++)
                assert_int_equal(listener_get(i)->at, 202);
        assert_int_equal(stage.count, 0); /* all that without the log */
}

static void test_pages_are_shared_by_all_who_are_behind(void **state) {
        stage.seq = 100;
        for (size_t i = 0; i < 250; i++)
                assert_int_equal(listener_subscribe(i, 100 - i % 50, "e1"), 0);
        uint64_t before = process.metrics->values[METRIC_CHANNEL_PAGES];
        while (stage_calls("follow"))
                stage_answer();
        stage_settle();
        assert_in_range(process.metrics->values[METRIC_CHANNEL_PAGES] - before, 1, 5);
        for (size_t i = 0; i < 250; i++)
                assert_int_equal(listener_get(i)->at, 100);
}

static void test_who_has_no_room_holds_up_nobody_and_goes_on_from_the_log(void **state) {
        listener_start(0);
        listener_start(1);
        stage_settle();
        listener_get(0)->deaf = true;
        for (int i = 0; i < 1000; i++)
                stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 0);
        assert_int_equal(listener_get(1)->at, 1000);
        channel_resume(&listener_get(0)->sub);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 0);
        listener_get(0)->deaf = false;
        channel_resume(&listener_get(0)->sub);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 1000);
        assert_int_equal(listener_get(0)->losses, 0);
}

static void test_who_was_away_for_longer_than_the_log_reaches_is_told(void **state) {
        listener_start(0);
        stage_settle();
        listener_get(0)->deaf = true;
        for (int i = 0; i < 1000; i++)
                stage_store(true);
        stage_settle();
        stage.first = 501;
        listener_get(0)->deaf = false;
        channel_resume(&listener_get(0)->sub);
        stage_settle();
        assert_int_equal(listener_get(0)->losses, 1);
        assert_int_equal(listener_get(0)->at, 1000);
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 1001);
}

static void test_a_log_that_was_trimmed_past_the_head_is_told_to_all(void **state) {
        listener_start(0);
        stage_settle();
        for (int i = 0; i < 1000; i++)
                stage_store(false);
        stage.first = 501;
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->losses, 1);
        assert_int_equal(listener_get(0)->at, 1001);
}

static void test_a_lost_past_is_told_to_all(void **state) {
        static const struct {
                const char *epoch;
                uint64_t seq;
        } rows[] = { { "e2", 3 }, { "e3", 100 }, { "e3", 90 } };
        for (size_t i = 0; i < 10; i++)
                listener_start(i);
        stage_settle();
        for (int i = 0; i < 5; i++)
                stage_store(true);
        stage_settle();
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
                snprintf(stage.epoch, sizeof(stage.epoch), "%s", rows[row].epoch);
                stage.seq = rows[row].seq;
                channel_repair(stage.fanout.channels);
                stage_settle();
                for (size_t i = 0; i < 10; i++) {
                        assert_int_equal(listener_get(i)->losses, (int)row + 1);
                        assert_string_equal(listener_get(i)->epoch, rows[row].epoch);
                }
                stage_store(true);
                stage_settle();
                for (size_t i = 0; i < 10; i++)
                        assert_int_equal(listener_get(i)->at, rows[row].seq + 1);
        }
}

static void test_strangers_are_refused_and_nothing_stays_of_them(void **state) {
        stage.is_public = false;
        stage.members[1] = true;
        listener_get(2)->sub.granted = true;
        for (size_t i = 0; i < 3; i++)
                listener_start(i);
        stage_settle();
        assert_int_equal(listener_get(0)->answer, FANOUT_E_FORBIDDEN);
        assert_true(channel_is_over(&listener_get(0)->sub));
        assert_int_equal(listener_get(1)->answer, 0);
        assert_int_equal(listener_get(2)->answer, 0);
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(1)->at, 1);
        assert_int_equal(listener_get(2)->at, 1);
}

static void test_who_is_no_member_any_more_gets_nothing_more(void **state) {
        stage.is_public = false;
        for (size_t i = 0; i < 300; i++) {
                stage.members[i] = true;
                listener_start(i);
                stage_settle();
        }
        listener_get(299)->sub.granted = true;
        stage.members[7] = stage.members[200] = stage.members[299] = false;
        channel_on_change(stage.fanout.channels, SLICE("news"));
        stage_store(true); /* behind the change: nobody gets it before it is clear who may */
        channel_turn(stage.fanout.channels, 0);
        for (size_t i = 0; i < 299; i++)
                assert_int_equal(listener_get(i)->at, 0);
        assert_int_equal(listener_get(299)->at, 1);
        stage_settle();
        for (size_t i = 0; i < 300; i++) {
                bool gone = i == 7 || i == 200;
                assert_int_equal(listener_get(i)->ended, gone);
                assert_int_equal(listener_get(i)->at, !gone);
        }
        assert_int_equal(listener_get(7)->answer, FANOUT_E_FORBIDDEN);
        listener_get(299)->sub.granted = false;
        channel_recheck(&listener_get(299)->sub);
        stage_settle();
        assert_true(listener_get(299)->ended);
}

static void test_a_check_that_fails_is_repeated(void **state) {
        listener_start(0);
        stage_settle();
        channel_on_change(stage.fanout.channels, SLICE("news"));
        stage.full = true;
        channel_turn(stage.fanout.channels, 0);
        stage.full = false;
        assert_int_equal(stage.count, 0);
        channel_tick(stage.fanout.channels);
        channel_turn(stage.fanout.channels, 0);
        stage_fail();
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 0); /* nobody knows whether it may */
        channel_tick(stage.fanout.channels);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 1);
}

static void test_a_page_that_fails_is_repeated(void **state) {
        stage.seq = 10;
        assert_int_equal(listener_subscribe(0, 3, "e1"), 0);
        stage_answer();
        channel_turn(stage.fanout.channels, 0);
        stage_fail();
        stage_settle();
        assert_int_equal(listener_get(0)->at, 3);
        channel_tick(stage.fanout.channels);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 10);
}

static void test_a_deleted_channel_ends_all_and_a_new_one_begins(void **state) {
        for (size_t i = 0; i < 20; i++)
                listener_start(i);
        stage_settle();
        listener_get(3)->deaf = true;
        stage_store(true);
        stage_settle();
        stage.exists = stage.followed = false;
        channel_on_change(stage.fanout.channels, SLICE("news"));
        stage_settle();
        for (size_t i = 0; i < 20; i++)
                assert_int_equal(listener_get(i)->answer, i == 3 ? 0 : FANOUT_E_NOT_FOUND);
        stage.exists = true;
        stage.first = stage.seq + 1;
        listener_start(5);
        assert_int_equal(listener_subscribe(3, UINT64_MAX, ""), 0); /* of the old one; it moves */
        stage_settle();
        listener_get(3)->deaf = false;
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(3)->at, stage.seq);
        assert_int_equal(listener_get(5)->at, stage.seq);
}

static void test_leaving_while_asking_is_answered_at_once(void **state) {
        listener_start(0);
        listener_leave(0);
        assert_int_equal(listener_get(0)->answer, FANOUT_E_CONFLICT);
        assert_true(channel_is_over(&listener_get(0)->sub));
        stage_settle();
        assert_int_equal(listener_get(0)->answers, 1);
        assert_false(stage.followed);
}

static void test_a_refused_move_leaves_the_subscription_as_it_was(void **state) {
        stage.is_public = false;
        stage.members[0] = true;
        listener_start(0);
        stage_settle();
        assert_int_equal(listener_subscribe(0, 0, "e1"), 0);
        stage_fail();
        assert_int_equal(listener_get(0)->answer, FANOUT_E_UNAVAILABLE);
        stage.up = false;
        assert_int_equal(listener_subscribe(0, 0, "e1"), FANOUT_E_UNAVAILABLE);
        stage.up = true;
        stage_store(true);
        stage_settle();
        assert_int_equal(listener_get(0)->at, 1);
}

static void test_an_entry_for_nobody_ends_the_following(void **state) {
        stage.followed = true;
        stage_store(true);
        assert_int_equal(stage_calls("unfollow"), 1);
        stage_settle();
}

/* ---- whatever happens ---- */

static uint64_t chance_state;

static unsigned chance_below(unsigned n) {
        chance_state ^= chance_state << 13;
        chance_state ^= chance_state >> 7;
        chance_state ^= chance_state << 17;
        return (unsigned)((chance_state >> 11) % n);
}

static void chance_step(size_t crowd) {
        struct listener *listener = listener_get(chance_below((unsigned)crowd));
        size_t index = (size_t)(listener - stage.listeners);
        switch (chance_below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
                for (unsigned i = chance_below(chance_below(20) ? 4 : 400); i; i--)
                        stage_store(chance_below(50));
                break;
        case 4:
                listener->deaf = !listener->deaf;
                if (!listener->deaf)
                        channel_resume(&listener->sub);
                break;
        case 5:
        case 6:
                if (!list_is_empty(&listener->sub.asks) || stage.count > CALLS / 2)
                        break;
                if (listener_subscribe(index, chance_below(3) ? stage.seq - chance_below((unsigned)stage.seq + 1) : UINT64_MAX, stage.epoch))
                        listener->answer = FANOUT_E_UNAVAILABLE;
                break;
        case 7:
                listener_leave(index);
                break;
        case 8:
                if (stage.seq > stage.first + 100 && chance_below(8) == 0)
                        stage.first = stage.seq - chance_below(100);
                break;
        case 9:
                if (chance_below(4) == 0)
                        channel_repair(stage.fanout.channels);
                break;
        case 10:
                if (stage.count && chance_below(4) == 0 && strcmp(stage.calls[0].name, "unfollow") != 0)
                        stage_fail();
                channel_tick(stage.fanout.channels);
                break;
        case 11:
                if (chance_below(4) == 0) {
                        stage.is_public = !stage.is_public;
                        channel_on_change(stage.fanout.channels, SLICE("news"));
                }
                break;
        default:
                channel_turn(stage.fanout.channels, 0);
                while (stage.count && chance_below(3))
                        stage_answer();
        }
}

/* Told what is lost, everyone hears everything else once and in order; and when it is calm again, everyone is up to date. */
static void test_everyone_hears_all_whatever_happens(void **state) {
        const char *seed = getenv("BELFRY_SEED");
        uint64_t first = seed ? strtoull(seed, NULL, 10) : 1, last = seed ? first : 60;
        for (uint64_t run = first; run <= last; run++) {
                if (run > first) {
                        teardown(NULL);
                        setup(NULL);
                }
                print_message("seed %llu\n", (unsigned long long)run);
                chance_state = run * UINT64_C(0x9e3779b97f4a7c15);
                size_t crowd = 1 + chance_below(30);
                for (size_t i = 0; i < crowd; i += 2)
                        stage.members[i] = true;
                for (int step = 0; step < 3000; step++)
                        chance_step(crowd);
                for (size_t i = 0; i < crowd; i++) {
                        listener_get(i)->deaf = false;
                        channel_resume(&listener_get(i)->sub);
                }
                channel_repair(stage.fanout.channels);
                stage_settle();
                channel_tick(stage.fanout.channels);
                stage_settle();
                for (size_t i = 0; i < crowd; i++) {
                        struct listener *listener = listener_get(i);
                        if (listener->subscribed && listener->at != stage.seq)
                                fail_msg("seed %llu: %s stands at %llu of %llu", (unsigned long long)run, listener->user,
                                         (unsigned long long)listener->at, (unsigned long long)stage.seq);
                        if (listener->subscribed)
                                assert_true(stage.is_public || stage.members[i]);
                }
        }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_a_subscriber_gets_what_comes_from_now_on),
                CASE(test_since_decides_what_is_recovered),
                CASE(test_what_comes_before_the_first_answer_is_read_from_the_log),
                CASE(test_a_hole_is_read_from_the_log_before_it_goes_on),
                CASE(test_a_lost_tail_is_found_by_a_repair),
                CASE(test_one_turn_gives_no_more_than_a_slice),
                CASE(test_pages_are_shared_by_all_who_are_behind),
                CASE(test_who_has_no_room_holds_up_nobody_and_goes_on_from_the_log),
                CASE(test_who_was_away_for_longer_than_the_log_reaches_is_told),
                CASE(test_a_log_that_was_trimmed_past_the_head_is_told_to_all),
                CASE(test_a_lost_past_is_told_to_all),
                CASE(test_strangers_are_refused_and_nothing_stays_of_them),
                CASE(test_who_is_no_member_any_more_gets_nothing_more),
                CASE(test_a_check_that_fails_is_repeated),
                CASE(test_a_page_that_fails_is_repeated),
                CASE(test_a_deleted_channel_ends_all_and_a_new_one_begins),
                CASE(test_leaving_while_asking_is_answered_at_once),
                CASE(test_a_refused_move_leaves_the_subscription_as_it_was),
                CASE(test_an_entry_for_nobody_ends_the_following),
                CASE(test_everyone_hears_all_whatever_happens),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
