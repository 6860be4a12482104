/* SPDX-License-Identifier: Apache-2.0 */
/* account.c: see account.h. */
#include "push/account.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <uthash.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limiter.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "push/apns.h"
#include "push/credential.h"
#include "push/draft.h"
#include "push/fcm.h"
#include "push/http2.h"
#include "push/keyfile.h"
#include "push/lane.h"
#include "push/webhook.h"
#include "push/webpush.h"

enum { FULL_WAIT_MS = 50, HOSTS_WAIT_MS = 1000, BROKEN_WAIT_MS = 60000, DIGEST_BYTES = 32 };

static const struct credential_kind *const kinds[PUSH_PROVIDERS] = {
        [PUSH_APNS] = &apns_kind,
        [PUSH_FCM] = &fcm_kind,
        [PUSH_WEBPUSH] = &webpush_kind,
        [PUSH_WEBHOOK] = &webhook_kind,
};

struct stop {
        struct account *account;
        struct lane *lane;
        uint64_t used; /* account.uses when it was last used */
        UT_hash_handle hh;
        char origin[];
};

/* A push that was not given to any lane: it is told so in a turn of its own. */
struct turned_away {
        struct list link;
        provider_done_fn done;
        void *arg;
        struct push_outcome outcome;
};

struct account {
        struct uv_loop_s *loop;
        enum push_provider provider;
        struct config_push section;       /* our copy */
        struct credential *credential;    /* NULL: broken (account#3) */
        struct limiter *limiter;
        struct metrics_series *series;
        struct http2_options http2;
        struct stop *stops;               /* hash by origin */
        struct list turned_away;          /* struct turned_away, link */
        uv_timer_t turn;
        uint64_t uses;
        size_t load, lanes;               /* lanes: not closed yet */
        uint8_t digest[DIGEST_BYTES];
        bool is_draining, is_closing;
        void (*on_closed)(void *context);
        void *closed_context;
};

/* ---- The section ---- */

static void section_clear(struct config_push *section) {
        free(section->provider);
        free(section->name);
#define CLEAR_STRING(field) free(section->field);
#define CLEAR_SECRET(field)                                                      \
        if (section->field)                                                      \
                explicit_bzero(section->field, strlen(section->field));          \
        free(section->field);
#define CLEAR_BOOL(field)
#define PUSH_OPTION_ROW(field, type, providers, sentence) CLEAR_##type(field)
#include "contract/push_options.def"
#undef PUSH_OPTION_ROW
}

static bool section_copy(const struct config_push *from, struct config_push *to) {
        bool copied = (to->provider = strdup(from->provider)) && (to->name = strdup(from->name));
#define COPY_STRING(field) copied = copied && (to->field = strdup(from->field ? from->field : ""));
#define COPY_SECRET(field) COPY_STRING(field)
#define COPY_BOOL(field) to->field = from->field;
#define PUSH_OPTION_ROW(field, type, providers, sentence) COPY_##type(field)
#include "contract/push_options.def"
#undef PUSH_OPTION_ROW
        return copied;
}

