/* SPDX-License-Identifier: Apache-2.0 */
/* chance.c: see chance.h. Nothing is kept between calls, so parent and child of a fork never share a number. */
#include "base/chance.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"

void chance_bytes(void *out, size_t len) {
        unsigned char *at = out;

        while (len > 0) {
                ssize_t got = getrandom(at, len, 0);
                if (got < 0) {
                        if (errno == EINTR)
                                continue;
                        log_error("The kernel gives no random bytes. errno=%d", errno);
                        abort();
                }
                at += got;
                len -= (size_t)got;
        }
}

uint64_t chance_u64(void) {
        uint64_t value;

        chance_bytes(&value, sizeof(value));
        return value;
}

void chance_hex(char *out, size_t count) {
        static const char hex[] = "0123456789abcdef";

        chance_bytes(out, count);
        for (size_t i = 0; i < count; i++)
                out[i] = hex[(unsigned char)out[i] & 15];
        out[count] = '\0';
}
