/* SPDX-License-Identifier: Apache-2.0 */
/* change.c: read the members, work out the difference, write it fenced by the list's version (lua/conversation.lua, b1_change). */
#include "fanout/change.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "fanout/fanout.h"
#include "fanout/roster.h"
#include "fanout/store.h"
#include "fanout/words.h"

enum { CHANGE_TRIES = 8, CHANGE_TELL_ALL = 16, DIRECT_MEMBERS = 2 };

struct change_step {
        const char *action;
        struct slice user, role;
};

struct change_job {
        struct fanout *fanout;
        struct change change; /* slices of text, members of rows */
        change_done_fn done;
        void *arg;
        struct change_result result;
        unsigned tries;
        struct change_member *rows;
        char *text;
};

static void change_read(struct change_job *job);

static void change_end(struct change_job *job, int answer) {
        job->result.answer = answer;
        if (!answer)
                roster_forget(job->fanout->rosters, job->change.conv);
        job->done(job->arg, &job->result);
        free(job->rows);
        free(job->text);
        free(job);
}

static void change_on_written(void *arg, const struct redisReply *reply) {
        struct change_job *job = arg;
        struct slice word = reply ? store_text(store_item(reply, 0)) : SLICE("");
        if (slice_is(word, "ok"))
                change_end(job, 0);
        else if (slice_is(word, "members") && ++job->tries < CHANGE_TRIES)
                change_read(job);
        else if (slice_is(word, "err"))
                change_end(job, FANOUT_E_NOT_FOUND);
        else
                change_end(job, FANOUT_E_UNAVAILABLE);
}

static const struct change_member *change_wants(const struct change *change, struct slice user) {
        for (size_t i = 0; i < change->count; i++)
                if (slice_equal(change->members[i].user, user))
                        return &change->members[i];
        return NULL;
}

static struct slice change_role(const struct redisReply *flat, struct slice user) {
        for (size_t i = 0; i + 1 < store_count(flat); i += 2) {
                struct slice packed = store_text(store_item(flat, i + 1));
                if (slice_equal(store_text(store_item(flat, i)), user))
                        return words_take(&packed, ' ');
        }
        return SLICE("");
}

/* What is to be done; steps has room for all members before and after. */
static size_t change_plan(const struct change *change, const struct redisReply *flat, struct change_step *steps) {
        size_t count = 0;
        if (change->mode == CHANGE_REPLACE && !change->members_given)
                return 0;
        for (size_t i = 0; i < change->count; i++) {
                const struct change_member *member = &change->members[i];
                struct slice role = change_role(flat, member->user);
                bool repeated = change_wants(change, member->user) != member;
                if (repeated)
                        continue;
                if (change->mode == CHANGE_REMOVE) {
                        if (role.len)
                                steps[count++] = (struct change_step){ "removed", member->user, role };
                } else if (role.len == 0) {
                        steps[count++] = (struct change_step){ "joined", member->user, member->role.len ? member->role : SLICE("member") };
                } else if (member->role.len && !slice_equal(role, member->role)) {
                        steps[count++] = (struct change_step){ "role", member->user, member->role };
                }
        }
        for (size_t i = 0; change->mode == CHANGE_REPLACE && i + 1 < store_count(flat); i += 2) {
                struct slice user = store_text(store_item(flat, i)), packed = store_text(store_item(flat, i + 1));
                if (!change_wants(change, user))
                        steps[count++] = (struct change_step){ "removed", user, words_take(&packed, ' ') };
        }
        return count;
}

static int change_write(struct change_job *job, const struct redisReply *reply, const struct change_step *steps, size_t count) {
        const struct change *change = &job->change;
        const struct redisReply *flat = store_item(reply, 5);
        size_t before = store_count(flat) / 2;
        struct call *call = store_call(job->fanout->store, change->mode == CHANGE_DELETE ? "delete" : "change");
        store_call_key(call, KEY_CONV, change->conv);
        store_call_key(call, KEY_MEMBERS, change->conv);
        store_call_key(call, KEY_LOG, change->conv);
        if (change->mode == CHANGE_DELETE) {
                store_call_key(call, KEY_OPS, change->conv);
                store_call_key(call, KEY_OPS_OLD, change->conv);
                store_call_key(call, KEY_STATES, change->conv);
        }
        for (size_t i = 0; i < before; i++) {
                store_call_key(call, KEY_USER, store_text(store_item(flat, i * 2)));
                store_call_key(call, KEY_INBOX, store_text(store_item(flat, i * 2)));
        }
        for (size_t i = 0; i < count; i++) {
                if (!slice_is(slice_of(steps[i].action), "joined"))
                        continue;
                store_call_key(call, KEY_USER, steps[i].user);
                store_call_key(call, KEY_INBOX, steps[i].user);
        }
        store_call_arg(call, change->conv);
        store_call_arg(call, before || store_count(reply) ? store_text(store_item(reply, 3)) : SLICE("0"));
        if (change->mode == CHANGE_DELETE) {
                store_call_arg_int(call, job->fanout->inbox_max);
        } else {
                bool creates = store_count(reply) == 0;
                store_call_arg(call, change->kind.len ? change->kind : creates ? SLICE("group") : SLICE(""));
                store_call_arg_text(call, change->is_public < 0 ? "" : change->is_public ? "1" : "0");
                store_call_arg_text(call, store_epoch(job->fanout->store));
                store_call_arg_int(call, job->fanout->inbox_max);
                /* A crowd that changes at once is not told of each other: that would be changes times members. */
                store_call_arg_int(call, !creates && count <= CHANGE_TELL_ALL);
                store_call_arg(call, change->template);
                store_call_arg_int(call, (int64_t)count);
                for (size_t i = 0; i < count; i++) {
                        store_call_arg_text(call, steps[i].action);
                        store_call_arg(call, steps[i].user);
                        store_call_arg(call, steps[i].role);
                }
        }
        for (size_t i = 0; i < before; i++)
                store_call_arg(call, store_text(store_item(flat, i * 2)));
        for (size_t i = 0; i < count; i++)
                if (slice_is(slice_of(steps[i].action), "joined"))
                        store_call_arg(call, steps[i].user);
        return store_call_send(call, change_on_written, job);
}

