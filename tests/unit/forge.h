/* SPDX-License-Identifier: Apache-2.0 */
/* forge.h: makes tokens for tests, good ones and forged ones, with keys made when the test starts. */
#pragma once
#include "base/slice.h"

#define FORGE_SECRET "a secret of the app's backend, 32+"

/* How a token is signed: properly (the names of the algorithms), or as forgers have tried. */
enum forge_signer {
        HS256,
        HS256_OTHER_SECRET,
        HS256_EMPTY_SECRET,
        HS256_SECRET_AS_BASE64,
        HS512,
        HS256_RSA_PEM,
        HS256_RSA_DER,
        HS256_RSA_MODULUS,
        HS256_EC_PEM,
        HS256_ED_RAW,
        RS256,
        RS256_OTHER_KEY,
        RS512,
        PS256,
        ES256,
        ES256_DER,
        ES256_SWAPPED,
        ES256_ZERO,
        EDDSA,
        EMPTY,
};

/* Makes the keys and writes their set to a file: the RSA key has kid "r1", the EC key "e1", the Ed25519 key none. */
void forge_init(void);
void forge_deinit(void);
const char *forge_jwks_path(void);

/* header.payload.signature, of whatever bytes (free() it). */
char *forge_token(struct slice header, struct slice payload, enum forge_signer signer);
