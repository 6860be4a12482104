/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c: a whole Belfry in one process, without I/O: three hubs, a store, devices and a backend, on virtual time and from one seed.
 *
 *      sim                          all cases, as CI runs them; BELFRY_STEPS (1000000) is the sum of steps of the long ones
 *      sim --seed N [--steps N] [--troubles MASK] [--plant NAME] [--trace LINES]      one run: how a failure is replayed
 *
 *        devices ──frames── sockets.c ──▶ hub/ fanout/ presence/, as they ship ◀── wires.c ──commands── server.c
 *                                         (sites.c puts them together)                          │
 *        device.c checks what it is told     truth.c looks what is so          fanout/lua in library.c, on keyspace.c
 *
 * Now and then the world calms: nothing new begins, nothing goes wrong, and within so much virtual time everything has to be where it
 * belongs (liveness). Each case is a process of its own: an abort() of the hub's own checks fails it as a broken promise does.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/backend.h"
#include "tests/sim/device.h"
#include "tests/sim/server.h"
#include "tests/sim/sites.h"
#include "tests/sim/truth.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

enum {
        SIM_CALM_US = 45000000,     /* within so long all is well again: a lease, a grace, a ping and a retry */
        SIM_CALM_STEPS = 200000,    /* and within so many steps: a loop without pause is no progress */
        SIM_LOOK_US = 500000,
        SIM_PLANTED_SEEDS = 3,
        SIM_PLANTED_STEPS = 80000,
};

/* ---- troubles ---- */

static void sim_on_trouble(void *arg) {
        world_after(20000 + world_chance(400000), sim_on_trouble, NULL);
        if (world_strikes(TROUBLE_PEERS, 2))
                device_disturb(device_get((int)world_chance(DEVICES)));
        if (world_strikes(TROUBLE_LINKS, 12))
                wires_cut_one();
        if (world_strikes(TROUBLE_LINKS, 60))
                server_stall(world_chance(world_one_in(4) ? 4000000 : 300000));
        if (world_strikes(TROUBLE_LINKS, 60))
                sites_freeze((int)world_chance(SITES), world_chance(world_one_in(3) ? 8000000 : 800000));
        if (world_strikes(TROUBLE_HUBS, 80))
                sites_kill((int)world_chance(SITES));
        if (world_strikes(TROUBLE_HUBS, 120))
                sites_drain((int)world_chance(SITES));
        if (world_strikes(TROUBLE_RESTART, 100))
                server_restart();
        if (world_strikes(TROUBLE_ROLLBACK, 60))
                server_snapshot();
        if (world_strikes(TROUBLE_ROLLBACK, 120))
                server_roll_back();
        if (world_strikes(TROUBLE_WIPE, 60)) {
                if (world_one_in(3))
                        server_restart();
                server_wipe();
        }
}

/* ---- the calm ---- */

static const char *sim_complaint(void) {
        const char *complaint = backend_is_content() ? truth_complaint() : "the backend waits";
        for (int i = 0; i < DEVICES && !complaint; i++)
                complaint = device_complaint(device_get(i));
        return complaint;
}

static bool sim_step(void) {
        bool more = world_step();
        sites_end_turn();
        wires_end_turn();
        return more;
}

static void sim_calm(void) {
        uint64_t ends_us = world.now_us + SIM_CALM_US, look_us = world.now_us + SIM_LOOK_US, steps = world.steps + SIM_CALM_STEPS;
        const char *complaint = "";
        world_trace("the world calms down");
        world.calm = true;
        while (complaint) {
                WORLD_DEMAND(sim_step(), "nothing happens any more");
                if (world.now_us < look_us && world.steps < steps)
                        continue;
                look_us = world.now_us + SIM_LOOK_US;
                complaint = sim_complaint();
                WORLD_DEMAND(!complaint || (world.now_us < ends_us && world.steps < steps), "in the calm: %s", complaint);
        }
        world.calm = false;
        world_trace("all is well");
}

/* ---- one run ---- */

struct run {
        uint64_t seed, steps;
        unsigned troubles;
        enum plant plant;
        unsigned trace_lines;
};

/* The hub's own checks: a broken promise as others are. */
static void sim_on_abort(int number) {
        world_fail("the hub stopped itself");
}

static void sim_run(const struct run *run) {
        signal(SIGABRT, sim_on_abort);
        world_init(run->seed, run->steps, run->troubles, run->plant, run->trace_lines);
        server_init();
        truth_init();
        sites_init();
        device_init_all();
        backend_init();
        world_after(5000000, sim_on_trouble, NULL);
        uint64_t calm_at = 3000;
        while (world.steps < world.steps_max) {
                WORLD_DEMAND(sim_step(), "nothing happens any more");
                if (world.steps < calm_at)
                        continue;
                sim_calm();
                calm_at = world.steps + 1000 + world_chance(world_one_in(4) ? 20000 : 4000);
        }
        sim_calm();
        backend_deinit();
        device_deinit_all();
        sites_deinit();
        truth_deinit();
        server_deinit();
        printf("# seed %" PRIu64 ": %" PRIu64 " steps, %.0f s of virtual time\n", world.seed, world.steps, (double)world.now_us / 1e6);
        world_deinit();
}

