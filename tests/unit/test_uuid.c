/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9562 appendix A.6 has this UUID of version 7. */
#include "client/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_example_of_the_rfc(void **state) {
        static const unsigned char chance[10] = { 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f };
        char text[UUID_SIZE];

        uuid_print(text, 0x017F22E279B0, chance);
        assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

static void later_ones_sort_behind_earlier_ones(void **state) {
        static const unsigned char low[10] = { 0 }, high[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
        char earlier[UUID_SIZE], later[UUID_SIZE];

        uuid_print(earlier, 1795000000000, high);
        uuid_print(later, 1795000000001, low);
        assert_true(strcmp(earlier, later) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_example_of_the_rfc),
                cmocka_unit_test(later_ones_sort_behind_earlier_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
