/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c: an SSL object between two memory BIOs.
 *
 * OpenSSL's queue of errors belongs to the thread, not to the connection: what another library left there would be taken for
 * ours by SSL_get_error(). So it is cleared before every operation.
 */
#include "base/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"

struct tls {
        SSL_CTX *context;
        SSL *ssl;
        BIO *in, *out; /* belong to ssl */
        char error[160];
};

static bool tls_is_ip(const char *host) {
        unsigned char address[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* SNI carries names only, never addresses (RFC 6066 section 3). */
static bool tls_expect_host(SSL *ssl, const char *host) {
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

        if (tls_is_ip(host))
                return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int tls_load_authorities(SSL_CTX *context, const char *ca_file) {
        int ok = ca_file ? SSL_CTX_load_verify_locations(context, ca_file, NULL) : SSL_CTX_set_default_verify_paths(context);

        return ok == 1 ? 0 : TLS_E_CA;
}

static int tls_build(struct tls *tls, const char *host, const char *ca_file) {
        int r;

        tls->context = SSL_CTX_new(TLS_client_method());
        if (!tls->context || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
                return -ENOMEM;
        SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_mode(tls->context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER); /* a struct buf moves when it grows */
        SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
        r = tls_load_authorities(tls->context, ca_file);
        if (r)
                return r;
        tls->ssl = SSL_new(tls->context);
        tls->in = BIO_new(BIO_s_mem());
        tls->out = BIO_new(BIO_s_mem());
        if (!tls->ssl || !tls->in || !tls->out) {
                BIO_free(tls->in);
                BIO_free(tls->out);
                return -ENOMEM;
        }
        SSL_set_bio(tls->ssl, tls->in, tls->out);
        SSL_set_connect_state(tls->ssl);
        return tls_expect_host(tls->ssl, host) ? 0 : -ENOMEM;
}

int tls_new(const char *host, const char *ca_file, struct tls **ret_tls) {
        struct tls *tls = calloc(1, sizeof(*tls));
        int r;

        if (!tls)
                return -ENOMEM;
        ERR_clear_error();
        r = tls_build(tls, host, ca_file);
        ERR_clear_error();
        if (r) {
                tls_free(tls);
                return r;
        }
        *ret_tls = tls;
        return 0;
}

struct tls *tls_free(struct tls *tls) {
        if (!tls)
                return NULL;
        SSL_free(tls->ssl);
        SSL_CTX_free(tls->context);
        free(tls);
        return NULL;
}

int tls_feed(struct tls *tls, struct slice bytes) {
        assert(bytes.len <= INT_MAX);
        if (bytes.len == 0)
                return 0;
        return BIO_write(tls->in, bytes.ptr, (int)bytes.len) == (int)bytes.len ? 0 : -ENOMEM;
}

/* The certificate's fault is the one that an operator can repair, so it is named first. */
static int tls_fail(struct tls *tls) {
        long verified = SSL_get_verify_result(tls->ssl);
        const char *reason = ERR_reason_error_string(ERR_peek_error());

        if (verified != X509_V_OK)
                snprintf(tls->error, sizeof(tls->error), "the certificate is refused: %s",
                         X509_verify_cert_error_string(verified));
        else
                snprintf(tls->error, sizeof(tls->error), "%s", reason ? reason : "the peer broke off");
        ERR_clear_error();
        return TLS_E_PEER;
}

static int tls_answer(struct tls *tls, int result) {
        switch (SSL_get_error(tls->ssl, result)) {
        case SSL_ERROR_NONE:
                return 0;
        case SSL_ERROR_WANT_READ:
                return TLS_E_WAIT;
        case SSL_ERROR_ZERO_RETURN:
                snprintf(tls->error, sizeof(tls->error), "the peer closed the connection");
                return TLS_E_END;
        default:
                return tls_fail(tls);
        }
}

int tls_step(struct tls *tls) {
        int r;

        ERR_clear_error();
        r = tls_answer(tls, SSL_do_handshake(tls->ssl));
        return r == TLS_E_END ? TLS_E_PEER : r;
}

int tls_read(struct tls *tls, void *out, size_t size, size_t *ret_len) {
        size_t len = 0;
        int r;

        assert(size > 0);
        ERR_clear_error();
        r = tls_answer(tls, SSL_read_ex(tls->ssl, out, size, &len));
        if (r == 0)
                *ret_len = len;
        return r;
}

int tls_write(struct tls *tls, struct slice bytes) {
        size_t written;
        int r;

        if (bytes.len == 0)
                return 0;
        ERR_clear_error();
        /* Memory is never full, but OpenSSL writes nothing while half of a TLS 1.3 session ticket has been read. */
        r = tls_answer(tls, SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, &written));
        return r == TLS_E_END ? TLS_E_PEER : r;
}

void tls_output(struct tls *tls, struct buf *out) {
        char *bytes;
        long len = BIO_get_mem_data(tls->out, &bytes);

        if (len > 0)
                buf_add(out, bytes, (size_t)len);
        (void)BIO_reset(tls->out);
}

const char *tls_error(const struct tls *tls) {
        return tls->error;
}
