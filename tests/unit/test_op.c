/* SPDX-License-Identifier: Apache-2.0 */
/* test_op: an op comes back from the log as it went in, whatever it is. */
#include "fanout/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void assert_slice(struct slice slice, const char *text) {
        assert_int_equal(slice.len, strlen(text));
        assert_memory_equal(slice.ptr, text, slice.len);
}

static void each_op_comes_back(void **state) {
        static const char *const ops[] = {
                "01935a1c-7fff-7abc-8def-0123456789ab", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "01935A1C-7FFF-7ABC-8DEF-0123456789AB", "01935a1c-7fff-7abc-8def-0123456789aX", "01935a1c07fff-7abc-8def-0123456789ab",
                "a", "~", "~~", "~AAAAAAAAAAAAAAAAAAAAAA", "~~AAAAAAAAAAAAAAAAAAAAAA", "order 17, sent again", "",
                "0123456789012345678901234567890123456789012345678901234567890123",
                "~123456789012345678901234567890123456789012345678901234567890123",
        };
        for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
                char packed_bytes[OP_PACKED_BYTES], bytes[OP_PACKED_BYTES];
                struct slice packed = op_pack(slice_of(ops[i]), packed_bytes);
                assert_slice(op_unpack(packed, bytes), ops[i]);
        }
}

static void no_two_ops_look_alike(void **state) {
        char first[OP_PACKED_BYTES], second[OP_PACKED_BYTES];
        struct slice uuid = op_pack(SLICE("00000000-0000-0000-0000-000000000000"), first);
        assert_slice(uuid, "~AAAAAAAAAAAAAAAAAAAAAA");
        assert_slice(op_pack(SLICE("~AAAAAAAAAAAAAAAAAAAAAA"), second), "~~AAAAAAAAAAAAAAAAAAAAAA");
        assert_slice(op_pack(SLICE("00000000-0000-0000-0000-00000000000A"), second), "00000000-0000-0000-0000-00000000000A");
}

/* Of a store that something else wrote to. */
static void what_nobody_packed_stays_as_it_is(void **state) {
        static const char *const texts[] = { "~", "~AAAA", "~AAAAAAAAAAAAAAAAAAAAAB", "~AAAAAAAAAAAAAAAAAAAAA!" };
        char bytes[OP_PACKED_BYTES];
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_slice(op_unpack(slice_of(texts[i]), bytes), texts[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_op_comes_back),
                cmocka_unit_test(no_two_ops_look_alike),
                cmocka_unit_test(what_nobody_packed_stays_as_it_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
