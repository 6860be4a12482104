/* SPDX-License-Identifier: Apache-2.0 */
/* claim.h: what a token claims, unverified: enough to say whose store this is meant to be, and nothing else may rely on it. */
#pragma once
#include <stddef.h>

/* A claim that is a string, NUL-terminated; out is left alone if token is NULL or no JWT, or has no such claim. */
void claim_read(const char *token, const char *name, char *out, size_t size);
