/* SPDX-License-Identifier: Apache-2.0 */
/* ticket.c: see ticket.h. */
#include "hub/ticket.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/chance.h"
#include "base/clock.h"

enum { TICKET_NAME_BYTES = 16, TICKET_IV_BYTES = 16 }; /* OpenSSL's, and that of AES-CBC */

static const unsigned char ticket_identity[] = "belfry";

/* The digest of a key and a word: for what else it is used, or the next key. */
static void ticket_derive(const unsigned char *key, const char *word, unsigned char *out) {
        unsigned char text[TICKET_KEY_BYTES + 8] = { 0 };
        memcpy(text, key, TICKET_KEY_BYTES);
        memcpy(text + TICKET_KEY_BYTES, word, strlen(word));
        SHA256(text, sizeof(text), out);
        OPENSSL_cleanse(text, sizeof(text));
}

void ticket_ring_init(struct ticket_ring *ring, uint64_t now_ms) {
        *ring = (struct ticket_ring){ .period = now_ms / TICKET_PERIOD_MS };
        chance_bytes(ring->key, sizeof(ring->key));
}

void ticket_ring_step(struct ticket_ring *ring, uint64_t now_ms) {
        uint64_t period = now_ms / TICKET_PERIOD_MS;
        while (ring->period < period) {
                memcpy(ring->before, ring->key, sizeof(ring->before));
                ticket_derive(ring->before, "next", ring->key);
                ring->has_before = true;
                ring->period++;
        }
}

static bool ticket_is_named(const unsigned char *key, const unsigned char *name) {
        unsigned char digest[SHA256_DIGEST_LENGTH];
        ticket_derive(key, "name", digest);
        return CRYPTO_memcmp(digest, name, TICKET_NAME_BYTES) == 0;
}

static bool ticket_prepare(const unsigned char *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal) {
        unsigned char secret[SHA256_DIGEST_LENGTH], mac_secret[SHA256_DIGEST_LENGTH];
        char digest[] = "SHA256";
        ticket_derive(key, "seal", secret);
        ticket_derive(key, "mac", mac_secret);
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_secret, sizeof(mac_secret)),
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                OSSL_PARAM_construct_end(),
        };
        bool done = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, secret, iv, seal) == 1 && EVP_MAC_CTX_set_params(mac, params) == 1;
        OPENSSL_cleanse(secret, sizeof(secret));
        OPENSSL_cleanse(mac_secret, sizeof(mac_secret));
        return done;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it. 0: this ticket is not opened; 2: opened, and a new one is due. */
static int ticket_on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal) {
        struct ticket_ring *ring = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        ticket_ring_step(ring, clock_monotonic_ms());
        if (seal) {
                unsigned char digest[SHA256_DIGEST_LENGTH];
                ticket_derive(ring->key, "name", digest);
                memcpy(name, digest, TICKET_NAME_BYTES);
                chance_bytes(iv, TICKET_IV_BYTES);
                return ticket_prepare(ring->key, iv, cipher, mac, seal) ? 1 : -1;
        }
        /* With TLS 1.3 a client uses a ticket once (RFC 8446 appendix C.4), so it gets the next one with each. */
        if (ticket_is_named(ring->key, name))
                return !ticket_prepare(ring->key, iv, cipher, mac, seal) ? -1 : SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
        if (ring->has_before && ticket_is_named(ring->before, name))
                return ticket_prepare(ring->before, iv, cipher, mac, seal) ? 2 : -1;
        return 0;
}

int ticket_use(SSL_CTX *context, struct ticket_ring *ring) {
        /* One ticket a connection, not two: whoever comes back gets the next. */
        if (SSL_CTX_set_app_data(context, ring) != 1 || SSL_CTX_set_num_tickets(context, 1) != 1 ||
            SSL_CTX_set_session_id_context(context, ticket_identity, sizeof(ticket_identity)) != 1 ||
            SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_on_key) != 1)
                return -EIO;
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* the ticket is all there is to remember */
        return 0;
}
