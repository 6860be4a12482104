/* SPDX-License-Identifier: Apache-2.0 */
/* webpush.c: see webpush.h. */
#include "push/webpush.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

#include "base/buf.h"
#include "base/chance.h"
#include "base/config.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/scan.h"
#include "push/draft.h"
#include "push/endpoint.h"
#include "push/http2.h"
#include "push/job.h"
#include "push/keyfile.h"
#include "push/signer.h"
#include "push/trim.h"
#include "push/verdict.h"

enum {
        TOKEN_LIFE_S = 12 * 3600,  /* RFC 8292 section 2: at most 24 h */
        TOKEN_RENEW_S = TOKEN_LIFE_S / 2,
        TOKEN_BYTES = 1024,
        TTL_MOST_S = 28 * 86400,   /* Mozilla refuses more than 30 days */
        STREAMS = 32,
        CONNECT_MS = 10000,
        ANSWER_MS = 20000,
        KEY_TEXT_MAX = 256,
};

/* The VAPID token for an origin. */
struct pass {
        struct buf token;
        int64_t expires_s;
        UT_hash_handle hh;
        char origin[];
};

struct webpush {
        struct credential credential;
        struct signer *signer;
        char *subject, *url;
        bool allow_private;
        struct pass *passes; /* hash by origin; at most LIMIT_PUSH_HOSTS */
};

/* ---- VAPID ---- */

int webpush_sign(const struct signer *signer, const char *origin, const char *subject, int64_t expires_s, struct buf *out) {
        _cleanup_buf_ struct buf claims = BUF_INIT(2048);
        uint8_t public[SIGNER_PUBLIC_BYTES];
        char key[ENCODE_BASE64URL_LEN(SIGNER_PUBLIC_BYTES)];
        buf_add_text(&claims, "{\"aud\":");
        buf_add_json(&claims, slice_of(origin));
        buf_printf(&claims, ",\"exp\":%lld,\"sub\":", (long long)expires_s);
        buf_add_json(&claims, slice_of(subject));
        buf_add_char(&claims, '}');
        if (buf_failed(&claims))
                return -ENOMEM;
        buf_add_text(out, "vapid t=");
        int r = signer_jwt(signer, SLICE("{\"typ\":\"JWT\",\"alg\":\"ES256\"}"), buf_slice(&claims), out);
        if (r != 0)
                return r;
        signer_public(signer, public);
        buf_add_text(out, ", k=");
        buf_add(out, key, encode_base64url(public, sizeof(public), key));
        return buf_failed(out) ? -ENOMEM : 0;
}

static void pass_free(struct webpush *webpush, struct pass *pass) {
        HASH_DEL(webpush->passes, pass);
        keyfile_clean(&pass->token);
        free(pass);
}

/* The oldest in the table is the first to go: uthash keeps the order in which they came. */
static struct pass *pass_new(struct webpush *webpush, const char *origin) {
        size_t len = strlen(origin);
        struct pass *pass = calloc(1, sizeof(*pass) + len + 1);
        if (!pass)
                return NULL;
        if (HASH_COUNT(webpush->passes) >= LIMIT_PUSH_HOSTS)
                pass_free(webpush, webpush->passes);
        memcpy(pass->origin, origin, len + 1);
        buf_init(&pass->token, TOKEN_BYTES);
        HASH_ADD_KEYPTR(hh, webpush->passes, pass->origin, len, pass);
        return pass;
}

/* NULL without memory. */
static const char *get_token(struct webpush *webpush, const char *origin, int64_t wall_ms) {
        struct pass *pass = NULL;
        int64_t now_s = wall_ms / 1000;
        HASH_FIND_STR(webpush->passes, origin, pass);
        if (!pass && !(pass = pass_new(webpush, origin)))
                return NULL;
        int64_t left_s = pass->expires_s - now_s;
        if (left_s > TOKEN_LIFE_S - TOKEN_RENEW_S && left_s <= TOKEN_LIFE_S)
                return pass->token.ptr;
        buf_clear(&pass->token);
        pass->expires_s = now_s + TOKEN_LIFE_S;
        if (webpush_sign(webpush->signer, origin, webpush->subject, pass->expires_s, &pass->token) != 0) {
                pass_free(webpush, pass);
                return NULL;
        }
        return pass->token.ptr;
}

