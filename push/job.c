/* SPDX-License-Identifier: Apache-2.0 */
/* job.c: see job.h. */
#include "push/job.h"
#include <stddef.h>

static const char *const providers[PUSH_PROVIDERS] = { "apns", "fcm", "webpush", "webhook" };

const char *job_provider_text(enum push_provider provider) {
        return providers[provider];
}

int job_provider_parse(struct slice text, enum push_provider *ret_provider) {
        for (size_t i = 0; i < PUSH_PROVIDERS; i++) {
                if (slice_is(text, providers[i])) {
                        *ret_provider = (enum push_provider)i;
                        return 0;
                }
        }
        return 1;
}

const char *job_class_text(enum push_class class) {
        static const char *const texts[PUSH_CLASSES] = { "accepted",  "token_dead", "payload_bad", "auth_bad",
                                                         "throttled", "transient",  "unknown",     "deferred" };
        return texts[class];
}

const char *job_kind_text(enum push_kind kind) {
        return kind == PUSH_ALERT ? "alert" : kind == PUSH_SILENT ? "silent" : "background";
}

bool job_is_shown(const struct push_job *job) {
        return job->kind != PUSH_BACKGROUND && (job->title.len > 0 || job->text.len > 0);
}

bool job_is_urgent(const struct push_job *job) {
        return job_is_shown(job) && job->kind == PUSH_ALERT && job->priority >= PUSH_HIGH;
}
