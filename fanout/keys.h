/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.h: the names of all keys in the store, from contract/keys.def:  <prefix>:{<partition>}:<letter>:<id>
 */
#pragma once
#include "base/partition.h"
#include "base/slice.h"

struct buf;

enum key {
#define KEY_ROW(name, letter, of, type, sentence) KEY_##name,
#include "contract/keys.def"
#undef KEY_ROW
};

/* Appends the key of id in the partition that id belongs to. */
void keys_add(struct buf *out, const char *prefix, enum key key, struct slice id);
/* The id in a key. The prefix has no brace (base/config.c). */
struct slice keys_id(struct slice key);
/* Appends the key (or, with id empty, the beginning of the keys) of a partition. */
void keys_add_in(struct buf *out, const char *prefix, enum key key, unsigned partition, struct slice id);
