/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsock.h: the client's side of the WebSocket protocol (RFC 6455) over memory: bytes in, messages out, and back.
 *
 * Our own, as libwebsockets would bring its loop, its TLS and 300 KB into every app for what is here in 200 lines: no extensions,
 * text only, one connection.
 *
 * 1. Whatever comes ends in messages or in WSOCK_BROKEN. What is not text, masked, or above the limit is broken.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/slice.h"

enum { WSOCK_KEY_SIZE = 25, WSOCK_ACCEPT_SIZE = 29 };

enum wsock_kind { WSOCK_MORE, WSOCK_TEXT, WSOCK_PING, WSOCK_PONG, WSOCK_CLOSE, WSOCK_BROKEN };

struct wsock_item {
        enum wsock_kind kind;
        struct slice payload; /* lent until the next wsock_read() */
        int code;             /* of a close; 1005 if it has none (section 7.1.5) */
};

struct wsock {
        unsigned char head[14];
        size_t head_len;
        bool in_frame, fin, in_message;
        unsigned opcode;
        uint64_t left; /* of the present frame */
        struct buf message, control;
        bool done; /* message was given out */
};

void wsock_init(struct wsock *wsock, size_t limit_bytes);
void wsock_deinit(struct wsock *wsock);
/* The next item from *bytes, which moves on; WSOCK_MORE when it is used up. */
struct wsock_item wsock_read(struct wsock *wsock, struct slice *bytes);

/* One frame, masked with mask (section 5.3). opcode 1 text, 8 close, 9 ping, 10 pong. */
void wsock_write(struct buf *out, unsigned opcode, struct slice payload, uint32_t mask);
void wsock_write_close(struct buf *out, int code, uint32_t mask);

/* Sec-WebSocket-Key from 16 random bytes, and the Sec-WebSocket-Accept that answers it (section 4.2.2). */
void wsock_key(const unsigned char random[16], char out[WSOCK_KEY_SIZE]);
void wsock_accept(const char *key, char out[WSOCK_ACCEPT_SIZE]);
