/* SPDX-License-Identifier: Apache-2.0 */
/* state.h: an entry as history shows it: a message with its latest edit, its deletion and its reactions. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct redisReply;

/* Adds entry seq as an object. packed and state are as lua/state.lua gives them: state is "" if nothing became of the entry. */
void state_add_entry(struct buf *out, uint64_t seq, struct slice conv, struct slice packed, const struct redisReply *state, bool with_versions);
