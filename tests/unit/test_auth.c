/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens as issuers and forgers make them. All keys are made by the forge; the published examples are in test_verifier.c.
 *
 * A bad token differs from a good one in the one thing its sentence says, and is signed properly unless the signature is the
 * thing: so a row that passes for another reason is hard to write.
 */
#include "hub/auth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/encode.h"
#include "tests/unit/forge.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#define NOW_S 1732150000
#define NOW_MS (INT64_C(1000) * NOW_S)
#define EXP "\"exp\":1732153600" /* in an hour */
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PAYLOAD "{\"sub\":\"alice\"," EXP "}"
#define STRICT_PAYLOAD "{\"sub\":\"alice\"," EXP ",\"aud\":\"chat\",\"iss\":\"https://id.example\"}"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X64 X64

static struct {
        struct auth *plain;  /* the secret and the forge's set */
        struct auth *strict; /* the same, and wants aud and iss */
        struct auth *set;    /* the set alone */
} t;

static int verify(struct auth *auth, const char *token, struct auth_claims *ret_claims) {
        int r = auth_verify(auth, slice_of(token), NOW_MS, ret_claims);
        assert_int_equal(ERR_peek_error(), 0);
        return r;
}

static void good_tokens_are_accepted(void **state) {
        static const struct {
                const char *sentence, *header, *payload;
                enum forge_signer signer;
                const char *user, *device;
        } rows[] = {
                { "HS256", HEADER, PAYLOAD, HS256, "alice", "" },
                { "RS256 by kid", "{\"alg\":\"RS256\",\"kid\":\"r1\"}", PAYLOAD, RS256, "alice", "" },
                { "RS256 without kid", "{\"alg\":\"RS256\"}", PAYLOAD, RS256, "alice", "" },
                { "ES256 by kid", "{\"alg\":\"ES256\",\"kid\":\"e1\"}", PAYLOAD, ES256, "alice", "" },
                { "ES256 without kid", "{\"alg\":\"ES256\"}", PAYLOAD, ES256, "alice", "" },
                { "EdDSA", "{\"alg\":\"EdDSA\"}", PAYLOAD, EDDSA, "alice", "" },
                { "a kid, though our key has none", "{\"alg\":\"EdDSA\",\"kid\":\"a1\"}", PAYLOAD, EDDSA, "alice", "" },
                { "a kid that is null", "{\"alg\":\"HS256\",\"kid\":null}", PAYLOAD, HS256, "alice", "" },
                { "a device", HEADER, "{\"sub\":\"alice\",\"dev\":\"phone\"," EXP "}", HS256, "alice", "phone" },
                { "header fields we do not read",
                  "{\"alg\":\"HS256\",\"jku\":\"https://evil.example\",\"jwk\":{},\"x5u\":1,\"cty\":null}", PAYLOAD, HS256,
                  "alice", "" },
                { "claims we do not read", HEADER, "{\"sub\":\"alice\"," EXP ",\"f\":1.5e3,\"o\":{\"sub\":[\"x\"]},\"n\":null}",
                  HS256, "alice", "" },
                { "white space", " {\r\n\t\"alg\" : \"HS256\" } ", "\n{ \"sub\" : \"alice\" , " EXP " }\n", HS256, "alice", "" },
                { "an escaped name", HEADER, "{\"s\\u0075b\":\"alice\"," EXP "}", HS256, "alice", "" },
                { "an escaped value", HEADER, "{\"sub\":\"\\u0061lice\"," EXP "}", HS256, "alice", "" },
                { "letters of the world", HEADER, "{\"sub\":\"Zoë\",\"dev\":\"電話📱\"," EXP "}", HS256, "Zoë", "電話📱" },
                { "the longest ids", HEADER, "{\"sub\":\"" X128 "\",\"dev\":\"" X128 "\"," EXP "}", HS256, X128, X128 },
                { "a device that is null", HEADER, "{\"sub\":\"alice\",\"dev\":null," EXP "}", HS256, "alice", "" },
                { "dates that are null", HEADER, "{\"sub\":\"alice\",\"nbf\":null,\"iat\":null," EXP "}", HS256, "alice", "" },
                { "dates with fractions", HEADER, "{\"sub\":\"alice\",\"nbf\":0.5,\"iat\":1732150000.25,\"exp\":1732150001.5}", HS256, "alice", "" },
                { "dates with exponents", HEADER, "{\"sub\":\"alice\",\"exp\":1.732153600e9}", HS256, "alice", "" },
                { "it expires in a second", HEADER, "{\"sub\":\"alice\",\"exp\":1732150001}", HS256, "alice", "" },
                { "it never expires, nearly", HEADER, "{\"sub\":\"alice\",\"exp\":253402300799}", HS256, "alice", "" },
                { "nbf and iat within the skew", HEADER, "{\"sub\":\"alice\"," EXP ",\"nbf\":1732150030,\"iat\":1732150030}",
                  HS256, "alice", "" },
                { "any aud and iss, as none is configured", HEADER, STRICT_PAYLOAD, HS256, "alice", "" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char *token = forge_token(slice_of(rows[i].header), slice_of(rows[i].payload), rows[i].signer);
                struct auth_claims claims;
                int r = verify(t.plain, token, &claims);
                if (r != 0)
                        fail_msg("%s: answer %d", rows[i].sentence, r);
                assert_string_equal(claims.user, rows[i].user);
                assert_string_equal(claims.device, rows[i].device);
                free(token);
        }
}

static void times_are_reported_in_milliseconds(void **state) {
        struct auth_claims claims;
        char *token = forge_token(slice_of(HEADER), slice_of(PAYLOAD), HS256);
        assert_int_equal(verify(t.plain, token, &claims), 0);
        assert_int_equal(claims.expires_ms, INT64_C(1732153600000));
        assert_int_equal(claims.issued_ms, 0);
        free(token);
        token = forge_token(slice_of(HEADER), slice_of("{\"sub\":\"alice\"," EXP ",\"iat\":1732140000}"), HS256);
        assert_int_equal(verify(t.plain, token, &claims), 0);
        assert_int_equal(claims.issued_ms, INT64_C(1732140000000));
        free(token);
}

static void aud_and_iss_are_honoured_where_configured(void **state) {
#define ISS "\"iss\":\"https://id.example\""
        static const struct {
                const char *sentence, *claims;
                int expected;
        } rows[] = {
                { "both as configured", "\"aud\":\"chat\"," ISS, 0 },
                { "aud is one of several", "\"aud\":[\"mail\",\"chat\",\"pay\"]," ISS, 0 },
                { "aud is a list of one", "\"aud\":[\"chat\"]," ISS, 0 },
                { "escapes are decoded", "\"aud\":\"c\\u0068at\",\"iss\":\"https:\\/\\/id.example\"", 0 },
                { "no aud", ISS, AUTH_E_BAD },
                { "no iss", "\"aud\":\"chat\"", AUTH_E_BAD },
                { "another aud", "\"aud\":\"mail\"," ISS, AUTH_E_BAD },
                { "aud in capitals", "\"aud\":\"Chat\"," ISS, AUTH_E_BAD },
                { "aud begins so", "\"aud\":\"chatter\"," ISS, AUTH_E_BAD },
                { "aud and a NUL", "\"aud\":\"chat\\u0000\"," ISS, AUTH_E_BAD },
                { "an empty aud", "\"aud\":\"\"," ISS, AUTH_E_BAD },
                { "an empty list", "\"aud\":[]," ISS, AUTH_E_BAD },
                { "none of several", "\"aud\":[\"mail\",\"pay\"]," ISS, AUTH_E_BAD },
                { "a list with a number", "\"aud\":[\"chat\",1]," ISS, AUTH_E_BAD },
                { "a list in a list", "\"aud\":[[\"chat\"]]," ISS, AUTH_E_BAD },
                { "aud is an object", "\"aud\":{\"chat\":true}," ISS, AUTH_E_BAD },
                { "another iss", "\"aud\":\"chat\",\"iss\":\"https://evil.example\"", AUTH_E_BAD },
                { "iss begins so", "\"aud\":\"chat\",\"iss\":\"https://id.example.evil.example\"", AUTH_E_BAD },
                { "a list of iss", "\"aud\":\"chat\",\"iss\":[\"https://id.example\"]", AUTH_E_BAD },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char payload[512];
                snprintf(payload, sizeof(payload), "{\"sub\":\"alice\"," EXP ",%s}", rows[i].claims);
                char *token = forge_token(slice_of(HEADER), slice_of(payload), HS256);
                struct auth_claims claims;
                int r = verify(t.strict, token, &claims);
                if (r != rows[i].expected)
                        fail_msg("%s: answer %d", rows[i].sentence, r);
                free(token);
        }
}

static void channels_that_a_token_allows_are_ids_and_not_too_many(void **state) {
        static const char fill[] = "\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\","
                                   "\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\",\"" X128 "\"";
        static const struct {
                const char *sentence, *channels, *expected; /* NULL: bad */
        } rows[] = {
                { "none", "[]", "" },
                { "one", "[\"news\"]", "news" },
                { "two", "[\"news\",\"sp\\u006frt\"]", "news sport" },
                { "a string", "\"news\"", NULL },
                { "an object", "{\"news\":true}", NULL },
                { "a list with a number", "[\"news\",1]", NULL },
                { "a list in a list", "[[\"news\"]]", NULL },
                { "an empty id", "[\"\"]", NULL },
                { "an id with a space", "[\"news sport\"]", NULL },
                { "an id of 129 bytes", "[\"x" X128 "\"]", NULL },
        };
        for (size_t i = 0; i < COUNT(rows) + 2; i++) {
                char payload[4096];
                if (i < COUNT(rows))
                        snprintf(payload, sizeof(payload), "{\"sub\":\"alice\"," EXP ",\"channels\":%s}", rows[i].channels);
                else /* 15 ids of 128 bytes and one more, with a byte between: 2,047 and 2,048 */
                        snprintf(payload, sizeof(payload), "{\"sub\":\"alice\"," EXP ",\"channels\":[%s,\"%.*s\"]}", fill,
                                 i == COUNT(rows) ? 113 : 114, X128);
                char *token = forge_token(slice_of(HEADER), slice_of(payload), HS256);
                struct auth_claims claims;
                int r = verify(t.plain, token, &claims);
                bool good = i < COUNT(rows) ? rows[i].expected != NULL : i == COUNT(rows);
                if (r != (good ? 0 : AUTH_E_BAD))
                        fail_msg("%s: answer %d", i < COUNT(rows) ? rows[i].sentence : "many", r);
                if (good && i < COUNT(rows))
                        assert_string_equal(claims.channels, rows[i].expected);
                free(token);
        }
}

static const struct {
        const char *sentence, *header, *payload;
        enum forge_signer signer;
} wrong_tokens[] = {
        /* The algorithm: RFC 8725 sections 2.1, 3.1 and 3.2. */
        { "alg is none, without signature", "{\"alg\":\"none\"}", PAYLOAD, EMPTY },
        { "alg is None", "{\"alg\":\"None\"}", PAYLOAD, EMPTY },
        { "alg is NONE", "{\"alg\":\"NONE\"}", PAYLOAD, EMPTY },
        { "alg is nOnE", "{\"alg\":\"nOnE\"}", PAYLOAD, EMPTY },
        { "alg is none, with a signature", "{\"alg\":\"none\"}", PAYLOAD, HS256 },
        { "alg is empty", "{\"alg\":\"\"}", PAYLOAD, HS256 },
        { "alg is missing", "{\"typ\":\"JWT\"}", PAYLOAD, HS256 },
        { "alg is null", "{\"alg\":null}", PAYLOAD, HS256 },
        { "alg is a list", "{\"alg\":[\"HS256\"]}", PAYLOAD, HS256 },
        { "alg is in small letters", "{\"alg\":\"hs256\"}", PAYLOAD, HS256 },
        { "alg has a space", "{\"alg\":\"HS256 \"}", PAYLOAD, HS256 },
        { "alg has a NUL", "{\"alg\":\"HS256\\u0000\"}", PAYLOAD, HS256 },
        { "HS512", "{\"alg\":\"HS512\"}", PAYLOAD, HS512 },
        { "HS512 that calls itself HS256", HEADER, PAYLOAD, HS512 },
        { "RS512", "{\"alg\":\"RS512\"}", PAYLOAD, RS512 },
        { "RS512 that calls itself RS256", "{\"alg\":\"RS256\"}", PAYLOAD, RS512 },
        { "PS256", "{\"alg\":\"PS256\"}", PAYLOAD, PS256 },
        { "PS256 that calls itself RS256", "{\"alg\":\"RS256\"}", PAYLOAD, PS256 },
        { "RS256 signed by ES256", "{\"alg\":\"RS256\"}", PAYLOAD, ES256 },
        { "ES256 signed by EdDSA", "{\"alg\":\"ES256\"}", PAYLOAD, EDDSA },
        { "EdDSA signed by ES256", "{\"alg\":\"EdDSA\"}", PAYLOAD, ES256 },
        { "RS256 signed with the secret", "{\"alg\":\"RS256\"}", PAYLOAD, HS256 },
        { "the name of RFC 9864, which we do not offer", "{\"alg\":\"Ed25519\"}", PAYLOAD, EDDSA },
        /* The key. */
        { "signed with another secret", HEADER, PAYLOAD, HS256_OTHER_SECRET },
        { "signed with an empty secret", HEADER, PAYLOAD, HS256_EMPTY_SECRET },
        { "signed with our secret in base64", HEADER, PAYLOAD, HS256_SECRET_AS_BASE64 },
        { "HS256 with the RSA key's PEM as secret", HEADER, PAYLOAD, HS256_RSA_PEM },
        { "the same, by its kid", "{\"alg\":\"HS256\",\"kid\":\"r1\"}", PAYLOAD, HS256_RSA_PEM },
        { "HS256 with the RSA key's DER as secret", HEADER, PAYLOAD, HS256_RSA_DER },
        { "HS256 with the RSA modulus as secret", HEADER, PAYLOAD, HS256_RSA_MODULUS },
        { "HS256 with the EC key's PEM as secret", HEADER, PAYLOAD, HS256_EC_PEM },
        { "HS256 with the Ed25519 key as secret", HEADER, PAYLOAD, HS256_ED_RAW },
        { "signed with another RSA key", "{\"alg\":\"RS256\"}", PAYLOAD, RS256_OTHER_KEY },
        { "the kid of a key with another algorithm", "{\"alg\":\"HS256\",\"kid\":\"r1\"}", PAYLOAD, HS256 },
        { "the kid of another key", "{\"alg\":\"RS256\",\"kid\":\"e1\"}", PAYLOAD, RS256 },
        { "a kid that nobody has", "{\"alg\":\"RS256\",\"kid\":\"r2\"}", PAYLOAD, RS256 },
        { "a kid in other letters", "{\"alg\":\"RS256\",\"kid\":\"R1\"}", PAYLOAD, RS256 },
        { "a kid with a NUL behind it", "{\"alg\":\"RS256\",\"kid\":\"r1\\u0000\"}", PAYLOAD, RS256 },
        { "a kid that is a path out", "{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}", PAYLOAD, RS256 },
        { "a kid for a database", "{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'key'\"}", PAYLOAD, HS256 },
        { "an empty kid", "{\"alg\":\"HS256\",\"kid\":\"\"}", PAYLOAD, HS256 },
        { "kid is a number", "{\"alg\":\"HS256\",\"kid\":1}", PAYLOAD, HS256 },
        { "kid is too long", "{\"alg\":\"HS256\",\"kid\":\"" X64 "x\"}", PAYLOAD, HS256 },
        /* The signature. */
        { "no signature", HEADER, PAYLOAD, EMPTY },
        { "ES256 in DER", "{\"alg\":\"ES256\"}", PAYLOAD, ES256_DER },
        { "ES256 with r and s swapped", "{\"alg\":\"ES256\"}", PAYLOAD, ES256_SWAPPED },
        { "ES256 of zeros", "{\"alg\":\"ES256\"}", PAYLOAD, ES256_ZERO },
        { "EdDSA of zeros", "{\"alg\":\"EdDSA\"}", PAYLOAD, ES256_ZERO },
        /* The header. */
        { "crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", PAYLOAD, HS256 },
        { "an empty crit", "{\"alg\":\"HS256\",\"crit\":[]}", PAYLOAD, HS256 },
        { "crit is null", "{\"alg\":\"HS256\",\"crit\":null}", PAYLOAD, HS256 },
        { "crit with an escape", "{\"alg\":\"HS256\",\"\\u0063rit\":[\"b64\"],\"b64\":false}", PAYLOAD, HS256 },
        { "alg twice", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", PAYLOAD, HS256 },
        { "alg twice, once with an escape", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", PAYLOAD, HS256 },
        { "any field twice", "{\"alg\":\"HS256\",\"a\":1,\"a\":2}", PAYLOAD, HS256 },
        { "the header is a list", "[\"HS256\"]", PAYLOAD, HS256 },
        { "the header is a string", "\"HS256\"", PAYLOAD, HS256 },
        { "the header is null", "null", PAYLOAD, HS256 },
        { "the header is no JSON", "{'alg':'HS256'}", PAYLOAD, HS256 },
        { "the header ends early", "{\"alg\":\"HS256\"", PAYLOAD, HS256 },
        { "something behind the header", "{\"alg\":\"HS256\"}}", PAYLOAD, HS256 },
        { "the header is not UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", PAYLOAD, HS256 },
        { "the header begins with a byte order mark", "\xef\xbb\xbf" HEADER, PAYLOAD, HS256 },
        /* The payload as such. */
        { "the payload is a list", HEADER, "[" PAYLOAD "]", HS256 },
        { "the payload is a string", HEADER, "\"alice\"", HS256 },
        { "the payload is no JSON", HEADER, "sub=alice", HS256 },
        { "a token in a token", "{\"alg\":\"HS256\",\"cty\":\"JWT\"}", "eyJhbGciOiJub25lIn0.e30.", HS256 },
        { "something behind the payload", HEADER, PAYLOAD "{}", HS256 },
        { "a comma too many", HEADER, "{\"sub\":\"alice\"," EXP ",}", HS256 },
        { "sub twice", HEADER, "{\"sub\":\"alice\",\"sub\":\"bob\"," EXP "}", HS256 },
        { "sub twice, once with an escape", HEADER, "{\"sub\":\"alice\",\"s\\u0075b\":\"bob\"," EXP "}", HS256 },
        { "any claim twice", HEADER, "{\"sub\":\"alice\"," EXP ",\"x\":1,\"x\":1}", HS256 },
        { "the payload is not UTF-8", HEADER, "{\"sub\":\"alice\xc3\"," EXP "}", HS256 },
        { "half a surrogate pair", HEADER, "{\"sub\":\"alice\\ud800\"," EXP "}", HS256 },
        { "too deep", HEADER,
          "{\"sub\":\"alice\"," EXP ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", HS256 },
        /* The times. */
        { "no exp", HEADER, "{\"sub\":\"alice\"}", HS256 },
        { "exp is a string", HEADER, "{\"sub\":\"alice\",\"exp\":\"1732153600\"}", HS256 },
        { "exp is null", HEADER, "{\"sub\":\"alice\",\"exp\":null}", HS256 },
        { "exp is true", HEADER, "{\"sub\":\"alice\",\"exp\":true}", HS256 },
        { "exp is a list", HEADER, "{\"sub\":\"alice\",\"exp\":[1732153600]}", HS256 },
        { "exp is a number of 50 digits", HEADER, "{\"sub\":\"alice\",\"exp\":1732153600.0000000000000000000000000000000000000000}", HS256 },
        { "exp is a negative fraction", HEADER, "{\"sub\":\"alice\",\"exp\":-0.5}", HS256 },
        { "exp is infinite", HEADER, "{\"sub\":\"alice\",\"exp\":1e400}", HS256 },
        { "exp is negative", HEADER, "{\"sub\":\"alice\",\"exp\":-1}", HS256 },
        { "exp is over 64 bits", HEADER, "{\"sub\":\"alice\",\"exp\":18446744073709551616}", HS256 },
        { "exp wraps around when turned into ms", HEADER, "{\"sub\":\"alice\",\"exp\":9223372036854775807}", HS256 },
        { "exp is in milliseconds", HEADER, "{\"sub\":\"alice\",\"exp\":1732153600000}", HS256 },
        { "exp has a leading zero", HEADER, "{\"sub\":\"alice\",\"exp\":01732153600}", HS256 },
        { "exp in capitals", HEADER, "{\"sub\":\"alice\",\"EXP\":1732153600}", HS256 },
        { "nbf is beyond the skew", HEADER, "{\"sub\":\"alice\"," EXP ",\"nbf\":1732150031}", HS256 },
        { "nbf is a string", HEADER, "{\"sub\":\"alice\"," EXP ",\"nbf\":\"0\"}", HS256 },
        { "nbf is negative", HEADER, "{\"sub\":\"alice\"," EXP ",\"nbf\":-1}", HS256 },
        { "iat is beyond the skew", HEADER, "{\"sub\":\"alice\"," EXP ",\"iat\":1732150031}", HS256 },
        { "iat is a string", HEADER, "{\"sub\":\"alice\"," EXP ",\"iat\":\"0\"}", HS256 },
        { "iat is infinite", HEADER, "{\"sub\":\"alice\"," EXP ",\"iat\":1e400}", HS256 },
        /* aud and iss, though none is configured. */
        { "aud is a number", HEADER, "{\"sub\":\"alice\"," EXP ",\"aud\":1}", HS256 },
        { "aud has a number in its list", HEADER, "{\"sub\":\"alice\"," EXP ",\"aud\":[\"a\",1]}", HS256 },
        { "iss is a number", HEADER, "{\"sub\":\"alice\"," EXP ",\"iss\":1}", HS256 },
        /* The ids. */
        { "no sub", HEADER, "{" EXP "}", HS256 },
        { "sub is empty", HEADER, "{\"sub\":\"\"," EXP "}", HS256 },
        { "sub is a number", HEADER, "{\"sub\":7," EXP "}", HS256 },
        { "sub is null", HEADER, "{\"sub\":null," EXP "}", HS256 },
        { "sub has a space", HEADER, "{\"sub\":\"al ice\"," EXP "}", HS256 },
        { "sub has a slash", HEADER, "{\"sub\":\"al/ice\"," EXP "}", HS256 },
        { "sub has an escaped slash", HEADER, "{\"sub\":\"al\\/ice\"," EXP "}", HS256 },
        { "sub has a NUL", HEADER, "{\"sub\":\"alice\\u0000\"," EXP "}", HS256 },
        { "sub has a newline", HEADER, "{\"sub\":\"alice\\n\"," EXP "}", HS256 },
        { "sub has a C1 control", HEADER, "{\"sub\":\"alice\\u0085\"," EXP "}", HS256 },
        { "sub has a no-break space", HEADER, "{\"sub\":\"alice\\u00a0\"," EXP "}", HS256 },
        { "sub is too long", HEADER, "{\"sub\":\"" X128 "x\"," EXP "}", HS256 },
        { "sub is far too long", HEADER, "{\"sub\":\"" X128 X128 X128 X128 "\"," EXP "}", HS256 },
        { "dev is empty", HEADER, "{\"sub\":\"alice\",\"dev\":\"\"," EXP "}", HS256 },
        { "dev has a space", HEADER, "{\"sub\":\"alice\",\"dev\":\"my phone\"," EXP "}", HS256 },
        { "dev is too long", HEADER, "{\"sub\":\"alice\",\"dev\":\"" X128 "x\"," EXP "}", HS256 },
};

static void tokens_that_say_something_wrong_are_bad(void **state) {
        assert_true(COUNT(wrong_tokens) >= 60);
        for (size_t i = 0; i < COUNT(wrong_tokens); i++) {
                char *token =
                        forge_token(slice_of(wrong_tokens[i].header), slice_of(wrong_tokens[i].payload), wrong_tokens[i].signer);
                struct auth_claims claims = { .user = "untouched" };
                int r = verify(t.plain, token, &claims);
                if (r != AUTH_E_BAD)
                        fail_msg("%s: answer %d", wrong_tokens[i].sentence, r);
                assert_string_equal(claims.user, "untouched");
                free(token);
        }
}

/* %h, %p and %s stand for the parts of a good token. */
static char *fill(const char *form, const char *token) {
        const char *p = strchr(token, '.') + 1, *s = strchr(p, '.') + 1;
        char *text = calloc(1, strlen(form) + 4 * strlen(token) + 1), *out = text;
        assert_non_null(text);
        for (; *form; form++) {
                if (form[0] == '%' && form[1] == 'h')
                        out = mempcpy(out, token, (size_t)(p - 1 - token)), form++;
                else if (form[0] == '%' && form[1] == 'p')
                        out = mempcpy(out, p, (size_t)(s - 1 - p)), form++;
                else if (form[0] == '%' && form[1] == 's')
                        out = mempcpy(out, s, strlen(s)), form++;
                else
                        *out++ = *form;
        }
        return text;
}

static void tokens_of_a_wrong_form_are_bad(void **state) {
        static const struct {
                const char *sentence, *form;
                int expected;
        } rows[] = {
                { "the good one", "%h.%p.%s", 0 },
                { "nothing", "", AUTH_E_BAD },
                { "a dot", ".", AUTH_E_BAD },
                { "two dots", "..", AUTH_E_BAD },
                { "three dots", "...", AUTH_E_BAD },
                { "no dots", "%h%p%s", AUTH_E_BAD },
                { "the header alone", "%h", AUTH_E_BAD },
                { "no signature and no dot", "%h.%p", AUTH_E_BAD },
                { "no signature", "%h.%p.", AUTH_E_BAD },
                { "no payload", "%h..%s", AUTH_E_BAD },
                { "no header", ".%p.%s", AUTH_E_BAD },
                { "a dot in front", ".%h.%p.%s", AUTH_E_BAD },
                { "a dot behind", "%h.%p.%s.", AUTH_E_BAD },
                { "two dots between", "%h..%p.%s", AUTH_E_BAD },
                { "four parts", "%h.%p.%s.%s", AUTH_E_BAD },
                { "five parts, as encrypted tokens have", "%h.%p.%s.%p.%s", AUTH_E_BAD },
                { "parts in another order", "%p.%h.%s", AUTH_E_BAD },
                { "the signature twice", "%h.%p.%s%s", AUTH_E_BAD },
                { "padding behind the header", "%h=.%p.%s", AUTH_E_BAD },
                { "padding behind the signature", "%h.%p.%s=", AUTH_E_BAD },
                { "a space in front", " %h.%p.%s", AUTH_E_BAD },
                { "a newline behind", "%h.%p.%s\n", AUTH_E_BAD },
                { "a space between", "%h. %p.%s", AUTH_E_BAD },
                { "the scheme of the header field", "Bearer %h.%p.%s", AUTH_E_BAD },
                { "quotes", "\"%h.%p.%s\"", AUTH_E_BAD },
                { "standard base64 letters", "%h.%p.+/%s", AUTH_E_BAD },
                { "percent encoding", "%h%2E%p%2E%s", AUTH_E_BAD },
                { "other letters", "%h.%p.é%s", AUTH_E_BAD },
                { "the JSON form", "{\"protected\":\"%h\",\"payload\":\"%p\",\"signature\":\"%s\"}", AUTH_E_BAD },
        };
        char *good = forge_token(slice_of(HEADER), slice_of(PAYLOAD), HS256);
        for (size_t i = 0; i < COUNT(rows); i++) {
                char *token = fill(rows[i].form, good);
                struct auth_claims claims;
                int r = verify(t.plain, token, &claims);
                if (r != rows[i].expected)
                        fail_msg("%s: answer %d", rows[i].sentence, r);
                free(token);
        }
        free(good);
}

static void a_token_cut_or_changed_anywhere_is_bad(void **state) {
        char *token = forge_token(slice_of(HEADER), slice_of(PAYLOAD), HS256);
        size_t len = strlen(token);
        struct auth_claims claims;
        for (size_t i = 0; i < len; i++)
                if (auth_verify(t.plain, (struct slice){ token, i }, NOW_MS, &claims) != AUTH_E_BAD)
                        fail_msg("accepted when cut at %zu", i);
        /* All letters at the end, where 43 letters hold 256 bits and 2 spare ones (RFC 4648 section 3.5). */
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for (size_t i = 0; i < len; i++) {
                char was = token[i];
                for (size_t j = 0; j < sizeof(letters) - 1; j += i + 1 == len ? 1 : 7) {
                        token[i] = letters[j];
                        if (letters[j] != was && verify(t.plain, token, &claims) != AUTH_E_BAD)
                                fail_msg("accepted with '%c' at %zu", letters[j], i);
                }
                token[i] = was;
        }
        assert_int_equal(verify(t.plain, token, &claims), 0);
        free(token);
}

static void the_longest_token_is_accepted_and_a_longer_one_is_bad(void **state) {
        /* Header and payload of 3 n bytes each make 4 n letters, the signature 43. */
        struct auth_claims claims;
        for (int over = 0; over < 2; over++) {
                char header[64], payload[LIMIT_TOKEN_BYTES];
                int h = snprintf(header, sizeof(header), "{\"alg\":\"HS256\"    }");
                int p = snprintf(payload, sizeof(payload), "{\"sub\":\"alice\"," EXP "}");
                size_t letters = LIMIT_TOKEN_BYTES - 2 - 43 - ENCODE_BASE64URL_LEN((size_t)h);
                size_t want = letters * 3 / 4 + (size_t)over;
                memset(payload + p, ' ', want - (size_t)p);
                char *token = forge_token((struct slice){ header, (size_t)h }, (struct slice){ payload, want }, HS256);
                assert_int_equal(strlen(token) > LIMIT_TOKEN_BYTES, over);
                assert_true(strlen(token) + 2 >= LIMIT_TOKEN_BYTES);
                assert_int_equal(verify(t.plain, token, &claims), over ? AUTH_E_BAD : 0);
                free(token);
        }
}

static void a_payload_of_too_many_claims_is_bad(void **state) {
        for (int over = 0; over < 2; over++) {
                _cleanup_buf_ struct buf payload = BUF_INIT(LIMIT_TOKEN_BYTES);
                buf_add_text(&payload, "{\"sub\":\"alice\"," EXP);
                for (int i = 2; i < LIMIT_JSON_FIELDS + over; i++)
                        buf_printf(&payload, ",\"c%d\":1", i);
                buf_add_char(&payload, '}');
                assert_false(buf_failed(&payload));
                char *token = forge_token(slice_of(HEADER), buf_slice(&payload), HS256);
                struct auth_claims claims;
                assert_int_equal(verify(t.plain, token, &claims), over ? AUTH_E_BAD : 0);
                free(token);
        }
}

static void expired_means_that_all_else_is_good(void **state) {
#define PAST "\"exp\":1732149999"
        static const struct {
                const char *sentence, *header, *payload;
                enum forge_signer signer;
                int expected;
        } rows[] = {
                { "it expired a second ago", HEADER, "{\"sub\":\"alice\"," PAST ",\"aud\":\"chat\"," ISS "}", HS256,
                  AUTH_E_EXPIRED },
                { "it expires now", HEADER, "{\"sub\":\"alice\",\"exp\":1732150000,\"aud\":\"chat\"," ISS "}", HS256,
                  AUTH_E_EXPIRED },
                { "it expired in 1970", HEADER, "{\"sub\":\"alice\",\"exp\":0,\"aud\":\"chat\"," ISS "}", HS256, AUTH_E_EXPIRED },
                { "by another key", HEADER, "{\"sub\":\"alice\"," PAST ",\"aud\":\"chat\"," ISS "}", HS256_OTHER_SECRET,
                  AUTH_E_BAD },
                { "without sub", HEADER, "{" PAST ",\"aud\":\"chat\"," ISS "}", HS256, AUTH_E_BAD },
                { "for another audience", HEADER, "{\"sub\":\"alice\"," PAST ",\"aud\":\"mail\"," ISS "}", HS256, AUTH_E_BAD },
                { "of another issuer", HEADER, "{\"sub\":\"alice\"," PAST ",\"aud\":\"chat\",\"iss\":\"x\"}", HS256, AUTH_E_BAD },
                { "not yet valid either", HEADER, "{\"sub\":\"alice\"," PAST ",\"nbf\":1732160000,\"aud\":\"chat\"," ISS "}",
                  HS256, AUTH_E_BAD },
                { "with a bad device", HEADER, "{\"sub\":\"alice\",\"dev\":\"/\"," PAST ",\"aud\":\"chat\"," ISS "}", HS256,
                  AUTH_E_BAD },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char *token = forge_token(slice_of(rows[i].header), slice_of(rows[i].payload), rows[i].signer);
                struct auth_claims claims;
                int r = verify(t.strict, token, &claims);
                if (r != rows[i].expected)
                        fail_msg("%s: answer %d", rows[i].sentence, r);
                free(token);
        }
}

static void exp_is_exact_to_the_millisecond(void **state) {
        char *token = forge_token(slice_of(HEADER), slice_of(PAYLOAD), HS256);
        struct auth_claims claims;
        assert_int_equal(auth_verify(t.plain, slice_of(token), INT64_C(1732153599999), &claims), 0);
        assert_int_equal(auth_verify(t.plain, slice_of(token), INT64_C(1732153600000), &claims), AUTH_E_EXPIRED);
        free(token);
}

static void without_a_secret_no_hs256_token_is_good(void **state) {
        struct auth_claims claims;
        char *token = forge_token(slice_of("{\"alg\":\"RS256\",\"kid\":\"r1\"}"), slice_of(PAYLOAD), RS256);
        assert_int_equal(verify(t.set, token, &claims), 0);
        free(token);
        const enum forge_signer signers[] = { HS256, HS256_EMPTY_SECRET, HS256_RSA_PEM, HS256_RSA_DER, HS256_ED_RAW, EMPTY };
        for (size_t i = 0; i < COUNT(signers); i++) {
                token = forge_token(slice_of(HEADER), slice_of(PAYLOAD), signers[i]);
                assert_int_equal(verify(t.set, token, &claims), AUTH_E_BAD);
                free(token);
        }
}

static void what_auth_signs_it_accepts(void **state) {
        struct auth *const auths[] = { t.plain, t.strict };
        static const struct {
                const char *user, *device, *expected_device;
        } rows[] = {
                { "alice", NULL, "" }, { "alice", "", "" }, { "alice", "phone", "phone" }, { "\"Zoë\\\"", "電話📱", "電話📱" },
                { X128, X128, X128 },
        };
        for (size_t i = 0; i < COUNT(auths); i++) {
                for (size_t j = 0; j < COUNT(rows); j++) {
                        char *token = auth_sign(auths[i], rows[j].user, rows[j].device, NOW_MS, 60);
                        struct auth_claims claims;
                        assert_non_null(token);
                        assert_int_equal(verify(auths[i], token, &claims), 0);
                        assert_string_equal(claims.user, rows[j].user);
                        assert_string_equal(claims.device, rows[j].expected_device);
                        assert_int_equal(claims.issued_ms, NOW_MS);
                        assert_int_equal(claims.expires_ms, NOW_MS + 60000);
                        free(token);
                }
        }
}

static void auth_signs_no_token_that_it_would_refuse(void **state) {
        assert_null(auth_sign(t.set, "alice", NULL, NOW_MS, 60));
        assert_null(auth_sign(t.plain, "", NULL, NOW_MS, 60));
        assert_null(auth_sign(t.plain, "al ice", NULL, NOW_MS, 60));
        assert_null(auth_sign(t.plain, X128 "x", NULL, NOW_MS, 60));
        assert_null(auth_sign(t.plain, "alice", "a/b", NOW_MS, 60));
        assert_null(auth_sign(t.plain, "alice", NULL, -1, 60));
        assert_null(auth_sign(t.plain, "alice", NULL, NOW_MS, INT64_MAX));
        assert_null(auth_sign(t.plain, "alice", NULL, NOW_MS, INT64_MIN));
        /* A ttl in the past makes an expired token, as tests of clients want. */
        char *token = auth_sign(t.plain, "alice", NULL, NOW_MS, -5);
        struct auth_claims claims;
        assert_int_equal(verify(t.plain, token, &claims), AUTH_E_EXPIRED);
        free(token);
}

static struct auth *new_with_api_keys(const char *api_keys) {
        struct config config = { .jwt_secret = (char *)FORGE_SECRET, .api_key = (char *)api_keys };
        struct auth *auth = NULL;
        char *error = NULL;
        assert_int_equal(auth_new(&config, &auth, &error), 0);
        return auth;
}

static void api_keys_are_lines(void **state) {
        static const struct {
                const char *sentence, *keys, *key;
                bool expected;
        } rows[] = {
                { "the key", "one", "one", true },
                { "another", "one", "two", false },
                { "its beginning", "one", "on", false },
                { "with more behind", "one", "one ", false },
                { "in capitals", "one", "ONE", false },
                { "the first line", "one\ntwo\n", "one", true },
                { "the second line", "one\ntwo\n", "two", true },
                { "both lines", "one\ntwo\n", "one\ntwo", false },
                { "a line with blanks about it", "  one \t\n", "one", true },
                { "lines of DOS", "one\r\ntwo\r\n", "two", true },
                { "a key with a space within", "one two", "one two", true },
                { "half of it", "one two", "two", false },
                { "an empty key is never right", "one\n\n", "", false },
                { "none configured", "", "", false },
                { "none configured at all", NULL, "", false },
                { "only empty lines", "\n \n\r\n", "", false },
                { "the secret is no API key", "one", FORGE_SECRET, false },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct auth *auth = new_with_api_keys(rows[i].keys);
                if (auth_is_api_key(auth, slice_of(rows[i].key)) != rows[i].expected)
                        fail_msg("%s", rows[i].sentence);
                auth_free(auth);
        }
        struct auth *auth = new_with_api_keys("one");
        assert_false(auth_is_api_key(auth, (struct slice){ "one\0", 4 }));
        auth_free(auth);
}

static void a_wrong_configuration_is_one_clear_line(void **state) {
        static const struct {
                const char *sentence;
                struct config config;
                const char *reason;
        } rows[] = {
                { "no keys at all", { 0 }, "auth.jwt_secret" },
                { "empty options", { .jwt_secret = (char *)"", .jwks_file = (char *)"" }, "auth.jwt_secret" },
                { "a short secret",
                  { .jwt_secret = (char *)"0123456789012345678901234567890" },
                  "auth.jwt_secret: an HS256 secret" },
                { "a file that is not there",
                  { .jwks_file = (char *)"/nonexistent/jwks" },
                  "auth.jwks_file: /nonexistent/jwks: No such" },
                { "a file that is no set", { .jwks_file = (char *)"/dev/null" }, "auth.jwks_file: /dev/null: " },
                { "too many API keys",
                  { .jwt_secret = (char *)FORGE_SECRET, .api_key = (char *)"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq" },
                  "auth.api_key: there are more than 16" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct auth *auth = NULL;
                char *error = NULL;
                int r = auth_new(&rows[i].config, &auth, &error);
                if (r != 1 || auth || !error)
                        fail_msg("%s: result %d", rows[i].sentence, r);
                if (!strstr(error, rows[i].reason) || strchr(error, '\n'))
                        fail_msg("%s: the line is \"%s\"", rows[i].sentence, error);
                free(error);
        }
        assert_null(auth_free(NULL));
}

static void ids_are_text_without_spaces_controls_and_slashes(void **state) {
        static const struct {
                const char *sentence, *id;
                bool expected;
        } rows[] = {
                { "a letter", "a", true },
                { "an address", "alice+1@example.com", true },
                { "signs", "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~", true },
                { "a UUID", "0193a4c8-7f00-7000-8000-000000000000", true },
                { "two bytes a letter", "Zoë", true },
                { "three bytes a letter", "漢字", true },
                { "four bytes a letter", "📱", true },
                { "U+00A1, the first after the C1 controls", "\xc2\xa1", true },
                { "U+200B is not White_Space", "\xe2\x80\x8b", true },
                { "U+10FFFD", "\xf4\x8f\xbf\xbd", true },
                { "128 bytes", X128, true },
                { "129 bytes", X128 "x", false },
                { "128 letters of two bytes", "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé", false },
                { "nothing", "", false },
                { "a space", " ", false },
                { "a space within", "a b", false },
                { "a space behind", "a ", false },
                { "a tab", "a\tb", false },
                { "a newline", "a\n", false },
                { "an escape sequence", "\x1b[2J", false },
                { "U+0001", "\x01", false },
                { "DEL", "a\x7f", false },
                { "U+0080", "\xc2\x80", false },
                { "U+0085, next line", "a\xc2\x85", false },
                { "U+009F", "\xc2\x9f", false },
                { "U+00A0, no-break space", "a\xc2\xa0z", false },
                { "U+1680, Ogham space", "\xe1\x9a\x80", false },
                { "U+2000, en quad", "\xe2\x80\x80", false },
                { "U+200A, hair space", "\xe2\x80\x8a", false },
                { "U+2028, line separator", "\xe2\x80\xa8", false },
                { "U+2029, paragraph separator", "\xe2\x80\xa9", false },
                { "U+202F, narrow no-break space", "\xe2\x80\xaf", false },
                { "U+205F, mathematical space", "\xe2\x81\x9f", false },
                { "U+3000, ideographic space", "\xe3\x80\x80", false },
                { "a slash", "a/b", false },
                { "a slash alone", "/", false },
                { "an overlong slash", "\xc0\xaf", false },
                { "a lone continuation byte", "a\x80", false },
                { "half a letter", "a\xc3", false },
                { "a surrogate", "\xed\xa0\x80", false },
                { "beyond U+10FFFF", "\xf4\x90\x80\x80", false },
                { "Latin-1", "Zo\xeb", false },
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                if (auth_is_id(slice_of(rows[i].id)) != rows[i].expected)
                        fail_msg("%s", rows[i].sentence);
        assert_false(auth_is_id((struct slice){ "a\0b", 3 }));
        assert_false(auth_is_id((struct slice){ NULL, 0 }));
}

/* The nth allocation from now fails; -1 is never. Only OpenSSL and jansson ask here. */
static struct {
        long countdown;
        bool failed;
} memory = { .countdown = -1 };

static bool memory_fails(void) {
        if (memory.countdown < 0 || memory.countdown-- > 0)
                return false;
        memory.failed = true;
        return true;
}

static void *allocate(size_t size, const char *file, int line) {
        return memory_fails() ? NULL : malloc(size);
}

static void *allocate_again(void *ptr, size_t size, const char *file, int line) {
        return memory_fails() ? NULL : realloc(ptr, size);
}

static void release(void *ptr, const char *file, int line) {
        free(ptr);
}

static void *allocate_json(size_t size) {
        return allocate(size, NULL, 0);
}

static void begin_failing_at(long n) {
        memory.countdown = n;
        memory.failed = false;
}

static bool end_failing(void) {
        memory.countdown = -1;
        return memory.failed;
}

static void failing_memory_never_opens_the_door(void **state) {
        static const struct {
                const char *sentence, *header;
                enum forge_signer signer;
                bool good;
        } rows[] = {
                { "HS256", HEADER, HS256, true },
                { "HS256 of another secret", HEADER, HS256_OTHER_SECRET, false },
                { "RS256", "{\"alg\":\"RS256\"}", RS256, true },
                { "RS256 of another key", "{\"alg\":\"RS256\"}", RS256_OTHER_KEY, false },
                { "ES256", "{\"alg\":\"ES256\"}", ES256, true },
                { "ES256 with r and s swapped", "{\"alg\":\"ES256\"}", ES256_SWAPPED, false },
                { "EdDSA", "{\"alg\":\"EdDSA\"}", EDDSA, true },
                { "EdDSA of zeros", "{\"alg\":\"EdDSA\"}", ES256_ZERO, false },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char *token = forge_token(slice_of(rows[i].header), slice_of(PAYLOAD), rows[i].signer);
                bool failed = true;
                int r = 0;
                for (long n = 0; failed; n++) {
                        struct auth_claims claims;
                        begin_failing_at(n);
                        r = verify(t.plain, token, &claims);
                        failed = end_failing();
                        if (r == AUTH_E_EXPIRED || (r == 0 && !rows[i].good))
                                fail_msg("%s: answer %d when allocation %ld fails", rows[i].sentence, r, n);
                }
                assert_int_equal(r, rows[i].good ? 0 : AUTH_E_BAD);
                free(token);
        }
}

static void failing_memory_makes_no_half_auth(void **state) {
        struct config config = { .jwt_secret = (char *)FORGE_SECRET,
                                 .jwks_file = (char *)forge_jwks_path(),
                                 .api_key = (char *)"one" };
        bool failed = true;
        for (long n = 0; failed; n++) {
                struct auth *auth = NULL;
                char *error = NULL;
                begin_failing_at(n);
                int r = auth_new(&config, &auth, &error);
                failed = end_failing();
                assert_true(r == 0 || r == 1 || r == -ENOMEM);
                assert_int_equal(auth != NULL, r == 0);
                assert_int_equal(error != NULL, r == 1);
                assert_true(failed || r == 0);
                free(error);
                auth_free(auth);
                ERR_clear_error();
        }
}

static struct auth *new_auth(const struct config *config) {
        struct auth *auth = NULL;
        char *error = NULL;
        if (auth_new(config, &auth, &error) != 0)
                fail_msg("auth_new: %s", error);
        return auth;
}

static int set_up(void **state) {
        forge_init();
        char *path = (char *)forge_jwks_path();
        t.set = new_auth(&(struct config){ .jwks_file = path });
        t.plain = new_auth(&(struct config){ .jwks_file = path, .jwt_secret = (char *)FORGE_SECRET });
        t.strict = new_auth(&(struct config){ .jwks_file = path,
                                              .jwt_secret = (char *)FORGE_SECRET,
                                              .jwt_audience = (char *)"chat",
                                              .jwt_issuer = (char *)"https://id.example" });
        return 0;
}

static int tear_down(void **state) {
        auth_free(t.set);
        auth_free(t.plain);
        auth_free(t.strict);
        forge_deinit();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_tokens_are_accepted),
                cmocka_unit_test(times_are_reported_in_milliseconds),
                cmocka_unit_test(aud_and_iss_are_honoured_where_configured),
                cmocka_unit_test(channels_that_a_token_allows_are_ids_and_not_too_many),
                cmocka_unit_test(tokens_that_say_something_wrong_are_bad),
                cmocka_unit_test(tokens_of_a_wrong_form_are_bad),
                cmocka_unit_test(a_token_cut_or_changed_anywhere_is_bad),
                cmocka_unit_test(the_longest_token_is_accepted_and_a_longer_one_is_bad),
                cmocka_unit_test(a_payload_of_too_many_claims_is_bad),
                cmocka_unit_test(expired_means_that_all_else_is_good),
                cmocka_unit_test(exp_is_exact_to_the_millisecond),
                cmocka_unit_test(without_a_secret_no_hs256_token_is_good),
                cmocka_unit_test(what_auth_signs_it_accepts),
                cmocka_unit_test(auth_signs_no_token_that_it_would_refuse),
                cmocka_unit_test(api_keys_are_lines),
                cmocka_unit_test(a_wrong_configuration_is_one_clear_line),
                cmocka_unit_test(ids_are_text_without_spaces_controls_and_slashes),
                cmocka_unit_test(failing_memory_never_opens_the_door),
                cmocka_unit_test(failing_memory_makes_no_half_auth),
        };
        if (CRYPTO_set_mem_functions(allocate, allocate_again, release) != 1)
                return 1;
        json_set_alloc_funcs(allocate_json, free);
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