/* A value and its NUL, so that two values cannot be read as another two. */
static void digest_text(EVP_MD_CTX *context, const char *text) {
        EVP_DigestUpdate(context, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void digest_file(EVP_MD_CTX *context, const char *path) {
        _cleanup_keyfile_ struct buf content = BUF_INIT(LIMIT_PUSH_KEY_FILE_BYTES);
        char *error = NULL;
        if (path && path[0] && keyfile_read(path, &content, &error) == 0)
                EVP_DigestUpdate(context, content.ptr ? content.ptr : "", content.len);
        free(error);
}

/* All that the section says, and what is in the files it names. Without memory: all zero, which is never the same. */
static void digest_section(const struct config_push *section, uint8_t out[static DIGEST_BYTES]) {
        memset(out, 0, DIGEST_BYTES);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
                EVP_MD_CTX_free(context);
                return;
        }
#define DIGEST_STRING(field) digest_text(context, section->field);
#define DIGEST_SECRET(field) DIGEST_STRING(field)
#define DIGEST_BOOL(field) digest_text(context, section->field ? "yes" : "no");
#define PUSH_OPTION_ROW(field, type, providers, sentence) DIGEST_##type(field)
#include "contract/push_options.def"
#undef PUSH_OPTION_ROW
        digest_file(context, section->key_file);
        digest_file(context, section->cert_file);
        digest_file(context, section->service_account);
        digest_file(context, section->vapid_key);
        digest_file(context, section->ca_file);
        EVP_DigestFinal_ex(context, out, NULL);
        EVP_MD_CTX_free(context);
}

bool account_is_same(const struct account *account, const struct config_push *section) {
        static const uint8_t nothing[DIGEST_BYTES];
        uint8_t digest[DIGEST_BYTES];
        digest_section(section, digest);
        if (!account->credential || memcmp(digest, nothing, sizeof(digest)) == 0 ||
            memcmp(digest, account->digest, sizeof(digest)) != 0)
                return false;
        for (const struct stop *stop = account->stops; stop; stop = stop->hh.next)
                if (lane_wait_ms(stop->lane, clock_monotonic_ms()) > 0)
                        return false; /* the operator may have mended what we cannot see: begin anew */
        return true;
}

/* ---- What is under way ---- */

static void account_take(struct account *account) {
        account->load++;
        account->series->values[SERIES_PUSH_LOAD]++;
}

static void account_settle(struct account *account) {
        assert(account->load > 0);
        account->load--;
        account->series->values[SERIES_PUSH_LOAD]--;
}

/* ---- Pushes that went nowhere ---- */

static void on_turn(uv_timer_t *timer) {
        struct account *account = timer->data;
        struct list all;
        list_init(&all);
        list_splice(&all, &account->turned_away);
        for (struct list *link; (link = list_first(&all));) {
                struct turned_away *away = LIST_CONTAINER(link, struct turned_away, link);
                list_remove(&away->link);
                account_settle(account);
                account->series->values[SERIES_PUSH_ACCEPTED + away->outcome.class]++;
                away->done(away->arg, &away->outcome);
                free(away);
        }
}

static int turn_away(struct account *account, provider_done_fn done, void *arg, enum push_class class, int64_t wait_ms,
                     const char *reason) {
        struct turned_away *away = malloc(sizeof(*away));
        if (!away)
                return -ENOMEM;
        *away = (struct turned_away){ .done = done, .arg = arg, .outcome = { .class = class, .retry_after_ms = wait_ms } };
        snprintf(away->outcome.reason, sizeof(away->outcome.reason), "%s", reason);
        list_append(&account->turned_away, &away->link);
        account_take(account);
        uv_timer_start(&account->turn, on_turn, 0, 0);
        return 0;
}

/* ---- Lanes ---- */

static void on_lane_change(void *context) {
        account_settle(context);
}

static void account_free(struct account *account) {
        section_clear(&account->section);
        limiter_free(account->limiter);
        free(account);
}

static void on_timer_closed(uv_handle_t *handle) {
        struct account *account = handle->data;
        void (*on_closed)(void *) = account->on_closed;
        void *context = account->closed_context;
        assert(account->load == 0);
        account_free(account);
        on_closed(context);
}

static void on_credential_closed(void *context) {
        struct account *account = context;
        account->credential = NULL;
        on_turn(&account->turn);
        uv_close((uv_handle_t *)&account->turn, on_timer_closed);
}

/* Lanes use the credential: it goes when the last of them is gone. */
static void close_if_done(struct account *account) {
        if (!account->is_closing || account->lanes > 0)
                return;
        if (account->credential)
                account->credential->kind->close(account->credential, on_credential_closed, account);
        else
                on_credential_closed(account);
}

static void on_lane_closed(void *context) {
        struct stop *stop = context;
        struct account *account = stop->account;
        account->lanes--;
        free(stop);
        close_if_done(account);
}

static void stop_close(struct stop *stop) {
        HASH_DEL(stop->account->stops, stop);
        lane_close(stop->lane, on_lane_closed, stop);
}

/* The lane unused for longest, if any has nothing to do. */
static struct stop *find_idle(struct account *account) {
        struct stop *idle = NULL;
        for (struct stop *stop = account->stops; stop; stop = stop->hh.next)
                if (lane_load(stop->lane) == 0 && (!idle || stop->used < idle->used))
                        idle = stop;
        return idle;
}

static struct stop *stop_new(struct account *account, const char *origin) {
        size_t len = strlen(origin);
        struct stop *stop = calloc(1, sizeof(*stop) + len + 1);
        if (!stop)
                return NULL;
        memcpy(stop->origin, origin, len + 1);
        stop->account = account;
        struct lane_options options = {
                .credential = account->credential,
                .provider = account->provider,
                .name = account->section.name,
                .origin = origin,
                .http2 = &account->http2,
                .limiter = account->limiter,
                .series = account->series,
                .on_change = on_lane_change,
                .context = account,
        };
        if (lane_new(account->loop, &options, &stop->lane) != 0) {
                free(stop);
                return NULL;
        }
        HASH_ADD_KEYPTR(hh, account->stops, stop->origin, len, stop);
        account->lanes++;
        return stop;
}

/* NULL: there is none and no room for one more now. */
static struct stop *get_stop(struct account *account, const char *origin) {
        struct stop *stop = NULL;
        HASH_FIND_STR(account->stops, origin, stop);
        if (!stop && account->lanes >= LIMIT_PUSH_HOSTS) {
                struct stop *idle = find_idle(account);
                if (idle)
                        stop_close(idle); /* it counts until it is gone: the next push finds the room */
        } else if (!stop) {
                stop = stop_new(account, origin);
        }
        if (stop)
                stop->used = ++account->uses;
        return stop;
}

int account_send(struct account *account, const struct push_job *job, provider_done_fn done, void *arg) {
        char origin[ENDPOINT_ORIGIN_BYTES + 1];
        const char *reason = "";
        if (account->is_draining)
                return turn_away(account, done, arg, PUSH_DEFERRED, 0, "closing");
        if (!account->credential)
                return turn_away(account, done, arg, PUSH_AUTH_BAD, BROKEN_WAIT_MS, "no credential");
        if (account->load >= LIMIT_PUSH_QUEUE)
                return turn_away(account, done, arg, PUSH_DEFERRED, FULL_WAIT_MS, "queue full");
        if (account->credential->kind->origin(account->credential, job, origin, &reason) != 0)
                return turn_away(account, done, arg, PUSH_PAYLOAD_BAD, -1, reason);
        struct stop *stop = get_stop(account, origin);
        if (!stop)
                return turn_away(account, done, arg, PUSH_DEFERRED, HOSTS_WAIT_MS, "too many hosts");
        int r = lane_send(stop->lane, job, done, arg);
        if (r == 0)
                account_take(account);
        return r;
}

/* ---- Life ---- */

static void on_credential_ready(void *context) {
        struct account *account = context;
        for (struct stop *stop = account->stops; stop; stop = stop->hh.next)
                lane_wake(stop->lane);
}

/* account#3: only want of memory is an error. */
static int open_credential(struct account *account) {
        const struct credential_kind *kind = kinds[account->provider];
        char *error = NULL;
        int r = kind->open(account->loop, &account->section, &account->credential, &error);
        if (r == CREDENTIAL_E_BAD) {
                log_error("A section of push cannot be used; what is to be pushed by it waits. section=push.%s.%s error=\"%s\"",
                          account->section.provider, account->section.name, error);
                r = 0;
        }
        free(error);
        if (r != 0 || !account->credential)
                return r;
        account->credential->on_ready = on_credential_ready;
        account->credential->ready_context = account;
        account->http2 = (struct http2_options){
                .ca_file = account->section.ca_file[0] ? account->section.ca_file : NULL,
                .any_address = account->section.allow_private,
                .any_scheme = account->section.allow_private,
        };
        kind->connect(account->credential, &account->http2);
        if (kind->per_s > 0 && !(account->limiter = limiter_new(kind->per_s, kind->per_s / 4)))
                return -ENOMEM;
        return 0;
}

int account_new(struct uv_loop_s *loop, const struct config_push *section, struct account **ret_account) {
        struct account *account = calloc(1, sizeof(*account));
        if (!account)
                return -ENOMEM;
        account->loop = loop;
        account->series = metrics_series(section->provider, section->name);
        list_init(&account->turned_away);
        if (job_provider_parse(slice_of(section->provider), &account->provider) != 0 || !section_copy(section, &account->section)) {
                account_free(account);
                return -ENOMEM; /* config.c lets no other provider through */
        }
        digest_section(section, account->digest);
        int r = open_credential(account);
        if (r != 0 && !account->credential) {
                account_free(account);
                return r;
        }
        uv_timer_init(loop, &account->turn);
        account->turn.data = account;
        if (section->allow_private)
                log_warning("Pushes may go to private addresses. section=push.%s.%s", section->provider, section->name);
        *ret_account = account;
        return 0;
}

void account_drain(struct account *account) {
        account->is_draining = true;
        for (struct stop *stop = account->stops; stop; stop = stop->hh.next)
                lane_drain(stop->lane);
}

void account_close(struct account *account, void (*on_closed)(void *context), void *context) {
        assert(!account->is_closing);
        account->is_draining = account->is_closing = true;
        account->on_closed = on_closed;
        account->closed_context = context;
        struct stop *stop, *next;
        HASH_ITER(hh, account->stops, stop, next)
                stop_close(stop);
        close_if_done(account);
}

const struct config_push *account_section(const struct account *account) {
        return &account->section;
}

bool account_is(const struct account *account, enum push_provider provider, struct slice name) {
        return account->provider == provider && slice_is(name, account->section.name);
}

size_t account_load(const struct account *account) {
        return account->load;
}

int64_t account_wait_ms(const struct account *account, uint64_t now_ms) {
        if (!account->credential)
                return BROKEN_WAIT_MS;
        if (account->load >= LIMIT_PUSH_QUEUE)
                return FULL_WAIT_MS;
        uint64_t least_ms = UINT64_MAX;
        if (account->provider == PUSH_WEBPUSH) /* any host may come next */
                return 0;
        for (const struct stop *stop = account->stops; stop; stop = stop->hh.next) {
                uint64_t wait_ms = lane_wait_ms(stop->lane, now_ms);
                least_ms = wait_ms < least_ms ? wait_ms : least_ms;
        }
        return least_ms == UINT64_MAX ? 0 : (int64_t)least_ms;
}

const char *account_wait_reason(const struct account *account) {
        if (!account->credential)
                return "no credential";
        return account->load >= LIMIT_PUSH_QUEUE ? "queue full" : "left alone";
}
