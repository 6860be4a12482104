/* SPDX-License-Identifier: Apache-2.0 */
/* fcm.c: see fcm.h. */
#include "push/fcm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/limits.h"
#include "push/draft.h"
#include "push/endpoint.h"
#include "push/http2.h"
#include "push/job.h"
#include "push/keyfile.h"
#include "push/oauth.h"
#include "push/trim.h"
#include "push/verdict.h"

#define BASE "https://fcm.googleapis.com"
#define SCOPE "https://www.googleapis.com/auth/firebase.messaging"

enum {
        TTL_MOST_S = 28 * 86400,
        COLLAPSE_MAX = 64,
        CONNECT_MS = 15000,
        ANSWER_MS = 30000, /* Google: never less than 10 s */
        PER_S = 9000,      /* 600,000 a minute for each project, less a tenth */
};

struct fcm {
        struct credential credential;
        struct oauth *oauth;
        char *url;      /* …/v1/projects/NAME/messages:send */
        char origin[ENDPOINT_ORIGIN_BYTES + 1];
};

/* ---- The section ---- */

static void fcm_free(struct fcm *fcm) {
        free(fcm->url);
        free(fcm);
}

static const char *text_of(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

static bool is_project(const char *text) {
        return text[0] && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.:")] == '\0';
}

static void connect_options(struct http2_options *options) {
        options->version = HTTP2_OR_1;
        options->any_address = true; /* the operator says where to */
        options->connections = 1;
        options->connect_ms = CONNECT_MS;
        options->answer_ms = ANSWER_MS;
}

static void fcm_on_ready(void *context) {
        struct fcm *fcm = context;
        fcm->credential.on_ready(fcm->credential.ready_context);
}

static int open_oauth(struct fcm *fcm, struct uv_loop_s *loop, const struct config_push *section, const json_t *json, char **ret_error) {
        const char *reason = NULL;
        struct endpoint endpoint;
        struct oauth_account account = {
                .email = text_of(json, "client_email"),
                .key_id = text_of(json, "private_key_id"),
                .private_key = text_of(json, "private_key"),
                .token_url = text_of(json, "token_uri"),
                .scope = SCOPE,
        };
        struct http2_options options = {
                .ca_file = section->ca_file[0] ? section->ca_file : NULL,
                .any_scheme = section->allow_private,
                .streams = 1,
        };
        connect_options(&options);
        if (!account.email[0] || !account.private_key[0])
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: client_email or private_key is missing", section->service_account);
        if (endpoint_parse(slice_of(account.token_url), section->allow_private, &endpoint) != 0)
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: token_uri is no https URL", section->service_account);
        int r = oauth_new(loop, &account, &options, fcm_on_ready, fcm, &fcm->oauth, &reason);
        return r == OAUTH_E_ACCOUNT ? keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: %s", section->service_account, reason) : r;
}

static int read_account(struct fcm *fcm, struct uv_loop_s *loop, const struct config_push *section, const json_t *json, char **ret_error) {
        const char *base = section->url[0] ? section->url : BASE, *project = text_of(json, "project_id");
        struct endpoint endpoint;
        if (!is_project(project))
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: project_id is missing", section->service_account);
        if (endpoint_parse(slice_of(base), true, &endpoint) != 0)
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "url is no URL");
        memcpy(fcm->origin, endpoint.origin, sizeof(fcm->origin));
        int r = keyfile_refuse(0, &fcm->url, "%s/v1/projects/%s/messages:send", base, project);
        return r == 0 ? open_oauth(fcm, loop, section, json, ret_error) : r;
}

