/* SPDX-License-Identifier: Apache-2.0 */
/* chance.c: see chance.h. Nothing is kept between calls but by who holds a stock, so parent and child of a fork never share a number. */
#include "base/chance.h"

#include <assert.h>
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

static void chance_print_hex(const unsigned char *bytes, char *out, size_t count) {
        static const char hex[] = "0123456789abcdef";

        for (size_t i = 0; i < count; i++)
                out[i] = hex[bytes[i] & 15];
        out[count] = '\0';
}

void chance_hex(char *out, size_t count) {
        chance_bytes(out, count);
        chance_print_hex((unsigned char *)out, out, count);
}

void chance_stock_hex(struct chance_stock *stock, char *out, size_t count) {
        assert(count <= sizeof(stock->bytes));
        if (stock->left < count) {
                chance_bytes(stock->bytes, sizeof(stock->bytes));
                stock->left = sizeof(stock->bytes);
        }
        stock->left -= count;
        chance_print_hex(stock->bytes + stock->left, out, count);
}
