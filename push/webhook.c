/* SPDX-License-Identifier: Apache-2.0 */
/* webhook.c: see webhook.h. */
#include "push/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/config.h"
#include "push/draft.h"
#include "push/endpoint.h"
#include "push/http2.h"
#include "push/job.h"
#include "push/keyfile.h"
#include "push/signer.h"
#include "push/trim.h"
#include "push/verdict.h"

enum {
        SECRETS = 2,
        SECRET_MIN = 24,   /* what the specification asks for */
        SECRET_MAX = 1024,
        BODY_MAX = 20000,  /* above 20 kB receivers refuse, the specification says */
        CONNECTIONS = 8,
        CONNECT_MS = 10000,
        ANSWER_MS = 20000, /* the specification: 15 to 30 s */
};

struct webhook {
        struct credential credential;
        char *url;
        char *origin;
        struct buf keys[SECRETS];
        size_t keys_count;
};

/* ---- Signatures ---- */

int webhook_read_secret(struct slice text, struct buf *out) {
        static const char prefix[] = "whsec_";
        unsigned char key[SECRET_MAX + 2];
        size_t prefix_len = sizeof(prefix) - 1;
        if (text.len < prefix_len || memcmp(text.ptr, prefix, prefix_len) != 0) {
                buf_add_slice(out, text);
                return text.len < SECRET_MIN || text.len > SECRET_MAX;
        }
        text.ptr += prefix_len;
        text.len -= prefix_len;
        if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > sizeof(key))
                return 1;
        int len = EVP_DecodeBlock(key, (const unsigned char *)text.ptr, (int)text.len);
        for (size_t i = text.len; i > 0 && text.ptr[i - 1] == '='; i--)
                len--;
        bool good = len >= SECRET_MIN && len <= SECRET_MAX;
        if (good)
                buf_add(out, key, (size_t)len);
        explicit_bzero(key, sizeof(key));
        return !good;
}

int webhook_sign(struct slice key, struct slice id, int64_t at_s, struct slice body, struct buf *out) {
        _cleanup_buf_ struct buf text = BUF_INIT(body.len + id.len + 32);
        unsigned char encoded[(SIGNER_MAC_BYTES + 2) / 3 * 4 + 1];
        uint8_t mac[SIGNER_MAC_BYTES];

        buf_add_slice(&text, id);
        buf_add_char(&text, '.');
        buf_add_int(&text, at_s);
        buf_add_char(&text, '.');
        buf_add_slice(&text, body);
        if (buf_failed(&text))
                return -ENOMEM;
        int r = signer_hmac(key, buf_slice(&text), mac);
        if (r != 0)
                return r;
        EVP_EncodeBlock(encoded, mac, sizeof(mac));
        buf_add_text(out, "v1,");
        buf_add_text(out, (const char *)encoded);
        return buf_failed(out) ? -ENOMEM : 0;
}

/* ---- The section ---- */

static void webhook_free(struct webhook *webhook) {
        for (size_t i = 0; i < webhook->keys_count; i++)
                keyfile_clean(&webhook->keys[i]);
        free(webhook->url);
        free(webhook->origin);
        free(webhook);
}

static int read_secrets(struct webhook *webhook, const char *text, char **ret_error) {
        while (*text) {
                size_t len = strcspn(text, " \t");
                if (len > 0) {
                        if (webhook->keys_count == SECRETS)
                                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "secret names more than two");
                        struct buf *key = &webhook->keys[webhook->keys_count++];
                        buf_init(key, SECRET_MAX);
                        if (webhook_read_secret((struct slice){ text, len }, key) != 0)
                                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error,
                                                      "secret must be whsec_ and base64, or text, of 24 to 1024 bytes");
                        if (buf_failed(key))
                                return -ENOMEM;
                }
                text += len + (text[len] != '\0');
        }
        if (webhook->keys_count == 0)
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "secret is missing");
        return 0;
}

static int webhook_open(struct uv_loop_s *loop, const struct config_push *section, struct credential **ret_credential,
                        char **ret_error) {
        struct webhook *webhook = calloc(1, sizeof(*webhook));
        struct endpoint endpoint;
        if (!webhook)
                return -ENOMEM;
        webhook->credential.kind = &webhook_kind;
        int r;
        if (endpoint_parse(slice_of(section->url), section->allow_private, &endpoint) != 0)
                r = keyfile_refuse(CREDENTIAL_E_BAD, ret_error,
                                   section->url[0] ? "url must be https:// and a public name (or set allow_private)" : "url is missing");
        else
                r = read_secrets(webhook, section->secret, ret_error);
        if (r == 0) {
                webhook->url = strdup(section->url);
                webhook->origin = strdup(endpoint.origin);
                r = webhook->url && webhook->origin ? 0 : -ENOMEM;
        }
        if (r != 0) {
                webhook_free(webhook);
                return r;
        }
        *ret_credential = &webhook->credential;
        return 0;
}

static void webhook_close(struct credential *credential, void (*on_closed)(void *context), void *context) {
        webhook_free((struct webhook *)credential);
        on_closed(context);
}

static void webhook_connect(const struct credential *credential, struct http2_options *options) {
        options->version = HTTP2_NEVER;
        options->connections = options->streams = CONNECTIONS;
        options->connect_ms = CONNECT_MS;
        options->answer_ms = ANSWER_MS;
}

/* ---- One push ---- */

static void add_time(struct buf *out, int64_t at_ms) {
        time_t at_s = (time_t)(at_ms / 1000);
        struct tm utc;
        char text[32];
        gmtime_r(&at_s, &utc);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
        buf_printf(out, "\"%s.%03dZ\"", text, (int)(at_ms % 1000));
}

