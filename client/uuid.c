/* SPDX-License-Identifier: Apache-2.0 */
/* uuid.c: see uuid.h. */
#include "client/uuid.h"

#include <string.h>

void uuid_print(char out[UUID_SIZE], int64_t wall_ms, const unsigned char chance[10]) {
        static const char hex[] = "0123456789abcdef";
        unsigned char bytes[16];
        char *at = out;

        for (int i = 0; i < 6; i++)
                bytes[i] = (unsigned char)((uint64_t)wall_ms >> (40 - 8 * i));
        memcpy(bytes + 6, chance, 10);
        bytes[6] = (unsigned char)(0x70 | (bytes[6] & 0x0f)); /* version 7 */
        bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f)); /* variant of RFC 9562 section 4.1 */
        for (int i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *at++ = '-';
                *at++ = hex[bytes[i] >> 4];
                *at++ = hex[bytes[i] & 15];
        }
        *at = '\0';
}
