/* SPDX-License-Identifier: Apache-2.0 */
/* Apple: when a provider token is made anew, with a clock that is an argument, and what its headers come to. */
#include "push/apns.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#include "base/config.h"
#include "push/draft.h"
#include "push/http2.h"
#include "push/job.h"
#include "push/verdict.h"

#define MINUTE_MS INT64_C(60000)
#define NOW_MS INT64_C(1732150000000)

static void a_token_is_made_at_fifty_minutes_and_replaced_never_before_twenty(void **state) {
        assert_int_equal(apns_token_step(0, NOW_MS), APNS_TOKEN_MAKE);
        assert_int_equal(apns_token_step(NOW_MS, NOW_MS), APNS_TOKEN_KEEP);
        assert_int_equal(apns_token_step(NOW_MS, NOW_MS + 50 * MINUTE_MS - 1), APNS_TOKEN_KEEP);
        assert_int_equal(apns_token_step(NOW_MS, NOW_MS + 50 * MINUTE_MS), APNS_TOKEN_MAKE);
        assert_int_equal(apns_token_step(NOW_MS, NOW_MS - 2 * MINUTE_MS), APNS_TOKEN_MAKE); /* the clock was set back */
        assert_false(apns_token_may_renew(NOW_MS, NOW_MS + 20 * MINUTE_MS - 1));
        assert_true(apns_token_may_renew(NOW_MS, NOW_MS + 20 * MINUTE_MS));
}

static int open_stage(void **state) {
        char path[] = "/tmp/test_apns.XXXXXX";
        EVP_PKEY *key = EVP_EC_gen("P-256");
        FILE *file = fdopen(mkstemp(path), "w");
        assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
        fclose(file);
        EVP_PKEY_free(key);
        char none[] = "", id[] = "KEY1234567", team[] = "TEAM123456", topic[] = "org.example.app";
        struct config_push section = {
                .provider = none, .name = none, .key_file = path, .key_id = id, .team_id = team, .topic = topic, .cert_file = none,
                .service_account = none, .vapid_key = none, .subject = none, .secret = none, .url = none, .ca_file = none,
        };
        struct credential *credential = NULL;
        char *error = NULL;
        assert_int_equal(apns_kind.open(NULL, &section, &credential, &error), 0);
        unlink(path);
        *state = credential;
        return 0;
}

static void on_closed(void *context) {
}

static int close_stage(void **state) {
        apns_kind.close(*state, on_closed, NULL);
        return 0;
}

static struct push_job job(void) {
        return (struct push_job){
                .provider = PUSH_APNS,
                .token = SLICE("abcd"),
                .kind = PUSH_ALERT,
                .priority = PUSH_HIGH,
                .title = SLICE("Alice"),
                .text = SLICE("Lunch?"),
                .badge = -1,
                .expires_ms = NOW_MS + 3600000,
                .id = "00000000-0000-4000-8000-000000000001",
        };
}

/* Copies the value of a header to out, "" if there is none. */
static const char *header(const struct draft *draft, const char *name) {
        const char *headers[DRAFT_HEADERS + 1];
        size_t len = strlen(name);
        draft_get_headers(draft, headers);
        for (size_t i = 0; headers[i]; i++)
                if (strncmp(headers[i], name, len) == 0 && headers[i][len] == ':')
                        return headers[i] + len + 2;
        return "";
}

static void one_token_serves_for_fifty_minutes(void **state) {
        struct push_job push = job();
        char tokens[4][1024];
        static const int64_t at_ms[4] = { 0, 49 * MINUTE_MS, 51 * MINUTE_MS, 100 * MINUTE_MS };
        for (size_t i = 0; i < 4; i++) {
                struct draft draft;
                draft_init(&draft);
                assert_int_equal(apns_kind.draft(*state, &push, NOW_MS + at_ms[i], &draft), 0);
                snprintf(tokens[i], sizeof(tokens[i]), "%s", header(&draft, "authorization"));
                draft_deinit(&draft);
        }
        assert_string_equal(tokens[0], tokens[1]);
        assert_string_not_equal(tokens[1], tokens[2]);
        assert_string_equal(tokens[2], tokens[3]);
        assert_memory_equal(tokens[0], "bearer ey", 9);
}

