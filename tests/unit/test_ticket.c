/* SPDX-License-Identifier: Apache-2.0 */
/* TLS tickets: sealed by one worker, opened by another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "hub/ticket.h"

static SSL_SESSION *kept;

static int on_session(SSL *ssl, SSL_SESSION *session) {
        SSL_SESSION_free(kept);
        kept = session;
        return 1;
}

static SSL_CTX *server_new(struct ticket_ring *ring, EVP_PKEY *key, X509 *certificate) {
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
        assert_int_equal(ticket_use(context, ring), 0);
        return context;
}

static X509 *certificate_new(EVP_PKEY *key) {
        X509 *certificate = X509_new();
        X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        assert_int_equal(X509_set_pubkey(certificate, key), 1);
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        return certificate;
}

/* Shakes hands over memory with the session kept, if any, and keeps the ticket. Returns whether it was resumed. */
static bool visit(SSL_CTX *client, SSL_CTX *server) {
        SSL *a = SSL_new(client), *b = SSL_new(server);
        BIO *to_b, *to_a;
        assert_int_equal(BIO_new_bio_pair(&to_b, 1 << 16, &to_a, 1 << 16), 1);
        SSL_set_bio(a, to_b, to_b);
        SSL_set_bio(b, to_a, to_a);
        SSL_set_connect_state(a);
        SSL_set_accept_state(b);
        if (kept)
                SSL_set_session(a, kept);
        for (int i = 0; i < 10; i++) {
                SSL_do_handshake(a);
                SSL_do_handshake(b);
        }
        char byte = 'x';
        assert_int_equal(SSL_write(b, &byte, 1), 1);
        assert_int_equal(SSL_read(a, &byte, 1), 1); /* brings the ticket, too */
        bool resumed = SSL_session_reused(b);
        assert_int_equal(resumed, SSL_session_reused(a));
        SSL_shutdown(a);
        SSL_free(a);
        SSL_free(b);
        return resumed;
}

struct stand {
        struct ticket_ring ring, other;
        SSL_CTX *client, *first, *second;
        EVP_PKEY *key;
        X509 *certificate;
};

static void stand_init(struct stand *stand, int version) {
        kept = NULL;
        stand->key = EVP_EC_gen("P-256");
        stand->certificate = certificate_new(stand->key);
        stand->client = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(stand->client, version);
        SSL_CTX_set_session_cache_mode(stand->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(stand->client, on_session);
        stand->first = server_new(&stand->ring, stand->key, stand->certificate);
        stand->second = server_new(&stand->other, stand->key, stand->certificate);
}

static void stand_deinit(struct stand *stand) {
        SSL_SESSION_free(kept);
        SSL_CTX_free(stand->client);
        SSL_CTX_free(stand->first);
        SSL_CTX_free(stand->second);
        X509_free(stand->certificate);
        EVP_PKEY_free(stand->key);
}

static void a_ticket_of_one_worker_opens_in_another(void **state) {
        static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
        for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
                struct stand stand;
                ticket_ring_init(&stand.ring, clock_monotonic_ms());
                stand.other = stand.ring;
                stand_init(&stand, versions[i]);
                assert_false(visit(stand.client, stand.first));
                assert_true(visit(stand.client, stand.second));
                assert_true(visit(stand.client, stand.first));
                stand_deinit(&stand);
        }
}

static void a_ticket_of_a_stranger_is_not_opened(void **state) {
        struct stand stand;
        ticket_ring_init(&stand.ring, clock_monotonic_ms());
        ticket_ring_init(&stand.other, clock_monotonic_ms());
        stand_init(&stand, TLS1_3_VERSION);
        assert_false(visit(stand.client, stand.first));
        assert_false(visit(stand.client, stand.second));
        stand_deinit(&stand);
}

/* The ring that seals is set back by some periods; it moves on by itself only to the present one, so it is given a period ahead of time. */
static void a_ticket_opens_in_the_next_period_and_not_later(void **state) {
        for (uint64_t periods = 1; periods <= 2; periods++) {
                struct stand stand;
                uint64_t now_ms = clock_monotonic_ms();
                ticket_ring_init(&stand.ring, now_ms);
                stand.other = stand.ring;
                ticket_ring_step(&stand.other, now_ms + periods * TICKET_PERIOD_MS);
                stand_init(&stand, TLS1_3_VERSION);
                assert_false(visit(stand.client, stand.first));
                assert_int_equal(visit(stand.client, stand.second), periods == 1);
                stand_deinit(&stand);
        }
}

static void rings_agree_however_they_came_to_a_period(void **state) {
        struct ticket_ring one, other;
        ticket_ring_init(&one, 0);
        other = one;
        for (uint64_t period = 1; period <= 5; period++)
                ticket_ring_step(&one, period * TICKET_PERIOD_MS);
        ticket_ring_step(&other, 5 * (uint64_t)TICKET_PERIOD_MS + 7);
        assert_memory_equal(one.key, other.key, sizeof(one.key));
        assert_memory_equal(one.before, other.before, sizeof(one.before));
        assert_memory_not_equal(one.key, one.before, sizeof(one.key));
        ticket_ring_step(&one, 0); /* never back */
        assert_int_equal(one.period, 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_ticket_of_one_worker_opens_in_another), cmocka_unit_test(a_ticket_of_a_stranger_is_not_opened),
                cmocka_unit_test(a_ticket_opens_in_the_next_period_and_not_later), cmocka_unit_test(rings_agree_however_they_came_to_a_period),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
