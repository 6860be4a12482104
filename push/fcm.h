/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm.h: pushes by Google's Firebase Cloud Messaging, HTTP v1, with a service account.
 *
 * Sources: Firebase, "FCM REST v1: ErrorCode", "Best practices when sending FCM messages at scale", "Throttling and quotas", "Message
 * priority"; Google, "Using OAuth 2.0 for server to server applications".
 *
 * 1. Priority high is for what is shown only: Google lowers it for apps that use it for anything else.
 * 2. A registration ends on UNREGISTERED alone, or a field that names the token: never on a bare 404, which a wrong project gives, too.
 * 3. The message has at most 4096 bytes: texts are cut to fit; what does not fit without them is PUSH_PAYLOAD_BAD.
 */
#pragma once
#include "push/credential.h"

enum { FCM_MESSAGE_BYTES = 4096 };

extern const struct credential_kind fcm_kind;
