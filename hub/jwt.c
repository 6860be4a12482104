/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt.c: see jwt.h.
 */
#include "hub/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "hub/jwk.h"

struct object {
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count;
};

static int read_object(struct slice text, struct object *ret_object) {
        struct scan_value top;
        if (scan_text(text, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT)
                return JWT_E_MALFORMED;
        if (scan_object(top.raw, ret_object->fields, LIMIT_JSON_FIELDS, &ret_object->count) != 0)
                return JWT_E_MALFORMED;
        return 0;
}

/* Is this the field's name, with its escapes decoded? */
static bool field_is(const struct scan_field *field, const char *name) {
        if (!memchr(field->name.ptr, '\\', field->name.len))
                return slice_is(field->name, name);
        struct slice quoted = { field->name.ptr - 1, field->name.len + 2 };
        char plain[8];
        size_t len = 0;
        return scan_string(quoted, plain, sizeof(plain), &len) == 0 && slice_is((struct slice){ plain, len }, name);
}

/*
 * Finds a field; *ret_value is NULL if there is none. "sub" and "s\u0075b" are the same name (RFC 8259 section 8.3) and both in
 * one object are malformed: scan_object() compares names as they are written, and another reader of the token might take the
 * other one.
 */
static int find(const struct object *object, const char *name, const struct scan_value **ret_value) {
        const struct scan_value *found = NULL;
        for (size_t i = 0; i < object->count; i++) {
                if (!field_is(&object->fields[i], name))
                        continue;
                if (found)
                        return JWT_E_MALFORMED;
                found = &object->fields[i].value;
        }
        *ret_value = found;
        return 0;
}

/* A claim; null is none, as some libraries write what was not given. */
static int find_claim(const struct object *payload, const char *name, const struct scan_value **ret_value) {
        if (find(payload, name, ret_value) != 0)
                return JWT_E_MALFORMED;
        if (*ret_value && (*ret_value)->type == SCAN_NULL)
                *ret_value = NULL;
        return 0;
}

/* A string of 1 to size - 1 bytes, if it is there; *ret_len is 0 if it is not, or null. */
static int find_string(const struct object *object, const char *name, char *out, size_t size, size_t *ret_len) {
        const struct scan_value *value;
        if (find(object, name, &value) != 0)
                return JWT_E_MALFORMED;
        *ret_len = 0;
        out[0] = '\0';
        if (!value || value->type == SCAN_NULL)
                return 0;
        if (value->type != SCAN_STRING || scan_string(value->raw, out, size, ret_len) != 0 || *ret_len == 0)
                return JWT_E_MALFORMED;
        return 0;
}

/* A number with a fraction or an exponent, as whole seconds; -1 if it is out of range. */
static int64_t read_fraction(struct slice raw) {
        char text[40] = "";
        if (raw.len >= sizeof(text))
                return -1;
        memcpy(text, raw.ptr, raw.len); /* JSON checked it, and no locale is set */
        double seconds = strtod(text, NULL);
        return seconds >= 0 && seconds <= (double)JWT_DATE_MAX ? (int64_t)seconds : -1;
}

/* A NumericDate (RFC 7519 section 2) if it is there, else -1. Fractions are cut: scripts write time.time() + 60 as it comes. */
static int find_date(const struct object *object, const char *name, int64_t *ret_date) {
        const struct scan_value *value;
        if (find_claim(object, name, &value) != 0)
                return JWT_E_MALFORMED;
        *ret_date = -1;
        if (!value)
                return 0;
        if (value->type != SCAN_INT && value->type != SCAN_NUMBER)
                return JWT_E_MALFORMED;
        int64_t date = value->type == SCAN_INT ? value->integer : read_fraction(value->raw);
        if (date < 0 || date > JWT_DATE_MAX)
                return JWT_E_MALFORMED;
        *ret_date = date;
        return 0;
}

/* Splits at the dots: exactly three parts, none empty (RFC 7515 section 7.1; five would be encrypted, RFC 7516). */
static int split(struct slice token, struct slice ret_parts[static 3]) {
        const char *end = token.ptr + token.len;
        const char *from = token.ptr;
        for (size_t i = 0; i < 3; i++) {
                const char *dot = memchr(from, '.', (size_t)(end - from));
                if ((dot != NULL) != (i < 2))
                        return JWT_E_MALFORMED;
                const char *to = dot ? dot : end;
                if (to == from)
                        return JWT_E_MALFORMED;
                ret_parts[i] = (struct slice){ from, (size_t)(to - from) };
                from = to + 1;
        }
        return 0;
}

static int read_header(struct slice text, struct jwt *jwt) {
        struct object header;
        if (read_object(text, &header) != 0)
                return JWT_E_MALFORMED;

        /* We understand no extension, so any that must be understood is a reason to refuse (RFC 7515 section 4.1.11). */
        const struct scan_value *crit;
        if (find(&header, "crit", &crit) != 0 || crit)
                return JWT_E_MALFORMED;

        char alg[8];
        size_t alg_len;
        if (find_string(&header, "alg", alg, sizeof(alg), &alg_len) != 0 ||
            !verifier_alg_parse((struct slice){ alg, alg_len }, &jwt->alg))
                return JWT_E_MALFORMED;

        size_t kid_len;
        if (find_string(&header, "kid", jwt->kid, sizeof(jwt->kid), &kid_len) != 0 ||
            (kid_len > 0 && !jwk_is_kid((struct slice){ jwt->kid, kid_len })))
                return JWT_E_MALFORMED;
        return 0;
}

int jwt_parse(struct slice token, struct jwt *ret_jwt) {
        struct slice parts[3];
        if (token.len > LIMIT_TOKEN_BYTES || token.len == 0 || split(token, parts) != 0)
                return JWT_E_MALFORMED;

        struct slice decoded[3];
        size_t used = 0;
        for (size_t i = 0; i < 3; i++) {
                char *out = ret_jwt->bytes + used;
                size_t len;
                if (encode_base64url_decode(parts[i], out, sizeof(ret_jwt->bytes) - used, &len) != 0)
                        return JWT_E_MALFORMED;
                decoded[i] = (struct slice){ out, len };
                used += len;
        }
        ret_jwt->signed_part = (struct slice){ token.ptr, parts[0].len + 1 + parts[1].len };
        ret_jwt->payload = decoded[1];
        ret_jwt->signature = decoded[2];
        return read_header(decoded[0], ret_jwt);
}

static bool is_string_or_strings(const struct scan_value *value) {
        if (value->type != SCAN_ARRAY)
                return value->type == SCAN_STRING;
        struct scan_value item;
        for (size_t position = 0; scan_array(value->raw, &position, &item);)
                if (item.type != SCAN_STRING)
                        return false;
        return true;
}

int jwt_read_claims(const struct jwt *jwt, struct jwt_claims *ret_claims) {
        struct object payload;
        if (read_object(jwt->payload, &payload) != 0)
                return JWT_E_MALFORMED;

        struct jwt_claims claims = { .exp = -1 };
        if (find_string(&payload, "sub", claims.sub, sizeof(claims.sub), &claims.sub_len) != 0 ||
            find_string(&payload, "dev", claims.dev, sizeof(claims.dev), &claims.dev_len) != 0 ||
            find_date(&payload, "exp", &claims.exp) != 0 || find_date(&payload, "nbf", &claims.nbf) != 0 ||
            find_date(&payload, "iat", &claims.iat) != 0)
                return JWT_E_MALFORMED;
        if (claims.sub_len == 0 || claims.exp < 0)
                return JWT_E_MALFORMED;

        const struct scan_value *aud, *iss, *channels;
        if (find_claim(&payload, "aud", &aud) != 0 || find_claim(&payload, "iss", &iss) != 0 ||
            find_claim(&payload, "channels", &channels) != 0)
                return JWT_E_MALFORMED;
        if (channels && (channels->type != SCAN_ARRAY || !is_string_or_strings(channels)))
                return JWT_E_MALFORMED;
        if ((aud && !is_string_or_strings(aud)) || (iss && iss->type != SCAN_STRING))
                return JWT_E_MALFORMED;
        if (aud)
                claims.aud = *aud;
        if (iss)
                claims.iss = *iss;
        if (channels)
                claims.channels = *channels;
        *ret_claims = claims;
        return 0;
}

static bool is_text(const struct scan_value *value, struct slice text) {
        char plain[LIMIT_TOKEN_BYTES];
        size_t len;
        return value->type == SCAN_STRING && scan_string(value->raw, plain, sizeof(plain), &len) == 0 &&
               slice_equal((struct slice){ plain, len }, text);
}

bool jwt_names(const struct scan_value *value, struct slice text) {
        if (!value->raw.ptr)
                return false;
        if (value->type != SCAN_ARRAY)
                return is_text(value, text);
        struct scan_value item;
        for (size_t position = 0; scan_array(value->raw, &position, &item);)
                if (is_text(&item, text))
                        return true;
        return false;
}
