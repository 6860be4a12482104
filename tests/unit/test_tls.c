/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls.c: the client's side against an OpenSSL server, in memory. */
#include "base/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "tests/unit/certificate.h"

#define HOUR 3600

struct pair {
        struct tls *client;
        SSL_CTX *context;
        SSL *server;
        char ca_file[32];
        size_t step; /* bytes handed over at once */
};

static void pair_open(struct pair *pair, const char *host, const char *names, long valid_s) {
        struct certificate certificate = certificate_new(names, valid_s);
        int fd;

        *pair = (struct pair){ .ca_file = "/tmp/test_tls.XXXXXX", .step = 16384 };
        fd = mkstemp(pair->ca_file);
        assert_true(fd >= 0);
        close(fd);
        certificate_write(&certificate, pair->ca_file);
        pair->context = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(pair->context, certificate.x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(pair->context, certificate.key), 1);
        pair->server = SSL_new(pair->context);
        SSL_set_bio(pair->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(pair->server);
        certificate_free(&certificate);
        assert_int_equal(tls_new(host, pair->ca_file, &pair->client), 0);
}

static void pair_close(struct pair *pair) {
        tls_free(pair->client);
        SSL_free(pair->server);
        SSL_CTX_free(pair->context);
        unlink(pair->ca_file);
        ERR_clear_error();
}

/* Hands over what each side has for the other; true if there was anything. */
static bool pair_carry(struct pair *pair) {
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
        char *bytes;
        long len = BIO_get_mem_data(SSL_get_wbio(pair->server), &bytes);
        size_t taken = len > 0 && (size_t)len > pair->step ? pair->step : (size_t)len;

        tls_output(pair->client, &out);
        assert_false(buf_failed(&out));
        if (out.len > 0)
                assert_int_equal(BIO_write(SSL_get_rbio(pair->server), out.ptr, (int)out.len), (int)out.len);
        if (taken > 0) {
                char copy[16384];

                assert_int_equal(BIO_read(SSL_get_wbio(pair->server), copy, (int)taken), (int)taken);
                assert_int_equal(tls_feed(pair->client, (struct slice){ copy, taken }), 0);
        }
        return out.len > 0 || taken > 0;
}

static int pair_shake_hands(struct pair *pair) {
        int r = tls_step(pair->client);

        while (pair_carry(pair) && (r == TLS_E_WAIT || r == 0)) {
                ERR_clear_error();
                SSL_do_handshake(pair->server);
                if (r == TLS_E_WAIT)
                        r = tls_step(pair->client);
        }
        return r;
}

static const struct {
        const char *sentence, *host, *names;
        long valid_s;
        int answer;
        const char *error;
} peers[] = {
        { "a name in the certificate is believed", "localhost", "DNS:localhost", HOUR, 0, "" },
        { "an IPv4 address in it is believed", "127.0.0.1", "IP:127.0.0.1", HOUR, 0, "" },
        { "an IPv6 address in it is believed", "::1", "IP:::1", HOUR, 0, "" },
        { "a star stands for one label", "a.redis.test", "DNS:*.redis.test", HOUR, 0, "" },
        { "a star stands for no more than one", "a.b.redis.test", "DNS:*.redis.test", HOUR, TLS_E_PEER, "hostname mismatch" },
        { "a star in the middle of a label stands for nothing", "redis.test", "DNS:r*s.test", HOUR, TLS_E_PEER,
          "hostname mismatch" },
        { "another name is refused", "redis.test", "DNS:localhost", HOUR, TLS_E_PEER, "hostname mismatch" },
        { "another address is refused", "127.0.0.2", "IP:127.0.0.1", HOUR, TLS_E_PEER, "IP address mismatch" },
        { "an address written as a name is refused", "127.0.0.1", "DNS:127.0.0.1", HOUR, TLS_E_PEER, "IP address mismatch" },
        { "the common name counts for nothing", "test", "DNS:localhost", HOUR, TLS_E_PEER, "hostname mismatch" },
        { "an expired certificate is refused", "localhost", "DNS:localhost", -HOUR, TLS_E_PEER, "expired" },
};

static void only_the_right_peer_is_believed(void **state) {
        for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
                struct pair pair;

                pair_open(&pair, peers[i].host, peers[i].names, peers[i].valid_s);
                if (pair_shake_hands(&pair) != peers[i].answer || !strstr(tls_error(pair.client), peers[i].error))
                        fail_msg("%s: %s", peers[i].sentence, tls_error(pair.client));
                pair_close(&pair);
        }
}

static void an_authority_nobody_trusts_is_refused(void **state) {
        struct certificate other = certificate_new("DNS:localhost", HOUR);
        struct pair pair;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        certificate_write(&other, pair.ca_file);
        tls_free(pair.client);
        assert_int_equal(tls_new("localhost", pair.ca_file, &pair.client), 0);
        assert_int_equal(pair_shake_hands(&pair), TLS_E_PEER);
        assert_non_null(strstr(tls_error(pair.client), "certificate"));

        tls_free(pair.client);
        SSL_clear(pair.server);
        (void)BIO_reset(SSL_get_rbio(pair.server));
        assert_int_equal(tls_new("localhost", NULL, &pair.client), 0); /* nor does the system know it */
        assert_int_equal(pair_shake_hands(&pair), TLS_E_PEER);
        certificate_free(&other);
        pair_close(&pair);
}

static void a_file_of_authorities_that_is_none_is_said(void **state) {
        struct tls *tls = NULL;

        assert_int_equal(tls_new("localhost", "/nonexistent/ca.pem", &tls), TLS_E_CA);
        assert_int_equal(tls_new("localhost", "/dev/null", &tls), TLS_E_CA);
        assert_null(tls);
        assert_null(tls_free(NULL));
}

