// SPDX-License-Identifier: Apache-2.0
// proxy.mjs: a TCP proxy that treats connections as a bad network does: cuts them in the middle of a frame, refuses new
// ones for a while, or lets bytes stand still.
//
// 1. What it let through is unchanged and in order; a cut loses what was under way, in both directions.

import { createServer, connect } from 'node:net';

export class Proxy {
  #pairs = new Set();
  #refusing = false;
  #stalled = false;

  // to: () => port, asked for each connection.
  constructor(to) {
    this.to = to;
  }

  async start() {
    this.server = createServer((inner) => this.#accept(inner));
    await new Promise((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    this.port = this.server.address().port;
    return this;
  }

  #accept(inner) {
    if (this.#refusing) {
      inner.resetAndDestroy();
      return;
    }
    const outer = connect({ host: '127.0.0.1', port: this.to() });
    const pair = { inner, outer };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      inner.destroy();
      outer.destroy();
    };
    for (const [from, other] of [[inner, outer], [outer, inner]]) {
      from.on('error', end);
      from.on('close', end);
      from.on('data', (bytes) => {
        if (pair.cutAfter !== undefined && bytes.length >= pair.cutAfter) {
          other.write(bytes.subarray(0, pair.cutAfter)); // half of what came goes on
          other.once('drain', end);
          setImmediate(end);
          return;
        }
        other.write(bytes);
      });
      if (this.#stalled) from.pause();
    }
  }

  // Every connection: now, or in the middle of what comes next.
  cut(afterBytes) {
    for (const pair of this.#pairs) {
      if (afterBytes === undefined) {
        pair.inner.resetAndDestroy();
        pair.outer.destroy();
      } else {
        pair.cutAfter = afterBytes;
      }
    }
  }

  refuse(whether) {
    this.#refusing = whether;
    if (whether) this.cut();
  }

  stall(whether) {
    this.#stalled = whether;
    for (const { inner, outer } of this.#pairs) for (const socket of [inner, outer]) whether ? socket.pause() : socket.resume();
  }

  close() {
    this.cut();
    this.server.close();
  }
}
