/* SPDX-License-Identifier: Apache-2.0 */
/* registration.c: see registration.h. */
#include "fanout/registration.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/scan.h"
#include "base/section.h"
#include "fanout/fanout.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { REGISTRATION_SHOWN_BYTES = 6, REGISTRATION_HIDDEN_BYTES = 16, REGISTRATION_DIGEST_BYTES = 32 };

/* ---- the check ---- */

static bool registration_is_word(struct slice text) {
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e)
                        return false;
        return text.len > 0;
}

static bool registration_is_hex(struct slice text) {
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
                        return false;
        }
        return text.len > 0 && text.len % 2 == 0;
}

static struct slice registration_string(const struct scan_field *fields, size_t count, const char *name) {
        const struct scan_value *value = scan_find(fields, count, name);
        if (!value || value->type != SCAN_STRING || value->raw.len < 3)
                return SLICE("");
        return (struct slice){ value->raw.ptr + 1, value->raw.len - 2 };
}

/* As browsers give it (Push API, PushSubscription.toJSON): the keys are base64url of 65 and 16 bytes. */
static const char *registration_check_subscription(struct slice token) {
        static const char error[] = "subscription is {endpoint, keys: {p256dh, auth}}, as the browser gives it";
        struct scan_value value;
        struct scan_field fields[LIMIT_JSON_FIELDS], keys[LIMIT_JSON_FIELDS];
        size_t count, keys_count;
        if (scan_text(token, LIMIT_JSON_DEPTH, &value) || value.type != SCAN_OBJECT || scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count))
                return error;
        const struct scan_value *inner = scan_find(fields, count, "keys");
        if (!inner || inner->type != SCAN_OBJECT || scan_object(inner->raw, keys, LIMIT_JSON_FIELDS, &keys_count))
                return error;
        struct slice endpoint = registration_string(fields, count, "endpoint");
        if (registration_string(keys, keys_count, "p256dh").len < 86 || registration_string(keys, keys_count, "auth").len < 22)
                return error;
        return endpoint.len > 8 && memcmp(endpoint.ptr, "https://", 8) == 0 ? NULL : "the endpoint of a subscription is an https URL";
}

const char *registration_check(const struct registration *registration) {
        struct slice provider = registration->provider, token = registration->token;
        if (!section_is_provider(provider))
                return "provider is apns, fcm, webpush or webhook";
        if (!registration_is_word(registration->app) || registration->app.len > LIMIT_PUSH_APP_BYTES)
                return "app is a word of 1 to 32 bytes: NAME of a section push.PROVIDER.NAME";
        if (registration->env.len && !slice_is(registration->env, "production") && !slice_is(registration->env, "sandbox"))
                return "env is production or sandbox";
        if (token.len > LIMIT_PUSH_TOKEN_BYTES)
                return "a token or subscription has at most 4,096 bytes";
        if (slice_is(provider, "webpush"))
                return registration_check_subscription(token);
        if (slice_is(provider, "apns"))
                return registration_is_hex(token) ? NULL : "the token of apns is the device token in hex";
        if (slice_is(provider, "fcm"))
                return registration_is_word(token) ? NULL : "the token of fcm is the registration token, without spaces";
        return NULL; /* a webhook's is its own */
}

/* ---- one spelling ---- */

static void registration_add_string(struct buf *out, const char *before, const struct scan_value *value) {
        buf_add_text(out, before);
        buf_add_slice(out, value ? value->raw : SLICE("\"\""));
}

/* What is compared to find who else has it: a device token in small letters, of a subscription what a push needs. It passed the check. */
static void registration_add_token(struct buf *out, const struct registration *registration) {
        struct slice token = registration->token;
        if (slice_is(registration->provider, "apns")) {
                for (size_t i = 0; i < token.len; i++)
                        buf_add_char(out, token.ptr[i] >= 'A' && token.ptr[i] <= 'F' ? (char)(token.ptr[i] - 'A' + 'a') : token.ptr[i]);
                return;
        }
        struct scan_field fields[LIMIT_JSON_FIELDS], keys[LIMIT_JSON_FIELDS];
        struct scan_value value;
        size_t count = 0, keys_count = 0;
        if (!slice_is(registration->provider, "webpush") || scan_text(token, LIMIT_JSON_DEPTH, &value) ||
            scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count)) {
                buf_add_slice(out, token);
                return;
        }
        const struct scan_value *inner = scan_find(fields, count, "keys");
        if (!inner || scan_object(inner->raw, keys, LIMIT_JSON_FIELDS, &keys_count))
                keys_count = 0;
        registration_add_string(out, "{\"endpoint\":", scan_find(fields, count, "endpoint"));
        registration_add_string(out, ",\"keys\":{\"p256dh\":", scan_find(keys, keys_count, "p256dh"));
        registration_add_string(out, ",\"auth\":", scan_find(keys, keys_count, "auth"));
        buf_add_text(out, "}}");
}

