/* SPDX-License-Identifier: Apache-2.0 */
/* tend.c: see tend.h. What a step of the walk gave is a list of items; each has something to be done until it is TEND_DONE. */
#include "fanout/tend.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/fanout.h"
#include "fanout/roster.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum {
        TEND_CALLS = 4,      /* of one tick */
        TEND_KEYS = 512,     /* looked at by one step of the walk: about 100 us */
        TEND_BATCH = 32,     /* users or conversations of one call: some 10 us each */
        TEND_HAVE = 64,      /* members asked about in one call */
        TEND_GONE = 16,      /* nodes remembered until the end of a walk */
        TEND_PATTERN_BYTES = 512,
};

enum tend_todo {
        TEND_USER,      /* devices and inbox */
        TEND_LOG,       /* what is too old in the log */
        TEND_ERASE,     /* texts of deleted messages */
        TEND_ROSTER,    /* who are the members */
        TEND_EVERYONE,  /* have all of them all of it */
        TEND_DELIVERED, /* then it need not be kept */
        TEND_DONE,
};

struct tend_item {
        enum tend_todo todo;
        uint64_t marked; /* up to here all was delivered to everyone in one */
        bool has_log, erases;
        uint64_t seq; /* the conversation's when it was looked at */
        struct slice id;
};

struct tend {
        struct fanout *fanout;
        struct tend_options options;
        struct tend_ages ages;
        uint64_t now_ms, due_ms;
        unsigned budget;
        bool waiting, walking, over; /* over: the present step is the walk's last */
        char next[24];           /* where the walk goes on; "" where another left it */
        struct tend_item *items; /* of the present step */
        size_t count, first;     /* those before first are done */
        char *text;              /* their ids */
        size_t batch[TEND_BATCH], batch_count; /* items of the call under way */
        struct roster *roster;   /* of the item that is asked about */
        uint32_t position;
        char gone[TEND_GONE][40];
        size_t gone_count;
};

struct tend *tend_new(struct fanout *fanout, const struct tend_options *options) {
        struct tend *tend = calloc(1, sizeof(*tend));
        if (!tend)
                return NULL;
        tend->fanout = fanout;
        tend->options = *options;
        return tend;
}

static void tend_drop_items(struct tend *tend) {
        free(tend->items);
        free(tend->text);
        tend->roster = roster_unref(tend->roster);
        tend->items = NULL;
        tend->text = NULL;
        tend->count = tend->first = 0;
}

struct tend *tend_free(struct tend *tend) {
        if (!tend)
                return NULL;
        tend_drop_items(tend);
        free(tend);
        return NULL;
}

static void tend_go(struct tend *tend);

static void tend_send(struct tend *tend, struct call *call, store_reply_fn on_reply) {
        tend->budget--;
        tend->waiting = store_call_send(call, on_reply, tend) == 0;
        if (!tend->waiting)
                tend->budget = 0; /* the next tick tries again */
}

/* An item that failed is left to the next walk. */
static void tend_answered(struct tend *tend) {
        tend->waiting = false;
        while (tend->first < tend->count && tend->items[tend->first].todo == TEND_DONE)
                tend->first++;
        tend_go(tend);
}

/* ---- nodes that are gone ---- */

static void tend_forget_gone(struct tend *tend) {
        for (size_t i = 0; i < tend->gone_count; i++)
                tend->options.forget(tend->options.context, slice_of(tend->gone[i]));
        tend->gone_count = 0;
}

static void tend_note_gone(struct tend *tend, struct slice node) {
        for (size_t i = 0; i < tend->gone_count; i++)
                if (slice_is(node, tend->gone[i]))
                        return;
        if (node.len >= sizeof(tend->gone[0]))
                return;
        if (tend->gone_count == TEND_GONE)
                tend_forget_gone(tend);
        memcpy(tend->gone[tend->gone_count], node.ptr, node.len);
        tend->gone[tend->gone_count++][node.len] = '\0';
}

/* A node that lives looks itself whether it has the session: the end of one may have been lost. */
static void tend_verify(struct tend *tend, struct slice user, struct slice node) {
        struct call *call = store_call(tend->fanout->store, "verify");
        store_call_key(call, KEY_USER, user);
        store_call_arg_channel(call, partition_of(user));
        store_call_arg(call, user);
        store_call_arg(call, node);
        if (store_call_send(call, NULL, NULL))
                log_debug("A session is left to the next walk.");
}

