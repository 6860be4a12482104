/* SPDX-License-Identifier: Apache-2.0 */
/* provider.c: see provider.h. The set of accounts; each looks after itself. */
#include "push/provider.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <uv.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/list.h"
#include "push/account.h"
#include "push/http2.h"

enum { CLOSE_MS = 4000 }; /* what is under way may take so long when the worker ends: less than the supervisor waits beyond drain_ms */

struct member {
        struct list link; /* in members, or in leaving */
        struct provider_set *set;
        struct account *account;
        bool is_ending;
};

struct provider_set {
        struct uv_loop_s *loop;
        struct list members; /* struct member, link */
        struct list leaving; /* struct member, link: replaced at a reload, or all at the end */
        uv_timer_t timer;    /* started while there is somebody leaving */
        uint64_t close_by_ms;
        bool is_closing;
        void (*on_closed)(void *context);
        void *closed_context;
};

enum { LOOK_MS = 50 };

static void on_timer_closed(uv_handle_t *handle) {
        struct provider_set *set = handle->data;
        void (*on_closed)(void *) = set->on_closed;
        void *context = set->closed_context;
        free(set);
        on_closed(context);
}

static void close_if_done(struct provider_set *set) {
        if (!list_is_empty(&set->leaving))
                return;
        uv_timer_stop(&set->timer);
        if (set->is_closing)
                uv_close((uv_handle_t *)&set->timer, on_timer_closed);
}

static void on_account_closed(void *context) {
        struct member *member = context;
        struct provider_set *set = member->set;
        list_remove(&member->link);
        free(member);
        close_if_done(set);
}

/* Whoever has nothing under way any more, or no more time, goes. */
static void on_look(uv_timer_t *timer) {
        struct provider_set *set = timer->data;
        bool is_late = clock_monotonic_ms() >= set->close_by_ms;
        LIST_FOR_EACH(link, &set->leaving) {
                struct member *member = LIST_CONTAINER(link, struct member, link);
                if (member->is_ending || (account_load(member->account) > 0 && !is_late))
                        continue;
                member->is_ending = true;
                account_close(member->account, on_account_closed, member);
        }
}

static void leave(struct member *member) {
        struct provider_set *set = member->set;
        list_remove(&member->link);
        list_append(&set->leaving, &member->link);
        account_drain(member->account);
        set->close_by_ms = clock_monotonic_ms() + CLOSE_MS;
        uv_timer_start(&set->timer, on_look, 1, LOOK_MS);
}

static struct member *find(const struct provider_set *set, enum push_provider provider, struct slice app) {
        LIST_FOR_EACH(link, &set->members) {
                struct member *member = LIST_CONTAINER(link, struct member, link);
                if (account_is(member->account, provider, app))
                        return member;
        }
        return NULL;
}

static int join(struct provider_set *set, const struct config_push *section) {
        struct member *member = calloc(1, sizeof(*member));
        if (!member)
                return -ENOMEM;
        member->set = set;
        int r = account_new(set->loop, section, &member->account);
        if (r != 0) {
                free(member);
                return r;
        }
        list_append(&set->members, &member->link);
        return 0;
}

int provider_open(struct uv_loop_s *loop, const struct config *config, struct provider_set **ret_set) {
        int r = http2_start();
        if (r != 0)
                return r;
        struct provider_set *set = calloc(1, sizeof(*set));
        if (!set)
                return -ENOMEM;
        set->loop = loop;
        list_init(&set->members);
        list_init(&set->leaving);
        uv_timer_init(loop, &set->timer);
        set->timer.data = set;
        for (size_t i = 0; i < config->pushes_count; i++)
                if (join(set, &config->pushes[i]) != 0)
                        abort(); /* there is no memory when the process starts, and an account ends only in a loop */
        *ret_set = set;
        return 0;
}

void provider_close(struct provider_set *set, void (*on_closed)(void *context), void *context) {
        assert(!set->is_closing);
        set->is_closing = true;
        set->on_closed = on_closed;
        set->closed_context = context;
        LIST_FOR_EACH(link, &set->members)
                leave(LIST_CONTAINER(link, struct member, link));
        close_if_done(set);
}

/* Those whose section or files changed, or who are in trouble, are made anew; the others keep their connections. */
void provider_reload(struct provider_set *set, const struct config *config) {
        struct list kept;
        list_init(&kept);
        for (size_t i = 0; i < config->pushes_count; i++) {
                const struct config_push *section = &config->pushes[i];
                enum push_provider provider;
                struct member *member = job_provider_parse(slice_of(section->provider), &provider) == 0 ?
                                                find(set, provider, slice_of(section->name)) :
                                                NULL;
                if (!member || !account_is_same(member->account, section))
                        continue;
                list_remove(&member->link);
                list_append(&kept, &member->link);
        }
        LIST_FOR_EACH(link, &set->members)
                leave(LIST_CONTAINER(link, struct member, link));
        list_splice(&set->members, &kept);
        for (size_t i = 0; i < config->pushes_count; i++) {
                const struct config_push *section = &config->pushes[i];
                enum push_provider provider;
                if (job_provider_parse(slice_of(section->provider), &provider) == 0 &&
                    !find(set, provider, slice_of(section->name)) && join(set, section) != 0)
                        continue; /* no memory: as if there were no such section, until the next reload */
        }
}

int provider_send(struct provider_set *set, const struct push_job *job, provider_done_fn done, void *arg) {
        struct member *member = find(set, job->provider, job->app);
        return member ? account_send(member->account, job, done, arg) : PROVIDER_E_NO_APP;
}

int64_t provider_wait_ms(const struct provider_set *set, enum push_provider provider, struct slice app) {
        const struct member *member = find(set, provider, app);
        return member ? account_wait_ms(member->account, clock_monotonic_ms()) : -1;
}

const char *provider_wait_reason(const struct provider_set *set, enum push_provider provider, struct slice app) {
        const struct member *member = find(set, provider, app);
        return member ? account_wait_reason(member->account) : "no such app";
}

const struct config_push *provider_find(const struct provider_set *set, enum push_provider provider, struct slice app) {
        const struct member *member = find(set, provider, app);
        return member ? account_section(member->account) : NULL;
}

size_t provider_in_flight(const struct provider_set *set) {
        size_t load = 0;
        LIST_FOR_EACH(link, &set->members)
                load += account_load(LIST_CONTAINER(link, struct member, link)->account);
        LIST_FOR_EACH(link, &set->leaving)
                load += account_load(LIST_CONTAINER(link, struct member, link)->account);
        return load;
}
