/* SPDX-License-Identifier: Apache-2.0 */
/* CRC16 by the vector of the Redis Cluster specification and by its definition, bit by bit. */
#include "base/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void the_vector_of_the_specification_holds(void **state) {
        assert_int_equal(partition_crc16(SLICE("123456789")), 0x31c3);
        assert_int_equal(partition_crc16((struct slice){ NULL, 0 }), 0);
}

/* CLUSTER KEYSLOT of a Redis 7.0 says: foo is in slot 12182, somekey in 11058. */
static void slots_are_those_of_redis(void **state) {
        assert_int_equal(partition_crc16(SLICE("foo")) % 16384, 12182);
        assert_int_equal(partition_crc16(SLICE("somekey")) % 16384, 11058);
        assert_int_equal(partition_of(SLICE("foo")), 12182 % PARTITIONS); /* 256 divides 16384 */
}

static uint16_t crc16_by_bits(struct slice bytes) {
        unsigned crc = 0;

        for (size_t i = 0; i < bytes.len; i++) {
                crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
                for (int bit = 0; bit < 8; bit++)
                        crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
        }
        return (uint16_t)crc;
}

static void the_table_agrees_with_the_definition(void **state) {
        for (unsigned i = 0; i < 65536; i++) {
                char bytes[2] = { (char)(i >> 8), (char)i };
                if (partition_crc16((struct slice){ bytes, 2 }) != crc16_by_bits((struct slice){ bytes, 2 }))
                        fail_msg("differs for %04x", i);
        }
}

static void ids_spread_over_all_partitions(void **state) {
        unsigned counts[PARTITIONS] = { 0 };

        for (int i = 0; i < PARTITIONS * 40; i++) {
                char id[16];
                snprintf(id, sizeof(id), "user%d", i);
                counts[partition_of(slice_of(id))]++;
        }
        for (int i = 0; i < PARTITIONS; i++)
                assert_in_range(counts[i], 20, 60);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vector_of_the_specification_holds),
                cmocka_unit_test(slots_are_those_of_redis),
                cmocka_unit_test(the_table_agrees_with_the_definition),
                cmocka_unit_test(ids_spread_over_all_partitions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
