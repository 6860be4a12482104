/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbound.h: one object from the hub, as a type. Behind it nothing from the network is text that must be looked at again.
 *
 * The hub is believed no more than it must be: an object that lacks what its type needs, or is too large for its field, is
 * INBOUND_BAD and has no effect. A type we do not know is INBOUND_UNKNOWN: a later hub may say more than we understand.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/slice.h"

enum inbound_type {
        INBOUND_UNKNOWN,
        INBOUND_BAD,
        INBOUND_WELCOME,
        INBOUND_CAUGHT_UP,
        INBOUND_ENTRY, /* message, edit, delete, react */
        INBOUND_MEMBER,
        INBOUND_NOTIFICATION,
        INBOUND_RECEIPT,
        INBOUND_GAP,
        INBOUND_RESET,
        INBOUND_SENT,
        INBOUND_OK,
        INBOUND_PONG,
        INBOUND_HISTORY,
        INBOUND_CONVERSATIONS,
        INBOUND_MEMBERS,
        INBOUND_SUBSCRIBED,
        INBOUND_WATCHING,
        INBOUND_ERROR,
        INBOUND_TYPING,
        INBOUND_SIGNAL,
        INBOUND_PRESENCE,
        INBOUND_GOAWAY,
        INBOUND_TOKEN_EXPIRING,
        INBOUND_CONVERSATION, /* one item of conversations: it names no type */
};

enum { INBOUND_WORD_BYTES = 33, INBOUND_TEXT_BYTES = 257 };

/* Texts are decoded, empty if absent; numbers are 0 if absent, has_… where that matters. Slices point into the text. */
struct inbound {
        enum inbound_type type;
        struct slice raw; /* the object */
        bool has_id, has_n, has_seq, has_hint;
        int64_t id, n, seq, ref, at, from_n, to_n, cursor, head;
        int64_t delivered, read, unread, ttl_ms, hint_ms, in_ms, version, ping_ms, window, max_frame;
        int64_t retry_base_ms, retry_max_ms, retry_reset_ms;
        bool active, more, fresh, temporary, deleted, duplicate, recovered;
        char kind[INBOUND_WORD_BYTES]; /* the type of an entry; the kind of a conversation */
        char epoch[INBOUND_WORD_BYTES];
        char code[INBOUND_WORD_BYTES];
        char action[INBOUND_WORD_BYTES];
        char role[INBOUND_WORD_BYTES];
        char conv[LIMIT_ID_BYTES + 1];
        char from[LIMIT_ID_BYTES + 1];
        char device[LIMIT_ID_BYTES + 1];
        char user[LIMIT_ID_BYTES + 1];
        char next[LIMIT_ID_BYTES + 1];
        char op[LIMIT_OP_BYTES + 1];
        char message[INBOUND_TEXT_BYTES];
        struct slice body;  /* ptr NULL if there is none */
        struct slice items; /* of history (entries), conversations and members (items) */
        struct slice reactions;
};

/* object must have passed scan_text() and be an object. */
void inbound_read(struct slice object, struct inbound *ret_inbound);
/* The same for an item of a list: what it is, the list says (INBOUND_CONVERSATION, INBOUND_ENTRY, INBOUND_UNKNOWN for a member).
 * conv: of the list, for an item that does not repeat it. */
void inbound_read_item(struct slice object, enum inbound_type type, const char *conv, struct inbound *ret_inbound);