/* ---- The section ---- */

static void webpush_free(struct webpush *webpush) {
        struct pass *pass, *next;
        HASH_ITER(hh, webpush->passes, pass, next)
                pass_free(webpush, pass);
        signer_free(webpush->signer);
        free(webpush->subject);
        free(webpush->url);
        free(webpush);
}

/* The PEM of a key, or the private scalar in base64url, as the usual tools print it. */
static int read_key(struct webpush *webpush, const char *path, char **ret_error) {
        _cleanup_keyfile_ struct buf text = BUF_INIT(LIMIT_PUSH_KEY_FILE_BYTES);
        uint8_t scalar[SIGNER_SCALAR_BYTES];
        size_t len = 0;
        const char *reason = NULL;
        int r = keyfile_read(path, &text, ret_error);
        if (r != 0)
                return r == KEYFILE_E_BAD ? CREDENTIAL_E_BAD : r;
        struct slice plain = buf_slice(&text);
        while (plain.len > 0 && (plain.ptr[plain.len - 1] == '\n' || plain.ptr[plain.len - 1] == '\r'))
                plain.len--;
        if (encode_base64url_decode(plain, scalar, sizeof(scalar), &len) == 0 && len == sizeof(scalar))
                r = signer_new_scalar(scalar, &webpush->signer, &reason);
        else
                r = signer_new_pem(plain, SIGNER_ES256, &webpush->signer, &reason);
        explicit_bzero(scalar, sizeof(scalar));
        return r == SIGNER_E_KEY ? keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: %s", path, reason) : r;
}

/* RFC 8292 section 2.1; Apple refuses a space or angle brackets in it. */
static bool is_subject(const char *text) {
        if (strncmp(text, "mailto:", 7) != 0 && strncmp(text, "https://", 8) != 0)
                return false;
        for (const char *c = text; *c; c++)
                if (*c <= ' ' || *c > '~' || *c == '<' || *c == '>')
                        return false;
        return true;
}

static int webpush_open(struct uv_loop_s *loop, const struct config_push *section, struct credential **ret_credential,
                        char **ret_error) {
        struct webpush *webpush = calloc(1, sizeof(*webpush));
        struct endpoint endpoint;
        if (!webpush)
                return -ENOMEM;
        webpush->credential.kind = &webpush_kind;
        webpush->allow_private = section->allow_private;
        int r = 0;
        if (!is_subject(section->subject))
                r = keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "subject must be mailto:you@example.org or https://…");
        else if (section->url[0] && endpoint_parse(slice_of(section->url), true, &endpoint) != 0)
                r = keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "url is no URL");
        else
                r = read_key(webpush, section->vapid_key, ret_error);
        if (r == 0 && (!(webpush->subject = strdup(section->subject)) || !(webpush->url = strdup(section->url))))
                r = -ENOMEM;
        if (r != 0) {
                webpush_free(webpush);
                return r;
        }
        *ret_credential = &webpush->credential;
        return 0;
}

static void webpush_close(struct credential *credential, void (*on_closed)(void *context), void *context) {
        webpush_free((struct webpush *)credential);
        on_closed(context);
}

static void webpush_connect(const struct credential *credential, struct http2_options *options) {
        options->version = HTTP2_OR_1;
        options->connections = 2;
        options->streams = STREAMS;
        options->connect_ms = CONNECT_MS;
        options->answer_ms = ANSWER_MS;
}

static bool webpush_renew(struct credential *credential, int64_t sent_ms, int64_t wall_ms) {
        return false;
}

/* ---- One push ---- */

static const struct scan_value *find_string(const struct scan_field *fields, size_t count, const char *name) {
        const struct scan_value *value = scan_find(fields, count, name);
        return value && value->type == SCAN_STRING ? value : NULL;
}

