/* SPDX-License-Identifier: Apache-2.0 */
/* keyspace.c: see keyspace.h. */
#include "tests/sim/keyspace.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "tests/sim/world.h"

enum keyspace_type { KEYSPACE_STRING, KEYSPACE_HASH, KEYSPACE_LIST, KEYSPACE_ZSET };

struct field {
        UT_hash_handle hh;
        struct slice value; /* owned */
        size_t name_len;
        char name[];
};

struct item {
        struct slice text; /* owned */
        double score;      /* of a sorted set */
};

struct value {
        UT_hash_handle hh;
        enum keyspace_type type;
        uint64_t expires_ms;
        struct slice string;  /* owned */
        struct field *fields;
        struct item *items;   /* from first on, count of them */
        size_t first, count, capacity;
        size_t name_len;
        char name[];
};

struct keyspace {
        struct value *values;
};

static struct slice own(struct slice text) {
        char *copy = malloc(text.len + 1);
        if (!copy)
                abort();
        if (text.len)
                memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        return (struct slice){ copy, text.len };
}

static void disown(struct slice text) {
        free((void *)(uintptr_t)text.ptr);
}

struct keyspace *keyspace_new(void) {
        struct keyspace *keys = calloc(1, sizeof(*keys));
        if (!keys)
                abort();
        return keys;
}

static void value_free(struct keyspace *keys, struct value *value) {
        struct field *field, *next;
        HASH_ITER(hh, value->fields, field, next) {
                HASH_DEL(value->fields, field);
                disown(field->value);
                free(field);
        }
        for (size_t i = 0; i < value->count; i++)
                disown(value->items[value->first + i].text);
        free(value->items);
        disown(value->string);
        HASH_DEL(keys->values, value);
        free(value);
}

struct keyspace *keyspace_free(struct keyspace *keys) {
        if (!keys)
                return NULL;
        while (keys->values)
                value_free(keys, keys->values);
        free(keys);
        return NULL;
}

static struct value *find(struct keyspace *keys, struct slice key) {
        struct value *value = NULL;
        HASH_FIND(hh, keys->values, key.ptr, key.len, value);
        if (value && value->expires_ms <= world_ms()) {
                value_free(keys, value);
                return NULL;
        }
        return value;
}

static struct value *find_type(struct keyspace *keys, struct slice key, enum keyspace_type type) {
        struct value *value = find(keys, key);
        if (value && value->type != type)
                abort(); /* WRONGTYPE */
        return value;
}

static struct value *make(struct keyspace *keys, struct slice key, enum keyspace_type type) {
        struct value *value = find_type(keys, key, type);
        if (value)
                return value;
        value = calloc(1, sizeof(*value) + key.len);
        if (!value)
                abort();
        value->type = type;
        value->expires_ms = UINT64_MAX;
        value->name_len = key.len;
        memcpy(value->name, key.ptr, key.len);
        HASH_ADD_KEYPTR(hh, keys->values, value->name, value->name_len, value);
        return value;
}

void keyspace_delete(struct keyspace *keys, struct slice key) {
        struct value *value = find(keys, key);
        if (value)
                value_free(keys, value);
}

bool keyspace_exists(struct keyspace *keys, struct slice key) {
        return find(keys, key) != NULL;
}

struct slice keyspace_key(struct keyspace *keys, size_t index) {
        struct value *value = keys->values;
        for (size_t i = 0; value && i < index; i++)
                value = value->hh.next;
        return value ? (struct slice){ value->name, value->name_len } : (struct slice){ 0 };
}

void keyspace_expire(struct keyspace *keys, struct slice key, uint64_t at_ms) {
        struct value *value = find(keys, key);
        if (value)
                value->expires_ms = at_ms;
}

struct slice keyspace_get(struct keyspace *keys, struct slice key) {
        struct value *value = find_type(keys, key, KEYSPACE_STRING);
        return value ? value->string : (struct slice){ 0 };
}

void keyspace_set(struct keyspace *keys, struct slice key, struct slice value) {
        struct value *at = make(keys, key, KEYSPACE_STRING);
        disown(at->string);
        at->string = own(value);
}

