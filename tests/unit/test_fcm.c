/* SPDX-License-Identifier: Apache-2.0 */
/* Google: what its answers mean, as recorded and as described. */
#include "push/fcm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#include "push/http2.h"
#include "push/job.h"
#include "push/verdict.h"

#define FCM_ERROR(code) "{\"@type\":\"type.googleapis.com/google.firebase.fcm.v1.FcmError\",\"errorCode\":\"" code "\"}"
#define BAD_FIELD(field)                                                                                                         \
        "{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":\"" field "\",\"description\":\"x\"}]}"
#define BODY(message, details) "{\"error\":{\"code\":1,\"message\":\"" message "\",\"status\":\"X\",\"details\":[" details "]}}"
#define BARE(message) "{\"error\":{\"code\":1,\"message\":\"" message "\",\"status\":\"X\"}}"

static void each_answer_has_its_class(void **state) {
        static const struct {
                int status;
                const char *body;
                enum push_class class;
                const char *reason;
        } rows[] = {
                { 200, "{\"name\":\"projects/p/messages/1\"}", PUSH_ACCEPTED, "" },
                { 404, BODY("m", FCM_ERROR("UNREGISTERED")), PUSH_TOKEN_DEAD, "UNREGISTERED" },
                { 404, BARE("Requested entity was not found."), PUSH_AUTH_BAD, "NOT_FOUND" },
                { 404, "<html>404</html>", PUSH_AUTH_BAD, "NOT_FOUND" },
                { 404, "", PUSH_AUTH_BAD, "NOT_FOUND" },
                { 400, BODY("m", BAD_FIELD("message.token") "," FCM_ERROR("INVALID_ARGUMENT")), PUSH_TOKEN_DEAD, "INVALID_TOKEN" },
                { 400, BODY("m", FCM_ERROR("INVALID_ARGUMENT") "," BAD_FIELD("message.token")), PUSH_TOKEN_DEAD, "INVALID_TOKEN" },
                { 400, BODY("The registration token is not a valid FCM registration token", FCM_ERROR("INVALID_ARGUMENT")), PUSH_TOKEN_DEAD,
                  "INVALID_TOKEN" },
                { 400, BODY("m", BAD_FIELD("message.data[0].value") "," FCM_ERROR("INVALID_ARGUMENT")), PUSH_PAYLOAD_BAD, "INVALID_ARGUMENT" },
                { 400, BARE("too big"), PUSH_PAYLOAD_BAD, "INVALID_ARGUMENT" },
                { 401, BARE("m"), PUSH_AUTH_BAD, "UNAUTHENTICATED" },
                { 401, BODY("m", FCM_ERROR("THIRD_PARTY_AUTH_ERROR")), PUSH_AUTH_BAD, "THIRD_PARTY_AUTH_ERROR" },
                { 403, BODY("m", FCM_ERROR("SENDER_ID_MISMATCH")), PUSH_TOKEN_DEAD, "SENDER_ID_MISMATCH" },
                { 403, BARE("m"), PUSH_AUTH_BAD, "PERMISSION_DENIED" },
                { 429, BODY("m", FCM_ERROR("QUOTA_EXCEEDED")), PUSH_THROTTLED, "QUOTA_EXCEEDED" },
                { 500, BARE("m"), PUSH_TRANSIENT, "INTERNAL" },
                { 502, "<html><title>Error 502 (Server Error)</title>", PUSH_TRANSIENT, "502" },
                { 503, BODY("m", FCM_ERROR("UNAVAILABLE")), PUSH_TRANSIENT, "UNAVAILABLE" },
                { 418, BODY("m", FCM_ERROR("UNREGISTERED")), PUSH_UNKNOWN, "other" },
                { 410, "", PUSH_UNKNOWN, "other" },
                { 302, "", PUSH_UNKNOWN, "other" },
                { 404, "{\"error\":{\"details\":[{\"@type\":7,\"errorCode\":\"UNREGISTERED\"},null,5]}}", PUSH_AUTH_BAD, "NOT_FOUND" },
                { 404, "{\"error\":[]}", PUSH_AUTH_BAD, "NOT_FOUND" },
                { 400, "{\"error\":{\"details\":[" BAD_FIELD("message.token.x") "]}}", PUSH_PAYLOAD_BAD, "INVALID_ARGUMENT" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct http2_answer answer = { .status = rows[i].status, .body = slice_of(rows[i].body), .id = "", .retry = "" };
                struct verdict verdict;
                fcm_kind.judge(NULL, &answer, &verdict);
                if (verdict.class != rows[i].class || strcmp(verdict.reason, rows[i].reason) != 0)
                        fail_msg("row %zu: %s %s", i, job_class_text(verdict.class), verdict.reason);
        }
}

static void only_a_token_that_ran_out_is_renewed_and_a_mismatch_is_doubted(void **state) {
        struct http2_answer answer = { .status = 401, .id = "", .retry = "" };
        struct verdict verdict;
        fcm_kind.judge(NULL, &answer, &verdict);
        assert_int_equal(verdict.repair, VERDICT_NEW_ACCESS);
        answer.body = SLICE(BODY("m", FCM_ERROR("THIRD_PARTY_AUTH_ERROR")));
        fcm_kind.judge(NULL, &answer, &verdict);
        assert_int_equal(verdict.repair, VERDICT_NO_REPAIR);
        answer = (struct http2_answer){ .status = 403, .body = SLICE(BODY("m", FCM_ERROR("SENDER_ID_MISMATCH"))), .id = "", .retry = "" };
        fcm_kind.judge(NULL, &answer, &verdict);
        assert_true(verdict.is_doubt);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_answer_has_its_class),
                cmocka_unit_test(only_a_token_that_ran_out_is_renewed_and_a_mismatch_is_doubted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