/* In a process of its own; its status, -1 if a signal ended it. What it said is shown if it should have ended well. */
static int sim_try(const struct run *run, bool quiet) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
                if (quiet && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
                        _exit(2);
                sim_run(run);
                fflush(stdout);
                _exit(0); /* what was under way when the world stopped is not taken for a leak */
        }
        int status = -1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return -1;
        if (!quiet && status != 0)
                printf("# replay it: sim --seed %" PRIu64 " --steps %" PRIu64 " --troubles %u --trace 200%s\n", run->seed, run->steps, run->troubles,
                       WIFSIGNALED(status) ? " (it was killed by a signal)" : "");
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- all cases ---- */

static const struct {
        unsigned troubles;
        unsigned share; /* of 100 */
        const char *sentence;
} sim_mixes[] = {
        { 0, 10, "in peace everything arrives once and in order" },
        { TROUBLE_PEERS, 10, "whatever devices do, nothing is lost" },
        { TROUBLE_PEERS | TROUBLE_LINKS | TROUBLE_RESTART, 20, "links that are cut, stalls and restarts lose nothing" },
        { TROUBLE_PEERS | TROUBLE_LINKS | TROUBLE_LOSSES, 10, "lost publications are noticed" },
        { TROUBLE_PEERS | TROUBLE_LINKS | TROUBLE_HUBS, 15, "hubs that die lose nothing" },
        { TROUBLE_PEERS | TROUBLE_LINKS | TROUBLE_LOSSES | TROUBLE_HUBS | TROUBLE_RESTART | TROUBLE_WIPE, 20, "a wiped store is told to everyone" },
        { TROUBLE_PEERS | TROUBLE_LINKS | TROUBLE_LOSSES | TROUBLE_HUBS | TROUBLE_ROLLBACK, 15, "a store that went back in time is told to everyone" },
};

static const struct {
        const char *name, *sentence;
} sim_plants[PLANTS] = {
        [PLANT_NONE] = { "NONE", "" },
#define PLANT_ROW(name, sentence) [PLANT_##name] = { #name, sentence },
#include "tests/sim/plants.def"
#undef PLANT_ROW
};

static int sim_all(void) {
        const char *steps_text = getenv("BELFRY_STEPS"), *seed_text = getenv("BELFRY_SEED");
        uint64_t steps = steps_text ? strtoull(steps_text, NULL, 10) : 1000000, seed = seed_text ? strtoull(seed_text, NULL, 10) : 20261127;
        int number = 0, failed = 0;
        for (size_t i = 0; i < sizeof(sim_mixes) / sizeof(sim_mixes[0]); i++) {
                struct run run = { .seed = seed + i, .steps = steps * sim_mixes[i].share / 100, .troubles = sim_mixes[i].troubles };
                bool good = sim_try(&run, false) == 0;
                printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, sim_mixes[i].sentence);
                failed += !good;
        }
        for (int plant = PLANT_NONE + 1; plant < PLANTS; plant++) {
                int caught = 0;
                for (int i = 0; i < SIM_PLANTED_SEEDS; i++) {
                        struct run run = { .seed = seed + (uint64_t)i, .steps = SIM_PLANTED_STEPS, .plant = (enum plant)plant };
                        if (plant == PLANT_KICK_LOST || plant == PLANT_RESET_UNTOLD)
                                run.steps *= 3; /* few sessions are replaced while they live, and few stores wiped while a device is away */
                        run.troubles = TROUBLE_PEERS | (plant == PLANT_RESET_UNTOLD ? TROUBLE_WIPE : 0);
                        if (plant == PLANT_APPEND_TWICE)
                                run.troubles |= TROUBLE_LINKS;
                        int status = sim_try(&run, true);
                        if (status != WORLD_E_PLANTED)
                                printf("# seed %" PRIu64 " with %s ends with %d\n", run.seed, sim_plants[plant].name, status);
                        caught += status == WORLD_E_PLANTED;
                }
                printf("%s %d - it is noticed that %s\n", caught == SIM_PLANTED_SEEDS ? "ok" : "not ok", ++number, sim_plants[plant].sentence);
                failed += caught != SIM_PLANTED_SEEDS;
        }
        printf("1..%d\n", number);
        return failed > 0;
}

static enum plant sim_plant_named(const char *name) {
        for (int i = 0; i < PLANTS; i++)
                if (strcmp(name, sim_plants[i].name) == 0)
                        return (enum plant)i;
        fprintf(stderr, "there is no fault %s\n", name);
        exit(2);
}

int main(int argc, char *argv[]) {
        struct run run = { .seed = 1, .steps = 100000, .troubles = 127 };
        if (argc == 1)
                return sim_all();
        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--seed") == 0)
                        run.seed = strtoull(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--steps") == 0)
                        run.steps = strtoull(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--troubles") == 0)
                        run.troubles = (unsigned)strtoul(argv[i + 1], NULL, 0);
                else if (strcmp(argv[i], "--plant") == 0)
                        run.plant = sim_plant_named(argv[i + 1]);
                else if (strcmp(argv[i], "--trace") == 0)
                        run.trace_lines = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
        sim_run(&run);
        return 0;
}
