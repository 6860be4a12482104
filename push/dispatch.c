/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c: see dispatch.h.
 *
 * Push workers, on whatever machines, are heard of once a second in one set; of the partitions each looks after every W-th. While
 * they disagree on W, two may look after one: takes are fenced, so that costs a call and nothing else.
 */
#include "push/dispatch.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fanout/due.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "push/provider.h"
#include "push/work.h"
#include "push/zone.h"

enum {
        DISPATCH_NAME_BYTES = 16,   /* of hex */
        DISPATCH_HEARD_MS = 1000,
        DISPATCH_GONE_MS = 5000,    /* a push worker not heard of for so long has died: its partitions are shared out */
        DISPATCH_POLL_USERS = 64,   /* of one partition at a time at most */
};

struct dispatch_user {
        struct work *work;
        UT_hash_handle hh;
};

struct dispatch {
        struct dispatch_options options;
        struct work_shared shared;
        char worker[DISPATCH_NAME_BYTES + 1];
        struct dispatch_user *users;
        unsigned index, workers;     /* this one of so many; workers 0: not known yet */
        unsigned poll_limit;         /* what the poll under way was asked for, of each partition */
        uint64_t heard_ms;
        bool is_draining;
        bool polling, more;          /* more: the latest poll could have brought more than it was asked for */
        void (*on_idle)(void *context);
        void *idle_context;
};

static void dispatch_poll(struct dispatch *dispatch, bool counts);

static size_t dispatch_room(const struct dispatch *dispatch) {
        size_t count = HASH_COUNT(dispatch->users);
        return count < LIMIT_PUSH_USERS ? LIMIT_PUSH_USERS - count : 0;
}

static void dispatch_on_end(void *context, struct work *work) {
        struct dispatch *dispatch = context;
        struct dispatch_user *user;
        struct slice name = work_user(work);
        HASH_FIND(hh, dispatch->users, name.ptr, name.len, user);
        if (user) {
                HASH_DEL(dispatch->users, user);
                free(user);
                metrics_sub(PUSH_USERS, 1);
        }
        work_free(work);
        if (dispatch->on_idle && HASH_COUNT(dispatch->users) == 0) {
                void (*on_idle)(void *) = dispatch->on_idle;
                dispatch->on_idle = NULL;
                on_idle(dispatch->idle_context);
        } else if (dispatch->more && dispatch_room(dispatch) > LIMIT_PUSH_USERS / 2) {
                dispatch_poll(dispatch, false);
        }
}

static void dispatch_take(struct dispatch *dispatch, struct slice name, int class) {
        struct dispatch_user *user;
        HASH_FIND(hh, dispatch->users, name.ptr, name.len, user);
        if (!user) {
                if (dispatch_room(dispatch) == 0) {
                        dispatch->more = true;
                        return;
                }
                user = calloc(1, sizeof(*user));
                if (user)
                        user->work = work_new(&dispatch->shared, name);
                if (!user || !user->work) {
                        free(user);
                        return; /* it stays due */
                }
                HASH_ADD_KEYPTR(hh, dispatch->users, work_user(user->work).ptr, name.len, user);
                metrics_add(PUSH_USERS, 1);
        }
        work_step(user->work, class);
}

/* The urgent of all partitions first. */
static void dispatch_on_due(void *arg, const struct redisReply *reply) {
        struct dispatch *dispatch = arg;
        dispatch->polling = dispatch->more = false;
        if (!reply || dispatch->options.fanout->push_delay_ms < 0 || dispatch->workers == 0 || dispatch->is_draining)
                return;
        if (store_int(store_item(reply, 1)) >= 0) {
                metrics_set(PUSH_DUE, store_int(store_item(reply, 1)));
                metrics_set(PUSH_DUE_MS, store_int(store_item(reply, 2)));
        }
        for (int class = DUE_CRITICAL; class <= DUE_LOW; class++) {
                for (size_t p = 3; p < store_count(reply); p++) {
                        const struct redisReply *list = store_item(reply, p);
                        dispatch->more |= store_count(list) / 2 >= dispatch->poll_limit;
                        for (size_t i = 0; i + 1 < store_count(list); i += 2)
                                if (store_int(store_item(list, i)) == class)
                                        dispatch_take(dispatch, store_text(store_item(list, i + 1)), class);
                }
        }
}

