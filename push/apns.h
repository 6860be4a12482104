/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apns.h: pushes by Apple's service (APNs), with a key that signs provider tokens, or with a client certificate.
 *
 * Sources: Apple, "Sending notification requests to APNs", "Handling notification responses from APNs", "Establishing a token-based
 * connection to APNs", "Generating a remote notification", "Pushing background updates to your App".
 *
 * 1. A provider token is made anew after 50 minutes, as Apple refuses it after 60, and never before 20, as Apple then refuses the
 *    connection. All connections of one credential share it.
 * 2. A push that shows nothing is never sent with priority 10.
 * 3. The payload has at most 4096 bytes: texts are cut to fit; what does not fit without them is PUSH_PAYLOAD_BAD.
 */
#pragma once
#include "push/credential.h"

enum { APNS_PAYLOAD_BYTES = 4096 };

extern const struct credential_kind apns_kind;

/* What to do about a provider token of this age; made_ms 0: there is none. Pure. */
enum apns_token { APNS_TOKEN_KEEP, APNS_TOKEN_MAKE };
enum apns_token apns_token_step(int64_t made_ms, int64_t wall_ms);
/* May it be replaced because Apple calls it expired? Not within 20 minutes of the last. Pure. */
bool apns_token_may_renew(int64_t made_ms, int64_t wall_ms);
