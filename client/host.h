/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h: what a client lives in: its loop, its lock, its clock, its files, and the queue of what the app is told.
 *
 * 1. Everything but host_fd() is called, or calls, under the lock: those below that say nothing else take it themselves.
 * 2. on_event is called without it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct belfry;
struct belfry_options;
struct belfry_synced;
struct db;
struct engine;

/* As their namesakes in client/belfry.h, with its errors. */
__attribute__((warn_unused_result)) int host_open(const struct belfry_options *options, struct belfry **ret_client);
void host_close(struct belfry *client);
__attribute__((warn_unused_result)) int host_run(struct belfry *client);
int host_fd(struct belfry *client);
int host_timeout_ms(struct belfry *client);
void host_step(struct belfry *client);
__attribute__((warn_unused_result)) int host_sync_once(struct belfry *client, int64_t deadline_ms, struct belfry_synced *result);

void host_lock(struct belfry *client);
/* Ends a call of the app's: what it caused is told by the loop. */
void host_unlock(struct belfry *client);

/* Under the lock. The engine is told the time. */
struct engine *host_engine(struct belfry *client);
struct db *host_db(struct belfry *client);
void host_connect(struct belfry *client);
void host_disconnect(struct belfry *client);
void host_take_token(struct belfry *client, char *take_token);

/* The BELFRY_E_… of a failing store. */
int host_error(int db_error);
