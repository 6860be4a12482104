/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c: see channel.h. The store's side is lua/channel.lua.
 *
 *   channel#1  A subscription's next entry is at most one behind the head; in READY, or it has all (LEVEL), or it is clear who
 *              brings it back to READY: a page (WAITING), its owner (PARKED), the answer of a check (HELD).
 *   channel#2  The head is the highest seq that all frames up to were here; a hole above it (top) is read from the log.
 *   channel#3  There is at most one page under way for a channel. It is by turns for who is furthest behind, which serves most of a
 *              crowd that comes back, and for who waits longest, so that nobody waits for ever; and serves all who find theirs in it.
 *   channel#4  era counts how often the past was lost, round how often it is asked who may read: a subscription with an old one
 *              is dealt with when its turn comes, so neither ever walks through all subscribers at once.
 */
#include "fanout/channel.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <uthash.h>
#include <uv.h>

#include "base/buf.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/event.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/store.h"

enum {
        CHANNEL_QUANTUM = 64,           /* of a slice, for one channel; then the next one has its turn */
        CHANNEL_CHECK_USERS = 128,      /* users of one question for who may read */
        CHANNEL_CHECK_LOOKS = 1024,     /* subscriptions looked at for one question */
        CHANNEL_CHECKS = 32,            /* questions begun in one turn */
        CHANNEL_EPOCH_BYTES = 64,
        CHANNEL_FRAME_BYTES = 2 * LIMIT_FRAME_BYTES, /* ids may double by escapes */
};

/* Frames with seqs without a hole: a ring. */
struct channel_run {
        struct frame **frames; /* NULL: none */
        uint32_t at, count, capacity;
        uint64_t first;
        size_t bytes;
};

struct channel {
        UT_hash_handle hh;
        struct channel_table *table;
        struct list busy; /* in table->busy while someone is in ready */
        struct list due;  /* in table->due while it is to be asked who may read */
        struct list level, ready, waiting, held; /* struct channel_sub, link */
        struct list checked, unchecked, asked;  /* struct channel_sub, check: all subscriptions are in one of them */
        struct channel_run recent, page;
        uint32_t subs;    /* subscriptions */
        uint32_t asks;    /* questions of those who want to subscribe, under way */
        uint32_t holds;   /* other answers under way, or we are in the middle of it */
        uint32_t era, round;
        bool open;        /* the store answered once: epoch and head are known */
        bool is_public;
        bool reading, checking;
        bool check_failed; /* it is tried again each second */
        int gone;         /* the answer with which all subscriptions end; out of the table */
        uint32_t read_era, check_round;
        uint64_t head, top;  /* all entries up to head were here; there are entries up to top */
        uint64_t first;      /* the log begins there */
        uint64_t lowest;     /* what those in WAITING need is not below it; UINT64_MAX: nobody waits */
        bool read_lowest;    /* the latest page began there */
        uint64_t read_after, read_head, read_top, check_head; /* when the question was asked */
        char epoch[CHANNEL_EPOCH_BYTES];
        size_t conv_len;
        char conv[];
};

struct channel_table {
        struct fanout *fanout;
        struct channel *channels;
        struct list busy; /* struct channel, busy */
        struct list due;  /* struct channel, due */
};

/* Someone wants to subscribe, or to subscribe anew. */
struct channel_ask {
        struct list link;        /* in sub->asks */
        struct channel *channel;
        struct channel_sub *sub; /* NULL: it left */
        uint32_t round;
        bool has_since;
        uint64_t since_seq;
        char since_epoch[CHANNEL_EPOCH_BYTES];
        channel_done_fn done;
        void *arg;
};

/* ---- runs of frames ---- */

static void channel_run_clear(struct channel_run *run) {
        for (uint32_t i = 0; i < run->count; i++)
                frame_unref(run->frames[(run->at + i) % run->capacity]);
        free(run->frames);
        *run = (struct channel_run){ 0 };
}

static struct frame *channel_run_find(const struct channel_run *run, uint64_t seq) {
        if (run->count == 0 || seq < run->first || seq >= run->first + run->count)
                return NULL;
        return run->frames[(run->at + (seq - run->first)) % run->capacity];
}

