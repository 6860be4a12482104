/* SPDX-License-Identifier: Apache-2.0 */
/* detach.c: see detach.h. */
#include "presence/detach.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/slice.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "presence/registry.h"

struct detach {
        struct list link; /* in waiting, or in none while a call is under way */
        struct detach_queue *detaches;
        struct slice user, device, session;
        char text[];
};

struct detach_queue {
        struct fanout *fanout;
        struct list waiting; /* struct detach, link */
};

struct detach_queue *detach_queue_new(struct fanout *fanout) {
        struct detach_queue *detaches = calloc(1, sizeof(*detaches));
        if (!detaches)
                return NULL;
        detaches->fanout = fanout;
        list_init(&detaches->waiting);
        return detaches;
}

struct detach_queue *detach_queue_free(struct detach_queue *detaches) {
        if (!detaches)
                return NULL;
        LIST_FOR_EACH(link, &detaches->waiting) free(LIST_CONTAINER(link, struct detach, link));
        free(detaches);
        return NULL;
}

static void detach_on_reply(void *arg, const struct redisReply *reply) {
        struct detach *detach = arg;
        if (reply)
                free(detach);
        else
                list_append(&detach->detaches->waiting, &detach->link);
}

static void detach_send(struct detach *detach) {
        struct call *call = store_call(detach->detaches->fanout->store, "detach");
        store_call_key(call, KEY_USER, detach->user);
        store_call_key(call, KEY_DEVICES, detach->user);
        store_call_arg_channels(call, partition_of(detach->user));
        store_call_arg(call, detach->user);
        store_call_arg(call, detach->device);
        store_call_arg(call, detach->session);
        if (store_call_send(call, detach_on_reply, detach))
                list_append(&detach->detaches->waiting, &detach->link);
}

void detach_add(struct detach_queue *detaches, const struct registry_session *session) {
        struct detach *detach = malloc(sizeof(*detach) + session->user.len + session->device.len + session->session.len);
        if (!detach)
                return;
        detach->detaches = detaches;
        list_init(&detach->link);
        char *text = detach->text;
        detach->user = slice_copy(&text, session->user);
        detach->device = slice_copy(&text, session->device);
        detach->session = slice_copy(&text, session->session);
        detach_send(detach);
}

void detach_flush(struct detach_queue *detaches) {
        if (!store_is_up(detaches->fanout->store))
                return;
        struct list again;
        list_init(&again);
        list_splice(&again, &detaches->waiting);
        LIST_FOR_EACH(link, &again) {
                list_remove(link);
                detach_send(LIST_CONTAINER(link, struct detach, link));
        }
}
