/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.h: after a gap, a reset, or on a device without a past, the events do not tell all, so over a connection it is loaded:
 *
 *      due ──▶ conversations, page by page ──▶ latest history of each conversation with entries here ──▶ done
 *
 * That it is due, and for which conversations, is in the store (ledger#4); here is only what is under way in this session. One
 * page is asked for at a time. wake.c does the same by HTTP.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct asked;
struct asked_row;
struct buf;
struct db;
struct inbound;

struct reload {
        bool is_asking;    /* a page is on its way */
        int64_t listing;   /* of ledger_conversations_begin() */
        uint64_t again_ms; /* the hub refused for now: not before; 0: at once */
};

/* Inside a transaction. Asks for the next page, if one is due. */
void reload_pump(struct reload *reload, struct db *db, uint64_t now_ms, struct asked *asked, struct buf *out);
/* The answers: a page of conversations, which may ask for the next; the latest page of history; a refusal of either. */
void reload_on_conversations(struct reload *reload, struct db *db, const struct inbound *in, const struct asked_row *request,
                             struct asked *asked, struct buf *out);
/* A gap or a reset: what is under way knows nothing of it, so its answers count no longer, and all begins anew. */
void reload_restart(struct reload *reload, struct asked *asked);
void reload_on_history(struct reload *reload);
void reload_on_error(struct reload *reload, struct db *db, const struct inbound *in, const struct asked_row *request,
                     uint64_t now_ms);
