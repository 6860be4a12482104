/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.h: self-signed certificates for tests; each is its own authority. Whatever fails here ends the test. */
#pragma once
#include <assert.h>
#include <stdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct certificate {
        EVP_PKEY *key;
        X509 *x509;
};

/* names as in openssl.cnf: "DNS:localhost,IP:127.0.0.1". Valid until valid_s seconds from now, which may be past. */
static inline struct certificate certificate_new(const char *names, long valid_s) {
        struct certificate certificate = { EVP_EC_gen("P-256"), X509_new() };
        X509_NAME *name = X509_get_subject_name(certificate.x509);
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        int ok = certificate.key && extension && X509_set_version(certificate.x509, X509_VERSION_3);

        ok = ok && ASN1_INTEGER_set(X509_get_serialNumber(certificate.x509), 1);
        ok = ok && X509_gmtime_adj(X509_getm_notBefore(certificate.x509), -86400);
        ok = ok && X509_gmtime_adj(X509_getm_notAfter(certificate.x509), valid_s);
        ok = ok && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
        ok = ok && X509_set_issuer_name(certificate.x509, name) && X509_set_pubkey(certificate.x509, certificate.key);
        ok = ok && X509_add_ext(certificate.x509, extension, -1);
        ok = ok && X509_sign(certificate.x509, certificate.key, EVP_sha256());
        assert(ok);
        X509_EXTENSION_free(extension);
        return certificate;
}

static inline void certificate_free(struct certificate *certificate) {
        EVP_PKEY_free(certificate->key);
        X509_free(certificate->x509);
}

static inline void certificate_write(const struct certificate *certificate, const char *file) {
        FILE *out = fopen(file, "w");

        assert(out && PEM_write_X509(out, certificate->x509) && fclose(out) == 0);
}

static inline void certificate_write_key(const struct certificate *certificate, const char *file) {
        FILE *out = fopen(file, "w");

        assert(out && PEM_write_PrivateKey(out, certificate->key, NULL, NULL, 0, NULL, NULL) && fclose(out) == 0);
}
