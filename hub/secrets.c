/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c: see secrets.h. */
#include "hub/secrets.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/chance.h"
#include "base/config.h"
#include "base/limits.h"

enum {
        SECRET_BYTES = 32, /* as long as the output of HMAC-SHA-256 (RFC 7518 section 3.2) */
};

__attribute__((format(printf, 2, 3))) static int fail(char **ret_error, const char *format, ...) {
        va_list args;
        va_start(args, format);
        int r = vasprintf(ret_error, format, args);
        va_end(args);
        return r < 0 ? -ENOMEM : SECRETS_E_FILE;
}

/* 0, or -errno; -ENODATA for a file that is empty or too large. *ret_secret is the caller's. */
static int read_secret(int folder, const char *name, char **ret_secret) {
        int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        char text[LIMIT_SECRET_FILE_BYTES + 1];
        ssize_t len = read(fd, text, sizeof text);
        int error = len < 0 ? -errno : 0;
        close(fd);
        if (error != 0)
                return error;
        size_t end = (size_t)len;
        while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r'))
                end--;
        if (end == 0 || end > LIMIT_SECRET_FILE_BYTES || memchr(text, '\0', end))
                return -ENODATA;
        char *secret = strndup(text, end);
        explicit_bzero(text, sizeof text);
        if (!secret)
                return -ENOMEM;
        *ret_secret = secret;
        return 0;
}

static int write_durably(int fd, const char *text, size_t len) {
        ssize_t written = write(fd, text, len);
        if (written < 0)
                return -errno;
        if ((size_t)written != len)
                return -ENOSPC;
        return fsync(fd) == 0 ? 0 : -errno;
}

/*
 * secrets#2: the file appears under its name complete, or not at all: written beside, then linked, which fails if another was
 * faster. (Made in place, a crash would leave an empty secret, and a second hub could read half of one.)
 */
static int make_secret(int folder, const char *name) {
        char hex[2 * SECRET_BYTES + 1], beside[64];
        chance_hex(hex, 2 * SECRET_BYTES);
        hex[2 * SECRET_BYTES] = '\n';
        snprintf(beside, sizeof beside, ".%s.%ld", name, (long)getpid());

        unlinkat(folder, beside, 0); /* of a process with our pid that crashed here */
        int fd = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        int r = write_durably(fd, hex, sizeof hex);
        close(fd);
        explicit_bzero(hex, sizeof hex);
        if (r == 0 && linkat(folder, beside, folder, name, 0) != 0 && errno != EEXIST)
                r = -errno;
        unlinkat(folder, beside, 0);
        if (r == 0 && fsync(folder) != 0)
                r = -errno;
        return r;
}

static int fill(char **field, int folder, const char *folder_name, const char *name, bool make, char **ret_error) {
        if (*field && **field)
                return 0; /* secrets#1 */
        char *secret = NULL;
        int r = read_secret(folder, name, &secret);
        if (r == -ENOENT) {
                if (!make)
                        return 0;
                r = make_secret(folder, name);
                if (r == 0)
                        r = read_secret(folder, name, &secret);
        }
        if (r == -ENODATA)
                return fail(ret_error, "%s/%s holds no secret: delete it, and --dev makes a new one", folder_name, name);
        if (r != 0)
                return fail(ret_error, "cannot use the secret %s/%s: %s", folder_name, name, strerror(-r));
        free(*field);
        *field = secret;
        return 0;
}

int secrets_fill(struct config *config, bool make, char **ret_error) {
        if (make && mkdir(config->data, 0700) != 0 && errno != EEXIST)
                return fail(ret_error, "cannot make the data folder %s: %s", config->data, strerror(errno));
        int folder = open(config->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0 && errno == ENOENT && !make)
                return 0;
        if (folder < 0)
                return fail(ret_error, "cannot open the data folder %s: %s", config->data, strerror(errno));
        int r = fill(&config->jwt_secret, folder, config->data, "jwt-secret", make, ret_error);
        if (r == 0)
                r = fill(&config->api_key, folder, config->data, "api-key", make, ret_error);
        close(folder);
        return r;
}
