/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h: the users whose presence sessions of this worker follow.
 *
 * The store knows only which nodes follow a user; who of the node's sessions does, is known here.
 * 1. A user is followed in the store if and only if a watcher here follows it (or an answer is still under way).
 * 2. Watchers are told what flap.c decides; all watchers of one user here have been told the same.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "base/slice.h"

struct fanout;
struct frame;
struct lease;
struct watch;
struct wheel;

/* Embedded in a session. */
struct watcher {
        struct list follows; /* struct watch_follow, of_watcher */
        size_t count;
        void (*on_presence)(struct watcher *watcher, struct frame *frame); /* borrowed */
        void (*on_watching)(struct watcher *watcher, uint64_t request, int answer, struct slice fields);
};

struct watch *watch_new(struct fanout *fanout, const struct lease *lease, struct wheel *wheel, int64_t grace_ms);
struct watch *watch_free(struct watch *watch);

void watch_init(struct watcher *watcher);
/* Follows users; on_watching comes with request and "presence":[…] once they are known. 0, FANOUT_E_UNAVAILABLE or -ENOMEM. */
__attribute__((warn_unused_result)) int watch_add(struct watch *watch, struct watcher *watcher, uint64_t request, const struct slice *users, size_t count);
void watch_remove(struct watch *watch, struct watcher *watcher, struct slice user);
/* The watcher could not take something: it is told again how all it follows are. */
void watch_repeat(struct watcher *watcher);
/* The session ends: what it asked for ends as unavailable, and nothing comes any more. */
void watch_deinit(struct watch *watch, struct watcher *watcher);

/* From the node channel and the lease. */
void watch_on_presence(struct watch *watch, struct slice user, int64_t seen_ms, bool invisible, struct slice live);
void watch_on_death(struct watch *watch, struct slice node, int64_t last_ms);
/* A node lives that was not known, or thought dead: what was concluded from that is looked at again. */
void watch_on_life(struct watch *watch);
/* Changes may have been missed, or the store has forgotten what is followed here. */
void watch_on_repair(struct watch *watch);
