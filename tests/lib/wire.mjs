// SPDX-License-Identifier: Apache-2.0
// wire.mjs: the wire between a hub and its Redis, to be held still and to be cut: a proxy from a Unix socket to a Unix socket.
//
// 1. What was read from one side is written to the other, or to nobody: a cut loses what is under way, in both directions.
// 2. A cut breaks connections, some or all of them; whoever connects again gets through, unless the wire is down.

import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { makeFolder } from './started.mjs';

export class Wire {
  #pairs = new Set();

  constructor(target) {
    this.target = target;
    this.socket = join(makeFolder('wire'), 'wire.sock');
    this.url = `unix://${this.socket}`;
    this.cuts = 0;
  }

  async open() {
    this.server = createServer((near) => this.#join(near));
    await new Promise((resolve) => this.server.listen(this.socket, resolve));
    return this;
  }

  #join(near) {
    const far = createConnection(this.target);
    const pair = { near, far };
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('error', () => {}); // 'close' follows
      from.on('data', (bytes) => to.write(bytes));
      from.on('close', () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
    if (this.held) this.#hold(pair);
  }

  #hold({ near, far }) {
    near.pause();
    far.pause();
  }

  // Nothing passes until release(); nobody is disconnected.
  hold() {
    this.held = true;
    for (const pair of this.#pairs) this.#hold(pair);
  }

  release() {
    this.held = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  // Breaks those connections that which() picks.
  cut(which = () => true) {
    for (const { near, far } of [...this.#pairs]) {
      if (!which()) continue;
      this.cuts += 1;
      near.destroy();
      far.destroy();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}
