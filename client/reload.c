/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c: see reload.h. */
#include "client/reload.h"

#include <string.h>

#include "base/limits.h"
#include "client/asked.h"
#include "client/db.h"
#include "client/errand.h"
#include "client/inbound.h"
#include "client/ledger.h"
#include "client/speech.h"

enum { AGAIN_MS = 1000 };

/* after: "" for the first page. */
static void ask_page(struct reload *reload, const char *after, struct asked *asked, struct buf *out) {
        struct asked_row *request = asked_add(asked, ASKED_CONVERSATIONS, after);

        if (!request)
                return;
        reload->is_asking = true;
        speech_conversations(out, request->id, after);
}

void reload_pump(struct reload *reload, struct db *db, uint64_t now_ms, struct asked *asked, struct buf *out) {
        struct asked_row *request;
        char conv[LIMIT_ID_BYTES + 1];

        if (reload->is_asking || reload->again_ms > now_ms)
                return;
        reload->again_ms = 0;
        if (ledger_reload_is_due(db)) {
                ask_page(reload, "", asked, out);
                if (reload->is_asking)
                        reload->listing = ledger_conversations_begin(db);
        } else if (ledger_next_to_load(db, conv, sizeof(conv)) && (request = asked_add(asked, ASKED_LATEST, conv)) != NULL) {
                reload->is_asking = true;
                speech_history(out, request->id, conv);
        }
}

void reload_on_conversations(struct reload *reload, struct db *db, const struct inbound *in, const struct asked_row *request,
                             struct asked *asked, struct buf *out) {
        reload->is_asking = false;
        ledger_take_conversations(db, in);
        if (ledger_page_goes_on(in, request->name))
                ask_page(reload, in->next, asked, out);
        else
                ledger_conversations_end(db, reload->listing);
}

void reload_restart(struct reload *reload, struct asked *asked) {
        reload->is_asking = false;
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (asked->rows[i].kind == ASKED_CONVERSATIONS || asked->rows[i].kind == ASKED_LATEST)
                        asked_drop(&asked->rows[i]);
}

void reload_on_history(struct reload *reload) {
        reload->is_asking = false;
}

void reload_on_error(struct reload *reload, struct db *db, const struct inbound *in, const struct asked_row *request,
                     uint64_t now_ms) {
        bool for_good = request->kind == ASKED_LATEST && !in->temporary;

        reload->is_asking = false;
        if (for_good)
                ledger_give_up_loading(db, request->name);
        else
                reload->again_ms = now_ms + (uint64_t)errand_wait_ms(0, in->has_hint ? in->hint_ms : AGAIN_MS, 0);
}
