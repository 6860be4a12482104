/* SPDX-License-Identifier: Apache-2.0 */
/* test_wire.c: what clients send, good and bad. Each row is a frame; a good one says what it became, a bad one a word of the refusal. */
#include "hub/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

#define ID_128 "12345678901234567890123456789012345678901234567890123456789012341234567890123456789012345678901234567890123456789012345678901234"
#define OP_64 "1234567890123456789012345678901234567890123456789012345678901234"

static struct request request; /* large */

/* The text without a NUL behind it, so that a sanitizer sees each byte read beyond. The slices of request point into *ret_text. */
static int parse(const char *text, char **ret_text) {
        struct scan_value value;
        size_t len = strlen(text);
        *ret_text = malloc(len);
        assert_non_null(*ret_text);
        memcpy(*ret_text, text, len);
        if (scan_text((struct slice){ *ret_text, len }, LIMIT_JSON_DEPTH, &value) || value.type != SCAN_OBJECT)
                fail_msg("the row is no JSON object: %s", text);
        memset(&request, 0xa5, sizeof(request)); /* nothing may be left from before */
        return wire_parse(value.raw, &request);
}

static void say(struct buf *out, const char *name, struct slice value) {
        if (value.len)
                buf_printf(out, " %s=%.*s", name, (int)value.len, value.ptr);
}

static void say_uint(struct buf *out, const char *name, uint64_t value) {
        if (value)
                buf_printf(out, " %s=%llu", name, (unsigned long long)value);
}

/* What a request became, field by field; what is absent is not said. */
static void describe(struct buf *out) {
        buf_add_text(out, wire_type_text(request.type));
        if (request.has_id)
                buf_printf(out, " id=%lld", (long long)request.id);
        say(out, "token", request.token);
        say(out, "device", request.device);
        say(out, "conv", request.conv);
        say(out, "op", request.op);
        say(out, "kind", request.kind);
        say(out, "status", request.status);
        say(out, "body", request.body);
        if (request.has_cursor)
                buf_printf(out, " cursor=%.*s:%llu", (int)request.epoch.len, request.epoch.ptr, (unsigned long long)request.cursor);
        if (request.has_n)
                buf_printf(out, " n=%llu", (unsigned long long)request.n);
        say_uint(out, "seq", request.seq);
        say_uint(out, "ref", request.ref);
        say_uint(out, "before", request.before);
        if (request.after >= 0)
                buf_printf(out, " after=%lld", (long long)request.after);
        say(out, "after_conv", request.after_conv);
        if (request.limit != LIMIT_LIST_ITEMS / 4)
                say_uint(out, "limit", request.limit);
        buf_add_text(out, request.background ? " background" : "");
        buf_add_text(out, request.active ? " active" : "");
        buf_add_text(out, request.versions ? " versions" : "");
        for (size_t i = 0; i < request.users_count; i++)
                say(out, "user", request.users[i]);
}

