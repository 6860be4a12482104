/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c: see watch.h. */
#include "presence/watch.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/wheel.h"
#include "fanout/fanout.h"
#include "fanout/node.h"
#include "fanout/store.h"
#include "fanout/words.h"
#include "presence/flap.h"
#include "presence/lease.h"
#include "presence/registry.h"

enum { WATCH_FRAME_BYTES = 4096, WATCH_LIVE_BYTES = 65536, WATCH_CALL = 128 };

/* A followed user. */
struct watched {
        UT_hash_handle hh;
        struct watch *watch;
        struct list follows; /* struct watch_follow, of_user */
        struct wheel_timer grace;
        struct flap flap;
        bool known;          /* the store has answered once */
        bool invisible;
        int64_t seen_ms;
        uint64_t moved;      /* the latest question when a change was told: answers up to it may be older than the change */
        struct buf live;
        size_t user_len;
        char user[];
};

/* One session follows one user. */
struct watch_follow {
        struct list of_user, of_watcher;
        struct watched *watched;
        struct watcher *watcher;
};

/* A question under way: the users are followed already, their state comes with the answer. */
struct watch_request {
        struct list link; /* in watch->requests */
        struct watch *watch;
        struct watcher *watcher; /* NULL: gone, or nobody asked (a repair) */
        uint64_t request;
        uint64_t serial;
        size_t count;
        struct slice *users; /* behind the struct */
};

struct watch {
        struct fanout *fanout;
        const struct lease *lease;
        struct wheel *wheel;
        int64_t grace_ms;
        struct watched *users;
        struct list requests; /* struct watch_request, link */
        uint64_t serial;      /* of the latest of them */
};

struct watch *watch_new(struct fanout *fanout, const struct lease *lease, struct wheel *wheel, int64_t grace_ms) {
        struct watch *watch = calloc(1, sizeof(*watch));
        if (!watch)
                return NULL;
        *watch = (struct watch){ .fanout = fanout, .lease = lease, .wheel = wheel, .grace_ms = grace_ms };
        list_init(&watch->requests);
        return watch;
}

static void watch_drop(struct watch *watch, struct watched *watched) {
        wheel_stop(&watched->grace);
        HASH_DEL(watch->users, watched);
        buf_deinit(&watched->live);
        free(watched);
}

struct watch *watch_free(struct watch *watch) {
        if (!watch)
                return NULL;
        LIST_FOR_EACH(link, &watch->requests) {
                list_remove(link);
                free(LIST_CONTAINER(link, struct watch_request, link));
        }
        while (watch->users)
                watch_drop(watch, watch->users);
        free(watch);
        return NULL;
}

void watch_init(struct watcher *watcher) {
        list_init(&watcher->follows);
        watcher->count = 0;
}

static struct watched *watch_find(struct watch *watch, struct slice user) {
        struct watched *watched = NULL;
        HASH_FIND(hh, watch->users, user.ptr, user.len, watched);
        return watched;
}

/* ---- telling ---- */

static void watch_add_state(struct buf *out, const struct watched *watched) {
        buf_add_text(out, "\"user\":");
        buf_add_json(out, (struct slice){ watched->user, watched->user_len });
        buf_add_text(out, ",\"status\":\"");
        buf_add_text(out, flap_text(watched->flap.announced));
        buf_add_text(out, "\",\"last_seen\":");
        if (watched->flap.announced != FLAP_OFFLINE)
                buf_add_int(out, clock_wall_ms());
        else if (watched->seen_ms)
                buf_add_int(out, watched->seen_ms);
        else
                buf_add_text(out, "null");
}

/* NULL without memory. */
static struct frame *watch_frame(const struct watched *watched) {
        _cleanup_buf_ struct buf text = BUF_INIT(WATCH_FRAME_BYTES);
        buf_add_text(&text, "{\"type\":\"presence\",");
        watch_add_state(&text, watched);
        buf_add_char(&text, '}');
        return buf_failed(&text) ? NULL : frame_new(buf_slice(&text));
}

