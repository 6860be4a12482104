/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsframe.h: the frames of a WebSocket (RFC 6455 section 5), as bytes in and bytes out.
 *
 * It keeps no state and never allocates. Continuations are read as any other opcode: who cannot take them says so.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum { WSFRAME_TEXT = 1, WSFRAME_BINARY = 2, WSFRAME_CLOSE = 8, WSFRAME_PING = 9, WSFRAME_PONG = 10 };

enum {
        WSFRAME_E_WAIT = 1, /* the frame is not whole yet */
        WSFRAME_E_BAD,      /* no frame, or longer than the caller takes */
};

enum { WSFRAME_HEAD_BYTES = 14, WSFRAME_ACCEPT_BYTES = 28, WSFRAME_CONTROL_BYTES = 125 };

struct wsframe {
        unsigned opcode;
        bool final;
        bool masked;
        uint8_t mask[4];
        size_t head_len;
        size_t payload_len;
};

/* The frame that bytes begin with: 0 if it is whole, else an answer. */
__attribute__((warn_unused_result)) int wsframe_parse(struct slice bytes, size_t payload_max, struct wsframe *ret_frame);

/* Writes the head of a final frame and returns its length. mask NULL: a server's frame. */
size_t wsframe_head(char out[static WSFRAME_HEAD_BYTES], unsigned opcode, size_t payload_len, const uint8_t *mask);

/* Masks or unmasks in place (section 5.3). */
void wsframe_mask(char *payload, size_t len, const uint8_t mask[static 4]);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2). No NUL is written. */
void wsframe_accept(struct slice key, char out[static WSFRAME_ACCEPT_BYTES]);
