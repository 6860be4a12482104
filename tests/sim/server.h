/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h: the model of a Redis server: the library of functions on a keyspace, sharded channels, and what may become of a server.
 *
 * 1. A command is carried out as a whole; its replies and publications leave when it is done, and are on the disk by then.
 * 2. Publications reach a subscriber in order, on the link on which it subscribed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

#define SERVER_PREFIX "b"

struct keyspace;
struct link;
struct redisReply;

void server_init(void);
void server_deinit(void);

bool server_is_up(void);
/* Nothing is carried out before this time. */
uint64_t server_busy_until_us(void);
struct keyspace *server_keys(void);
/* The key of an id, as fanout/keys.c makes it; until the next call. */
struct slice server_key(unsigned key, struct slice id);
/* The epoch that the store has now, "" if none. */
struct slice server_epoch(void);
/* It rises whenever the store loses something. */
unsigned server_past(void);

/* Carries out one command that came by link. */
struct redisReply *server_execute(struct link *link, size_t argc, const struct slice *argv);
/* The link is gone: it subscribes to nothing. */
void server_forget_link(const struct link *link);

/* Faults. */
void server_stall(uint64_t span_us);
void server_restart(void);
void server_snapshot(void); /* the state that a rollback goes back to */
bool server_roll_back(void); /* false: there is no snapshot */
void server_wipe(void);     /* FLUSHALL: the links stay */
