/* SPDX-License-Identifier: Apache-2.0 */
/* uuid.h: version 7 of RFC 9562 section 5.7: 48 bits of milliseconds, then chance. Time and chance are arguments. */
#pragma once
#include <stdint.h>

enum { UUID_SIZE = 37 }; /* with its NUL */

/* wall_ms since the Unix epoch; chance: 10 random bytes. */
void uuid_print(char out[UUID_SIZE], int64_t wall_ms, const unsigned char chance[10]);