static const struct {
        const char *text, *became;
} good[] = {
        { "{\"type\":\"hello\",\"token\":\"a.b.c\",\"device\":\"phone\"}", "hello token=a.b.c device=phone" },
        { "{\"type\":\"hello\",\"id\":1,\"cursor\":{\"epoch\":\"e1\",\"n\":0},\"background\":true,\"client\":\"x/1\"}", "hello id=1 cursor=e1:0 background" },
        { "{\"type\":\"hello\",\"device\":null,\"cursor\":null,\"background\":null}", "hello" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"body\":{\"a\":[1, 2]}}", "send conv=c op=o body={\"a\":[1, 2]}" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"body\":null}", "send conv=c op=o body=null" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"" OP_64 "\",\"body\":\"\"}", "send conv=c op=" OP_64 " body=\"\"" },
        { "{\"type\":\"send\",\"conv\":\"" ID_128 "\",\"op\":\"an op\",\"body\":1}", "send conv=" ID_128 " op=an op body=1" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"edit\",\"ref\":3,\"body\":1}", "send conv=c op=o kind=edit body=1 ref=3" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"delete\",\"ref\":3}", "send conv=c op=o kind=delete ref=3" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"react\",\"ref\":3,\"body\":\"+1\"}", "send conv=c op=o kind=react body=\"+1\" ref=3" },
        { "{\"type\":\"ack\",\"n\":0}", "ack n=0" },
        { "{\"type\":\"ack\",\"n\":4611686018427387903}", "ack n=4611686018427387903" },
        { "{\"type\":\"ack\",\"conv\":\"news\",\"seq\":7}", "ack conv=news seq=7" },
        { "{\"type\":\"read\",\"conv\":\"c\",\"seq\":5}", "read conv=c seq=5" },
        { "{\"type\":\"read\",\"op\":\"invoice 7\"}", "read op=invoice 7" },
        { "{\"type\":\"typing\",\"conv\":\"c\",\"active\":true}", "typing conv=c active" },
        { "{\"type\":\"typing\",\"conv\":\"c\",\"active\":false}", "typing conv=c" },
        { "{\"type\":\"signal\",\"conv\":\"c\",\"body\":[]}", "signal conv=c body=[]" },
        { "{\"type\":\"history\",\"conv\":\"c\"}", "history conv=c" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"before\":9,\"limit\":200}", "history conv=c before=9 limit=200" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"after\":0,\"limit\":1,\"versions\":true}", "history conv=c after=0 limit=1 versions" },
        { "{\"type\":\"conversations\"}", "conversations" },
        { "{\"type\":\"conversations\",\"after\":\"c1\",\"limit\":2}", "conversations after_conv=c1 limit=2" },
        { "{\"type\":\"members\",\"conv\":\"c\"}", "members conv=c" },
        { "{\"type\":\"watch\",\"users\":[\"ann\",\"bob\"]}", "watch user=ann user=bob" },
        { "{\"type\":\"unwatch\",\"users\":[]}", "unwatch" },
        { "{\"type\":\"status\",\"status\":\"away\"}", "status status=away" },
        { "{\"type\":\"status\",\"status\":\"online\"}", "status status=online" },
        { "{\"type\":\"status\",\"status\":\"invisible\"}", "status status=invisible" },
        { "{\"type\":\"auth\",\"token\":\"t\"}", "auth token=t" },
        { "{\"type\":\"ping\"}", "ping" },
        /* ids, in any integer form */
        { "{\"type\":\"ping\",\"id\":0}", "ping id=0" },
        { "{\"type\":\"ping\",\"id\":-9223372036854775808}", "ping id=-9223372036854775808" },
        { "{\"type\":\"ping\",\"id\":9223372036854775807}", "ping id=9223372036854775807" },
        { "{\"type\":\"ping\",\"id\":null}", "ping" },
        /* unknown fields are ignored, and so are those of other types */
        { "{\"type\":\"ping\",\"x\":{\"type\":\"send\"},\"y\":[[]]}", "ping" },
        { "{\"type\":\"ping\",\"conv\":5,\"n\":\"x\",\"users\":7,\"token\":[]}", "ping" },
        { "{\"type\":\"hello\",\"conv\":\"a b\"}", "hello" },
        /* escapes are decoded, in names of fields not */
        { "{\"type\":\"p\\u0069ng\"}", "ping" },
        { "{\"type\":\"read\",\"conv\":\"\\u0063\\u00e4\",\"seq\":1}", "read conv=c\xc3\xa4 seq=1" },
        { "{\"type\":\"read\",\"conv\":\"\\ud83d\\ude00\",\"seq\":1}", "read conv=\xf0\x9f\x98\x80 seq=1" },
        { "{\"type\":\"read\",\"conv\":\"a\\\"b\\\\c\",\"seq\":1}", "read conv=a\"b\\c seq=1" },
        { "{\"type\":\"watch\",\"users\":[\"\\u0061\",\"\\u0062\"]}", "watch user=a user=b" },
        /* bodies are not: they pass as they are */
        { "{\"type\":\"signal\",\"conv\":\"c\",\"body\":\"\\u0063\\/\"}", "signal conv=c body=\"\\u0063\\/\"" },
        { "{ \"type\" : \"signal\" , \"conv\":\"c\",\"body\" :  1e3 }", "signal conv=c body=1e3" },
};

