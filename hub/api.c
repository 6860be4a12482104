/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.c: see api.h. A route is a row; {c}, {u}, {d}, {l} and {o} in its path are an id of a conversation, user, device or dead letter and an op, decoded and
 * checked before the handler sees them. An op may hold a slash: it is all that is left.
 */
#include "hub/api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/limiter.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "fanout/change.h"
#include "fanout/due.h"
#include "fanout/node.h"
#include "fanout/notice.h"
#include "fanout/post.h"
#include "fanout/prefs.h"
#include "fanout/query.h"
#include "fanout/registration.h"
#include "hub/answer.h"
#include "hub/auth.h"
#include "hub/batch.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/notify.h"
#include "hub/sync.h"
#include "hub/wire.h"
#include "presence/registry.h"
#include "push/dead.h"
#include "push/plan.h"
#include "web/page.h"

enum { API_METRICS_BYTES = 8 << 20, API_ROLE_BYTES = 32, API_TOKEN_TTL_S = 3600 };

struct api_call {
        struct http *http;
        char conv[LIMIT_ID_BYTES + 1], user[LIMIT_ID_BYTES + 1], device[LIMIT_ID_BYTES + 1], letter[LIMIT_ID_BYTES + 1], op[LIMIT_OP_BYTES + 1];
        struct scan_field fields[LIMIT_JSON_FIELDS]; /* of the body, if it is an object */
        size_t count;
        struct request scratch; /* for decoded strings */
        struct auth_claims claims; /* of a user's token */
};

struct api_route {
        enum http_method method;
        const char *path;
        enum { API_OPEN, API_KEY, API_KEY_BODY, API_KEY_MAYBE_BODY, API_TOKEN_BODY, API_DEV } needs;
        void (*handle)(struct api_call *call);
};

static struct hub *api_hub(const struct api_call *call) {
        return call->http->hub;
}

/* ---- answers that come later; each holds the request by a reference ---- */

static void api_fail(struct http *http, int answer) {
        http_fail_code(http, answer_code(answer), NULL);
}

static void api_on_fields(void *arg, int answer, struct slice fields) {
        struct http *http = arg;
        if (answer)
                api_fail(http, answer);
        else
                http_answer_fields(http, 200, fields);
        http_unref(http);
}

/* r is what the starting function returned. */
static void api_started(struct http *http, int r) {
        if (!r)
                return;
        http_fail_code(http, ERROR_UNAVAILABLE, NULL);
        http_unref(http);
}

static void api_invalid(struct api_call *call, const char *message) {
        http_fail(call->http, ERROR_BAD_REQUEST, 422, message);
}

/* A field; null is none. */
static const struct scan_value *api_find(const struct api_call *call, const char *name) {
        const struct scan_value *value = scan_find(call->fields, call->count, name);
        return value && value->type != SCAN_NULL ? value : NULL;
}

/* A string field: false and answered if it is there and is none. */
static bool api_string(struct api_call *call, const char *name, struct slice *ret) {
        *ret = SLICE("");
        if (wire_string(&call->scratch, call->fields, call->count, name, ret) >= 0)
                return true;
        api_invalid(call, "a field that must be a string is none");
        return false;
}

/* ---- open ---- */

static void api_healthz(struct api_call *call) {
        http_answer_fields(call->http, 200, SLICE("\"status\":\"ok\""));
}

static void api_readyz(struct api_call *call) {
        struct hub *hub = api_hub(call);
        if (hub_is_ready(hub) && node_is_ready(hub->fanout.node, clock_monotonic_ms()) && !hub->draining)
                http_answer_fields(call->http, 200, SLICE("\"status\":\"ready\""));
        else
                http_fail_code(call->http, ERROR_UNAVAILABLE, "delivery through the store is not proven now");
}

static void api_ws(struct api_call *call) {
        http_fail(call->http, ERROR_BAD_REQUEST, 426, "here is a WebSocket (RFC 6455)");
}

