/* SPDX-License-Identifier: Apache-2.0 */
/* oauth.c: see oauth.h. */
#include "push/oauth.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/scan.h"
#include "push/http2.h"
#include "push/retry.h"
#include "push/signer.h"

enum {
        ASSERTION_LIFE_S = 3600,  /* Google takes no more */
        AHEAD_MS = 300000,        /* asked for so long before the old one ends */
        TOKEN_BYTES = 4096,
        LIFE_MOST_S = 86400,
        ASK_BASE_MS = 2000,
        ASK_MOST_MS = 120000,
        REFUSED_LEAST_MS = 30000, /* a wrong clock or a revoked key do not mend themselves at once */
        YOUNG_MS = 1000,          /* one that is refused so soon after it came: another would be too */
};

struct oauth {
        struct http2 *http2;
        struct signer *signer;
        char *email, *key_id, *token_url, *scope;
        char token[TOKEN_BYTES]; /* "Bearer …" */
        int64_t made_ms, expires_ms; /* wall */
        bool is_asking, is_closing;
        int failure;              /* 0, or OAUTH_E_REFUSED or OAUTH_E_DOWN: the last answer */
        int64_t ask_from_ms;      /* not before; wall */
        struct backoff backoff;
        void (*on_ready)(void *context);
        void *ready_context;
        void (*on_closed)(void *context);
        void *closed_context;
};

enum oauth_move oauth_step(int64_t expires_ms, int64_t wall_ms) {
        if (expires_ms == 0 || wall_ms >= expires_ms)
                return OAUTH_ASK;
        return wall_ms >= expires_ms - AHEAD_MS ? OAUTH_USE_AND_ASK : OAUTH_USE;
}

/* A header's value cannot hold what is not printable, and no token does. */
static bool is_printable(const char *text) {
        for (; *text; text++)
                if (*text <= ' ' || *text > '~')
                        return false;
        return true;
}

int oauth_read(struct slice body, char *token, size_t size, int64_t *ret_lives_s) {
        static const char prefix[] = "Bearer ";
        size_t prefix_len = sizeof(prefix) - 1, len = 0, count = 0;
        struct scan_value top;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        if (scan_text(body, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, LIMIT_JSON_FIELDS, &count) != 0)
                return 1;
        const struct scan_value *text = scan_find(fields, count, "access_token"), *lives = scan_find(fields, count, "expires_in");
        char plain[TOKEN_BYTES];
        if (!text || text->type != SCAN_STRING || scan_string(text->raw, plain, sizeof(plain), &len) != 0 || len == 0 ||
            strlen(plain) != len || !is_printable(plain) || prefix_len + len >= size)
                return 1;
        if (!lives || lives->type != SCAN_INT || lives->integer <= 0)
                return 1;
        snprintf(token, size, "%s%s", prefix, plain);
        explicit_bzero(plain, sizeof(plain));
        *ret_lives_s = lives->integer < LIFE_MOST_S ? lives->integer : LIFE_MOST_S;
        return 0;
}

/* ---- Asking ---- */

static void fail(struct oauth *oauth, int failure, int status, int64_t said_ms, int64_t wall_ms) {
        int64_t wait_ms = (int64_t)backoff_step(&oauth->backoff, chance_u64());
        if (failure == OAUTH_E_REFUSED)
                wait_ms += REFUSED_LEAST_MS;
        if (said_ms > wait_ms)
                wait_ms = said_ms;
        oauth->failure = failure;
        oauth->ask_from_ms = wall_ms + wait_ms;
        log_warning("No access token. account=%s status=%d again_in_ms=%lld", oauth->email, status, (long long)wait_ms);
}

static void on_answer(void *context, const struct http2_answer *answer) {
        struct oauth *oauth = context;
        int64_t wall_ms = clock_wall_ms(), lives_s = 0;
        int64_t said_ms = answer->error ? -1 : retry_after_parse(answer->retry, wall_ms);
        oauth->is_asking = false;
        if (oauth->is_closing)
                return;
        if (answer->error || answer->status >= 500 || answer->status == 429) {
                fail(oauth, OAUTH_E_DOWN, answer->status, said_ms, wall_ms);
        } else if (answer->status != 200 || oauth_read(answer->body, oauth->token, sizeof(oauth->token), &lives_s) != 0) {
                fail(oauth, OAUTH_E_REFUSED, answer->status, said_ms, wall_ms);
        } else {
                oauth->failure = 0;
                oauth->ask_from_ms = 0;
                oauth->made_ms = wall_ms;
                oauth->expires_ms = wall_ms + lives_s * 1000;
                backoff_reset(&oauth->backoff);
        }
        oauth->on_ready(oauth->ready_context);
}

