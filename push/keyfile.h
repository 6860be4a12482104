/* SPDX-License-Identifier: Apache-2.0 */
/* keyfile.h: the files that sections of push name: keys, certificates, service accounts. Their content appears in no message. */
#pragma once

struct buf;

enum { KEYFILE_E_BAD = 1 };

/* Appends the file's content: 0; KEYFILE_E_BAD and a line in *ret_error (free() it); or -ENOMEM. */
__attribute__((warn_unused_result)) int keyfile_read(const char *path, struct buf *out, char **ret_error);
/* Wipes and frees what was read. */
void keyfile_clean(struct buf *buf);
#define _cleanup_keyfile_ __attribute__((cleanup(keyfile_clean)))

/* *ret_error becomes the line; returns answer, or -ENOMEM. */
__attribute__((format(printf, 3, 4), warn_unused_result)) int keyfile_refuse(int answer, char **ret_error, const char *format, ...);