/* ---- hashes ---- */

static struct field *find_field(struct value *value, struct slice name) {
        struct field *field = NULL;
        if (value)
                HASH_FIND(hh, value->fields, name.ptr, name.len, field);
        return field;
}

struct slice keyspace_field(struct keyspace *keys, struct slice key, struct slice name) {
        struct field *field = find_field(find_type(keys, key, KEYSPACE_HASH), name);
        return field ? field->value : (struct slice){ 0 };
}

bool keyspace_set_field(struct keyspace *keys, struct slice key, struct slice name, struct slice text) {
        struct value *value = make(keys, key, KEYSPACE_HASH);
        struct field *field = find_field(value, name);
        if (field) {
                disown(field->value);
                field->value = own(text);
                return false;
        }
        field = calloc(1, sizeof(*field) + name.len);
        if (!field)
                abort();
        field->value = own(text);
        field->name_len = name.len;
        if (name.len)
                memcpy(field->name, name.ptr, name.len);
        HASH_ADD_KEYPTR(hh, value->fields, field->name, field->name_len, field);
        return true;
}

bool keyspace_delete_field(struct keyspace *keys, struct slice key, struct slice name) {
        struct value *value = find_type(keys, key, KEYSPACE_HASH);
        struct field *field = find_field(value, name);
        if (!field)
                return false;
        HASH_DEL(value->fields, field);
        disown(field->value);
        free(field);
        if (!value->fields)
                value_free(keys, value);
        return true;
}

size_t keyspace_fields(struct keyspace *keys, struct slice key) {
        struct value *value = find_type(keys, key, KEYSPACE_HASH);
        return value ? HASH_COUNT(value->fields) : 0;
}

bool keyspace_next(struct keyspace *keys, struct slice key, const void **position, struct slice *ret_field, struct slice *ret_value) {
        const struct field *field = *position;
        if (field) {
                field = field->hh.next;
        } else {
                struct value *value = find_type(keys, key, KEYSPACE_HASH);
                field = value ? value->fields : NULL;
        }
        *position = field;
        if (!field)
                return false;
        *ret_field = (struct slice){ field->name, field->name_len };
        *ret_value = field->value;
        return true;
}

/* ---- lists, sorted sets ---- */

static struct value *find_items(struct keyspace *keys, struct slice key) {
        struct value *value = find(keys, key);
        if (value && (value->type == KEYSPACE_STRING || value->type == KEYSPACE_HASH))
                abort(); /* WRONGTYPE */
        return value;
}

static struct item *make_room(struct value *value, size_t index) {
        if (value->first + value->count == value->capacity) {
                if (value->first)
                        memmove(value->items, value->items + value->first, value->count * sizeof(*value->items));
                value->first = 0;
                if (value->count * 2 >= value->capacity) {
                        value->capacity = value->capacity ? value->capacity * 2 : 8;
                        value->items = realloc(value->items, value->capacity * sizeof(*value->items));
                        if (!value->items)
                                abort();
                }
        }
        struct item *at = value->items + value->first + index;
        memmove(at + 1, at, (value->count - index) * sizeof(*at));
        value->count++;
        *at = (struct item){ 0 };
        return at;
}

size_t keyspace_length(struct keyspace *keys, struct slice key) {
        struct value *value = find_items(keys, key);
        return value ? value->count : 0;
}

struct slice keyspace_item(struct keyspace *keys, struct slice key, size_t index) {
        struct value *value = find_items(keys, key);
        return value && index < value->count ? value->items[value->first + index].text : (struct slice){ 0 };
}

size_t keyspace_insert(struct keyspace *keys, struct slice key, size_t index, struct slice text) {
        struct value *value = make(keys, key, KEYSPACE_LIST);
        make_room(value, index < value->count ? index : value->count)->text = own(text);
        return value->count;
}