void watch_repeat(struct watcher *watcher) {
        LIST_FOR_EACH(link, &watcher->follows) {
                const struct watched *watched = LIST_CONTAINER(link, struct watch_follow, of_watcher)->watched;
                struct frame *frame = watched->known ? watch_frame(watched) : NULL;
                if (frame)
                        watcher->on_presence(watcher, frame);
                frame_unref(frame);
        }
}

static void watch_tell(struct watched *watched) {
        struct frame *frame = watch_frame(watched);
        if (!frame)
                return;
        LIST_FOR_EACH(link, &watched->follows) {
                struct watch_follow *follow = LIST_CONTAINER(link, struct watch_follow, of_user);
                follow->watcher->on_presence(follow->watcher, frame);
        }
        frame_unref(frame);
}

static void watch_on_grace(struct wheel_timer *timer, uint64_t now_ms) {
        struct watched *watched = LIST_CONTAINER(timer, struct watched, grace);
        if (flap_due(&watched->flap, watched->watch->grace_ms, clock_wall_ms()))
                watch_tell(watched);
}

/* Looks at what is known of a user, with the nodes that live now. */
static void watch_look(struct watched *watched, int64_t gone_ms) {
        struct watch *watch = watched->watch;
        enum flap_status observed = registry_evaluate(watch->lease, buf_slice(&watched->live), watched->invisible, NULL);
        int64_t now_ms = clock_wall_ms(), due_ms = 0;
        if (!watched->known) {
                flap_init(&watched->flap, observed);
                watched->known = true;
                return;
        }
        /* Who makes himself invisible goes at once: waiting would tell that he is still here. */
        int64_t grace_ms = watched->invisible ? 0 : watch->grace_ms;
        bool tell = flap_step(&watched->flap, observed, gone_ms, grace_ms, now_ms, &due_ms);
        if (due_ms)
                wheel_start(watch->wheel, &watched->grace, clock_monotonic_ms() + (uint64_t)(due_ms - now_ms));
        else
                wheel_stop(&watched->grace);
        if (tell)
                watch_tell(watched);
}

static void watch_set(struct watched *watched, int64_t seen_ms, bool invisible, struct slice live) {
        watched->seen_ms = seen_ms;
        watched->invisible = invisible;
        buf_clear(&watched->live);
        buf_add_slice(&watched->live, live);
        watch_look(watched, seen_ms ? seen_ms : clock_wall_ms());
}

void watch_on_presence(struct watch *watch, struct slice user, int64_t seen_ms, bool invisible, struct slice live) {
        struct watched *watched = watch_find(watch, user);
        if (!watched)
                return;
        watched->moved = watch->serial;
        /* Before the first answer there is nothing to compare with; if it has not this change in it, it is asked for again. */
        if (watched->known)
                watch_set(watched, seen_ms, invisible, live);
}

static bool watch_mentions(struct slice live, struct slice node) {
        while (live.len) {
                struct slice line = words_take(&live, '\n');
                words_take(&line, ' ');
                words_take(&line, ' ');
                if (slice_equal(words_take(&line, ' '), node))
                        return true;
        }
        return false;
}

void watch_on_death(struct watch *watch, struct slice node, int64_t last_ms) {
        struct watched *watched, *next;
        HASH_ITER(hh, watch->users, watched, next) {
                if (!watched->known || !watch_mentions(buf_slice(&watched->live), node))
                        continue;
                if (last_ms > watched->seen_ms)
                        watched->seen_ms = last_ms;
                watch_look(watched, last_ms);
                /* Others may ask about the user later: the dead node's sessions are taken out of the store. */
                struct call *call = store_call(watch->fanout->store, "prune");
                struct slice user = { watched->user, watched->user_len };
                store_call_key(call, KEY_USER, user);
                store_call_key_in(call, KEY_NODES, 0, SLICE(""));
                store_call_arg_channels(call, partition_of(user));
                store_call_arg(call, user);
                store_call_arg(call, node);
                store_call_arg_int(call, last_ms);
                if (store_call_send(call, NULL, NULL))
                        log_debug("A dead node's sessions could not be taken out now.");
        }
}

