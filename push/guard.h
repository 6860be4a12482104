/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h: whether a provider is believed when it says that a registration is not for us: a pure state machine, one for each credential
 * and environment.
 *
 * BadDeviceToken, DeviceTokenNotForTopic (APNs) and SENDER_ID_MISMATCH (FCM) mean a token that will never work; or that our environment,
 * topic or project is wrong, and then they are said of every token there is. A registration lost costs its user all pushes until
 * the app registers again, and one kept in error costs a request now and then. So:
 *
 * 1. Believed is what is said of a push that was tried before, if the very answer before was a push accepted, and at most a fifth of
 *    the last 100 were such. So in a failure of all tokens none is lost, however few or many there are.
 * 2. Twenty in a row, or more than a fifth of the last 100 and at least 20: it is about us. The credential is paused.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum guard_verdict {
        GUARD_ASK_AGAIN, /* perhaps: try this push again later */
        GUARD_BELIEVE,   /* the token is dead */
        GUARD_OURS,      /* our configuration is wrong */
};

struct guard {
        uint64_t recent[2];  /* the last 100 answers about tokens, newest in bit 0 of the first: 1 was a doubt */
        uint32_t count;      /* how many there were, up to 100 */
        uint32_t in_a_row;   /* doubts since the last token that was good */
        bool has_accepted;   /* this credential has worked since it was read */
};

/* The provider took a push: our configuration is right at least for that one. */
void guard_on_accepted(struct guard *guard);
/* It said one of the three. is_again: not in the first attempt of this push. */
enum guard_verdict guard_on_doubt(struct guard *guard, bool is_again);
