/* SPDX-License-Identifier: Apache-2.0 */
/* test_state.c: what history shows of an entry. The replies are built as lua/state.lua gives them. */
#include "fanout/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/buf.h"

enum { REPLIES_MAX = 32, TEXT_BYTES = 4096 };

/* Replies of one test, never freed one by one. */
struct replies {
        struct redisReply each[REPLIES_MAX];
        struct redisReply *elements[REPLIES_MAX];
        size_t count, elements_count;
};

static struct redisReply *reply_of(struct replies *replies, struct redisReply reply) {
        assert_true(replies->count < REPLIES_MAX);
        struct redisReply *made = &replies->each[replies->count++];
        *made = reply;
        return made;
}

static struct redisReply *reply_text(struct replies *replies, const char *text) {
        return reply_of(replies, (struct redisReply){ .type = REDIS_REPLY_STRING, .str = (char *)(uintptr_t)text, .len = strlen(text) });
}

static struct redisReply *reply_int(struct replies *replies, long long value) {
        return reply_of(replies, (struct redisReply){ .type = REDIS_REPLY_INTEGER, .integer = value });
}

static struct redisReply *reply_list(struct replies *replies, size_t count, struct redisReply *const *elements) {
        struct redisReply **copy = replies->elements + replies->elements_count;
        assert_true(replies->elements_count + count <= REPLIES_MAX);
        for (size_t i = 0; i < count; i++)
                copy[i] = elements[i];
        replies->elements_count += count;
        return reply_of(replies, (struct redisReply){ .type = REDIS_REPLY_ARRAY, .elements = count, .element = copy });
}

#define MESSAGE "{\"type\":\"message\",\"conv\":\"c\",\"seq\":5,\"from\":\"ann\",\"device\":\"a1\",\"op\":\"op 1\",\"at\":100"

struct row {
        const char *sentence;
        const char *packed;
        const char *deletion, *latest; /* both NULL: no state */
        long long edits;
        const char *edit, *reaction; /* packed, of seq 6 and 7 */
        bool with_versions;
        const char *shown;
};

static const struct row rows[] = {
        { "a message that nothing became of is shown as it is", "100 message  ann a1 op 1\n\"hi\"", NULL, NULL, 0, NULL, NULL, false,
          MESSAGE ",\"body\":\"hi\"}" },
        { "with versions asked for, it has one", "100 message  ann a1 op 1\n\"hi\"", NULL, NULL, 0, NULL, NULL, true,
          MESSAGE ",\"body\":\"hi\",\"versions\":[{\"seq\":5,\"at\":100,\"from\":\"ann\",\"body\":\"hi\"}]}" },
        { "an edited message has the body of the latest edit", "100 message  ann a1 op 1\n\"hi\"", "", "200 edit 5 ann a1 op2\n\"ho\"", 2, NULL,
          NULL, false, MESSAGE ",\"body\":\"ho\",\"version\":2,\"edited_at\":200}" },
        { "who edited it is said if it was not the author", "100 message  ann a1 op 1\n\"hi\"", "", "200 edit 5 bob  op2\n{\"a\":[1]}", 1, NULL,
          NULL, false, MESSAGE ",\"body\":{\"a\":[1]},\"version\":1,\"edited_at\":200,\"edited_by\":\"bob\"}" },
        { "versions begin with the original", "100 message  ann a1 op 1\n\"hi\"", "", "200 edit 5 ann a1 op2\n\"ho\"", 1,
          "200 edit 5 ann a1 op2\n\"ho\"", NULL, true,
          MESSAGE ",\"body\":\"ho\",\"version\":1,\"edited_at\":200,\"versions\":[{\"seq\":5,\"at\":100,\"from\":\"ann\",\"body\":\"hi\"},"
                  "{\"seq\":6,\"at\":200,\"from\":\"ann\",\"body\":\"ho\"}]}" },
        { "reactions are listed with their message", "100 message  ann a1 op 1\n\"hi\"", "", "", 0, NULL, "300 react 5 bob b1 op3\n\"+1\"", false,
          MESSAGE ",\"body\":\"hi\",\"reactions\":[{\"seq\":7,\"at\":300,\"from\":\"bob\",\"body\":\"+1\"}]}" },
        { "a deleted message has no body", "100 message  ann a1 op 1\n", "400 delete 5 ann a1 op4\n", "", 0, NULL, NULL, false,
          MESSAGE ",\"deleted\":true,\"deleted_at\":400}" },
        { "who deleted it is said if it was not the author", "100 message  ann a1 op 1\n", "400 delete 5 bob b1 op4\n", "", 0, NULL, NULL, false,
          MESSAGE ",\"deleted\":true,\"deleted_at\":400,\"deleted_by\":\"bob\"}" },
        { "nor have its versions", "100 message  ann a1 op 1\n", "400 delete 5 ann a1 op4\n", "", 1, "200 edit 5 ann a1 op2\n", NULL, true,
          MESSAGE ",\"deleted\":true,\"deleted_at\":400,\"versions\":[{\"seq\":5,\"at\":100,\"from\":\"ann\",\"deleted\":true},"
                  "{\"seq\":6,\"at\":200,\"from\":\"ann\",\"deleted\":true}]}" },
        { "an edit of a deleted message has no body either, and never has versions", "100 edit 4 ann a1 op 1\n", NULL, NULL, 0, NULL, NULL, true,
          "{\"type\":\"edit\",\"conv\":\"c\",\"seq\":5,\"ref\":4,\"from\":\"ann\",\"device\":\"a1\",\"op\":\"op 1\",\"at\":100,\"deleted\":true}" },
        { "a deletion is shown as it is", "100 delete 4 ann a1 op 1\nnull", NULL, NULL, 0, NULL, NULL, false,
          "{\"type\":\"delete\",\"conv\":\"c\",\"seq\":5,\"ref\":4,\"from\":\"ann\",\"device\":\"a1\",\"op\":\"op 1\",\"at\":100,\"body\":null}" },
};

static struct redisReply *row_state(struct replies *replies, const struct row *row) {
        if (!row->deletion)
                return reply_text(replies, "");
        struct redisReply *edit[] = { reply_int(replies, 6), reply_text(replies, row->edit ? row->edit : "") };
        struct redisReply *reaction[] = { reply_int(replies, 7), reply_text(replies, row->reaction ? row->reaction : "") };
        struct redisReply *fields[] = {
                reply_text(replies, row->deletion),
                reply_int(replies, row->edits),
                reply_text(replies, row->latest),
                reply_list(replies, row->edit ? 2 : 0, edit),
                reply_list(replies, row->reaction ? 2 : 0, reaction),
        };
        return reply_list(replies, 5, fields);
}

static void test_shown(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct row *row = &rows[i];
                struct replies replies = { .count = 0 };
                _cleanup_buf_ struct buf out = BUF_INIT(TEXT_BYTES);
                state_add_entry(&out, 5, SLICE("c"), slice_of(row->packed), row_state(&replies, row), row->with_versions);
                if (buf_failed(&out) || !slice_is(buf_slice(&out), row->shown))
                        fail_msg("%s: it is shown as %s", row->sentence, out.ptr);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_shown) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
