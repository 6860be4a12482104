/* SPDX-License-Identifier: Apache-2.0 */
/* retry.c: see retry.h. */
#include "push/retry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/backoff.h"

enum {
        SAID_MOST_MS = 86400000,
        UNKNOWN_TRIES = 4,
        UNKNOWN_MS = 60000,
        AUTH_LEAST_MS = 60000, /* the breaker holds longer: this only spreads what comes behind it */
        AUTH_SPREAD_MS = 60000,
};

/* least: always; base, most: of the part that chance decides. */
struct rule {
        int64_t least_ms;
        uint64_t base_ms, most_ms;
};

/* Google: at least 10 s between tries, a minute after 429 without Retry-After; Apple and the browsers' services name no least. */
static const struct rule transient_rules[PUSH_PROVIDERS] = {
        [PUSH_APNS] = { 5000, 10000, 900000 },
        [PUSH_FCM] = { 10000, 10000, 900000 },
        [PUSH_WEBPUSH] = { 5000, 10000, 900000 },
        [PUSH_WEBHOOK] = { 0, 0, 0 }, /* webhook_steps_ms */
};

static const struct rule throttled_rules[PUSH_PROVIDERS] = {
        [PUSH_APNS] = { 30000, 30000, 900000 },
        [PUSH_FCM] = { 60000, 60000, 900000 },
        [PUSH_WEBPUSH] = { 60000, 30000, 900000 },
        [PUSH_WEBHOOK] = { 30000, 30000, 900000 },
};

/* Apple: a 5xx may be tried again after 15 minutes. What lives shorter than that gets two tries before. */
static const struct rule apns_outage = { 900000, 60000, 300000 };
enum { APNS_EARLY_TRIES = 2 };

/* The schedule of the Standard Webhooks specification 1.0.0: about 75 hours in all. Each may come up to a fifth later. */
static const int64_t webhook_steps_ms[] = { 5000,     300000,   1800000,  7200000, 18000000,
                                            36000000, 50400000, 72000000, 86400000 };
enum { WEBHOOK_STEPS = sizeof(webhook_steps_ms) / sizeof(webhook_steps_ms[0]) };

static int64_t by_rule(const struct rule *rule, unsigned attempt, uint64_t random) {
        struct backoff backoff = { .base_ms = rule->base_ms, .max_ms = rule->most_ms, .attempts = attempt };
        return rule->least_ms + (int64_t)backoff_step(&backoff, random);
}

static int64_t webhook_wait_ms(unsigned attempt, uint64_t random) {
        if (attempt >= WEBHOOK_STEPS)
                return -1;
        int64_t step_ms = webhook_steps_ms[attempt];
        return step_ms + (int64_t)(random % ((uint64_t)step_ms / 5 + 1));
}

static int64_t transient_wait_ms(enum push_provider provider, int status, unsigned attempt, uint64_t random) {
        if (provider == PUSH_WEBHOOK)
                return webhook_wait_ms(attempt, random);
        if (provider == PUSH_APNS && status >= 500 && attempt >= APNS_EARLY_TRIES)
                return by_rule(&apns_outage, attempt - APNS_EARLY_TRIES, random);
        return by_rule(&transient_rules[provider], attempt, random);
}

int64_t retry_wait_ms(enum push_provider provider, enum push_class class, int status, unsigned attempt, int64_t said_ms,
                      uint64_t random) {
        if (class == PUSH_ACCEPTED || class == PUSH_TOKEN_DEAD || class == PUSH_PAYLOAD_BAD)
                return -1;
        if (class == PUSH_UNKNOWN && attempt + 1 >= UNKNOWN_TRIES)
                return -1;
        if (said_ms >= 0)
                return said_ms < SAID_MOST_MS ? said_ms : SAID_MOST_MS;
        switch (class) {
        case PUSH_THROTTLED:
                return by_rule(&throttled_rules[provider], attempt, random);
        case PUSH_AUTH_BAD:
                return AUTH_LEAST_MS + (int64_t)(random % AUTH_SPREAD_MS);
        case PUSH_DEFERRED: /* it was let go of as this worker ends: the next one may begin at once */
                return 0;
        case PUSH_UNKNOWN:
                return UNKNOWN_MS + (int64_t)(random % (UNKNOWN_MS / 2));
        default:
                return transient_wait_ms(provider, status, attempt, random);
        }
}

int64_t retry_doubt_ms(unsigned attempt, uint64_t random) {
        static const struct rule rule = { 60000, 30000, 21600000 };
        return by_rule(&rule, attempt, random);
}

int64_t retry_after_parse(const char *text, int64_t wall_ms) {
        if (text[0] >= '0' && text[0] <= '9') {
                size_t digits = strspn(text, "0123456789");
                if (text[digits] != '\0')
                        return -1;
                errno = 0;
                long long seconds = strtoll(text, NULL, 10);
                return errno != 0 || seconds > SAID_MOST_MS / 1000 ? SAID_MOST_MS : seconds * 1000;
        }
        time_t date = text[0] ? curl_getdate(text, NULL) : -1;
        if (date < 0)
                return -1;
        int64_t ahead_ms = (int64_t)date * 1000 - wall_ms;
        if (ahead_ms < 0)
                return 0;
        return ahead_ms < SAID_MOST_MS ? ahead_ms : SAID_MOST_MS;
}
