/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webpush.h: pushes to browsers: RFC 8030 (the request), RFC 8291 (encryption, ece.h), RFC 8292 (VAPID, who we are).
 *
 * 1. A VAPID token is made for an origin and used for all its subscriptions for half of its 12 hours: services remember that it is right.
 * 2. Every message has a key and a salt of its own.
 * 3. Where it goes is a stranger's word: endpoint.h and address.h look at it first.
 */
#pragma once
#include "base/slice.h"
#include "push/credential.h"
#include "push/ece.h"

struct buf;
struct signer;

extern const struct credential_kind webpush_kind;

enum { WEBPUSH_E_BAD = 1 };

/* What a browser's subscription says, {"endpoint":…,"keys":{"p256dh":…,"auth":…}}: 0 or WEBPUSH_E_BAD. endpoint_text has room for size bytes. */
__attribute__((warn_unused_result)) int webpush_parse(struct slice subscription, char *endpoint_text, size_t size, struct ece_keys *ret_keys);
/* Appends "vapid t=…, k=…" for an origin: 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int webpush_sign(const struct signer *signer, const char *origin, const char *subject, int64_t expires_s,
                                                     struct buf *out);
