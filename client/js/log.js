// SPDX-License-Identifier: Apache-2.0
//
// log.js: our copy of the conversations' logs, as it changes in a transaction.
//
//      conversation  { conv, first, last, ahead, … }     first..last: entries we have without a hole; 0: none
//      entries            1 2 3 [4 5 6 7] . 9            first 4, last 7, ahead [9]
//
// What must stay true:
//   1. An entry stands at its seq, once, whether it came as event, as reply or from history.
//   2. Between first and last there is no hole. What stands below is not looked at, and comes again by history.
//   3. An own entry whose `sent` overtook the events before it is ahead: the app sees it, and the range reaches it later.
//   4. A message has the state that history would give it: edits, deletions and reactions are applied once, by their seq.
import { isEntry } from './check.js';
import { LIMIT } from './limits.js';

const pad = (seq) => String(seq).padStart(16, '0');

export const entryKey = (conv, seq) => `${conv}/${pad(seq)}`;

export const receiptKey = (conv, user) => `${conv}/${user}`;

// The keys of a conversation in a table whose keys begin with its id, which has no "/": "0" comes next.
export const keysOf = (conv) => ({ from: `${conv}/`, to: `${conv}0` });

export async function conversationOf(conv, batch) {
  return { conv, first: 0, last: 0, ahead: [], ...await batch.get('conversations', conv) };
}

function absorb(row) {
  const ahead = row.ahead.filter((seq) => seq > row.last);
  while (ahead[0] === row.last + 1) row.last = ahead.shift();
  row.ahead = ahead;
}

// One more entry. isEvent: it came in its order, so what lies between is not ours to have (2); else (3).
export async function reach(conv, seq, isEvent, batch) {
  const row = await conversationOf(conv, batch);
  const follows = row.last > 0 && seq === row.last + 1;
  if (follows) row.last = seq;
  else if (isEvent && seq > row.last) Object.assign(row, { first: seq, last: seq });
  else if (seq > row.last && !row.ahead.includes(seq)) row.ahead = [...row.ahead, seq].sort((a, b) => a - b);
  absorb(row);
  while (row.last - row.first >= LIMIT.entries) batch.del('entries', entryKey(conv, row.first++));
  batch.put('conversations', conv, row);
}

// A page of history: the latest of the log, or one that ends where the range begins.
export async function reachPage(conv, seqs, batch) {
  if (seqs.length === 0) return;
  const row = await conversationOf(conv, batch);
  const [low, high] = [seqs[0], seqs.at(-1)];
  const joins = row.last > 0 && low <= row.last + 1 && high >= row.first - 1;
  row.first = joins ? Math.min(row.first, low) : low;
  row.last = joins ? Math.max(row.last, high) : high;
  absorb(row);
  batch.put('conversations', conv, row);
}

function applyEdit(target, entry) {
  if (target.deleted || (target.edit_seq ?? 0) >= entry.seq) return '';
  Object.assign(target, { body: entry.body, version: (target.version ?? 0) + 1, edit_seq: entry.seq, edited_at: entry.at });
  target.edits = [...(target.edits ?? []), entry.seq];
  if (entry.from !== target.from) target.edited_by = entry.from;
  else delete target.edited_by;
  return 'edited';
}

// Whoever has the text must drop it, that of its edits too.
async function applyDelete(target, entry, batch) {
  if (target.deleted) return '';
  for (const seq of target.edits ?? []) {
    const edit = await batch.get('entries', entryKey(target.conv, seq));
    if (!edit) continue;
    delete edit.body;
    batch.put('entries', entryKey(target.conv, seq), { ...edit, deleted: true });
  }
  for (const field of ['body', 'version', 'edit_seq', 'edited_at', 'edited_by', 'reactions', 'edits']) delete target[field];
  Object.assign(target, { deleted: true, deleted_at: entry.at });
  if (entry.from !== target.from) target.deleted_by = entry.from;
  return 'deleted';
}

function applyReaction(target, { seq, from, at, body }) {
  if (target.deleted) return '';
  target.reactions = [...(target.reactions ?? []), { seq, from, at, body }].slice(-LIMIT.reactions);
  return 'reacted';
}