static void channel_run_drop_first(struct channel_run *run) {
        run->bytes -= run->frames[run->at]->len;
        frame_unref(run->frames[run->at]);
        run->at = (run->at + 1) % run->capacity;
        run->first++;
        run->count--;
}

/* Takes a reference of its own; what no longer fits falls off at the other end. Without memory the run is empty. */
static void channel_run_add(struct channel_run *run, uint64_t seq, struct frame *frame) {
        if (run->count && seq != run->first + run->count)
                channel_run_clear(run);
        if (!run->frames) {
                run->frames = calloc(LIMIT_CHANNEL_RECENT, sizeof(*run->frames));
                if (!run->frames)
                        return;
                run->capacity = LIMIT_CHANNEL_RECENT;
        }
        while (run->count && (run->count == run->capacity || run->bytes + frame->len > LIMIT_CHANNEL_RECENT_BYTES))
                channel_run_drop_first(run);
        if (run->count == 0)
                run->first = seq;
        run->frames[(run->at + run->count) % run->capacity] = frame_ref(frame);
        run->count++;
        run->bytes += frame->len;
}

static struct frame *channel_frame(const struct channel *channel, uint64_t seq, const struct entry *entry) {
        _cleanup_buf_ struct buf text = BUF_INIT(CHANNEL_FRAME_BYTES);
        event_open_entry(&text, seq, (struct slice){ channel->conv, channel->conv_len }, entry);
        buf_add_char(&text, '}');
        return buf_failed(&text) ? NULL : frame_new(buf_slice(&text));
}

/* ---- the table ---- */

static struct slice channel_conv(const struct channel *channel) {
        return (struct slice){ channel->conv, channel->conv_len };
}

static struct channel *channel_find(const struct channel_table *table, struct slice conv) {
        struct channel *channel = NULL;
        HASH_FIND(hh, table->channels, conv.ptr, conv.len, channel);
        return channel;
}

static struct channel *channel_new(struct channel_table *table, struct slice conv) {
        struct channel *channel = calloc(1, sizeof(*channel) + conv.len);
        if (!channel)
                return NULL;
        struct list *const lists[] = { &channel->busy, &channel->due, &channel->level, &channel->ready, &channel->waiting, &channel->held,
                                       &channel->checked, &channel->unchecked, &channel->asked };
        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
                list_init(lists[i]);
        channel->table = table;
        channel->lowest = UINT64_MAX;
        channel->conv_len = conv.len;
        memcpy(channel->conv, conv.ptr, conv.len);
        HASH_ADD_KEYPTR(hh, table->channels, channel->conv, channel->conv_len, channel);
        return channel;
}

static void channel_unfollow(struct channel_table *table, struct slice conv) {
        struct call *call = store_call(table->fanout->store, "unfollow");
        store_call_key(call, KEY_CONV, conv);
        store_call_arg(call, node_id(table->fanout->node));
        if (store_call_send(call, NULL, NULL))
                log_debug("A channel is followed on for now; its next entry ends that.");
}

/* Nobody subscribes or wants to, and no answer is under way: that is its end. */
static void channel_release(struct channel *channel) {
        if (channel->holds || channel->subs || channel->asks)
                return;
        if (!channel->gone)
                HASH_DEL(channel->table->channels, channel);
        if (!channel->gone && channel->open)
                channel_unfollow(channel->table, channel_conv(channel));
        list_remove(&channel->busy);
        list_remove(&channel->due);
        channel_run_clear(&channel->recent);
        channel_run_clear(&channel->page);
        free(channel);
}

struct channel_table *channel_table_new(struct fanout *fanout) {
        struct channel_table *table = calloc(1, sizeof(*table));
        if (!table)
                return NULL;
        table->fanout = fanout;
        list_init(&table->busy);
        list_init(&table->due);
        return table;
}

struct channel_table *channel_table_free(struct channel_table *table) {
        free(table);
        return NULL;
}

/* ---- pages of the log ---- */

static void channel_check_soon(struct channel *channel, bool doubt);
static void channel_settle(struct channel *channel);

static void channel_mark_busy(struct channel *channel) {
        if (!list_is_empty(&channel->ready) && list_is_empty(&channel->busy))
                list_append(&channel->table->busy, &channel->busy);
}

