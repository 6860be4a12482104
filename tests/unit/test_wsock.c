/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6455 as a client reads and writes it, in one piece and byte by byte. */
#include "client/wsock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BYTES(literal)                                                                                                           \
        { (literal), sizeof(literal) - 1 }

static const char *const kinds[] = { "more", "text", "ping", "pong", "close", "broken" };

/* What was read, as "text:hello close:4001". */
static void describe(struct slice bytes, size_t step, size_t limit, char *out, size_t size) {
        struct wsock wsock;
        size_t len = 0, at = 0;
        bool broken = false;

        wsock_init(&wsock, limit);
        out[0] = '\0';
        while (at < bytes.len && !broken) {
                struct slice part = { bytes.ptr + at, bytes.len - at < step ? bytes.len - at : step };

                at += part.len;
                for (;;) {
                        struct wsock_item item = wsock_read(&wsock, &part);

                        if (item.kind == WSOCK_MORE)
                                break;
                        len += (size_t)snprintf(out + len, size - len, "%s%s:%.*s", len ? " " : "", kinds[item.kind],
                                                (int)item.payload.len, item.payload.ptr ? item.payload.ptr : "");
                        if (item.kind == WSOCK_CLOSE)
                                len += (size_t)snprintf(out + len, size - len, "%d", item.code);
                        broken = item.kind == WSOCK_BROKEN;
                        if (broken)
                                break;
                }
        }
        wsock_deinit(&wsock);
}

static void frames_of_a_server(void **state) {
        static const struct {
                struct slice bytes;
                const char *expected;
        } rows[] = {
                { BYTES("\x81\x05hello"), "text:hello" },
                { BYTES("\x81\x00"), "text:" },
                { BYTES("\x81\x02hi\x81\x02yo"), "text:hi text:yo" },
                { BYTES("\x01\x03hel\x80\x02lo"), "text:hello" },
                { BYTES("\x01\x03hel\x89\x01p\x80\x02lo"), "ping:p text:hello" },
                { BYTES("\x8a\x02ok"), "pong:ok" },
                { BYTES("\x88\x02\x0f\xa1"), "close:4001" },
                { BYTES("\x88\x04\x0f\xa1no"), "close:no4001" },
                { BYTES("\x88\x00"), "close:1005" },
                { BYTES("\x81\x7e\x00\x03"
                        "abc"),
                  "text:abc" },
                { BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x03"
                        "abc"),
                  "text:abc" },
                { BYTES("\x82\x01x"), "broken:" },                 /* binary */
                { BYTES("\xc1\x01x"), "broken:" },                 /* an extension's bit */
                { BYTES("\x81\x81\x00\x00\x00\x00x"), "broken:" }, /* masked by a server */
                { BYTES("\x80\x01x"), "broken:" },                 /* goes on with nothing */
                { BYTES("\x01\x01x\x81\x01y"), "broken:" },        /* begins before the other ended */
                { BYTES("\x09\x01x"), "broken:" },                 /* a ping in parts */
                { BYTES("\x89\x7e\x00\x7e"), "broken:" },          /* a long ping */
                { BYTES("\x8b\x00"), "broken:" },                  /* an opcode nobody knows */
                { BYTES("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), "broken:" },
        };
        char said[256];

        for (size_t i = 0; i < COUNT(rows); i++) {
                for (size_t step = 1; step <= 40; step += 13) {
                        describe(rows[i].bytes, step, 100, said, sizeof(said));
                        assert_string_equal(said, rows[i].expected);
                }
        }
}

static void a_message_above_the_limit_is_broken_in_one_frame_and_in_many(void **state) {
        char said[256];

        describe((struct slice)BYTES("\x81\x05hello"), 100, 5, said, sizeof(said));
        assert_string_equal(said, "text:hello");
        describe((struct slice)BYTES("\x81\x06hello!"), 100, 5, said, sizeof(said));
        assert_string_equal(said, "broken:");
        describe((struct slice)BYTES("\x01\x03hel\x80\x03lo!"), 100, 5, said, sizeof(said));
        assert_string_equal(said, "broken:");
}

/* Section 5.7 has a masked "Hello" as an example. */
static void what_is_written_is_masked(void **state) {
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
        static const char expected[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        static char large[70000];

        wsock_write(&out, 1, SLICE("Hello"), 0x37fa213d);
        assert_int_equal(out.len, sizeof(expected) - 1);
        assert_memory_equal(out.ptr, expected, out.len);
        buf_clear(&out);
        wsock_write(&out, 1, (struct slice){ large, 126 }, 0);
        assert_memory_equal(out.ptr, "\x81\xfe\x00\x7e", 4);
        assert_int_equal(out.len, 8 + 126);
        buf_clear(&out);
        wsock_write(&out, 1, (struct slice){ large, sizeof(large) }, 0);
        assert_memory_equal(out.ptr, "\x81\xff\x00\x00\x00\x00\x00\x01\x11\x70", 10);
}

/* Section 1.3 has this key and its answer. */
static void the_answer_to_a_key(void **state) {
        char accept[WSOCK_ACCEPT_SIZE], key[WSOCK_KEY_SIZE];

        wsock_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
        assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        wsock_key((const unsigned char *)"the sample nonce", key);
        assert_string_equal(key, "dGhlIHNhbXBsZSBub25jZQ==");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_of_a_server),
                cmocka_unit_test(a_message_above_the_limit_is_broken_in_one_frame_and_in_many),
                cmocka_unit_test(what_is_written_is_masked),
                cmocka_unit_test(the_answer_to_a_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
