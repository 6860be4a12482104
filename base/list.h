/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h: the intrusive, circular, doubly linked list.
 *
 * A head names what it links:  struct list subs; // struct sub, link
 * 1. An initialised link that is in no list points to itself, so list_remove() on it is harmless.
 * 2. list_remove() leaves the link initialised: removing twice is harmless.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
        struct list *prev, *next;
};

#define LIST_CONTAINER(link_ptr, type, member) ((type *)(void *)((char *)(link_ptr)-offsetof(type, member)))

static inline void list_init(struct list *list) {
        list->prev = list->next = list;
}

static inline bool list_is_empty(const struct list *list) {
        return list->next == list;
}

static inline void list_append(struct list *head, struct list *link) {
        link->prev = head->prev;
        link->next = head;
        head->prev->next = link;
        head->prev = link;
}

static inline void list_remove(struct list *link) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        list_init(link);
}

/* Moves all of from, which is then empty, to the end of to. */
static inline void list_splice(struct list *to, struct list *from) {
        if (list_is_empty(from))
                return;
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        list_init(from);
}

/* The first link, or NULL. */
static inline struct list *list_first(const struct list *head) {
        return list_is_empty(head) ? NULL : head->next;
}

/* cursor may be removed (and freed) in the body; others may not. */
#define LIST_FOR_EACH(cursor, head)                                                         \
        for (struct list *cursor = (head)->next, *cursor##_next = cursor->next;             \
             cursor != (head); cursor = cursor##_next, cursor##_next = cursor->next)