/* A user's sessions on a node that does not live, and its interest in the user's presence. seen_ms 0: it is only interested. */
static void tend_prune(struct tend *tend, struct slice user, struct slice node, int64_t seen_ms) {
        if (tend->options.is_alive(tend->options.context, node)) {
                if (seen_ms)
                        tend_verify(tend, user, node);
                return;
        }
        tend_note_gone(tend, node);
        struct call *call = store_call(tend->fanout->store, "prune");
        store_call_key(call, KEY_USER, user);
        store_call_key_in(call, KEY_NODES, 0, SLICE(""));
        store_call_arg_channels(call, partition_of(user));
        store_call_arg(call, user);
        store_call_arg(call, node);
        store_call_arg_int(call, seen_ms);
        if (store_call_send(call, NULL, NULL))
                log_debug("A node that is gone is left to the next walk.");
}

/* ---- users ---- */

static void tend_on_users(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        for (size_t i = 0; i < tend->batch_count; i++) {
                struct tend_item *item = &tend->items[tend->batch[i]];
                const struct redisReply *row = reply ? store_item(reply, i) : NULL;
                item->todo = TEND_DONE;
                if (!row)
                        continue;
                metrics_add(TENDED, 1);
                metrics_add(DEVICES_FORGOTTEN, store_int(store_item(row, 0)));
                metrics_add(EVENTS_EXPIRED, store_int(store_item(row, 1)));
                for (size_t k = 3; k + 1 < store_count(row); k += 2)
                        tend_prune(tend, item->id, store_text(store_item(row, k)), store_int(store_item(row, k + 1)));
        }
        tend_answered(tend);
}

/* The first items with this to be done, at most max. */
static void tend_take(struct tend *tend, enum tend_todo todo, size_t max) {
        tend->batch_count = 0;
        for (size_t i = tend->first; i < tend->count && tend->batch_count < max; i++)
                if (tend->items[i].todo == todo)
                        tend->batch[tend->batch_count++] = i;
}

static void tend_users(struct tend *tend) {
        tend_take(tend, TEND_USER, TEND_BATCH);
        struct call *call = store_call(tend->fanout->store, "tend_users");
        for (size_t i = 0; i < tend->batch_count; i++) {
                struct slice user = tend->items[tend->batch[i]].id;
                store_call_key(call, KEY_USER, user);
                store_call_key(call, KEY_INBOX, user);
                store_call_key(call, KEY_DEVICES, user);
                store_call_key(call, KEY_RECEIPTS, user);
                store_call_key(call, KEY_PUSH, user);
        }
        store_call_arg_int(call, tend->ages.device_ms);
        store_call_arg_int(call, tend->ages.inbox_ms);
        tend_send(tend, call, tend_on_users);
}

/* ---- conversations ---- */

static enum tend_todo tend_after_log(const struct tend *tend, const struct tend_item *item) {
        if (item->erases)
                return TEND_ERASE;
        return item->has_log && tend->ages.delivered_ms ? TEND_ROSTER : TEND_DONE;
}

static void tend_on_logs(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        for (size_t i = 0; i < tend->batch_count; i++) {
                struct tend_item *item = &tend->items[tend->batch[i]];
                const struct redisReply *row = reply ? store_item(reply, i) : NULL;
                bool delivered = item->todo == TEND_DELIVERED;
                bool more = row && store_int(store_item(row, 3)) != 0;
                if (more)
                        continue; /* the same again */
                item->todo = TEND_DONE;
                if (!row || delivered)
                        continue;
                metrics_add(TENDED, 1);
                item->seq = (uint64_t)store_int(store_item(row, 1));
                item->has_log = store_int(store_item(row, 2)) != 0 && !slice_is(store_text(store_item(row, 0)), "channel");
                item->erases = store_int(store_item(row, 4)) != 0;
                item->todo = tend_after_log(tend, item);
        }
        tend_answered(tend);
}

static void tend_logs(struct tend *tend, enum tend_todo todo) {
        tend_take(tend, todo, TEND_BATCH);
        struct call *call = store_call(tend->fanout->store, "tend_convs");
        for (size_t i = 0; i < tend->batch_count; i++) {
                struct slice conv = tend->items[tend->batch[i]].id;
                store_call_key(call, KEY_CONV, conv);
                store_call_key(call, KEY_LOG, conv);
                store_call_key(call, KEY_STATES, conv);
                store_call_key(call, KEY_OPS, conv);
                store_call_key(call, KEY_OPS_OLD, conv);
        }
        store_call_arg_int(call, todo == TEND_LOG ? tend->ages.log_ms : tend->ages.delivered_ms);
        for (size_t i = 0; i < tend->batch_count; i++) {
                if (todo == TEND_LOG)
                        store_call_arg_text(call, "");
                else
                        store_call_arg_int(call, (int64_t)tend->items[tend->batch[i]].seq);
        }
        tend_send(tend, call, tend_on_logs);
}

