/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sites.h: the hubs: the code of hub/, fanout/ and presence/ that ships, put together by hub_open(), without worker.c's loop.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct hub;

enum { SITES = 3 };

void sites_init(void);
void sites_deinit(void);

/* Which hub has this loop. */
int sites_index(const void *loop);
/* What happens now happens in this hub's process. */
void sites_enter(const void *loop);
uint64_t sites_frozen_until_us(const void *loop);
/* What was queued in this step is written, mostly. Call it after each step. */
void sites_end_turn(void);

/* A hub that serves, by chance; -1: none does now. */
int sites_any(void);
struct hub *sites_hub(int index);
/* The id of its node, "" if the hub does not live. */
struct slice sites_node(int index);
/* How many sessions of a device are open, on all hubs. */
int sites_sessions(struct slice user, struct slice device);
/* A token of a device, as hello carries it: free() it. */
char *sites_token(struct slice user, struct slice device);

/* Faults. */
void sites_freeze(int index, uint64_t span_us);
void sites_kill(int index);  /* a new process takes its place */
void sites_drain(int index); /* the same, in peace */
