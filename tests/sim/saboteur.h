/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saboteur.h: does what a planted fault says (plants.def), where bytes pass from one part to another. Without one it does nothing.
 */
#pragma once
#include <stddef.h>
#include "base/slice.h"

struct redisReply;

enum { SABOTEUR_MESSAGES = 3, SABOTEUR_FRAMES = 2048 };

/* A publication: what is sent in its stead, borrowed until the next call. Returns how many. */
size_t saboteur_message(struct slice channel, struct slice message, struct slice *texts);
/* The value of a key that was asked for directly: what is told. */
struct slice saboteur_counter(struct slice key, struct slice value, char *text, size_t size);
/* A call: the reply to give without carrying it out, or NULL. Arguments may be changed in place. */
struct redisReply *saboteur_instead(struct slice name, size_t keys_count, size_t argc, const struct slice *argv);
/* A call was carried out: its reply may be changed. */
void saboteur_reply(struct slice name, size_t keys_count, const struct slice *argv, struct redisReply *reply);
/* The frames of one write; returns how many are left, frames has room for one more. */
size_t saboteur_frames(struct slice *frames, size_t count);
