/* SPDX-License-Identifier: Apache-2.0 */
/* apns.c: see apns.h. */
#include "push/apns.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/config.h"
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

#define PRODUCTION "https://api.push.apple.com"
#define SANDBOX "https://api.sandbox.push.apple.com"

enum {
        MINUTE_MS = 60000,
        REFRESH_MS = 50 * MINUTE_MS,
        LEAST_MS = 20 * MINUTE_MS,
        TOKEN_BYTES = 1024,
        DEVICE_TOKEN_MAX = 400, /* hex digits; 64 today, and Apple says not to count on it */
        COLLAPSE_MAX = 64,
        CONNECT_MS = 15000,
        ANSWER_MS = 30000,
};

struct apns {
        struct credential credential;
        struct signer *signer; /* NULL: by certificate */
        char *key_id, *team_id, *topic, *url, *cert_file;
        struct buf token;      /* "bearer …" */
        int64_t made_ms;       /* when it was made; 0: there is none */
};

/* ---- The provider token ---- */

enum apns_token apns_token_step(int64_t made_ms, int64_t wall_ms) {
        if (made_ms == 0 || wall_ms < made_ms - MINUTE_MS) /* the clock was set back: iat would lie ahead */
                return APNS_TOKEN_MAKE;
        return wall_ms - made_ms >= REFRESH_MS ? APNS_TOKEN_MAKE : APNS_TOKEN_KEEP;
}

bool apns_token_may_renew(int64_t made_ms, int64_t wall_ms) {
        return wall_ms - made_ms >= LEAST_MS;
}

/* No typ: one field less that a server could stumble over. */
static int make_token(struct apns *apns, int64_t wall_ms) {
        _cleanup_buf_ struct buf header = BUF_INIT(256), claims = BUF_INIT(256);
        buf_add_text(&header, "{\"alg\":\"ES256\",\"kid\":");
        buf_add_json(&header, slice_of(apns->key_id));
        buf_add_char(&header, '}');
        buf_add_text(&claims, "{\"iss\":");
        buf_add_json(&claims, slice_of(apns->team_id));
        buf_printf(&claims, ",\"iat\":%lld}", (long long)(wall_ms / 1000));
        if (buf_failed(&header) || buf_failed(&claims))
                return -ENOMEM;
        buf_clear(&apns->token);
        buf_add_text(&apns->token, "bearer ");
        int r = signer_jwt(apns->signer, buf_slice(&header), buf_slice(&claims), &apns->token);
        apns->made_ms = r == 0 ? wall_ms : 0;
        return r;
}

static bool apns_renew(struct credential *credential, int64_t sent_ms, int64_t wall_ms) {
        struct apns *apns = (struct apns *)credential;
        if (apns->made_ms > sent_ms)
                return true; /* another answer has brought the new one already */
        return apns->signer && apns_token_may_renew(apns->made_ms, wall_ms) && make_token(apns, wall_ms) == 0;
}

/* ---- The section ---- */

static void apns_free(struct apns *apns) {
        signer_free(apns->signer);
        keyfile_clean(&apns->token);
        free(apns->key_id);
        free(apns->team_id);
        free(apns->topic);
        free(apns->url);
        free(apns->cert_file);
        free(apns);
}

static int read_key(struct apns *apns, const struct config_push *section, char **ret_error) {
        if (!section->key_file[0])
                return 0;
        _cleanup_keyfile_ struct buf pem = BUF_INIT(LIMIT_PUSH_KEY_FILE_BYTES);
        int r = keyfile_read(section->key_file, &pem, ret_error);
        if (r != 0)
                return r == KEYFILE_E_BAD ? CREDENTIAL_E_BAD : r;
        const char *reason = NULL;
        r = signer_new_pem(buf_slice(&pem), SIGNER_ES256, &apns->signer, &reason);
        return r == SIGNER_E_KEY ? keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: %s", section->key_file, reason) : r;
}

/* The certificate is read by libcurl whenever it connects; here we only see early that it is there. */
static int read_certificate(const struct config_push *section, char **ret_error) {
        if (!section->cert_file[0])
                return 0;
        _cleanup_keyfile_ struct buf pem = BUF_INIT(LIMIT_PUSH_KEY_FILE_BYTES);
        int r = keyfile_read(section->cert_file, &pem, ret_error);
        return r == KEYFILE_E_BAD ? CREDENTIAL_E_BAD : r;
}

