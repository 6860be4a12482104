/* SPDX-License-Identifier: Apache-2.0 */
/* keyfile.c: see keyfile.h. */
#include "push/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/buf.h"
#include "base/limits.h"

int keyfile_refuse(int answer, char **ret_error, const char *format, ...) {
        va_list args;
        va_start(args, format);
        int r = vasprintf(ret_error, format, args);
        va_end(args);
        return r < 0 ? -ENOMEM : answer;
}

void keyfile_clean(struct buf *buf) {
        if (buf->ptr)
                OPENSSL_cleanse(buf->ptr, buf->len);
        buf_deinit(buf);
}

int keyfile_read(const char *path, struct buf *out, char **ret_error) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return keyfile_refuse(KEYFILE_E_BAD, ret_error, "%s: %s", path, strerror(errno));
        char bytes[LIMIT_PUSH_KEY_FILE_BYTES + 1]; /* one more, to see that there is more */
        size_t len = 0;
        ssize_t got;
        while ((got = read(fd, bytes + len, sizeof(bytes) - len)) > 0)
                len += (size_t)got;
        int error = errno;
        close(fd);
        int r = 0;
        if (got < 0)
                r = keyfile_refuse(KEYFILE_E_BAD, ret_error, "%s: %s", path, strerror(error));
        else if (len > LIMIT_PUSH_KEY_FILE_BYTES)
                r = keyfile_refuse(KEYFILE_E_BAD, ret_error, "%s: it has more than %d bytes", path, LIMIT_PUSH_KEY_FILE_BYTES);
        else
                buf_add(out, bytes, len);
        OPENSSL_cleanse(bytes, sizeof(bytes));
        return r == 0 && buf_failed(out) ? -ENOMEM : r;
}