/* ---- calls ---- */

struct registration_job {
        registration_done_fn done;
        void *arg;
};

static void registration_end(struct registration_job *job, int answer) {
        job->done(job->arg, answer);
        free(job);
}

/* What sending a call gave: unless 0, its job is over. */
static int registration_result(int r, void *take_job) {
        if (r)
                free(take_job);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}

/* A registration under way: register -> claim its token [-> let the former holder release it -> claim it again]. */
struct registration_claim {
        struct registration_job job;
        struct fanout *fanout;
        struct slice user, device, provider, token; /* behind the struct */
        char digest[REGISTRATION_DIGEST_BYTES + 1];
        char former[2 * LIMIT_ID_BYTES + 2];        /* <user> <device> */
        char texts[];
};

static struct registration_claim *registration_claim_new(struct fanout *fanout, struct slice user, struct slice device, struct slice provider,
                                                         struct slice token) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        struct registration_claim *claim = calloc(1, sizeof(*claim) + user.len + device.len + provider.len + token.len);
        if (!claim)
                return NULL;
        char *text = claim->texts;
        claim->fanout = fanout;
        claim->user = slice_copy(&text, user);
        claim->device = slice_copy(&text, device);
        claim->provider = slice_copy(&text, provider);
        claim->token = slice_copy(&text, token);
        if (!EVP_Digest(token.ptr, token.len, digest, NULL, EVP_sha256(), NULL))
                abort(); /* SHA-256 is always there */
        claim->digest[encode_base64url(digest, REGISTRATION_DIGEST_BYTES * 3 / 4, claim->digest)] = '\0';
        return claim;
}

static void registration_on_claimed(void *arg, const struct redisReply *reply);

static int registration_claim_token(struct registration_claim *claim) {
        struct call *call = store_call(claim->fanout->store, "push_claim");
        store_call_key(call, KEY_TOKEN, slice_of(claim->digest));
        store_call_arg(call, claim->user);
        store_call_arg(call, claim->device);
        store_call_arg_text(call, claim->former);
        store_call_arg_int(call, INT64_C(1000) * LIMIT_PUSH_TOKEN_AGE_S);
        return store_call_send(call, registration_on_claimed, claim);
}

static void registration_on_released(void *arg, const struct redisReply *reply) {
        struct registration_claim *claim = arg;
        if (!reply || registration_claim_token(claim))
                registration_end(&claim->job, FANOUT_E_UNAVAILABLE);
}

static void registration_on_claimed(void *arg, const struct redisReply *reply) {
        struct registration_claim *claim = arg;
        struct slice holder = reply ? store_text(reply) : SLICE("");
        if (!reply || holder.len == 0 || holder.len >= sizeof(claim->former)) {
                registration_end(&claim->job, reply ? 0 : FANOUT_E_UNAVAILABLE);
                return;
        }
        memcpy(claim->former, holder.ptr, holder.len);
        claim->former[holder.len] = '\0';
        struct slice device = { claim->former, holder.len }, user = words_take(&device, ' ');
        struct call *call = store_call(claim->fanout->store, "push_release");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_arg(call, device);
        store_call_arg(call, claim->provider);
        store_call_arg(call, claim->token);
        if (store_call_send(call, registration_on_released, claim))
                registration_end(&claim->job, FANOUT_E_UNAVAILABLE);
}

static void registration_on_set(void *arg, const struct redisReply *reply) {
        struct registration_claim *claim = arg;
        bool ok = reply && slice_is(store_text(store_item(reply, 0)), "ok");
        if (!ok)
                registration_end(&claim->job, reply ? FANOUT_E_CONFLICT : FANOUT_E_UNAVAILABLE);
        else if (slice_is(claim->provider, "webhook")) /* its receiver tells users apart: what is a token there, any may have */
                registration_end(&claim->job, 0);
        else if (registration_claim_token(claim))
                registration_end(&claim->job, FANOUT_E_UNAVAILABLE);
}

