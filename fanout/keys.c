/* SPDX-License-Identifier: Apache-2.0 */
/* keys.c: key names. The hash tag comes first, so braces in an id cannot move its slot (Redis Cluster specification, "Hash tags"). */
#include "fanout/keys.h"

#include "base/buf.h"
#include "fanout/words.h"

static const char *const keys_letters[] = {
#define KEY_ROW(name, letter, of, type, sentence) [KEY_##name] = (letter),
#include "contract/keys.def"
#undef KEY_ROW
};

void keys_add_in(struct buf *out, const char *prefix, enum key key, unsigned partition, struct slice id) {
        buf_add_text(out, prefix);
        buf_add(out, ":{", 2);
        buf_add_uint(out, partition);
        buf_add(out, "}:", 2);
        buf_add_text(out, keys_letters[key]);
        buf_add_char(out, ':');
        buf_add_slice(out, id);
}

struct slice keys_id(struct slice key) {
        words_take(&key, '}');
        words_take(&key, ':');
        words_take(&key, ':'); /* the letter */
        return key;
}

void keys_add(struct buf *out, const char *prefix, enum key key, struct slice id) {
        keys_add_in(out, prefix, key, partition_of(id), id);
}
