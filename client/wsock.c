/* SPDX-License-Identifier: Apache-2.0 */
/* wsock.c: see wsock.h. */
#include "client/wsock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10, CONTROL_BYTES = 125 };

void wsock_init(struct wsock *wsock, size_t limit_bytes) {
        memset(wsock, 0, sizeof(*wsock));
        buf_init(&wsock->message, limit_bytes);
        buf_init(&wsock->control, CONTROL_BYTES);
}

void wsock_deinit(struct wsock *wsock) {
        buf_deinit(&wsock->message);
        buf_deinit(&wsock->control);
}

static size_t head_size(const unsigned char *head) {
        unsigned length = head[1] & 0x7f;

        return length < 126 ? 2 : length == 126 ? 4 : 10;
}

/* The head is complete (RFC 6455 section 5.2). False if it breaks the protocol, or our limits. */
static bool begin_frame(struct wsock *wsock) {
        const unsigned char *head = wsock->head;
        size_t size = head_size(head);

        wsock->fin = head[0] & 0x80;
        wsock->opcode = head[0] & 0x0f;
        wsock->left = size == 2 ? head[1] & 0x7f : 0;
        for (size_t i = 2; i < size; i++)
                wsock->left = wsock->left << 8 | head[i];
        wsock->in_frame = true;
        wsock->head_len = 0;
        if ((head[0] & 0x70) || (head[1] & 0x80))
                return false; /* an extension nobody asked for; masked by a server */
        if (wsock->opcode >= OP_CLOSE) {
                buf_clear(&wsock->control);
                return wsock->fin && wsock->left <= CONTROL_BYTES && wsock->opcode <= OP_PONG;
        }
        if (wsock->opcode != (wsock->in_message ? OP_CONTINUE : OP_TEXT))
                return false;
        wsock->in_message = true;
        return wsock->left <= wsock->message.limit - wsock->message.len;
}

/* The frame is complete: what it makes of it, WSOCK_MORE for a part of a message. */
static struct wsock_item end_frame(struct wsock *wsock) {
        struct wsock_item item = { .kind = WSOCK_MORE, .payload = buf_slice(&wsock->control) };

        wsock->in_frame = false;
        switch (wsock->opcode) {
        case OP_PING:
                item.kind = WSOCK_PING;
                break;
        case OP_PONG:
                item.kind = WSOCK_PONG;
                break;
        case OP_CLOSE:
                item.kind = WSOCK_CLOSE;
                item.code = item.payload.len < 2 ? 1005
                                                 : (unsigned char)item.payload.ptr[0] << 8 | (unsigned char)item.payload.ptr[1];
                if (item.payload.len >= 2)
                        item.payload = (struct slice){ item.payload.ptr + 2, item.payload.len - 2 };
                break;
        default:
                if (!wsock->fin)
                        break;
                wsock->in_message = false;
                wsock->done = true;
                item.kind = WSOCK_TEXT;
                item.payload = buf_slice(&wsock->message);
                break;
        }
        return item;
}

static size_t take(struct wsock *wsock, struct slice bytes) {
        size_t len = bytes.len < wsock->left ? bytes.len : (size_t)wsock->left;

        buf_add(wsock->opcode >= OP_CLOSE ? &wsock->control : &wsock->message, bytes.ptr, len);
        wsock->left -= len;
        return len;
}

struct wsock_item wsock_read(struct wsock *wsock, struct slice *bytes) {
        static const struct wsock_item broken = { .kind = WSOCK_BROKEN };

        if (wsock->done) {
                wsock->done = false;
                buf_clear(&wsock->message);
        }
        while (bytes->len > 0) {
                size_t taken = 1;

                if (wsock->in_frame) {
                        taken = take(wsock, *bytes);
                } else {
                        wsock->head[wsock->head_len++] = (unsigned char)*bytes->ptr;
                        if (wsock->head_len >= 2 && wsock->head_len == head_size(wsock->head) && !begin_frame(wsock))
                                return broken;
                }
                *bytes = (struct slice){ bytes->ptr + taken, bytes->len - taken };
                if (buf_failed(&wsock->message) || buf_failed(&wsock->control))
                        return broken;
                if (wsock->in_frame && wsock->left == 0) {
                        struct wsock_item item = end_frame(wsock);

                        if (item.kind != WSOCK_MORE)
                                return item;
                }
        }
        return (struct wsock_item){ .kind = WSOCK_MORE };
}

void wsock_write(struct buf *out, unsigned opcode, struct slice payload, uint32_t mask) {
        const unsigned char key[4] = { (unsigned char)(mask >> 24), (unsigned char)(mask >> 16), (unsigned char)(mask >> 8),
                                       (unsigned char)mask };
        char *to;

        buf_add_char(out, (char)(0x80 | opcode));
        if (payload.len < 126) {
                buf_add_char(out, (char)(0x80 | payload.len));
        } else if (payload.len < 65536) {
                buf_add(out, (char[]){ (char)(0x80 | 126), (char)(payload.len >> 8), (char)payload.len }, 3);
        } else {
                buf_add_char(out, (char)(0x80 | 127));
                for (int shift = 56; shift >= 0; shift -= 8)
                        buf_add_char(out, (char)((uint64_t)payload.len >> shift));
        }
        buf_add(out, key, 4);
        to = payload.len ? buf_reserve(out, payload.len) : NULL;
        if (!to)
                return;
        for (size_t i = 0; i < payload.len; i++)
                to[i] = (char)((unsigned char)payload.ptr[i] ^ key[i & 3]);
        buf_commit(out, payload.len);
}

void wsock_write_close(struct buf *out, int code, uint32_t mask) {
        const char payload[2] = { (char)(code >> 8), (char)code };

        wsock_write(out, OP_CLOSE, (struct slice){ payload, 2 }, mask);
}

void wsock_key(const unsigned char random[16], char out[WSOCK_KEY_SIZE]) {
        EVP_EncodeBlock((unsigned char *)out, random, 16);
}

void wsock_accept(const char *key, char out[WSOCK_ACCEPT_SIZE]) {
        char joined[WSOCK_KEY_SIZE + 36];
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;

        snprintf(joined, sizeof(joined), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
        out[0] = '\0';
        if (EVP_Digest(joined, strlen(joined), digest, &len, EVP_sha1(), NULL) == 1 && len == 20)
                EVP_EncodeBlock((unsigned char *)out, digest, 20);
}
