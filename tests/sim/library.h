/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h: runs the functions of fanout/lua as Redis does: in Lua 5.1, with redis.call() on a keyspace.
 */
#pragma once
#include <stddef.h>
#include "base/slice.h"

struct keyspace;
struct library;
struct redisReply;

/* publish: what SPUBLISH does. The text is what FUNCTION LOAD gets. */
struct library *library_new(struct slice text, void (*publish)(struct slice channel, struct slice message));
struct library *library_free(struct library *library);

/* FCALL name: argv are the keys, then the arguments. NULL: there is no such function. A Lua error stops the process. */
struct redisReply *library_call(struct library *library, struct keyspace *keys, struct slice name, size_t keys_count, size_t argc,
                                const struct slice *argv);

/* Replies of our own, freed by freeReplyObject(). */
struct redisReply *library_reply(int type, long long integer, struct slice text, size_t elements);
