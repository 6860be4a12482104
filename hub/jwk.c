/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwk.c: see jwk.h. The set is the operator's own file, so it is read with jansson, and errors say what to mend.
 */
#include "hub/jwk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/encode.h"
#include "base/limits.h"

struct jwk {
        char kid[LIMIT_KID_BYTES + 1]; /* "" if it has none */
        struct verifier *verifier;
};

struct jwk_set {
        struct jwk keys[LIMIT_JWKS_KEYS];
        size_t count;
};

static inline void json_clean(json_t **json) {
        json_decref(*json);
}

static inline void file_clean(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static int refuse(char **ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char **ret_error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int r = vasprintf(ret_error, format, arguments);
        va_end(arguments);
        return r < 0 ? -ENOMEM : JWK_E_INVALID;
}

int jwk_set_new(struct jwk_set **ret_set) {
        struct jwk_set *set = calloc(1, sizeof(*set));
        if (!set)
                return -ENOMEM;
        *ret_set = set;
        return 0;
}

struct jwk_set *jwk_set_free(struct jwk_set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->count; i++)
                verifier_free(set->keys[i].verifier);
        free(set);
        return NULL;
}

bool jwk_is_kid(struct slice text) {
        if (text.len == 0 || text.len > LIMIT_KID_BYTES)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
                if (!alphanumeric && (c == '\0' || !strchr("._-+/=", c)))
                        return false;
        }
        return true;
}

static const struct jwk *find_named(const struct jwk_set *set, const char *kid) {
        for (size_t i = 0; i < set->count; i++)
                if (strcmp(set->keys[i].kid, kid) == 0)
                        return &set->keys[i];
        return NULL;
}

const struct verifier *jwk_set_next(const struct jwk_set *set, enum verifier_alg alg, const char *kid, size_t *position) {
        assert(!kid || kid[0] != '\0');
        const struct jwk *named = kid ? find_named(set, kid) : NULL;
        while (*position < set->count) {
                const struct jwk *key = &set->keys[(*position)++];
                if (verifier_alg(key->verifier) != alg)
                        continue;
                if (!kid || key == named || (!named && key->kid[0] == '\0'))
                        return key->verifier;
        }
        return NULL;
}

/* Takes verifier, whatever comes of it. */
static int add_key(struct jwk_set *set, struct slice kid, struct verifier *take_verifier, char **ret_error) {
        struct jwk key = { .verifier = take_verifier };
        memcpy(key.kid, kid.ptr, kid.len);
        int r = 0;
        if (set->count == LIMIT_JWKS_KEYS)
                r = refuse(ret_error, "there are more than %d keys", LIMIT_JWKS_KEYS);
        else if (kid.len > 0 && find_named(set, key.kid))
                r = refuse(ret_error, "another key has the same kid \"%s\"", key.kid);
        if (r) {
                verifier_free(take_verifier);
                return r;
        }
        set->keys[set->count++] = key;
        return 0;
}

int jwk_set_add_secret(struct jwk_set *set, struct slice secret, const struct verifier **ret_verifier, char **ret_error) {
        struct verifier *verifier = NULL;
        const char *reason = NULL;
        int r = verifier_new_hs256(secret, &verifier, &reason);
        if (r == VERIFIER_E_KEY)
                return refuse(ret_error, "%s", reason);
        if (r)
                return r;
        r = add_key(set, SLICE(""), verifier, ret_error);
        if (r)
                return r;
        *ret_verifier = verifier;
        return 0;
}

/* A member that must be a string if it is there: *ret_text has NULL in ptr if it is not. */
static int get_text(const json_t *key, const char *name, struct slice *ret_text, char **ret_error) {
        const json_t *value = json_object_get(key, name);
        if (value && !json_is_string(value))
                return refuse(ret_error, "\"%s\" must be a string", name);
        *ret_text = (struct slice){ json_string_value(value), json_string_length(value) };
        return 0;
}

