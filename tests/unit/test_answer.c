/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
        int answer;
        const char *code;
} rows[] = {
        { FANOUT_E_NOT_FOUND, "not_found" },
        { FANOUT_E_FORBIDDEN, "forbidden" },
        { FANOUT_E_BAD_REQUEST, "bad_request" },
        { FANOUT_E_CONFLICT, "conflict" },
        { FANOUT_E_UNAVAILABLE, "unavailable" },
        { -12, "unavailable" }, /* -ENOMEM: nothing is known to be stored */
        { 9999, "unavailable" },
};

static void each_answer_has_its_code(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_string_equal(codes_error(answer_code(rows[i].answer))->text, rows[i].code);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(each_answer_has_its_code) };
        return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