/* Whoever is in a list has something to be given. */
static void channel_wake(struct channel *channel, struct list *from) {
        list_splice(&channel->ready, from);
        channel_mark_busy(channel);
}

static void channel_wake_waiting(struct channel *channel) {
        channel->lowest = UINT64_MAX;
        channel_wake(channel, &channel->waiting);
}

/* The next entry is here. */
static void channel_push(struct channel *channel, struct frame *frame) {
        channel->head++;
        if (channel->top < channel->head)
                channel->top = channel->head;
        channel_run_add(&channel->recent, channel->head, frame);
        channel_wake(channel, &channel->level);
}

/* The log begins at seq, or later than what is wanted from it. */
static void channel_trim(struct channel *channel, uint64_t first) {
        if (first > channel->first)
                channel->first = first;
        if (first <= channel->head + 1)
                return;
        channel->head = first - 1;
        if (channel->top < channel->head)
                channel->top = channel->head;
        channel_wake(channel, &channel->level);
}

static void channel_take_page(struct channel *channel, const struct redisReply *reply) {
        size_t count = (store_count(reply) - 3) / 2;
        uint64_t seq = (uint64_t)store_int(store_item(reply, 2)), after = channel->read_after;
        uint64_t first = count ? (uint64_t)store_int(store_item(reply, 3)) : seq + 1;
        if (first > after + 1)
                channel_trim(channel, first);
        if (seq > channel->top)
                channel->top = seq;
        channel_run_clear(&channel->page);
        for (size_t i = 0; i < count; i++) {
                uint64_t at = (uint64_t)store_int(store_item(reply, 3 + i * 2));
                struct entry entry = event_parse_entry(store_text(store_item(reply, 4 + i * 2)));
                struct frame *frame = at == first + i ? channel_frame(channel, at, &entry) : NULL;
                if (!frame)
                        break; /* no memory: the rest is asked for again */
                channel_run_add(&channel->page, at, frame);
                if (at == channel->head + 1)
                        channel_push(channel, frame);
                frame_unref(frame);
        }
        channel_wake_waiting(channel);
}

static void channel_on_page(void *arg, const struct redisReply *reply) {
        struct channel *channel = arg;
        channel->holds--;
        channel->reading = false;
        bool current = reply && !channel->gone && channel->read_era == channel->era;
        if (current && store_count(reply) >= 3) {
                /* Less than we knew when we asked: the store lost its past, though nobody has told us yet. */
                bool lost = !slice_is(store_text(store_item(reply, 1)), channel->epoch) ||
                            (uint64_t)store_int(store_item(reply, 2)) < channel->read_head;
                if (lost)
                        channel_check_soon(channel, false);
                else
                        channel_take_page(channel, reply);
        } else if (current) {
                channel_check_soon(channel, false); /* it was deleted */
        }
        /* One that failed or brought nothing is tried again each second (channel_tick). */
        bool in_vain = !reply || (store_count(reply) <= 3 && channel->top == channel->read_top);
        if (!in_vain && list_is_empty(&channel->due) && list_is_empty(&channel->ready))
                channel_settle(channel);
        channel_release(channel);
}

static void channel_read(struct channel *channel, uint64_t after) {
        struct call *call = store_call(channel->table->fanout->store, "replay");
        store_call_key(call, KEY_CONV, channel_conv(channel));
        store_call_key(call, KEY_LOG, channel_conv(channel));
        store_call_key(call, KEY_STATES, channel_conv(channel));
        store_call_arg_int(call, (int64_t)after);
        store_call_arg_int(call, LIMIT_PAGE_EVENTS);
        store_call_arg_int(call, LIMIT_PAGE_BYTES);
        if (store_call_send(call, channel_on_page, channel))
                return;
        metrics_add(CHANNEL_PAGES, 1);
        channel->holds++;
        channel->reading = true;
        channel->read_after = after;
        channel->read_era = channel->era;
        channel->read_head = channel->head;
        channel->read_top = channel->top;
}

/* Nobody has anything to be given: the frames go, and what is missing is read. */
static void channel_settle(struct channel *channel) {
        channel_run_clear(&channel->recent);
        channel_run_clear(&channel->page);
        if (!channel->open || channel->gone || channel->reading)
                return;
        struct list *first = list_first(&channel->waiting);
        if (channel->top > channel->head) {
                channel_read(channel, channel->head);
        } else if (first) {
                uint64_t longest = LIST_CONTAINER(first, struct channel_sub, link)->next;
                channel->read_lowest = !channel->read_lowest;
                channel_read(channel, (channel->read_lowest ? channel->lowest : longest) - 1);
        }
}

