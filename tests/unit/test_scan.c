/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which texts are JSON, and what their values are. After the tables, another parser (jansson) is asked about thousands of texts
 * that were good before a few bytes of them changed.
 */
#include "base/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { DEPTH = 8 };

/* Scans a copy that ends where its memory does, so that a sanitizer sees a byte read too far. */
static int scan_copy(struct slice text, struct scan_value *ret_value) {
        char *copy = malloc(text.len + (text.len == 0));
        struct scan_value value;

        if (text.len > 0)
                memcpy(copy, text.ptr, text.len);
        int r = scan_text((struct slice){ copy, text.len }, DEPTH, &value);
        if (r == 0) {
                value.raw.ptr = text.ptr + (value.raw.ptr - copy);
                *ret_value = value;
        }
        free(copy);
        return r;
}

static void good_texts_pass_with_their_type(void **state) {
        static const struct {
                struct slice text;
                enum scan_type type;
        } rows[] = {
                { SLICE("null"), SCAN_NULL },
                { SLICE("true"), SCAN_BOOL },
                { SLICE("false"), SCAN_BOOL },
                { SLICE("0"), SCAN_INT },
                { SLICE("-0"), SCAN_INT },
                { SLICE("10"), SCAN_INT },
                { SLICE("-1"), SCAN_INT },
                { SLICE("0.0"), SCAN_NUMBER },
                { SLICE("-0.5"), SCAN_NUMBER },
                { SLICE("1e5"), SCAN_NUMBER },
                { SLICE("1E+5"), SCAN_NUMBER },
                { SLICE("1e-5"), SCAN_NUMBER },
                { SLICE("0e0"), SCAN_NUMBER },
                { SLICE("1.25e00"), SCAN_NUMBER },
                { SLICE("1e999999"), SCAN_NUMBER },
                { SLICE("123456789012345678901234567890"), SCAN_NUMBER },
                { SLICE("\"\""), SCAN_STRING },
                { SLICE("\"a\""), SCAN_STRING },
                { SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\""), SCAN_STRING },
                { SLICE("\"\\u0000\""), SCAN_STRING },
                { SLICE("\"\\ud83d\\ude00\""), SCAN_STRING },
                { SLICE("\"\\uDBFF\\uDFFF\""), SCAN_STRING },
                { SLICE("\"\\ud7ff\\ue000\\uffff\""), SCAN_STRING },
                { SLICE("\"\x7f\""), SCAN_STRING },
                { SLICE("\"\xc2\x80\xdf\xbf\""), SCAN_STRING },
                { SLICE("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""), SCAN_STRING },
                { SLICE("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), SCAN_STRING },
                { SLICE("\"\xef\xbb\xbf\""), SCAN_STRING }, /* U+FEFF inside a string is a character like others */
                { SLICE("\"seven..\""), SCAN_STRING },
                { SLICE("\"eight...\""), SCAN_STRING },
                { SLICE("\"nine.....\""), SCAN_STRING },
                { SLICE("\"/* no comment */ [{,:]}\""), SCAN_STRING },
                { SLICE("[]"), SCAN_ARRAY },
                { SLICE("[ ]"), SCAN_ARRAY },
                { SLICE("[1]"), SCAN_ARRAY },
                { SLICE("[1,\"a\",null,true,[],{}]"), SCAN_ARRAY },
                { SLICE("[ 1 , 2\t,\r\n3 ]"), SCAN_ARRAY },
                { SLICE("[[],[[]],{\"a\":[]}]"), SCAN_ARRAY },
                { SLICE("{}"), SCAN_OBJECT },
                { SLICE("{ }"), SCAN_OBJECT },
                { SLICE("{\"\":0}"), SCAN_OBJECT },
                { SLICE("{\"a\":1,\"b\":{\"c\":[]},\"d\":\"}\"}"), SCAN_OBJECT },
                { SLICE("{ \"a\" : 1 , \"b\" : 2 }"), SCAN_OBJECT },
                { SLICE("{\"a\":1,\"a\":2}"), SCAN_OBJECT }, /* scan_object() refuses it, where it is ours to read */
                { SLICE("[[[[[[[[]]]]]]]]"), SCAN_ARRAY },   /* DEPTH levels */
                { SLICE("{\"a\":[{\"a\":[{\"a\":[{\"a\":[]}]}]}]}"), SCAN_OBJECT },
                { SLICE("[[],[],[],[],[],[],[],[],[],[]]"), SCAN_ARRAY }, /* many, not deep */
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                struct scan_value value;
                if (scan_copy(rows[i].text, &value) != 0)
                        fail_msg("refused: %s", rows[i].text.ptr);
                assert_int_equal(value.type, rows[i].type);
                assert_true(slice_equal(value.raw, rows[i].text));

                _cleanup_buf_ struct buf spaced = BUF_INIT(200);
                buf_printf(&spaced, " \t\r\n%s\n \r\t", rows[i].text.ptr);
                assert_int_equal(scan_copy(buf_slice(&spaced), &value), 0);
                assert_true(slice_equal(value.raw, rows[i].text));
        }
}

static void assert_refused(const struct slice *texts, size_t count, int answer) {
        for (size_t i = 0; i < count; i++) {
                struct scan_value value = { .integer = 77 };
                if (scan_copy(texts[i], &value) != answer)
                        fail_msg("row %zu: %s", i, texts[i].ptr);
                assert_int_equal(value.integer, 77); /* results are written only on success */
        }
}

static void what_surrounds_a_value_must_be_space(void **state) {
        static const struct slice texts[] = {
                { NULL, 0 },
                SLICE(" "),
                SLICE("\n\n"),
                SLICE("\0"),
                SLICE("1\0"),
                SLICE("\xef\xbb\xbf{}"), /* a byte order mark */
                SLICE("\xff\xfe{\0}\0"), /* UTF-16 */
                SLICE("\f1"),
                SLICE("\v1"),
                SLICE("\xc2\xa0"
                      "1"), /* no-break space */
                SLICE("1 2"),
                SLICE("{}{}"),
                SLICE("[],"),
                SLICE("1,"),
                SLICE("// x\n1"),
                SLICE("1 /* x */"),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_SYNTAX);
}

static void bad_words_are_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("nul"), SLICE("nulll"),    SLICE("True"),      SLICE("tru"),       SLICE("fals"), SLICE("falsey"),
                SLICE("NaN"), SLICE("Infinity"), SLICE("-Infinity"), SLICE("undefined"), SLICE("a"),    SLICE("[truefalse]"),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_SYNTAX);
}

/* RFC 8259 section 6. */
static void bad_numbers_are_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("-"),    SLICE("+1"),    SLICE("--1"),   SLICE("01"),   SLICE("-01"),          SLICE("00"),
                SLICE("1."),   SLICE(".1"),    SLICE("-.1"),   SLICE("1.e1"), SLICE("1e"),           SLICE("1e+"),
                SLICE("1e-"),  SLICE("1e1.5"), SLICE("1e+-1"), SLICE("e1"),   SLICE("1ee1"),         SLICE("1.2.3"),
                SLICE("0x10"), SLICE("1_000"), SLICE("1a"),    SLICE("- 1"),  SLICE("\xef\xbc\x91"), /* a full-width digit */
        };

        assert_refused(texts, COUNT(texts), SCAN_E_SYNTAX);
}