static void good_requests_become_what_the_rows_say(void **state) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                _cleanup_buf_ struct buf out = BUF_INIT(10000);
                char *text;
                if (parse(good[i].text, &text))
                        fail_msg("%s was refused: %s", good[i].text, request.error);
                describe(&out);
                assert_string_equal(out.ptr, good[i].became);
                free(text);
        }
}

static const struct {
        const char *text, *error; /* a part of the sentence */
} bad[] = {
        { "{}", "type is missing" },
        { "{\"type\":5}", "type is missing" },
        { "{\"type\":null}", "type is missing" },
        { "{\"type\":\"\"}", "type is unknown" },
        { "{\"type\":\"Ping\"}", "type is unknown" },
        { "{\"type\":\"ping\\u0000\"}", "type is unknown" },
        { "{\"t\\u0079pe\":\"ping\"}", "type is missing" },
        { "{\"type\":\"ping\",\"type\":\"ping\"}", "twice" },
        { "{\"type\":\"ping\",\"id\":1.5}", "id is a whole number" },
        { "{\"type\":\"ping\",\"id\":\"7\"}", "id is a whole number" },
        { "{\"type\":\"ping\",\"id\":9223372036854775808}", "id is a whole number" },
        { "{\"type\":\"hello\",\"token\":7}", "token" },
        { "{\"type\":\"hello\",\"device\":\"a b\"}", "device" },
        { "{\"type\":\"hello\",\"device\":\"a/b\"}", "device" },
        { "{\"type\":\"hello\",\"device\":\"" ID_128 "5\"}", "device" },
        { "{\"type\":\"hello\",\"background\":1}", "background" },
        { "{\"type\":\"hello\",\"cursor\":5}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"e\"}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"n\":5}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"e\",\"n\":-1}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"e\",\"n\":4611686018427387904}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"e\",\"n\":1,\"n\":2}}", "cursor" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"\",\"n\":1}}", "epoch" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"a b\",\"n\":1}}", "epoch" },
        { "{\"type\":\"hello\",\"cursor\":{\"epoch\":\"" OP_64 "5\",\"n\":1}}", "epoch" },
        { "{\"type\":\"send\",\"op\":\"o\",\"body\":1}", "conv is missing" },
        { "{\"type\":\"send\",\"conv\":\"\",\"op\":\"o\",\"body\":1}", "conv is missing" },
        { "{\"type\":\"send\",\"conv\":null,\"op\":\"o\",\"body\":1}", "conv is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"body\":1}", "op is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"\",\"body\":1}", "op is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"" OP_64 "5\",\"body\":1}", "op is 1 to 64" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"caf\xc3\xa9\",\"body\":1}", "op is 1 to 64" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"a\\nb\",\"body\":1}", "op is 1 to 64" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"a\\u0000\",\"body\":1}", "op is 1 to 64" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":7,\"body\":1}", "op is 1 to 64" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\"}", "body is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"edit\",\"ref\":1}", "body is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"edit\",\"body\":1}", "ref is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"delete\"}", "ref is missing" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"kind\":\"member\",\"body\":1}", "kind" },
        { "{\"type\":\"send\",\"conv\":\"c\",\"op\":\"o\",\"ref\":0,\"body\":1}", "ref is a seq" },
        { "{\"type\":\"send\",\"conv\":\"a/b\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"send\",\"conv\":\"a\\u0020b\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"send\",\"conv\":\"a\\u0000b\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"send\",\"conv\":\"a\\u002fb\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"send\",\"conv\":\"a\x7f\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"send\",\"conv\":\"" ID_128 "5\",\"op\":\"o\",\"body\":1}", "conv is an id" },
        { "{\"type\":\"ack\"}", "ack needs" },
        { "{\"type\":\"ack\",\"n\":null}", "ack needs" },
        { "{\"type\":\"ack\",\"conv\":\"c\"}", "ack needs" },
        { "{\"type\":\"ack\",\"seq\":5}", "ack needs" },
        { "{\"type\":\"ack\",\"n\":-1}", "n is a whole number" },
        { "{\"type\":\"ack\",\"n\":1.0}", "n is a whole number" },
        { "{\"type\":\"ack\",\"n\":1e3}", "n is a whole number" },
        { "{\"type\":\"ack\",\"n\":\"5\"}", "n is a whole number" },
        { "{\"type\":\"ack\",\"n\":4611686018427387904}", "n is a whole number" },
        { "{\"type\":\"ack\",\"n\":99999999999999999999}", "n is a whole number" },
        { "{\"type\":\"read\",\"conv\":\"c\"}", "read needs" },
        { "{\"type\":\"read\",\"conv\":\"c\",\"seq\":0}", "read needs" },
        { "{\"type\":\"read\",\"seq\":1}", "read needs" },
        { "{\"type\":\"read\"}", "read needs" },
        { "{\"type\":\"typing\",\"conv\":\"c\"}", "active" },
        { "{\"type\":\"typing\",\"conv\":\"c\",\"active\":1}", "active" },
        { "{\"type\":\"typing\",\"active\":true}", "conv is missing" },
        { "{\"type\":\"signal\",\"conv\":\"c\"}", "body is missing" },
        { "{\"type\":\"history\"}", "conv is missing" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"limit\":0}", "limit is 1 to 200" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"limit\":201}", "limit is 1 to 200" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"before\":0}", "before and after" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"after\":\"x\"}", "before and after" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"before\":3,\"after\":1}", "not both" },
        { "{\"type\":\"history\",\"conv\":\"c\",\"versions\":1}", "versions" },
        { "{\"type\":\"conversations\",\"after\":5}", "after is what next said" },
        { "{\"type\":\"conversations\",\"limit\":\"10\"}", "limit is 1 to 200" },
        { "{\"type\":\"members\"}", "conv is missing" },
        { "{\"type\":\"push_unregister\",\"provider\":\"pigeon\"}", "provider is" },
        { "{\"type\":\"push_unregister\",\"provider\":7}", "provider is" },
        { "{\"type\":\"push_register\",\"provider\":\"pigeon\",\"app\":\"main\",\"token\":\"t\"}", "provider is" },
        { "{\"type\":\"watch\"}", "users is a list" },
        { "{\"type\":\"watch\",\"users\":\"bob\"}", "users is a list" },
        { "{\"type\":\"watch\",\"users\":[5]}", "users is a list" },
        { "{\"type\":\"watch\",\"users\":[\"\"]}", "users is a list" },
        { "{\"type\":\"watch\",\"users\":[\"bob\",\"a b\"]}", "users is a list" },
        { "{\"type\":\"status\"}", "status is" },
        { "{\"type\":\"status\",\"status\":\"offline\"}", "status is" },
        { "{\"type\":\"auth\"}", "token is missing" },
        { "{\"type\":\"auth\",\"token\":\"\"}", "token is missing" },
        { "{\"type\":\"report\",\"synced\":\"3\"}", "whole numbers" },
        { "{\"type\":\"report\",\"outbox_oldest_ms\":1.5}", "whole numbers" },
        { "{\"type\":\"report\",\"catch_up_ms\":5}", "lists of" },
        { "{\"type\":\"report\",\"catch_up_size\":[1,null]}", "lists of" },
        { "{\"type\":\"report\",\"op_to_synced_ms\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "at most 32" },
        { "{\"type\":\"prefs\"}", "prefs needs" },
        { "{\"type\":\"prefs\",\"mute\":null}", "prefs needs" },
        { "{\"type\":\"prefs\",\"mute\":5}", "mute is" },
        { "{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\"}}", "mute is" },
        { "{\"type\":\"prefs\",\"mute\":{\"conv\":\"a b\",\"until_ms\":1}}", "mute is" },
        { "{\"type\":\"prefs\",\"quiet_hours\":5}", "quiet_hours is" },
        { "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:00\",\"zone\":\"Europe/Atlantis\"}}", "database lacks" },
        { "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:00\",\"zone\":\"Europe\"}}", "database lacks" },
        { "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"22:00\",\"zone\":\"Europe/Berlin\"}}", "quiet_hours is" },
        { "{\"type\":\"prefs\",\"quiet_hours\":{\"from\":\"24:00\",\"to\":\"07:00\",\"zone\":\"Europe/Berlin\"}}", "quiet_hours is" },
};

static void bad_requests_are_refused_with_a_sentence(void **state) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char *text;
                if (parse(bad[i].text, &text) != WIRE_E_INVALID)
                        fail_msg("%s was accepted", bad[i].text);
                assert_non_null(request.error);
                if (!strstr(request.error, bad[i].error))
                        fail_msg("%s was refused with: %s", bad[i].text, request.error);
                free(text);
        }
}

