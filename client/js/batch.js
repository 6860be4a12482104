// SPDX-License-Identifier: Apache-2.0
//
// batch.js: one transaction as it grows. It is read through, so that the second frame of a breath sees what the first
// one changed; and what the app is told of it waits until it is on disk.
import { BelfryError } from './errors.js';

// An adapter may be the app's own, and throw what it likes.
async function told(work) {
  try {
    return await work();
  } catch (error) {
    throw BelfryError.ofStore(error);
  }
}

export class Batch {
  #store;
  #changes = new Map(); // "table\0key" -> { table, key, value }
  #cleared = new Set();
  #news = [];

  constructor(store) {
    this.#store = store;
  }

  async get(table, key) {
    const change = this.#changes.get(`${table}\0${key}`);
    if (change) return change.value;
    return this.#cleared.has(table) ? undefined : told(() => this.#store.get(table, key));
  }

  // Rows of the store as it was before this batch.
  range(table, options) {
    return told(() => this.#store.range(table, options));
  }

  put(table, key, value) {
    this.#changes.set(`${table}\0${key}`, { table, key, value });
  }

  del(table, key) {
    this.put(table, key, undefined);
  }

  // All rows of a table, those put before in this batch included.
  clear(table) {
    this.#cleared.add(table);
    for (const [id, change] of this.#changes) if (change.table === table) this.#changes.delete(id);
  }

  // Called after the commit, in order: here belong the app's news, and what memory knows.
  after(tell) {
    this.#news.push(tell);
  }

  async commit() {
    const changes = [...[...this.#cleared].map((table) => ({ table, clear: true })), ...this.#changes.values()];
    if (changes.length > 0) await told(() => this.#store.commit(changes));
    this.tell();
  }

  // For what must be known in memory even though the disk refuses it, and is the same after a restart.
  tell() {
    for (const tell of this.#news) tell();
  }
}
