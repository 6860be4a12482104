/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: a notification as the backend posts it, as a type. */
#pragma once
#include <stddef.h>
#include "base/buf.h"
#include "base/scan.h"
#include "fanout/notice.h"

enum {
        NOTIFY_E_INVALID = 1, /* error is a sentence for the backend */
        NOTIFY_E_LARGE,
};

struct notify {
        struct notice_post post; /* without user; slices of the texts here */
        const char *error;
        struct buf content, plan, steps;
        char op[65], collapse[65], priority[12];
};

/* fields: of a body that passed scan_text(). 0, or a NOTIFY_E_ answer. Deinit in any case. */
__attribute__((warn_unused_result)) int notify_parse(const struct scan_field *fields, size_t count, struct notify *notify);
void notify_deinit(struct notify *notify);