int webpush_parse(struct slice subscription, char *endpoint_text, size_t size, struct ece_keys *ret_keys) {
        struct scan_value top;
        struct scan_field fields[LIMIT_JSON_FIELDS], keys[LIMIT_JSON_FIELDS];
        size_t count = 0, keys_count = 0, len = 0, p256dh_len = 0, auth_len = 0;
        char p256dh_text[KEY_TEXT_MAX], auth_text[KEY_TEXT_MAX];
        if (scan_text(subscription, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, LIMIT_JSON_FIELDS, &count) != 0)
                return WEBPUSH_E_BAD;
        const struct scan_value *endpoint = find_string(fields, count, "endpoint"), *object = scan_find(fields, count, "keys");
        if (!endpoint || !object || object->type != SCAN_OBJECT || scan_object(object->raw, keys, LIMIT_JSON_FIELDS, &keys_count) != 0)
                return WEBPUSH_E_BAD;
        const struct scan_value *p256dh = find_string(keys, keys_count, "p256dh"), *auth = find_string(keys, keys_count, "auth");
        if (!p256dh || !auth || scan_string(endpoint->raw, endpoint_text, size, &len) != 0 || strlen(endpoint_text) != len ||
            scan_string(p256dh->raw, p256dh_text, sizeof(p256dh_text), &p256dh_len) != 0 ||
            scan_string(auth->raw, auth_text, sizeof(auth_text), &auth_len) != 0)
                return WEBPUSH_E_BAD;
        return ece_keys_parse((struct slice){ p256dh_text, p256dh_len }, (struct slice){ auth_text, auth_len }, ret_keys) == 0 ?
                       0 :
                       WEBPUSH_E_BAD;
}

/* The endpoint, in pieces; text has LIMIT_PUSH_ENDPOINT_BYTES + 1 bytes. */
static int read_subscription(const struct webpush *webpush, const struct push_job *job, char *text, struct endpoint *ret_endpoint,
                             struct ece_keys *ret_keys, const char **ret_reason) {
        *ret_reason = "bad subscription";
        if (webpush_parse(job->token, text, LIMIT_PUSH_ENDPOINT_BYTES + 1, ret_keys) != 0)
                return DRAFT_E_BAD;
        *ret_reason = "forbidden address";
        return endpoint_parse(slice_of(text), webpush->allow_private, ret_endpoint) == 0 ? 0 : DRAFT_E_BAD;
}

static int webpush_origin(const struct credential *credential, const struct push_job *job,
                          char out[static ENDPOINT_ORIGIN_BYTES + 1], const char **ret_reason) {
        char text[LIMIT_PUSH_ENDPOINT_BYTES + 1];
        struct endpoint endpoint;
        struct ece_keys keys;
        if (read_subscription((const struct webpush *)credential, job, text, &endpoint, &keys, ret_reason) != 0)
                return DRAFT_E_BAD;
        snprintf(out, ENDPOINT_ORIGIN_BYTES + 1, "%s", endpoint.origin);
        return 0;
}

static void add_text(struct buf *out, const char *name, struct slice text) {
        if (text.len == 0)
                return;
        buf_printf(out, ",\"%s\":", name);
        buf_add_json(out, text);
}

/* What the page's service worker reads. */
static void add_plain(struct buf *out, const struct push_job *job, struct slice title, struct slice text) {
        buf_printf(out, "{\"kind\":\"%s\",\"id\":\"%s\",\"head\":%llu", job_kind_text(job->kind), job->id, (unsigned long long)job->head);
        add_text(out, "title", title);
        add_text(out, "text", text);
        add_text(out, "conv", job->conv);
        add_text(out, "op", job->op);
        if (job->badge >= 0)
                buf_printf(out, ",\"badge\":%lld", (long long)job->badge);
        if (job->data.len > 0) {
                buf_add_text(out, ",\"data\":");
                buf_add_slice(out, job->data);
        }
        buf_add_char(out, '}');
}

static int draft_body(const struct push_job *job, const struct ece_keys *keys, struct draft *draft) {
        static const size_t names_len = sizeof(",\"title\":\"\",\"text\":\"\"") - 1;
        _cleanup_buf_ struct buf plain = BUF_INIT(LIMIT_NOTICE_BYTES + 4 * LIMIT_FRAME_BYTES);
        struct slice title = job->title, text = job->text;
        if (job->kind == PUSH_BACKGROUND)
                title.len = text.len = 0;
        add_plain(&plain, job, (struct slice){ 0 }, (struct slice){ 0 });
        if (plain.len + names_len > ECE_PLAIN_MAX) {
                draft->reason = "PayloadTooLarge";
                return DRAFT_E_BAD;
        }
        trim_both(&title, &text, ECE_PLAIN_MAX - names_len - plain.len);
        buf_clear(&plain);
        add_plain(&plain, job, title, text);
        if (buf_failed(&plain))
                return -ENOMEM;
        int r;
        do {
                struct ece_chance chance;
                chance_bytes(&chance, sizeof(chance));
                r = ece_encrypt(buf_slice(&plain), keys, &chance, &draft->body);
                explicit_bzero(&chance, sizeof(chance));
        } while (r == ECE_E_CHANCE);
        return r < 0 ? r : 0; /* keys and size were looked at */
}

