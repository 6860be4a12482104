/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.c: see zone.h. A file has the changes of the past and, in its last line, the rule for all time behind them (RFC 8536
 * section 3.3, in the form of POSIX TZ): such as CET-1CEST,M3.5.0,M10.5.0/3.
 */
#include "push/zone.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "base/limits.h"

enum { ZONE_HEADER_BYTES = 44, ZONE_FILE_BYTES = 65536, ZONE_DAY_S = 86400 };

/* One of the two changes of a year: day and the seconds behind its midnight on the wall (may be negative, or of a later day). */
struct zone_change {
        enum { ZONE_MONTH, ZONE_JULIAN, ZONE_DAY } kind; /* Mm.w.d, Jn, n */
        int month, week, day;
        int32_t time_s;
};

struct zone {
        int32_t first_s;              /* before the first change */
        bool has_rule, has_summer;
        int32_t standard_s, summer_s; /* of the rule */
        struct zone_change begin, end;
        size_t count;
        struct zone_step {
                int64_t at_s;
                int32_t offset_s;
        } steps[];
};

/* ---- the rule ---- */

static bool zone_skip_name(const char **at) {
        const char *from = *at;
        if (**at == '<') {
                while (**at && **at != '>')
                        ++*at;
                if (**at != '>')
                        return false;
                ++*at;
                return true;
        }
        while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
                ++*at;
        return *at - from >= 3;
}

