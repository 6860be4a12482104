/* SPDX-License-Identifier: Apache-2.0 */
/* test_keys.c: key names. Partitions were worked out with Redis: CLUSTER KEYSLOT id, mod 256. */
#include "fanout/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static const struct {
        enum key key;
        const char *id, *text;
} rows[] = {
        { KEY_USER, "foo", "b:{150}:u:foo" },        /* slot 12182 */
        { KEY_INBOX, "foo", "b:{150}:i:foo" },
        { KEY_DEVICES, "foo", "b:{150}:d:foo" },
        { KEY_RECEIPTS, "foo", "b:{150}:r:foo" },
        { KEY_CONV, "bar", "b:{197}:c:bar" },        /* slot 5061 */
        { KEY_LOG, "bar", "b:{197}:l:bar" },
        { KEY_MEMBERS, "bar", "b:{197}:m:bar" },
        { KEY_OPS, "bar", "b:{197}:o:bar" },
        { KEY_OPS_OLD, "bar", "b:{197}:O:bar" },
        { KEY_CONV, "123456789", "b:{195}:c:123456789" }, /* CRC16 0x31c3, the check value of XMODEM */
};

static void a_key_carries_the_partition_of_its_id_as_hash_tag(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_buf_ struct buf out = BUF_INIT(1000);
                keys_add(&out, "b", rows[i].key, slice_of(rows[i].text + strlen(rows[i].text) - strlen(rows[i].id)));
                assert_string_equal(out.ptr, rows[i].text);
        }
}

static void braces_in_an_id_cannot_move_its_slot(void **state) {
        _cleanup_buf_ struct buf out = BUF_INIT(1000);
        struct slice id = SLICE("{x}y");
        keys_add(&out, "b", KEY_USER, id);
        /* Redis takes what is between the first { and the first } behind it. */
        const char *open = strchr(out.ptr, '{'), *close = strchr(open, '}');
        unsigned partition = 0;
        for (const char *digit = open + 1; digit < close; digit++)
                partition = partition * 10 + (unsigned)(*digit - '0');
        assert_int_equal(partition, partition_of(id));
        assert_string_equal(close, "}:u:{x}y");
}

static void the_keys_of_a_partition_begin_alike(void **state) {
        _cleanup_buf_ struct buf out = BUF_INIT(1000);
        keys_add_in(&out, "two", KEY_CHANNEL, 255, SLICE(""));
        assert_string_equal(out.ptr, "two:{255}:node:");
        keys_add_in(&out, "two", KEY_COUNTER, 0, SLICE("n1"));
        assert_string_equal(out.ptr, "two:{255}:node:two:{0}:n:n1");
}

static void no_two_kinds_of_key_share_a_letter(void **state) {
        static const char *const letters[] = {
#define KEY_ROW(name, letter, of, type, sentence) letter,
#include "contract/keys.def"
#undef KEY_ROW
        };
        for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(letters[i], letters[k]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_carries_the_partition_of_its_id_as_hash_tag),
                cmocka_unit_test(braces_in_an_id_cannot_move_its_slot),
                cmocka_unit_test(the_keys_of_a_partition_begin_alike),
                cmocka_unit_test(no_two_kinds_of_key_share_a_letter),
        };
        return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
