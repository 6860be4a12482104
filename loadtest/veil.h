/* SPDX-License-Identifier: Apache-2.0 */
/*
 * veil.h: TLS over a socket that does not wait, for as many clients as possible.
 *
 * Other than base/tls.h it reads and writes the socket itself, gives its buffers back when a client is idle, comes back with the
 * ticket of an earlier session (RFC 8446 section 2.2), and can be told to believe any certificate: it measures, and protects
 * nobody.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct veil_context; /* what all clients of a process share */
struct veil;         /* one of them */

enum {
        VEIL_E_READ = 1, /* wants the socket to be readable */
        VEIL_E_WRITE,    /* … writable */
        VEIL_E_END,      /* it ended, or failed */
};

/* ca_path NULL: the system's authorities. fresh: nobody comes back with a ticket. NULL if that fails, and *ret_error, which is static, says why. */
struct veil_context *veil_context_new(const char *host, const char *ca_path, bool unverified, bool fresh, const char **ret_error);
struct veil_context *veil_context_free(struct veil_context *context);

struct veil *veil_new(struct veil_context *context, int fd); /* NULL without memory; fd stays the caller's */
struct veil *veil_free(struct veil *veil);

/* 0 or an answer. The process must ignore SIGPIPE. */
__attribute__((warn_unused_result)) int veil_handshake(struct veil *veil);
bool veil_is_resumed(const struct veil *veil); /* the handshake, which is done, went by a ticket */
__attribute__((warn_unused_result)) int veil_read(struct veil *veil, void *out, size_t size, size_t *ret_len);
__attribute__((warn_unused_result)) int veil_write(struct veil *veil, const void *bytes, size_t len, size_t *ret_len);
