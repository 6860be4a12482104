// SPDX-License-Identifier: Apache-2.0
//
// timeline.js: our copy of the conversation's log. Knows no network and no page.
//
// What must stay true:
//   1. An entry stands at its seq, once, whether it came as event, as reply or from history.
//   2. While `complete`, there is no hole between the first and the last entry.
import { LIMIT } from './limits.js';

// The body's shape here is {"text": "…"}; another app may have put anything into the same room.
export function textOf(body) {
  if (body && typeof body.text === 'string') return body.text;
  return body === undefined ? '' : JSON.stringify(body);
}

// A member counts for the messages of their time: who joined later never had to receive the older ones.
export function stateOf(entry, others) {
  const counting = others.filter((m) => (m.since || 0) < entry.seq);
  if (counting.length > 0 && counting.every((m) => m.read >= entry.seq)) return 'read';
  if (counting.length > 0 && counting.every((m) => m.delivered >= entry.seq)) return 'delivered';
  return 'sent';
}

// Edits, deletions and reactions are entries of their own; this folds them into the messages they are about.
export function foldChanges(entries) {
  const changes = new Map();
  for (const e of entries) {
    if (e.type === 'message') continue;
    const change = changes.get(e.ref) || { reactions: new Map() };
    if (e.type === 'edit') change.text = e.text;
    if (e.type === 'delete') change.deleted = true;
    if (e.type === 'react') change.reactions.set(e.from, e.text);
    changes.set(e.ref, change);
  }
  return changes;
}

export class Timeline {
  entries = new Map(); // seq -> { type, seq, ref?, from, op, at, text }
  lines = [];          // what happened between them: { n, after, text, at }
  more = true;         // history goes further back
  complete = false;
  missed = null;       // what came between welcome and caught_up: { seqs, growing, atLeast? }

  static restore(kept) {
    const timeline = new Timeline();
    for (const entry of kept.entries) timeline.entries.set(entry.seq, entry);
    return Object.assign(timeline, { lines: kept.lines, more: kept.more, complete: true });
  }

  // The newest part, to be kept.
  tail() {
    const entries = this.sorted().slice(-LIMIT.kept);
    return { entries, lines: this.lines, more: this.more || entries.length < this.entries.size };
  }

  sorted() {
    return [...this.entries.values()].sort((a, b) => a.seq - b.seq);
  }

  lastSeq() {
    return Math.max(0, ...this.entries.keys());
  }

  firstSeq() {
    return this.entries.size ? Math.min(...this.entries.keys()) : 0;
  }

  put(entry) {
    this.entries.set(entry.seq, entry);
  }

  // Lets go of the oldest beyond the limit; history brings them back.
  trim() {
    const over = this.entries.size - LIMIT.entries;
    if (over <= 0) return;
    for (const { seq } of this.sorted().slice(0, over)) this.entries.delete(seq);
    this.more = true;
  }

  addLine(text, at, n) {
    this.lines.push({ n, after: this.lastSeq(), text, at });
    this.lines = this.lines.slice(-LIMIT.lines);
  }

  // One page of history. Messages of others above missedAfter count as missed. Answers with the ops it contains.
  putPage(page, user, missedAfter = Infinity) {
    for (const e of page.entries) {
      const type = e.type || e.kind || 'message';
      const isNew = !this.entries.has(e.seq);
      this.put({ type, seq: e.seq, ref: e.ref, from: e.from, op: e.op, at: e.at, text: textOf(e.body) });
      if (isNew && type === 'message' && e.from !== user && e.seq > missedAfter) this.miss(e.seq);
    }
    return page.entries.filter((e) => e.from === user).map((e) => e.op);
  }

  // The latest page. What we had goes if the page does not reach down to it: a hole (2) is worse than scrolling.
  putLatest(page, user) {
    const before = this.lastSeq();
    const first = page.entries.length ? Math.min(...page.entries.map((e) => e.seq)) : 0;
    if (first > before + 1) {
      this.entries.clear();
      if (this.missed) this.missed.atLeast = true;
    }
    const ops = this.putPage(page, user, before);
    if (this.firstSeq() >= first) this.more = page.more;
    this.complete = true;
    return ops;
  }

  // A first visit has missed nothing.
  beginMissing() {
    this.missed = { seqs: new Set(), growing: this.complete || this.entries.size > 0 };
  }

  miss(seq) {
    if (this.missed?.growing) this.missed.seqs.add(seq);
  }

  endMissing() {
    if (this.missed) this.missed.growing = false;
  }

  forget() {
    Object.assign(this, { entries: new Map(), lines: [], more: true, complete: false, missed: null });
  }
}
