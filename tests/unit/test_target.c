/* SPDX-License-Identifier: Apache-2.0 */
/* test_target.c: targets of requests inside a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "hub/target.h"

static const struct {
        const char *sentence, *text;
        int answer;
        const char *path, *query;
} rows[] = {
        { "a path alone", "/v1/presence", 0, "/v1/presence", "" },
        { "the root", "/", 0, "/", "" },
        { "a path with a query", "/v1/a?limit=2", 0, "/v1/a", "limit=2" },
        { "arguments are parted by newlines", "/a?b=1&c=2&d", 0, "/a", "b=1\nc=2\nd" },
        { "an empty query", "/a?", 0, "/a", "" },
        { "a second question mark belongs to the query", "/a?b=?", 0, "/a", "b=?" },
        { "an ampersand before the query belongs to the path", "/a&b", 0, "/a&b", "" },
        { "escapes are decoded in both parts", "/a%20%C3%a9?b=%26", 0, "/a \xc3\xa9", "b=&" },
        { "a question mark in an escape does not end the path", "/a%3Fb", 0, "/a?b", "" },
        { "a plus is a plus", "/a?b=1+1", 0, "/a", "b=1+1" },
        { "dots within a name", "/a..b/...", 0, "/a..b/...", "" },
        { "nothing", "", TARGET_E_INVALID, NULL, NULL },
        { "no slash", "v1/a", TARGET_E_INVALID, NULL, NULL },
        { "a URL", "http://x/v1", TARGET_E_INVALID, NULL, NULL },
        { "half an escape", "/a%2", TARGET_E_INVALID, NULL, NULL },
        { "an escape of other letters", "/a%2g", TARGET_E_INVALID, NULL, NULL },
        { "an escape at the end", "/a%", TARGET_E_INVALID, NULL, NULL },
        { "a NUL in disguise", "/a%00", TARGET_E_INVALID, NULL, NULL },
        { "a newline that would part arguments", "/a?b=1%0ac=2", TARGET_E_INVALID, NULL, NULL },
        { "a path that climbs", "/v1/../etc", TARGET_E_INVALID, NULL, NULL },
        { "a path that climbs at its end", "/v1/..", TARGET_E_INVALID, NULL, NULL },
        { "a path that climbs in disguise", "/v1/%2e%2E/etc", TARGET_E_INVALID, NULL, NULL },
        { "a path that stays", "/./a", TARGET_E_INVALID, NULL, NULL },
        { "31 bytes of path fit", "/123456789012345678901234567890", 0, "/123456789012345678901234567890", "" },
        { "32 do not", "/1234567890123456789012345678901", TARGET_E_LONG, NULL, NULL },
        { "31 bytes of query fit", "/?1234567890123456789012345678901", 0, "/", "1234567890123456789012345678901" },
        { "32 of those do not", "/?12345678901234567890123456789012", TARGET_E_LONG, NULL, NULL },
};

static void targets_are_taken_apart(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char path[32], query[32];
                int answer = target_parse(slice_of(rows[i].text), path, query, sizeof(path));
                bool good = answer == rows[i].answer;
                if (good && !answer)
                        good = strcmp(path, rows[i].path) == 0 && strcmp(query, rows[i].query) == 0;
                if (!good)
                        fail_msg("%s: %d", rows[i].sentence, answer);
        }
}

static void bytes_behind_the_text_are_not_read(void **state) {
        char path[32], query[32];
        assert_int_equal(target_parse((struct slice){ "/a%20", 3 }, path, query, sizeof(path)), TARGET_E_INVALID);
        assert_int_equal(target_parse((struct slice){ "/a?b", 2 }, path, query, sizeof(path)), 0);
        assert_string_equal(query, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(targets_are_taken_apart),
                cmocka_unit_test(bytes_behind_the_text_are_not_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
