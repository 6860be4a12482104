// SPDX-License-Identifier: Apache-2.0
//
// outbox.js: what was typed and is not known to be stored by the hub.
//
// What must stay true:
//   1. A message is kept (localStorage) before it is sent, and has one op through every retry: the hub stores it once,
//      however often it is sent.
//   2. It leaves the outbox only when the hub said that it is stored (by reply, event or history), or when the reader
//      discards it.
//   3. One is under way at a time: a message that must wait holds back the later ones, so they are stored as typed.
import { uuidv7 } from './ids.js';
import { kept } from './kept.js';
import { LIMIT } from './limits.js';
import { link } from './link.js';
import { backoff } from './retry.js';

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export const outbox = {
  items: [], // { op, conv, text, at, failed? }
  busy: false,
  key: '',
  on: {},    // set at the start: ready(), stored(item, reply), changed()

  open(user, device) {
    this.key = `outbox.${user}.${device}`;
    this.items = kept.get(localStorage, this.key, []);
    this.adopt(user, device);
  },

  // A tab that was closed while offline leaves its outbox behind; the next tab of the same user takes it over. Each tab
  // holds a lock in its device's name, so what has no lock has no owner. Should two tabs ever adopt the same message, the hub
  // stores it once: the op is the same.
  async adopt(user, device) {
    if (!navigator.locks) return; // absent outside of secure contexts
    const mine = this.key;
    navigator.locks.request(`belfry.${user}.${device}`, () => new Promise(() => {})); // held until the tab ends
    const { held } = await navigator.locks.query();
    if (mine !== this.key) return; // the reader changed the name meanwhile
    const prefix = `outbox.${user}.`;
    for (const key of kept.keys(localStorage, prefix)) {
      const owner = key.slice(prefix.length);
      if (key === mine || held.some((lock) => lock.name === `belfry.${user}.${owner}`)) continue;
      const known = new Set(this.items.map((item) => item.op));
      this.items.unshift(...kept.get(localStorage, key, []).filter((item) => !known.has(item.op)));
      if (this.save()) kept.remove(localStorage, key);
    }
    this.on.changed();
    this.pump();
  },

  save() {
    if (this.items.length > 0) return kept.set(localStorage, this.key, this.items);
    kept.remove(localStorage, this.key);
    return true;
  },

  // False if it cannot be kept: then it must not be sent either (1), and stays in the reader's hands.
  add(conv, text) {
    if (this.items.length >= LIMIT.outbox) return false;
    this.items.push({ op: uuidv7(Date.now()), conv, text, at: Date.now() });
    if (!this.save()) {
      this.items.pop();
      return false;
    }
    this.pump();
    return true;
  },

  find(op) {
    return this.items.find((item) => item.op === op);
  },

  waiting() {
    return this.items.filter((item) => !item.failed);
  },

  remove(op) {
    this.items = this.items.filter((item) => item.op !== op);
    this.save();
  },

  retry(op) {
    delete this.find(op)?.failed;
    this.save();
    this.pump();
  },

  // Sends what waits, as long as the room is ready for it; called again when it is.
  async pump() {
    if (this.busy) return;
    this.busy = true;
    for (;;) {
      const [item] = this.waiting();
      if (!item || !this.on.ready()) break;
      try {
        const frame = { type: 'send', conv: item.conv, op: item.op, body: { text: item.text } };
        await link.request(frame, (reply) => this.on.stored(item, reply));
      } catch (error) {
        if (error.code === 'lost') break;
        await this.refused(item, error);
      }
      this.on.changed();
    }
    this.busy = false;
    this.on.changed();
  },

  async refused(item, error) {
    if (error.temporary) {
      await pause(error.retry_after_ms ?? (error.code === 'no_reply' ? 0 : backoff(2, link.retry, Math.random())));
    } else {
      item.failed = error.message || error.code;
      this.save();
      if (error.code === 'not_found') link.rejoin(); // then the reader can try again
    }
  },
};