static void api_metrics(struct api_call *call) {
        _cleanup_buf_ struct buf text = BUF_INIT(API_METRICS_BYTES);
        metrics_print(api_hub(call)->metrics, &text);
        http_answer(call->http, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
}

/* ---- conversations ---- */

static void api_on_changed(void *arg, const struct change_result *result) {
        struct http *http = arg;
        if (result->answer == FANOUT_E_BAD_REQUEST) {
                http_fail(http, ERROR_BAD_REQUEST, 422, "a direct conversation is made with two members");
        } else if (result->answer == FANOUT_E_CONFLICT) {
                http_fail_code(http, ERROR_CONFLICT, "the kind cannot change; a conversation has at most 1,000 members, a direct one two");
        } else if (result->answer) {
                api_fail(http, result->answer);
        } else {
                char fields[64];
                int len = snprintf(fields, sizeof(fields), "\"created\":%s,\"changes\":%zu", result->created ? "true" : "false", result->changes);
                http_answer_fields(http, result->created ? 201 : 200, (struct slice){ fields, (size_t)len });
        }
        http_unref(http);
}

static void api_change(struct api_call *call, const struct change *change) {
        api_started(call->http, change_start(&api_hub(call)->fanout, change, api_on_changed, http_ref(call->http)));
}

/* A member is an id, or {user, role}. */
static bool api_read_member(struct api_call *call, const struct scan_value *value, struct change_member *ret) {
        struct scan_field fields[LIMIT_JSON_FIELDS];
        size_t count = 1;
        *ret = (struct change_member){ .role = SLICE("") };
        if (value->type == SCAN_STRING) {
                fields[0] = (struct scan_field){ .name = SLICE("user"), .value = *value };
        } else if (value->type != SCAN_OBJECT || scan_object(value->raw, fields, LIMIT_JSON_FIELDS, &count)) {
                return false;
        }
        call->scratch.scratch_len = 0; /* decoded ids are copied right away */
        if (wire_string(&call->scratch, fields, count, "user", &ret->user) || !auth_is_id(ret->user))
                return false;
        return wire_string(&call->scratch, fields, count, "role", &ret->role) >= 0 && ret->role.len <= API_ROLE_BYTES &&
               (ret->role.len == 0 || auth_is_id(ret->role));
}

static int api_read_members(struct api_call *call, const struct scan_value *list, struct buf *text, struct change_member *members, size_t *ret_count) {
        struct scan_value item;
        size_t position = 0, count = 0;
        while (scan_array(list->raw, &position, &item)) {
                if (count == LIMIT_MEMBERS || !api_read_member(call, &item, &members[count]))
                        return -1;
                /* Room for all was reserved, so the text does not move. */
                struct change_member *member = &members[count++];
                struct slice user = member->user, role = member->role;
                member->user.ptr = text->ptr + text->len;
                buf_add_slice(text, user);
                member->role.ptr = text->ptr + text->len;
                buf_add_slice(text, role);
        }
        *ret_count = count;
        return 0;
}

/* push of a conversation, as change.h wants it: absent, null or an object. False: it is neither. */
static bool api_read_template(const struct api_call *call, struct buf *out) {
        const struct scan_value *push = scan_find(call->fields, call->count, "push");
        if (push && push->type == SCAN_NULL)
                buf_add_char(out, '-');
        if (!push || push->type == SCAN_NULL)
                return true;
        if (push->raw.len > LIMIT_PUSH_TEMPLATE_BYTES || !plan_is_push(push))
                return false;
        buf_printf(out, "%d ", plan_class(push, DUE_LOW));
        buf_add_slice(out, push->raw);
        return true;
}

static void api_put_conversation(struct api_call *call) {
        _cleanup_buf_ struct buf template = BUF_INIT(LIMIT_PUSH_TEMPLATE_BYTES + 8);
        struct change change = { .mode = CHANGE_REPLACE, .conv = slice_of(call->conv), .is_public = -1 };
        const struct scan_value *list = api_find(call, "members"), *is_public = api_find(call, "public");
        if (!api_string(call, "kind", &change.kind))
                return;
        char kind[16] = "";
        if (change.kind.len && !slice_is(change.kind, "direct") && !slice_is(change.kind, "group") && !slice_is(change.kind, "channel")) {
                api_invalid(call, "kind is direct, group or channel");
                return;
        }
        memcpy(kind, change.kind.ptr, change.kind.len); /* the scratch is used again below */
        change.kind.ptr = kind;
        if ((list && list->type != SCAN_ARRAY) || (is_public && is_public->type != SCAN_BOOL)) {
                api_invalid(call, "members is a list, public is true or false");
                return;
        }
        if (!api_read_template(call, &template)) {
                api_invalid(call, "push is {title, text, priority, ttl_s, collapse, data}, in at most 1,024 bytes, or null");
                return;
        }
        change.template = buf_slice(&template);
        if (is_public)
                change.is_public = is_public->integer != 0;
        struct change_member *members = calloc(LIMIT_MEMBERS, sizeof(*members));
        _cleanup_buf_ struct buf text = BUF_INIT(LIMIT_HTTP_BODY_BYTES);
        if (!members || !buf_reserve(&text, LIMIT_MEMBERS * (LIMIT_ID_BYTES + API_ROLE_BYTES) + 1)) {
                http_fail_code(call->http, ERROR_INTERNAL, NULL);
        } else if (list && api_read_members(call, list, &text, members, &change.count) < 0) {
                api_invalid(call, "members is a list of at most 1,000 user ids, or of {user, role}");
        } else if (list && slice_is(change.kind, "direct") && (change.count != 2 || slice_equal(members[0].user, members[1].user))) {
                api_invalid(call, "a direct conversation has two members");
        } else {
                change.members_given = list != NULL;
                change.members = members;
                api_change(call, &change);
        }
        free(members);
}

static void api_get_conversation(struct api_call *call) {
        api_started(call->http,
                    query_members(&api_hub(call)->fanout, SLICE(""), slice_of(call->conv), api_on_fields, http_ref(call->http)));
}

static void api_delete_conversation(struct api_call *call) {
        api_change(call, &(struct change){ .mode = CHANGE_DELETE, .conv = slice_of(call->conv), .is_public = -1 });
}

static void api_put_member(struct api_call *call) {
        struct change_member member = { .user = slice_of(call->user) };
        if (!api_string(call, "role", &member.role))
                return;
        if (member.role.len > API_ROLE_BYTES || (member.role.len && !auth_is_id(member.role))) {
                api_invalid(call, "role is a short word");
                return;
        }
        api_change(call, &(struct change){ .mode = CHANGE_ADD, .conv = slice_of(call->conv), .is_public = -1, .count = 1, .members = &member });
}

static void api_delete_member(struct api_call *call) {
        struct change_member member = { .user = slice_of(call->user) };
        api_change(call, &(struct change){ .mode = CHANGE_REMOVE, .conv = slice_of(call->conv), .is_public = -1, .count = 1, .members = &member });
}

/* ---- messages ---- */

static void api_on_posted(void *arg, const struct post_result *result) {
        struct http *http = arg;
        if (result->answer) {
                api_fail(http, result->answer);
        } else {
                char fields[96];
                int len = snprintf(fields, sizeof(fields), "\"seq\":%" PRIu64 ",\"at\":%" PRId64 "%s", result->seq, result->at,
                                   result->duplicate ? ",\"duplicate\":true" : "");
                http_answer_fields(http, result->duplicate ? 200 : 201, (struct slice){ fields, (size_t)len });
        }
        http_unref(http);
}

static void api_post_message(struct api_call *call) {
        struct post post = { .conv = slice_of(call->conv), .trusted = true, .device = SLICE(""), .session = SLICE(""), .ref = SLICE("") };
        const struct scan_value *body = scan_find(call->fields, call->count, "body");
        const struct scan_value *ref = api_find(call, "ref");
        char ref_text[24] = "";
        if (!api_string(call, "op", &post.op) || !api_string(call, "from", &post.from) || !api_string(call, "kind", &post.kind))
                return;
        if (!wire_is_op(post.op) || !auth_is_id(post.from)) {
                api_invalid(call, "op (1 to 64 printable ASCII bytes) and from (a user id) are needed");
                return;
        }
        if (post.kind.len == 0)
                post.kind = SLICE("message");
        bool message = slice_is(post.kind, "message");
        if (!wire_is_kind(post.kind) || (ref && (ref->type != SCAN_INT || ref->integer < 1)) || (!message && !ref)) {
                api_invalid(call, "kind is message, edit, delete or react; all but a message need ref, a seq");
                return;
        }
        if (!body && !slice_is(post.kind, "delete")) {
                api_invalid(call, "body is missing");
                return;
        }
        if (ref)
                snprintf(ref_text, sizeof(ref_text), "%" PRId64, ref->integer);
        post.ref = slice_of(ref_text);
        const struct scan_value *push = scan_find(call->fields, call->count, "push");
        if (push && push->type == SCAN_NULL)
                push = NULL;
        if (!plan_is_push(push)) {
                api_invalid(call, "push is {title, text, priority, ttl_s, collapse, data}, of at most 8 KiB");
                return;
        }
        post.push = push ? push->raw : SLICE("");
        post.push_class = plan_class(push, message ? DUE_LOW : DUE_NONE);
        post.body = body ? body->raw : SLICE("null");
        if (post.body.len > LIMIT_FRAME_BYTES) {
                http_fail_code(call->http, ERROR_TOO_LARGE, "a message body is at most 64 KiB");
                return;
        }
        api_started(call->http, post_send(&api_hub(call)->fanout, &post, api_on_posted, http_ref(call->http)));
}

/* A query parameter; false if it is absent, empty or does not fit. */
static bool api_query(const struct http *http, const char *name, char *out, size_t size) {
        size_t name_len = strlen(name);
        for (const char *at = http->query; *at;) {
                size_t part = strcspn(at, "\n");
                if (part > name_len + 1 && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
                        size_t len = part - name_len - 1;
                        if (len >= size)
                                return false;
                        memcpy(out, at + name_len + 1, len);
                        out[len] = '\0';
                        return true;
                }
                at += part + (at[part] == '\n');
        }
        return false;
}

static bool api_query_uint(struct api_call *call, const char *name, uint64_t max, uint64_t *ret, bool *ret_given) {
        char text[32];
        if (!api_query(call->http, name, text, sizeof(text)))
                return true;
        char *end;
        *ret = strtoull(text, &end, 10);
        *ret_given = true;
        return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret <= max;
}

static void api_get_messages(struct api_call *call) {
        uint64_t before = 0, after = 0, limit = LIMIT_LIST_ITEMS / 4;
        bool before_given = false, after_given = false, limit_given = false;
        if (!api_query_uint(call, "before", INT64_MAX / 2, &before, &before_given) || !api_query_uint(call, "after", INT64_MAX / 2, &after, &after_given) ||
            !api_query_uint(call, "limit", LIMIT_LIST_ITEMS, &limit, &limit_given) || limit == 0 ||
            (before_given && (after_given || before == 0))) {
                http_fail_code(call->http, ERROR_BAD_REQUEST, "before or after is a seq, limit is 1 to 200");
                return;
        }
        char versions[8] = "false";
        api_query(call->http, "versions", versions, sizeof(versions));
        if (strcmp(versions, "true") != 0 && strcmp(versions, "false") != 0) {
                http_fail_code(call->http, ERROR_BAD_REQUEST, "versions is true or false");
                return;
        }
        api_started(call->http, query_history(&api_hub(call)->fanout, SLICE(""), slice_of(call->conv), before, after_given ? (int64_t)after : -1,
                                              (unsigned)limit, strcmp(versions, "true") == 0, api_on_fields, http_ref(call->http)));
}

/* ---- users ---- */

static void api_get_presence(struct api_call *call) {
        struct slice user = slice_of(call->user);
        struct hub *hub = api_hub(call);
        api_started(call->http, registry_presence(&hub->fanout, hub->lease, &user, 1, true, clock_wall_ms(), api_on_fields, http_ref(call->http)));
}

static void api_post_presence(struct api_call *call) {
        struct hub *hub = api_hub(call);
        const struct scan_value *list = scan_find(call->fields, call->count, "users");
        struct scan_value item;
        size_t position = 0, count = 0;
        struct slice *users = calloc(LIMIT_PRESENCE_USERS, sizeof(*users));
        _cleanup_buf_ struct buf text = BUF_INIT(LIMIT_HTTP_BODY_BYTES);
        bool good = list && list->type == SCAN_ARRAY && users && buf_reserve(&text, (size_t)LIMIT_PRESENCE_USERS * LIMIT_ID_BYTES + 1);
        while (good && scan_array(list->raw, &position, &item)) {
                struct slice user;
                struct scan_field field = { .name = SLICE("user"), .value = item };
                call->scratch.scratch_len = 0;
                good = count < LIMIT_PRESENCE_USERS && wire_string(&call->scratch, &field, 1, "user", &user) == 0 && auth_is_id(user);
                if (!good)
                        break;
                users[count++] = (struct slice){ text.ptr + text.len, user.len };
                buf_add_slice(&text, user);
        }
        if (!good)
                api_invalid(call, "users is a list of at most 1,000 user ids");
        else
                api_started(call->http, registry_presence(&hub->fanout, hub->lease, users, count, false, clock_wall_ms(), api_on_fields,
                                                          http_ref(call->http)));
        free(users);
}

static void api_get_devices(struct api_call *call) {
        struct hub *hub = api_hub(call);
        api_started(call->http, registry_devices(&hub->fanout, hub->lease, slice_of(call->user), clock_wall_ms(), api_on_fields, http_ref(call->http)));
}

static void api_on_done(void *arg, int answer) {
        struct http *http = arg;
        if (answer)
                api_fail(http, answer);
        else
                http_answer_fields(http, 200, SLICE(""));
        http_unref(http);
}

static void api_put_push(struct api_call *call) {
        if (wire_parse_registration(call->fields, call->count, &call->scratch))
                api_invalid(call, call->scratch.error);
        else
                api_started(call->http, registration_set(&api_hub(call)->fanout, slice_of(call->user), slice_of(call->device),
                                                         &call->scratch.registration, api_on_done, http_ref(call->http)));
}

static void api_delete_push(struct api_call *call) {
        api_started(call->http, registration_remove(&api_hub(call)->fanout, slice_of(call->user), slice_of(call->device), SLICE(""), api_on_done,
                                                    http_ref(call->http)));
}

static void api_get_dead(struct api_call *call) {
        uint64_t limit = LIMIT_LIST_ITEMS / 4;
        bool limit_given = false;
        char after[LIMIT_ID_BYTES + 1] = "";
        api_query(call->http, "after", after, sizeof(after));
        if (!api_query_uint(call, "limit", LIMIT_LIST_ITEMS, &limit, &limit_given) || limit == 0)
                http_fail_code(call->http, ERROR_BAD_REQUEST, "limit is 1 to 200");
        else
                api_started(call->http, dead_list(&api_hub(call)->fanout, slice_of(after), (unsigned)limit, api_on_fields, http_ref(call->http)));
}

/* One of them, or all if none is named. */
static void api_dead(struct api_call *call, enum dead_fate fate) {
        struct fanout *fanout = &api_hub(call)->fanout;
        struct slice id = slice_of(call->letter);
        if (id.len)
                api_started(call->http, dead_end(fanout, id, fate, api_on_fields, http_ref(call->http)));
        else
                api_started(call->http, dead_end_all(fanout, fate, api_on_fields, http_ref(call->http)));
}

static void api_delete_dead(struct api_call *call) {
        api_dead(call, DEAD_FORGET);
}

static void api_replay_dead(struct api_call *call) {
        api_dead(call, DEAD_REPLAY);
}

static void api_disconnect(struct api_call *call) {
        struct slice device;
        if (!api_string(call, "device", &device))
                return;
        api_started(call->http, registry_disconnect(&api_hub(call)->fanout, slice_of(call->user), device, CLOSE_TOKEN_REVOKED, api_on_fields,
                                                    http_ref(call->http)));
}

/* ---- notifications ---- */

static void api_on_notified(void *arg, const struct notice_posted *result) {
        struct http *http = arg;
        if (result->answer) {
                api_fail(http, result->answer);
        } else {
                char fields[96];
                int len = snprintf(fields, sizeof(fields), "\"n\":%" PRIu64 ",\"at\":%" PRId64 "%s", result->n, result->at,
                                   result->duplicate ? ",\"duplicate\":true" : "");
                http_answer_fields(http, result->duplicate ? 200 : 202, (struct slice){ fields, (size_t)len });
        }
        http_unref(http);
}

static void api_post_notification(struct api_call *call) {
        struct notify notify;
        int r = notify_parse(call->fields, call->count, &notify);
        notify.post.user = slice_of(call->user);
        if (r == NOTIFY_E_LARGE)
                http_fail_code(call->http, ERROR_TOO_LARGE, "a notification is at most 16 KiB");
        else if (r)
                api_invalid(call, notify.error);
        else
                api_started(call->http, notice_post(&api_hub(call)->fanout, &notify.post, api_on_notified, http_ref(call->http)));
        notify_deinit(&notify);
}

static void api_get_notification(struct api_call *call) {
        api_started(call->http, notice_get(&api_hub(call)->fanout, slice_of(call->user), slice_of(call->op), api_on_fields, http_ref(call->http)));
}

static void api_get_prefs(struct api_call *call) {
        api_started(call->http, prefs_get(&api_hub(call)->fanout, slice_of(call->user), api_on_fields, http_ref(call->http)));
}

/* ---- several in one ---- */

static void api_post_batch(struct api_call *call) {
        const struct scan_value *operations = scan_find(call->fields, call->count, "operations");
        if (call->http->on_answer)
                api_invalid(call, "a batch holds no batch");
        else if (!operations || operations->type != SCAN_ARRAY)
                api_invalid(call, "operations is a list of {method, path, body}");
        else
                batch_run(call->http, operations->raw);
}

static void api_post_sync(struct api_call *call) {
        struct hub *hub = api_hub(call);
        const struct scan_value *ops = api_find(call, "ops");
        if (wire_parse_sync(call->fields, call->count, &call->scratch)) {
                api_invalid(call, call->scratch.error);
                return;
        }
        if (ops && ops->type != SCAN_ARRAY) {
                api_invalid(call, "ops is a list of requests");
                return;
        }
        if (call->claims.device[0])
                call->scratch.device = slice_of(call->claims.device); /* as for hello, the token's counts */
        uint64_t retry_ms;
        if (call->scratch.device.len == 0)
                api_invalid(call, "device is neither in the token nor in the body");
        else if (!limiter_allow(hub->user_limiter, slice_of(call->claims.user), uv_now(hub->loop), &retry_ms))
                http_fail_code(call->http, ERROR_RATE_LIMITED, NULL);
        else if (!hub_is_ready(hub))
                http_fail_code(call->http, ERROR_UNAVAILABLE, NULL);
        else
                sync_run(call->http, slice_of(call->claims.user), &call->scratch, ops ? ops->raw : SLICE("[]"));
}

/* ---- development ---- */

struct api_dev_token {
        struct http *http;
        char *token;
        char user[LIMIT_ID_BYTES + 1], device[LIMIT_ID_BYTES + 1];
};

static void api_give_dev_token(struct api_dev_token *dev) {
        _cleanup_buf_ struct buf fields = BUF_INIT(16384);
        buf_add_text(&fields, "\"token\":");
        buf_add_json(&fields, slice_of(dev->token));
        buf_add_text(&fields, ",\"user\":");
        buf_add_json(&fields, slice_of(dev->user));
        buf_add_text(&fields, ",\"device\":");
        buf_add_json(&fields, slice_of(dev->device));
        buf_printf(&fields, ",\"expires_in\":%d", API_TOKEN_TTL_S);
        http_answer_fields(dev->http, 200, buf_slice(&fields));
}

static void api_dev_token_free(struct api_dev_token *dev) {
        http_unref(dev->http);
        free(dev->token);
        free(dev);
}

static void api_on_joined(void *arg, const struct change_result *result) {
        struct api_dev_token *dev = arg;
        if (result->answer)
                api_fail(dev->http, result->answer);
        else
                api_give_dev_token(dev);
        api_dev_token_free(dev);
}

static void api_get_dev_token(struct api_call *call) {
        struct http *http = call->http;
        char conv[LIMIT_ID_BYTES + 1] = "";
        struct api_dev_token *dev = calloc(1, sizeof(*dev));
        if (!dev) {
                http_fail_code(http, ERROR_INTERNAL, NULL);
                return;
        }
        dev->http = http_ref(http);
        bool joins = api_query(http, "join", conv, sizeof(conv));
        bool has_device = api_query(http, "device", dev->device, sizeof(dev->device));
        if (!api_query(http, "user", dev->user, sizeof(dev->user)) || !auth_is_id(slice_of(dev->user)) ||
            (has_device && !auth_is_id(slice_of(dev->device))) || (joins && !auth_is_id(slice_of(conv)))) {
                http_fail_code(http, ERROR_BAD_REQUEST, "user, and device and join where given, are ids");
                api_dev_token_free(dev);
                return;
        }
        dev->token = auth_sign(api_hub(call)->auth, dev->user, has_device ? dev->device : NULL, clock_wall_ms(), API_TOKEN_TTL_S);
        if (!dev->token) {
                http_fail_code(http, ERROR_INTERNAL, NULL);
                api_dev_token_free(dev);
                return;
        }
        if (!joins) {
                api_give_dev_token(dev);
                api_dev_token_free(dev);
                return;
        }
        struct change_member member = { .user = slice_of(dev->user), .role = SLICE("") };
        struct change change = { .mode = CHANGE_ADD, .conv = slice_of(conv), .kind = SLICE(""), .is_public = -1, .create_missing = true,
                                 .count = 1, .members = &member };
        if (change_start(&api_hub(call)->fanout, &change, api_on_joined, dev)) {
                http_fail_code(http, ERROR_UNAVAILABLE, NULL);
                api_dev_token_free(dev);
        }
}

/* ---- routes ---- */

static const struct api_route api_routes[] = {
        { HTTP_GET, "/healthz", API_OPEN, api_healthz },
        { HTTP_GET, "/readyz", API_OPEN, api_readyz },
        { HTTP_GET, "/metrics", API_OPEN, api_metrics },
        { HTTP_GET, "/v1/ws", API_OPEN, api_ws },
        { HTTP_PUT, "/v1/conversations/{c}", API_KEY_BODY, api_put_conversation },
        { HTTP_GET, "/v1/conversations/{c}", API_KEY, api_get_conversation },
        { HTTP_DELETE, "/v1/conversations/{c}", API_KEY, api_delete_conversation },
        { HTTP_PUT, "/v1/conversations/{c}/members/{u}", API_KEY_MAYBE_BODY, api_put_member },
        { HTTP_DELETE, "/v1/conversations/{c}/members/{u}", API_KEY, api_delete_member },
        { HTTP_POST, "/v1/conversations/{c}/messages", API_KEY_BODY, api_post_message },
        { HTTP_GET, "/v1/conversations/{c}/messages", API_KEY, api_get_messages },
        { HTTP_GET, "/v1/users/{u}/presence", API_KEY, api_get_presence },
        { HTTP_POST, "/v1/presence", API_KEY_BODY, api_post_presence },
        { HTTP_GET, "/v1/users/{u}/devices", API_KEY, api_get_devices },
        { HTTP_PUT, "/v1/users/{u}/devices/{d}/push", API_KEY_BODY, api_put_push },
        { HTTP_DELETE, "/v1/users/{u}/devices/{d}/push", API_KEY, api_delete_push },
        { HTTP_GET, "/v1/push/dead", API_KEY, api_get_dead },
        { HTTP_DELETE, "/v1/push/dead", API_KEY, api_delete_dead },
        { HTTP_POST, "/v1/push/dead/replay", API_KEY_MAYBE_BODY, api_replay_dead },
        { HTTP_DELETE, "/v1/push/dead/{l}", API_KEY, api_delete_dead },
        { HTTP_POST, "/v1/push/dead/{l}/replay", API_KEY_MAYBE_BODY, api_replay_dead },
        { HTTP_GET, "/v1/users/{u}/prefs", API_KEY, api_get_prefs },
        { HTTP_POST, "/v1/users/{u}/notifications", API_KEY_BODY, api_post_notification },
        { HTTP_GET, "/v1/users/{u}/notifications/{o}", API_KEY, api_get_notification },
        { HTTP_POST, "/v1/users/{u}/disconnect", API_KEY_MAYBE_BODY, api_disconnect },
        { HTTP_POST, "/v1/sync", API_TOKEN_BODY, api_post_sync },
        { HTTP_POST, "/v1/batch", API_KEY_BODY, api_post_batch },
        { HTTP_GET, "/v1/dev/token", API_DEV, api_get_dev_token },
};

/* 0: matches; 1: does not; -1: it would, but an id in it is none. */
static int api_match(struct api_call *call, const char *pattern, const char *path) {
        bool bad = false;
        while (*pattern && *path) {
                if (*pattern != '{') {
                        if (*pattern++ != *path++)
                                return 1;
                        continue;
                }
                bool op = pattern[1] == 'o';
                char letter = pattern[1];
                char *id = op ? call->op : letter == 'c' ? call->conv : letter == 'd' ? call->device : letter == 'l' ? call->letter : call->user;
                struct slice segment = { path, op ? strlen(path) : strcspn(path, "/") }; /* lws has decoded the percents */
                size_t len = (op ? wire_is_op(segment) : auth_is_id(segment)) ? segment.len : 0;
                bad |= len == 0;
                memcpy(id, segment.ptr, len);
                id[len] = '\0';
                path += segment.len;
                pattern += 3;
        }
        if (*pattern || *path)
                return 1;
        return bad ? -1 : 0;
}

static bool api_serves_page(struct http *http) {
        const struct page *page = page_find(slice_of(http->path));
        if (!page || http->method != HTTP_GET || !http->hub->config->dev)
                return false;
        http_answer(http, 200, page->content_type, page->content);
        return true;
}

/* The body as fields; false and answered if it is none. */
static bool api_read_body(struct api_call *call, bool may_be_empty) {
        struct http *http = call->http;
        struct scan_value value;
        if (http->body.len == 0 && may_be_empty)
                return true;
        if (http->no_length) {
                http_fail(http, ERROR_BAD_REQUEST, 411, "a body needs Content-Length");
                return false;
        }
        if (http->has_type && !http->json_type) {
                http_fail(http, ERROR_BAD_REQUEST, 415, "the body is application/json");
                return false;
        }
        if (buf_failed(&http->body) || scan_text(buf_slice(&http->body), LIMIT_JSON_DEPTH, &value)) {
                http_fail_code(http, ERROR_BAD_REQUEST, "the body is not JSON, or nests too deeply");
                return false;
        }
        if (value.type != SCAN_OBJECT || scan_object(value.raw, call->fields, LIMIT_JSON_FIELDS, &call->count)) {
                api_invalid(call, "the body is a JSON object that names each field once");
                return false;
        }
        return true;
}

/* A user's token; false and answered if it is none. */
static bool api_verify(struct api_call *call) {
        struct http *http = call->http;
        int r = auth_verify(http->hub->auth, slice_of(http->bearer), clock_wall_ms(), &call->claims);
        if (!r)
                return true;
        metrics_add(AUTH_FAILURES, 1);
        http_fail_code(http, r == AUTH_E_EXPIRED ? ERROR_TOKEN_EXPIRED : ERROR_UNAUTHORIZED, NULL);
        return false;
}

static void api_run(struct api_call *call, const struct api_route *route) {
        struct http *http = call->http;
        if (route->needs == API_OPEN) {
                route->handle(call);
        } else if (route->needs == API_DEV) {
                if (!http->hub->config->dev)
                        http_fail_code(http, ERROR_NOT_FOUND, NULL);
                else if (!http->loopback)
                        http_fail_code(http, ERROR_FORBIDDEN, "only from this machine");
                else
                        route->handle(call);
        } else if (route->needs == API_TOKEN_BODY) {
                if (api_verify(call) && api_read_body(call, false))
                        route->handle(call);
        } else if (!auth_is_api_key(http->hub->auth, slice_of(http->bearer))) {
                metrics_add(AUTH_FAILURES, 1);
                http_fail_code(http, ERROR_UNAUTHORIZED, NULL);
        } else if (route->needs == API_KEY || api_read_body(call, route->needs == API_KEY_MAYBE_BODY)) {
                route->handle(call);
        }
}

/* The path has other methods than the request's: a bit for each of enum http_method. */
static void api_refuse_method(struct http *http, unsigned methods) {
        static const char *const names[] = { [HTTP_GET] = "GET, HEAD", [HTTP_PUT] = "PUT", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE" };
        char allow[sizeof("GET, HEAD, PUT, POST, DELETE")] = "";
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (methods & 1u << i)
                        snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s", allow[0] ? ", " : "", names[i]);
        http_fail_method(http, allow);
}

void api_handle(struct http *http) {
        struct api_call *call = calloc(1, sizeof(*call));
        unsigned methods = 0; /* of the path */
        bool bad_id = false;
        if (!call) {
                http_fail_code(http, ERROR_INTERNAL, NULL);
                return;
        }
        call->http = http;
        const struct api_route *found = NULL;
        for (size_t i = 0; i < sizeof(api_routes) / sizeof(api_routes[0]) && !found; i++) {
                int r = api_match(call, api_routes[i].path, http->path);
                if (r > 0)
                        continue;
                methods |= 1u << api_routes[i].method;
                bad_id |= r < 0;
                if (r == 0 && api_routes[i].method == http->method)
                        found = &api_routes[i];
        }
        if (found)
                api_run(call, found);
        else if (api_serves_page(http))
                ;
        else if (bad_id)
                http_fail_code(http, ERROR_BAD_REQUEST, "ids are 1 to 128 bytes of UTF-8 without controls, spaces or '/'");
        else if (methods)
                api_refuse_method(http, methods);
        else
                http_fail_code(http, ERROR_NOT_FOUND, "there is nothing at this path");
        free(call);
}
