// SPDX-License-Identifier: Apache-2.0
// strange.mjs: what a broken or hostile hub may say: text that is no JSON, frames of every type with fields of every kind, replies to
// nothing, numbers that jump.

const TYPES = ['welcome', 'sent', 'error', 'message', 'edit', 'delete', 'react', 'member', 'receipt', 'notification', 'gap', 'reset', 'caught_up', 'history',
  'conversations', 'members', 'subscribed', 'watching', 'ok', 'pong', 'typing', 'signal', 'presence', 'goaway', 'token_expiring', 'ack', 'constructor', '__proto__', ''];
const FIELDS = ['id', 'n', 'conv', 'seq', 'ref', 'from', 'op', 'at', 'body', 'user', 'device', 'epoch', 'cursor', 'head', 'window', 'max_frame', 'ping_ms', 'retry', 'entries', 'items',
  'more', 'next', 'delivered', 'read', 'code', 'message', 'temporary', 'retry_after_ms', 'from', 'to', 'recovered', 'action', 'role', 'ttl_ms', 'active', 'presence', 'deleted', 'reactions', 'duplicate'];
const VALUES = [0, 1, 2, 3, 7, -1, 1.5, 1e300, 2 ** 53, null, true, false, '', 'room', 'other', 'bob', 'alice', 'a room', 'a/b', '__proto__', 'e1', 'e2', 'x'.repeat(300), [], {}, [1], [null], [{}],
  { seq: 1 }, [{ conv: 'room', seq: 5 }], [{ seq: 2, from: 'bob', op: 'h2', body: 1 }], { base_ms: -5, max_ms: 'x', reset_ms: 1e99 }, { __proto__: null, toString: 1 }];

// One frame; ops: some that the client has made.
export function strangeFrame(chance, ops) {
  const made = { type: chance.pick(TYPES) };
  const count = chance.below(9);
  for (let i = 0; i < count; i += 1) made[chance.pick(FIELDS)] = chance.pick([...VALUES, ...ops]);
  if (chance.below(3) === 0) made.id = chance.below(12);
  return made;
}

export const TEXTS = ['', 'null', '[]', '[null]', '{', '"x"', '{"type":5}', '[[{"type":"message"}]]', '\u0000', '{"type":"message","n":1e999}'];