static int make_assertion(struct oauth *oauth, int64_t wall_ms, struct buf *out) {
        _cleanup_buf_ struct buf header = BUF_INIT(1024), claims = BUF_INIT(8192);
        long long now_s = wall_ms / 1000;
        buf_add_text(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
        if (oauth->key_id[0]) {
                buf_add_text(&header, ",\"kid\":");
                buf_add_json(&header, slice_of(oauth->key_id));
        }
        buf_add_char(&header, '}');
        buf_add_text(&claims, "{\"iss\":");
        buf_add_json(&claims, slice_of(oauth->email));
        buf_add_text(&claims, ",\"scope\":");
        buf_add_json(&claims, slice_of(oauth->scope));
        buf_add_text(&claims, ",\"aud\":");
        buf_add_json(&claims, slice_of(oauth->token_url));
        buf_printf(&claims, ",\"iat\":%lld,\"exp\":%lld}", now_s, now_s + ASSERTION_LIFE_S);
        if (buf_failed(&header) || buf_failed(&claims))
                return -ENOMEM;
        return signer_jwt(oauth->signer, buf_slice(&header), buf_slice(&claims), out);
}

static int ask(struct oauth *oauth, int64_t wall_ms) {
        static const char *const headers[] = { "content-type: application/x-www-form-urlencoded", NULL };
        _cleanup_buf_ struct buf body = BUF_INIT(16384);
        buf_add_text(&body, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
        int r = make_assertion(oauth, wall_ms, &body);
        struct http2_request request = {
                .url = oauth->token_url,
                .headers = headers,
                .body = buf_slice(&body),
                .on_answer = on_answer,
                .context = oauth,
        };
        if (r == 0)
                r = http2_send(oauth->http2, &request);
        oauth->is_asking = r == 0;
        return r;
}

int oauth_get(struct oauth *oauth, int64_t wall_ms, const char **ret_token, uint64_t *ret_wait_ms) {
        enum oauth_move move = oauth_step(oauth->expires_ms, wall_ms);
        if (move != OAUTH_USE && !oauth->is_asking && wall_ms >= oauth->ask_from_ms) {
                int r = ask(oauth, wall_ms);
                if (r != 0 && move == OAUTH_ASK)
                        return r;
        }
        if (move != OAUTH_ASK) {
                *ret_token = oauth->token;
                return 0;
        }
        if (oauth->is_asking)
                return OAUTH_E_WAIT;
        *ret_wait_ms = (uint64_t)(oauth->ask_from_ms - wall_ms);
        return oauth->failure;
}

bool oauth_renew(struct oauth *oauth, int64_t sent_ms, int64_t wall_ms) {
        if (oauth->is_asking || oauth->made_ms > sent_ms)
                return true;
        if (wall_ms - oauth->made_ms < YOUNG_MS)
                return false;
        oauth->expires_ms = 0;
        return true;
}

/* ---- Life ---- */

static void oauth_free(struct oauth *oauth) {
        signer_free(oauth->signer);
        explicit_bzero(oauth->token, sizeof(oauth->token));
        free(oauth->email);
        free(oauth->key_id);
        free(oauth->token_url);
        free(oauth->scope);
        free(oauth);
}

int oauth_new(struct uv_loop_s *loop, const struct oauth_account *account, const struct http2_options *http2,
              void (*on_ready)(void *context), void *context, struct oauth **ret_oauth, const char **ret_reason) {
        struct oauth *oauth = calloc(1, sizeof(*oauth));
        if (!oauth)
                return -ENOMEM;
        oauth->on_ready = on_ready;
        oauth->ready_context = context;
        oauth->backoff = (struct backoff){ .base_ms = ASK_BASE_MS, .max_ms = ASK_MOST_MS };
        int r = signer_new_pem(slice_of(account->private_key), SIGNER_RS256, &oauth->signer, ret_reason);
        if (r == SIGNER_E_KEY)
                r = OAUTH_E_ACCOUNT;
        if (r == 0 && (!(oauth->email = strdup(account->email)) || !(oauth->key_id = strdup(account->key_id)) ||
                       !(oauth->token_url = strdup(account->token_url)) || !(oauth->scope = strdup(account->scope)) ||
                       http2_new(loop, http2, &oauth->http2) != 0))
                r = -ENOMEM;
        if (r != 0) {
                oauth_free(oauth);
                return r;
        }
        *ret_oauth = oauth;
        return 0;
}

static void on_http2_closed(void *context) {
        struct oauth *oauth = context;
        void (*on_closed)(void *) = oauth->on_closed;
        void *closed_context = oauth->closed_context;
        oauth_free(oauth);
        on_closed(closed_context);
}

void oauth_close(struct oauth *oauth, void (*on_closed)(void *context), void *context) {
        assert(!oauth->is_closing);
        oauth->is_closing = true;
        oauth->on_closed = on_closed;
        oauth->closed_context = context;
        http2_close(oauth->http2, on_http2_closed, oauth);
}
