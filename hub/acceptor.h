/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acceptor.h: takes connections from the kernel, and gives them to lws at the pace it can bear.
 *
 * 1. The kernel's queue is emptied at once into a FIFO of our own; at most LIMIT_HANDSHAKES are in lws before their upgrade.
 * 2. Out of file descriptors, a reserved one is given up to accept and close the next peer, so the loop never spins.
 */
#pragma once
#include <sys/socket.h>

struct acceptor;
struct hub;

/* Listens with SO_REUSEPORT. NULL on failure (logged). */
struct acceptor *acceptor_open(struct hub *hub, const struct sockaddr *address, socklen_t address_len);
/* Stops listening and drops who waits; memory goes with acceptor_free(), after the loop has run once more. */
void acceptor_close(struct acceptor *acceptor);
struct acceptor *acceptor_free(struct acceptor *acceptor);

/* Ten times a second: who takes long makes room for who waits. */
void acceptor_tick(struct acceptor *acceptor);
/* A connection is past its handshake (or gone): the next may come. */
void acceptor_settled(struct acceptor *acceptor);