static void a_refused_request_still_has_its_id(void **state) {
        char *text;
        assert_int_equal(parse("{\"type\":\"nonsense\",\"id\":7}", &text), WIRE_E_INVALID);
        assert_true(request.has_id);
        assert_int_equal(request.id, 7);
        free(text);
        assert_int_equal(parse("{\"conv\":\"a b\",\"id\":8,\"type\":\"members\"}", &text), WIRE_E_INVALID);
        assert_int_equal(request.id, 8);
        assert_int_equal(request.type, REQUEST_MEMBERS);
        free(text);
        assert_int_equal(parse("{\"type\":\"ping\",\"id\":9,\"x\":1,\"x\":2}", &text), WIRE_E_INVALID);
        assert_true(request.has_id);
        assert_int_equal(request.id, 9);
        free(text);
        assert_int_equal(parse("{\"type\":\"ping\",\"id\":9,\"id\":10}", &text), WIRE_E_INVALID);
        assert_int_equal(request.id, 9);
        free(text);
}

static void preferences_are_taken_apart(void **state) {
        char *text;
        assert_int_equal(parse("{\"type\":\"prefs\",\"mute\":{\"conv\":\"c\",\"until_ms\":0},"
                               "\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"07:30\",\"zone\":\"Europe/Berlin\"}}", &text), 0);
        assert_true(request.has_mute && request.has_quiet);
        assert_true(slice_is(request.mute_conv, "c"));
        assert_int_equal(request.mute_until_ms, 0);
        assert_true(slice_is(request.quiet_from, "22:00") && slice_is(request.quiet_to, "07:30") && slice_is(request.quiet_zone, "Europe/Berlin"));
        free(text);
        assert_int_equal(parse("{\"type\":\"prefs\",\"quiet_hours\":null}", &text), 0);
        assert_true(!request.has_mute && request.has_quiet && request.quiet_from.len == 0); /* none any more */
        free(text);
}

