/* SPDX-License-Identifier: Apache-2.0 */
/* query.c: see query.h. */
#include "fanout/query.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "fanout/doubt.h"
#include "fanout/event.h"
#include "fanout/fanout.h"
#include "fanout/state.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { QUERY_BYTES = 32 << 20, QUERY_UNREAD_MAX = 10000 };

struct query {
        struct fanout *fanout;
        query_done_fn done;
        void *arg;
        unsigned limit;
        struct slice user, conv; /* of text; for conversations conv is "after" */
        char **names;            /* of a page of conversations */
        size_t names_count;
        bool more, versions;
        struct buf held;         /* an answer that is doubted */
        char text[];
};

static struct query *query_new(struct fanout *fanout, struct slice user, struct slice conv, query_done_fn done, void *arg) {
        struct query *query = calloc(1, sizeof(*query) + user.len + conv.len);
        if (!query)
                return NULL;
        char *text = query->text;
        query->fanout = fanout;
        query->done = done;
        query->arg = arg;
        buf_init(&query->held, QUERY_BYTES);
        query->user = slice_copy(&text, user);
        query->conv = slice_copy(&text, conv);
        return query;
}

static void query_free(struct query *query) {
        for (size_t i = 0; i < query->names_count; i++)
                free(query->names[i]);
        free(query->names);
        buf_deinit(&query->held);
        free(query);
}

static void query_on_doubted(void *arg, int answer) {
        struct query *query = arg;
        query->done(query->arg, answer, SLICE(""));
        query_free(query);
}

static void query_end(struct query *query, int answer, struct buf *out) {
        if (answer == FANOUT_E_NOT_FOUND && doubt_start(query->fanout, query_on_doubted, query) == 0)
                return;
        if (answer == FANOUT_E_NOT_FOUND)
                answer = FANOUT_E_UNAVAILABLE;
        if (!answer && buf_failed(out))
                answer = FANOUT_E_UNAVAILABLE;
        query->done(query->arg, answer, answer ? SLICE("") : buf_slice(out));
        query_free(query);
}

