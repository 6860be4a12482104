/* SPDX-License-Identifier: Apache-2.0 */
/* world.c: see world.h. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"

enum {
        WORLD_LINE_BYTES = 480,
        WORLD_START_MS = 1000000,
};

/* A Monday in November; only differences matter. */
#define WORLD_WALL_MS INT64_C(1763942400000)

struct world_event {
        uint64_t at_us, serial;
        world_fn fn; /* NULL: forgotten */
        void *arg;
};

static struct {
        struct world_event *heap; /* the earliest first */
        size_t count, capacity;
        uint64_t serial;
        char (*lines)[WORLD_LINE_BYTES]; /* a ring */
        uint64_t lines_count;
} agenda;

struct world world;

void world_init(uint64_t seed, uint64_t steps, unsigned troubles, enum plant plant, unsigned trace_lines) {
        world = (struct world){
                .seed = seed,
                .chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
                .steps_max = steps,
                .troubles = troubles,
                .plant = plant,
                .trace_lines = trace_lines,
        };
        world_chance(2);
        world.plant_after = 500 + world_chance(1500);
        if (trace_lines)
                agenda.lines = calloc(trace_lines, sizeof(*agenda.lines));
}

void world_deinit(void) {
        free(agenda.heap);
        free(agenda.lines);
        memset(&agenda, 0, sizeof(agenda));
}

/* ---- chance ---- */

/* xorshift64* (Vigna 2016) */
static uint64_t world_next(void) {
        world.chance ^= world.chance >> 12;
        world.chance ^= world.chance << 25;
        world.chance ^= world.chance >> 27;
        return world.chance * UINT64_C(2685821657736338717);
}

uint64_t world_chance(uint64_t below) {
        return (world_next() >> 16) % below;
}

bool world_one_in(uint64_t count) {
        return world_chance(count) == 0;
}

bool world_strikes(unsigned trouble, uint64_t count) {
        return (world.troubles & trouble) && !world.calm && world_one_in(count);
}

bool world_planted(enum plant plant, uint64_t count) {
        if (world.plant != plant || world.steps < world.plant_after || !world_one_in(count))
                return false;
        world.plant_times++;
        world_trace("PLANTED");
        return true;
}

void chance_bytes(void *out, size_t len) {
        unsigned char *at = out;
        for (size_t i = 0; i < len; i++)
                at[i] = (unsigned char)world_chance(256);
}

uint64_t chance_u64(void) {
        return world_next();
}

void chance_hex(char *out, size_t count) {
        for (size_t i = 0; i < count; i++)
                out[i] = "0123456789abcdef"[world_chance(16)];
        out[count] = '\0';
}

void chance_stock_hex(struct chance_stock *stock, char *out, size_t count) {
        chance_hex(out, count);
}

/* ---- time ---- */

uint64_t world_ms(void) {
        return WORLD_START_MS + world.now_us / 1000;
}

int64_t world_wall_ms(void) {
        return WORLD_WALL_MS + (int64_t)(world.now_us / 1000);
}

uint64_t clock_monotonic_ms(void) {
        return world_ms();
}

int64_t clock_wall_ms(void) {
        return world_wall_ms();
}

uint64_t uv_now(const uv_loop_t *loop) {
        return world_ms();
}

static bool world_is_before(const struct world_event *a, const struct world_event *b) {
        return a->at_us != b->at_us ? a->at_us < b->at_us : a->serial < b->serial;
}

void world_at(uint64_t at_us, world_fn fn, void *arg) {
        if (agenda.count == agenda.capacity) {
                agenda.capacity = agenda.capacity ? agenda.capacity * 2 : 256;
                agenda.heap = realloc(agenda.heap, agenda.capacity * sizeof(*agenda.heap));
                if (!agenda.heap)
                        abort();
        }
        struct world_event event = { at_us, ++agenda.serial, fn, arg };
        size_t i = agenda.count++;
        for (; i && world_is_before(&event, &agenda.heap[(i - 1) / 2]); i = (i - 1) / 2)
                agenda.heap[i] = agenda.heap[(i - 1) / 2];
        agenda.heap[i] = event;
}

uint64_t world_after(uint64_t delay_us, world_fn fn, void *arg) {
        world_at(world.now_us + delay_us, fn, arg);
        return world.now_us + delay_us;
}

uint64_t world_arrival(uint64_t delay_us) {
        return (world.now_us + delay_us) | 1;
}

uint64_t world_pause_end(uint64_t span_us) {
        return ((world.now_us + span_us) | 1) + 1;
}

void world_forget(const void *arg) {
        for (size_t i = 0; i < agenda.count; i++)
                if (agenda.heap[i].arg == arg)
                        agenda.heap[i].fn = NULL;
}

static struct world_event world_take(void) {
        struct world_event first = agenda.heap[0], last = agenda.heap[--agenda.count];
        size_t i = 0;
        for (size_t child; (child = 2 * i + 1) < agenda.count; i = child) {
                if (child + 1 < agenda.count && world_is_before(&agenda.heap[child + 1], &agenda.heap[child]))
                        child++;
                if (!world_is_before(&agenda.heap[child], &last))
                        break;
                agenda.heap[i] = agenda.heap[child];
        }
        agenda.heap[i] = last;
        return first;
}

bool world_step(void) {
        struct world_event event = { 0 };
        while (agenda.count && !event.fn)
                event = world_take();
        if (!event.fn)
                return false;
        if (event.at_us > world.now_us)
                world.now_us = event.at_us;
        world.steps++;
        event.fn(event.arg);
        return true;
}

/* ---- telling ---- */

static void world_keep(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void world_keep(const char *format, va_list args) {
        char *line = agenda.lines[agenda.lines_count++ % world.trace_lines];
        int len = snprintf(line, WORLD_LINE_BYTES, "%8llu %10.3f  ", (unsigned long long)world.steps, (double)world.now_us / 1000);
        vsnprintf(line + len, WORLD_LINE_BYTES - (size_t)len, format, args);
        for (char *at = line + len; *at; at++)
                *at = *at == '\n' ? '|' : *at;
}

void world_trace(const char *format, ...) {
        va_list args;
        if (!agenda.lines)
                return;
        va_start(args, format);
        world_keep(format, args);
        va_end(args);
}

void log_write(enum log_level level, const char *format, ...) {
        va_list args;
        if (!agenda.lines)
                return;
        va_start(args, format);
        world_keep(format, args);
        va_end(args);
}

/* The rest of log.h: the whole object is replaced, or none of it. */
void log_open(const char *ident, enum log_level level) {
}

void log_set_level(enum log_level level) {
}

int log_parse_level(const char *text, enum log_level *ret_level) {
        *ret_level = LOG_DEBUG;
        return 0;
}

_Noreturn void world_fail(const char *format, ...) {
        va_list args;
        for (uint64_t i = agenda.lines_count > world.trace_lines ? agenda.lines_count - world.trace_lines : 0; i < agenda.lines_count; i++)
                printf("# %s\n", agenda.lines[i % world.trace_lines]);
        printf("# seed %llu, step %llu, %.3f s: ", (unsigned long long)world.seed, (unsigned long long)world.steps,
               (double)world.now_us / 1e6);
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
        _exit(world.plant_times ? WORLD_E_PLANTED : 1);
}
