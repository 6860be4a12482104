/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c: see follow.h. */
#include "client/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/asked.h"
#include "client/db.h"
#include "client/inbound.h"
#include "client/speech.h"

void follow_deinit(struct follow *follow) {
        free(follow->users);
        free(follow->refused);
        *follow = (struct follow){ .users = NULL };
}

void follow_begin(struct follow *follow) {
        follow->conv[0] = '\0';
        follow->says_convs = true;
        follow->users_said = 0;
        follow->refused_count = 0;
}

/* ---- channels ---- */

static bool say_channel(struct asked *asked, struct buf *out, const char *conv, const char *epoch, int64_t since) {
        struct asked_row *request = asked_add(asked, ASKED_SUBSCRIBE, conv);

        if (!request)
                return false;
        request->seq = epoch[0] ? since : -1;
        speech_subscribe(out, request->id, conv, epoch, since);
        return true;
}

static void say_channels(struct follow *follow, struct db *db, struct asked *asked, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT conv, since, since_epoch FROM conversations WHERE subscribed = 1 AND conv > ? ORDER BY conv",
                         "t", follow->conv);
        char conv[LIMIT_ID_BYTES + 1], epoch[INBOUND_WORD_BYTES];
        bool said = true;

        while (said && db_next(db, rows)) {
                snprintf(conv, sizeof(conv), "%s", db_text(rows, 0).ptr);
                snprintf(epoch, sizeof(epoch), "%s", db_is_null(rows, 2) ? "" : db_text(rows, 2).ptr);
                said = say_channel(asked, out, conv, epoch, db_int(rows, 1));
                if (said)
                        memcpy(follow->conv, conv, sizeof(follow->conv));
        }
        db_done(rows);
        follow->says_convs = !said;
}

void follow_subscribe(struct follow *follow, struct db *db, const char *conv, bool online, struct asked *asked, struct buf *out) {
        db_run(db,
               "INSERT INTO conversations (conv, kind, subscribed) VALUES (?1, 'channel', 1) ON CONFLICT DO UPDATE SET "
               "subscribed "
               "= 1",
               "t", conv);
        if (!online || (follow->says_convs && strcmp(conv, follow->conv) > 0))
                return; /* its turn comes */
        if (!say_channel(asked, out, conv, "", 0)) {
                follow->says_convs = true; /* from the beginning: who is asked for twice answers twice */
                follow->conv[0] = '\0';
        }
}

void follow_unsubscribe(struct db *db, const char *conv, bool online, struct asked *asked, struct buf *out) {
        struct asked_row *request;

        db_run(db,
               "INSERT INTO conversations (conv, kind, subscribed) VALUES (?1, 'channel', 0) ON CONFLICT DO UPDATE SET "
               "subscribed "
               "= 0, since = NULL, since_epoch = NULL",
               "t", conv);
        request = online ? asked_add(asked, ASKED_BY_APP, conv) : NULL;
        if (request)
                speech_unsubscribe(out, request->id, conv);
}

/* ---- users ---- */

static size_t find_user(const struct follow *follow, const char *user) {
        size_t i = 0;

        while (i < follow->users_count && strcmp(follow->users[i], user) != 0)
                i++;
        return i;
}

static void say_users(struct follow *follow, struct asked *asked, struct buf *out) {
        while (follow->users_said < follow->users_count) {
                size_t count = follow->users_count - follow->users_said;
                struct asked_row *request = asked_add(asked, ASKED_WATCH, "");

                if (!request)
                        return;
                count = count > LIMIT_LIST_ITEMS ? LIMIT_LIST_ITEMS : count;
                speech_users(out, request->id, "watch", follow->users + follow->users_said, count);
                follow->users_said += count;
        }
}

/* ---- what was refused for now ---- */

int follow_refused(struct follow *follow, const char *conv, uint64_t until_ms) {
        struct follow_refusal *refused = realloc(follow->refused, (follow->refused_count + 1) * sizeof(*refused));

        if (!refused)
                return -ENOMEM;
        follow->refused = refused;
        refused += follow->refused_count++;
        refused->until_ms = until_ms;
        snprintf(refused->conv, sizeof(refused->conv), "%s", conv);
        return 0;
}

uint64_t follow_due_ms(const struct follow *follow) {
        uint64_t due_ms = 0;

        for (size_t i = 0; i < follow->refused_count; i++)
                if (follow->refused[i].until_ms && (due_ms == 0 || follow->refused[i].until_ms < due_ms))
                        due_ms = follow->refused[i].until_ms;
        return due_ms;
}

/* A channel that may have been left meanwhile. False: there is no place. */
static bool say_channel_again(struct db *db, const char *conv, struct asked *asked, struct buf *out) {
        struct sqlite3_stmt *rows =
                db_query(db, "SELECT since, since_epoch FROM conversations WHERE subscribed = 1 AND conv = ?", "t", conv);
        char epoch[INBOUND_WORD_BYTES];
        bool said = true;

        if (db_next(db, rows)) {
                snprintf(epoch, sizeof(epoch), "%s", db_is_null(rows, 1) ? "" : db_text(rows, 1).ptr);
                said = say_channel(asked, out, conv, epoch, db_int(rows, 0));
        }
        db_done(rows);
        return said;
}

static void say_refused(struct follow *follow, struct db *db, uint64_t now_ms, struct asked *asked, struct buf *out) {
        for (size_t i = follow->refused_count; i-- > 0;) {
                struct follow_refusal *refusal = &follow->refused[i];

                if (refusal->until_ms > now_ms)
                        continue;
                if (!refusal->conv[0]) {
                        follow->users_said = 0; /* all of them: who is watched already is told of once more */
                } else if (!say_channel_again(db, refusal->conv, asked, out)) {
                        refusal->until_ms = 0;
                        continue;
                }
                *refusal = follow->refused[--follow->refused_count];
        }
}

void follow_pump(struct follow *follow, struct db *db, uint64_t now_ms, struct asked *asked, struct buf *out) {
        say_refused(follow, db, now_ms, asked, out);
        if (follow->says_convs)
                say_channels(follow, db, asked, out);
        say_users(follow, asked, out);
}

int follow_watch(struct follow *follow, const char *user) {
        char(*users)[LIMIT_ID_BYTES + 1];

        (void)follow_unwatch(follow, user); /* to the end, so that it is asked for again */
        if (follow->users_count == LIMIT_WATCHED_USERS)
                return FOLLOW_E_FULL;
        users = realloc(follow->users, (follow->users_count + 1) * sizeof(*users));
        if (!users)
                return -ENOMEM;
        follow->users = users;
        snprintf(users[follow->users_count++], sizeof(*users), "%s", user);
        return 0;
}

bool follow_unwatch(struct follow *follow, const char *user) {
        size_t at = find_user(follow, user);

        if (at == follow->users_count)
                return false;
        follow->users_count--;
        follow->users_said -= at < follow->users_said;
        memmove(follow->users + at, follow->users + at + 1, (follow->users_count - at) * sizeof(*follow->users));
        return true;
}
