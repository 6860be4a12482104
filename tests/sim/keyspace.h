/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyspace.h: the keys of a Redis in memory, as far as fanout/lua uses them: strings, hashes, lists, sorted sets, expiry.
 *
 * Fields of a hash keep the order in which they came. Keys and values are copied in; what is handed out is borrowed until the
 * next change. A key of the wrong type is a bug of ours and stops the process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

struct keyspace;

struct keyspace *keyspace_new(void);
struct keyspace *keyspace_free(struct keyspace *keys);
struct keyspace *keyspace_clone(const struct keyspace *keys);

void keyspace_delete(struct keyspace *keys, struct slice key);
bool keyspace_exists(struct keyspace *keys, struct slice key);
bool keyspace_rename(struct keyspace *keys, struct slice key, struct slice to);
/* Never: UINT64_MAX. */
void keyspace_expire(struct keyspace *keys, struct slice key, uint64_t at_ms);

/* The key at a place in order of age; ptr NULL: behind the last. */
struct slice keyspace_key(struct keyspace *keys, size_t index);
/* ptr NULL: there is none. */
struct slice keyspace_get(struct keyspace *keys, struct slice key);
void keyspace_set(struct keyspace *keys, struct slice key, struct slice value);

struct slice keyspace_field(struct keyspace *keys, struct slice key, struct slice field);
bool keyspace_set_field(struct keyspace *keys, struct slice key, struct slice field, struct slice value); /* true: it is new */
bool keyspace_delete_field(struct keyspace *keys, struct slice key, struct slice field);
size_t keyspace_fields(struct keyspace *keys, struct slice key);
/* Iterates: start with *position NULL; false at the end. */
bool keyspace_next(struct keyspace *keys, struct slice key, const void **position, struct slice *ret_field, struct slice *ret_value);

/* Lists: items in order. */
size_t keyspace_length(struct keyspace *keys, struct slice key);
struct slice keyspace_item(struct keyspace *keys, struct slice key, size_t index);
/* Puts an item before the one at index, or at the end. Returns how many there are then. */
size_t keyspace_insert(struct keyspace *keys, struct slice key, size_t index, struct slice value);
/* false: there is none at index. */
bool keyspace_set_item(struct keyspace *keys, struct slice key, size_t index, struct slice value);
/* Keeps the items from first on, count of them. */
void keyspace_trim(struct keyspace *keys, struct slice key, size_t first, size_t count);

/* Sorted sets, in order of score and member. */
bool keyspace_add_member(struct keyspace *keys, struct slice key, double score, struct slice member);
bool keyspace_remove_member(struct keyspace *keys, struct slice key, struct slice member);
struct slice keyspace_member(struct keyspace *keys, struct slice key, size_t index, double *ret_score); /* ptr NULL: behind the last */
