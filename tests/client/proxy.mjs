// SPDX-License-Identifier: Apache-2.0
// proxy.mjs: a bad network between a client and its hub: connections that break, stand still, or come in drops.
//
// 1. It carries every byte in order, or breaks the connection: it is a network, not a liar.
// 2. Chance is an argument.

import { createServer, connect } from 'node:net';

export class Proxy {
  #pairs = new Set();

  // target(): { host, port } of the hub, asked at each connection. chance(): [0, 1).
  constructor(target, chance) {
    Object.assign(this, { target, chance, cuts: 0 });
  }

  async start() {
    this.server = createServer((client) => this.#join(client));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  // How many connections it carries now.
  get open() {
    return this.#pairs.size;
  }

  #join(client) {
    const hub = connect(this.target());
    const pair = { client, hub };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      hub.destroy();
    };
    for (const socket of [client, hub]) socket.on('error', end).on('close', end).setNoDelay(true);
    this.#carry(client, hub);
    this.#carry(hub, client);
  }

  // Some of what comes is cut off in the middle: the other side got a part of it, and nobody knows how much.
  #carry(from, to) {
    from.on('data', (bytes) => {
      if (!this.calm && this.chance() < 0.02) {
        this.cuts += 1;
        to.write(bytes.subarray(0, Math.floor(this.chance() * bytes.length)), () => {
          from.destroy();
          to.destroy();
        });
        return;
      }
      to.write(bytes);
    });
  }

  // Breaks everything that is open now.
  cut() {
    this.cuts += this.#pairs.size;
    for (const { client, hub } of this.#pairs) {
      client.resetAndDestroy?.() ?? client.destroy();
      hub.destroy();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}