static int fcm_open(struct uv_loop_s *loop, const struct config_push *section, struct credential **ret_credential, char **ret_error) {
        _cleanup_keyfile_ struct buf text = BUF_INIT(LIMIT_PUSH_KEY_FILE_BYTES);
        int r = keyfile_read(section->service_account, &text, ret_error);
        if (r != 0)
                return r == KEYFILE_E_BAD ? CREDENTIAL_E_BAD : r;
        json_t *json = json_loadb(text.ptr ? text.ptr : "", text.len, 0, NULL);
        if (!json_is_object(json)) {
                json_decref(json);
                return keyfile_refuse(CREDENTIAL_E_BAD, ret_error, "%s: it is no JSON object", section->service_account);
        }
        struct fcm *fcm = calloc(1, sizeof(*fcm));
        r = -ENOMEM;
        if (fcm) {
                fcm->credential.kind = &fcm_kind;
                r = read_account(fcm, loop, section, json, ret_error);
        }
        json_decref(json);
        if (r != 0) {
                if (fcm)
                        fcm_free(fcm);
                return r;
        }
        *ret_credential = &fcm->credential;
        return 0;
}

struct closing {
        struct fcm *fcm;
        void (*on_closed)(void *context);
        void *context;
};

static void on_oauth_closed(void *context) {
        struct closing closing = *(struct closing *)context;
        free(context);
        fcm_free(closing.fcm);
        closing.on_closed(closing.context);
}

static void fcm_close(struct credential *credential, void (*on_closed)(void *context), void *context) {
        struct fcm *fcm = (struct fcm *)credential;
        struct closing *closing = malloc(sizeof(*closing));
        if (!closing)
                abort(); /* what is half closed can be neither used nor left */
        *closing = (struct closing){ fcm, on_closed, context };
        oauth_close(fcm->oauth, on_oauth_closed, closing);
}

static void fcm_connect(const struct credential *credential, struct http2_options *options) {
        connect_options(options);
        options->streams = LIMIT_PUSH_STREAMS;
}

static bool fcm_renew(struct credential *credential, int64_t sent_ms, int64_t wall_ms) {
        return oauth_renew(((struct fcm *)credential)->oauth, sent_ms, wall_ms);
}

/* ---- One push ---- */

static int fcm_origin(const struct credential *credential, const struct push_job *job, char out[static ENDPOINT_ORIGIN_BYTES + 1],
                      const char **ret_reason) {
        snprintf(out, ENDPOINT_ORIGIN_BYTES + 1, "%s", ((const struct fcm *)credential)->origin);
        return 0;
}

static void add_string(struct buf *out, const char *name, struct slice text) {
        buf_printf(out, ",\"%s\":", name);
        buf_add_json(out, text);
}

/* All values of data are strings. */
static void add_data(struct buf *out, const struct push_job *job) {
        buf_printf(out, "\"data\":{\"id\":\"%s\",\"kind\":\"%s\",\"head\":\"%llu\"", job->id, job_kind_text(job->kind),
                   (unsigned long long)job->head);
        if (job->conv.len > 0)
                add_string(out, "conv", job->conv);
        if (job->op.len > 0)
                add_string(out, "op", job->op);
        if (job->badge >= 0)
                buf_printf(out, ",\"badge\":\"%lld\"", (long long)job->badge);
        if (job->data.len > 0)
                add_string(out, "data", job->data);
        buf_add_char(out, '}');
}

static void add_android(struct buf *out, const struct push_job *job, int64_t wall_ms) {
        int64_t ttl_s = (job->expires_ms - wall_ms) / 1000;
        buf_printf(out, ",\"android\":{\"priority\":\"%s\",\"ttl\":\"%llds\"", job_is_urgent(job) ? "high" : "normal",
                   (long long)(ttl_s < 0 ? 0 : ttl_s > TTL_MOST_S ? TTL_MOST_S : ttl_s));
        if (job->collapse.len > 0) {
                char collapse[COLLAPSE_MAX + 1];
                draft_collapse(job->collapse, collapse, COLLAPSE_MAX);
                add_string(out, "collapse_key", slice_of(collapse));
        }
        if (job_is_shown(job)) {
                buf_printf(out, ",\"notification\":{\"default_sound\":%s", job->kind == PUSH_ALERT ? "true" : "false");
                if (job->collapse.len > 0)
                        add_string(out, "tag", job->collapse); /* replaces the one that is shown, too */
                if (job->badge > 0)
                        buf_printf(out, ",\"notification_count\":%lld", (long long)job->badge);
                buf_add_char(out, '}');
        }
        buf_add_char(out, '}');
}

