/* SPDX-License-Identifier: Apache-2.0 */
/* notice.c: see notice.h. */
#include "fanout/notice.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "fanout/due.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { NOTICE_FIELDS_BYTES = 4 * LIMIT_NOTICE_BYTES };

/* ---- packed forms ---- */

struct notice_state notice_parse_state(struct slice packed) {
        struct notice_state state = { .n = words_uint(words_take(&packed, ' ')) };
        state.at = (int64_t)words_uint(words_take(&packed, ' '));
        state.until = (int64_t)words_uint(words_take(&packed, ' '));
        state.delivered = (int64_t)words_uint(words_take(&packed, ' '));
        state.read = (int64_t)words_uint(words_take(&packed, ' '));
        state.replaced_by = packed;
        return state;
}

struct notice notice_parse(struct slice packed) {
        struct slice rest = packed, header = words_take(&rest, '\n');
        struct notice notice = { .at = (int64_t)words_uint(words_take(&header, ' ')) };
        notice.until = (int64_t)words_uint(words_take(&header, ' '));
        notice.priority = words_take(&header, ' ');
        uint64_t size = words_uint(words_take(&header, ' '));
        notice.collapse = header;
        notice.content = (struct slice){ rest.ptr, size < rest.len ? (size_t)size : rest.len };
        notice.plan = (struct slice){ rest.ptr + notice.content.len, rest.len - notice.content.len };
        return notice;
}

const char *notice_state_text(const struct notice_state *state, bool pushed, int64_t now_ms) {
        if (state->read)
                return "read";
        if (state->delivered)
                return "delivered";
        if (state->replaced_by.len || (state->until && state->until <= now_ms))
                return "expired";
        return pushed ? "pushed" : "queued";
}

/* ---- calls ---- */

struct notice_job {
        union {
                notice_posted_fn posted;
                notice_done_fn done;
                notice_fields_fn fields;
        };
        void *arg;
        size_t op_len;
        char op[];
};

static struct notice_job *notice_job_new(struct slice op, void *arg) {
        struct notice_job *job = calloc(1, sizeof(*job) + op.len);
        if (!job)
                return NULL;
        char *text = job->op;
        slice_copy(&text, op);
        job->op_len = op.len;
        job->arg = arg;
        return job;
}