static const char *urgency(const struct push_job *job) {
        if (job->kind != PUSH_ALERT || job->priority == PUSH_LOW)
                return "low";
        return job->priority >= PUSH_HIGH ? "high" : "normal";
}

static int webpush_draft(struct credential *credential, const struct push_job *job, int64_t wall_ms, struct draft *draft) {
        struct webpush *webpush = (struct webpush *)credential;
        char text[LIMIT_PUSH_ENDPOINT_BYTES + 1], topic[DRAFT_TOPIC_BYTES + 1];
        struct endpoint endpoint;
        struct ece_keys keys;
        int r = read_subscription(webpush, job, text, &endpoint, &keys, &draft->reason);
        if (r == 0)
                r = draft_body(job, &keys, draft);
        if (r != 0)
                return r;
        const char *token = get_token(webpush, endpoint.origin, wall_ms);
        if (!token)
                return -ENOMEM;
        if (webpush->url[0]) { /* something stands in for all push services */
                buf_add_text(&draft->url, webpush->url);
                buf_add_slice(&draft->url, endpoint.path);
        } else {
                buf_add_text(&draft->url, text);
        }
        int64_t ttl_s = (job->expires_ms - wall_ms) / 1000;
        draft_add_header(draft, "authorization", token);
        draft_add_number(draft, "ttl", ttl_s < 0 ? 0 : ttl_s > TTL_MOST_S ? TTL_MOST_S : ttl_s);
        draft_add_header(draft, "urgency", urgency(job));
        if (job->collapse.len > 0) {
                draft_topic(job->collapse, topic);
                draft_add_header(draft, "topic", topic);
        }
        draft_add_header(draft, "content-encoding", "aes128gcm");
        draft_add_header(draft, "content-type", "application/octet-stream");
        return draft_failed(draft) ? -ENOMEM : 0;
}

/*
 * RFC 8030 says what ends a subscription: 404 and 410 (sections 7.3 and 5.2). 401 and 403 are about our key: wrong for all, or for a
 * subscription made with an older one, which guard.h tells apart.
 */
static const struct verdict_row rows[] = {
        VERDICT_ROW(400, NULL, PAYLOAD_BAD, ONE, .reason = "400"),
        VERDICT_ROW(401, NULL, AUTH_BAD, US, .reason = "401"),
        VERDICT_ROW(403, NULL, TOKEN_DEAD, ONE, .is_doubt = true, .reason = "403"),
        VERDICT_ROW(404, NULL, TOKEN_DEAD, ONE, .reason = "404"),
        VERDICT_ROW(410, NULL, TOKEN_DEAD, ONE, .reason = "410"),
        VERDICT_ROW(413, NULL, PAYLOAD_BAD, ONE, .reason = "413"),
        VERDICT_ROW(429, NULL, THROTTLED, RATE, .reason = "429"),
        VERDICT_ROW(0, NULL, UNKNOWN, ONE, .reason = "other"),
};

static void webpush_judge(const struct push_job *job, const struct http2_answer *answer, struct verdict *ret_verdict) {
        if (verdict_of_error(answer, ret_verdict))
                return;
        if (answer->status >= 200 && answer->status < 300)
                *ret_verdict = verdict_accepted;
        else if (answer->status >= 500)
                *ret_verdict = (struct verdict){ .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "5xx" };
        else
                *ret_verdict = verdict_find(rows, answer->status, (struct slice){ 0 });
}

const struct credential_kind webpush_kind = {
        .open = webpush_open,
        .close = webpush_close,
        .origin = webpush_origin,
        .draft = webpush_draft,
        .judge = webpush_judge,
        .renew = webpush_renew,
        .connect = webpush_connect,
};