/* For apps on Apple's devices that register with Google. */
static void add_apns(struct buf *out, const struct push_job *job) {
        if (job->kind == PUSH_BACKGROUND) {
                buf_add_text(out, ",\"apns\":{\"headers\":{\"apns-push-type\":\"background\",\"apns-priority\":\"5\"},"
                                  "\"payload\":{\"aps\":{\"content-available\":1}}}");
                return;
        }
        buf_printf(out, ",\"apns\":{\"headers\":{\"apns-push-type\":\"alert\",\"apns-priority\":\"%d\",\"apns-expiration\":\"%lld\"}",
                   job_is_urgent(job) ? 10 : 5, (long long)(job->expires_ms / 1000));
        buf_add_text(out, ",\"payload\":{\"aps\":{\"mutable-content\":1");
        if (job->badge >= 0)
                buf_printf(out, ",\"badge\":%lld", (long long)job->badge);
        if (job_is_shown(job) && job->kind == PUSH_ALERT)
                buf_add_text(out, ",\"sound\":\"default\"");
        buf_add_text(out, "}}}");
}

static void add_message(struct buf *out, const struct push_job *job, struct slice title, struct slice text, int64_t wall_ms) {
        buf_add_text(out, "{\"message\":{");
        add_data(out, job);
        if (job_is_shown(job)) {
                buf_add_text(out, ",\"notification\":{\"title\":");
                buf_add_json(out, title);
                add_string(out, "body", text);
                buf_add_char(out, '}');
        }
        add_android(out, job, wall_ms);
        add_apns(out, job);
        add_string(out, "token", job->token);
        buf_add_text(out, "}}");
}

static int draft_message(const struct push_job *job, int64_t wall_ms, struct draft *draft) {
        struct slice title = job->title, text = job->text;
        size_t most = FCM_MESSAGE_BYTES + trim_json_len(job->token); /* the address is no payload */
        add_message(&draft->body, job, (struct slice){ 0 }, (struct slice){ 0 }, wall_ms);
        if (draft->body.len > most) {
                draft->reason = "PayloadTooLarge";
                return DRAFT_E_BAD;
        }
        if (!job_is_shown(job))
                return 0;
        trim_both(&title, &text, most - draft->body.len);
        buf_clear(&draft->body);
        add_message(&draft->body, job, title, text, wall_ms);
        return 0;
}

static int fcm_draft(struct credential *credential, const struct push_job *job, int64_t wall_ms, struct draft *draft) {
        struct fcm *fcm = (struct fcm *)credential;
        const char *token = NULL;
        if (job->token.len == 0) {
                draft->reason = "MissingToken";
                return DRAFT_E_BAD;
        }
        int r = oauth_get(fcm->oauth, wall_ms, &token, &draft->wait_ms);
        switch (r) {
        case 0:
                break;
        case OAUTH_E_WAIT:
                return DRAFT_E_WAIT;
        case OAUTH_E_REFUSED:
                draft->reason = "service account refused";
                return DRAFT_E_AUTH;
        case OAUTH_E_DOWN:
                draft->reason = "no access token";
                return DRAFT_E_LATER;
        default:
                return r;
        }
        r = draft_message(job, wall_ms, draft);
        if (r != 0)
                return r;
        buf_add_text(&draft->url, fcm->url);
        draft_add_header(draft, "authorization", token);
        draft_add_header(draft, "content-type", "application/json");
        return draft_failed(draft) ? -ENOMEM : 0;
}

/* ---- Answers ---- */

