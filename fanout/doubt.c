/* SPDX-License-Identifier: Apache-2.0 */
/* doubt.c: see doubt.h. It costs a question for each such answer, and nothing else. */
#include "fanout/doubt.h"

#include <errno.h>
#include <stdlib.h>

#include "fanout/fanout.h"
#include "fanout/store.h"

struct doubt {
        struct fanout *fanout;
        doubt_done_fn done;
        void *arg;
};

static void doubt_on_epoch(void *arg, const struct redisReply *reply) {
        struct doubt doubt = *(struct doubt *)arg;
        bool same = reply && slice_is(store_text(reply), store_epoch(doubt.fanout->store));
        free(arg);
        if (reply && !same)
                store_tick(doubt.fanout->store); /* sooner than in a second */
        doubt.done(doubt.arg, same ? FANOUT_E_NOT_FOUND : FANOUT_E_UNAVAILABLE);
}

int doubt_start(struct fanout *fanout, doubt_done_fn done, void *arg) {
        struct doubt *doubt = malloc(sizeof(*doubt));
        if (!doubt)
                return -ENOMEM;
        *doubt = (struct doubt){ fanout, done, arg };
        struct call *call = store_call(fanout->store, "epoch");
        store_call_key_in(call, KEY_STORE, 0, SLICE("store"));
        int r = store_call_send(call, doubt_on_epoch, doubt);
        if (r)
                free(doubt);
        return r > 0 ? FANOUT_E_UNAVAILABLE : r;
}
