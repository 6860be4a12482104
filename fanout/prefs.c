/* SPDX-License-Identifier: Apache-2.0 */
/* prefs.c: see prefs.h; the store's side is lua/prefs.lua. */
#include "fanout/prefs.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { PREFS_ZONE_BYTES = 64, PREFS_TEXT_BYTES = 128, PREFS_FIELDS_BYTES = LIMIT_MUTES * (6 * LIMIT_ID_BYTES + 64) + 1024 };

bool prefs_is_time(struct slice text) {
        if (text.len != 5 || text.ptr[2] != ':')
                return false;
        static const char highest[] = "29:59";
        for (size_t i = 0; i < 5; i++)
                if (i != 2 && (text.ptr[i] < '0' || text.ptr[i] > highest[i]))
                        return false;
        return text.ptr[0] != '2' || text.ptr[1] <= '3';
}

static bool prefs_is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool prefs_is_zone(struct slice text) {
        char before = '/';
        if (text.len == 0 || text.len > PREFS_ZONE_BYTES)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                bool inner = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '_';
                /* A part begins with a letter, so no name climbs out of the folder of zones. */
                if (before == '/' ? !prefs_is_letter(c) : !prefs_is_letter(c) && !inner && c != '/')
                        return false;
                before = c;
        }
        return before != '/';
}

struct prefs_job {
        prefs_done_fn done;
        prefs_fields_fn done_fields;
        void *arg;
};

static int prefs_send(struct call *call, store_reply_fn on_reply, struct prefs_job *job) {
        int r = store_call_send(call, on_reply, job);
        if (r)
                free(job);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

static void prefs_on_set(void *arg, const struct redisReply *reply) {
        struct prefs_job *job = arg;
        bool good = reply && slice_is(store_text(store_item(reply, 0)), "ok");
        job->done(job->arg, !reply ? FANOUT_E_UNAVAILABLE : good ? 0 : FANOUT_E_CONFLICT);
        free(job);
}

int prefs_set(struct fanout *fanout, struct slice user, const struct prefs_change *change, prefs_done_fn done, void *arg) {
        struct prefs_job *job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->done = done;
        job->arg = arg;
        _cleanup_buf_ struct buf quiet = BUF_INIT(PREFS_TEXT_BYTES);
        const struct slice words[] = { change->from, change->to, change->zone };
        for (size_t i = 0; i < 3 && change->zone.len; i++) {
                if (i)
                        buf_add_char(&quiet, ' ');
                buf_add_slice(&quiet, words[i]);
        }
        struct call *call = store_call(fanout->store, "prefs_set");
        store_call_key(call, KEY_PREFS, user);
        store_call_key(call, KEY_USER, user);
        store_call_arg(call, change->conv);
        store_call_arg_int(call, change->until_ms);
        store_call_arg_int(call, change->has_quiet);
        store_call_arg(call, buf_slice(&quiet));
        store_call_arg_int(call, LIMIT_MUTES);
        return prefs_send(call, prefs_on_set, job);
}

static void prefs_add_quiet(struct buf *out, struct slice quiet) {
        static const char *const names[] = { "{\"from\":", ",\"to\":", ",\"zone\":" };
        for (size_t i = 0; i < 3; i++) {
                buf_add_text(out, names[i]);
                buf_add_json(out, words_take(&quiet, ' '));
        }
        buf_add_char(out, '}');
}

static void prefs_on_got(void *arg, const struct redisReply *reply) {
        struct prefs_job *job = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(PREFS_FIELDS_BYTES);
        struct slice quiet = reply ? store_text(store_item(reply, 0)) : SLICE("");
        buf_add_text(&out, "\"mute\":[");
        for (size_t i = 1; reply && i + 1 < store_count(reply); i += 2) {
                buf_add_text(&out, i > 1 ? ",{\"conv\":" : "{\"conv\":");
                buf_add_json(&out, store_text(store_item(reply, i)));
                buf_add_text(&out, ",\"until_ms\":");
                buf_add_int(&out, store_int(store_item(reply, i + 1)));
                buf_add_char(&out, '}');
        }
        buf_add_text(&out, "],\"quiet_hours\":");
        if (quiet.len)
                prefs_add_quiet(&out, quiet);
        else
                buf_add_text(&out, "null");
        bool failed = !reply || buf_failed(&out);
        job->done_fields(job->arg, failed ? FANOUT_E_UNAVAILABLE : 0, failed ? SLICE("") : buf_slice(&out));
        free(job);
}

int prefs_get(struct fanout *fanout, struct slice user, prefs_fields_fn done, void *arg) {
        struct prefs_job *job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->done_fields = done;
        job->arg = arg;
        struct call *call = store_call(fanout->store, "prefs");
        store_call_key(call, KEY_PREFS, user);
        return prefs_send(call, prefs_on_got, job);
}
