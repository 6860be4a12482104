/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sheet.h: a file that a report will stand in: opened before the run, so that an hour of load is not spent for nothing, and
 * written as a whole after it.
 *
 * Until then a file of that name stays what it is: the new one lies beside it, as NAME.TAG.part, and takes its place when it is
 * complete. What is no plain file (/dev/stdout, a pipe, a symbolic link) is written to directly. Texts are borrowed. Errors are
 * -errno.
 */
#pragma once
#include "base/slice.h"

struct sheet {
        const char *path; /* NULL: none was asked for, and nothing happens */
        char *part;       /* where it is written first; NULL: it is written to directly */
        int fd;
};

#define SHEET_NONE ((struct sheet){ .fd = -1 })

/* tag makes the name of the file beside it one of its own. */
__attribute__((warn_unused_result)) int sheet_open(struct sheet *sheet, const char *path, const char *tag);
/* Writes all of it and closes it. Once, and only after sheet_open(). */
__attribute__((warn_unused_result)) int sheet_write(struct sheet *sheet, struct slice text);
/* Closes it; what was not written is gone. */
void sheet_drop(struct sheet *sheet);
