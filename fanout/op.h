/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.h: ops as the log keeps them. Most are UUIDs (RFC 9562 section 4, in small letters); these are kept as "~" and 22 letters of
 * base64url instead of 36, which spares a message of some 250 bytes a twentieth. Any other op is kept as it is; one that begins with "~" gets a second one.
 */
#pragma once
#include "base/buf.h"
#include "base/limits.h"
#include "base/slice.h"

enum { OP_PACKED_BYTES = LIMIT_OP_BYTES + 1 };

/* op is one that wire_is_op() takes: at most LIMIT_OP_BYTES. out: OP_PACKED_BYTES. Returns what was written. */
struct slice op_pack(struct slice op, char *out);
/* The op again, or packed itself if it is none of ours. out: OP_PACKED_BYTES; where the slice points, or to packed. */
struct slice op_unpack(struct slice packed, char *out);
