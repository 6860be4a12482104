/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: the two clocks. Only loops read them; everything that decides gets the time as an argument. */
#pragma once
#include <stdint.h>

uint64_t clock_monotonic_ms(void); /* since some start; never goes back */
int64_t clock_wall_ms(void);       /* since the Unix epoch */