// What an entry does to the message it is about. Answers with { what, row }, or nothing.
async function apply(entry, batch) {
  if (entry.type === 'message' || entry.ref === undefined) return undefined;
  const row = await batch.get('entries', entryKey(entry.conv, entry.ref));
  if (!row || row.type !== 'message') return undefined;
  let what = '';
  if (entry.type === 'edit' && entry.body !== undefined) what = applyEdit(row, entry);
  else if (entry.type === 'delete') what = await applyDelete(row, entry, batch);
  else if (entry.type === 'react' && entry.body !== undefined) what = applyReaction(row, entry);
  if (!what) return undefined;
  batch.put('entries', entryKey(row.conv, row.seq), row);
  return { what, row };
}

function rowOf({ type, kind, conv, seq, ref, from, device, op, at, body, n, deleted }) {
  const row = { type: type ?? kind ?? 'message', conv, seq, ref, from, device, op, at, body, n, deleted };
  for (const [field, value] of Object.entries(row)) if (value === undefined) delete row[field];
  return row;
}

// An entry that is new in the log: an event, or our own by its `sent`. Answers with what changed: [{ what, row }]; the entry
// itself is first with what '' if it was not known.
export async function putEntry(entry, isEvent, batch) {
  const key = entryKey(entry.conv, entry.seq);
  const known = await batch.get('entries', key);
  await reach(entry.conv, entry.seq, isEvent, batch);
  if (known) {
    if (entry.n !== undefined) batch.put('entries', key, { ...known, n: entry.n });
    return [];
  }
  const row = rowOf(entry);
  batch.put('entries', key, row);
  const applied = await apply(row, batch);
  return applied ? [{ what: '', row }, applied] : [{ what: '', row }];
}

function changeOf(before, after) {
  if (!before) return '';
  if (Boolean(before.deleted) !== Boolean(after.deleted)) return 'deleted';
  if (JSON.stringify(before.body) !== JSON.stringify(after.body)) return 'edited';
  return JSON.stringify(before.reactions ?? []) === JSON.stringify(after.reactions ?? []) ? undefined : 'reacted';
}

// A page of history, which has the word about the present state. Answers as putEntry does.
export async function putPage(conv, entries, batch) {
  const good = entries.map((entry) => ({ ...entry, conv })).filter(isEntry).sort((a, b) => a.seq - b.seq);
  const changed = [];
  for (const entry of good) {
    const key = entryKey(conv, entry.seq);
    const known = await batch.get('entries', key);
    const row = rowOf({ ...entry, n: known?.n });
    for (const field of ['version', 'edited_at', 'edited_by', 'deleted_at', 'deleted_by', 'reactions']) if (entry[field] !== undefined) row[field] = entry[field];
    batch.put('entries', key, row);
    const what = changeOf(known, row);
    if (what !== undefined) changed.push({ what, row });
  }
  for (const { seq, ref, type, kind } of good) await noteEdit(conv, seq, ref, type ?? kind, batch);
  await reachPage(conv, good.map(({ seq }) => seq), batch);
  return changed;
}

// So that a delete that comes later finds the texts of the edits.
async function noteEdit(conv, seq, ref, type, batch) {
  if (type !== 'edit' || ref === undefined) return;
  const row = await batch.get('entries', entryKey(conv, ref));
  if (!row || row.deleted || row.edits?.includes(seq)) return;
  batch.put('entries', entryKey(conv, ref), { ...row, edits: [...(row.edits ?? []), seq], edit_seq: Math.max(row.edit_seq ?? 0, seq) });
}

// Watermarks only rise, whichever of receipt and members comes first. Answers whether it rose.
export async function raise(conv, user, { delivered = 0, read = 0 }, batch) {
  const key = receiptKey(conv, user);
  const before = (await batch.get('receipts', key)) ?? { delivered: 0, read: 0 };
  const after = { conv, user, read: Math.max(before.read, read) };
  after.delivered = Math.max(before.delivered, delivered, after.read);
  if (after.read === before.read && after.delivered === before.delivered) return false;
  batch.put('receipts', key, after);
  return true;
}
