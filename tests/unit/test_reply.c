/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP answers in every form, byte by byte and at once, and what is none. */
#include "client/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void answers_and_what_is_none(void **state) {
        static const struct {
                const char *text;
                enum reply_state state;
                int status;
                const char *body;
        } rows[] = {
                { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", REPLY_WHOLE, 200, "hello" },
                { "HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", REPLY_WHOLE, 200, "" },
                { "HTTP/1.1 204 No Content\r\n\r\n", REPLY_WHOLE, 204, "" },
                { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", REPLY_WHOLE, 200,
                  "hello" },
                { "HTTP/1.1 200 OK\r\n\r\nto the end", REPLY_WHOLE, 200, "to the end" },
                { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", REPLY_WHOLE, 200, "ok" },
                { "HTTP/1.1 101 Switching Protocols\r\n\r\nframes", REPLY_WHOLE, 101, "" },
                { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", REPLY_BROKEN, 200, "hel" },
                { "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", REPLY_BROKEN, 200, "" },
                { "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", REPLY_BROKEN, 200, "" },
                { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", REPLY_BROKEN, 200, "" },
                { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", REPLY_BROKEN, 200, "" },
                { "HTTP/2 200 OK\r\n\r\n", REPLY_BROKEN, 0, "" },
                { "SSH-2.0-OpenSSH\r\n\r\n", REPLY_BROKEN, 0, "" },
                { "HTTP/1.1 20x OK\r\n\r\n", REPLY_BROKEN, -1, "" },
                { "", REPLY_BROKEN, 0, "" },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                for (size_t step = 1; step < 200; step += 37) {
                        struct slice rest = slice_of(rows[i].text);
                        struct reply reply;

                        reply_init(&reply, 100, true);
                        while (rest.len > 0 && reply.state < REPLY_WHOLE) {
                                size_t taken = reply_feed(&reply, (struct slice){ rest.ptr, rest.len < step ? rest.len : step });

                                rest = (struct slice){ rest.ptr + taken, rest.len - taken };
                        }
                        reply_end(&reply);
                        assert_int_equal(reply.state, rows[i].state);
                        if (reply.state == REPLY_WHOLE) {
                                assert_int_equal(reply.status, rows[i].status);
                                assert_true(slice_is(buf_slice(&reply.body), rows[i].body));
                        }
                        if (reply.status == 101)
                                assert_string_equal(rest.ptr, "frames"); /* not ours */
                        reply_deinit(&reply);
                }
        }
}

static void headers_are_found_whatever_their_letters(void **state) {
        struct reply reply;

        reply_init(&reply, 100, false);
        (void)reply_feed(
                &reply,
                SLICE("HTTP/1.1 503 Busy\r\nX-Retry-After: 1\r\nRETRY-AFTER:  7 \r\nEmpty:\r\nContent-Length: 0\r\n\r\n"));
        assert_true(slice_is(reply_header(&reply, "retry-after"), "7"));
        assert_int_equal(reply_retry_after_ms(&reply), 7000);
        assert_true(slice_is(reply_header(&reply, "empty"), ""));
        assert_null(reply_header(&reply, "none").ptr);
        reply_deinit(&reply);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers_and_what_is_none),
                cmocka_unit_test(headers_are_found_whatever_their_letters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
