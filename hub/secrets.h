/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets.h: the secrets of development mode, kept in the data folder.
 *
 * 1. What the configuration says is never replaced; only what it lacks is looked for in <data>/jwt-secret and <data>/api-key.
 * 2. A secret is made once: whoever comes later, or at the same time, reads the same one.
 * 3. Files are for their owner only (0600), the folder too if it is made here (0700).
 */
#pragma once
#include <stdbool.h>

struct config;

enum {
        SECRETS_E_FILE = 1, /* *ret_error is one clear line (free() it) */
};

/* Fills config->jwt_secret and config->api_key. make false: only reads what is there, and leaves empty what is not. */
__attribute__((warn_unused_result)) int secrets_fill(struct config *config, bool make, char **ret_error);
