/* SPDX-License-Identifier: Apache-2.0 */
/* attempt.c: see attempt.h. Under constant change of members a call could starve; after some tries it ends as unavailable. */
#include "fanout/attempt.h"

#include "fanout/doubt.h"
#include "fanout/fanout.h"
#include "fanout/roster.h"
#include "fanout/store.h"

enum { ATTEMPT_TRIES = 8 };

static const struct roster attempt_nobody = { .refs = 1 };

static void attempt_on_reply(void *arg, const struct redisReply *reply);

static int attempt_try(struct attempt *attempt) {
        roster_unref(attempt->roster);
        struct roster *known = roster_find(attempt->fanout->rosters, attempt->conv);
        attempt->roster = known ? roster_ref(known) : NULL;
        struct call *call = store_call(attempt->fanout->store, attempt->function);
        attempt->build(attempt, call, known ? known : &attempt_nobody);
        return store_call_send(call, attempt_on_reply, attempt);
}

static int attempt_answer(struct slice code) {
        static const struct {
                const char *code;
                int answer;
        } rows[] = {
                { "not_found", FANOUT_E_NOT_FOUND },
                { "forbidden", FANOUT_E_FORBIDDEN },
                { "bad_request", FANOUT_E_BAD_REQUEST },
                { "conflict", FANOUT_E_CONFLICT },
                { "channel", FANOUT_E_CHANNEL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (slice_is(code, rows[i].code))
                        return rows[i].answer;
        return FANOUT_E_UNAVAILABLE;
}

static void attempt_on_doubted(void *arg, int answer) {
        struct attempt *attempt = arg;
        attempt->done(attempt, answer, NULL);
}

static void attempt_end(struct attempt *attempt, int answer) {
        if (answer != FANOUT_E_NOT_FOUND)
                attempt->done(attempt, answer, NULL);
        else if (doubt_start(attempt->fanout, attempt_on_doubted, attempt))
                attempt->done(attempt, FANOUT_E_UNAVAILABLE, NULL);
}

static void attempt_on_reply(void *arg, const struct redisReply *reply) {
        struct attempt *attempt = arg;
        if (!reply) {
                attempt->done(attempt, FANOUT_E_UNAVAILABLE, NULL);
                return;
        }
        struct slice word = store_text(store_item(reply, 0));
        if (slice_is(word, "err")) {
                attempt_end(attempt, attempt_answer(store_text(store_item(reply, 1))));
                return;
        }
        if (!slice_is(word, "members")) {
                attempt->done(attempt, 0, reply);
                return;
        }
        bool known = roster_update(attempt->fanout->rosters, attempt->conv, store_text(store_item(reply, 1)), store_item(reply, 2)) == 0;
        if (attempt->once && known)
                attempt->done(attempt, FANOUT_E_MEMBERS, NULL);
        else if (!known || ++attempt->tries >= ATTEMPT_TRIES || attempt_try(attempt) != 0)
                attempt->done(attempt, FANOUT_E_UNAVAILABLE, NULL);
}

int attempt_start(struct attempt *attempt) {
        int r = attempt_try(attempt);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

void attempt_deinit(struct attempt *attempt) {
        attempt->roster = roster_unref(attempt->roster);
}
