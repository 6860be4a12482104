/* SPDX-License-Identifier: Apache-2.0 */
/* The token is the one that Python's hmac and base64 make of the same claims and secret. */
#include "loadtest/badge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"

static void a_token_is_head_claims_and_their_signature(void **state) {
        _cleanup_buf_ struct buf out = BUF_INIT(LIMIT_TOKEN_BYTES);
        buf_add_text(&out, "before "); /* it is appended, and only what it appends is signed */
        badge_add(SLICE("0123456789abcdef0123456789abcdef"), SLICE("ab-u1"), SLICE("d0"), 2000000000, &out);
        assert_false(buf_failed(&out));
        assert_string_equal(out.ptr, "before "
                                     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                                     "eyJzdWIiOiJhYi11MSIsImRldiI6ImQwIiwiZXhwIjoyMDAwMDAwMDAwfQ."
                                     "fwfnjMaRaMn81Kka_8ZuO0cfUj-TVMXkyAVqNou2Hcw");
}

static void what_does_not_fit_fails_the_buffer(void **state) {
        for (size_t limit = 1; limit < 140; limit += 7) {
                _cleanup_buf_ struct buf out = BUF_INIT(limit);
                badge_add(SLICE("0123456789abcdef0123456789abcdef"), SLICE("ab-u1"), SLICE("d0"), 2000000000, &out);
                assert_true(buf_failed(&out));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_is_head_claims_and_their_signature),
                cmocka_unit_test(what_does_not_fit_fails_the_buffer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
