/* SPDX-License-Identifier: Apache-2.0 */
/* encode.h: base64url without padding (RFC 4648 section 5, as JWTs use it), percent-encoding. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

/* Bytes that len encoded bytes need. */
#define ENCODE_BASE64URL_LEN(len) (((len) * 4 + 2) / 3)

/* out must have ENCODE_BASE64URL_LEN(len) bytes (no NUL is written); returns how many were written. */
size_t encode_base64url(const void *bytes, size_t len, char *out);
/* 0 and *ret_len, or 1 if text is not strict base64url (padding, other letters, non-zero spare bits) or longer than out_max. */
__attribute__((warn_unused_result)) int encode_base64url_decode(struct slice text, void *out, size_t out_max, size_t *ret_len);
/* Percent-decodes a path segment or query value (RFC 3986 section 2.1): 0, or 1 if malformed or too long. Writes no NUL. */
__attribute__((warn_unused_result)) int encode_percent_decode(struct slice text, char *out, size_t out_max, size_t *ret_len);
