// SPDX-License-Identifier: Apache-2.0
//
// view.js: a conversation as the app shows it: what is stored, with what waits in the outbox laid over it. Pure but for
// reading the store.
import { conversationOf, entryKey, keysOf } from './log.js';

const CHUNK = 200;

// A message that is stored.
function stored(row, user) {
  const { conv, seq, op, from, device, at, body, version, deleted, reactions, n } = row;
  return {
    conv, seq, op, from, device, at, body, n, state: from === user ? 'synced' : 'received',
    edited: (version ?? 0) > 0, deleted: deleted === true, reactions: reactions ?? [],
  };
}

// One that is not, as far as we know.
function waiting(item, user) {
  const { conv, op, at, body, state, reason, message, retryable } = item;
  return { conv, seq: undefined, op, from: user, at, body, state, reason, message, retryable, edited: false, deleted: false, reactions: [] };
}

// What the user did to it and the hub does not know yet is seen at once; `change` says how it stands.
function overlay(view, items) {
  for (const { op, kind, ref, ref_op, body, state } of items) {
    if (kind === 'message' || !((ref !== undefined && ref === view.seq) || (ref_op !== undefined && ref_op === view.op))) continue;
    if (state !== 'failed' && state !== 'conflicted' && state !== 'expired') {
      if (kind === 'edit' && !view.deleted) Object.assign(view, { body, edited: true });
      if (kind === 'delete') Object.assign(view, { body: undefined, deleted: true, reactions: [] });
      if (kind === 'react' && !view.deleted) view.reactions = [...view.reactions, { from: view.from, body, state }];
    }
    view.change = { op, kind, state };
  }
  return view;
}

// The newest `limit` messages below seq `before`, oldest first, and then what waits. `more`: older ones are in the store.
export async function messagesOf({ conv, before = Infinity, limit = CHUNK }, { batch, user, items }) {
  const conversation = await conversationOf(conv, batch);
  const about = items.filter((item) => item.conv === conv);
  const views = [];
  for (const seq of [...conversation.ahead].reverse()) {
    const row = seq < before ? await batch.get('entries', entryKey(conv, seq)) : undefined;
    if (row?.type === 'message') views.push(stored(row, user));
  }
  let end = Math.min(before, conversation.last + 1);
  while (views.length < limit && end > conversation.first && conversation.last > 0) {
    const from = entryKey(conv, conversation.first);
    const rows = await batch.range('entries', { from, to: Number.isFinite(end) ? entryKey(conv, end) : keysOf(conv).to, limit: CHUNK, reverse: true });
    if (rows.length === 0) break;
    for (const row of rows) if (row.type === 'message' && views.length < limit) views.push(stored(row, user));
    end = rows.at(-1).seq;
  }
  views.reverse();
  for (const view of views) overlay(view, about);
  if (before === Infinity) for (const item of about) if (item.kind === 'message') views.push(overlay(waiting(item, user), about));
  return views;
}