static void tend_on_erased(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        struct tend_item *item = &tend->items[tend->batch[0]];
        if (!reply || store_int(reply) == 0) {
                item->erases = false;
                item->todo = reply ? tend_after_log(tend, item) : TEND_DONE;
                metrics_add(ERASED, reply != NULL);
        }
        tend_answered(tend);
}

static void tend_erase(struct tend *tend) {
        tend_take(tend, TEND_ERASE, 1);
        struct slice conv = tend->items[tend->batch[0]].id;
        /* Said first: should we end in between, the file is rewritten for nothing. */
        struct call *call = store_call(tend->fanout->store, "erased");
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_arg_int(call, -1);
        if (store_call_send(call, NULL, NULL)) {
                tend->budget = 0;
                return;
        }
        call = store_call(tend->fanout->store, "erase");
        store_call_key(call, KEY_CONV, conv);
        store_call_key(call, KEY_LOG, conv);
        store_call_key(call, KEY_STATES, conv);
        tend_send(tend, call, tend_on_erased);
}

/* ---- what everyone has ---- */

static void tend_on_roster(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        struct tend_item *item = &tend->items[tend->batch[0]];
        tend->roster = roster_unref(tend->roster);
        tend->position = 0;
        item->todo = TEND_DONE;
        if (reply && roster_update(tend->fanout->rosters, item->id, store_text(store_item(reply, 0)), store_item(reply, 1)) == 0) {
                tend->roster = roster_ref(roster_find(tend->fanout->rosters, item->id));
                struct slice marked = store_text(store_item(reply, 3));
                item->marked = marked.len ? words_uint(marked) : item->seq;
                item->todo = TEND_EVERYONE;
        }
        tend_answered(tend);
}

static void tend_ask_roster(struct tend *tend) {
        tend_take(tend, TEND_ROSTER, 1);
        struct tend_item *item = &tend->items[tend->batch[0]];
        struct call *call = store_call(tend->fanout->store, "entry");
        store_call_key(call, KEY_CONV, item->id);
        store_call_key(call, KEY_LOG, item->id);
        store_call_key(call, KEY_MEMBERS, item->id);
        store_call_key(call, KEY_STATES, item->id);
        store_call_arg_int(call, (int64_t)item->seq);
        tend_send(tend, call, tend_on_roster);
}

static void tend_on_everyone(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        struct tend_item *item = &tend->items[tend->batch[0]];
        if (!reply || store_int(reply) != 1)
                item->todo = TEND_DONE;
        else if (tend->position >= tend->roster->count)
                item->todo = TEND_DELIVERED;
        tend_answered(tend);
}

static void tend_ask_everyone(struct tend *tend) {
        struct slice names[TEND_HAVE];
        tend_take(tend, TEND_EVERYONE, 1);
        struct tend_item *item = &tend->items[tend->batch[0]];
        size_t count = roster_take(tend->roster, tend->fanout->store, 0, &tend->position, names, TEND_HAVE);
        struct call *call = store_call(tend->fanout->store, "all_have");
        for (size_t i = 0; i < count; i++) {
                store_call_key(call, KEY_USER, names[i]);
                store_call_key(call, KEY_INBOX, names[i]);
                store_call_key(call, KEY_DEVICES, names[i]);
                store_call_key(call, KEY_HEAD, names[i]);
        }
        store_call_arg(call, item->id);
        store_call_arg_int(call, (int64_t)item->seq);
        store_call_arg_int(call, (int64_t)item->marked);
        tend_send(tend, call, tend_on_everyone);
        if (!tend->waiting)
                item->todo = TEND_DONE; /* the position has moved on */
}

/* ---- the walk ---- */