static int check(const struct config_push *section, char **ret_error) {
        struct endpoint endpoint;
        if (section->url[0] && endpoint_parse(slice_of(section->url), true, &endpoint) != 0)
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "url is no URL");
        if (!section->topic[0])
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "topic is missing: the bundle id of the app");
        if (!section->key_file[0] == !section->cert_file[0])
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "it takes key_file or cert_file, and not both");
        if (section->key_file[0] && (!section->key_id[0] || !section->team_id[0]))
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "key_file needs key_id and team_id");
        for (const char *c = section->topic; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "topic is no bundle id");
        return 0;
}

static int apns_open(struct uv_loop_s *loop, const struct config_push *section, struct credential **ret_credential, char **ret_error) {
        struct apns *apns = calloc(1, sizeof(*apns));
        if (!apns)
                return -ENOMEM;
        apns->credential.kind = &apns_kind;
        buf_init(&apns->token, TOKEN_BYTES);
        int r = check(section, ret_error);
        if (r == 0)
                r = read_key(apns, section, ret_error);
        if (r == 0)
                r = read_certificate(section, ret_error);
        if (r == 0 && (!(apns->key_id = strdup(section->key_id)) || !(apns->team_id = strdup(section->team_id)) ||
                       !(apns->topic = strdup(section->topic)) || !(apns->url = strdup(section->url)) ||
                       !(apns->cert_file = strdup(section->cert_file))))
                r = -ENOMEM;
        if (r != 0) {
                apns_free(apns);
                return r;
        }
        *ret_credential = &apns->credential;
        return 0;
}

static void apns_close(struct credential *credential, void (*on_closed)(void *context), void *context) {
        apns_free((struct apns *)credential);
        on_closed(context);
}

static void apns_connect(const struct credential *credential, struct http2_options *options) {
        const struct apns *apns = (const struct apns *)credential;
        options->version = HTTP2_ONLY;
        options->any_address = true; /* the operator says where to */
        options->connections = 1;
        options->streams = LIMIT_PUSH_STREAMS;
        options->connect_ms = CONNECT_MS;
        options->answer_ms = ANSWER_MS;
        if (apns->cert_file[0])
                options->cert_file = apns->cert_file;
}

/* ---- One push ---- */

static bool is_hex(struct slice text) {
        for (size_t i = 0; i < text.len; i++)
                if (!strchr("0123456789abcdefABCDEF", text.ptr[i]) || text.ptr[i] == '\0')
                        return false;
        return text.len > 0 && text.len <= DEVICE_TOKEN_MAX;
}

static const char *base_url(const struct apns *apns, const struct push_job *job) {
        return apns->url[0] ? apns->url : job->sandbox ? SANDBOX : PRODUCTION;
}

static int apns_origin(const struct credential *credential, const struct push_job *job, char out[static ENDPOINT_ORIGIN_BYTES + 1],
                       const char **ret_reason) {
        struct endpoint endpoint;
        int r = endpoint_parse(slice_of(base_url((const struct apns *)credential, job)), true, &endpoint);
        assert(r == 0); /* check() */
        snprintf(out, ENDPOINT_ORIGIN_BYTES + 1, "%s", endpoint.origin);
        return 0;
}

static void add_aps(struct buf *out, const struct push_job *job, struct slice title, struct slice text) {
        if (job->kind == PUSH_BACKGROUND) { /* and nothing else, or Apple takes it for an alert */
                buf_add_text(out, "\"aps\":{\"content-available\":1}");
                return;
        }
        const char *comma = "";
        buf_add_text(out, "\"aps\":{");
        if (job_is_shown(job)) {
                buf_add_text(out, "\"alert\":{\"title\":");
                buf_add_json(out, title);
                buf_add_text(out, ",\"body\":");
                buf_add_json(out, text);
                buf_add_text(out, "},\"mutable-content\":1");
                comma = ",";
        }
        if (job->badge >= 0) {
                buf_printf(out, "%s\"badge\":%lld", comma, (long long)job->badge);
                comma = ",";
        }
        if (job_is_shown(job) && job->conv.len > 0) {
                buf_add_text(out, ",\"thread-id\":");
                buf_add_json(out, job->conv);
        }
        if (job_is_shown(job) && job->kind == PUSH_ALERT)
                buf_printf(out, ",\"sound\":\"default\",\"interruption-level\":\"%s\"",
                           job->priority == PUSH_CRITICAL ? "time-sensitive" : "active");
        else if (job_is_shown(job))
                buf_add_text(out, ",\"interruption-level\":\"passive\"");
        buf_add_char(out, '}');
}