static int query_send(struct call *call, store_reply_fn on_reply, struct query *query) {
        int r = store_call_send(call, on_reply, query);
        if (r == 0)
                return 0;
        query_free(query);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

/* {'err', code} as an answer; 0 if it is none. */
static int query_error(const struct redisReply *reply) {
        if (!reply)
                return FANOUT_E_UNAVAILABLE;
        if (!slice_is(store_text(store_item(reply, 0)), "err"))
                return 0;
        return slice_is(store_text(store_item(reply, 1)), "forbidden") ? FANOUT_E_FORBIDDEN : FANOUT_E_NOT_FOUND;
}

static void query_add_conv(struct buf *out, struct slice conv) {
        buf_add_text(out, "\"conv\":");
        buf_add_json(out, conv);
}

/* ---- history ---- */

static void query_on_history(void *arg, const struct redisReply *reply) {
        struct query *query = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(QUERY_BYTES);
        int answer = query_error(reply);
        if (!answer) {
                query_add_conv(&out, query->conv);
                buf_add_text(&out, ",\"epoch\":");
                buf_add_json(&out, store_text(store_item(reply, 1)));
                buf_add_text(&out, ",\"entries\":[");
                for (size_t i = 4; i + 2 < store_count(reply); i += 3) {
                        if (i > 4)
                                buf_add_char(&out, ',');
                        state_add_entry(&out, (uint64_t)store_int(store_item(reply, i)), query->conv, store_text(store_item(reply, i + 1)),
                                        store_item(reply, i + 2), query->versions);
                }
                buf_add_text(&out, store_int(store_item(reply, 3)) ? "],\"more\":true" : "],\"more\":false");
        }
        query_end(query, answer, &out);
}

int query_history(struct fanout *fanout, struct slice user, struct slice conv, uint64_t before, int64_t after, unsigned limit,
                  bool versions, query_done_fn done, void *arg) {
        struct query *query = query_new(fanout, user, conv, done, arg);
        if (!query)
                return -ENOMEM;
        query->versions = versions;
        struct call *call = store_call(fanout->store, "history");
        store_call_key(call, KEY_CONV, conv);
        store_call_key(call, KEY_MEMBERS, conv);
        store_call_key(call, KEY_LOG, conv);
        store_call_key(call, KEY_STATES, conv);
        store_call_arg(call, user);
        store_call_arg_int(call, (int64_t)before);
        store_call_arg_int(call, after);
        store_call_arg_int(call, limit);
        store_call_arg_int(call, LIMIT_PAGE_BYTES);
        store_call_arg_int(call, versions);
        return query_send(call, query_on_history, query);
}

/* ---- members ---- */

static void query_add_members(struct buf *out, const char *name, const struct redisReply *flat) {
        buf_printf(out, ",\"%s\":[", name);
        for (size_t i = 0; i + 1 < store_count(flat); i += 2) {
                struct slice packed = store_text(store_item(flat, i + 1));
                buf_add_text(out, i ? ",{\"user\":" : "{\"user\":");
                buf_add_json(out, store_text(store_item(flat, i)));
                buf_add_text(out, ",\"role\":");
                buf_add_json(out, words_take(&packed, ' '));
                buf_add_text(out, ",\"delivered\":");
                buf_add_slice(out, words_take(&packed, ' '));
                buf_add_text(out, ",\"read\":");
                buf_add_slice(out, packed);
                buf_add_char(out, '}');
        }
        buf_add_char(out, ']');
}

static bool query_is_member(const struct redisReply *flat, struct slice user) {
        for (size_t i = 0; i + 1 < store_count(flat); i += 2)
                if (slice_equal(store_text(store_item(flat, i)), user))
                        return true;
        return false;
}

static void query_on_members(void *arg, const struct redisReply *reply) {
        struct query *query = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(QUERY_BYTES);
        int answer = !reply ? FANOUT_E_UNAVAILABLE : store_count(reply) < 6 ? FANOUT_E_NOT_FOUND : 0;
        const struct redisReply *flat = answer ? NULL : store_item(reply, 5);
        if (!answer && query->user.len && !query_is_member(flat, query->user))
                answer = FANOUT_E_FORBIDDEN;
        if (!answer) {
                query_add_conv(&out, query->conv);
                if (query->user.len == 0) {
                        buf_add_text(&out, ",\"kind\":");
                        buf_add_json(&out, store_text(store_item(reply, 0)));
                        buf_add_text(&out, ",\"epoch\":");
                        buf_add_json(&out, store_text(store_item(reply, 1)));
                        buf_add_text(&out, ",\"seq\":");
                        buf_add_int(&out, store_int(store_item(reply, 2)));
                        buf_add_text(&out, store_int(store_item(reply, 4)) ? ",\"public\":true" : ",\"public\":false");
                        struct slice template = store_text(store_item(reply, 6));
                        if (template.len) {
                                buf_add_text(&out, ",\"push\":");
                                buf_add_slice(&out, template); /* JSON that was checked */
                        }
                }
                query_add_members(&out, query->user.len ? "items" : "members", flat);
        }
        query_end(query, answer, &out);
}

int query_members(struct fanout *fanout, struct slice user, struct slice conv, query_done_fn done, void *arg) {
        struct query *query = query_new(fanout, user, conv, done, arg);
        if (!query)
                return -ENOMEM;
        struct call *call = store_call(fanout->store, "members");
        store_call_key(call, KEY_CONV, conv);
        store_call_key(call, KEY_MEMBERS, conv);
        store_call_key(call, KEY_LOG, conv);
        return query_send(call, query_on_members, query);
}

/* ---- conversations: names of the user, then the page's details from their owners ---- */

static void query_on_list_doubted(void *arg, int answer) {
        struct query *query = arg;
        answer = answer == FANOUT_E_NOT_FOUND ? 0 : answer;
        query->done(query->arg, answer, answer ? SLICE("") : buf_slice(&query->held));
        query_free(query);
}

/* What is not in a list is said not to be there, so that is doubted. An epoch never comes back: if it is known, it was all the time. */
static void query_end_list(struct query *query, struct buf *out) {
        query->held = *out;
        *out = (struct buf)BUF_INIT(0);
        if (buf_failed(&query->held) || doubt_start(query->fanout, query_on_list_doubted, query))
                query_end(query, FANOUT_E_UNAVAILABLE, out);
}

static void query_on_infos(void *arg, const struct redisReply *reply) {
        struct query *query = arg;
        _cleanup_buf_ struct buf out = BUF_INIT(QUERY_BYTES);
        bool first = true;
        /* The rest did not fit into one answer: it is for the next page. */
        size_t given = reply ? store_count(reply) : 0;
        for (; given && query->names_count > given; query->more = true)
                free(query->names[--query->names_count]);
        buf_add_text(&out, "\"items\":[");
        for (size_t i = 0; reply && i < query->names_count; i++) {
                const struct redisReply *info = store_item(reply, i);
                struct slice conv = slice_of(query->names[i]);
                if (store_count(info) < 9)
                        continue;
                buf_add_text(&out, first ? "{" : ",{");
                first = false;
                query_add_conv(&out, conv);
                buf_add_text(&out, ",\"kind\":");
                buf_add_json(&out, store_text(store_item(info, 0)));
                buf_add_text(&out, ",\"epoch\":");
                buf_add_json(&out, store_text(store_item(info, 1)));
                static const char *const names[] = { ",\"seq\":", ",\"delivered\":", ",\"read\":", ",\"unread\":" };
                for (size_t k = 0; k < 4; k++) {
                        buf_add_text(&out, names[k]);
                        buf_add_int(&out, store_int(store_item(info, k + 2)));
                }
                buf_add_text(&out, ",\"last\":");
                struct slice last = store_text(store_item(info, 7));
                if (last.len)
                        state_add_entry(&out, (uint64_t)store_int(store_item(info, 6)), conv, last, store_item(info, 8), false);
                else
                        buf_add_text(&out, "null");
                buf_add_char(&out, '}');
        }
        buf_add_text(&out, "],\"next\":");
        if (query->more)
                buf_add_json(&out, slice_of(query->names[query->names_count - 1]));
        else
                buf_add_text(&out, "null");
        if (reply)
                query_end_list(query, &out);
        else
                query_end(query, FANOUT_E_UNAVAILABLE, &out);
}

static int query_compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keeps the page: the names after query->conv, at most limit. */
static int query_take_names(struct query *query, const struct redisReply *reply) {
        query->names = calloc(store_count(reply) + 1, sizeof(*query->names));
        if (!query->names)
                return -ENOMEM;
        for (size_t i = 0; i < store_count(reply); i++) {
                struct slice name = store_text(store_item(reply, i));
                char *copy = strndup(name.ptr, name.len);
                if (!copy)
                        return -ENOMEM;
                if (query->conv.len && strncmp(copy, query->conv.ptr, query->conv.len) <= 0 &&
                    (strlen(copy) <= query->conv.len || strncmp(copy, query->conv.ptr, query->conv.len) < 0))
                        free(copy);
                else
                        query->names[query->names_count++] = copy;
        }
        qsort(query->names, query->names_count, sizeof(*query->names), query_compare_names);
        query->more = query->names_count > query->limit;
        while (query->names_count > query->limit)
                free(query->names[--query->names_count]);
        return 0;
}

static void query_on_names(void *arg, const struct redisReply *reply) {
        struct query *query = arg;
        struct buf none = BUF_INIT(1);
        if (!reply || query_take_names(query, reply) < 0) {
                query_end(query, FANOUT_E_UNAVAILABLE, &none);
                return;
        }
        if (query->names_count == 0) {
                _cleanup_buf_ struct buf out = BUF_INIT(QUERY_BYTES);
                buf_add_text(&out, "\"items\":[],\"next\":null");
                query_end_list(query, &out);
                return;
        }
        struct call *call = store_call(query->fanout->store, "infos");
        for (size_t i = 0; i < query->names_count; i++) {
                store_call_key(call, KEY_CONV, slice_of(query->names[i]));
                store_call_key(call, KEY_MEMBERS, slice_of(query->names[i]));
                store_call_key(call, KEY_LOG, slice_of(query->names[i]));
                store_call_key(call, KEY_STATES, slice_of(query->names[i]));
        }
        store_call_arg(call, query->user);
        store_call_arg_int(call, QUERY_UNREAD_MAX);
        store_call_arg_int(call, LIMIT_PAGE_BYTES);
        if (store_call_send(call, query_on_infos, query))
                query_end(query, FANOUT_E_UNAVAILABLE, &none);
}

int query_conversations(struct fanout *fanout, struct slice user, struct slice after, unsigned limit, query_done_fn done, void *arg) {
        struct query *query = query_new(fanout, user, after, done, arg);
        if (!query)
                return -ENOMEM;
        query->limit = limit;
        struct call *call = store_call(fanout->store, "conversations");
        store_call_key(call, KEY_USER, user);
        return query_send(call, query_on_names, query);
}