/* ---- giving ---- */

static void channel_put(struct list *state, struct channel_sub *sub) {
        list_remove(&sub->link);
        list_append(state, &sub->link);
}

static void channel_detach(struct channel_sub *sub) {
        list_remove(&sub->link);
        list_remove(&sub->check);
        sub->channel->subs--;
        sub->channel = NULL;
        metrics_sub(SUBSCRIPTIONS, 1);
}

static bool channel_lets_read(const struct channel *channel, const struct channel_sub *sub) {
        return channel->is_public || sub->granted || sub->round == channel->round;
}

static void channel_lose(struct channel *channel, struct channel_sub *sub) {
        struct channel_place place = { .epoch = slice_of(channel->epoch), .seq = channel->head };
        sub->era = channel->era;
        sub->next = channel->head + 1;
        metrics_add(CHANNEL_LOST, 1);
        sub->calls->on_lost(sub, &place);
}

/* Gives the first of READY what is there for it, at most most frames. Returns how much work it was. */
static unsigned channel_serve(struct channel *channel, unsigned most) {
        struct channel_sub *sub = LIST_CONTAINER(list_first(&channel->ready), struct channel_sub, link);
        unsigned given = 0;
        if (channel->gone) {
                channel_detach(sub);
                sub->calls->on_end(sub, channel->gone);
                return 1;
        }
        if (!channel_lets_read(channel, sub)) {
                channel_put(&channel->held, sub);
                return 1;
        }
        if (sub->era != channel->era || sub->next < channel->first)
                channel_lose(channel, sub);
        for (; sub->next <= channel->head; sub->next++, given++) {
                struct frame *frame = channel_run_find(&channel->recent, sub->next);
                if (!frame)
                        frame = channel_run_find(&channel->page, sub->next);
                if (!frame) {
                        channel_put(&channel->waiting, sub);
                        channel->lowest = sub->next < channel->lowest ? sub->next : channel->lowest;
                        return given + 1;
                }
                if (given == most) {
                        channel_put(&channel->ready, sub);
                        return given;
                }
                if (!sub->calls->on_entry(sub, frame)) {
                        list_remove(&sub->link);
                        return given + 1;
                }
                metrics_add(CHANNEL_FRAMES, 1);
        }
        channel_put(&channel->level, sub);
        return given ? given : 1;
}

static void channel_start_check(struct channel *channel);

bool channel_is_busy(const struct channel_table *table) {
        return !list_is_empty(&table->busy) || (!list_is_empty(&table->due) && store_is_up(table->fanout->store));
}

void channel_turn(struct channel_table *table, uint64_t ends_ns) {
        for (unsigned i = 0; i < CHANNEL_CHECKS && !list_is_empty(&table->due) && store_is_up(table->fanout->store); i++)
                channel_start_check(LIST_CONTAINER(list_first(&table->due), struct channel, due));
        for (unsigned left = LIMIT_CHANNEL_SLICE; left && !list_is_empty(&table->busy) && (!ends_ns || uv_hrtime() < ends_ns);) {
                struct channel *channel = LIST_CONTAINER(list_first(&table->busy), struct channel, busy);
                unsigned quantum = left < CHANNEL_QUANTUM ? left : CHANNEL_QUANTUM, used = 0;
                channel->holds++; /* the last one may leave by on_end() */
                while (used < quantum && !list_is_empty(&channel->ready))
                        used += channel_serve(channel, quantum - used);
                list_remove(&channel->busy);
                if (list_is_empty(&channel->ready))
                        channel_settle(channel);
                else
                        list_append(&table->busy, &channel->busy);
                channel->holds--;
                channel_release(channel);
                left -= used < left ? used : left;
        }
}

/* ---- who may read ---- */

/* Asks the store again. doubt: someone may be among the subscribers who may not read any more. */
static void channel_check_soon(struct channel *channel, bool doubt) {
        if (!channel->open || channel->gone)
                return; /* the first answer will tell */
        channel->round++;
        if (doubt)
                channel->is_public = false;
        if (list_is_empty(&channel->due))
                list_append(&channel->table->due, &channel->due);
}