/* A member that must be bytes in base64url. */
static int get_bytes(const json_t *key, const char *name, uint8_t bytes[static VERIFIER_KEY_BYTES], struct slice *ret_bytes,
                     char **ret_error) {
        struct slice text;
        int r = get_text(key, name, &text, ret_error);
        if (r)
                return r;
        size_t len = 0;
        if (!text.ptr || encode_base64url_decode(text, bytes, VERIFIER_KEY_BYTES, &len) != 0 || len == 0)
                return refuse(ret_error, "\"%s\" must be 1 to %d bytes in base64url without padding", name, VERIFIER_KEY_BYTES);
        *ret_bytes = (struct slice){ (const char *)bytes, len };
        return 0;
}

/* Whether the key is meant for checking signatures (RFC 7517 sections 4.2 and 4.3). */
static int get_purpose(const json_t *key, bool *ret_verifies, char **ret_error) {
        struct slice use;
        int r = get_text(key, "use", &use, ret_error);
        if (r)
                return r;
        bool verifies = !use.ptr || slice_is(use, "sig");

        const json_t *operations = json_object_get(key, "key_ops");
        if (operations) {
                if (!json_is_array(operations))
                        return refuse(ret_error, "\"key_ops\" must be an array");
                bool listed = false;
                for (size_t i = 0; i < json_array_size(operations); i++) {
                        const char *operation = json_string_value(json_array_get(operations, i));
                        listed |= operation && strcmp(operation, "verify") == 0;
                }
                verifies &= listed;
        }
        *ret_verifies = verifies;
        return 0;
}

/* The one algorithm of the key, and whether it is one of ours: what kty and crv imply, unless "alg" says something else. */
static int get_alg(const json_t *key, bool *ret_ours, enum verifier_alg *ret_alg, char **ret_error) {
        static const struct {
                const char *kty, *crv;
                enum verifier_alg alg;
        } kinds[] = {
                { "oct", NULL, VERIFIER_HS256 },
                { "RSA", NULL, VERIFIER_RS256 },
                { "EC", "P-256", VERIFIER_ES256 },
                { "OKP", "Ed25519", VERIFIER_EDDSA },
        };
        struct slice kty, crv, alg;
        int r = get_text(key, "kty", &kty, ret_error);
        if (r == 0)
                r = get_text(key, "crv", &crv, ret_error);
        if (r == 0)
                r = get_text(key, "alg", &alg, ret_error);
        if (r)
                return r;
        if (!kty.ptr)
                return refuse(ret_error, "\"kty\" is missing");

        *ret_ours = false;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (!slice_is(kty, kinds[i].kty) || (kinds[i].crv && !slice_is(crv, kinds[i].crv)))
                        continue;
                *ret_ours = !alg.ptr || slice_is(alg, verifier_alg_name(kinds[i].alg));
                *ret_alg = kinds[i].alg;
        }
        return 0;
}

static int make_verifier(const json_t *key, enum verifier_alg alg, struct verifier **ret_verifier, char **ret_error) {
        /* The members that hold the key: RFC 7518 sections 6.2.1, 6.3.1 and 6.4, RFC 8037 section 2. */
        static const char *const members[][2] = {
                [VERIFIER_HS256] = { "k", NULL },
                [VERIFIER_RS256] = { "n", "e" },
                [VERIFIER_ES256] = { "x", "y" },
                [VERIFIER_EDDSA] = { "x", NULL },
        };
        uint8_t bytes[2][VERIFIER_KEY_BYTES];
        struct slice parts[2] = { { 0 } };
        for (size_t i = 0; i < 2 && members[alg][i]; i++) {
                int r = get_bytes(key, members[alg][i], bytes[i], &parts[i], ret_error);
                if (r)
                        return r;
        }

        const char *reason = NULL;
        int r = 0;
        switch (alg) {
        case VERIFIER_HS256:
                r = verifier_new_hs256(parts[0], ret_verifier, &reason);
                break;
        case VERIFIER_RS256:
                r = verifier_new_rs256(parts[0], parts[1], ret_verifier, &reason);
                break;
        case VERIFIER_ES256:
                r = verifier_new_es256(parts[0], parts[1], ret_verifier, &reason);
                break;
        case VERIFIER_EDDSA:
                r = verifier_new_eddsa(parts[0], ret_verifier, &reason);
                break;
        }
        return r == VERIFIER_E_KEY ? refuse(ret_error, "%s", reason) : r;
}

