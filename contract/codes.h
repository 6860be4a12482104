/* SPDX-License-Identifier: Apache-2.0 */
/* codes.h: error and close codes as C, from contract/errors.def and contract/closes.def. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum error_code {
#define ERROR_ROW(name, text, status, temporary, sentence) ERROR_##name,
#include "contract/errors.def"
#undef ERROR_ROW
        ERROR_CODES,
};

enum close_code {
#define CLOSE_ROW(name, code, reason, sentence) CLOSE_##name = (code),
#include "contract/closes.def"
#undef CLOSE_ROW
};

struct codes_error {
        const char *text;
        int status;     /* HTTP */
        bool temporary;
        const char *sentence;
};

static inline const struct codes_error *codes_error(enum error_code code) {
        static const struct codes_error rows[ERROR_CODES] = {
#define ERROR_ROW(name, text, status, temporary, sentence) [ERROR_##name] = { (text), (status), (temporary), (sentence) },
#include "contract/errors.def"
#undef ERROR_ROW
        };
        return &rows[code];
}

/* The reason that goes with a close code; "" for an unknown one. */
static inline const char *codes_close_reason(int code) {
        switch (code) {
#define CLOSE_ROW(name, number, reason, sentence) \
        case (number):                            \
                return (reason);
#include "contract/closes.def"
#undef CLOSE_ROW
        default:
                return "";
        }
}
