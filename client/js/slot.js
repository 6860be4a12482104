// SPDX-License-Identifier: Apache-2.0
//
// slot.js: which store a browser tab has, when several tabs of one user are open.
//
//      tab 1 ── lock "belfry/alice/1" ── database 1, device js-5f…     each tab is a device of its own, with its own
//      tab 2 ── lock "belfry/alice/2" ── database 2, device js-c0…     connection, cursor and outbox
//
// Why not one tab that leads and serves the others: a tab would depend on another that the browser may throttle or freeze,
// and all that a tab asks would need a second protocol between tabs. The hub is made for users with many devices. It costs a
// connection and a copy of the store for each tab that is open at the same time, and not one more: slots are used again.
//
// What must stay true:
//   1. A slot has one tab at a time, by a Web Lock, which the browser lets go of when the tab ends, however it ends.
//   2. What was written in a tab that is gone is sent by the next tab of the user that opens, whichever slot it gets: it
//      takes over the outboxes of slots that nobody holds. Killed in between, both have it, and the op makes it one.
//   3. Without Web Locks (a page that is no secure context) there is slot 1 only, and the hub lets one tab replace the other.
import { BelfryError } from './errors.js';
import { LIMIT, TIME } from './limits.js';
import { IndexedDbStore, databaseExists } from './store-indexeddb.js';

const nameOf = (user, slot) => `belfry/${user}/${slot}`;

// A function that lets go of the lock, or undefined if somebody holds it, also after wait_ms.
function tryLock(name, wait_ms = 0) {
  return new Promise((resolve, reject) => {
    const how = wait_ms > 0 ? { signal: AbortSignal.timeout(wait_ms) } : { ifAvailable: true };
    navigator.locks.request(name, how, (lock) => {
      if (!lock) {
        resolve(undefined);
        return undefined;
      }
      return new Promise((letGo) => { resolve(letGo); });
    }).catch((error) => (error.name === 'TimeoutError' || error.name === 'AbortError' ? resolve(undefined) : reject(error)));
  });
}

// A tab that is loaded anew wants the slot it had, whose lock may be let go of a moment later than it asks.
const remembered = {
  get: (user) => {
    try {
      return Number(globalThis.sessionStorage?.getItem(`belfry/slot/${user}`)) || 0;
    } catch {
      return 0; // a page that may keep nothing
    }
  },
  set: (user, slot) => {
    try {
      globalThis.sessionStorage?.setItem(`belfry/slot/${user}`, String(slot));
    } catch {
      // then it takes the first free one
    }
  },
};

// { store, slot, release() }. only: this slot or none, as a service worker wants it: who holds it does the work already.
export async function takeSlot(user, only) {
  if (!globalThis.navigator?.locks) return { store: new IndexedDbStore(nameOf(user, 1)), slot: 1, release: () => {} };
  const before = only ? 0 : remembered.get(user);
  const slots = only ? [only] : Array.from({ length: LIMIT.slots }, (_, index) => index + 1);
  for (const slot of before ? [before, ...slots] : slots) {
    const release = await tryLock(nameOf(user, slot), slot === before ? TIME.reload : 0);
    if (!release) continue;
    if (!only) remembered.set(user, slot);
    return { store: new IndexedDbStore(nameOf(user, slot)), slot, release };
  }
  throw new BelfryError('busy', only ? 'a tab of this user is open' : `${LIMIT.slots} tabs of this user are open`);
}

// (2) The slots are taken from 1 upwards, so the first one without a database is the end. Answers with what was left behind.
export async function adoptOutboxes(user, mine, store) {
  const adopted = [];
  if (!globalThis.navigator?.locks) return adopted;
  for (let slot = 1; slot <= LIMIT.slots; slot++) {
    if (slot === mine) continue;
    if (!await databaseExists(nameOf(user, slot))) break;
    const release = await tryLock(nameOf(user, slot));
    if (!release) continue;
    const left = new IndexedDbStore(nameOf(user, slot));
    try {
      await left.open();
      adopted.push(...await move(left, store));
    } finally {
      await left.close();
      release();
    }
  }
  return adopted;
}

async function move(from, to) {
  const items = await from.range('outbox');
  if (items.length === 0) return items;
  const own = await to.range('outbox');
  const last = Math.max(0, ...own.map(({ order }) => order));
  const known = new Set(own.map(({ op }) => op));
  items.sort((a, b) => a.order - b.order);
  const wanted = items.filter(({ op }) => !known.has(op)).map((item, index) => ({ ...item, order: last + 1 + index }));
  await to.commit(wanted.map((item) => ({ table: 'outbox', key: item.op, value: item })));
  await from.commit(items.map(({ op }) => ({ table: 'outbox', key: op, value: undefined })));
  return wanted;
}
