// SPDX-License-Identifier: Apache-2.0
//
// kept.js: what survives a reload.
//
// A tab is a device: its id, cursor and room live in sessionStorage and end with it. The outbox lives in localStorage and
// survives the tab, too: see outbox.adopt().
import { uuidv7 } from './ids.js';

export const kept = {
  get(storage, key, otherwise) {
    try {
      return JSON.parse(storage.getItem(`belfry.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },

  // False if the storage is full or forbidden: then the caller must not promise anything.
  set(storage, key, value) {
    try {
      storage.setItem(`belfry.${key}`, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },

  remove(storage, key) {
    storage.removeItem(`belfry.${key}`);
  },

  keys(storage, prefix) {
    const whole = `belfry.${prefix}`;
    return Object.keys(storage).filter((key) => key.startsWith(whole)).map((key) => key.slice('belfry.'.length));
  },
};

export function deviceId() {
  let device = kept.get(sessionStorage, 'device', null);
  if (!device) {
    device = `web-${uuidv7(Date.now()).slice(-12)}`;
    kept.set(sessionStorage, 'device', device);
  }
  return device;
}