static int notice_send(struct call *call, store_reply_fn on_reply, struct notice_job *job) {
        int r = store_call_send(call, on_reply, job);
        if (r)
                free(job);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

static void notice_on_posted(void *arg, const struct redisReply *reply) {
        struct notice_job *job = arg;
        struct notice_posted result = { .answer = reply ? 0 : FANOUT_E_UNAVAILABLE };
        if (reply) {
                result.duplicate = slice_is(store_text(store_item(reply, 0)), "dup");
                result.n = (uint64_t)store_int(store_item(reply, 1));
                result.at = store_int(store_item(reply, 2));
                if (!result.duplicate)
                        metrics_add(NOTIFICATIONS, 1);
        }
        job->posted(job->arg, &result);
        free(job);
}

int notice_post(struct fanout *fanout, const struct notice_post *post, notice_posted_fn done, void *arg) {
        struct notice_job *job = notice_job_new(post->op, arg);
        _cleanup_buf_ struct buf text = BUF_INIT(2 * LIMIT_NOTICE_BYTES);
        buf_add_slice(&text, post->content);
        buf_add_slice(&text, post->plan);
        if (!job || buf_failed(&text)) {
                free(job);
                return -ENOMEM;
        }
        job->posted = done;
        struct call *call = store_call(fanout->store, "notify");
        store_call_key(call, KEY_HEAD, post->user);
        store_call_key(call, KEY_INBOX, post->user);
        store_call_key(call, KEY_NOTICES, post->user);
        store_call_key(call, KEY_NOTICE_TIMES, post->user);
        store_call_key(call, KEY_PUSH, post->user);
        store_call_arg(call, post->op);
        store_call_arg(call, post->priority);
        store_call_arg_int(call, post->ttl_ms);
        store_call_arg(call, post->collapse);
        store_call_arg_int(call, (int64_t)post->content.len);
        store_call_arg(call, buf_slice(&text));
        store_call_arg_int(call, fanout->inbox_max);
        store_call_arg_int(call, LIMIT_NOTICES);
        store_call_arg_int(call, (int64_t)LIMIT_NOTICE_AGE_S * 1000);
        due_add(call, fanout, (enum due_class)post->push_class);
        store_call_arg_int(call, post->first_ms);
        store_call_arg(call, post->steps);
        return notice_send(call, notice_on_posted, job);
}

static void notice_on_read(void *arg, const struct redisReply *reply) {
        struct notice_job *job = arg;
        bool known = reply && slice_is(store_text(store_item(reply, 0)), "ok");
        job->done(job->arg, !reply ? FANOUT_E_UNAVAILABLE : known ? 0 : FANOUT_E_NOT_FOUND);
        free(job);
}

int notice_read(struct fanout *fanout, struct slice user, struct slice op, notice_done_fn done, void *arg) {
        struct notice_job *job = notice_job_new(op, arg);
        if (!job)
                return -ENOMEM;
        job->done = done;
        struct call *call = store_call(fanout->store, "notice_read");
        store_call_key(call, KEY_NOTICES, user);
        store_call_arg(call, op);
        return notice_send(call, notice_on_read, job);
}

static void notice_add_time(struct buf *out, const char *name, int64_t at) {
        if (at)
                buf_printf(out, ",\"%s\":%" PRId64, name, at);
}

/* A step as push/ledger.h packs it: <after_ms> <state> <at> <via> <reason>. Those that wait are over once the notification is. */
static void notice_add_step(struct buf *out, struct slice line, const struct notice_state *notice, int64_t now_ms) {
        uint64_t after_ms = words_uint(words_take(&line, ' '));
        struct slice state = words_take(&line, ' ');
        int64_t at = (int64_t)words_uint(words_take(&line, ' '));
        struct slice via = words_take(&line, ' ');
        bool over = notice->delivered || notice->read || notice->replaced_by.len || (notice->until && notice->until <= now_ms);
        if (over && slice_is(state, "waiting"))
                state = SLICE("cancelled");
        buf_printf(out, "{\"after_s\":%" PRIu64 ",\"via\":", after_ms / 1000);
        buf_add_json(out, via);
        buf_add_text(out, ",\"state\":");
        buf_add_json(out, state);
        notice_add_time(out, "at", at);
        if (line.len) {
                buf_add_text(out, ",\"reason\":");
                buf_add_json(out, line);
        }
        buf_add_char(out, '}');
}

static void notice_add_steps(struct buf *out, struct slice ledger, const struct notice_state *state, int64_t now_ms) {
        buf_add_text(out, ",\"steps\":[");
        words_take(&ledger, '\n');
        for (bool first = true; ledger.len; first = false) {
                if (!first)
                        buf_add_char(out, ',');
                notice_add_step(out, words_take(&ledger, '\n'), state, now_ms);
        }
        buf_add_char(out, ']');
}

static void notice_add_fields(struct buf *out, struct slice op, const struct notice_state *state, const struct notice *notice,
                              int64_t pushed, struct slice ledger, int64_t now_ms) {
        bool ended = state->until && state->until <= now_ms && !state->delivered;
        buf_add_text(out, "\"op\":");
        buf_add_json(out, op);
        buf_printf(out, ",\"state\":\"%s\",\"n\":%" PRIu64, notice_state_text(state, pushed != 0, now_ms), state->n);
        notice_add_time(out, "queued_at", state->at);
        notice_add_time(out, "pushed_at", pushed);
        notice_add_time(out, "delivered_at", state->delivered);
        notice_add_time(out, "read_at", state->read);
        notice_add_time(out, "expires_at", state->until);
        notice_add_time(out, "expired_at", ended ? state->until : 0);
        if (state->replaced_by.len) {
                buf_add_text(out, ",\"replaced_by\":");
                buf_add_json(out, state->replaced_by);
        }
        notice_add_steps(out, ledger, state, now_ms);
        buf_add_text(out, ",\"priority\":");
        buf_add_json(out, notice->priority);
        if (notice->collapse.len) {
                buf_add_text(out, ",\"collapse\":");
                buf_add_json(out, notice->collapse);
        }
        const struct slice parts[] = { notice->content, notice->plan };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                if (parts[i].len)
                        buf_add_char(out, ',');
                buf_add_slice(out, parts[i]);
        }
}

static void notice_on_got(void *arg, const struct redisReply *reply) {
        struct notice_job *job = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(NOTICE_FIELDS_BYTES);
        int answer = !reply ? FANOUT_E_UNAVAILABLE : store_count(reply) == 0 ? FANOUT_E_NOT_FOUND : 0;
        if (!answer) {
                struct notice_state state = notice_parse_state(store_text(store_item(reply, 1)));
                struct notice notice = notice_parse(store_text(store_item(reply, 2)));
                notice_add_fields(&out, (struct slice){ job->op, job->op_len }, &state, &notice, store_int(store_item(reply, 3)),
                                  store_text(store_item(reply, 4)), store_int(store_item(reply, 0)));
                if (buf_failed(&out))
                        answer = FANOUT_E_UNAVAILABLE;
        }
        job->fields(job->arg, answer, answer ? SLICE("") : buf_slice(&out));
        free(job);
}

int notice_get(struct fanout *fanout, struct slice user, struct slice op, notice_fields_fn done, void *arg) {
        struct notice_job *job = notice_job_new(op, arg);
        if (!job)
                return -ENOMEM;
        job->fields = done;
        struct call *call = store_call(fanout->store, "notice");
        store_call_key(call, KEY_NOTICES, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_arg(call, op);
        return notice_send(call, notice_on_got, job);
}
