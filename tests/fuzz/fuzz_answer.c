/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What push providers answer, and what browsers call a subscription: each is a stranger's text. The first byte says who speaks:
 *
 *      a f w h   Apple, Google, a browser's service, a webhook: the second byte picks the status, the rest is the body
 *      o         a token server's body
 *      r         Retry-After
 *      s         a subscription
 *      u         a URL
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/scan.h"
#include "push/apns.h"
#include "push/endpoint.h"
#include "push/fcm.h"
#include "push/http2.h"
#include "push/job.h"
#include "push/oauth.h"
#include "push/retry.h"
#include "push/verdict.h"
#include "push/webhook.h"
#include "push/webpush.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* job#3: whatever they say, a registration ends only by a status that may end one; and a reason is of our own words. */
static void judge(const struct credential_kind *kind, struct slice rest) {
        static const int statuses[] = { 200, 201, 204, 301, 400, 401, 403, 404, 405, 410, 413, 418, 429, 500, 502, 503, 504 };
        if (rest.len == 0)
                return;
        int status = statuses[(unsigned char)rest.ptr[0] % (sizeof(statuses) / sizeof(statuses[0]))];
        struct http2_answer answer = { .status = status, .body = { rest.ptr + 1, rest.len - 1 }, .id = "", .retry = "" };
        struct push_job job = { 0 };
        struct verdict verdict;
        kind->judge(&job, &answer, &verdict);
        assert(verdict.class < PUSH_CLASSES && verdict.reason && strlen(verdict.reason) < PUSH_REASON_BYTES);
        assert((verdict.class == PUSH_ACCEPTED) == (status >= 200 && status < (kind == &apns_kind || kind == &fcm_kind ? 201 : 300)));
        assert(verdict.class != PUSH_TOKEN_DEAD || status == 400 || status == 403 || status == 404 || status == 410);
        assert(verdict.dead_since_ms >= 0);
}

static void read_token(struct slice rest) {
        char token[4096];
        int64_t lives_s = 0;
        if (oauth_read(rest, token, sizeof(token), &lives_s) != 0)
                return;
        assert(lives_s > 0 && strncmp(token, "Bearer ", 7) == 0 && strlen(token) < sizeof(token));
        for (const char *c = token; *c; c++)
                assert(*c >= ' ' && *c <= '~');
}

static void read_retry(struct slice rest) {
        char text[HTTP2_RETRY_BYTES];
        if (rest.len >= sizeof(text) || memchr(rest.ptr, '\0', rest.len))
                return;
        memcpy(text, rest.ptr, rest.len);
        text[rest.len] = '\0';
        int64_t wait_ms = retry_after_parse(text, INT64_C(1732150000000));
        assert(wait_ms >= -1 && wait_ms <= 86400000);
}

static void read_url(struct slice rest) {
        struct endpoint endpoint;
        if (endpoint_parse(rest, false, &endpoint) == 0) {
                assert(strncmp(endpoint.origin, "https://", 8) == 0 && !memchr(rest.ptr, '@', (size_t)(endpoint.path.ptr - rest.ptr)));
                struct endpoint again;
                assert(endpoint_parse(slice_of(endpoint.origin), false, &again) == 0 && strcmp(again.origin, endpoint.origin) == 0);
        }
        (void)!endpoint_parse(rest, true, &endpoint);
}

static void read_subscription(struct slice rest) {
        char text[LIMIT_PUSH_ENDPOINT_BYTES + 1];
        struct ece_keys keys;
        if (webpush_parse(rest, text, sizeof(text), &keys) == 0)
                assert(keys.p256dh[0] == 4 && strlen(text) < sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
        if (len == 0)
                return 0;
        struct slice rest = { (const char *)bytes + 1, len - 1 };
        switch (bytes[0]) {
        case 'a':
                judge(&apns_kind, rest);
                break;
        case 'f':
                judge(&fcm_kind, rest);
                break;
        case 'w':
                judge(&webpush_kind, rest);
                break;
        case 'h':
                judge(&webhook_kind, rest);
                break;
        case 'o':
                read_token(rest);
                break;
        case 'r':
                read_retry(rest);
                break;
        case 's':
                read_subscription(rest);
                break;
        case 'u':
                read_url(rest);
                break;
        }
        return 0;
}
