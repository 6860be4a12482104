/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h: the client's side of TLS over memory: bytes from the socket go in, bytes for the socket come out.
 *
 * 1. It never does I/O, so whoever has a socket keeps it (link.c writes with libuv).
 * 2. A peer is believed only if its certificate chains to a known authority and names the host that was asked for (RFC 6125;
 *    for an address its iPAddress entry). There is no way to turn this off. TLS 1.2 or later.
 * 3. After TLS_E_PEER nothing but tls_output(), tls_error() and tls_free() makes sense.
 */
#pragma once
#include <stddef.h>
#include "base/slice.h"

struct buf;
struct tls;

enum {
        TLS_E_WAIT = 1, /* needs more bytes from the peer */
        TLS_E_END,      /* the peer has said that nothing more comes */
        TLS_E_PEER,     /* the peer is not who it should be, or broke the protocol: tls_error() says which */
        TLS_E_CA,       /* the file of authorities cannot be used */
};

/* host is a name or an IP address. ca_file NULL: the system's authorities. 0, -ENOMEM or TLS_E_CA. */
__attribute__((warn_unused_result)) int tls_new(const char *host, const char *ca_file, struct tls **ret_tls);
struct tls *tls_free(struct tls *tls);

/* Takes in what came from the socket: 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int tls_feed(struct tls *tls, struct slice bytes);
/* One move of the handshake: 0 when it is done, TLS_E_WAIT or TLS_E_PEER. Begin with one call, then one after each feed. */
__attribute__((warn_unused_result)) int tls_step(struct tls *tls);
/* The next plain bytes, once the handshake is done: 0 and 1 … size bytes, TLS_E_WAIT, TLS_E_END or TLS_E_PEER. */
__attribute__((warn_unused_result)) int tls_read(struct tls *tls, void *out, size_t size, size_t *ret_len);
/* Encrypts plain bytes: 0 (all), TLS_E_PEER, or TLS_E_WAIT (none: offer them again, more may have joined, after the next feed).
 */
__attribute__((warn_unused_result)) int tls_write(struct tls *tls, struct slice bytes);
/* Appends to out what must now go to the socket. Ask after each of the calls above: reading may have to answer. */
void tls_output(struct tls *tls, struct buf *out);

/* Why the last call failed, in words. Lives as long as tls. */
const char *tls_error(const struct tls *tls);