static void the_server_hears_the_name_but_no_address(void **state) {
        struct pair pair;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        assert_int_equal(pair_shake_hands(&pair), 0);
        assert_string_equal(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "localhost");
        pair_close(&pair);

        pair_open(&pair, "127.0.0.1", "IP:127.0.0.1", HOUR);
        assert_int_equal(pair_shake_hands(&pair), 0);
        assert_null(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name));
        pair_close(&pair);
}

static void tls_1_1_is_refused(void **state) {
        struct pair pair;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        SSL_set_security_level(pair.server, 0);
        assert_int_equal(SSL_set_min_proto_version(pair.server, TLS1_VERSION), 1);
        assert_int_equal(SSL_set_max_proto_version(pair.server, TLS1_1_VERSION), 1);
        assert_int_equal(pair_shake_hands(&pair), TLS_E_PEER);
        pair_close(&pair);
}

static void server_writes(struct pair *pair, const char *bytes, size_t len) {
        assert_int_equal(SSL_write(pair->server, bytes, (int)len), (int)len);
}

/* Reads until it has len bytes. */
static void client_reads(struct pair *pair, char *out, size_t len) {
        size_t got = 0, part = 0;

        while (got < len) {
                int r = tls_read(pair->client, out + got, len - got, &part);

                if (r == 0)
                        got += part;
                else if (r != TLS_E_WAIT || !pair_carry(pair))
                        fail_msg("%zu of %zu bytes came: %d", got, len, r);
        }
}

/* With one byte at a time every message is once half there, also the session tickets during which nothing can be written. */
static void bytes_pass_both_ways_however_they_are_cut(void **state) {
        static const struct {
                int version;
                size_t step;
        } rows[] = { { TLS1_2_VERSION, 16384 }, { TLS1_2_VERSION, 1 }, { TLS1_3_VERSION, 16384 }, { TLS1_3_VERSION, 1 } };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                enum { LEN = 100000 };
                char *bytes = malloc(LEN), *got = malloc(LEN), ping[4] = "";
                struct pair pair;
                int r;

                for (size_t j = 0; j < LEN; j++)
                        bytes[j] = (char)(j * 7);
                pair_open(&pair, "localhost", "DNS:localhost", HOUR);
                pair.step = rows[i].step;
                assert_int_equal(SSL_set_max_proto_version(pair.server, rows[i].version), 1);
                assert_int_equal(pair_shake_hands(&pair), 0);
                assert_int_equal(SSL_version(pair.server), rows[i].version);
                while ((r = tls_write(pair.client, SLICE("ping"))) == TLS_E_WAIT) {
                        size_t len;

                        assert_true(pair_carry(&pair));
                        assert_int_equal(tls_read(pair.client, got, 1, &len), TLS_E_WAIT);
                }
                assert_int_equal(r, 0);
                while (SSL_read(pair.server, ping, sizeof(ping)) <= 0)
                        assert_true(pair_carry(&pair));
                assert_memory_equal(ping, "ping", 4);
                server_writes(&pair, bytes, LEN);
                client_reads(&pair, got, LEN);
                assert_memory_equal(got, bytes, LEN);
                free(bytes);
                free(got);
                pair_close(&pair);
        }
}

static void the_peers_farewell_is_told(void **state) {
        struct pair pair;
        size_t len;
        char c;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        assert_int_equal(pair_shake_hands(&pair), 0);
        SSL_shutdown(pair.server);
        while (pair_carry(&pair))
                ;
        assert_int_equal(tls_read(pair.client, &c, 1, &len), TLS_E_END);
        pair_close(&pair);
}

static void what_is_no_tls_is_refused(void **state) {
        struct pair pair;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        assert_int_equal(tls_step(pair.client), TLS_E_WAIT);
        assert_int_equal(tls_feed(pair.client, SLICE("-ERR unknown command\r\n")), 0);
        assert_int_equal(tls_step(pair.client), TLS_E_PEER);
        assert_true(tls_error(pair.client)[0] != 0);
        pair_close(&pair);
}

/* A flipped bit on the way breaks the connection; and an error that another library left behind does not. */
static void tampering_is_found_and_foreign_errors_are_not_ours(void **state) {
        struct pair pair;
        char *bytes, c;
        size_t len = 0;

        pair_open(&pair, "localhost", "DNS:localhost", HOUR);
        assert_int_equal(pair_shake_hands(&pair), 0);
        while (pair_carry(&pair))
                ;
        server_writes(&pair, "a", 1);
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
        client_reads(&pair, &c, 1);
        assert_int_equal(c, 'a');
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
        assert_int_equal(tls_read(pair.client, &c, 1, &len), TLS_E_WAIT);

        server_writes(&pair, "b", 1);
        len = (size_t)BIO_get_mem_data(SSL_get_wbio(pair.server), &bytes);
        bytes[len - 1] = (char)(bytes[len - 1] ^ 1);
        assert_true(pair_carry(&pair));
        assert_int_equal(tls_read(pair.client, &c, 1, &len), TLS_E_PEER);
        pair_close(&pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_the_right_peer_is_believed),
                cmocka_unit_test(an_authority_nobody_trusts_is_refused),
                cmocka_unit_test(a_file_of_authorities_that_is_none_is_said),
                cmocka_unit_test(the_server_hears_the_name_but_no_address),
                cmocka_unit_test(tls_1_1_is_refused),
                cmocka_unit_test(bytes_pass_both_ways_however_they_are_cut),
                cmocka_unit_test(the_peers_farewell_is_told),
                cmocka_unit_test(what_is_no_tls_is_refused),
                cmocka_unit_test(tampering_is_found_and_foreign_errors_are_not_ours),
        };

        return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
