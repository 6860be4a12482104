/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look.h: what the store shows of a user whom the push worker looks at: registrations, cursors, what is owed, and the events behind.
 *
 *      take (or look) -> look_new() -> look_add_fetch() -> look_add_entries()
 *
 * The first call gives pointers and notifications, the second what is pushed of messages, and the unread count.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"
#include "fanout/notice.h"
#include "fanout/registration.h"
#include "push/job.h"

struct call;
struct redisReply;

struct look_device {
        struct slice device, packed, ledger; /* packed: the registration as it is stored */
        struct registration registration;
        enum push_provider provider;
        uint64_t cursor;   /* 0: it was never seen */
        int64_t seen_ms;
        bool connected;
};

struct look_event {
        uint64_t n;
        bool is_notice;
        struct slice conv, op;        /* op: of a notification at once, of a message once it is fetched */
        uint64_t seq;
        int64_t at_ms;
        struct slice plan;            /* what its sender wants pushed, JSON; "" */
        struct slice from, template, body; /* of a message without plan: what its conversation says to push ("" nothing), and its body if that asks for it */
        bool known;                   /* it is still there */
        bool deleted, read, muted;
        /* of a notification */
        struct notice_state state;
        struct notice notice;
};

struct look_escalation {
        struct slice op, ledger;
        const struct look_event *event; /* NULL: it is forgotten; its n is 0 if the inbox has it no more */
};

struct look {
        unsigned refs;
        int64_t now_ms;      /* of the store, when it was looked */
        struct slice epoch;
        uint64_t head;
        bool online;         /* some session of the user is live */
        int quiet_from, quiet_to; /* minutes of the day; -1: no quiet hours */
        struct slice zone;
        struct slice convs;  /* separated by spaces: those a badge counts */
        int64_t badge;       /* -1: not fetched */
        size_t devices_count, events_count, notices_count, escalations_count;
        struct look_device *devices;
        struct look_event *events;   /* by n */
        struct look_event *notices;  /* every notification that events or escalations name */
        struct look_escalation *escalations;
        char *memory, *entries; /* the texts */
};

/* reply: of b1_push_take or b1_push_look, which begins with ok. NULL: no memory. */
struct look *look_new(const struct redisReply *reply);
struct look *look_ref(struct look *look);
struct look *look_unref(struct look *look);

/* The keys and arguments of b1_push_fetch. */
void look_add_fetch(const struct look *look, struct call *call, struct slice user, bool badge);
/* Its reply. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int look_add_entries(struct look *look, const struct redisReply *reply, bool badge);
