/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h: time and chance of the simulation, and how it tells what happened.
 *
 * 1. Time is virtual: it stands still while something happens and then jumps to what is due next. Two things due at the same time
 *    happen in the order in which they were arranged.
 * 2. All chance comes from one generator that is seeded once. Nothing else is asked, no clock, no kernel and no address, so a seed
 *    with its options replays a run to the last byte.
 * 3. A step is one thing that happens: commands reach the store, replies or a publication reach a hub, a frame reaches a hub,
 *    bytes reach a device, a hub's timer fires, a device or the backend decides something, a fault strikes.
 *
 * world.c defines base/chance.h, base/clock.h, base/log.h and uv_now() in the stead of those that ship; the linker takes these.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What may go wrong in a run: a mix of these. */
enum {
        TROUBLE_PEERS = 1 << 0,   /* devices lose connections, crash, sleep */
        TROUBLE_LINKS = 1 << 1,   /* links to the store are cut; a store or hub stalls */
        TROUBLE_LOSSES = 1 << 2,  /* publications are lost */
        TROUBLE_HUBS = 1 << 3,    /* hubs are killed and drained */
        TROUBLE_RESTART = 1 << 4, /* the store restarts with all data */
        TROUBLE_WIPE = 1 << 5,    /* the store loses all */
        TROUBLE_ROLLBACK = 1 << 6, /* the store restarts from an older state */
};

/* Faults that are built in on purpose, one in a run: the simulation has to notice. */
enum { WORLD_E_PLANTED = 3 };

enum plant {
        PLANT_NONE,
#define PLANT_ROW(name, sentence) PLANT_##name,
#include "tests/sim/plants.def"
#undef PLANT_ROW
        PLANTS,
};

typedef void (*world_fn)(void *arg);

struct world {
        uint64_t seed, chance;
        uint64_t now_us;
        uint64_t steps, steps_max;
        unsigned troubles;
        enum plant plant;
        uint64_t plant_after;      /* steps before the fault may strike */
        uint64_t plant_times;      /* how often it struck */
        unsigned trace_lines;      /* the last so many are told if the run fails; 0: none is kept */
        bool calm;                 /* nothing new begins and nothing goes wrong */
};

extern struct world world;

void world_init(uint64_t seed, uint64_t steps, unsigned troubles, enum plant plant, unsigned trace_lines);
void world_deinit(void);

/* ---- chance ---- */
uint64_t world_chance(uint64_t below);
bool world_one_in(uint64_t count);
/* A trouble of this kind strikes now: it may in this run, and one in count does. */
bool world_strikes(unsigned trouble, uint64_t count);
/* The planted fault is this one, it is time for it, and one in count it is now. */
bool world_planted(enum plant plant, uint64_t count);

/* ---- time ---- */
uint64_t world_ms(void);
int64_t world_wall_ms(void);
/* Lets fn(arg) happen after so long. Returns when that will be. */
uint64_t world_after(uint64_t delay_us, world_fn fn, void *arg);
/* The same at a time. */
void world_at(uint64_t at_us, world_fn fn, void *arg);
/*
 * When something arrives that leaves now, and when a pause ends that begins now: never at the same time. What arrives in a pause
 * is arranged again for its end, in its order, and must not meet there what was arranged for that time before.
 */
uint64_t world_arrival(uint64_t delay_us);
uint64_t world_pause_end(uint64_t span_us);
/* Whatever is arranged for arg does not happen. */
void world_forget(const void *arg);
/* One step; false: nothing is arranged. */
bool world_step(void);

/* ---- telling ---- */
/* A line of the trace; kept only if asked for. */
void world_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * A promise is broken: tells it with the seed and the step, and ends the process: with WORLD_E_PLANTED if a planted fault had struck,
 * else with 1.
 */
_Noreturn void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define WORLD_DEMAND(condition, ...)             \
        do {                                     \
                if (!(condition))                \
                        world_fail(__VA_ARGS__); \
        } while (0)