static bool zone_number(const char **at, int max, int *ret) {
        int value = 0;
        const char *from = *at;
        while (**at >= '0' && **at <= '9' && value <= max)
                value = value * 10 + (*(*at)++ - '0');
        *ret = value;
        return *at > from && value <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool zone_time(const char **at, int32_t *ret_s) {
        int sign = 1, hours, minutes = 0, seconds = 0;
        if (**at == '-' || **at == '+')
                sign = *(*at)++ == '-' ? -1 : 1;
        if (!zone_number(at, 167, &hours))
                return false;
        if (**at == ':' && (++*at, !zone_number(at, 59, &minutes)))
                return false;
        if (**at == ':' && (++*at, !zone_number(at, 59, &seconds)))
                return false;
        *ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
        return true;
}

static bool zone_read_change(const char **at, struct zone_change *change) {
        *change = (struct zone_change){ .kind = ZONE_DAY, .time_s = 7200 };
        if (*(*at)++ != ',')
                return false;
        if (**at == 'M') {
                change->kind = ZONE_MONTH;
                ++*at;
                if (!zone_number(at, 12, &change->month) || change->month == 0 || *(*at)++ != '.' || !zone_number(at, 5, &change->week) ||
                    change->week == 0 || *(*at)++ != '.' || !zone_number(at, 6, &change->day))
                        return false;
        } else {
                if (**at == 'J') {
                        change->kind = ZONE_JULIAN;
                        ++*at;
                }
                if (!zone_number(at, 365, &change->day))
                        return false;
        }
        return **at != '/' || (++*at, zone_time(at, &change->time_s));
}

/* West is positive there. */
static bool zone_read_rule(struct zone *zone, const char *text) {
        int32_t west_s;
        const char *at = text;
        if (!zone_skip_name(&at) || !zone_time(&at, &west_s))
                return false;
        zone->standard_s = -west_s;
        zone->has_rule = true;
        if (!*at)
                return true;
        zone->summer_s = zone->standard_s + 3600;
        if (!zone_skip_name(&at))
                return false;
        if (*at && *at != ',') {
                if (!zone_time(&at, &west_s))
                        return false;
                zone->summer_s = -west_s;
        }
        zone->has_summer = zone_read_change(&at, &zone->begin) && zone_read_change(&at, &zone->end) && !*at;
        return zone->has_summer;
}

static bool zone_is_leap(int64_t year) {
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from the epoch to 1 January: 1970 … ; years before count backwards. */
static int64_t zone_days_of_year(int64_t year) {
        int64_t y = year - 1;
        return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t zone_year_of(int64_t time_s) {
        int64_t days = time_s / ZONE_DAY_S, year = 1970 + days / 366;
        while (zone_days_of_year(year + 1) <= days)
                year++;
        return year;
}

/* When the change is in that year, as seconds of a clock that shows offset_s before it. */
static int64_t zone_change_at(const struct zone_change *change, int64_t year, int32_t offset_s) {
        static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
        bool leap = zone_is_leap(year);
        int64_t first = zone_days_of_year(year), day;
        if (change->kind == ZONE_MONTH) {
                int64_t month = first + before[change->month - 1] + (leap && change->month > 2);
                int length = before[change->month] - before[change->month - 1] + (leap && change->month == 2);
                int weekday = (int)((month + 4) % 7); /* 1 January 1970 was a Thursday */
                day = month + (change->day - weekday + 7) % 7 + (change->week - 1) * 7;
                if (day >= month + length)
                        day -= 7; /* week 5 is the last one */
        } else if (change->kind == ZONE_JULIAN) {
                day = first + change->day - 1 + (leap && change->day > 59);
        } else {
                day = first + change->day;
        }
        return day * ZONE_DAY_S + change->time_s - offset_s;
}

static int32_t zone_by_rule(const struct zone *zone, int64_t time_s) {
        if (!zone->has_summer)
                return zone->standard_s;
        int64_t year = zone_year_of(time_s + zone->standard_s);
        int64_t begin = zone_change_at(&zone->begin, year, zone->standard_s), end = zone_change_at(&zone->end, year, zone->summer_s);
        bool summer = begin < end ? time_s >= begin && time_s < end : time_s >= begin || time_s < end;
        return summer ? zone->summer_s : zone->standard_s;
}

/* ---- the file ---- */

static uint32_t zone_u32(const char *at) {
        const unsigned char *b = (const unsigned char *)at;
        return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

struct zone_header {
        uint64_t isut, isstd, leap, times, types, chars;
};

static bool zone_read_header(struct slice rest, struct zone_header *header) {
        if (rest.len < ZONE_HEADER_BYTES || memcmp(rest.ptr, "TZif", 4) != 0 || rest.ptr[4] < '2')
                return false;
        *header = (struct zone_header){ zone_u32(rest.ptr + 20), zone_u32(rest.ptr + 24), zone_u32(rest.ptr + 28),
                                        zone_u32(rest.ptr + 32), zone_u32(rest.ptr + 36), zone_u32(rest.ptr + 40) };
        return header->types > 0;
}

static uint64_t zone_body_bytes(const struct zone_header *h, unsigned time_bytes) {
        return h->times * (time_bytes + 1) + h->types * 6 + h->chars + h->leap * (time_bytes + 4) + h->isstd + h->isut;
}

static bool zone_skip(struct slice *rest, uint64_t bytes) {
        if (bytes > rest->len)
                return false;
        rest->ptr += bytes;
        rest->len -= (size_t)bytes;
        return true;
}

static struct zone *zone_read_body(struct slice body, const struct zone_header *h) {
        struct zone *zone = calloc(1, sizeof(*zone) + h->times * sizeof(zone->steps[0]));
        if (!zone)
                return NULL;
        const char *times = body.ptr, *indexes = times + h->times * 8, *types = indexes + h->times;
        zone->count = (size_t)h->times;
        zone->first_s = (int32_t)zone_u32(types);
        for (size_t i = 0; i < zone->count; i++) {
                unsigned char type = (unsigned char)indexes[i];
                if (type >= h->types)
                        return zone_free(zone);
                zone->steps[i] = (struct zone_step){
                        .at_s = (int64_t)((uint64_t)zone_u32(times + i * 8) << 32 | zone_u32(times + i * 8 + 4)),
                        .offset_s = (int32_t)zone_u32(types + type * 6),
                };
        }
        return zone;
}

struct zone *zone_new(struct slice content) {
        struct zone_header header;
        struct slice rest = content;
        char rule[128] = "";
        /* The first block is for readers of 32 bits. */
        if (!zone_read_header(rest, &header) || !zone_skip(&rest, ZONE_HEADER_BYTES + zone_body_bytes(&header, 4)) ||
            !zone_read_header(rest, &header) || !zone_skip(&rest, ZONE_HEADER_BYTES) || rest.len < zone_body_bytes(&header, 8))
                return NULL;
        struct zone *zone = zone_read_body(rest, &header);
        if (!zone || !zone_skip(&rest, zone_body_bytes(&header, 8)))
                return zone_free(zone);
        const char *end = rest.len > 1 ? memchr(rest.ptr + 1, '\n', rest.len - 1) : NULL;
        size_t len = end ? (size_t)(end - rest.ptr) - 1 : 0;
        if (len == 0 || len >= sizeof(rule) || rest.ptr[0] != '\n')
                return zone; /* without a rule the last change counts for ever */
        memcpy(rule, rest.ptr + 1, len);
        if (!zone_read_rule(zone, rule))
                zone->has_rule = false;
        return zone;
}

struct zone *zone_free(struct zone *zone) {
        free(zone);
        return NULL;
}

int32_t zone_offset_s(const struct zone *zone, int64_t time_s) {
        size_t low = 0, high = zone->count; /* the first step behind the time */
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (zone->steps[middle].at_s <= time_s)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == zone->count && zone->has_rule)
                return zone_by_rule(zone, time_s);
        return low == 0 ? zone->first_s : zone->steps[low - 1].offset_s;
}

int zone_minute(const struct zone *zone, int64_t time_ms) {
        int64_t wall_s = time_ms / 1000 + zone_offset_s(zone, time_ms / 1000);
        return (int)((wall_s % ZONE_DAY_S + ZONE_DAY_S) % ZONE_DAY_S / 60);
}

/* ---- those that were read ---- */

struct zone_entry {
        char name[ZONE_NAME_BYTES];
        struct zone *zone; /* NULL: the system has none of this name */
        UT_hash_handle hh;
};

struct zone_cache {
        const char *folder;
        struct zone_entry *entries;
};

struct zone_cache *zone_cache_new(const char *folder) {
        struct zone_cache *cache = calloc(1, sizeof(*cache));
        if (cache)
                cache->folder = folder;
        return cache;
}

static void zone_cache_clear(struct zone_cache *cache) {
        struct zone_entry *entry, *next;
        HASH_ITER(hh, cache->entries, entry, next) {
                HASH_DEL(cache->entries, entry);
                zone_free(entry->zone);
                free(entry);
        }
}

struct zone_cache *zone_cache_free(struct zone_cache *cache) {
        if (cache)
                zone_cache_clear(cache);
        free(cache);
        return NULL;
}

static struct zone *zone_load(const char *folder, const char *name) {
        char path[256], *content = malloc(ZONE_FILE_BYTES);
        int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
        int fd = content && len > 0 && (size_t)len < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t got = fd >= 0 ? read(fd, content, ZONE_FILE_BYTES) : -1;
        struct zone *zone = got > 0 ? zone_new((struct slice){ content, (size_t)got }) : NULL;
        if (fd >= 0)
                close(fd);
        free(content);
        return zone;
}

static bool zone_exists(const char *folder, const char *name) {
        struct zone *zone = zone_load(folder, name);
        zone_free(zone);
        return zone != NULL;
}

bool zone_is_known(const char *folder, struct slice name) {
        char text[ZONE_NAME_BYTES] = "";
        if (name.len > 0 && name.len < sizeof(text))
                memcpy(text, name.ptr, name.len);
        return (text[0] && zone_exists(folder, text)) || !zone_exists(folder, "UTC");
}

const struct zone *zone_cache_find(struct zone_cache *cache, struct slice name) {
        struct zone_entry *entry;
        if (name.len == 0 || name.len >= ZONE_NAME_BYTES)
                return NULL;
        HASH_FIND(hh, cache->entries, name.ptr, name.len, entry);
        if (entry)
                return entry->zone;
        /* Names that do not exist are remembered, too; users can invent any number of them. */
        if (HASH_COUNT(cache->entries) >= LIMIT_ZONES)
                zone_cache_clear(cache);
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return NULL;
        memcpy(entry->name, name.ptr, name.len);
        entry->zone = zone_load(cache->folder, entry->name);
        HASH_ADD_KEYPTR(hh, cache->entries, entry->name, name.len, entry);
        return entry->zone;
}
