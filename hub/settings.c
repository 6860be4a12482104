/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c: see settings.h. */
#include "hub/settings.h"
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/limits.h"
#include "base/link.h"
#include "hub/auth.h"
#include "hub/port.h"
#include "hub/secrets.h"

static_assert((int)SETTINGS_E_INVALID == (int)CONFIG_E_INVALID && (int)SETTINGS_E_HELP == (int)CONFIG_E_HELP,
              "answers pass through");

__attribute__((format(printf, 2, 3))) static int fail(char **ret_error, const char *format, ...) {
        va_list args;
        va_start(args, format);
        int r = vasprintf(ret_error, format, args);
        va_end(args);
        return r < 0 ? -ENOMEM : SETTINGS_E_INVALID;
}

static int check_listen(const struct config *config, char **ret_error) {
        struct sockaddr_storage address;
        socklen_t len;
        if (port_parse(config->listen, &address, &len) == 0)
                return 0;
        return fail(ret_error, "--listen %s is no numeric address and port; write 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080",
                    config->listen);
}

static int check_workers(const struct config *config, char **ret_error) {
        if (config->workers <= LIMIT_WORKERS)
                return 0;
        return fail(ret_error, "--workers %lld is more than %d; 0 means one per core", (long long)config->workers, LIMIT_WORKERS);
}

static int check_store(const struct config *config, char **ret_error) {
        if (!config->redis[0])
                return config->data[0] ? 0 : fail(ret_error, "--data names no folder; the private Redis needs one");
        struct link_address address;
        int r = link_parse_address(config->redis, &address);
        if (r < 0)
                return r;
        if (r != 0) /* the URL is not repeated: it may hold a password */
                return fail(ret_error,
                            "--redis is no URL such as redis://host:6379/0, rediss://user:password@host or unix:///path");
        link_address_deinit(&address);
        if (config->redis_ca_file[0] && access(config->redis_ca_file, R_OK) != 0)
                return fail(ret_error, "cannot read redis ca_file %s: %s", config->redis_ca_file, strerror(errno));
        return 0;
}

/* OpenSSL would ask the terminal. */
static int give_no_passphrase(char *out, int size, int writing, void *context) {
        return 0;
}

static int check_tls_pair(SSL_CTX *context, const struct config *config, char **ret_error) {
        if (SSL_CTX_use_certificate_chain_file(context, config->tls_cert) != 1)
                return fail(ret_error, "--tls-cert %s holds no certificate in PEM", config->tls_cert);
        if (SSL_CTX_use_PrivateKey_file(context, config->tls_key, SSL_FILETYPE_PEM) != 1)
                return fail(ret_error, "--tls-key %s holds no private key in PEM that fits --tls-cert %s", config->tls_key,
                            config->tls_cert);
        return 0;
}

static int check_tls(const struct config *config, char **ret_error) {
        if (!config->tls_cert[0]) /* config_load() wants both or none */
                return 0;
        if (access(config->tls_cert, R_OK) != 0)
                return fail(ret_error, "cannot read --tls-cert %s: %s", config->tls_cert, strerror(errno));
        if (access(config->tls_key, R_OK) != 0)
                return fail(ret_error, "cannot read --tls-key %s: %s", config->tls_key, strerror(errno));
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context)
                return -ENOMEM;
        SSL_CTX_set_default_passwd_cb(context, give_no_passphrase);
        int r = check_tls_pair(context, config, ret_error);
        SSL_CTX_free(context);
        ERR_clear_error();
        return r;
}

static int check_secrets(struct config *config, char **ret_error) {
        if (config->dev) {
                int r = secrets_fill(config, true, ret_error);
                if (r != 0)
                        return r < 0 ? r : SETTINGS_E_INVALID;
        }
        if (!config->jwt_secret[0] && !config->jwks_file[0])
                return fail(ret_error, "no key to verify tokens with: set BELFRY_JWT_SECRET, BELFRY_JWT_SECRET_FILE or "
                                       "--jwks-file, or use --dev");
        if (!config->api_key[0])
                return fail(ret_error,
                            "no API key for the app's backend: set BELFRY_API_KEY or BELFRY_API_KEY_FILE, or use --dev");
        struct auth *auth;
        int r = auth_new(config, &auth, ret_error);
        if (r == 0)
                auth_free(auth);
        return r <= 0 ? r : SETTINGS_E_INVALID;
}

/* Secrets last: in development mode they are made, and a wrong configuration should leave nothing behind. */
static int check(struct config *config, char **ret_error) {
        int (*const checks[])(const struct config *, char **) = { check_listen, check_workers, check_store, check_tls };
        for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
                int r = checks[i](config, ret_error);
                if (r != 0)
                        return r;
        }
        return check_secrets(config, ret_error);
}

int settings_load(int argc, char *const argv[], struct config **ret_config, char **ret_error) {
        struct config *config = NULL;
        int r = config_load(argc, argv, getenv, &config, ret_error);
        if (r != 0)
                return r;
        r = check(config, ret_error);
        if (r != 0) {
                config_free(config);
                return r;
        }
        *ret_config = config;
        return 0;
}
