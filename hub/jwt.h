/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt.h: what a token says (RFC 7515 section 7.1, RFC 7519), never whether it is true: that is auth.c.
 *
 * 1. Whatever is ambiguous is malformed: other base64 than base64url without padding, a field named twice in an object, however
 *    it is spelled, numbers that are no integers, claims of a wrong type.
 * 2. The payload is looked at only by jwt_read_claims(), so that the caller can check the signature first.
 * 3. Nothing here allocates.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/scan.h"
#include "base/slice.h"
#include "hub/verifier.h"

enum { JWT_E_MALFORMED = 1 };

/* The end of the year 9999, where RFC 3339 ends. A token past it counts milliseconds by mistake, and would live for ever. */
#define JWT_DATE_MAX INT64_C(253402300799)

struct jwt {
        enum verifier_alg alg;
        char kid[LIMIT_KID_BYTES + 1]; /* "" if it has none */
        struct slice signed_part;      /* of the token: header and payload as they came */
        struct slice payload;          /* of bytes, as is signature */
        struct slice signature;
        char bytes[LIMIT_TOKEN_BYTES];
};

struct jwt_claims {
        char sub[LIMIT_ID_BYTES + 1];
        size_t sub_len;
        char dev[LIMIT_ID_BYTES + 1];
        size_t dev_len; /* 0 if it has none */
        int64_t exp;    /* seconds, as are nbf and iat: -1 if it has none */
        int64_t nbf;
        int64_t iat;
        struct scan_value aud; /* a string or an array of strings; raw.ptr is NULL if it has none. Borrowed from the jwt */
        struct scan_value iss; /* a string; likewise */
        struct scan_value channels; /* an array of strings; likewise */
};

/* Takes a token apart and reads its header. *ret_jwt borrows token and must not be moved. */
__attribute__((warn_unused_result)) int jwt_parse(struct slice token, struct jwt *ret_jwt);
/* sub and exp are there, all types are right. */
__attribute__((warn_unused_result)) int jwt_read_claims(const struct jwt *jwt, struct jwt_claims *ret_claims);
/* Is text this aud or iss, or one of this aud? */
bool jwt_names(const struct scan_value *value, struct slice text);
