/* SPDX-License-Identifier: Apache-2.0 */
/* dead.c: see dead.h. A letter's id begins with its partition; what it says: work.c, track_note_dead(). */
#include "push/dead.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/partition.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { DEAD_ID_BYTES = 64, DEAD_PAGE = 100, DEAD_FIELDS_BYTES = 4 << 20 };

struct dead_job {
        struct fanout *fanout;
        dead_fields_fn done;
        void *arg;
        enum dead_fate fate;
        bool all, failed;
        unsigned waiting, limit;
        size_t ended;
        char after[DEAD_ID_BYTES]; /* the id of the latest that was seen */
};

/* A letter, taken apart. */
struct dead_letter {
        int64_t at;
        bool of_device;
        struct slice which, provider, app, class, status, attempts, reason, user, name, op, conv;
};

static struct dead_letter dead_parse(struct slice text) {
        struct slice line = words_take(&text, '\n');
        struct dead_letter letter = { .at = (int64_t)words_uint(words_take(&line, ' ')) };
        letter.of_device = slice_is(words_take(&line, ' '), "d");
        struct slice *const parts[] = { &letter.which, &letter.provider, &letter.app, &letter.class, &letter.status, &letter.attempts, &letter.reason };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                *parts[i] = words_take(&line, ' ');
        letter.user = line;
        letter.name = words_take(&text, '\n');
        letter.op = words_take(&text, '\n');
        letter.conv = text;
        return letter;
}

static void dead_add_text(struct buf *out, const char *name, struct slice value) {
        if (!value.len)
                return;
        buf_printf(out, ",\"%s\":", name);
        buf_add_json(out, value);
}

static void dead_add_json(struct buf *out, struct slice id, struct slice text) {
        struct dead_letter letter = dead_parse(text);
        buf_add_text(out, "{\"id\":");
        buf_add_json(out, id);
        buf_printf(out, ",\"at\":%" PRId64 ",\"user\":", letter.at);
        buf_add_json(out, letter.user);
        if (letter.of_device)
                dead_add_text(out, "device", letter.name);
        buf_printf(out, ",\"%s\":%" PRIu64, letter.of_device ? "n" : "step", words_uint(letter.which));
        dead_add_text(out, "op", letter.op);
        dead_add_text(out, "conv", letter.conv);
        dead_add_text(out, "provider", letter.provider);
        dead_add_text(out, "app", letter.app);
        dead_add_text(out, "class", letter.class);
        buf_printf(out, ",\"status\":%" PRIu64 ",\"attempts\":%" PRIu64, words_uint(letter.status), words_uint(letter.attempts));
        dead_add_text(out, "reason", letter.reason);
        buf_add_char(out, '}');
}

static struct dead_job *dead_job_new(struct fanout *fanout, struct slice after, dead_fields_fn done, void *arg) {
        struct dead_job *job = calloc(1, sizeof(*job));
        if (!job)
                return NULL;
        *job = (struct dead_job){ .fanout = fanout, .done = done, .arg = arg };
        if (after.len < sizeof(job->after))
                memcpy(job->after, after.ptr, after.len);
        return job;
}

static int dead_ask(struct dead_job *job, store_reply_fn on_reply) {
        struct call *call = store_call(job->fanout->store, "push_dead");
        for (unsigned p = 0; p < PARTITIONS; p++)
                store_call_key_in(call, KEY_DEAD, p, SLICE(""));
        store_call_arg_text(call, job->after);
        store_call_arg_int(call, job->limit);
        int r = store_call_send(call, on_reply, job);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

static int dead_started(struct dead_job *job, int r) {
        if (r)
                free(job);
        return r;
}

/* ---- list ---- */

static void dead_on_list(void *arg, const struct redisReply *reply) {
        struct dead_job *job = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(DEAD_FIELDS_BYTES);
        size_t count = reply ? store_count(reply) / 2 : 0;
        buf_add_text(&out, "\"items\":[");
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buf_add_char(&out, ',');
                dead_add_json(&out, store_text(store_item(reply, 2 * i)), store_text(store_item(reply, 2 * i + 1)));
        }
        buf_add_text(&out, "],\"next\":");
        if (count && count == job->limit)
                buf_add_json(&out, store_text(store_item(reply, 2 * (count - 1))));
        else
                buf_add_text(&out, "null");
        bool failed = !reply || buf_failed(&out);
        job->done(job->arg, failed ? FANOUT_E_UNAVAILABLE : 0, failed ? SLICE("") : buf_slice(&out));
        free(job);
}

