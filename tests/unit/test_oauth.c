/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens: when one is asked for, and what a token server may answer. */
#include "push/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void a_token_is_asked_for_five_minutes_before_its_end(void **state) {
        static const struct {
                int64_t expires_ms, wall_ms;
                enum oauth_move move;
        } rows[] = {
                { 0, 5000000, OAUTH_ASK },
                { 5000000, 4699999, OAUTH_USE },
                { 5000000, 4700000, OAUTH_USE_AND_ASK },
                { 5000000, 4999999, OAUTH_USE_AND_ASK },
                { 5000000, 5000000, OAUTH_ASK },
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(oauth_step(rows[i].expires_ms, rows[i].wall_ms), rows[i].move);
}

static void a_good_answer_is_read(void **state) {
        char token[4096];
        int64_t lives_s = 0;
        assert_int_equal(oauth_read(SLICE("{\"token_type\":\"Bearer\",\"access_token\":\"ya29.a\\u0062c\",\"expires_in\":3599}"), token,
                                    sizeof(token), &lives_s),
                         0);
        assert_string_equal(token, "Bearer ya29.abc");
        assert_int_equal(lives_s, 3599);
        assert_int_equal(oauth_read(SLICE("{\"access_token\":\"x\",\"expires_in\":999999999999}"), token, sizeof(token), &lives_s), 0);
        assert_int_equal(lives_s, 86400);
}

static void all_others_are_none(void **state) {
        static const char *const rows[] = {
                "", "null", "[]", "{}", "{\"access_token\":\"x\"}", "{\"expires_in\":5}", "{\"access_token\":7,\"expires_in\":5}",
                "{\"access_token\":\"\",\"expires_in\":5}", "{\"access_token\":\"x\",\"expires_in\":\"5\"}", "{\"access_token\":\"x\",\"expires_in\":0}",
                "{\"access_token\":\"x\",\"expires_in\":-1}", "{\"access_token\":\"x\",\"expires_in\":1e3}",
                "{\"access_token\":\"x\\r\\ny: z\",\"expires_in\":5}", "{\"access_token\":\"x\\u0000y\",\"expires_in\":5}",
                "{\"access_token\":\"x y\",\"expires_in\":5}", "{\"access_token\":\"x\",\"expires_in\":5", "<html>",
        };
        char token[64];
        int64_t lives_s = 0;
        for (size_t i = 0; i < COUNT(rows); i++)
                if (oauth_read(slice_of(rows[i]), token, sizeof(token), &lives_s) != 1)
                        fail_msg("%s", rows[i]);
        assert_int_equal(oauth_read(SLICE("{\"access_token\":\"0123456789012345678901234567890123456789012345678901234567\",\"expires_in\":5}"),
                                    token, sizeof(token), &lives_s),
                         1); /* too long for 64 bytes with its prefix */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_is_asked_for_five_minutes_before_its_end),
                cmocka_unit_test(a_good_answer_is_read),
                cmocka_unit_test(all_others_are_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
