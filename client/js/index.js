// SPDX-License-Identifier: Apache-2.0
//
// index.js: what the package exports. Node's file store is belfry-client/file: a browser has no files to import.
import { Client } from './client.js';
import { BelfryError } from './errors.js';
import { adoptOutboxes, takeSlot } from './slot.js';

export { Client } from './client.js';
export { BelfryError } from './errors.js';
export { uuidv7 } from './ids.js';
export { MemoryStore, TABLES } from './store-memory.js';
export { IndexedDbStore } from './store-indexeddb.js';
export { backoff, newRetry, stepRetry } from './retry.js';

// A client with its store open; start() connects it. Without options.store it is the browser's (see slot.js).
export async function openClient(options) {
  if (options.store) return Client.open(options);
  if (!globalThis.indexedDB) throw new BelfryError('bad_request', 'there is no IndexedDB here: give options.store');
  const { store, slot, release } = await takeSlot(options.user, options.slot);
  try {
    await store.open();
    await adoptOutboxes(options.user, slot, store);
    const client = await Client.open({ ...options, store, release });
    client.followPage();
    return client;
  } catch (error) {
    await store.close();
    release();
    throw error;
  }
}
