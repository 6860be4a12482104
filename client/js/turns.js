// SPDX-License-Identifier: Apache-2.0
//
// turns.js: one thing after another. Storage is asynchronous, and a client that looked at its state before a transaction
// and acted on it after it would act on the past; so each frame, timer and call of the app is a turn, and turns do not overlap.

export class Turns {
  #tail = Promise.resolve();
  #count = 0;

  // Settles as work does. Must not be awaited inside a turn: it would wait for itself.
  run(work) {
    this.#count++;
    const done = this.#tail.then(work);
    this.#tail = done.then(() => {}, () => {});
    return done;
  }

  // When no turn is left, those included that turns began meanwhile.
  async idle() {
    let before;
    do {
      before = this.#count;
      await this.#tail;
    } while (before !== this.#count);
  }
}