/* Our own fields stand beside aps: in it Apple drops them. */
static void add_payload(struct buf *out, const struct push_job *job, struct slice title, struct slice text) {
        buf_add_char(out, '{');
        add_aps(out, job, title, text);
        buf_printf(out, ",\"belfry\":{\"id\":\"%s\",\"head\":%llu", job->id, (unsigned long long)job->head);
        if (job->conv.len > 0) {
                buf_add_text(out, ",\"conv\":");
                buf_add_json(out, job->conv);
        }
        if (job->op.len > 0) {
                buf_add_text(out, ",\"op\":");
                buf_add_json(out, job->op);
        }
        if (job->data.len > 0) {
                buf_add_text(out, ",\"data\":");
                buf_add_slice(out, job->data);
        }
        buf_add_text(out, "}}");
}

static int draft_payload(const struct push_job *job, struct draft *draft) {
        struct slice title = job->title, text = job->text;
        if (job->kind != PUSH_BACKGROUND && !job_is_shown(job) && job->badge < 0) {
                draft->reason = "PayloadEmpty";
                return DRAFT_E_BAD;
        }
        add_payload(&draft->body, job, (struct slice){ 0 }, (struct slice){ 0 });
        if (draft->body.len > APNS_PAYLOAD_BYTES) {
                draft->reason = "PayloadTooLarge";
                return DRAFT_E_BAD;
        }
        if (!job_is_shown(job))
                return 0;
        trim_both(&title, &text, APNS_PAYLOAD_BYTES - draft->body.len);
        buf_clear(&draft->body);
        add_payload(&draft->body, job, title, text);
        return 0;
}

static int apns_draft(struct credential *credential, const struct push_job *job, int64_t wall_ms, struct draft *draft) {
        struct apns *apns = (struct apns *)credential;
        char collapse[COLLAPSE_MAX + 1];
        if (!is_hex(job->token)) {
                draft->reason = "BadDeviceToken";
                return DRAFT_E_BAD;
        }
        int r = draft_payload(job, draft);
        if (r == 0 && apns->signer && apns_token_step(apns->made_ms, wall_ms) == APNS_TOKEN_MAKE)
                r = make_token(apns, wall_ms);
        if (r != 0)
                return r;
        buf_add_text(&draft->url, base_url(apns, job));
        buf_add_text(&draft->url, "/3/device/");
        buf_add_slice(&draft->url, job->token);
        if (apns->signer)
                draft_add_header(draft, "authorization", apns->token.ptr);
        draft_add_header(draft, "apns-id", job->id);
        draft_add_header(draft, "apns-topic", apns->topic);
        draft_add_header(draft, "apns-push-type", job->kind == PUSH_BACKGROUND ? "background" : "alert");
        draft_add_number(draft, "apns-priority", job_is_urgent(job) ? 10 : 5);
        draft_add_number(draft, "apns-expiration", job->expires_ms / 1000);
        if (job->collapse.len > 0) {
                draft_collapse(job->collapse, collapse, COLLAPSE_MAX);
                draft_add_header(draft, "apns-collapse-id", collapse);
        }
        draft_add_header(draft, "content-type", "application/json");
        return draft_failed(draft) ? -ENOMEM : 0;
}

/* ---- Answers: Apple's table, with what each reason means for us ---- */

