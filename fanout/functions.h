/* SPDX-License-Identifier: Apache-2.0 */
/* functions.h: the Redis function library, joined from fanout/lua/ at build time. */
#pragma once
#include <stddef.h>

extern const char functions_text[];
extern const size_t functions_text_len;
