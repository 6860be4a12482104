/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h: one push to one registration, and what became of an attempt: all that the policy and the providers need to know of
 * each other. Whoever decides fills a job in; the providers (provider.h) bring it into their own words.
 *
 *   job#1  id is made once for a push and is the same in every attempt, also after a crash between sending and storing.
 *   job#2  No attempt is made at or after expires_ms.
 *   job#3  Only PUSH_TOKEN_DEAD ends a registration, and a provider says it only on an explicit, documented sign.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

enum push_provider { PUSH_APNS, PUSH_FCM, PUSH_WEBPUSH, PUSH_WEBHOOK, PUSH_PROVIDERS };

enum push_kind {
        PUSH_ALERT,      /* shown, with a sound; with neither title nor text it only sets the badge, without one */
        PUSH_SILENT,     /* shown, but without sound or light: in quiet hours, or by a device over its budget */
        PUSH_BACKGROUND, /* nothing is shown: the app is woken, with the head, and syncs */
};

enum push_priority { PUSH_LOW, PUSH_NORMAL, PUSH_HIGH, PUSH_CRITICAL };

enum { PUSH_ID_BYTES = 36, PUSH_REASON_BYTES = 64 };

/* Slices are of texts that outlive the call it is given to, no longer. */
struct push_job {
        struct slice user, device; /* device "": an escalation to a webhook */
        struct slice app;          /* NAME of the section push.<provider>.NAME */
        enum push_provider provider;
        bool sandbox;              /* env of the registration is "sandbox" (apns) */
        struct slice token;        /* as registered: apns hex, fcm token, webpush {"endpoint":…,"keys":{"p256dh":…,"auth":…}}, webhook any text or "" */
        enum push_kind kind;
        enum push_priority priority;
        struct slice title, text;  /* UTF-8 as it is shown, without JSON's escapes; "" none */
        struct slice data;         /* any JSON value; "" none */
        struct slice conv, op;     /* what it is about: conversation of a message, op of a message or notification; each may be "", both are if a device is only woken */
        int64_t at_ms;             /* wall time of that */
        int64_t badge;             /* unread of the user now; -1: leave it alone */
        int64_t expires_ms;        /* wall time; always set */
        struct slice collapse;     /* "" none; else up to 512 bytes: a provider with a narrower limit digests it */
        uint64_t head;             /* the user's inbox reaches to this n */
        unsigned attempt;          /* 0 for the first */
        char id[PUSH_ID_BYTES + 1]; /* a UUID in lower case (job#1) */
};

enum push_class {
        PUSH_ACCEPTED,    /* the provider took it, which is not yet: the device has it */
        PUSH_TOKEN_DEAD,  /* this registration will never work again (job#3) */
        PUSH_PAYLOAD_BAD, /* this push can never work: a dead letter; the registration stays */
        PUSH_AUTH_BAD,    /* our credential or configuration is wrong: nothing goes out by it until that is mended */
        PUSH_THROTTLED,
        PUSH_TRANSIENT,
        PUSH_UNKNOWN,     /* none of these: never ends a registration */
        PUSH_DEFERRED,    /* nothing was sent (queue full, breaker open, closing): does not count as an attempt */
        PUSH_CLASSES,
};

struct push_outcome {
        enum push_class class;
        int status;                      /* HTTP; 0: none came */
        int64_t dead_since_ms;           /* TOKEN_DEAD: wall time from which the provider knows it dead; 0: it did not say */
        int64_t retry_after_ms;          /* all but ACCEPTED, TOKEN_DEAD and PAYLOAD_BAD: try again after so long, by the attempt, what the
                                            provider said and chance; -1: not again, it has been tried often enough */
        char reason[PUSH_REASON_BYTES];  /* from a closed list, for people and counters: "Unregistered", "timeout" …; never a token */
};

const char *job_provider_text(enum push_provider provider); /* apns … */
/* 0, or 1 if there is none of this name. */
__attribute__((warn_unused_result)) int job_provider_parse(struct slice text, enum push_provider *ret_provider);
const char *job_class_text(enum push_class class); /* accepted … */
const char *job_kind_text(enum push_kind kind);
/* Is there something to see, beyond a badge? Only then may it be urgent: policy#3. */
bool job_is_shown(const struct push_job *job);
bool job_is_urgent(const struct push_job *job);