/* RFC 8259 section 7. */
static void bad_strings_are_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("\""),
                SLICE("\"a"),
                SLICE("\"abcdefgh"),
                SLICE("\"\\\""),
                SLICE("\"\\"),
                SLICE("'a'"),
                SLICE("\"\\a\""),
                SLICE("\"\\'\""),
                SLICE("\"\\0\""),
                SLICE("\"\\x41\""),
                SLICE("\"\\U0041\""),
                SLICE("\"\\N\""),
                SLICE("\"\\\n\""),
                SLICE("\"\\u\""),
                SLICE("\"\\u00\""),
                SLICE("\"\\u004"),
                SLICE("\"\\u004g\""),
                SLICE("\"\\u+041\""),
                SLICE("\"\\ud800\""), /* half a pair */
                SLICE("\"\\udc00\""),
                SLICE("\"\\udfff\\ud800\""), /* the wrong way round */
                SLICE("\"\\ud800\\ud800\""),
                SLICE("\"\\ud800\\u0041\""),
                SLICE("\"\\ud800x\""),
                SLICE("\"\\ud800\\n\""),
                SLICE("\"\\ud800\\\""),
                SLICE("\"\\ud800\\udc0\""),
                SLICE("\"\\ud800\\ue000\""),
                SLICE("\"\0\""),
                SLICE("\"\x1f\""),
                SLICE("\"\n\""),
                SLICE("\"\t\""),
                SLICE("\"eight...\n\""),
                SLICE("\"abcd\x01"
                      "efgh\""),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_SYNTAX);
}

