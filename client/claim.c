/* SPDX-License-Identifier: Apache-2.0 */
/* claim.c: see claim.h. */
#include "client/claim.h"

#include <string.h>

#include "base/encode.h"
#include "base/limits.h"
#include "base/scan.h"

void claim_read(const char *token, const char *name, char *out, size_t size) {
        const char *start = token ? strchr(token, '.') : NULL, *stop = start ? strchr(start + 1, '.') : NULL;
        char text[LIMIT_TOKEN_BYTES];
        struct scan_field fields[LIMIT_JSON_FIELDS];
        const struct scan_value *claim;
        struct scan_value value;
        size_t len, count;

        if (!stop ||
            encode_base64url_decode((struct slice){ start + 1, (size_t)(stop - start - 1) }, text, sizeof(text), &len) != 0 ||
            scan_text((struct slice){ text, len }, LIMIT_JSON_DEPTH, &value) != 0 || value.type != SCAN_OBJECT ||
            scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count) != 0)
                return;
        claim = scan_find(fields, count, name);
        if (claim && claim->type == SCAN_STRING && scan_string(claim->raw, out, size, &len) != 0)
                out[0] = '\0';
}
