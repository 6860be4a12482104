/* SPDX-License-Identifier: Apache-2.0 */
/*
 * typings.h: who types, as each user of this worker is told.
 *
 * A typist is a user in a conversation, on however many devices: what its sessions say of it comes together here, with its messages. It is
 * kept for each who is told (an ear): so it is told right whoever else is here, and however many calls a large group takes. Nothing is stored.
 *
 * 1. An ear is told on and off as typing.h says of it. Off is told to who was told on, and to nobody else.
 * 2. Of several sessions that type, the latest ends it by saying so, or by its end; what an earlier one says of that is passed over.
 * 3. If no session says so, as its worker died, it ends by itself, when the latest of its frames that may have been throttled would.
 * 4. An ear hears of at most LIMIT_TYPISTS typists at a time; of more it is not told at all.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct frame;
struct typings;
struct typings_row;
struct typings_typist;
struct wheel;

/* A user who is told; embedded in what each idle user has, so it is small. */
struct typings_ear {
        struct typings_row *rows; /* the newest first */
};

struct typings_options {
        struct wheel *wheel;
        int64_t ttl_ms;
        /*
         * What an ear is to be told. session: by whose doing, empty if by that of none. It comes from the wheel, or from typings_step(),
         * and may neither call back nor end an ear.
         */
        void (*on_said)(struct typings_ear *ear, struct typings_typist *typist, bool active, struct slice session);
};

struct typings *typings_new(const struct typings_options *options); /* NULL without memory */
struct typings *typings_free(struct typings *typings);              /* after all ears */

void typings_ear_init(struct typings_ear *ear);
/* The user is gone; nobody is told. */
void typings_ear_deinit(struct typings_ear *ear);

/* Of whom an ear is told here. NULL: of nobody like that. With a reference. */
struct typings_typist *typings_find(struct typings *typings, struct slice conv, struct slice user);
/* The same when a session says that it types; made if need be. NULL without memory. */
struct typings_typist *typings_begin(struct typings *typings, struct slice conv, struct slice user, struct slice session);
struct typings_typist *typings_unref(struct typings_typist *typist); /* NULL is fine; returns NULL */

/* Does a session that says that it types no more end the typing? (typings#2) */
bool typings_ends(const struct typings_typist *typist, struct slice session);
/* One ear hears that it types, or no more. */
void typings_step(struct typings_typist *typist, struct typings_ear *ear, bool active, struct slice session, uint64_t now_ms);

/* Until the last reference is gone. */
struct slice typings_conv(const struct typings_typist *typist);
struct slice typings_user(const struct typings_typist *typist);
/* What clients get. Borrowed; NULL without memory. */
struct frame *typings_frame(struct typings_typist *typist, bool active);
