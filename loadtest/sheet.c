/* SPDX-License-Identifier: Apache-2.0 */
/* sheet.c: see sheet.h. */
#include "loadtest/sheet.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"

enum { PART_BYTES = 8192, MODE = 0666 };

/* Beside the file, if that is possible: who may write a file may not always make one in its folder. */
static int open_part(struct sheet *sheet, const char *tag) {
        struct buf name = BUF_INIT(PART_BYTES);
        buf_printf(&name, "%s.%s.part", sheet->path, tag);
        if (buf_failed(&name))
                return name.error;
        sheet->part = buf_take(&name, NULL);
        sheet->fd = open(sheet->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
        return sheet->fd < 0 ? -errno : 0;
}

static int open_itself(struct sheet *sheet) {
        sheet->fd = open(sheet->path, O_WRONLY | O_CREAT | O_CLOEXEC, MODE);
        return sheet->fd < 0 ? -errno : 0;
}

int sheet_open(struct sheet *sheet, const char *path, const char *tag) {
        struct stat there;
        *sheet = SHEET_NONE;
        sheet->path = path;
        if (!path)
                return 0;
        bool exists = lstat(path, &there) == 0;
        if (exists && (!S_ISREG(there.st_mode) || access(path, W_OK) != 0))
                return open_itself(sheet);
        int r = open_part(sheet, tag);
        if (r == 0)
                return 0;
        free(sheet->part);
        sheet->part = NULL;
        return exists ? open_itself(sheet) : r;
}

static int write_all(int fd, struct slice text) {
        while (text.len > 0) {
                ssize_t count = write(fd, text.ptr, text.len);
                if (count < 0 && errno != EINTR)
                        return -errno;
                if (count > 0)
                        text = (struct slice){ text.ptr + count, text.len - (size_t)count };
        }
        return 0;
}

int sheet_write(struct sheet *sheet, struct slice text) {
        if (!sheet->path)
                return 0;
        struct stat there;
        int r = 0;
        if (!sheet->part && fstat(sheet->fd, &there) == 0 && S_ISREG(there.st_mode) && ftruncate(sheet->fd, 0) != 0)
                r = -errno;
        if (r == 0)
                r = write_all(sheet->fd, text);
        int closed = close(sheet->fd) == 0 ? 0 : -errno;
        sheet->fd = -1;
        if (r == 0)
                r = closed;
        if (r == 0 && sheet->part && rename(sheet->part, sheet->path) != 0)
                r = -errno;
        if (r == 0) {
                free(sheet->part);
                sheet->part = NULL;
        }
        sheet_drop(sheet);
        return r;
}

void sheet_drop(struct sheet *sheet) {
        if (sheet->fd >= 0)
                close(sheet->fd);
        if (sheet->part)
                unlink(sheet->part);
        free(sheet->part);
        *sheet = SHEET_NONE;
}
