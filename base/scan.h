/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h: reads JSON in place, without building a tree.
 *
 * scan_text() checks a whole text once: JSON (RFC 8259), UTF-8 (RFC 3629: no overlong forms, no surrogates), depth. All
 * others work on text that passed it, so they cannot fail on syntax. Values are slices of the text: a message body is
 * passed on verbatim and never rebuilt.
 *
 * 1. scan_text() accepts a text if and only if it is valid JSON in valid UTF-8, not deeper than depth_max.
 * 2. Nothing here allocates or recurses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum {
        SCAN_E_SYNTAX = 1, /* not JSON */
        SCAN_E_UTF8,       /* not UTF-8 */
        SCAN_E_DEPTH,      /* too deep */
        SCAN_E_DUPLICATE,  /* an object names a field twice */
        SCAN_E_MANY,       /* more fields than the caller has room for */
        SCAN_E_LONG,       /* a decoded string is longer than the caller has room for */
};

enum scan_type { SCAN_NULL, SCAN_BOOL, SCAN_INT, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT };

struct scan_value {
        enum scan_type type;
        struct slice raw;   /* as it stands in the text, a string with its quotes */
        int64_t integer;    /* SCAN_INT: its value; SCAN_BOOL: 0 or 1. A number that is no int64 or is written with . or e is SCAN_NUMBER */
};

struct scan_field {
        struct slice name;  /* without quotes, escapes not decoded (a name with escapes matches nothing we know) */
        struct scan_value value;
};

/* Checks text; returns 0 and the top value (without surrounding white space), or a SCAN_E_ answer. */
__attribute__((warn_unused_result)) int scan_text(struct slice text, unsigned depth_max, struct scan_value *ret_value);

/* The fields of an object that passed scan_text(), in order: 0, SCAN_E_DUPLICATE or SCAN_E_MANY, and then those before the one too many. */
__attribute__((warn_unused_result)) int scan_object(struct slice object, struct scan_field *fields, size_t fields_max, size_t *ret_count);

/* Iterates an array that passed scan_text(). Start with *position = 0; returns false at the end. */
bool scan_array(struct slice array, size_t *position, struct scan_value *ret_value);

/* Decodes a string value into out (which gets a NUL too, so size_max counts it): 0 or SCAN_E_LONG. \u0000 is decoded as is. */
__attribute__((warn_unused_result)) int scan_string(struct slice raw, char *out, size_t size_max, size_t *ret_len);

/* Finds a field by name; NULL if there is none. */
const struct scan_value *scan_find(const struct scan_field *fields, size_t count, const char *name);

/* Is text valid UTF-8 (RFC 3629)? */
bool scan_utf8(struct slice text);
