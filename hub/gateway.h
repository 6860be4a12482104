/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.h: libwebsockets, and the rules for it that were paid for.
 *
 * Everything that knows lws's callbacks is here: upgrades are checked and refused, WebSocket messages put together,
 * HTTP requests read; then session.h and http.h have it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct acceptor;
struct hub;

/* The lws context on the hub's loop, without listeners of its own. 0 or -EIO (logged). */
__attribute__((warn_unused_result)) int gateway_open(struct hub *hub);
/* Closes all connections; then, once the loop has closed its handles, deinit frees the context. */
void gateway_close(struct hub *hub);
void gateway_deinit(struct hub *hub);

/* Gives an accepted socket to lws; it is lws's then, also on failure. Returns false on failure. */
bool gateway_adopt(struct hub *hub, int fd);
/*
 * The I/O of a turn of the loop is done: whoever had more to say than lws reads at a time is read on, each by turns, as far as
 * LIMIT_READS and LIMIT_READS_US go.
 */
void gateway_read_on(struct hub *hub);
/* Others wait: drops the connections whose handshake has taken patience_ms. */
void gateway_hurry(struct hub *hub, uint64_t patience_ms);