static void add_text(struct buf *out, const char *name, struct slice text) {
        if (text.len == 0)
                return;
        buf_printf(out, ",\"%s\":", name);
        buf_add_json(out, text);
}

static const char *priority_text(enum push_priority priority) {
        static const char *const texts[] = { "low", "normal", "high", "critical" };
        return texts[priority];
}

static void add_body(struct buf *out, const struct push_job *job, struct slice title, struct slice text) {
        buf_add_text(out, "{\"type\":\"notification.requested\",\"timestamp\":");
        add_time(out, job->at_ms);
        buf_printf(out, ",\"data\":{\"id\":\"%s\",\"kind\":\"%s\",\"priority\":\"%s\"", job->id, job_kind_text(job->kind),
                   priority_text(job->priority));
        add_text(out, "user", job->user);
        add_text(out, "device", job->device);
        add_text(out, "token", job->token);
        add_text(out, "title", title);
        add_text(out, "text", text);
        add_text(out, "conv", job->conv);
        add_text(out, "op", job->op);
        add_text(out, "collapse", job->collapse);
        if (job->data.len > 0) {
                buf_add_text(out, ",\"data\":");
                buf_add_slice(out, job->data);
        }
        if (job->badge >= 0)
                buf_printf(out, ",\"badge\":%lld", (long long)job->badge);
        buf_printf(out, ",\"head\":%llu,\"expires_at\":%lld}}", (unsigned long long)job->head, (long long)job->expires_ms);
}

static int webhook_origin(const struct credential *credential, const struct push_job *job,
                          char out[static ENDPOINT_ORIGIN_BYTES + 1], const char **ret_reason) {
        snprintf(out, ENDPOINT_ORIGIN_BYTES + 1, "%s", ((const struct webhook *)credential)->origin);
        return 0;
}

static int webhook_draft(struct credential *credential, const struct push_job *job, int64_t wall_ms, struct draft *draft) {
        struct webhook *webhook = (struct webhook *)credential;
        static const size_t names_len = sizeof(",\"title\":\"\",\"text\":\"\"") - 1;
        struct slice title = job->title, text = job->text;

        buf_add_text(&draft->url, webhook->url);
        add_body(&draft->body, job, (struct slice){ 0 }, (struct slice){ 0 });
        if (draft->body.len + names_len > BODY_MAX) {
                draft->reason = "PayloadTooLarge";
                return DRAFT_E_BAD;
        }
        trim_both(&title, &text, BODY_MAX - names_len - draft->body.len);
        buf_clear(&draft->body);
        add_body(&draft->body, job, title, text);

        int64_t at_s = wall_ms / 1000;
        _cleanup_buf_ struct buf signatures = BUF_INIT(256);
        for (size_t i = 0; i < webhook->keys_count; i++) {
                if (i > 0)
                        buf_add_char(&signatures, ' ');
                int r = webhook_sign(buf_slice(&webhook->keys[i]), slice_of(job->id), at_s, buf_slice(&draft->body), &signatures);
                if (r != 0)
                        return r;
        }
        draft_add_header(draft, "content-type", "application/json");
        draft_add_header(draft, "webhook-id", job->id);
        draft_add_number(draft, "webhook-timestamp", at_s);
        draft_add_header(draft, "webhook-signature", signatures.ptr);
        draft_add_header(draft, "user-agent", "Belfry");
        return draft_failed(draft) ? -ENOMEM : 0;
}

/*
 * Anything but 2xx is a failure, the specification says. But 410 means that the receiver is gone for good: that is the operator's
 * to mend. What a retry will hardly mend is tried a few times only.
 */
static const struct verdict_row rows[] = {
        VERDICT_ROW(408, NULL, TRANSIENT, SERVER, .reason = "408"),
        VERDICT_ROW(410, NULL, AUTH_BAD, US, .reason = "Gone"),
        VERDICT_ROW(429, NULL, THROTTLED, RATE, .reason = "429"),
        VERDICT_ROW(502, NULL, THROTTLED, SERVER, .reason = "502"),
        VERDICT_ROW(504, NULL, THROTTLED, SERVER, .reason = "504"),
        VERDICT_ROW(0, NULL, UNKNOWN, ONE, .reason = "refused"),
};

static void webhook_judge(const struct push_job *job, const struct http2_answer *answer, struct verdict *ret_verdict) {
        if (verdict_of_error(answer, ret_verdict)) {
                if (answer->error == HTTP2_E_FORBIDDEN) { /* the operator's URL, so not this push's fault */
                        ret_verdict->class = PUSH_AUTH_BAD;
                        ret_verdict->about = VERDICT_US;
                }
                return;
        }
        if (answer->status >= 200 && answer->status < 300)
                *ret_verdict = verdict_accepted;
        else if (answer->status >= 500 && answer->status != 502 && answer->status != 504)
                *ret_verdict = (struct verdict){ .class = PUSH_TRANSIENT, .about = VERDICT_SERVER, .reason = "5xx" };
        else
                *ret_verdict = verdict_find(rows, answer->status, (struct slice){ 0 });
}

static bool webhook_renew(struct credential *credential, int64_t sent_ms, int64_t wall_ms) {
        return false;
}

const struct credential_kind webhook_kind = {
        .open = webhook_open,
        .close = webhook_close,
        .origin = webhook_origin,
        .draft = webhook_draft,
        .judge = webhook_judge,
        .renew = webhook_renew,
        .connect = webhook_connect,
};
