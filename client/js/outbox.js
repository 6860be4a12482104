// SPDX-License-Identifier: Apache-2.0
//
// outbox.js: what the app has sent and the hub is not known to have stored.
//
//                     frame leaves            sent, event or history
//      pending ----------------------> sending ---------------------> (gone: the entry is in the log) synced
//         ^  ^                            |  |
//         |  '-- lost, no reply, temporary'  '--> failed CODE · conflicted      any that waits too long: expired
//         '------------------ retry ------------------'
//
// What must stay true:
//   1. An item is on disk before anything else is done with it, and keeps its op through every retry.
//   2. `tried` is on disk before the first byte leaves: from then on the hub may have it, so its body is fixed, and it is
//      not taken back.
//   3. It leaves the outbox in the transaction that puts its entry into the log, or when the app cancels it.
//   4. Of one conversation one item is under way at a time, the first that waits; what failed is set aside, and holds up only
//      what is about it. A lost connection uses up no attempt.
import { checkItem, isPlace, textOf } from './check.js';
import { BelfryError } from './errors.js';
import { isId, uuidv7 } from './ids.js';
import { LIMIT, RETRY, TIME } from './limits.js';
import { entryKey, putEntry } from './log.js';
import { backoff, waitOf } from './retry.js';

const WAITING = new Set(['pending', 'sending']);
const FINAL = new Set(['bad_request', 'too_large']);

export class Outbox {
  items = new Map(); // op -> item, as on disk; an item is replaced, never changed
  #client;
  #order = 0;
  #timer;

  constructor(client) {
    this.#client = client;
  }

  // What was under way when the process ended is pending again.
  async load(store) {
    const items = await store.range('outbox');
    items.sort((a, b) => a.order - b.order);
    const batch = this.#client.batch();
    for (const item of items) {
      const state = item.state === 'sending' ? 'pending' : item.state;
      if (state !== item.state) batch.put('outbox', item.op, { ...item, state });
      this.items.set(item.op, { ...item, state });
      this.#order = Math.max(this.#order, item.order);
    }
    await batch.commit();
    this.wake();
  }

  sorted() {
    return [...this.items.values()].sort((a, b) => a.order - b.order);
  }

  // By op, unless this transaction has settled it already.
  find(op, conv, batch) {
    const item = this.items.get(op);
    return item && (conv === undefined || item.conv === conv) && !batch?.settled?.has(op) ? item : undefined;
  }

