/* SPDX-License-Identifier: Apache-2.0 */
/* veil.c: see veil.h. */
#include "loadtest/veil.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"

struct veil_context {
        SSL_CTX *ssl_context;
        SSL_SESSION *sessions[LIMIT_LOAD_TICKETS]; /* tickets of those before, each for one who comes later: with TLS 1.3 it is used once */
        size_t sessions_count;
        bool fresh;
        char host[256];
};

struct veil {
        SSL *ssl;
};

static int on_session(SSL *ssl, SSL_SESSION *session) {
        struct veil_context *context = SSL_get_app_data(ssl);
        if (context->fresh || context->sessions_count == LIMIT_LOAD_TICKETS)
                return 0;
        context->sessions[context->sessions_count++] = session;
        return 1; /* ours now */
}

struct veil_context *veil_context_new(const char *host, const char *ca_path, bool unverified, bool fresh, const char **ret_error) {
        struct veil_context *context = calloc(1, sizeof *context);
        *ret_error = "out of memory";
        if (!context)
                return NULL;
        context->fresh = fresh;
        context->ssl_context = SSL_CTX_new(TLS_client_method());
        if (!context->ssl_context || strlen(host) >= sizeof context->host)
                return veil_context_free(context);
        memcpy(context->host, host, strlen(host) + 1);
        SSL_CTX_set_mode(context->ssl_context,
                         SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(context->ssl_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl_context, on_session);
        if (unverified)
                return context;
        SSL_CTX_set_verify(context->ssl_context, SSL_VERIFY_PEER, NULL);
        *ret_error = "the file of authorities cannot be used";
        if (ca_path ? SSL_CTX_load_verify_locations(context->ssl_context, ca_path, NULL) != 1
                    : SSL_CTX_set_default_verify_paths(context->ssl_context) != 1)
                return veil_context_free(context);
        return context;
}

struct veil_context *veil_context_free(struct veil_context *context) {
        if (!context)
                return NULL;
        while (context->sessions_count)
                SSL_SESSION_free(context->sessions[--context->sessions_count]);
        SSL_CTX_free(context->ssl_context);
        free(context);
        return NULL;
}

static bool name_host(SSL *ssl, const char *host) {
        struct in6_addr address;
        if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
                return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
        return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct veil *veil_new(struct veil_context *context, int fd) {
        struct veil *veil = calloc(1, sizeof *veil);
        if (!veil)
                return NULL;
        veil->ssl = SSL_new(context->ssl_context);
        if (!veil->ssl || SSL_set_fd(veil->ssl, fd) != 1 || !name_host(veil->ssl, context->host))
                return veil_free(veil);
        SSL_set_app_data(veil->ssl, context);
        if (context->sessions_count) {
                SSL_SESSION *session = context->sessions[--context->sessions_count];
                SSL_set_session(veil->ssl, session);
                SSL_SESSION_free(session);
        }
        SSL_set_connect_state(veil->ssl);
        return veil;
}

struct veil *veil_free(struct veil *veil) {
        if (veil)
                SSL_free(veil->ssl);
        free(veil);
        return NULL;
}

static int answer(struct veil *veil, int result) {
        int error = SSL_get_error(veil->ssl, result);
        ERR_clear_error();
        return error == SSL_ERROR_WANT_READ ? VEIL_E_READ : error == SSL_ERROR_WANT_WRITE ? VEIL_E_WRITE : VEIL_E_END;
}

int veil_handshake(struct veil *veil) {
        int r = SSL_do_handshake(veil->ssl);
        return r == 1 ? 0 : answer(veil, r);
}

bool veil_is_resumed(const struct veil *veil) {
        return SSL_session_reused(veil->ssl);
}

int veil_read(struct veil *veil, void *out, size_t size, size_t *ret_len) {
        int r = SSL_read_ex(veil->ssl, out, size, ret_len);
        return r == 1 ? 0 : answer(veil, r);
}

int veil_write(struct veil *veil, const void *bytes, size_t len, size_t *ret_len) {
        int r = SSL_write_ex(veil->ssl, bytes, len, ret_len);
        return r == 1 ? 0 : answer(veil, r);
}
