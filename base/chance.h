/* SPDX-License-Identifier: Apache-2.0 */
/* chance.h: random numbers from the kernel (getrandom). Stops the process if the kernel has none, which Linux excludes after boot. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void chance_bytes(void *out, size_t len);
uint64_t chance_u64(void);
/* Writes count random hex digits and a NUL: out has count + 1 bytes. */
void chance_hex(char *out, size_t count);
