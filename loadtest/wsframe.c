/* SPDX-License-Identifier: Apache-2.0 */
/* wsframe.c: see wsframe.h. */
#include "loadtest/wsframe.h"
#include <openssl/evp.h>

int wsframe_parse(struct slice bytes, size_t payload_max, struct wsframe *ret_frame) {
        const uint8_t *at = (const uint8_t *)bytes.ptr;
        if (bytes.len < 2)
                return WSFRAME_E_WAIT;
        struct wsframe frame = {
                .opcode = at[0] & 0x0f,
                .final = at[0] & 0x80,
                .masked = at[1] & 0x80,
                .head_len = 2,
                .payload_len = at[1] & 0x7f,
        };
        if (at[0] & 0x70) /* extensions, and we offer none */
                return WSFRAME_E_BAD;
        size_t wide = frame.payload_len == 126 ? 2 : frame.payload_len == 127 ? 8 : 0;
        frame.head_len += wide + (frame.masked ? 4 : 0);
        if (bytes.len < frame.head_len)
                return WSFRAME_E_WAIT;
        uint64_t len = wide ? 0 : frame.payload_len;
        for (size_t i = 0; i < wide; i++)
                len = len << 8 | at[2 + i];
        frame.payload_len = (size_t)len;
        if (len > payload_max || (frame.opcode >= WSFRAME_CLOSE && frame.payload_len > WSFRAME_CONTROL_BYTES))
                return WSFRAME_E_BAD;
        if (frame.masked)
                memcpy(frame.mask, at + 2 + wide, 4);
        if (bytes.len - frame.head_len < frame.payload_len)
                return WSFRAME_E_WAIT;
        *ret_frame = frame;
        return 0;
}

size_t wsframe_head(char out[static WSFRAME_HEAD_BYTES], unsigned opcode, size_t payload_len, const uint8_t *mask) {
        uint8_t *at = (uint8_t *)out;
        size_t wide = payload_len < 126 ? 0 : payload_len < 65536 ? 2 : 8;
        at[0] = (uint8_t)(0x80 | opcode);
        at[1] = (uint8_t)((mask ? 0x80 : 0) | (wide == 0 ? payload_len : wide == 2 ? 126 : 127));
        for (size_t i = 0; i < wide; i++)
                at[2 + i] = (uint8_t)((uint64_t)payload_len >> (8 * (wide - 1 - i)));
        if (!mask)
                return 2 + wide;
        memcpy(at + 2 + wide, mask, 4);
        return 6 + wide;
}

void wsframe_mask(char *payload, size_t len, const uint8_t mask[static 4]) {
        for (size_t i = 0; i < len; i++)
                payload[i] = (char)(payload[i] ^ mask[i & 3]);
}

void wsframe_accept(struct slice key, char out[static WSFRAME_ACCEPT_BYTES]) {
        static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        char joined[128];
        unsigned char digest[EVP_MAX_MD_SIZE], text[WSFRAME_ACCEPT_BYTES + 1];
        size_t len = key.len < sizeof joined - sizeof magic ? key.len : sizeof joined - sizeof magic;
        memcpy(joined, key.ptr, len);
        memcpy(joined + len, magic, sizeof magic - 1);
        memset(out, '?', WSFRAME_ACCEPT_BYTES);
        if (!EVP_Digest(joined, len + sizeof magic - 1, digest, NULL, EVP_sha1(), NULL))
                return;
        EVP_EncodeBlock(text, digest, 20);
        memcpy(out, text, WSFRAME_ACCEPT_BYTES);
}