bool keyspace_set_item(struct keyspace *keys, struct slice key, size_t index, struct slice text) {
        struct value *value = find_type(keys, key, KEYSPACE_LIST);
        if (!value || index >= value->count)
                return false;
        struct item *item = &value->items[value->first + index];
        disown(item->text);
        item->text = own(text);
        return true;
}

void keyspace_trim(struct keyspace *keys, struct slice key, size_t first, size_t count) {
        struct value *value = find_items(keys, key);
        if (!value)
                return;
        for (size_t i = 0; i < value->count; i++)
                if (i < first || i - first >= count)
                        disown(value->items[value->first + i].text);
        if (first >= value->count) {
                value->count = 0;
        } else {
                value->first += first;
                value->count = value->count - first < count ? value->count - first : count;
        }
        if (!value->count)
                value_free(keys, value);
}

static size_t find_member(const struct value *value, struct slice member) {
        for (size_t i = 0; value && i < value->count; i++)
                if (slice_equal(value->items[value->first + i].text, member))
                        return i;
        return SIZE_MAX;
}

static void remove_at(struct value *value, size_t index) {
        struct item *at = value->items + value->first + index;
        disown(at->text);
        memmove(at, at + 1, (--value->count - index) * sizeof(*at));
}

static bool is_before(const struct item *item, double score, struct slice member) {
        if (item->score < score || item->score > score)
                return item->score < score;
        size_t len = item->text.len < member.len ? item->text.len : member.len;
        int order = memcmp(item->text.ptr, member.ptr, len);
        return order ? order < 0 : item->text.len < member.len;
}

bool keyspace_add_member(struct keyspace *keys, struct slice key, double score, struct slice member) {
        struct value *value = make(keys, key, KEYSPACE_ZSET);
        size_t at = find_member(value, member);
        bool fresh = at == SIZE_MAX;
        if (!fresh)
                remove_at(value, at);
        for (at = 0; at < value->count && is_before(&value->items[value->first + at], score, member); at++)
                ;
        struct item *item = make_room(value, at);
        item->text = own(member);
        item->score = score;
        return fresh;
}

bool keyspace_remove_member(struct keyspace *keys, struct slice key, struct slice member) {
        struct value *value = find_type(keys, key, KEYSPACE_ZSET);
        size_t at = find_member(value, member);
        if (at == SIZE_MAX)
                return false;
        remove_at(value, at);
        if (!value->count)
                value_free(keys, value);
        return true;
}

struct slice keyspace_member(struct keyspace *keys, struct slice key, size_t index, double *ret_score) {
        struct value *value = find_type(keys, key, KEYSPACE_ZSET);
        if (!value || index >= value->count)
                return (struct slice){ 0 };
        *ret_score = value->items[value->first + index].score;
        return value->items[value->first + index].text;
}

/* ---- the whole ---- */

static void copy(struct value *to, const struct value *from) {
        const struct field *field;
        to->expires_ms = from->expires_ms;
        if (from->string.ptr)
                to->string = own(from->string);
        for (field = from->fields; field; field = field->hh.next) {
                struct field *fresh = calloc(1, sizeof(*fresh) + field->name_len);
                if (!fresh)
                        abort();
                fresh->value = own(field->value);
                fresh->name_len = field->name_len;
                memcpy(fresh->name, field->name, field->name_len);
                HASH_ADD_KEYPTR(hh, to->fields, fresh->name, fresh->name_len, fresh);
        }
        for (size_t i = 0; i < from->count; i++) {
                struct item item = from->items[from->first + i];
                item.text = own(item.text);
                *make_room(to, to->count) = item;
        }
}

struct keyspace *keyspace_clone(const struct keyspace *keys) {
        struct keyspace *clone = keyspace_new();
        for (const struct value *value = keys->values; value; value = value->hh.next)
                copy(make(clone, (struct slice){ value->name, value->name_len }, value->type), value);
        return clone;
}

bool keyspace_rename(struct keyspace *keys, struct slice key, struct slice to) {
        struct value *value = find(keys, key);
        if (!value)
                return false;
        keyspace_delete(keys, to);
        copy(make(keys, to, value->type), value);
        value_free(keys, value);
        return true;
}
