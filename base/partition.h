/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h: which of the 256 partitions an id belongs to.
 *
 * CRC16 (XMODEM: polynomial 0x1021, start 0) as Redis Cluster uses for its slots (Redis Cluster specification, appendix A), mod 256.
 */
#pragma once
#include <stdint.h>
#include "base/slice.h"

#define PARTITIONS 256

uint16_t partition_crc16(struct slice bytes);
static inline unsigned partition_of(struct slice id) {
        return partition_crc16(id) % PARTITIONS;
}