int dead_list(struct fanout *fanout, struct slice after, unsigned limit, dead_fields_fn done, void *arg) {
        struct dead_job *job = dead_job_new(fanout, after, done, arg);
        if (!job)
                return -ENOMEM;
        job->limit = limit;
        return dead_started(job, dead_ask(job, dead_on_list));
}

/* ---- the end of letters ---- */

static void dead_on_page(void *arg, const struct redisReply *reply);

static void dead_finish(struct dead_job *job) {
        _cleanup_buf_ struct buf out = BUF_INIT(64);
        int answer = job->failed ? FANOUT_E_UNAVAILABLE : job->all || job->ended ? 0 : FANOUT_E_NOT_FOUND;
        buf_printf(&out, "\"%s\":%zu", job->fate == DEAD_REPLAY ? "replayed" : "forgotten", job->ended);
        job->done(job->arg, answer, answer ? SLICE("") : buf_slice(&out));
        free(job);
}

/* Called where a count of what is under way reaches 0: goes on with the next page. */
static void dead_release(struct dead_job *job) {
        if (--job->waiting)
                return;
        if (!job->all || job->failed || job->limit == 0 || dead_ask(job, dead_on_page))
                dead_finish(job);
}

static void dead_on_ended(void *arg, const struct redisReply *reply) {
        struct dead_job *job = arg;
        if (!reply)
                job->failed = true;
        else if (store_int(reply) || slice_is(store_text(store_item(reply, 0)), "ok"))
                job->ended++;
        dead_release(job);
}

static void dead_end_letter(struct dead_job *job, struct slice id, struct slice text) {
        struct dead_letter letter = dead_parse(text);
        unsigned partition = partition_of(letter.user);
        struct call *call = store_call(job->fanout->store, job->fate == DEAD_REPLAY ? "push_replay" : "push_forget");
        if (job->fate == DEAD_REPLAY) {
                store_call_key(call, KEY_USER, letter.user);
                store_call_key(call, KEY_PUSH, letter.user);
                store_call_key(call, KEY_NOTICES, letter.user);
        }
        store_call_key_in(call, KEY_DEAD, partition, SLICE(""));
        store_call_key_in(call, KEY_DEAD_TIMES, partition, SLICE(""));
        store_call_arg(call, id);
        if (job->fate == DEAD_REPLAY) {
                store_call_arg(call, letter.user);
                store_call_arg_text(call, letter.of_device ? "d" : "e");
                store_call_arg(call, letter.name);
                store_call_arg(call, letter.which);
        }
        if (store_call_send(call, dead_on_ended, job) == 0)
                job->waiting++;
        else
                job->failed = true;
}

static void dead_on_page(void *arg, const struct redisReply *reply) {
        struct dead_job *job = arg;
        size_t count = reply ? store_count(reply) / 2 : 0;
        job->failed |= !reply;
        job->waiting = 1;
        for (size_t i = 0; i < count; i++) {
                struct slice id = store_text(store_item(reply, 2 * i));
                dead_end_letter(job, id, store_text(store_item(reply, 2 * i + 1)));
                if (id.len < sizeof(job->after)) {
                        memcpy(job->after, id.ptr, id.len);
                        job->after[id.len] = '\0';
                }
        }
        if (count < job->limit)
                job->limit = 0; /* it was the last page */
        dead_release(job);
}

int dead_end_all(struct fanout *fanout, enum dead_fate fate, dead_fields_fn done, void *arg) {
        struct dead_job *job = dead_job_new(fanout, SLICE(""), done, arg);
        if (!job)
                return -ENOMEM;
        job->fate = fate;
        job->all = true;
        job->limit = DEAD_PAGE;
        return dead_started(job, dead_ask(job, dead_on_page));
}

static void dead_on_letter(void *arg, const struct redisReply *reply) {
        struct dead_job *job = arg;
        struct slice text = reply ? store_text(reply) : SLICE("");
        job->failed = !reply;
        job->waiting = 1;
        if (text.len)
                dead_end_letter(job, slice_of(job->after), text);
        dead_release(job);
}

int dead_end(struct fanout *fanout, struct slice id, enum dead_fate fate, dead_fields_fn done, void *arg) {
        struct dead_job *job = dead_job_new(fanout, id, done, arg);
        if (!job)
                return -ENOMEM;
        job->fate = fate;
        struct call *call = store_call(fanout->store, "push_letter");
        store_call_key_in(call, KEY_DEAD, (unsigned)words_uint(id) % PARTITIONS, SLICE(""));
        store_call_arg_text(call, job->after);
        int r = store_call_send(call, dead_on_letter, job);
        return dead_started(job, r > 0 ? FANOUT_E_UNAVAILABLE : r);
}
