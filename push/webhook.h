/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook.h: pushes by a signed POST to a server of the app's: SMS, e-mail, voice or chat hang there.
 *
 * Signed as the Standard Webhooks specification 1.0.0 says: webhook-id is the push's id in every attempt, webhook-timestamp
 * that of the attempt, webhook-signature one "v1,…" for each secret, two while a secret changes.
 */
#pragma once
#include "base/slice.h"
#include "push/credential.h"

struct buf;

extern const struct credential_kind webhook_kind;

/* whsec_ and base64, or text. Appends the key: 0, or 1 if it has less than 24 or more than 1024 bytes, or its base64 is wrong. */
__attribute__((warn_unused_result)) int webhook_read_secret(struct slice text, struct buf *out);
/* Appends "v1," and the signature: 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int webhook_sign(struct slice key, struct slice id, int64_t at_s, struct slice body, struct buf *out);
