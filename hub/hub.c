/* SPDX-License-Identifier: Apache-2.0 */
/* hub.c: see hub.h. worker.c puts a hub together and takes it apart. */
#include "hub/hub.h"

#include "fanout/node.h"
#include "fanout/store.h"
#include "presence/lease.h"

bool hub_is_ready(const struct hub *hub) {
        return store_is_up(hub->fanout.store) && node_is_subscribed(hub->fanout.node) && lease_is_held(hub->lease);
}