int registration_set(struct fanout *fanout, struct slice user, struct slice device, const struct registration *registration,
                     registration_done_fn done, void *arg) {
        _cleanup_buf_ struct buf where = BUF_INIT(LIMIT_PUSH_APP_BYTES + 64), token = BUF_INIT(LIMIT_PUSH_TOKEN_BYTES + 64);
        registration_add_token(&token, registration);
        buf_add_slice(&where, registration->provider);
        buf_add_char(&where, ' ');
        buf_add_slice(&where, registration->app);
        buf_add_char(&where, ' ');
        buf_add_slice(&where, registration->env.len ? registration->env : SLICE("production"));
        if (buf_failed(&where) || buf_failed(&token))
                return -ENOMEM;
        struct registration_claim *claim = registration_claim_new(fanout, user, device, registration->provider, buf_slice(&token));
        if (!claim)
                return -ENOMEM;
        claim->job = (struct registration_job){ done, arg };
        struct call *call = store_call(fanout->store, "push_register");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_key(call, KEY_INBOX, user);
        store_call_arg(call, device);
        store_call_arg(call, buf_slice(&where));
        store_call_arg(call, claim->token);
        store_call_arg_int(call, LIMIT_DEVICES);
        return registration_result(store_call_send(call, registration_on_set, claim), claim);
}

static void registration_on_removed(void *arg, const struct redisReply *reply) {
        struct registration_job *job = arg;
        registration_end(job, !reply ? FANOUT_E_UNAVAILABLE : store_int(reply) ? 0 : FANOUT_E_NOT_FOUND);
}

int registration_remove(struct fanout *fanout, struct slice user, struct slice device, struct slice provider, registration_done_fn done, void *arg) {
        struct registration_job *job = malloc(sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (struct registration_job){ done, arg };
        struct call *call = store_call(fanout->store, "push_unregister");
        store_call_key(call, KEY_USER, user);
        store_call_key(call, KEY_PUSH, user);
        store_call_arg(call, device);
        store_call_arg(call, provider);
        return registration_result(store_call_send(call, registration_on_removed, job), job);
}

/* ---- what is stored ---- */

struct registration registration_parse(struct slice packed) {
        struct registration registration = { .provider = words_take(&packed, ' ') };
        registration.app = words_take(&packed, ' ');
        registration.env = words_take(&packed, ' ');
        registration.at_ms = (int64_t)words_uint(words_take(&packed, ' '));
        registration.token = packed;
        return registration;
}

/* https://host of a subscription; "" if there is none. */
static struct slice registration_host(struct slice token) {
        struct scan_value value;
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count;
        if (scan_text(token, LIMIT_JSON_DEPTH, &value) || value.type != SCAN_OBJECT || scan_object(value.raw, fields, LIMIT_JSON_FIELDS, &count))
                return SLICE("");
        struct slice endpoint = registration_string(fields, count, "endpoint");
        const char *slash = endpoint.len > 8 ? memchr(endpoint.ptr + 8, '/', endpoint.len - 8) : NULL;
        return slash ? (struct slice){ endpoint.ptr, (size_t)(slash - endpoint.ptr) } : SLICE("");
}

void registration_add_json(struct buf *out, struct slice packed) {
        struct registration registration = registration_parse(packed);
        struct slice token = registration.token;
        buf_add_text(out, "{\"provider\":");
        buf_add_json(out, registration.provider);
        buf_add_text(out, ",\"app\":");
        buf_add_json(out, registration.app);
        buf_add_text(out, ",\"env\":");
        buf_add_json(out, registration.env);
        buf_printf(out, ",\"registered_at\":%" PRId64 ",\"token\":\"", registration.at_ms);
        if (slice_is(registration.provider, "webpush"))
                buf_add_slice(out, registration_host(token)); /* passed the check: a part of a JSON string */
        buf_add_text(out, "\xe2\x80\xa6"); /* … */
        if (!slice_is(registration.provider, "webpush") && token.len >= REGISTRATION_HIDDEN_BYTES && registration_is_word(token) &&
            !memchr(token.ptr, '"', token.len) && !memchr(token.ptr, '\\', token.len))
                buf_add(out, token.ptr + token.len - REGISTRATION_SHOWN_BYTES, REGISTRATION_SHOWN_BYTES);
        buf_add_text(out, "\"}");
}
