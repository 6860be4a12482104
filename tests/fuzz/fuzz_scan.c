/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger can send: any bytes. What passes scan_text() is walked to its last value by the functions that trust it, and
 * another parser must read it alike. Two things jansson refuses are JSON: numbers that no double holds, NUL in a name; and it
 * drops a NUL that follows a number or a word, which is not.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/scan.h"

enum { DEPTH = 64, FIELDS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void walk(struct scan_value value);

static void walk_string(struct slice raw) {
        size_t len = 0, len_again = 0;
        char *out = malloc(raw.len); /* an escape is never shorter than what it stands for */

        assert(scan_string(raw, out, raw.len, &len) == 0);
        assert(len <= raw.len - 2 && out[len] == '\0');
        assert(scan_utf8((struct slice){ out, len }));
        assert(scan_string(raw, out, len + 1, &len_again) == 0 && len_again == len);
        assert(scan_string(raw, out, len, &len_again) == SCAN_E_LONG);
        free(out);
}

static void walk_object(struct slice raw) {
        struct scan_field fields[FIELDS];
        size_t count = 0;
        int r = scan_object(raw, fields, FIELDS, &count);

        assert(r == 0 || r == SCAN_E_DUPLICATE || r == SCAN_E_MANY);
        for (size_t i = 0; i < count; i++) {
                walk_string((struct slice){ fields[i].name.ptr - 1, fields[i].name.len + 2 });
                walk(fields[i].value);
        }
}

static void walk(struct scan_value value) {
        struct scan_value again, item;
        size_t position = 0;

        assert(scan_text(value.raw, DEPTH, &again) == 0);
        assert(again.type == value.type && again.integer == value.integer && slice_equal(again.raw, value.raw));
        if (value.type == SCAN_STRING)
                walk_string(value.raw);
        else if (value.type == SCAN_OBJECT)
                walk_object(value.raw);
        else if (value.type == SCAN_ARRAY)
                while (scan_array(value.raw, &position, &item))
                        walk(item);
}

static bool agrees(int ours, const json_t *theirs, const json_error_t *error, struct slice text) {
        if ((ours == 0) == (theirs != NULL) || ours == SCAN_E_DEPTH)
                return true;
        if (ours == 0)
                return strstr(error->text, "real number overflow") || strstr(error->text, "NUL byte in object key");
        return memchr(text.ptr, '\0', text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
        struct slice text = { (const char *)bytes, len };
        struct scan_value value;
        json_error_t error;

        int r = scan_text(text, DEPTH, &value);
        if (r == 0) {
                assert(scan_utf8(text));
                walk(value);
        }
        json_t *theirs =
                json_loadb(len > 0 ? text.ptr : "", len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
        assert(agrees(r, theirs, &error, text));
        json_decref(theirs);
        return 0;
}
