// SPDX-License-Identifier: Apache-2.0
//
// store-memory.js: a store that ends with the process: for tests, and the shape that every adapter has.
//
//      open     before all else; rejects if it is corrupt or in use
//      get      of (table, key): the value, or undefined
//      range    of (table, { from, to, limit, reverse }): values of keys from <= key < to, in the order of keys
//      commit   of a list of { table, key, value } (undefined: delete) and { table, clear: true }, in order: all of them
//               or none, and on disk when it resolves
//      close
//
// Keys are strings and ordered as JavaScript orders them; values are what JSON can hold, and are the caller's no more.

export const TABLES = ['meta', 'outbox', 'entries', 'conversations', 'receipts', 'channels', 'notices'];

const copyOf = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

export class MemoryStore {
  tables = new Map(TABLES.map((table) => [table, new Map()]));

  async open() {}

  async close() {}

  async get(table, key) {
    return copyOf(this.tables.get(table).get(key));
  }

  async range(table, { from = '', to, limit = Infinity, reverse = false } = {}) {
    const rows = this.tables.get(table);
    const keys = [...rows.keys()].filter((key) => key >= from && (to === undefined || key < to)).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => copyOf(rows.get(key)));
  }

  async commit(changes) {
    this.apply(changes.map((change) => ({ ...change, value: copyOf(change.value) })));
  }

  apply(changes) {
    for (const { table, key, value, clear } of changes) {
      const rows = this.tables.get(table);
      if (clear) rows.clear();
      else if (value === undefined) rows.delete(key);
      else rows.set(key, value);
    }
  }
}
