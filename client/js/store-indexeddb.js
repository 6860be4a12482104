// SPDX-License-Identifier: Apache-2.0
//
// store-indexeddb.js: the store of a browser: a database, an object store for each table.
//
// What must stay true:
//   1. commit() resolves when the transaction is complete, with durability "strict": on disk, and not only told to the disk.
//   2. A database whose connection the browser closed (storage cleared, a later version of the page) is opened again at the
//      next use, once; a failure is told and nothing is retried in silence.
import { BelfryError } from './errors.js';
import { TABLES } from './store-memory.js';

const VERSION = 1;

const asked = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

function openDatabase(name) {
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    for (const table of TABLES) if (!request.result.objectStoreNames.contains(table)) request.result.createObjectStore(table);
  };
  return asked(request);
}

// Whether there is such a database; indexedDB.databases() is not everywhere, and opening would make it.
export function databaseExists(name) {
  return new Promise((resolve) => {
    const request = indexedDB.open(name);
    let isNew = false;
    request.onupgradeneeded = (event) => {
      if (event.oldVersion !== 0) return;
      isNew = true;
      request.transaction.abort();
    };
    request.onsuccess = () => {
      request.result.close();
      resolve(true);
    };
    request.onerror = (event) => {
      event.preventDefault();
      resolve(!isNew);
    };
  });
}

export class IndexedDbStore {
  #database;

  constructor(name) {
    this.name = name;
  }

  async open() {
    try {
      this.#database = await openDatabase(this.name);
    } catch (cause) {
      throw new BelfryError('store', `IndexedDB: ${cause?.message}`, { cause });
    }
    this.#database.onclose = () => { this.#database = undefined; };
    this.#database.onversionchange = () => {
      this.#database?.close();
      this.#database = undefined;
    };
  }

  async close() {
    this.#database?.close();
    this.#database = undefined;
  }

  async #transaction(tables, mode, work) {
    if (!this.#database) await this.open(); // (2)
    try {
      const transaction = this.#database.transaction(tables, mode, mode === 'readwrite' ? { durability: 'strict' } : undefined);
      const complete = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
      });
      const [result] = await Promise.all([work(transaction), complete]); // (1)
      return result;
    } catch (cause) {
      throw new BelfryError('store', `IndexedDB: ${cause?.message}`, { cause });
    }
  }

  get(table, key) {
    return this.#transaction([table], 'readonly', (transaction) => asked(transaction.objectStore(table).get(key)));
  }

  range(table, { from = '', to, limit, reverse = false } = {}) {
    const keys = to === undefined ? IDBKeyRange.lowerBound(from) : IDBKeyRange.bound(from, to, false, true);
    return this.#transaction([table], 'readonly', (transaction) => {
      const rows = transaction.objectStore(table);
      if (!reverse) return asked(rows.getAll(keys, limit));
      return new Promise((resolve, reject) => {
        const found = [];
        const request = rows.openCursor(keys, 'prev');
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const cursor = request.result;
          if (!cursor || found.length >= (limit ?? Infinity)) return resolve(found);
          found.push(cursor.value);
          return cursor.continue();
        };
      });
    });
  }

  commit(changes) {
    const tables = [...new Set(changes.map(({ table }) => table))];
    return this.#transaction(tables, 'readwrite', async (transaction) => {
      for (const { table, key, value, clear } of changes) {
        const rows = transaction.objectStore(table);
        if (clear) rows.clear();
        else if (value === undefined) rows.delete(key);
        else rows.put(value, key);
      }
    });
  }
}