static int change_check(const struct change *change, const struct redisReply *reply, size_t members_before, size_t members_after) {
        bool exists = store_count(reply) > 0;
        bool may_create = change->mode == CHANGE_REPLACE || (change->mode == CHANGE_ADD && change->create_missing);
        if (!exists && !may_create)
                return FANOUT_E_NOT_FOUND;
        if (exists && change->kind.len && !slice_equal(change->kind, store_text(store_item(reply, 0))))
                return FANOUT_E_CONFLICT;
        struct slice kind = exists ? store_text(store_item(reply, 0)) : change->kind;
        if (!exists && slice_is(kind, "direct") && members_after != DIRECT_MEMBERS)
                return FANOUT_E_BAD_REQUEST;
        if (members_after > members_before && members_after > (slice_is(kind, "direct") ? DIRECT_MEMBERS : LIMIT_MEMBERS))
                return FANOUT_E_CONFLICT;
        return 0;
}

static void change_on_read(void *arg, const struct redisReply *reply) {
        struct change_job *job = arg;
        if (!reply) {
                change_end(job, FANOUT_E_UNAVAILABLE);
                return;
        }
        const struct redisReply *flat = store_item(reply, 5);
        size_t before = store_count(flat) / 2;
        struct change_step *steps = calloc(before + job->change.count + 1, sizeof(*steps));
        if (!steps) {
                change_end(job, FANOUT_E_UNAVAILABLE);
                return;
        }
        size_t count = job->change.mode == CHANGE_DELETE ? 0 : change_plan(&job->change, flat, steps);
        size_t after = before;
        for (size_t i = 0; i < count; i++) {
                if (slice_is(slice_of(steps[i].action), "joined"))
                        after++;
                else if (slice_is(slice_of(steps[i].action), "removed"))
                        after--;
        }
        job->result.created = store_count(reply) == 0;
        job->result.changes = count;
        int answer = change_check(&job->change, reply, before, after);
        bool nothing = !answer && !job->result.created && count == 0 && job->change.is_public < 0 && job->change.template.len == 0 &&
                       job->change.mode != CHANGE_DELETE;
        if (!answer && nothing && job->change.mode == CHANGE_REMOVE)
                answer = FANOUT_E_NOT_FOUND;
        if (answer || nothing)
                change_end(job, answer);
        else if (change_write(job, reply, steps, count))
                change_end(job, FANOUT_E_UNAVAILABLE);
        free(steps);
}

static int change_ask(struct change_job *job) {
        struct call *call = store_call(job->fanout->store, "members");
        store_call_key(call, KEY_CONV, job->change.conv);
        store_call_key(call, KEY_MEMBERS, job->change.conv);
        store_call_key(call, KEY_LOG, job->change.conv);
        return store_call_send(call, change_on_read, job);
}

static void change_read(struct change_job *job) {
        if (change_ask(job))
                change_end(job, FANOUT_E_UNAVAILABLE);
}

int change_start(struct fanout *fanout, const struct change *change, change_done_fn done, void *arg) {
        size_t bytes = change->conv.len + change->kind.len + change->template.len;
        for (size_t i = 0; i < change->count; i++)
                bytes += change->members[i].user.len + change->members[i].role.len;
        struct change_job *job = calloc(1, sizeof(*job));
        struct change_member *rows = calloc(change->count + 1, sizeof(*rows));
        char *text = malloc(bytes + 1);
        if (!job || !rows || !text) {
                free(job);
                free(rows);
                free(text);
                return -ENOMEM;
        }
        *job = (struct change_job){ .fanout = fanout, .change = *change, .done = done, .arg = arg, .rows = rows, .text = text };
        job->change.conv = slice_copy(&text, change->conv);
        job->change.kind = slice_copy(&text, change->kind);
        job->change.template = slice_copy(&text, change->template);
        for (size_t i = 0; i < change->count; i++) {
                rows[i].user = slice_copy(&text, change->members[i].user);
                rows[i].role = slice_copy(&text, change->members[i].role);
        }
        job->change.members = rows;
        int r = change_ask(job);
        if (r) {
                free(job->rows);
                free(job->text);
                free(job);
                return r > 0 ? FANOUT_E_UNAVAILABLE : r;
        }
        return 0;
}