static const struct verdict_row rows[] = {
        VERDICT_ROW(400, "BadDeviceToken", TOKEN_DEAD, ONE, .is_doubt = true),
        VERDICT_ROW(400, "DeviceTokenNotForTopic", TOKEN_DEAD, ONE, .is_doubt = true),
        VERDICT_ROW(400, "BadTopic", AUTH_BAD, US),
        VERDICT_ROW(400, "MissingTopic", AUTH_BAD, US),
        VERDICT_ROW(400, "TopicDisallowed", AUTH_BAD, US),
        VERDICT_ROW(400, "IdleTimeout", TRANSIENT, SERVER, .repair = VERDICT_NEW_CONNECTION),
        VERDICT_ROW(400, "BadCollapseId", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "BadExpirationDate", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "BadMessageId", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "BadPriority", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "DuplicateHeaders", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "InvalidPushType", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "MissingDeviceToken", PAYLOAD_BAD, ONE),
        VERDICT_ROW(400, "PayloadEmpty", PAYLOAD_BAD, ONE),
        VERDICT_ROW(403, "ExpiredProviderToken", AUTH_BAD, US, .repair = VERDICT_NEW_TOKEN),
        VERDICT_ROW(403, "BadCertificate", AUTH_BAD, US),
        VERDICT_ROW(403, "BadCertificateEnvironment", AUTH_BAD, US),
        VERDICT_ROW(403, "Forbidden", AUTH_BAD, US),
        VERDICT_ROW(403, "InvalidProviderToken", AUTH_BAD, US, .repair = VERDICT_NEW_CONNECTION),
        VERDICT_ROW(403, "MissingProviderToken", AUTH_BAD, US),
        VERDICT_ROW(403, "UnrelatedKeyIdInToken", AUTH_BAD, US, .repair = VERDICT_NEW_CONNECTION),
        VERDICT_ROW(403, "BadEnvironmentKeyIdInToken", AUTH_BAD, US),
        VERDICT_ROW(403, "BadEnvironmentKeyInToken", AUTH_BAD, US), /* as the server is reported to write it */
        VERDICT_ROW(404, "BadPath", PAYLOAD_BAD, ONE),
        VERDICT_ROW(405, "MethodNotAllowed", PAYLOAD_BAD, ONE),
        VERDICT_ROW(410, "Unregistered", TOKEN_DEAD, ONE),
        VERDICT_ROW(410, "ExpiredToken", TOKEN_DEAD, ONE),
        VERDICT_ROW(413, "PayloadTooLarge", PAYLOAD_BAD, ONE),
        VERDICT_ROW(429, "TooManyProviderTokenUpdates", THROTTLED, RATE, .repair = VERDICT_NEW_CONNECTION),
        VERDICT_ROW(429, "TooManyRequests", THROTTLED, ONE),
        VERDICT_ROW(500, "InternalServerError", TRANSIENT, SERVER),
        VERDICT_ROW(503, "ServiceUnavailable", TRANSIENT, SERVER),
        VERDICT_ROW(503, "Shutdown", TRANSIENT, SERVER, .repair = VERDICT_NEW_CONNECTION),
        VERDICT_ROW(429, NULL, THROTTLED, ONE),
        VERDICT_ROW(500, NULL, TRANSIENT, SERVER),
        VERDICT_ROW(502, NULL, TRANSIENT, SERVER),
        VERDICT_ROW(503, NULL, TRANSIENT, SERVER),
        VERDICT_ROW(504, NULL, TRANSIENT, SERVER),
        VERDICT_ROW(0, NULL, UNKNOWN, ONE),
};

/* {"reason":"…","timestamp":ms}: what is there of it. */
static void read_body(struct slice body, char *reason, size_t size, int64_t *timestamp_ms) {
        struct scan_value top;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count = 0, len = 0;
        reason[0] = '\0';
        *timestamp_ms = 0;
        if (scan_text(body, LIMIT_JSON_DEPTH, &top) != 0 || top.type != SCAN_OBJECT ||
            scan_object(top.raw, fields, LIMIT_JSON_FIELDS, &count) != 0)
                return;
        const struct scan_value *said = scan_find(fields, count, "reason"), *at = scan_find(fields, count, "timestamp");
        if (!said || said->type != SCAN_STRING || scan_string(said->raw, reason, size, &len) != 0)
                reason[0] = '\0';
        if (at && at->type == SCAN_INT && at->integer > 0)
                *timestamp_ms = at->integer;
}

static void apns_judge(const struct push_job *job, const struct http2_answer *answer, struct verdict *ret_verdict) {
        char reason[PUSH_REASON_BYTES];
        int64_t timestamp_ms;
        if (verdict_of_error(answer, ret_verdict))
                return;
        if (answer->status == 200) {
                *ret_verdict = verdict_accepted;
                return;
        }
        read_body(answer->body, reason, sizeof(reason), &timestamp_ms);
        *ret_verdict = verdict_find(rows, answer->status, slice_of(reason));
        ret_verdict->dead_since_ms = ret_verdict->class == PUSH_TOKEN_DEAD ? timestamp_ms : 0;
}

const struct credential_kind apns_kind = {
        .open = apns_open,
        .close = apns_close,
        .origin = apns_origin,
        .draft = apns_draft,
        .judge = apns_judge,
        .renew = apns_renew,
        .connect = apns_connect,
};
