/* SPDX-License-Identifier: Apache-2.0 */
/* template.c: see template.h. */
#include "push/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/scan.h"
#include "push/trim.h"

static void template_add_text(struct slice raw, struct buf *out) {
        size_t len = 0;
        char *text = malloc(raw.len + 1);
        if (text && scan_string(raw, text, raw.len + 1, &len) == 0)
                buf_add_slice(out, trim_to_bytes((struct slice){ text, len }, TEMPLATE_VALUE_BYTES));
        free(text); /* without memory: a push that says less */
}

static void template_add_field(struct slice body, struct slice name, struct buf *out) {
        struct scan_value top;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        char key[LIMIT_PUSH_TEMPLATE_BYTES + 1];
        size_t count = 0;
        if (name.len >= sizeof(key) || scan_text(body, LIMIT_JSON_DEPTH, &top) || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, LIMIT_JSON_FIELDS, &count))
                return;
        memcpy(key, name.ptr, name.len);
        key[name.len] = '\0';
        const struct scan_value *value = scan_find(fields, count, key);
        if (value && value->type == SCAN_STRING)
                template_add_text(value->raw, out);
        else if (value && value->type != SCAN_OBJECT && value->type != SCAN_ARRAY && value->type != SCAN_NULL)
                buf_add_slice(out, trim_to_bytes(value->raw, TEMPLATE_VALUE_BYTES));
}

/* name: what stands between the braces. False: it is none of ours. */
static bool template_add(struct slice name, const struct template_about *about, struct buf *out) {
        static const char prefix[] = "body.";
        const size_t len = sizeof(prefix) - 1;
        if (slice_is(name, "from"))
                buf_add_slice(out, about->from);
        else if (slice_is(name, "conv"))
                buf_add_slice(out, about->conv);
        else if (name.len > len && memcmp(name.ptr, prefix, len) == 0)
                template_add_field(about->body, (struct slice){ name.ptr + len, name.len - len }, out);
        else
                return false;
        return true;
}

void template_fill(struct slice pattern, const struct template_about *about, struct buf *out) {
        for (const char *end = pattern.ptr + pattern.len; pattern.len;) {
                const char *close = *pattern.ptr == '{' ? memchr(pattern.ptr, '}', pattern.len) : NULL;
                if (close && template_add((struct slice){ pattern.ptr + 1, (size_t)(close - pattern.ptr) - 1 }, about, out))
                        pattern.ptr = close + 1;
                else
                        buf_add_char(out, *pattern.ptr++);
                pattern.len = (size_t)(end - pattern.ptr);
        }
}
