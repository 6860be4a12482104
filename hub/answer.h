/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h: what the store answered, as the protocol's error code. */
#pragma once
#include "contract/codes.h"
#include "fanout/fanout.h"

static inline enum error_code answer_code(int answer) {
        switch (answer) {
        case FANOUT_E_NOT_FOUND:
                return ERROR_NOT_FOUND;
        case FANOUT_E_FORBIDDEN:
                return ERROR_FORBIDDEN;
        case FANOUT_E_BAD_REQUEST:
        case FANOUT_E_CHANNEL:
        case FANOUT_E_NO_CHANNEL:
                return ERROR_BAD_REQUEST;
        case FANOUT_E_CONFLICT:
                return ERROR_CONFLICT;
        default:
                return ERROR_UNAVAILABLE;
        }
}

/* A sentence where the code's own says too little, else NULL. */
static inline const char *answer_message(int answer) {
        switch (answer) {
        case FANOUT_E_CHANNEL:
                return "a channel has no receipts, typing or signals";
        case FANOUT_E_NO_CHANNEL:
                return "the conversation is not a channel";
        case FANOUT_E_FULL:
                return "the user has as many devices connected as may be";
        default:
                return NULL;
        }
}