/* The edges of the table of RFC 3629 section 4. */
static void bad_utf8_is_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("\"\x80\""),
                SLICE("\"\xbf\""),
                SLICE("\"\xc0\x80\""),
                SLICE("\"\xc1\xbf\""),
                SLICE("\"\xc2\""),
                SLICE("\"\xc2\x7f\""),
                SLICE("\"\xc2\xc0\""),
                SLICE("\"\xe0\x9f\xbf\""),
                SLICE("\"\xe1\x80\""),
                SLICE("\"\xe1\x80\xc0\""),
                SLICE("\"\xed\xa0\x80\""), /* surrogates */
                SLICE("\"\xed\xbf\xbf\""),
                SLICE("\"\xed\xa0\xbd\xed\xb8\x80\""),
                SLICE("\"\xf0\x8f\xbf\xbf\""),
                SLICE("\"\xf0\x90\x80\""),
                SLICE("\"\xf4\x90\x80\x80\""),
                SLICE("\"\xf5\x80\x80\x80\""),
                SLICE("\"\xf8\x88\x80\x80\x80\""),
                SLICE("\"\xfe\""),
                SLICE("\"\xff\""),
                SLICE("\"\xe2\x82"), /* cut in a character */
                SLICE("\"abcdefgh\xff\""),
                SLICE("{\"\xff\":1}"),
                SLICE("{\"a\":[\"\xff\"]}"),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_UTF8);
}

static void bad_arrays_and_objects_are_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("["),
                SLICE("]"),
                SLICE("[ "),
                SLICE("[1"),
                SLICE("[1,"),
                SLICE("[1,]"),
                SLICE("[,]"),
                SLICE("[,1]"),
                SLICE("[1,,2]"),
                SLICE("[1 2]"),
                SLICE("[1:2]"),
                SLICE("[\"a\":1]"),
                SLICE("[}"),
                SLICE("[1}"),
                SLICE("[]]"),
                SLICE("{"),
                SLICE("}"),
                SLICE("{ "),
                SLICE("{]"),
                SLICE("{,}"),
                SLICE("{\"a\"}"),
                SLICE("{\"a\""),
                SLICE("{\"a\":"),
                SLICE("{\"a\":}"),
                SLICE("{\"a\":1"),
                SLICE("{\"a\":1]"),
                SLICE("{\"a\":1,"),
                SLICE("{\"a\":1,}"),
                SLICE("{\"a\":1,,\"b\":2}"),
                SLICE("{\"a\":1 \"b\":2}"),
                SLICE("{\"a\"::1}"),
                SLICE("{\"a\" 1}"),
                SLICE("{\"a\",1}"),
                SLICE("{a:1}"),
                SLICE("{'a':1}"),
                SLICE("{1:1}"),
                SLICE("{null:1}"),
                SLICE("{[]:1}"),
                SLICE("{\"a\":1,2}"),
                SLICE("{\"a\":[}]"),
                SLICE("[{\"a\":1]}"),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_SYNTAX);
}

static void deep_texts_are_refused(void **state) {
        static const struct slice texts[] = {
                SLICE("[[[[[[[[[]]]]]]]]]"),
                SLICE("[[[[[[[[{}]]]]]]]]"),
                SLICE("[[[[[[[[["),
                SLICE("[1,[[[[[[[2,[3]]]]]]]]]"),
        };

        assert_refused(texts, COUNT(texts), SCAN_E_DEPTH);
}

static void every_bad_byte_is_found_wherever_it_stands(void **state) {
        for (size_t len = 1; len < 40; len++) {
                for (size_t at = 0; at < len; at++) {
                        for (int c = 0; c < 256; c++) {
                                char text[64];
                                struct scan_value value;
                                memset(text, 'x', sizeof(text));
                                text[0] = text[len + 1] = '"';
                                text[at + 1] = (char)c;
                                int expected = c < 0x20 || c == '"' || c == '\\' ? SCAN_E_SYNTAX : c >= 0x80 ? SCAN_E_UTF8 : 0;
                                if (scan_copy((struct slice){ text, len + 2 }, &value) != expected)
                                        fail_msg("byte %02x at %zu of %zu", (unsigned)c, at, len);
                        }
                }
        }
}