static int add_jwk(struct jwk_set *set, const json_t *key, char **ret_error) {
        if (!json_is_object(key))
                return refuse(ret_error, "a key must be an object");

        bool verifies = false, ours = false;
        enum verifier_alg alg = VERIFIER_HS256;
        int r = get_purpose(key, &verifies, ret_error);
        if (r == 0)
                r = get_alg(key, &ours, &alg, ret_error);
        if (r)
                return r;
        if (!verifies || !ours)
                return 0;

        struct slice kid;
        r = get_text(key, "kid", &kid, ret_error);
        if (r)
                return r;
        if (kid.ptr && !jwk_is_kid(kid))
                return refuse(ret_error, "\"kid\" must be 1 to %d letters, digits and any of ._-+/=", LIMIT_KID_BYTES);

        struct verifier *verifier = NULL;
        r = make_verifier(key, alg, &verifier, ret_error);
        if (r)
                return r;
        return add_key(set, kid.ptr ? kid : SLICE(""), verifier, ret_error);
}

int jwk_set_add_text(struct jwk_set *set, struct slice text, char **ret_error) {
        json_error_t where;
        __attribute__((cleanup(json_clean))) json_t *top = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &where);
        if (!top && json_error_code(&where) == json_error_out_of_memory)
                return -ENOMEM;
        if (!top)
                return refuse(ret_error, "line %d: %s", where.line, where.text);
        const json_t *keys = json_object_get(top, "keys");
        if (!json_is_array(keys))
                return refuse(ret_error, "it must be an object whose \"keys\" is an array (RFC 7517 section 5)");

        size_t before = set->count;
        for (size_t i = 0; i < json_array_size(keys); i++) {
                char *error = NULL;
                int r = add_jwk(set, json_array_get(keys, i), &error);
                if (r == JWK_E_INVALID)
                        r = refuse(ret_error, "keys[%zu]: %s", i, error);
                free(error);
                if (r)
                        return r;
        }
        if (set->count == before)
                return refuse(ret_error, "it has no key for HS256, RS256, ES256 or EdDSA signatures");
        return 0;
}

/* Reads up to size bytes: how many, or -errno. */
static ssize_t read_file(const char *path, char *bytes, size_t size) {
        __attribute__((cleanup(file_clean))) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        size_t len = 0;
        while (len < size) {
                ssize_t got = read(fd, bytes + len, size - len);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                len += (size_t)got;
        }
        return (ssize_t)len;
}

int jwk_set_add_file(struct jwk_set *set, const char *path, char **ret_error) {
        char *text = malloc(LIMIT_JWKS_BYTES + 1); /* one more, to see that there is more */
        if (!text)
                return -ENOMEM;
        int r = 0;
        ssize_t len = read_file(path, text, LIMIT_JWKS_BYTES + 1);
        if (len < 0) {
                r = refuse(ret_error, "%s: %s", path, strerror((int)-len));
        } else if (len > LIMIT_JWKS_BYTES) {
                r = refuse(ret_error, "%s: it has more than %d bytes", path, LIMIT_JWKS_BYTES);
        } else {
                char *error = NULL;
                r = jwk_set_add_text(set, (struct slice){ text, (size_t)len }, &error);
                if (r == JWK_E_INVALID)
                        r = refuse(ret_error, "%s: %s", path, error);
                free(error);
        }
        free(text);
        return r;
}