void watch_on_life(struct watch *watch) {
        for (struct watched *watched = watch->users; watched; watched = watched->hh.next)
                if (watched->known)
                        watch_look(watched, clock_wall_ms());
}

/* ---- following ---- */

static void watch_answer(struct watch_request *request, int answer) {
        struct watcher *watcher = request->watcher;
        if (!watcher)
                return;
        _cleanup_buf_ struct buf out = BUF_INIT((size_t)LIMIT_LIST_ITEMS * WATCH_FRAME_BYTES);
        buf_add_text(&out, "\"presence\":[");
        bool first = true;
        for (size_t i = 0; i < request->count && !answer; i++) {
                struct watched *watched = watch_find(request->watch, request->users[i]);
                if (!watched)
                        continue;
                buf_add_text(&out, first ? "{" : ",{");
                first = false;
                watch_add_state(&out, watched);
                buf_add_char(&out, '}');
        }
        buf_add_char(&out, ']');
        watcher->on_watching(watcher, request->request, answer, answer ? SLICE("") : buf_slice(&out));
}

static int watch_ask(struct watch_request *request);

static struct watch_request *watch_request_new(struct watch *watch, const struct slice *users, size_t count) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++)
                bytes += users[i].len;
        struct watch_request *request = calloc(1, sizeof(*request) + count * sizeof(struct slice) + bytes);
        if (!request)
                return NULL;
        request->watch = watch;
        request->serial = ++watch->serial;
        request->users = (struct slice *)(request + 1);
        request->count = count;
        char *text = (char *)(request->users + count);
        for (size_t i = 0; i < count; i++)
                request->users[i] = slice_copy(&text, users[i]);
        list_append(&watch->requests, &request->link);
        return request;
}

/*
 * Answer and changes come by two links: a change that was told since the question was asked may be newer than the answer, or older.
 * So it stays, and whoever it is about is asked for again.
 */
static void watch_on_reply(void *arg, const struct redisReply *reply) {
        struct watch_request *request = arg;
        struct slice again[LIMIT_LIST_ITEMS];
        size_t count = 0;
        for (size_t i = 0; reply && i < request->count; i++) {
                struct watched *watched = watch_find(request->watch, request->users[i]);
                if (!watched)
                        continue;
                bool moved = request->serial <= watched->moved;
                if (moved && count < LIMIT_LIST_ITEMS)
                        again[count++] = (struct slice){ watched->user, watched->user_len };
                if (!moved || !watched->known)
                        watch_set(watched, store_int(store_item(reply, i * 3 + 1)), store_int(store_item(reply, i * 3 + 2)) != 0,
                                  store_text(store_item(reply, i * 3)));
        }
        watch_answer(request, reply ? 0 : FANOUT_E_UNAVAILABLE);
        struct watch_request *second = count ? watch_request_new(request->watch, again, count) : NULL;
        if (second && watch_ask(second))
                log_debug("Presence could not be asked for again; the next repair will.");
        list_remove(&request->link);
        free(request);
}

