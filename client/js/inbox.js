// SPDX-License-Identifier: Apache-2.0
//
// inbox.js: the device's place in its user's inbox: takes each event once, and acknowledges what is on disk.
//
// What must stay true:
//   1. The cursor moves in the transaction that holds what the events up to it brought.
//   2. An event whose n is not above the cursor was seen before, and changes nothing.
//   3. Nothing is acknowledged before its transaction is on disk.
//   4. The cursor only rises, except after a reset.
import { isEntry, isPlace } from './check.js';
import { isId } from './ids.js';
import { LIMIT, TIME } from './limits.js';
import { conversationOf, putEntry, raise } from './log.js';

const ENTRIES = new Set(['message', 'edit', 'delete', 'react']);
const UNNUMBERED = new Set(['caught_up', 'gap', 'reset']);

export class Inbox {
  cursor = null; // { epoch, n }, as on disk
  notices = [];  // n of the notifications that are kept
  unacked = 0;   // events on disk that the hub was not told of
  #client;
  #timer;

  constructor(client) {
    this.#client = client;
  }

  async load(store) {
    this.cursor = (await store.get('meta', 'cursor')) ?? null;
    this.notices = (await store.get('meta', 'notices')) ?? [];
  }

  isEvent(frame) {
    return isPlace(frame.n) && !UNNUMBERED.has(frame.type);
  }

  #place(batch) {
    return batch.cursor ?? this.cursor;
  }

  move(cursor, batch) {
    batch.cursor = cursor;
    batch.put('meta', 'cursor', cursor);
    batch.after(() => { this.cursor = cursor; });
  }

  // A numbered event. Answers whether it was new.
  async event(frame, batch) {
    const { metrics } = this.#client;
    const place = this.#place(batch);
    if (!place || frame.n <= place.n) {
      metrics.count('repeats');
      return false; // (2)
    }
    this.move({ epoch: place.epoch, n: frame.n }, batch); // (1)
    batch.after(() => {
      this.unacked++;
      metrics.count('events');
    });
    if (ENTRIES.has(frame.type)) await this.entry(frame, batch);
    else if (frame.type === 'receipt') await this.#receipt(frame, batch);
    else if (frame.type === 'member') await this.#member(frame, batch);
    else if (frame.type === 'notification') this.#notification(frame, batch);
    else batch.after(() => this.#client.emit('event', frame)); // what a later version brings
    return true;
  }

  // An entry of a conversation, or of a channel.
  async entry(frame, batch) {
    if (!isEntry(frame)) return;
    const mine = frame.from === this.#client.user;
    const item = mine ? this.#client.outbox.find(frame.op, frame.conv, batch) : undefined;
    // To the session that sent it its own entry comes without body: it is in the outbox, or in the log already.
    const body = frame.body === undefined && !frame.deleted ? item?.body : frame.body;
    const changed = await putEntry({ ...frame, body }, true, batch);
    if (item) await this.#client.outbox.settle(item, frame.seq, batch);
    this.tell(changed, batch);
  }

  // News of rows that changed, but not of what the outbox tells.
  tell(changed, batch) {
    for (const { what, row } of changed) {
      if (what === '' && (row.type !== 'message' || batch.settled?.has(row.op))) continue;
      batch.after(() => this.#client.emit('message', { what: what || 'received', conv: row.conv, op: row.op, seq: row.seq, message: row }));
    }
  }

  async #receipt({ conv, user, delivered, read }, batch) {
    if (!isId(conv) || typeof user !== 'string' || !isPlace(delivered) || !isPlace(read)) return;
    if (await raise(conv, user, { delivered, read }, batch)) batch.after(() => this.#client.emit('receipt', { conv, user, delivered, read }));
  }

  async #member(frame, batch) {
    const { conv, user, action, role } = frame;
    if (!isId(conv) || typeof user !== 'string') return;
    const row = await conversationOf(conv, batch);
    const others = (row.members ?? []).filter((member) => member.user !== user);
    const gone = action === 'left' || action === 'removed';
    row.members = gone ? others : [...others, { user, role, since: action === 'joined' ? row.last : row.members?.find((member) => member.user === user)?.since ?? 0 }];
    if (user === this.#client.user) row.removed = gone;
    batch.put('conversations', conv, row);
    batch.after(() => this.#client.emit('member', frame));
  }

  #notification(frame, batch) {
    const notices = [...(batch.notices ?? this.notices), frame.n];
    while (notices.length > LIMIT.notices) batch.del('notices', String(notices.shift()));
    batch.notices = notices;
    batch.put('notices', String(frame.n), frame);
    batch.put('meta', 'notices', notices);
    batch.after(() => {
      this.notices = notices;
      this.#client.emit('notification', frame);
    });
  }

  // -- Acknowledging (3)

  acknowledgeSoon() {
    if (this.unacked === 0 || !this.#client.link.isOnline) return;
    if (this.unacked * 4 >= this.#client.link.window) this.acknowledge();
    else this.#timer ??= this.#client.clock.setTimeout(() => this.acknowledge(), TIME.ack);
  }

  acknowledge() {
    this.#clear();
    if (this.unacked === 0 || !this.#client.link.isOnline) return;
    this.unacked = 0;
    this.#client.link.send({ type: 'ack', n: this.cursor.n });
  }

  // The next hello says how far we are.
  lost() {
    this.#clear();
    this.unacked = 0;
  }

  #clear() {
    this.#client.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
