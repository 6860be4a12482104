/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.h: the keys that seal TLS session tickets (RFC 8446 section 4.6.1, RFC 5077), the same in all workers of a supervisor.
 *
 * Who comes back shows the ticket of an earlier connection and is spared the certificate; but the kernel gives it to any worker.
 *
 *   ticket#1  A key is for a period of monotonic time, and the next one is its digest. So workers agree without a word, a worker that is
 *             started later too (the supervisor moves its ring on before). Who learns a key can open nothing older: so the processes keep one
 *             ring each, which they move on once a minute at least.
 *   ticket#2  A ticket opens in the period it was sealed in and the next, hence for at least TICKET_PERIOD_MS, OpenSSL's own limit.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct ssl_ctx_st SSL_CTX;

enum { TICKET_KEY_BYTES = 32, TICKET_PERIOD_MS = 2 * 60 * 60 * 1000 };

struct ticket_ring {
        uint64_t period;
        unsigned char key[TICKET_KEY_BYTES], before[TICKET_KEY_BYTES];
        bool has_before;
};

/* A new ring, by chance. now_ms is monotonic. */
void ticket_ring_init(struct ticket_ring *ring, uint64_t now_ms);
/* Moves on to the period of now; what is too old is overwritten. */
void ticket_ring_step(struct ticket_ring *ring, uint64_t now_ms);

/* Tickets of this context are sealed and opened with the ring (borrowed, outlives it), by monotonic time. 0 or -EIO. */
__attribute__((warn_unused_result)) int ticket_use(SSL_CTX *context, struct ticket_ring *ring);
