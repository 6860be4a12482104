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
        struct detaches *detaches;
        struct slice user, device, session;
        char text[];
};

struct detaches {
        struct fanout *fanout;
        struct list waiting; /* struct detach, link */
};

struct detaches *detaches_new(struct fanout *fanout) {
        struct detaches *detaches = calloc(1, sizeof(*detaches));
        if (!detaches)
                return NULL;
        detaches->fanout = fanout;
        list_init(&detaches->waiting);
        return detaches;
}

struct detaches *detaches_free(struct detaches *detaches) {
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
        call_key(call, KEY_USER, detach->user);
        call_key(call, KEY_DEVICES, detach->user);
        call_arg_channels(call, partition_of(detach->user));
        call_arg(call, detach->user);
        call_arg(call, detach->device);
        call_arg(call, detach->session);
        if (call_send(call, detach_on_reply, detach))
                list_append(&detach->detaches->waiting, &detach->link);
}

void detaches_add(struct detaches *detaches, const struct registry_session *session) {
        struct detach *detach = malloc(sizeof(*detach) + session->user.len + session->device.len + session->session.len);
        if (!detach)
                return;
        detach->detaches = detaches;
        list_init(&detach->link);
        char *text = detach->text;
        struct slice *const to[] = { &detach->user, &detach->device, &detach->session };
        const struct slice from[] = { session->user, session->device, session->session };
        for (size_t i = 0; i < 3; i++) {
                memcpy(text, from[i].ptr, from[i].len);
                *to[i] = (struct slice){ text, from[i].len };
                text += from[i].len;
        }
        detach_send(detach);
}

void detaches_flush(struct detaches *detaches) {
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
