/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.c: see inbox.h. */
#include "fanout/inbox.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/limits.h"
#include "fanout/fanout.h"
#include "fanout/notice.h"
#include "fanout/store.h"
#include "fanout/words.h"

struct inbox_item {
        struct slice pointer; /* of the text */
        struct inbox_event event;
        bool wanted;          /* something must be fetched for it */
        bool fetched;
        bool own;             /* the session sent it, and has the body */
};

struct inbox_read {
        struct fanout *fanout;
        inbox_done_fn done; /* NULL: cancelled */
        void *arg;
        struct inbox_page result;
        uint64_t after;
        struct inbox_item *items;
        size_t count;
        char *text;
        unsigned waiting;
        bool failed;
        struct slice user, session; /* of name */
        char name[];
};

/* One fetch: the items it asked for, in its order. */
struct inbox_fetch {
        struct inbox_read *page;
        size_t count;
        size_t index[];
};

static void inbox_end(struct inbox_read *page) {
        if (page->done) {
                struct inbox_event *events = calloc(page->count + 1, sizeof(*events));
                page->result.answer = page->failed || !events ? FANOUT_E_UNAVAILABLE : 0;
                page->result.events = events;
                for (size_t i = 0; i < page->count && !page->result.answer; i++) {
                        struct inbox_item *item = &page->items[i];
                        if (item->wanted && !item->fetched)
                                break; /* the page's bytes are used up; the rest is for the next page */
                        page->result.next = item->event.n;
                        if (item->pointer.len)
                                events[page->result.count++] = item->event;
                }
                page->done(page->arg, &page->result);
                free(events);
        }
        for (size_t i = 0; i < page->count; i++)
                frame_unref(page->items[i].event.tail);
        free(page->items);
        free(page->text);
        free(page);
}

/* Whose key holds what a pointer points to: the user's for notifications, else the conversation's. */
static struct slice inbox_home(const struct inbox_read *page, const struct inbox_item *item) {
        struct slice rest = item->pointer;
        if (item->event.type == EVENT_NOTIFICATION)
                return page->user;
        words_take(&rest, ' ');
        words_take(&rest, ' ');
        return words_take(&rest, ' ');
}

/* An op that was forgotten and used again is another notification. */
static void inbox_take_notice(struct inbox_item *item, struct slice at, struct slice op, struct slice value) {
        struct notice notice = notice_parse(value);
        if (notice.at == (int64_t)words_uint(at))
                item->event.tail = event_notice_tail(notice.at, notice.priority, op, notice.content);
}

static void inbox_take_value(struct inbox_item *item, struct slice value) {
        item->fetched = true;
        if (value.len == 0)
                return; /* gone */
        struct slice rest = item->pointer;
        words_take(&rest, ' ');
        struct slice which = words_take(&rest, ' ');
        if (item->event.type == EVENT_NOTIFICATION) {
                inbox_take_notice(item, which, rest, value);
        } else {
                struct entry entry = event_parse_entry(value);
                item->event.type = entry.type;
                bool with_body = !item->own || !entry.body.len; /* that a text is withheld is told to all */
                item->event.tail = event_entry_tail(words_uint(which), words_take(&rest, ' '), &entry, with_body);
        }
}

static void inbox_on_fetched(void *arg, const struct redisReply *reply) {
        struct inbox_fetch *fetch = arg;
        struct inbox_read *page = fetch->page;
        if (reply) {
                for (size_t i = 0; i < fetch->count && i < store_count(reply); i++)
                        inbox_take_value(&page->items[fetch->index[i]], store_text(store_item(reply, i)));
        } else {
                page->failed = true;
        }
        free(fetch);
        if (--page->waiting == 0)
                inbox_end(page);
}

/* Asks one owner for its part. */
static int inbox_fetch_from(struct inbox_read *page, unsigned owner) {
        struct inbox_fetch *fetch = malloc(sizeof(*fetch) + page->count * sizeof(fetch->index[0]));
        if (!fetch)
                return -1;
        *fetch = (struct inbox_fetch){ .page = page };
        struct call *call = store_call(page->fanout->store, "fetch");
        for (size_t i = 0; i < page->count; i++) {
                enum event_type type = page->items[i].event.type;
                struct slice home = inbox_home(page, &page->items[i]);
                if (!page->items[i].wanted || store_owner(page->fanout->store, partition_of(home)) != owner)
                        continue;
                bool entry = type != EVENT_NOTIFICATION;
                store_call_key(call, entry ? KEY_LOG : KEY_NOTICES, home);
                if (entry)
                        store_call_key(call, KEY_STATES, home);
                fetch->index[fetch->count++] = i;
        }
        if (fetch->count == 0) {
                free(fetch);
                return 0;
        }
        store_call_arg_int(call, LIMIT_PAGE_BYTES);
        for (size_t i = 0; i < fetch->count; i++) {
                struct inbox_item *item = &page->items[fetch->index[i]];
                struct slice rest = item->pointer;
                words_take(&rest, ' ');
                struct slice which = words_take(&rest, ' ');
                bool notice = item->event.type == EVENT_NOTIFICATION;
                store_call_arg_text(call, notice ? "x" : "m");
                store_call_arg(call, notice ? rest : which);
        }
        int r = store_call_send(call, inbox_on_fetched, fetch);
        if (r) {
                free(fetch);
                return -1;
        }
        page->waiting++;
        return 0;
}