/* ---- hostile ---- */

static int parse_built(struct buf *built, char **ret_text) {
        assert_false(buf_failed(built));
        return parse(built->ptr, ret_text);
}

static void users_are_counted_before_they_are_kept(void **state) {
        for (int count = LIMIT_LIST_ITEMS; count <= LIMIT_LIST_ITEMS + 1; count++) {
                _cleanup_buf_ struct buf built = BUF_INIT(1 << 20);
                char *text;
                buf_add_text(&built, "{\"type\":\"watch\",\"users\":[\"u\"");
                for (int i = 1; i < count; i++)
                        buf_add_text(&built, ",\"u\"");
                buf_add_text(&built, "]}");
                int r = parse_built(&built, &text);
                if (count <= LIMIT_LIST_ITEMS)
                        assert_true(r == 0 && request.users_count == LIMIT_LIST_ITEMS);
                else
                        assert_true(r == WIRE_E_INVALID && strstr(request.error, "at most 200"));
                free(text);
        }
}

/* The keys of RFC 8291 section 5, and what is nearly them. */
static void a_subscription_needs_keys_that_a_push_can_be_encrypted_to(void **state) {
        static const char point[] = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", auth[] = "BTBZMqHH6r4Tts7J_aSIgg";
        static const struct {
                const char *p256dh, *auth;
                int result;
        } rows[] = {
                { point, auth, 0 },
                { "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw8", auth, WIRE_E_INVALID }, /* beside the curve */
                { "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4AAAA", auth, WIRE_E_INVALID },
                { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", auth, WIRE_E_INVALID },
                { point, "BTBZMqHH6r4Tts7J_aSIggAA", WIRE_E_INVALID }, /* 18 bytes */
                { point, "BTBZMqHH6r4Tts7J_aSI!!", WIRE_E_INVALID },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_buf_ struct buf built = BUF_INIT(LIMIT_FRAME_BYTES);
                char *text;
                buf_printf(&built, "{\"type\":\"push_register\",\"provider\":\"webpush\",\"app\":\"main\",\"subscription\":"
                                   "{\"endpoint\":\"https://push.example/1\",\"keys\":{\"p256dh\":\"%s\",\"auth\":\"%s\"}}}", rows[i].p256dh, rows[i].auth);
                assert_int_equal(parse_built(&built, &text), rows[i].result);
                if (rows[i].result)
                        assert_non_null(strstr(request.error, "a point of P-256"));
                free(text);
        }
}

static void fields_are_counted(void **state) {
        for (int count = LIMIT_JSON_FIELDS; count <= LIMIT_JSON_FIELDS + 1; count++) {
                _cleanup_buf_ struct buf built = BUF_INIT(1 << 20);
                char *text;
                buf_add_text(&built, "{\"type\":\"ping\"");
                for (int i = 1; i < count; i++)
                        buf_printf(&built, ",\"f%d\":%d", i, i);
                buf_add_char(&built, '}');
                assert_int_equal(parse_built(&built, &text), count > LIMIT_JSON_FIELDS ? WIRE_E_INVALID : 0);
                free(text);
        }
}

/* Each decoded string takes room for itself; when the room is used up the request is refused, whatever the string would be. */
static void escapes_cannot_outgrow_the_scratch(void **state) {
        for (int bytes = 60; bytes <= 128; bytes += 68) {
                _cleanup_buf_ struct buf built = BUF_INIT(1 << 20);
                char *text;
                buf_add_text(&built, "{\"type\":\"watch\",\"users\":[");
                for (int user = 0; user < LIMIT_LIST_ITEMS; user++) {
                        buf_add_text(&built, user ? ",\"" : "\"");
                        for (int i = 0; i < bytes; i++)
                                buf_add_text(&built, "\\u0061");
                        buf_add_char(&built, '"');
                }
                buf_add_text(&built, "]}");
                assert_true((bytes + 1) * LIMIT_LIST_ITEMS > (int)sizeof(request.scratch));
                assert_int_equal(parse_built(&built, &text), WIRE_E_INVALID);
                assert_true(request.scratch_len <= sizeof(request.scratch));
                free(text);
        }
}

static void a_token_of_escapes_is_decoded_up_to_the_room_there_is(void **state) {
        for (size_t len = sizeof(request.scratch) - 1; len <= sizeof(request.scratch); len++) {
                _cleanup_buf_ struct buf built = BUF_INIT(1 << 20);
                char *text;
                buf_add_text(&built, "{\"type\":\"ping\",\"id\":1,\"x\":1}"); /* warm: nothing of it may count */
                assert_int_equal(parse_built(&built, &text), 0);
                free(text);
                buf_clear(&built);
                buf_add_text(&built, "{\"type\":\"auth\",\"token\":\"");
                for (size_t i = 0; i < len; i++)
                        buf_add_text(&built, "\\u0061");
                buf_add_text(&built, "\"}");
                int r = parse_built(&built, &text); /* with its NUL */
                assert_int_equal(r, len < sizeof(request.scratch) ? 0 : WIRE_E_INVALID);
                if (!r)
                        assert_int_equal(request.token.len, len);
                free(text);
        }
}

static void a_report_is_cut_to_its_limits(void **state) {
        const struct report *report = &request.report;
        char *text;
        assert_int_equal(parse("{\"type\":\"report\"}", &text), 0);
        assert_true(report->counts[REPORT_OP_TO_SYNCED] == 0 && report->counters[REPORT_SYNCED] == 0 && report->outbox_depth == 0);
        free(text);
        assert_int_equal(parse("{\"type\":\"report\",\"op_to_synced_ms\":[7,-1,9223372036854775807],\"catch_up_size\":[10001],\"synced\":10001,"
                               "\"empty_wakes\":-9223372036854775808,\"outbox_depth\":99999,\"outbox_oldest_ms\":604800001}",
                               &text),
                         0);
        assert_int_equal(report->counts[REPORT_OP_TO_SYNCED], 3);
        assert_int_equal(report->samples[REPORT_OP_TO_SYNCED][0], 7);
        assert_int_equal(report->samples[REPORT_OP_TO_SYNCED][1], 0);
        assert_int_equal(report->samples[REPORT_OP_TO_SYNCED][2], LIMIT_REPORT_SPAN_MS);
        assert_int_equal(report->samples[REPORT_CATCH_UP_SIZE][0], LIMIT_REPORT_COUNT);
        assert_int_equal(report->counts[REPORT_CATCH_UP], 0);
        assert_int_equal(report->counters[REPORT_SYNCED], LIMIT_REPORT_COUNT);
        assert_int_equal(report->counters[REPORT_EMPTY_WAKES], 0);
        assert_true(report->outbox_depth == LIMIT_REPORT_COUNT && report->outbox_oldest_ms == LIMIT_REPORT_SPAN_MS);
        free(text);
}

static void each_type_has_its_own_name(void **state) {
        for (int i = 0; i < REQUEST_TYPES; i++) {
                char row[100], *text;
                snprintf(row, sizeof(row), "{\"type\":\"%s\"}", wire_type_text((enum request_type)i));
                int r = parse(row, &text);
                assert_int_equal(request.type, i);
                assert_true(r == 0 || request.error);
                free(text);
        }
}

/* ---- sync ---- */

static int parse_sync(const char *text) {
        struct scan_value value;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count;
        assert_int_equal(scan_text(slice_of(text), LIMIT_JSON_DEPTH, &value), 0);
        assert_int_equal(scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count), 0);
        memset(&request, 0xa5, sizeof(request));
        return wire_parse_sync(fields, count, &request);
}

