/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h: the target of a request (RFC 9112 section 3.2.1) that comes as text instead of in a request line: path and query,
 * percents decoded, as libwebsockets gives them for a request of its own.
 */
#pragma once
#include <stddef.h>
#include "base/slice.h"

enum {
        TARGET_E_INVALID = 1, /* no path, a broken escape, a control, or a path that climbs */
        TARGET_E_LONG,        /* longer than there is room */
};

/* "/a/b?c=d&e=f" becomes "/a/b" and "c=d\ne=f", each ended by NUL. 0 or a TARGET_E_ answer. */
__attribute__((warn_unused_result)) int target_parse(struct slice text, char *path, char *query, size_t size);
