// SPDX-License-Identifier: Apache-2.0
// chance.mjs: chance from a seed, so that a failed run can be repeated (mulberry32, a public-domain generator).

export class Chance {
  #state;

  constructor(seed) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  // In [0, 1).
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(limit) {
    return Math.floor(this.next() * limit);
  }

  between(low, high) {
    return low + this.below(high - low + 1);
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

export function seedFrom(text) {
  return text === undefined ? (Date.now() ^ (process.pid << 16)) >>> 0 : Number(text) >>> 0;
}
