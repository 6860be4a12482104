/* SPDX-License-Identifier: Apache-2.0 */
/* badge.h: the tokens with which the devices of a load test show who they are (RFC 7519, HS256 of RFC 7518 section 3.2). */
#pragma once
#include <stdint.h>
#include "base/slice.h"

struct buf;

/* Appends a token of user and device that is good until expires_s (Unix time) to out. If it cannot be signed, out fails. The
 * names are our own: letters, digits and hyphens. */
void badge_add(struct slice secret, struct slice user, struct slice device, int64_t expires_s, struct buf *out);