static int watch_ask(struct watch_request *request) {
        struct call *call = store_call(request->watch->fanout->store, "watch");
        for (size_t i = 0; i < request->count; i++)
                store_call_key(call, KEY_USER, request->users[i]);
        store_call_arg(call, node_id(request->watch->fanout->node));
        int r = store_call_send(call, watch_on_reply, request);
        if (r) {
                list_remove(&request->link);
                free(request);
        }
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

static bool watch_follows(const struct watched *watched, const struct watcher *watcher) {
        LIST_FOR_EACH(link, &watched->follows) if (LIST_CONTAINER(link, struct watch_follow, of_user)->watcher == watcher) return true;
        return false;
}

static int watch_follow(struct watch *watch, struct watcher *watcher, struct slice user) {
        struct watched *watched = watch_find(watch, user);
        if (!watched) {
                watched = calloc(1, sizeof(*watched) + user.len);
                if (!watched)
                        return -ENOMEM;
                watched->watch = watch;
                list_init(&watched->follows);
                wheel_timer_init(&watched->grace, watch_on_grace);
                buf_init(&watched->live, WATCH_LIVE_BYTES);
                watched->user_len = user.len;
                memcpy(watched->user, user.ptr, user.len);
                HASH_ADD_KEYPTR(hh, watch->users, watched->user, watched->user_len, watched);
        }
        if (watch_follows(watched, watcher))
                return 0;
        struct watch_follow *follow = calloc(1, sizeof(*follow));
        if (!follow) {
                if (list_is_empty(&watched->follows))
                        watch_drop(watch, watched);
                return -ENOMEM;
        }
        follow->watched = watched;
        follow->watcher = watcher;
        list_append(&watched->follows, &follow->of_user);
        list_append(&watcher->follows, &follow->of_watcher);
        watcher->count++;
        return 0;
}

int watch_add(struct watch *watch, struct watcher *watcher, uint64_t request_id, const struct slice *users, size_t count) {
        struct watch_request *request = watch_request_new(watch, users, count);
        if (!request)
                return -ENOMEM;
        request->watcher = watcher;
        request->request = request_id;
        for (size_t i = 0; i < count; i++) {
                int r = watch_follow(watch, watcher, users[i]);
                if (r < 0) {
                        list_remove(&request->link);
                        free(request);
                        return r;
                }
        }
        return watch_ask(request);
}

static void watch_unfollow(struct watch *watch, struct watch_follow *follow) {
        struct watched *watched = follow->watched;
        list_remove(&follow->of_user);
        list_remove(&follow->of_watcher);
        follow->watcher->count--;
        free(follow);
        if (!list_is_empty(&watched->follows))
                return;
        struct slice user = { watched->user, watched->user_len };
        struct call *call = store_call(watch->fanout->store, "unwatch");
        store_call_key(call, KEY_USER, user);
        store_call_arg(call, node_id(watch->fanout->node));
        if (store_call_send(call, NULL, NULL))
                log_debug("A user stays followed in the store for now.");
        watch_drop(watch, watched);
}

void watch_remove(struct watch *watch, struct watcher *watcher, struct slice user) {
        struct watched *watched = watch_find(watch, user);
        if (!watched)
                return;
        LIST_FOR_EACH(link, &watched->follows) {
                struct watch_follow *follow = LIST_CONTAINER(link, struct watch_follow, of_user);
                if (follow->watcher == watcher) {
                        watch_unfollow(watch, follow);
                        return;
                }
        }
}

void watch_deinit(struct watch *watch, struct watcher *watcher) {
        LIST_FOR_EACH(link, &watch->requests) {
                struct watch_request *request = LIST_CONTAINER(link, struct watch_request, link);
                if (request->watcher != watcher)
                        continue;
                watch_answer(request, FANOUT_E_UNAVAILABLE); /* whoever asked holds something until on_watching */
                request->watcher = NULL;
        }
        LIST_FOR_EACH(link, &watcher->follows) watch_unfollow(watch, LIST_CONTAINER(link, struct watch_follow, of_watcher));
}

/* Asks again about everyone. */
void watch_on_repair(struct watch *watch) {
        struct slice users[WATCH_CALL];
        size_t count = 0;
        struct watched *watched, *next;
        HASH_ITER(hh, watch->users, watched, next) {
                users[count++] = (struct slice){ watched->user, watched->user_len };
                if (count < WATCH_CALL && next)
                        continue;
                struct watch_request *request = watch_request_new(watch, users, count);
                if (request && watch_ask(request))
                        log_debug("Presence could not be asked for again; the next repair will.");
                count = 0;
        }
}