  // An item changes: on disk with the batch, in memory and at the app behind it.
  #put(item, batch, what = item.state) {
    batch.put('outbox', item.op, item);
    batch.after(() => {
      this.items.set(item.op, item);
      if (what) this.#tell(item, what);
    });
    return item;
  }

  #del(item, batch, what) {
    batch.del('outbox', item.op);
    batch.after(() => {
      this.items.delete(item.op);
      if (what) this.#tell(item, what);
    });
  }

  #tell(item, what, seq) {
    this.#client.emit('message', { what, conv: item.conv, op: item.op, seq, item });
  }

  // -- What the app asks for. All of these run in a turn.

  // Answers with the item, on disk.
  async add({ conv, body, kind = 'message', ref, ref_op, push, op }) {
    if (this.items.size >= LIMIT.outbox) throw new BelfryError('full', `the outbox has ${LIMIT.outbox} items`);
    const now = this.#client.clock.now();
    const made = op ?? uuidv7(now, this.#client.options.random);
    const known = this.items.get(made);
    if (known) return known; // the app repeats itself
    const kept = checkItem({ conv, op: made, kind, ref, body, push }, this.#client.link.maxFrame);
    const item = {
      op: made, conv, kind, body: kept, ref, ref_op, push, state: 'pending', at: now, expires: now + (this.#client.options.expires_ms ?? TIME.expires),
      attempts: 0, tried: false, due: 0, order: ++this.#order,
    };
    for (const [field, value] of Object.entries(item)) if (value === undefined) delete item[field];
    const batch = this.#client.batch();
    this.#put(item, batch);
    await batch.commit(); // (1)
    await this.pump();
    return item;
  }

  // What is about this message, and that the hub cannot have.
  #about({ op, conv, seq }, kinds) {
    const isAbout = (item) => (op !== undefined && item.ref_op === op) || (seq !== undefined && item.conv === conv && item.ref === seq);
    return this.sorted().filter((item) => kinds.includes(item.kind) && isAbout(item) && !item.tried);
  }

  // target: { op } of an own message, or { conv, seq }. Answers with the item that stands for the change, or undefined if
  // the message never left and is gone.
  async edit(target, body) {
    const place = await this.#find(target);
    if (place.item && !place.item.tried) return this.#rewrite(place.item, body);
    const [waiting] = this.#about(place, ['edit']).filter((item) => item.state === 'pending').slice(-1);
    if (waiting) return this.#rewrite(waiting, body);
    return this.add({ conv: place.conv, kind: 'edit', body, ...this.#refOf(place) });
  }

  async remove(target) {
    const place = await this.#find(target);
    if (place.item && this.#isTaken(place.item)) {
      await this.#cancel(place.item);
      return undefined;
    }
    const batch = this.#client.batch();
    for (const item of this.#about(place, ['edit', 'react'])) this.#del(item, batch, 'cancelled');
    await batch.commit();
    return this.add({ conv: place.conv, kind: 'delete', ...this.#refOf(place) });
  }

  async react(target, body) {
    const place = await this.#find(target);
    return this.add({ conv: place.conv, kind: 'react', body, ...this.#refOf(place) });
  }

  #refOf({ item, seq }) {
    return item ? { ref_op: item.op } : { ref: seq };
  }

  async #find({ op, conv, seq }) {
    const item = op === undefined ? undefined : this.items.get(op);
    if (item) return { item, op, conv: item.conv };
    if (op !== undefined && conv === undefined) throw new BelfryError('not_found', `no message with the op ${op} waits; name it by conv and seq`);
    if (!isId(conv) || !Number.isSafeInteger(seq)) throw new BelfryError('bad_request', 'a message is named by { op } or { conv, seq }');
    return { conv, seq, op: (await this.#client.batch().get('entries', entryKey(conv, seq)))?.op };
  }

  async #rewrite(item, body) {
    const kept = checkItem({ ...item, body }, this.#client.link.maxFrame);
    const batch = this.#client.batch();
    const after = this.#put({ ...item, body: kept }, batch, 'edited');
    await batch.commit();
    return after;
  }

  // Whether it can be taken back: the hub cannot have it (2), or we have stopped trying.
  #isTaken(item) {
    return !item.tried || !WAITING.has(item.state);
  }

  async cancel(op) {
    const item = this.items.get(op);
    if (!item || !this.#isTaken(item)) return false;
    await this.#cancel(item);
    return true;
  }

  async #cancel(item) {
    const batch = this.#client.batch();
    this.#del(item, batch, 'cancelled');
    for (const about of this.#about({ op: item.op }, ['edit', 'delete', 'react'])) this.#del(about, batch, 'cancelled');
    await batch.commit();
    await this.pump();
  }

  async retry(op) {
    const item = this.items.get(op);
    if (!item || WAITING.has(item.state)) return false;
    const batch = this.#client.batch();
    const { reason, message, retryable, ...rest } = item;
    const expires = this.#client.clock.now() + (this.#client.options.expires_ms ?? TIME.expires);
    this.#put({ ...rest, state: 'pending', attempts: 0, due: 0, order: ++this.#order, expires }, batch);
    await batch.commit();
    await this.pump();
    return true;
  }

  // -- Sending

  // Which may leave now: the first that waits of each conversation (4). Also for a background sync.
  eligible(now) {
    const seen = new Set();
    const found = [];
    let busy = 0;
    for (const item of this.sorted()) {
      if (!WAITING.has(item.state) || seen.has(item.conv)) continue;
      if (item.ref_op !== undefined) continue; // its message is not stored; should that wait, it holds up the conversation itself
      seen.add(item.conv);
      if (item.state === 'sending') busy++;
      else if (item.due <= now) found.push(item);
    }
    return found.slice(0, Math.max(0, LIMIT.inFlight - busy));
  }

  frameOf({ conv, op, kind, body, ref, push }) {
    return { type: 'send', conv, op, ...(kind !== 'message' && { kind }), ...(ref !== undefined && { ref }), ...(body !== undefined && { body }), ...(push && { push }) };
  }

  // On disk before they leave (2).
  async begin(items) {
    const batch = this.#client.batch();
    const begun = [];
    for (const item of items) {
      try {
        checkItem(item, this.#client.link.maxFrame);
      } catch (error) { // this hub takes less than the one that was there when it was written
        this.#put({ ...item, state: 'failed', reason: error.code, message: error.message, retryable: false }, batch);
        continue;
      }
      if (item.tried) this.#client.metrics.count('retries');
      begun.push(this.#put({ ...item, state: 'sending', tried: true }, batch));
    }
    await batch.commit();
    return begun;
  }

  async pump() {
    await this.#expire();
    const { link, clock } = this.#client;
    while (link.isOnline) {
      const items = this.eligible(clock.now());
      if (items.length === 0) break;
      for (const { op } of await this.begin(items)) this.#transmit(this.items.get(op));
    }
    this.wake();
  }

  #transmit(item) {
    this.#client.link.request(this.frameOf(item), {
      reply: (frame, batch) => this.answered(item.op, frame, batch),
      late: (batch) => this.#again(item.op, {}, batch),
    });
  }

  // The reply to a send. The event that gives its n may come before or behind it.
  async answered(op, frame, batch) {
    const item = this.find(op, undefined, batch);
    if (!item) return;
    if (frame.type === 'sent' && isPlace(frame.seq) && frame.seq > 0) {
      if (frame.duplicate) this.#client.metrics.count('duplicates');
      const { conv, kind, ref, body } = item;
      const { user, device } = this.#client;
      const changed = await putEntry({ type: kind, conv, seq: frame.seq, ref, from: user, device, op, at: frame.at, body }, false, batch);
      await this.settle(item, frame.seq, batch);
      this.#client.inbox.tell(changed, batch);
    } else if (frame.type === 'error') {
      this.#refused(item, frame, batch);
    }
  }

  // It is in the log: what is about it learns its seq.
  async settle(item, seq, batch) {
    (batch.settled ??= new Set()).add(item.op);
    batch.del('outbox', item.op);
    const dependents = this.sorted().filter((each) => each.ref_op === item.op);
    for (const { ref_op, ...rest } of dependents) this.#put({ ...rest, ref: seq }, batch, '');
    batch.after(() => {
      this.items.delete(item.op);
      this.#client.metrics.ended('synced', this.#client.clock.now() - item.at);
      this.#tell(item, 'synced', seq);
    });
  }

  #refused(item, frame, batch) {
    const { temporary, retry_after_ms } = frame;
    const code = textOf(frame.code, 'internal');
    const attempts = item.attempts + 1;
    if (temporary === true && attempts < LIMIT.attempts) {
      const wait = waitOf(retry_after_ms) ?? backoff(item.attempts, RETRY, this.#client.chance());
      this.#again(item.op, { attempts, due: this.#client.clock.now() + wait }, batch);
      return;
    }
    const ended = { ...item, attempts, reason: code, message: textOf(frame.message), retryable: !FINAL.has(code), tried: temporary === true };
    const state = code === 'conflict' ? 'conflicted' : 'failed';
    this.#put({ ...ended, state }, batch);
    batch.after(() => this.#client.metrics.ended(state));
  }

  #again(op, more, batch) {
    const item = this.find(op, undefined, batch);
    if (item?.state === 'sending') this.#put({ ...item, ...more, state: 'pending' }, batch);
  }

  // The connection is lost: no attempt is used up.
  async lost() {
    const batch = this.#client.batch();
    for (const { op } of this.sorted()) this.#again(op, {}, batch);
    await batch.commit().catch(() => batch.tell()); // it is what load() makes of it
  }

  // -- Time

  async #expire() {
    const now = this.#client.clock.now();
    const over = this.sorted().filter((item) => item.state === 'pending' && item.expires <= now);
    if (over.length === 0) return;
    const batch = this.#client.batch();
    for (const item of over) {
      this.#put({ ...item, state: 'expired' }, batch);
      batch.after(() => this.#client.metrics.ended('expired'));
    }
    await batch.commit();
  }

  // One timer, for whatever comes first: an item that is due again, or over.
  wake() {
    const { clock, link } = this.#client;
    clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const times = [];
    for (const item of this.items.values()) {
      if (item.state !== 'pending') continue;
      times.push(item.expires);
      if (link.isOnline && item.due > clock.now()) times.push(item.due);
    }
    if (times.length === 0 || this.#client.isClosed) return;
    const wait = Math.min(Math.max(0, Math.min(...times) - clock.now()), 2 ** 31 - 1);
    this.#timer = clock.setTimeout(() => this.#client.turn(() => this.pump()), wait);
  }

  close() {
    this.#client.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
