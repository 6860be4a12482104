/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h: every limit as a constant LIMIT_…; the table with units and reasons is contract/limits.def. */
#pragma once

enum {
#define LIMIT_ROW(name, value, unit, sentence) LIMIT_##name = (value),
#include "contract/limits.def"
#undef LIMIT_ROW
};

/* One above INT_MAX would change the type of all (C23 6.7.2.2), and with it every comparison with an int. */
