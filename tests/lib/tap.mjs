// SPDX-License-Identifier: Apache-2.0
// tap.mjs: says `ok N - …` and `not ok N - …`, one line a fact, and at the end how many of each.
//
// 1. A test that was announced (`1..N`, or a case of a table) and did not run counts as failed.
// 2. The exit status is 0 only if at least one fact was stated and all of them hold.

import { writeSync } from 'node:fs';

export class Tap {
  constructor(title) {
    this.count = 0;
    this.failed = [];
    this.started = Date.now();
    if (title) this.note(title);
  }

  ok(holds, sentence, diagnostics) {
    this.count += 1;
    if (!holds) this.failed.push(sentence);
    say(`${holds ? 'ok' : 'not ok'} ${this.count} - ${sentence}`);
    if (!holds && diagnostics !== undefined) this.note(diagnostics);
    return holds;
  }

  // Runs one case: it passes if it returns, fails with what it throws.
  async run(sentence, work) {
    const started = Date.now();
    try {
      await work();
      return this.ok(true, `${sentence} (${Date.now() - started} ms)`);
    } catch (error) {
      return this.ok(false, `${sentence} (${Date.now() - started} ms)`, error?.diagnostics ?? error?.stack ?? String(error));
    }
  }

  note(text) {
    for (const line of String(text).split('\n')) say(`# ${line}`);
  }

  // Ends the program with the right status; nothing that is still open keeps it alive.
  finish() {
    const seconds = ((Date.now() - this.started) / 1000).toFixed(1);
    say(`1..${this.count}`);
    this.note(`${this.count - this.failed.length} passed, ${this.failed.length} failed, in ${seconds} s`);
    for (const sentence of this.failed) this.note(`failed: ${sentence}`);
    process.exit(this.count > 0 && this.failed.length === 0 ? 0 : 1);
  }
}

// Written at once, so that a crash of the test does not swallow what it had to say.
function say(line) {
  try {
    writeSync(1, `${line}\n`);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    process.stdout.write(`${line}\n`);
  }
}
