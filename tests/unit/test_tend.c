/* SPDX-License-Identifier: Apache-2.0 */
#include "fanout/tend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/partition.h"

static const struct {
        const char *prefix, *key;
        char letter; /* 0: none of ours */
        const char *id;
} rows[] = {
        { "b", "b:{150}:u:foo", 'u', "foo" },
        { "b", "b:{197}:C:bar", 'C', "bar" },
        { "two:", "two::{197}:C:bar", 'C', "bar" },
        { "b", "b:{195}:C:123456789", 'C', "123456789" },
        { "b", "b:{150}:i:foo", 0, NULL },       /* another kind */
        { "b", "b:{197}:c:bar", 0, NULL },       /* not every conversation has it */
        { "b", "b:{150}:node:foo", 0, NULL },    /* a letter of several */
        { "b", "b:{151}:u:foo", 0, NULL },       /* another partition: not made by us */
        { "b", "bb:{150}:u:foo", 0, NULL },      /* another hub's */
        { "bb", "b:{150}:u:foo", 0, NULL },
        { "b", "b:{150}:d:x}:u:foo", 0, NULL },  /* an id that looks like a key */
        { "b", "b:{150}:u:", 0, NULL },
        { "b", "b:{150", 0, NULL },
        { "b", "b:{", 0, NULL },
        { "b", "b", 0, NULL },
        { "b", "", 0, NULL },
};

static void a_key_tells_whose_it_is(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char letter = 0;
                struct slice id = SLICE("");
                bool ours = tend_parse_key(slice_of(rows[i].key), rows[i].prefix, &letter, &id);
                if (ours != (rows[i].letter != 0))
                        fail_msg("%s is %s", rows[i].key, ours ? "taken" : "refused");
                assert_int_equal(letter, rows[i].letter);
                if (ours)
                        assert_true(slice_is(id, rows[i].id));
        }
}

static void an_id_that_is_too_long_is_none_of_ours(void **state) {
        for (size_t len = LIMIT_ID_BYTES; len <= LIMIT_ID_BYTES + 1; len++) {
                char name[LIMIT_ID_BYTES + 1], text[LIMIT_ID_BYTES + 32], letter;
                memset(name, 'x', sizeof(name));
                struct slice id = { name, len };
                snprintf(text, sizeof(text), "b:{%u}:u:%.*s", partition_of(id), (int)len, name);
                assert_int_equal(tend_parse_key(slice_of(text), "b", &letter, &id), len <= LIMIT_ID_BYTES);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_tells_whose_it_is),
                cmocka_unit_test(an_id_that_is_too_long_is_none_of_ours),
        };
        return cmocka_run_group_tests_name("tend", tests, NULL, NULL);
}
