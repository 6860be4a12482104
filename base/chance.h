/* SPDX-License-Identifier: Apache-2.0 */
/* chance.h: random numbers from the kernel (getrandom). Stops the process if the kernel has none, which Linux excludes after boot. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void chance_bytes(void *out, size_t len);
uint64_t chance_u64(void);
/* Writes count random hex digits and a NUL: out has count + 1 bytes. */
void chance_hex(char *out, size_t count);

/*
 * Bytes drawn ahead, for who needs a few of them often: one call of the kernel for many. Empty when all zero. It belongs to one process: after
 * a fork both would go on with the same bytes.
 */
struct chance_stock {
        size_t left;
        unsigned char bytes[256]; /* so many come in one call, never fewer (getrandom(2)) */
};

/* As chance_hex(), of a stock; count is at most what a stock holds. */
void chance_stock_hex(struct chance_stock *stock, char *out, size_t count);
