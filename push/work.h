/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.h: one user whom the dispatch works for: tracks side by side, one for each device and each escalation, so that a provider that is
 * slow with one device holds up no other. A track is written down when all its pushes have come to an end.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct fanout;
struct look;
struct provider_set;
struct work;
struct zone_cache;

/* What works for all users share. */
struct work_shared {
        struct fanout *fanout;
        struct provider_set *providers;
        struct zone_cache *zones;
        const char *worker;    /* the name under which users are taken */
        void *context;
        void (*on_end)(void *context, struct work *work); /* the user is let go of; comes once, may come from inside work_step() */
};

struct work *work_new(struct work_shared *shared, struct slice user);
struct work *work_free(struct work *work);
struct slice work_user(const struct work *work);

/* The user is due (class of the due set): takes him, again if he was taken before, as something new may have come for a device that is idle. */
void work_step(struct work *work, int class);
/* Looks again at a user who was taken, if a step of an escalation is due while others wait for their providers. */
void work_wake(struct work *work, uint64_t now_ms);
/* Renews the lease if that is due. */
void work_keep(struct work *work, uint64_t now_ms);
