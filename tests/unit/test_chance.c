/* SPDX-License-Identifier: Apache-2.0 */
/* That chance fills what it is given and no more. Each of these fails by bad luck less than once in 2^60 runs. */
#include "base/chance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void all_bytes_are_filled_and_none_behind(void **state) {
        unsigned char ever[1000 + 1] = { 0 }, bytes[1000 + 1];

        for (int round = 0; round < 16; round++) {
                memset(bytes, 0, sizeof(bytes));
                chance_bytes(bytes, 1000);
                for (size_t i = 0; i < sizeof(bytes); i++)
                        ever[i] |= bytes[i];
        }
        for (size_t i = 0; i < 1000; i++)
                assert_int_not_equal(ever[i], 0);
        assert_int_equal(ever[1000], 0);
        chance_bytes(NULL, 0);
}

static void numbers_differ(void **state) {
        assert_true(chance_u64() != chance_u64());
}

static void hex_has_its_digits_and_its_end(void **state) {
        char text[64 + 2], other[64 + 1];

        memset(text, '!', sizeof(text));
        chance_hex(text, 64);
        assert_int_equal(strspn(text, "0123456789abcdef"), 64);
        assert_int_equal(text[64], '\0');
        assert_int_equal(text[65], '!');
        chance_hex(other, 64);
        assert_string_not_equal(text, other);
        chance_hex(text, 0);
        assert_string_equal(text, "");
}

/* More than a stock holds, in pieces that do not divide it: none is handed out twice, and an id is not the end of the one before. */
static void a_stock_never_gives_the_same_twice(void **state) {
        struct chance_stock stock = { 0 };
        char ids[40][24 + 2];

        for (size_t i = 0; i < 40; i++) {
                memset(ids[i], '!', sizeof(ids[i]));
                chance_stock_hex(&stock, ids[i], 24);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 24);
                assert_int_equal(ids[i][24], '\0');
                assert_int_equal(ids[i][25], '!');
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(ids[i], ids[k]);
        }
        chance_stock_hex(&stock, ids[0], 0);
        assert_string_equal(ids[0], "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_bytes_are_filled_and_none_behind),
                cmocka_unit_test(numbers_differ),
                cmocka_unit_test(hex_has_its_digits_and_its_end),
                cmocka_unit_test(a_stock_never_gives_the_same_twice),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