static void channel_end_all(struct channel *channel, int answer) {
        channel->gone = answer;
        HASH_DEL(channel->table->channels, channel);
        list_remove(&channel->due);
        channel_wake(channel, &channel->level);
        channel_wake_waiting(channel);
        channel_wake(channel, &channel->held);
        /* Who is PARKED comes when there is room. */
}

/* The store lost its past: everyone is told, and goes on from the present head. */
static void channel_reset(struct channel *channel, struct slice epoch, uint64_t seq, uint64_t first) {
        channel->era++;
        memcpy(channel->epoch, epoch.ptr, epoch.len);
        channel->epoch[epoch.len] = '\0';
        channel->head = channel->top = seq;
        channel->first = first;
        channel_run_clear(&channel->recent);
        channel_run_clear(&channel->page);
        channel_wake(channel, &channel->level);
        channel_wake_waiting(channel);
}

/* What the store said of each that was asked for. */
static void channel_take_verdicts(struct channel *channel, const struct redisReply *reply) {
        LIST_FOR_EACH(link, &channel->asked) {
                struct channel_sub *sub = LIST_CONTAINER(link, struct channel_sub, check);
                if (channel->is_public || store_int(store_item(reply, 5 + sub->index))) {
                        sub->round = channel->round;
                        list_remove(&sub->check);
                        list_append(&channel->checked, &sub->check);
                } else {
                        channel_detach(sub);
                        sub->calls->on_end(sub, FANOUT_E_FORBIDDEN);
                }
        }
}

static int channel_answer(const struct redisReply *reply) {
        if (!reply)
                return FANOUT_E_UNAVAILABLE;
        struct slice code = store_text(store_item(reply, 1)); /* or the epoch */
        if (!slice_is(store_text(store_item(reply, 0)), "err"))
                return code.len < CHANNEL_EPOCH_BYTES ? 0 : FANOUT_E_UNAVAILABLE;
        if (slice_is(code, "unavailable"))
                return FANOUT_E_UNAVAILABLE; /* the store is another one, which will be told */
        return slice_is(code, "forbidden") ? FANOUT_E_FORBIDDEN : slice_is(code, "no_channel") ? FANOUT_E_NO_CHANNEL : FANOUT_E_NOT_FOUND;
}

static void channel_ask_who(struct channel *channel);

static void channel_on_checked(void *arg, const struct redisReply *reply) {
        struct channel *channel = arg;
        int answer = channel_answer(reply);
        channel->checking = false;
        if (answer == FANOUT_E_UNAVAILABLE || channel->round != channel->check_round) {
                list_splice(&channel->unchecked, &channel->asked);
                channel->check_failed = answer == FANOUT_E_UNAVAILABLE;
                if (!channel->check_failed && list_is_empty(&channel->due))
                        list_append(&channel->table->due, &channel->due);
        } else if (answer) {
                channel_end_all(channel, FANOUT_E_NOT_FOUND);
        } else {
                struct slice epoch = store_text(store_item(reply, 1));
                uint64_t seq = (uint64_t)store_int(store_item(reply, 2));
                if (!slice_is(epoch, channel->epoch) || seq < channel->check_head)
                        channel_reset(channel, epoch, seq, (uint64_t)store_int(store_item(reply, 3)));
                else if (seq > channel->top)
                        channel->top = seq;
                channel->is_public = store_int(store_item(reply, 4)) == 1;
                channel_take_verdicts(channel, reply);
                if (channel->is_public)
                        list_splice(&channel->checked, &channel->unchecked);
                /* All at once at the end, so that nobody is looked at after each question. */
                if (list_is_empty(&channel->unchecked))
                        channel_wake(channel, &channel->held);
                else
                        channel_ask_who(channel);
        }
        if (list_is_empty(&channel->ready))
                channel_settle(channel);
        channel->holds--;
        channel_release(channel);
}

