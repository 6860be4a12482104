/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential.h: what each section [push.PROVIDER.NAME] is to the code that sends: how a push is written for it, and what an answer
 * means. apns.c, fcm.c, webpush.c and webhook.c each embed it as their first member.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "push/endpoint.h"

struct config_push;
struct credential;
struct draft;
struct http2_answer;
struct http2_options;
struct push_job;
struct uv_loop_s;
struct verdict;

enum { CREDENTIAL_E_BAD = 1 }; /* the section or its files are wrong: *ret_error says how (free() it) */

struct credential_kind {
        /* Reads the section and its files. 0, CREDENTIAL_E_BAD or -ENOMEM. */
        int (*open)(struct uv_loop_s *loop, const struct config_push *section, struct credential **ret_credential, char **ret_error);
        /* Ends what is its own; on_closed may come at once. */
        void (*close)(struct credential *credential, void (*on_closed)(void *context), void *context);
        /* scheme://host[:port] that the push goes to: whose lane it is. 0 or DRAFT_E_BAD (*ret_reason: a literal). */
        int (*origin)(const struct credential *credential, const struct push_job *job, char out[static ENDPOINT_ORIGIN_BYTES + 1],
                      const char **ret_reason);
        /* Writes a push: 0, a DRAFT_E_ answer, or -ENOMEM. */
        int (*draft)(struct credential *credential, const struct push_job *job, int64_t wall_ms, struct draft *draft);
        /* Pure: what the answer means. */
        void (*judge)(const struct push_job *job, const struct http2_answer *answer, struct verdict *ret_verdict);
        /* VERDICT_NEW_ACCESS or VERDICT_NEW_TOKEN for what was sent at sent_ms (wall): may it be sent once more, as there is a newer token? */
        bool (*renew)(struct credential *credential, int64_t sent_ms, int64_t wall_ms);
        /* How connections are made; what the section says (ca_file …) is filled in already. */
        void (*connect)(const struct credential *credential, struct http2_options *options);
        uint64_t per_s; /* most requests a second; 0 any */
};

struct credential {
        const struct credential_kind *kind;
        /* Set by whoever opened it: called when what DRAFT_E_WAIT waited for has come, or will not. */
        void (*on_ready)(void *context);
        void *ready_context;
};