/* counts: how many are due is asked, too. */
static void dispatch_poll(struct dispatch *dispatch, bool counts) {
        struct fanout *fanout = dispatch->options.fanout;
        size_t room = dispatch_room(dispatch);
        if (dispatch->is_draining || dispatch->polling || (room == 0 && !counts) || dispatch->workers == 0 || !store_is_up(fanout->store))
                return;
        /* One call for all partitions of an owner; a standalone Redis owns all. */
        struct call *call = store_call(fanout->store, "push_due");
        unsigned count = 0;
        for (unsigned p = dispatch->index; p < PARTITIONS; p += dispatch->workers, count++)
                store_call_key_in(call, KEY_DUE, p, SLICE(""));
        if (count == 0)
                return; /* there are more workers than partitions */
        size_t limit = room ? room / count + 1 : 0;
        dispatch->poll_limit = (unsigned)(limit < DISPATCH_POLL_USERS ? limit : DISPATCH_POLL_USERS);
        store_call_arg_int(call, dispatch->poll_limit);
        store_call_arg_int(call, counts);
        dispatch->polling = store_call_send(call, dispatch_on_due, dispatch) == 0;
}

static void dispatch_on_workers(void *arg, const struct redisReply *reply) {
        struct dispatch *dispatch = arg;
        size_t count = store_count(reply ? reply : &(struct redisReply){ .type = REDIS_REPLY_NIL });
        for (size_t i = 0; i < count; i++) {
                if (!slice_is(store_text(store_item(reply, i)), dispatch->worker))
                        continue;
                if (dispatch->workers != count)
                        log_info("Push workers share the partitions. workers=%zu", count);
                dispatch->index = (unsigned)i;
                dispatch->workers = (unsigned)count;
        }
}

static void dispatch_tell(struct dispatch *dispatch, bool leave) {
        struct call *call = store_call(dispatch->options.fanout->store, "push_workers");
        store_call_key_in(call, KEY_PUSHERS, 0, SLICE("all"));
        store_call_arg_text(call, dispatch->worker);
        store_call_arg_int(call, DISPATCH_GONE_MS);
        store_call_arg_int(call, leave);
        if (store_call_send(call, leave ? NULL : dispatch_on_workers, dispatch))
                log_debug("The store is away.");
}

void dispatch_tick(struct dispatch *dispatch) {
        uint64_t now_ms = clock_monotonic_ms();
        struct dispatch_user *user, *next;
        if (!store_is_up(dispatch->options.fanout->store))
                return;
        HASH_ITER(hh, dispatch->users, user, next) work_keep(user->work, now_ms);
        if (dispatch->is_draining)
                return;
        HASH_ITER(hh, dispatch->users, user, next) work_wake(user->work, now_ms);
        bool is_second = now_ms >= dispatch->heard_ms + DISPATCH_HEARD_MS;
        if (is_second) {
                dispatch->heard_ms = now_ms;
                dispatch_tell(dispatch, false);
        }
        dispatch_poll(dispatch, is_second);
}

void dispatch_drain(struct dispatch *dispatch, void (*on_idle)(void *context), void *context) {
        dispatch->is_draining = true; /* no more polls, and no word that would bring it back among the push workers */
        dispatch_tell(dispatch, true);
        if (HASH_COUNT(dispatch->users) == 0) {
                on_idle(context);
                return;
        }
        dispatch->on_idle = on_idle;
        dispatch->idle_context = context;
}

void dispatch_stop(struct dispatch *dispatch) {
        dispatch->shared.providers = NULL;
}

struct dispatch *dispatch_new(const struct dispatch_options *options) {
        struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
        if (!dispatch)
                return NULL;
        dispatch->options = *options;
        chance_hex(dispatch->worker, DISPATCH_NAME_BYTES);
        dispatch->shared = (struct work_shared){
                .fanout = options->fanout,
                .providers = options->providers,
                .zones = zone_cache_new(options->zones),
                .worker = dispatch->worker,
                .context = dispatch,
                .on_end = dispatch_on_end,
        };
        if (dispatch->shared.zones)
                return dispatch;
        free(dispatch);
        return NULL;
}

struct dispatch *dispatch_free(struct dispatch *dispatch) {
        struct dispatch_user *user, *next;
        if (!dispatch)
                return NULL;
        HASH_ITER(hh, dispatch->users, user, next) {
                HASH_DEL(dispatch->users, user);
                work_free(user->work);
                free(user);
        }
        zone_cache_free(dispatch->shared.zones);
        free(dispatch);
        return NULL;
}