static const struct verdict_row rows[] = {
        VERDICT_ROW(400, "INVALID_TOKEN", TOKEN_DEAD, ONE), /* our own word: find_code() */
        VERDICT_ROW(400, NULL, PAYLOAD_BAD, ONE, .reason = "INVALID_ARGUMENT"),
        VERDICT_ROW(401, "THIRD_PARTY_AUTH_ERROR", AUTH_BAD, ONE), /* of Apple's or the browsers' half only */
        VERDICT_ROW(401, NULL, AUTH_BAD, US, .repair = VERDICT_NEW_ACCESS, .reason = "UNAUTHENTICATED"),
        VERDICT_ROW(403, "SENDER_ID_MISMATCH", TOKEN_DEAD, ONE, .is_doubt = true),
        VERDICT_ROW(403, NULL, AUTH_BAD, US, .reason = "PERMISSION_DENIED"),
        VERDICT_ROW(404, "UNREGISTERED", TOKEN_DEAD, ONE),
        VERDICT_ROW(404, NULL, AUTH_BAD, US, .reason = "NOT_FOUND"),
        VERDICT_ROW(429, NULL, THROTTLED, SERVER, .reason = "QUOTA_EXCEEDED"),
        VERDICT_ROW(500, NULL, TRANSIENT, SERVER, .reason = "INTERNAL"),
        VERDICT_ROW(502, NULL, TRANSIENT, SERVER, .reason = "502"),
        VERDICT_ROW(503, NULL, TRANSIENT, SERVER, .reason = "UNAVAILABLE"),
        VERDICT_ROW(504, NULL, TRANSIENT, SERVER, .reason = "504"),
        VERDICT_ROW(0, NULL, UNKNOWN, ONE, .reason = "other"),
};

static bool ends_with(const char *text, const char *end) {
        size_t len = strlen(text), end_len = strlen(end);
        return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool names_token(const json_t *details) {
        size_t index;
        json_t *violation;
        json_array_foreach(json_object_get(details, "fieldViolations"), index, violation)
                if (strcmp(text_of(violation, "field"), "message.token") == 0)
                        return true;
        return false;
}

/*
 * The FcmError among the details, wherever it stands; they may be missing, or the body be HTML. "The registration token is not a valid
 * FCM registration token" comes as a plain INVALID_ARGUMENT, recognised by the field or, where that is missing, by these words.
 */
static void find_code(struct slice body, char *out, size_t size) {
        json_t *json = json_loadb(body.len ? body.ptr : "", body.len, 0, NULL);
        const json_t *error = json_object_get(json, "error");
        bool is_token = strstr(text_of(error, "message"), "registration token is not a valid") != NULL;
        size_t index;
        json_t *details;
        out[0] = '\0';
        json_array_foreach(json_object_get(error, "details"), index, details) {
                const char *type = text_of(details, "@type");
                if (ends_with(type, "google.firebase.fcm.v1.FcmError"))
                        snprintf(out, size, "%s", text_of(details, "errorCode"));
                else if (ends_with(type, "google.rpc.BadRequest"))
                        is_token = is_token || names_token(details);
        }
        if (is_token && (out[0] == '\0' || strcmp(out, "INVALID_ARGUMENT") == 0))
                snprintf(out, size, "INVALID_TOKEN");
        json_decref(json);
}

static void fcm_judge(const struct push_job *job, const struct http2_answer *answer, struct verdict *ret_verdict) {
        char code[PUSH_REASON_BYTES];
        if (verdict_of_error(answer, ret_verdict))
                return;
        if (answer->status == 200) {
                *ret_verdict = verdict_accepted;
                return;
        }
        find_code(answer->body, code, sizeof(code));
        *ret_verdict = verdict_find(rows, answer->status, slice_of(code));
}

const struct credential_kind fcm_kind = {
        .open = fcm_open,
        .close = fcm_close,
        .origin = fcm_origin,
        .draft = fcm_draft,
        .judge = fcm_judge,
        .renew = fcm_renew,
        .connect = fcm_connect,
        .per_s = PER_S,
};