static void a_sync_is_taken_apart(void **state) {
        assert_int_equal(parse_sync("{}"), 0);
        assert_true(request.device.len == 0 && !request.has_cursor && !request.has_n && request.limit == LIMIT_PAGE_EVENTS);
        assert_int_equal(parse_sync("{\"device\":\"d\",\"cursor\":{\"epoch\":\"e\",\"n\":7},\"ack\":5,\"limit\":3,\"ops\":[]}"), 0);
        assert_true(slice_is(request.device, "d") && slice_is(request.epoch, "e"));
        assert_true(request.cursor == 7 && request.has_n && request.n == 5 && request.limit == 3);
        static const char *const refused[] = {
                "{\"device\":\"a b\"}", "{\"cursor\":7}", "{\"ack\":-1}", "{\"ack\":\"5\"}", "{\"limit\":0}", "{\"limit\":-1}",
        };
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                assert_int_equal(parse_sync(refused[i]), WIRE_E_INVALID);
                assert_non_null(request.error);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_requests_become_what_the_rows_say),
                cmocka_unit_test(bad_requests_are_refused_with_a_sentence),
                cmocka_unit_test(a_subscription_needs_keys_that_a_push_can_be_encrypted_to),
                cmocka_unit_test(a_refused_request_still_has_its_id),
                cmocka_unit_test(preferences_are_taken_apart),
                cmocka_unit_test(users_are_counted_before_they_are_kept),
                cmocka_unit_test(fields_are_counted),
                cmocka_unit_test(escapes_cannot_outgrow_the_scratch),
                cmocka_unit_test(a_token_of_escapes_is_decoded_up_to_the_room_there_is),
                cmocka_unit_test(a_report_is_cut_to_its_limits),
                cmocka_unit_test(each_type_has_its_own_name),
                cmocka_unit_test(a_sync_is_taken_apart),
        };
        return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
