/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h: what the hub has told this device, as it is kept: conversations, entries, receipts, cursor.
 *
 * Everything here happens inside a transaction of the caller (client/db.h), whose failures stick there.
 *
 * 1. An event is taken once: what has an n not above the cursor changes nothing. The cursor moves in the same transaction.
 * 2. An entry that is known is never added again, whichever way it comes back: event, `sent`, history, sync.
 * 3. Watermarks only rise. An edit never undoes a later one. What was deleted stays deleted.
 * 4. After a gap, a reset, or on a device without a past, reload is due, and stays due over restarts until all of it was done.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct buf;
struct db;
struct inbound;

enum ledger_verdict { LEDGER_SEEN, LEDGER_TAKEN, LEDGER_GAP, LEDGER_RESET };

/* A numbered event, a gap or a reset. */
enum ledger_verdict ledger_take(struct db *db, const struct inbound *event, int64_t wall_ms);
/* An entry of a subscribed channel: it has no n. */
void ledger_take_channel(struct db *db, const struct inbound *event);
/* The answer to a subscription, asked for (since, or -1) or not; and its end. */
void ledger_subscribed(struct db *db, const struct inbound *event, int64_t asked_since);
void ledger_end_subscription(struct db *db, const char *conv, struct slice raw);
/* `sent`: what the outbox holds under its op becomes an entry. True if it was there. */
bool ledger_take_sent(struct db *db, const struct inbound *sent, int64_t wall_ms);

/* welcome (or the first sync): who we are, and where the device stands if the store knows no place yet. */
void ledger_begin(struct db *db, struct slice user, struct slice device, struct slice epoch, int64_t cursor);
int64_t ledger_cursor(struct db *db);

/* ---- reloading ---- */

bool ledger_reload_is_due(struct db *db);
/* A page of conversations; begin on the first one, end behind the last. */
/* Which listing this is: one that began later, here or in another process, makes its end worth nothing, and reload stays due. */
int64_t ledger_conversations_begin(struct db *db);
void ledger_take_conversations(struct db *db, const struct inbound *page);
/* There is a page behind this one, which was asked for by after ("": the first). It is above, byte by byte: no hub makes us go
 * round in circles. */
bool ledger_page_goes_on(const struct inbound *page, const char *after);
void ledger_conversations_end(struct db *db, int64_t listing);
/* A conversation whose latest page is to be asked for: false if there is none. */
bool ledger_next_to_load(struct db *db, char *conv, size_t size);
/* A page of history. latest: the one that ledger_next_to_load() asked for; what does not join on to it is dropped. */
void ledger_take_history(struct db *db, const struct inbound *page, bool latest, int64_t wall_ms);
/* The hub refused it: it is not asked for again. */
void ledger_give_up_loading(struct db *db, const char *conv);
void ledger_take_members(struct db *db, const struct inbound *page);

/* ---- reading ---- */

/* The user has read up to seq. */
void ledger_read(struct db *db, struct slice conv, int64_t seq);
/* A mark the hub has not been told: false if there is none. */
bool ledger_next_read(struct db *db, char *conv, size_t size, int64_t *ret_seq);
void ledger_read_told(struct db *db, const char *conv, int64_t seq);

/* ---- the feed of changes ---- */

/* what: entry, changed, outbox, receipt, member, members, notification, conversation, gap, reset. word: what became of it. */
void ledger_note(struct db *db, const char *what, struct slice conv, int64_t seq, struct slice name, struct slice word);
int64_t ledger_last_change(struct db *db);
/* Appends a change as one JSON object on one line. False if what it names is no more. */
struct ledger_change {
        int64_t change, seq;
        struct slice what, conv, name, word; /* lent */
};
bool ledger_print_change(struct db *db, const struct ledger_change *change, struct buf *out);
/* Appends an entry, as the protocol shows it, without its braces; with what waits in the outbox about it, if asked. False if
 * there is none. */
bool ledger_print_entry(struct db *db, struct slice conv, int64_t seq, bool with_outbox, struct buf *out);
/* Appends JSON without line ends: between its words they may be a space. */
void ledger_add_line(struct buf *out, struct slice json);