/* A question about the next ones, perhaps about nobody: then only the channel's own state is asked for. */
static void channel_ask_who(struct channel *channel) {
        struct channel_table *table = channel->table;
        struct call *call = store_call(table->fanout->store, "follow");
        uint32_t count = 0;
        store_call_key(call, KEY_CONV, channel_conv(channel));
        store_call_key(call, KEY_MEMBERS, channel_conv(channel));
        store_call_key(call, KEY_LOG, channel_conv(channel));
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_arg(call, node_id(table->fanout->node));
        store_call_arg_int(call, 1);
        store_call_arg_text(call, store_epoch(table->fanout->store));
        struct list *link;
        for (int looks = 0; looks < CHANNEL_CHECK_LOOKS && count < CHANNEL_CHECK_USERS && (link = list_first(&channel->unchecked)); looks++) {
                struct channel_sub *sub = LIST_CONTAINER(link, struct channel_sub, check);
                list_remove(&sub->check);
                list_append(sub->granted ? &channel->checked : &channel->asked, &sub->check);
                if (sub->granted)
                        continue;
                sub->index = count++;
                store_call_arg(call, sub->user);
        }
        channel->check_round = channel->round;
        channel->check_head = channel->head;
        if (store_call_send(call, channel_on_checked, channel) == 0) {
                channel->checking = true;
                channel->holds++;
                return;
        }
        list_splice(&channel->unchecked, &channel->asked);
        channel->check_failed = true;
}

static void channel_start_check(struct channel *channel) {
        list_remove(&channel->due);
        if (channel->checking)
                return; /* its answer is of an older round, and begins anew */
        list_splice(&channel->unchecked, &channel->checked);
        channel_ask_who(channel);
}

/* ---- subscribing ---- */

void channel_init(struct channel_sub *sub) {
        list_init(&sub->link);
        list_init(&sub->check);
        list_init(&sub->asks);
}

bool channel_is_over(const struct channel_sub *sub) {
        return !sub->channel && list_is_empty(&sub->asks);
}

static void channel_open(struct channel *channel, const struct redisReply *reply) {
        struct slice epoch = store_text(store_item(reply, 1));
        memcpy(channel->epoch, epoch.ptr, epoch.len);
        channel->open = true;
        channel->head = (uint64_t)store_int(store_item(reply, 2));
        channel->first = (uint64_t)store_int(store_item(reply, 3));
        channel->is_public = store_int(store_item(reply, 4)) == 1;
        if (channel->top > channel->head)
                channel_settle(channel); /* entries came before this answer */
        else
                channel->top = channel->head;
}

static void channel_enter(const struct channel_ask *ask, uint64_t next) {
        struct channel *channel = ask->channel;
        struct channel_sub *sub = ask->sub;
        if (sub->channel != channel) {
                struct channel *before = sub->channel;
                if (before) { /* deleted, and made again */
                        channel_detach(sub);
                        channel_release(before);
                }
                sub->channel = channel;
                channel->subs++;
                metrics_add(SUBSCRIPTIONS, 1);
                list_append(&channel->checked, &sub->check);
        }
        sub->next = next;
        sub->era = channel->era;
        sub->round = ask->round;
        channel_put(next <= channel->head ? &channel->ready : &channel->level, sub);
        channel_mark_busy(channel);
        if (!channel_lets_read(channel, sub))
                channel_check_soon(channel, false); /* meanwhile it became uncertain who may */
}

static void channel_on_followed(void *arg, const struct redisReply *reply) {
        struct channel_ask *ask = arg;
        struct channel *channel = ask->channel;
        int answer = channel_answer(reply);
        if (!answer && channel->gone)
                answer = FANOUT_E_UNAVAILABLE;
        if (!answer && !channel->open)
                channel_open(channel, reply);
        if (ask->sub) {
                list_remove(&ask->link);
                struct channel_place place = { .epoch = SLICE("") };
                uint64_t next = 0;
                if (!answer) {
                        place.epoch = store_text(store_item(reply, 1));
                        place.seq = (uint64_t)store_int(store_item(reply, 2));
                        place.recovered = !ask->has_since ||
                                          (slice_is(place.epoch, ask->since_epoch) && ask->since_seq <= place.seq &&
                                           ask->since_seq + 1 >= (uint64_t)store_int(store_item(reply, 3)));
                        next = (ask->has_since && place.recovered ? ask->since_seq : place.seq) + 1;
                        if (!slice_is(place.epoch, channel->epoch))
                                channel_check_soon(channel, false); /* the store lost its past */
                }
                if (!answer)
                        channel_enter(ask, next);
                ask->done(ask->arg, answer, &place);
        }
        channel->asks--;
        free(ask);
        channel_release(channel);
}

