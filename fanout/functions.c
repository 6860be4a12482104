/* SPDX-License-Identifier: Apache-2.0 */
/* functions.c: joins the library. common.lua comes first: it names the library and holds what the others share. */
#include "fanout/functions.h"

#include "base/buf.h"
#include "fanout/functions_files.h" /* made by contract/embed.c */

void functions_add(struct buf *out) {
        buf_add_text(out, common_lua);
        buf_add_text(out, head_lua);
        buf_add_text(out, tell_lua);
        buf_add_text(out, due_lua);
        buf_add_text(out, fan_lua);
        buf_add_text(out, log_lua);
        buf_add_text(out, state_lua);
        buf_add_text(out, channel_lua);
        buf_add_text(out, append_lua);
        buf_add_text(out, deliver_lua);
        buf_add_text(out, receipt_lua);
        buf_add_text(out, conversation_lua);
        buf_add_text(out, notice_lua);
        buf_add_text(out, inbox_lua);
        buf_add_text(out, session_lua);
        buf_add_text(out, visit_lua);
        buf_add_text(out, node_lua);
        buf_add_text(out, prefs_lua);
        buf_add_text(out, erase_lua);
        buf_add_text(out, tend_lua);
        buf_add_text(out, push_lua);
        buf_add_text(out, batch_lua);
}
