/* SPDX-License-Identifier: Apache-2.0 */
/* functions.h: the Redis function library, joined from the files of fanout/lua/. */
#pragma once

struct buf;

void functions_add(struct buf *out);
