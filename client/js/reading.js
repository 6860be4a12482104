// SPDX-License-Identifier: Apache-2.0
//
// reading.js: how far the user has read in each conversation, kept until the hub knows it.
import { conversationOf, raise } from './log.js';

export class Reading {
  wanted = new Map(); // conv -> seq that the hub is still to be told
  #client;

  constructor(client) {
    this.#client = client;
  }

  async load(store) {
    for (const { conv, reading } of await store.range('conversations')) if (reading) this.wanted.set(conv, reading);
  }

  // Only what is new, and the latest only.
  async read(conv, seq) {
    const batch = this.#client.batch();
    const known = await batch.get('receipts', `${conv}/${this.#client.user}`);
    if (seq <= Math.max(known?.read ?? 0, this.wanted.get(conv) ?? 0)) return;
    batch.put('conversations', conv, { ...await conversationOf(conv, batch), reading: seq });
    batch.after(() => this.wanted.set(conv, seq));
    await batch.commit();
    this.#say(conv, seq);
  }

  welcomed() {
    for (const [conv, seq] of this.wanted) this.#say(conv, seq);
  }

  frames() {
    return [...this.wanted].map(([conv, seq]) => ({ type: 'read', conv, seq }));
  }

  #say(conv, seq) {
    if (!this.#client.link.isOnline) return;
    this.#client.link.request({ type: 'read', conv, seq }, { reply: (frame, batch) => this.answered(conv, seq, frame, batch) });
  }

  // Refused for good: it is not said again. Else after the next welcome.
  async answered(conv, seq, frame, batch) {
    if (frame.type === 'error' && frame.temporary === true) return;
    if (frame.type === 'ok') await raise(conv, this.#client.user, { read: seq }, batch);
    if (this.wanted.get(conv) !== seq) return; // more was read meanwhile
    const { reading, ...row } = await conversationOf(conv, batch);
    batch.put('conversations', conv, row);
    batch.after(() => this.wanted.delete(conv));
  }
}
