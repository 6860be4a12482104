/* SPDX-License-Identifier: Apache-2.0 */
/* backend.c: see backend.h. It asks a hub by the functions that hub/api.c calls for it. */
#include "tests/sim/backend.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fanout/change.h"
#include "fanout/fanout.h"
#include "fanout/notice.h"
#include "hub/hub.h"
#include "tests/sim/server.h"
#include "tests/sim/sites.h"
#include "tests/sim/truth.h"
#include "tests/sim/world.h"

enum { BACKEND_CHANGING = 3 /* the conversation whose members change */ };

static struct {
        unsigned members[TRUTH_CONVS]; /* as it wants them: a bit each */
        bool done[TRUTH_CONVS];
        unsigned past[TRUTH_CONVS];    /* of the store, when that was so */
        bool asking;
        int conv;                      /* asked about */
        unsigned asked_past, asked_members;
        uint64_t serial;
} backend;

static void backend_on_done(void *arg, const struct change_result *result) {
        backend.asking = false;
        world_trace("backend: %s is answered %d, %zu changes", truth_conv(backend.conv).ptr, result->answer, result->changes);
        if (!result->answer && backend.members[backend.conv] == backend.asked_members) {
                backend.done[backend.conv] = true;
                backend.past[backend.conv] = backend.asked_past;
        }
}

static size_t backend_members(int conv, struct change_member *members) {
        static char crowd[TRUTH_CROWD_MEMBERS][8];
        size_t count = 0;
        for (int u = 0; u < TRUTH_USERS / 2; u++)
                if (backend.members[conv] & 1u << u)
                        members[count++] = (struct change_member){ truth_user(u), SLICE("member") };
        /* In the middle, so that the last users are not named in the first call. */
        for (int i = 0; conv == TRUTH_CROWD && i < TRUTH_CROWD_MEMBERS; i++) {
                snprintf(crowd[i], sizeof(crowd[i]), "m%d", i);
                members[count++] = (struct change_member){ slice_of(crowd[i]), SLICE("member") };
        }
        for (int u = TRUTH_USERS / 2; u < TRUTH_USERS; u++)
                if (backend.members[conv] & 1u << u)
                        members[count++] = (struct change_member){ truth_user(u), SLICE("member") };
        return count;
}

static void backend_put(struct hub *hub, int conv) {
        struct change_member members[TRUTH_USERS + TRUTH_CROWD_MEMBERS];
        struct change change = { .mode = CHANGE_REPLACE, .conv = truth_conv(conv), .kind = SLICE("group"), .is_public = -1, .members_given = true };
        change.count = backend_members(conv, members);
        change.members = members;
        backend.conv = conv;
        backend.asked_past = server_past();
        backend.asked_members = backend.members[conv];
        backend.asking = change_start(&hub->fanout, &change, backend_on_done, NULL) == 0;
}

static void backend_delete(struct hub *hub, int conv) {
        struct change change = { .mode = CHANGE_DELETE, .conv = truth_conv(conv), .is_public = -1 };
        backend.conv = conv;
        backend.asked_members = 0; /* it is to be made again */
        backend.done[conv] = false;
        backend.asking = change_start(&hub->fanout, &change, backend_on_done, NULL) == 0;
}

static void backend_on_posted(void *arg, const struct notice_posted *result) {
}

static void backend_notify(struct hub *hub) {
        char op[24];
        snprintf(op, sizeof(op), "x%llu", (unsigned long long)++backend.serial);
        struct notice_post post = {
                .user = truth_user((int)world_chance(TRUTH_USERS)), .op = slice_of(op), .priority = SLICE("normal"),
                .content = SLICE("\"title\":\"t\",\"text\":\"x\",\"data\":null"), .collapse = world_one_in(3) ? SLICE("k") : SLICE(""),
        };
        if (notice_post(&hub->fanout, &post, backend_on_posted, NULL))
                world_trace("backend: a notification could not be posted");
}

static void backend_on_turn(void *arg) {
        int site = sites_any();
        world_after(50000 + world_chance(400000), backend_on_turn, &backend);
        for (int conv = 0; conv < TRUTH_CONVS; conv++)
                backend.done[conv] &= backend.past[conv] == server_past();
        if (site < 0 || backend.asking || sites_frozen_until_us(sites_hub(site)->loop) > world.now_us)
                return;
        struct hub *hub = sites_hub(site);
        sites_enter(hub->loop);
        for (int conv = 0; conv < TRUTH_CONVS; conv++) {
                if (!backend.done[conv]) {
                        backend_put(hub, conv);
                        return;
                }
        }
        if (world.calm)
                return;
        if (world_one_in(6)) {
                backend.members[BACKEND_CHANGING] ^= 1u << world_chance(TRUTH_USERS);
                backend.done[BACKEND_CHANGING] = false;
        } else if (world_one_in(60)) {
                backend_delete(hub, BACKEND_CHANGING);
        } else if (world_one_in(4)) {
                backend_notify(hub);
        }
}

bool backend_is_content(void) {
        bool content = !backend.asking;
        for (int conv = 0; conv < TRUTH_CONVS; conv++)
                content &= backend.done[conv] && backend.past[conv] == server_past();
        return content;
}

void backend_init(void) {
        memset(&backend, 0, sizeof(backend));
        backend.members[0] = backend.members[TRUTH_CROWD] = 0x3f;
        backend.members[1] = 0x03;
        backend.members[2] = 0x3c;
        backend.members[BACKEND_CHANGING] = 0x15;
        world_after(1000000, backend_on_turn, &backend);
}

void backend_deinit(void) {
        world_forget(&backend);
}