int channel_subscribe(struct channel_table *table, struct channel_sub *sub, struct slice conv, const struct channel_place *since,
                      channel_done_fn done, void *arg) {
        struct channel *channel = channel_find(table, conv);
        struct channel_ask *ask = calloc(1, sizeof(*ask));
        if (ask && !channel)
                channel = channel_new(table, conv);
        if (!ask || !channel) {
                free(ask);
                return -ENOMEM;
        }
        ask->channel = channel;
        ask->sub = sub;
        ask->round = channel->round;
        ask->done = done;
        ask->arg = arg;
        if (since) {
                ask->has_since = true;
                ask->since_seq = since->seq;
                /* One too long to be ours is as good as none. */
                if (since->epoch.len < CHANNEL_EPOCH_BYTES)
                        memcpy(ask->since_epoch, since->epoch.ptr, since->epoch.len);
        }
        struct call *call = store_call(table->fanout->store, "follow");
        store_call_key(call, KEY_CONV, conv);
        store_call_key(call, KEY_MEMBERS, conv);
        store_call_key(call, KEY_LOG, conv);
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        store_call_arg(call, node_id(table->fanout->node));
        store_call_arg_int(call, sub->granted);
        store_call_arg_text(call, store_epoch(table->fanout->store));
        store_call_arg(call, sub->user);
        int r = store_call_send(call, channel_on_followed, ask);
        if (r) {
                free(ask);
                channel_release(channel);
                return r > 0 ? FANOUT_E_UNAVAILABLE : r;
        }
        channel->asks++;
        list_append(&sub->asks, &ask->link);
        return 0;
}

void channel_leave(struct channel_sub *sub) {
        struct list *link;
        while ((link = list_first(&sub->asks))) {
                struct channel_ask *ask = LIST_CONTAINER(link, struct channel_ask, link);
                list_remove(link);
                ask->sub = NULL;
                ask->done(ask->arg, FANOUT_E_CONFLICT, &(struct channel_place){ .epoch = SLICE("") });
        }
        struct channel *channel = sub->channel;
        if (!channel)
                return;
        channel_detach(sub);
        channel_release(channel);
}

void channel_resume(struct channel_sub *sub) {
        struct channel *channel = sub->channel;
        if (!channel || !list_is_empty(&sub->link))
                return; /* not PARKED */
        channel_put(&channel->ready, sub);
        channel_mark_busy(channel);
}

void channel_recheck(struct channel_sub *sub) {
        if (sub->channel)
                channel_check_soon(sub->channel, false);
}

/* ---- what arrives ---- */

void channel_on_entry(struct channel_table *table, uint64_t seq, struct slice conv, const struct entry *entry) {
        struct channel *channel = channel_find(table, conv);
        if (!channel) {
                channel_unfollow(table, conv); /* the first try was lost, or this entry was under way then */
                return;
        }
        if (channel->open && seq == channel->head + 1) {
                struct frame *frame = channel_frame(channel, seq, entry);
                if (frame)
                        channel_push(channel, frame);
                frame_unref(frame);
        }
        if (seq > channel->top)
                channel->top = seq;
        if (list_is_empty(&channel->ready))
                channel_settle(channel);
}

void channel_on_change(struct channel_table *table, struct slice conv) {
        struct channel *channel = channel_find(table, conv);
        if (channel)
                channel_check_soon(channel, true);
}

void channel_repair(struct channel_table *table) {
        struct channel *channel, *next;
        HASH_ITER(hh, table->channels, channel, next) channel_check_soon(channel, false);
}

void channel_tick(struct channel_table *table) {
        if (!store_is_up(table->fanout->store))
                return;
        struct channel *channel, *next;
        HASH_ITER(hh, table->channels, channel, next) {
                if (channel->check_failed)
                        channel_check_soon(channel, false);
                channel->check_failed = false;
                if (list_is_empty(&channel->ready) && (channel->top > channel->head || !list_is_empty(&channel->waiting)))
                        channel_settle(channel);
        }
}