/* Pointers are those of lua/common.lua; an unknown one (of a newer hub) counts as gone. */
static void inbox_take_pointer(const struct inbox_read *page, struct inbox_item *item) {
        struct slice rest = item->pointer;
        if (rest.len == 0)
                return;
        char letter = words_take(&rest, ' ').ptr[0];
        if (letter == 'm' || letter == 'o') {
                item->event.type = EVENT_MESSAGE;
                item->wanted = true;
                words_take(&rest, ' '); /* seq */
                words_take(&rest, ' '); /* conv */
                item->own = rest.len && slice_equal(rest, page->session);
        } else if (letter == 'r') {
                item->event.type = EVENT_RECEIPT;
                struct slice user = words_take(&rest, ' '), conv = words_take(&rest, ' ');
                uint64_t delivered = words_uint(words_take(&rest, ' ')), read = words_uint(rest);
                item->event.tail = event_receipt_tail(conv, user, delivered, read);
        } else if (letter == 'x') {
                item->event.type = EVENT_NOTIFICATION;
                item->wanted = true;
        } else if (letter == 'j') {
                item->event.type = EVENT_MEMBER;
                int64_t at = (int64_t)words_uint(words_take(&rest, ' '));
                struct slice action = words_take(&rest, ' '), role = words_take(&rest, ' '), user = words_take(&rest, ' ');
                item->event.tail = event_member_tail(at, action, role, user, rest);
        }
}

static int inbox_take_pointers(struct inbox_read *page, const struct redisReply *reply) {
        size_t bytes = 0;
        page->count = store_count(reply) - 4;
        for (size_t i = 0; i < page->count; i++)
                bytes += store_text(store_item(reply, i + 4)).len;
        page->items = calloc(page->count + 1, sizeof(*page->items));
        page->text = malloc(bytes + 1);
        if (!page->items || !page->text) {
                page->count = 0;
                return -1;
        }
        char *text = page->text;
        for (size_t i = 0; i < page->count; i++) {
                page->items[i].pointer = slice_copy(&text, store_text(store_item(reply, i + 4)));
                page->items[i].event.n = page->result.next + i + 1;
                inbox_take_pointer(page, &page->items[i]);
        }
        return 0;
}

static void inbox_on_pointers(void *arg, const struct redisReply *reply) {
        struct inbox_read *page = arg;
        if (!reply || !page->done || store_count(reply) < 4) {
                page->failed = true;
                inbox_end(page);
                return;
        }
        struct slice epoch = store_text(store_item(reply, 0));
        if (epoch.len < sizeof(page->result.epoch))
                memcpy(page->result.epoch, epoch.ptr, epoch.len);
        page->result.base = (uint64_t)store_int(store_item(reply, 1));
        page->result.head = (uint64_t)store_int(store_item(reply, 2));
        page->result.cursor = (uint64_t)store_int(store_item(reply, 3));
        page->result.next = page->after > page->result.base ? page->after : page->result.base;
        page->waiting = 1;
        if (inbox_take_pointers(page, reply) < 0)
                page->failed = true;
        for (unsigned owner = 0; owner < store_owners(page->fanout->store) && !page->failed; owner++)
                if (inbox_fetch_from(page, owner) < 0)
                        page->failed = true;
        if (--page->waiting == 0)
                inbox_end(page);
}

struct inbox_read *inbox_read(struct fanout *fanout, struct slice user, struct slice device, struct slice session, uint64_t after, size_t limit,
                              inbox_done_fn done, void *arg) {
        struct inbox_read *page = calloc(1, sizeof(*page) + user.len + session.len);
        if (!page)
                return NULL;
        char *name = page->name;
        page->user = slice_copy(&name, user);
        page->session = slice_copy(&name, session);
        page->fanout = fanout;
        page->done = done;
        page->arg = arg;
        page->after = after;
        struct call *call = store_call(fanout->store, "sync");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_INBOX, user);
        store_call_key(call, KEY_RECEIPTS, user);
        store_call_key(call, KEY_NOTICES, user);
        store_call_key(call, KEY_DEVICES, user);
        store_call_key(call, KEY_HEAD, user);
        store_call_arg_int(call, (int64_t)after);
        store_call_arg_int(call, (int64_t)(limit < LIMIT_PAGE_EVENTS ? limit : LIMIT_PAGE_EVENTS));
        store_call_arg(call, device);
        if (store_call_send(call, inbox_on_pointers, page)) {
                free(page);
                return NULL;
        }
        return page;
}

void inbox_cancel(struct inbox_read *page) {
        page->done = NULL;
}
