/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.h: a push in its provider's words: the HTTP request that will be sent, written once for an attempt.
 *
 * 1. A header's value has only printable ASCII, so nothing of a push can add a header or end one.
 * 2. Whoever writes it adds without looking; draft_failed() says in the end whether there was memory.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

enum { DRAFT_HEADERS = 16 };

enum {
        DRAFT_E_BAD = 1, /* this push cannot be written for this provider: draft.reason says why (a literal) */
        DRAFT_E_WAIT,    /* the credential is not ready, and will call when it is */
        DRAFT_E_AUTH,    /* the credential is of no use: draft.reason */
        DRAFT_E_LATER,   /* the credential will not be ready for draft.wait_ms: draft.reason */
};

struct draft {
        struct buf url;
        struct buf headers;  /* "name: value", each ended by NUL */
        struct buf body;
        const char *reason;
        uint64_t wait_ms;
};

void draft_init(struct draft *draft);
void draft_deinit(struct draft *draft); /* wipes: it holds tokens */
bool draft_failed(const struct draft *draft);

void draft_add_header(struct draft *draft, const char *name, const char *value);
void draft_add_number(struct draft *draft, const char *name, int64_t value);
/* Fills names with pointers to the headers, NULL behind the last. */
void draft_get_headers(const struct draft *draft, const char *ret_headers[static DRAFT_HEADERS + 1]);

/*
 * The name under which a push replaces another, for providers that take up to max bytes: collapse itself if it fits and has only
 * printable ASCII, else the first 43 characters of the base64url of its SHA-256. out has max + 1 bytes, max at least 43.
 */
void draft_collapse(struct slice collapse, char *out, size_t max);
/* The same, always 32 characters of base64url: what each push service takes as Topic (RFC 8030 section 5.4), Apple's too. */
enum { DRAFT_TOPIC_BYTES = 32 };
void draft_topic(struct slice collapse, char out[static DRAFT_TOPIC_BYTES + 1]);