/* All sequences of a first and a second byte, and the third and fourth where they matter, against a decoder that thinks in
 * numbers. */
static bool is_utf8_by_numbers(const unsigned char *bytes, size_t len) {
        for (size_t i = 0; i < len;) {
                size_t more = bytes[i] < 0x80       ? 0
                              : bytes[i] >> 5 == 6  ? 1
                              : bytes[i] >> 4 == 14 ? 2
                              : bytes[i] >> 3 == 30 ? 3
                                                    : 9;
                if (more > len - i - 1)
                        return false;
                uint32_t code = more == 0 ? bytes[i] : bytes[i] & (0x3fu >> more);
                for (size_t k = 1; k <= more; k++) {
                        if (bytes[i + k] >> 6 != 2)
                                return false;
                        code = code << 6 | (bytes[i + k] & 0x3f);
                }
                static const uint32_t lowest[] = { 0, 0x80, 0x800, 0x10000 };
                if (code < lowest[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                        return false;
                i += more + 1;
        }
        return true;
}

static void utf8_is_what_the_numbers_say(void **state) {
        static const unsigned char tails[] = { 0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff };

        assert_true(scan_utf8((struct slice){ NULL, 0 }));
        assert_true(scan_utf8(SLICE("a\0b")));
        for (unsigned pair = 0; pair < 65536; pair++) {
                for (size_t tail = 0; tail < COUNT(tails) * COUNT(tails); tail++) {
                        unsigned char bytes[4] = { (unsigned char)(pair >> 8), (unsigned char)pair, tails[tail % COUNT(tails)],
                                                   tails[tail / COUNT(tails)] };
                        for (size_t len = 1; len <= 4; len++) {
                                if (scan_utf8((struct slice){ (char *)bytes, len }) != is_utf8_by_numbers(bytes, len))
                                        fail_msg("%02x %02x %02x %02x, %zu bytes", bytes[0], bytes[1], bytes[2], bytes[3], len);
                        }
                }
        }
}

static void whole_numbers_have_a_value_if_it_fits(void **state) {
        static const struct {
                const char *text;
                enum scan_type type;
                int64_t integer;
        } rows[] = {
                { "0", SCAN_INT, 0 },
                { "-0", SCAN_INT, 0 },
                { "7", SCAN_INT, 7 },
                { "-12", SCAN_INT, -12 },
                { "9223372036854775807", SCAN_INT, INT64_MAX },
                { "9223372036854775808", SCAN_NUMBER, 0 },
                { "-9223372036854775808", SCAN_INT, INT64_MIN },
                { "-9223372036854775809", SCAN_NUMBER, 0 },
                { "18446744073709551616", SCAN_NUMBER, 0 },
                { "18446744073709551617", SCAN_NUMBER, 0 },
                { "99999999999999999999", SCAN_NUMBER, 0 },
                { "1.0", SCAN_NUMBER, 0 },
                { "1e2", SCAN_NUMBER, 0 },
                { "-1E2", SCAN_NUMBER, 0 },
                { "true", SCAN_BOOL, 1 },
                { "false", SCAN_BOOL, 0 },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                struct scan_value value, inside;
                char array[64];
                size_t position = 0;
                assert_int_equal(scan_copy(slice_of(rows[i].text), &value), 0);
                assert_int_equal(value.type, rows[i].type);
                if (value.type != SCAN_NUMBER)
                        assert_true(value.integer == rows[i].integer);

                snprintf(array, sizeof(array), "[%s]", rows[i].text);
                assert_true(scan_array(slice_of(array), &position, &inside));
                assert_int_equal(inside.type, rows[i].type);
                assert_true(slice_is(inside.raw, rows[i].text));
        }
}

static void the_depth_may_be_none_and_sixty_four(void **state) {
        struct scan_value value;
        char text[130];

        assert_int_equal(scan_text(SLICE("1"), 0, &value), 0);
        assert_int_equal(scan_text(SLICE("[]"), 0, &value), SCAN_E_DEPTH);
        memset(text, '[', 65);
        memset(text + 65, ']', 65);
        assert_int_equal(scan_text((struct slice){ text + 1, 128 }, 64, &value), 0);
        assert_int_equal(scan_text((struct slice){ text, 130 }, 64, &value), SCAN_E_DEPTH);

        /* All 64 levels are remembered for what they are. */
        _cleanup_buf_ struct buf mixed = BUF_INIT(1000);
        for (int i = 0; i < 64; i++)
                buf_add_text(&mixed, i % 3 ? "{\"a\":" : "[");
        buf_add_text(&mixed, "1");
        for (int i = 63; i >= 0; i--)
                buf_add_text(&mixed, i % 3 ? "}" : "]");
        assert_int_equal(scan_text(buf_slice(&mixed), 64, &value), 0);
        for (size_t i = mixed.len - 64; i < mixed.len; i++) {
                mixed.ptr[i] ^= '}' ^ ']';
                assert_int_equal(scan_text(buf_slice(&mixed), 64, &value), SCAN_E_SYNTAX);
                mixed.ptr[i] ^= '}' ^ ']';
        }
}

static void fields_come_in_order_with_their_values(void **state) {
        static const char text[] =
                " { \"type\" : \"send\" ,\"id\":7,\"body\":{\"a\":[1,\"]}\\\"\"],\"type\":0} ,\"no\":null,\"\":false,"
                "\"x\\u0041\":1.5,\"list\":[ ] } ";
        struct scan_value top;
        struct scan_field fields[8];
        size_t count;

        assert_int_equal(scan_text(slice_of(text), 8, &top), 0);
        assert_int_equal(scan_object(top.raw, fields, 8, &count), 0);
        assert_int_equal(count, 7);
        assert_true(slice_is(fields[0].name, "type"));
        assert_true(slice_is(fields[0].value.raw, "\"send\""));
        assert_true(slice_is(fields[2].name, "body"));
        assert_int_equal(fields[2].value.type, SCAN_OBJECT);
        assert_true(slice_is(fields[2].value.raw, "{\"a\":[1,\"]}\\\"\"],\"type\":0}"));
        assert_true(slice_is(fields[5].name, "x\\u0041")); /* not decoded */

        assert_int_equal(scan_find(fields, count, "id")->integer, 7);
        assert_int_equal(scan_find(fields, count, "no")->type, SCAN_NULL);
        assert_int_equal(scan_find(fields, count, "")->type, SCAN_BOOL);
        assert_true(slice_is(scan_find(fields, count, "list")->raw, "[ ]"));
        assert_null(scan_find(fields, count, "xA"));
        assert_null(scan_find(fields, count, "typ"));
        assert_null(scan_find(fields, count, "types"));
        assert_null(scan_find(fields, 0, "type"));
}

static void objects_fit_or_say_why_not(void **state) {
        static const struct {
                struct slice text;
                size_t room;
                int answer;
                size_t count;
        } rows[] = {
                { SLICE("{}"), 0, 0, 0 },
                { SLICE("{ \n}"), 1, 0, 0 },
                { SLICE("{\"a\":1}"), 0, SCAN_E_MANY, 0 },
                { SLICE("{\"a\":1,\"b\":2}"), 2, 0, 2 },
                { SLICE("{\"a\":1,\"b\":2,\"c\":3}"), 2, SCAN_E_MANY, 2 },
                { SLICE("{\"a\":1,\"a\":1}"), 4, SCAN_E_DUPLICATE, 1 },
                { SLICE("{\"a\":1,\"b\":2,\"a\":1}"), 4, SCAN_E_DUPLICATE, 2 },
                { SLICE("{\"\":1,\"\":1}"), 4, SCAN_E_DUPLICATE, 1 },
                { SLICE("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}"), 4, 0, 2 },
                { SLICE("{\"a\":1,\"A\":1,\"aa\":1}"), 4, 0, 3 },
                { SLICE("{\"a\\\\\":1,\"b\\\"\":\"\\\\\\\"\",\"c\":\"\\\\\"}"), 4, 0, 3 }, /* quotes behind backslashes */
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                struct scan_value top;
                struct scan_field fields[4];
                size_t count = 0;
                assert_int_equal(scan_text(rows[i].text, 8, &top), 0);
                if (scan_object(top.raw, fields, rows[i].room, &count) != rows[i].answer)
                        fail_msg("row %zu", i);
                assert_int_equal(count, rows[i].count);
        }
}

static void arrays_give_each_value_once(void **state) {
        static const struct {
                const char *text, *values;
        } rows[] = {
                { "[]", "" },
                { "[ ]", "" },
                { "[1]", "1;" },
                { "[ 1 , \"a,b\" ,[2,3], {\"a\":[]} , null ]", "1;\"a,b\";[2,3];{\"a\":[]};null;" },
                { "[[[]],[]]", "[[]];[];" },
                { "[\"\\\\\",\"\\\"]\"]", "\"\\\\\";\"\\\"]\";" },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                _cleanup_buf_ struct buf values = BUF_INIT(200);
                struct scan_value value;
                size_t position = 0;
                while (scan_array(slice_of(rows[i].text), &position, &value)) {
                        buf_add_slice(&values, value.raw);
                        buf_add_char(&values, ';');
                }
                assert_string_equal(values.ptr ? values.ptr : "", rows[i].values);
                assert_false(scan_array(slice_of(rows[i].text), &position, &value)); /* and stays at the end */
        }
}

static void strings_are_decoded_into_the_room_there_is(void **state) {
        static const struct {
                const char *raw;
                struct slice decoded;
        } rows[] = {
                { "\"\"", SLICE("") },
                { "\"plain\"", SLICE("plain") },
                { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", SLICE("\"\\/\b\f\n\r\t") },
                { "\"a\\u0000b\"", SLICE("a\0b") },
                { "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", SLICE("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
                { "\"\\ud800\\udc00\\uDBFF\\uDFFF\"", SLICE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
                { "\"x\\ud83d\\ude00y\"", SLICE("x\xf0\x9f\x98\x80y") },
                { "\"\xc3\xa9\\n\xf0\x9f\x98\x80\"", SLICE("\xc3\xa9\n\xf0\x9f\x98\x80") },
        };

        for (size_t i = 0; i < COUNT(rows); i++) {
                for (size_t room = 0; room <= rows[i].decoded.len + 2; room++) {
                        char *out = malloc(room + (room == 0));
                        size_t len = 99;
                        int r = scan_string(slice_of(rows[i].raw), out, room, &len);
                        assert_int_equal(r, room > rows[i].decoded.len ? 0 : SCAN_E_LONG);
                        if (r == 0) {
                                assert_true(slice_equal((struct slice){ out, len }, rows[i].decoded));
                                assert_int_equal(out[len], '\0');
                        }
                        free(out);
                }
        }
}

/*
 * The other parser. It refuses numbers that no double holds and NUL in names, which are JSON; all else must agree.
 */

static const char *const seeds[] = {
        "{\"type\":\"send\",\"id\":12,\"conv\":\"room\",\"op\":\"0193-aa\",\"body\":{\"text\":\"hi \\u00e9 \\ud83d\\ude00\"}}",
        "[{\"type\":\"ack\",\"n\":18},{\"type\":\"ping\"}]",
        "{\"a\":[1,-2.5e+3,0,1e-7,[[],{}],[true,false,null]],\"b\":{\"c\":{\"d\":\"\\\\\\\"\"}}}",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\ud83d\\ude00\\n\"",
        " [ 0.5 , \"x\" ,\t{ \"y\" : [ ] } ] \r\n",
};

static uint64_t next_random(uint64_t *random) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        return *random >> 8;
}

/*
 * One small change: a byte set, removed, put in, swapped with the next; or the end cut off. No NUL: jansson 2.14 drops one that
 * follows a number or a word.
 */
static size_t mutate(char *text, size_t len, size_t max, uint64_t *random) {
        static const char spice[] = "{}[]\",:\\u0123456789eE+-.tfn /dD8bcCx\n\xc3\xa9\xed\xa0\x80\xf4\x90\xff";
        size_t at = next_random(random) % (len + 1);

        switch (next_random(random) % 4) {
        case 0:
                if (at < len)
                        text[at] = spice[next_random(random) % (sizeof(spice) - 1)];
                return len;
        case 1:
                if (at == len)
                        return len;
                memmove(text + at, text + at + 1, len - at - 1);
                return len - 1;
        case 2:
                if (len == max)
                        return len;
                memmove(text + at + 1, text + at, len - at);
                text[at] = spice[next_random(random) % (sizeof(spice) - 1)];
                return len + 1;
        default:
                if (at < len && next_random(random) % 8 == 0)
                        return at;
                if (at + 1 < len) {
                        char c = text[at];
                        text[at] = text[at + 1];
                        text[at + 1] = c;
                }
                return len;
        }
}

static bool is_exempt(const char *message) {
        return strstr(message, "real number overflow") || strstr(message, "NUL byte in object key");
}

/* The same value, read by us and by them: so deep that a wrong slice cannot hide. */
static void assert_same(struct scan_value ours, const json_t *theirs) {
        struct scan_value value;
        size_t position = 0, i = 0;

        switch (ours.type) {
        case SCAN_NULL:
                assert_true(json_is_null(theirs));
                break;
        case SCAN_BOOL:
                assert_true(json_is_boolean(theirs) && json_is_true(theirs) == ours.integer);
                break;
        case SCAN_INT:
                assert_true(json_number_value(theirs) == (double)ours.integer);
                break;
        case SCAN_NUMBER:
                assert_true(json_is_number(theirs));
                break;
        case SCAN_STRING: {
                char out[512];
                size_t len;
                assert_int_equal(scan_string(ours.raw, out, sizeof(out), &len), 0);
                assert_int_equal(len, json_string_length(theirs));
                assert_memory_equal(out, json_string_value(theirs), len);
                break;
        }
        case SCAN_ARRAY:
                while (scan_array(ours.raw, &position, &value))
                        assert_same(value, json_array_get(theirs, i++));
                assert_int_equal(i, json_array_size(theirs));
                break;
        case SCAN_OBJECT: {
                struct scan_field fields[32];
                size_t count = 0;
                if (scan_object(ours.raw, fields, 32, &count) == SCAN_E_DUPLICATE)
                        break;
                for (; i < count; i++) {
                        char name[256];
                        size_t len;
                        struct slice quoted = { fields[i].name.ptr - 1, fields[i].name.len + 2 };
                        assert_int_equal(scan_string(quoted, name, sizeof(name), &len), 0);
                        if (json_object_size(theirs) == count) /* else two names differ only in their escapes */
                                assert_same(fields[i].value, json_object_get(theirs, name));
                }
                break;
        }
        }
}

static void another_parser_agrees_on_changed_texts(void **state) {
        enum { TEXTS = 60000 };
        uint64_t random = 0x2545f4914f6cdd1du;
        unsigned good = 0;

        for (unsigned i = 0; i < TEXTS; i++) {
                char text[256];
                const char *seed = seeds[i % COUNT(seeds)];
                size_t len = strlen(seed);
                struct scan_value value;
                json_error_t error;

                memcpy(text, seed, len);
                for (uint64_t changes = 1 + next_random(&random) % 3; changes > 0; changes--)
                        len = mutate(text, len, sizeof(text), &random);
                int ours = scan_text((struct slice){ text, len }, 64, &value);
                json_t *theirs = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
                if ((ours == 0) != (theirs != NULL) && (theirs || !is_exempt(error.text)))
                        fail_msg("ours %d, theirs %s: %.*s", ours, theirs ? "good" : error.text, (int)len, text);
                if (ours == 0 && theirs) {
                        good++;
                        assert_same(value, theirs);
                }
                json_decref(theirs);
        }
        assert_in_range(good, TEXTS / 20, TEXTS - TEXTS / 20); /* else the changes are too wild or too tame to prove anything */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_texts_pass_with_their_type),
                cmocka_unit_test(what_surrounds_a_value_must_be_space),
                cmocka_unit_test(bad_words_are_refused),
                cmocka_unit_test(bad_numbers_are_refused),
                cmocka_unit_test(bad_strings_are_refused),
                cmocka_unit_test(bad_utf8_is_refused),
                cmocka_unit_test(bad_arrays_and_objects_are_refused),
                cmocka_unit_test(deep_texts_are_refused),
                cmocka_unit_test(every_bad_byte_is_found_wherever_it_stands),
                cmocka_unit_test(utf8_is_what_the_numbers_say),
                cmocka_unit_test(whole_numbers_have_a_value_if_it_fits),
                cmocka_unit_test(the_depth_may_be_none_and_sixty_four),
                cmocka_unit_test(fields_come_in_order_with_their_values),
                cmocka_unit_test(objects_fit_or_say_why_not),
                cmocka_unit_test(arrays_give_each_value_once),
                cmocka_unit_test(strings_are_decoded_into_the_room_there_is),
                cmocka_unit_test(another_parser_agrees_on_changed_texts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
