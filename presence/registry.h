/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h: which session of which device is on which node. The caller's side of fanout/lua/session.lua.
 *
 * Functions return 0, FANOUT_E_UNAVAILABLE or -ENOMEM; unless 0, done does not come.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"
#include "fanout/fanout.h"
#include "presence/flap.h"

struct buf;
struct fanout;
struct lease;

struct registry_session {
        struct slice user, device, session;
        bool background;         /* a background sync: no presence */
        bool away;               /* as the client said last; for when it registers anew */
        struct slice epoch;      /* the cursor that hello brought; "" if none */
        uint64_t cursor;
        bool again;              /* registers anew after the node was thought dead */
        int64_t opened_ms;       /* by the store's clock: lease_store_ms() */
        uint64_t told;           /* with again: the highest n it was told */
        int64_t said_ms;         /* with again: when it last learned whether the user is invisible, by the store's clock; 0: never */
        bool invisible;
};

struct registry_attached {
        int answer; /* 0 or FANOUT_E_… */
        char epoch[EPOCH_BYTES];
        uint64_t cursor, head, base;
        bool fresh; /* a device never seen before */
        bool reset; /* the cursor belongs to a past that the store has lost */
        bool invisible; /* the user said so */
};

typedef void (*registry_attached_fn)(void *arg, const struct registry_attached *attached);
__attribute__((warn_unused_result)) int registry_attach(struct fanout *fanout, const struct registry_session *session, registry_attached_fn done,
                                                        void *arg);
/*
 * The same without a session: a sync comes and goes. The stored cursor stays, and so does a session that the device has; a device
 * never seen before is registered. An ack (-1: none) beyond the head is refused with FANOUT_E_BAD_REQUEST, and nothing is registered.
 */
__attribute__((warn_unused_result)) int registry_visit(struct fanout *fanout, const struct registry_session *session, int64_t ack,
                                                       registry_attached_fn done, void *arg);
typedef void (*registry_done_fn)(void *arg, int answer);
/* status: online, away or invisible */
__attribute__((warn_unused_result)) int registry_set_status(struct fanout *fanout, const struct registry_session *session, struct slice status,
                                                            registry_done_fn done, void *arg);

/* What the sessions of a user say, given which nodes live. live as packed in the store; devices (may be NULL) gets a JSON array's items. */
enum flap_status registry_evaluate(const struct lease *lease, struct slice live, bool invisible, struct buf *devices);

/* fields: JSON as query_done_fn has it. */
typedef void (*registry_fields_fn)(void *arg, int answer, struct slice fields);
/* {"presence":[{user,status,last_seen,devices}…]} ; one user alone gets just the fields of its object. */
__attribute__((warn_unused_result)) int registry_presence(struct fanout *fanout, const struct lease *lease, const struct slice *users, size_t count,
                                                          bool alone, int64_t now_ms, registry_fields_fn done, void *arg);
/* "devices":[{device,connected,cursor,last_seen,queue:{depth,oldest_ms}}…] */
__attribute__((warn_unused_result)) int registry_devices(struct fanout *fanout, const struct lease *lease, struct slice user, int64_t now_ms,
                                                         registry_fields_fn done, void *arg);
/* Ends the sessions of a user, or of one device; done gets "disconnected":count. */
__attribute__((warn_unused_result)) int registry_disconnect(struct fanout *fanout, struct slice user, struct slice device, int close_code,
                                                            registry_fields_fn done, void *arg);
