// SPDX-License-Identifier: Apache-2.0
//
// timeline.js: the messages as the page has them, with what happened between them. Knows no network and no page.
import { LIMIT } from './limits.js';

// The body's shape here is {"text": "…"}; another app may have put anything into the same room.
export function textOf(body) {
  if (body && typeof body.text === 'string') return body.text;
  return body === undefined ? '' : JSON.stringify(body);
}

// A member counts for the messages of their time: who joined later never had to receive the older ones.
export function stateOf(message, others) {
  if (message.state === 'pending' || message.state === 'sending') return 'pending';
  if (message.state === 'received') return 'received';
  if (message.state !== 'synced') return 'failed';
  const counting = others.filter((m) => (m.since || 0) < message.seq);
  if (counting.length > 0 && counting.every((m) => m.read >= message.seq)) return 'read';
  if (counting.length > 0 && counting.every((m) => m.delivered >= message.seq)) return 'delivered';
  return 'sent';
}

export class Timeline {
  messages = [];       // as the client shows them, oldest first, waiting ones last
  limit = LIMIT.page;  // how many of them are asked for
  first = 0;           // the range that is stored without a hole
  last = 0;
  lines = [];          // what happened between them: { n, after, text, at }
  missed = null;       // what came between welcome and caught_up: { seqs, growing, atLeast? }

  set(messages, { first, last }) {
    const grew = this.messages.length > 0 && messages.length > this.messages.length;
    Object.assign(this, { messages, first, last });
    // Nothing scrolls away under the reader because something new came.
    if (grew && messages.length === this.limit) this.limit = Math.min(LIMIT.messages, this.limit + LIMIT.page);
  }

  find(seq) {
    return this.messages.find((message) => message.seq === seq);
  }

  firstSeq() {
    return this.messages.find(({ seq }) => seq !== undefined)?.seq ?? 0;
  }

  // Whether there is anything older than what we have on the page.
  get more() {
    return this.messages.length < LIMIT.messages && (this.last === 0 || this.first > 1 || this.firstSeq() > this.first);
  }

  // Answers whether more of what is stored will be shown.
  grow() {
    if (this.messages.length < this.limit) {
      this.limit = Math.min(LIMIT.messages, this.limit + LIMIT.page);
      return false;
    }
    this.limit = Math.min(LIMIT.messages, this.limit + LIMIT.page);
    return true;
  }

  addLine(text, at, n) {
    this.lines.push({ n, after: this.last, text, at });
    this.lines = this.lines.slice(-LIMIT.lines);
  }

  // A first visit has missed nothing.
  beginMissing() {
    this.missed = { seqs: new Set(), growing: this.last > 0 };
  }

  miss(seq) {
    if (this.missed?.growing) this.missed.seqs.add(seq);
  }

  missedMore() {
    if (this.missed?.growing) this.missed.atLeast = true;
  }

  endMissing() {
    if (this.missed) this.missed.growing = false;
  }

  forget() {
    Object.assign(this, { messages: [], first: 0, last: 0, lines: [], missed: null });
  }
}
