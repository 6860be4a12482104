/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h: looks after the private Redis while it runs: the length of its log, and the room that it has.
 *
 * 1. It is one worker that does this, the first; what it set stays if it dies, and is set anew by its successor.
 * 2. A disk without room would end Redis, as it can acknowledge nothing more (appendfsync always). So with less than disk_reserve_mb
 *    left Redis is told that it is full: it takes nothing new, but what is there can be read, acknowledged and forgotten.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct config;
struct keeper;
struct store;

struct keeper *keeper_new(struct store *store); /* borrowed; NULL without memory */
struct keeper *keeper_free(struct keeper *keeper);

/* Once a second. */
void keeper_second(struct keeper *keeper, const struct config *config);

/* Is there too little room? was: what was said before, so that it does not flicker. */
bool keeper_is_tight(bool was, uint64_t free_bytes, uint64_t reserve_bytes);
