/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h: what a clock on the wall shows in a zone of the IANA time zone database.
 *
 * Read from the system's tzdata (TZif, RFC 8536) by ourselves: libc knows one zone a process, by an environment variable, and the
 * threads in which libcurl looks up names read the environment while we would change it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct zone;

/* content: of a TZif file, version 2 or later. NULL: it is none, or there is no memory. */
struct zone *zone_new(struct slice content);
struct zone *zone_free(struct zone *zone);
/* Seconds to add to UTC at the time (seconds since the epoch). */
int32_t zone_offset_s(const struct zone *zone, int64_t time_s);
/* The minute of the day on the wall, 0 to 1439. */
int zone_minute(const struct zone *zone, int64_t time_ms);

enum { ZONE_NAME_BYTES = 64 };
/* Where the system has its database; it has none if UTC is not in it. */
#define ZONE_FOLDER "/usr/share/zoneinfo"

/* False if the folder holds a database that lacks name, which passed prefs_is_zone(). Without a database each name may be one. */
bool zone_is_known(const char *folder, struct slice name);

/* Remembers zones that were read. The zone of name; NULL if the system has none of it. name passed prefs_is_zone(). */
struct zone_cache;
struct zone_cache *zone_cache_new(const char *folder);
struct zone_cache *zone_cache_free(struct zone_cache *cache);
const struct zone *zone_cache_find(struct zone_cache *cache, struct slice name);