bool tend_parse_key(struct slice key, const char *prefix, char *ret_letter, struct slice *ret_id) {
        size_t len = strlen(prefix);
        if (key.len < len + 2 || memcmp(key.ptr, prefix, len) != 0 || memcmp(key.ptr + len, ":{", 2) != 0)
                return false;
        struct slice rest = { key.ptr + len + 2, key.len - len - 2 };
        uint64_t partition = words_uint(words_take(&rest, '}'));
        if (rest.len < 4 || rest.len > 3 + LIMIT_ID_BYTES || rest.ptr[0] != ':' || rest.ptr[2] != ':')
                return false;
        char letter = rest.ptr[1];
        struct slice id = { rest.ptr + 3, rest.len - 3 };
        if ((letter != 'u' && letter != 'C') || partition != partition_of(id))
                return false;
        *ret_letter = letter;
        *ret_id = id;
        return true;
}

static int tend_take_keys(struct tend *tend, const struct redisReply *reply) {
        size_t bytes = 0, count = store_count(reply);
        for (size_t i = 1; i < count; i++)
                bytes += store_text(store_item(reply, i)).len;
        tend->items = calloc(count + 1, sizeof(*tend->items));
        tend->text = malloc(bytes + 1);
        if (!tend->items || !tend->text)
                return -1;
        char *text = tend->text;
        for (size_t i = 1; i < count; i++) {
                char letter;
                struct slice id;
                if (!tend_parse_key(store_text(store_item(reply, i)), store_prefix(tend->fanout->store), &letter, &id))
                        continue;
                tend->items[tend->count++] = (struct tend_item){ .todo = letter == 'u' ? TEND_USER : TEND_LOG, .id = slice_copy(&text, id) };
        }
        return 0;
}

static void tend_end_walk(struct tend *tend) {
        tend->walking = tend->over = false;
        tend->due_ms = tend->now_ms + (uint64_t)tend->ages.walk_ms;
        metrics_add(WALKS, 1);
        tend_forget_gone(tend);
}

static void tend_on_keys(void *arg, const struct redisReply *reply) {
        struct tend *tend = arg;
        struct slice next = reply ? store_text(store_item(reply, 0)) : SLICE("");
        if (next.len && next.len < sizeof(tend->next) && tend_take_keys(tend, reply) == 0) {
                memcpy(tend->next, next.ptr, next.len);
                tend->next[next.len] = '\0';
                tend->over = strcmp(tend->next, "0") == 0;
        } else {
                tend_drop_items(tend);
                tend->budget = 0; /* the same step again, with the next tick */
        }
        tend_answered(tend);
}

static void tend_walk(struct tend *tend) {
        _cleanup_buf_ struct buf pattern = BUF_INIT(TEND_PATTERN_BYTES);
        for (const char *c = store_prefix(tend->fanout->store); *c; c++) {
                if (strchr("*?[]\\", *c))
                        buf_add_char(&pattern, '\\');
                buf_add_char(&pattern, *c);
        }
        buf_add_text(&pattern, ":{*}:[Cu]:*");
        struct call *call = store_call(tend->fanout->store, "walk");
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_arg_text(call, tend->next);
        store_call_arg(call, buf_slice(&pattern));
        store_call_arg_int(call, TEND_KEYS);
        tend_send(tend, call, tend_on_keys);
}

static void tend_next_step(struct tend *tend) {
        tend_drop_items(tend);
        if (tend->over) {
                tend_end_walk(tend);
                return;
        }
        if (!tend->walking && tend->now_ms < tend->due_ms)
                return;
        /* The first walk of a worker goes on where the one before it stood. */
        tend->walking = true;
        tend_walk(tend);
}

static void tend_go(struct tend *tend) {
        while (tend->budget > 0 && !tend->waiting) {
                if (tend->first == tend->count) {
                        tend_next_step(tend);
                        if (!tend->walking)
                                return;
                        continue;
                }
                switch (tend->items[tend->first].todo) {
                case TEND_USER:
                        tend_users(tend);
                        break;
                case TEND_LOG:
                case TEND_DELIVERED:
                        tend_logs(tend, tend->items[tend->first].todo);
                        break;
                case TEND_ERASE:
                        tend_erase(tend);
                        break;
                case TEND_ROSTER:
                        tend_ask_roster(tend);
                        break;
                case TEND_EVERYONE:
                        tend_ask_everyone(tend);
                        break;
                case TEND_DONE:
                        tend->first++;
                        break;
                }
        }
}

void tend_tick(struct tend *tend, const struct tend_ages *ages, uint64_t now_ms) {
        tend->ages = *ages;
        tend->now_ms = now_ms;
        tend->budget = TEND_CALLS;
        tend_go(tend);
}
