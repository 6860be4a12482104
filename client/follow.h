/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h: what this device follows beyond its inbox: channels, which the store remembers, and the presence of users, which ends
 * with the process. The hub forgets both with the session, so all of it is asked for again after each welcome, and what the hub
 * refused for now after its delay.
 *
 * 1. A channel is asked for with the place it is at. Those that find no place among the open requests come when others are
 * answered.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

struct asked;
struct buf;
struct db;

enum {
        FOLLOW_E_FULL = 1, /* LIMIT_WATCHED_USERS are watched already */
};

/* What the hub refused for now. */
struct follow_refusal {
        uint64_t until_ms;             /* then it is asked for again; 0: when there is place */
        char conv[LIMIT_ID_BYTES + 1]; /* a channel; "": the users */
};

struct follow {
        char (*users)[LIMIT_ID_BYTES + 1]; /* owned */
        size_t users_count, users_said;
        char conv[LIMIT_ID_BYTES + 1];  /* channels up to this one were asked for in this session */
        bool says_convs;                /* there may be more */
        struct follow_refusal *refused; /* owned */
        size_t refused_count;
};

void follow_deinit(struct follow *follow);
/* A session begins. Then follow_pump() says, inside a transaction, as much as there is place for. */
void follow_begin(struct follow *follow);
void follow_pump(struct follow *follow, struct db *db, uint64_t now_ms, struct asked *asked, struct buf *out);
/* The hub refused a channel ("": users) for now. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int follow_refused(struct follow *follow, const char *conv, uint64_t until_ms);
/* When follow_pump() has something to say again; 0: never. */
uint64_t follow_due_ms(const struct follow *follow);

/* Inside a transaction: remembered, and asked for if there is a session. */
void follow_subscribe(struct follow *follow, struct db *db, const char *conv, bool online, struct asked *asked, struct buf *out);
void follow_unsubscribe(struct db *db, const char *conv, bool online, struct asked *asked, struct buf *out);
/* Of a user who is watched, too. 0, FOLLOW_E_FULL or -ENOMEM. */
__attribute__((warn_unused_result)) int follow_watch(struct follow *follow, const char *user);
/* False: that user was not watched. */
bool follow_unwatch(struct follow *follow, const char *user);
