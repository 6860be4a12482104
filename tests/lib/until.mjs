// SPDX-License-Identifier: Apache-2.0
// until.mjs: waiting for something that should happen, with a deadline and a sentence for the case that it does not.
//
// Nothing here waits for "long enough": an expectation ends as soon as it holds. What changes tells its Watchers
// (changed()); what cannot tell (a file in /proc, an HTTP answer) is asked again and again by eventually().

// How long an expectation may take. Sanitizer builds and loaded machines set more.
export const DEADLINE_MS = Number(process.env.BELFRY_TEST_DEADLINE_MS ?? 15000);

export class Late extends Error {}

// A thing whose state others wait for.
export class Watched {
  #waiting = new Set();

  changed() {
    for (const waiting of [...this.#waiting]) waiting.look();
  }

  // Resolves with what holds() returns as soon as that is truthy; rejects with "waited 15 s for: …".
  until(holds, sentence, deadline_ms = DEADLINE_MS) {
    return new Promise((resolve, reject) => {
      const waiting = {
        look: () => {
          let value;
          try {
            value = holds();
          } catch (error) {
            done(() => reject(error));
            return;
          }
          if (value) done(() => resolve(value));
        },
      };
      const timer = setTimeout(() => {
        const text = typeof sentence === 'function' ? sentence() : sentence;
        done(() => reject(new Late(`waited ${deadline_ms / 1000} s for: ${text}`)));
      }, deadline_ms);
      const done = (settle) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        settle();
      };
      this.#waiting.add(waiting);
      waiting.look();
    });
  }
}

// Asks until the answer is truthy. An error counts as "not yet"; the last one is told if it never came right.
export async function eventually(ask, sentence, { deadline_ms = DEADLINE_MS, every_ms = 25 } = {}) {
  const end = Date.now() + deadline_ms;
  let last;
  for (;;) {
    try {
      last = undefined;
      const value = await ask();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) {
      const text = typeof sentence === 'function' ? sentence() : sentence;
      throw new Late(`waited ${deadline_ms / 1000} s for: ${text}${last ? ` (${last.message})` : ''}`);
    }
    await pause(every_ms);
  }
}

// The time between two questions, between two faults of a chaos run, or of a backoff: never in place of an expectation.
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms)); // pause: this is the one place where time passes
}

// Does work once it is time_ms by the time of day. A timer has another clock, and may come some ms before: while a machine's time is being
// set right, as behind its start, the two run at different speeds.
export function when(time_ms, work) {
  const left_ms = time_ms - Date.now();
  if (left_ms > 0) setTimeout(() => when(time_ms, work), left_ms);
  else work();
}