static void an_expired_one_is_replaced_only_if_it_is_old(void **state) {
        struct push_job push = job();
        struct draft draft;
        draft_init(&draft);
        assert_int_equal(apns_kind.draft(*state, &push, NOW_MS, &draft), 0);
        draft_deinit(&draft);
        assert_false(apns_kind.renew(*state, NOW_MS + 1, NOW_MS + 10 * MINUTE_MS));
        assert_true(apns_kind.renew(*state, NOW_MS + 25 * MINUTE_MS - 1, NOW_MS + 25 * MINUTE_MS));
        assert_true(apns_kind.renew(*state, NOW_MS + 25 * MINUTE_MS - 1, NOW_MS + 25 * MINUTE_MS + 5)); /* another brought it already */
        assert_false(apns_kind.renew(*state, NOW_MS + 26 * MINUTE_MS, NOW_MS + 26 * MINUTE_MS));
}

static void nothing_of_a_push_can_add_a_header(void **state) {
        struct push_job push = job();
        struct draft draft;
        draft_init(&draft);
        push.collapse = SLICE("a\r\napns-priority: 1");
        assert_int_equal(apns_kind.draft(*state, &push, NOW_MS, &draft), 0);
        assert_int_equal(strlen(header(&draft, "apns-collapse-id")), 43); /* a digest */
        draft_deinit(&draft);

        draft_init(&draft);
        push.collapse = SLICE("0123456789012345678901234567890123456789012345678901234567890123");
        assert_int_equal(apns_kind.draft(*state, &push, NOW_MS, &draft), 0);
        assert_string_equal(header(&draft, "apns-collapse-id"), push.collapse.ptr); /* 64 bytes just fit */
        draft_deinit(&draft);

        draft_init(&draft);
        push.token = SLICE("abcd/../../x");
        assert_int_equal(apns_kind.draft(*state, &push, NOW_MS, &draft), DRAFT_E_BAD);
        draft_deinit(&draft);
}

static void each_reason_says_what_it_is_about(void **state) {
        static const struct {
                int status;
                const char *body;
                enum push_class class;
                enum verdict_about about;
                enum verdict_repair repair;
                bool is_doubt;
        } rows[] = {
                { 200, "", PUSH_ACCEPTED, VERDICT_ONE, VERDICT_NO_REPAIR, false },
                { 403, "{\"reason\":\"ExpiredProviderToken\"}", PUSH_AUTH_BAD, VERDICT_US, VERDICT_NEW_TOKEN, false },
                { 403, "{\"reason\":\"InvalidProviderToken\"}", PUSH_AUTH_BAD, VERDICT_US, VERDICT_NEW_CONNECTION, false },
                { 429, "{\"reason\":\"TooManyProviderTokenUpdates\"}", PUSH_THROTTLED, VERDICT_RATE, VERDICT_NEW_CONNECTION, false },
                { 429, "{\"reason\":\"TooManyRequests\"}", PUSH_THROTTLED, VERDICT_ONE, VERDICT_NO_REPAIR, false },
                { 503, "{\"reason\":\"Shutdown\"}", PUSH_TRANSIENT, VERDICT_SERVER, VERDICT_NEW_CONNECTION, false },
                { 400, "{\"reason\":\"BadDeviceToken\"}", PUSH_TOKEN_DEAD, VERDICT_ONE, VERDICT_NO_REPAIR, true },
                { 400, "{\"reason\":\"DeviceTokenNotForTopic\"}", PUSH_TOKEN_DEAD, VERDICT_ONE, VERDICT_NO_REPAIR, true },
                { 410, "{\"reason\":\"Unregistered\",\"timestamp\":5}", PUSH_TOKEN_DEAD, VERDICT_ONE, VERDICT_NO_REPAIR, false },
                { 410, "", PUSH_UNKNOWN, VERDICT_ONE, VERDICT_NO_REPAIR, false },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct http2_answer answer = { .status = rows[i].status, .body = slice_of(rows[i].body), .id = "", .retry = "" };
                struct verdict verdict;
                apns_kind.judge(NULL, &answer, &verdict);
                if (verdict.class != rows[i].class || verdict.about != rows[i].about || verdict.repair != rows[i].repair ||
                    verdict.is_doubt != rows[i].is_doubt || verdict.dead_since_ms != (strstr(rows[i].body, "timestamp") ? 5 : 0))
                        fail_msg("row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_is_made_at_fifty_minutes_and_replaced_never_before_twenty),
                cmocka_unit_test(each_reason_says_what_it_is_about),
                cmocka_unit_test_setup_teardown(one_token_serves_for_fifty_minutes, open_stage, close_stage),
                cmocka_unit_test_setup_teardown(an_expired_one_is_replaced_only_if_it_is_old, open_stage, close_stage),
                cmocka_unit_test_setup_teardown(nothing_of_a_push_can_add_a_header, open_stage, close_stage),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
