// SPDX-License-Identifier: Apache-2.0
//
// kept.js: what survives a reload and is not the client's: the name, the room, the panel.
export const kept = {
  get(storage, key, otherwise) {
    try {
      return JSON.parse(storage.getItem(`belfry.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },

  // A storage that is full or forbidden costs a convenience, and nothing else.
  set(storage, key, value) {
    try {
      storage.setItem(`belfry.${key}`, JSON.stringify(value));
    } catch {
      // it is asked again next time
    }
  },

  remove(storage, key) {
    storage.removeItem(`belfry.${key}`);
  },
};
