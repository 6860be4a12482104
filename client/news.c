/* SPDX-License-Identifier: Apache-2.0 */
/* news.c: see news.h. */
#include "client/news.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { EVENT_BYTES = 8192 };

struct event {
        struct list link; /* in news.events */
        size_t len;
        char *json; /* owned */
};

void news_init(struct news *news, bool wanted) {
        list_init(&news->events);
        news->wanted = wanted;
}

void news_deinit(struct news *news) {
        size_t len;
        char *json;

        while ((json = news_take(news, &len)) != NULL)
                free(json);
}

bool news_is_empty(const struct news *news) {
        return list_is_empty(&news->events);
}

bool news_add(struct news *news, struct slice json) {
        struct event *event;

        if (!news->wanted)
                return true;
        event = malloc(sizeof(*event));
        if (!event)
                return false;
        event->len = json.len;
        event->json = malloc(json.len + 1);
        if (!event->json) {
                free(event);
                return false;
        }
        memcpy(event->json, json.ptr, json.len);
        event->json[json.len] = '\0';
        list_append(&news->events, &event->link);
        return true;
}

static void add_text(struct buf *json, const char *name, const char *text) {
        buf_printf(json, ",\"%s\":", name);
        buf_add_json(json, slice_of(text));
}

static void add_ended(struct news *news, struct buf *json) {
        buf_add_char(json, '}');
        if (!buf_failed(json))
                (void)news_add(news, buf_slice(json));
}

void news_add_state(struct news *news, const char *state, int code, const char *reason) {
        _cleanup_buf_ struct buf json = BUF_INIT(EVENT_BYTES);

        buf_printf(&json, "{\"type\":\"state\",\"state\":\"%s\"", state);
        if (code)
                buf_printf(&json, ",\"code\":%d", code);
        if (reason)
                add_text(&json, "reason", reason);
        add_ended(news, &json);
}

void news_add_fault(struct news *news, int code, const char *sentence, const char *reason) {
        _cleanup_buf_ struct buf json = BUF_INIT(EVENT_BYTES);

        buf_printf(&json, "{\"type\":\"fault\",\"code\":%d", code);
        add_text(&json, "message", sentence);
        add_text(&json, "reason", reason);
        add_ended(news, &json);
}

void news_move(struct news *to, struct news *from) {
        list_splice(&to->events, &from->events);
}

char *news_take(struct news *news, size_t *ret_len) {
        struct list *first = list_first(&news->events);
        struct event *event = first ? LIST_CONTAINER(first, struct event, link) : NULL;
        char *json;

        if (!event)
                return NULL;
        list_remove(first);
        json = event->json;
        *ret_len = event->len;
        free(event);
        return json;
}
