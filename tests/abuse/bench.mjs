// SPDX-License-Identifier: Apache-2.0
// bench.mjs: a hub under attack, and beside it a witness who behaves and must notice nothing.

import { readFileSync } from 'node:fs';
import { Hub } from '../lib/hub.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { Redis } from '../lib/redis.mjs';
import { eventually } from '../lib/until.mjs';

export class Bench {
  #witness;
  #opened = [];
  #count = 0;

  // A Redis of its own, so that it can be killed, stopped, wiped and sent back in time.
  async start() {
    this.redis = await new Redis().start();
    const env = { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_REDIS_TIMEOUT: '1500ms' };
    this.hub = await new Hub({ name: 'abused', workers: 2, redis: this.redis.url, env }).start();
    await this.hub.untilReady();
    this.pids = this.workerPids();
    await this.meet();
    return this;
  }

  workerPids() {
    return String(this.hub.workers().map(({ pid }) => pid));
  }

  // A conversation and a witness in it, who acknowledges all that comes.
  async meet() {
    await this.hub.api.conversation('room', ['alice', 'bob']);
    this.#witness = await this.session('bob', 'witness');
    let taken = 0;
    const changed = this.#witness.changed.bind(this.#witness);
    this.#witness.changed = () => {
      const events = this.#witness.messages.slice(taken).filter((each) => each.n && each.type !== 'caught_up');
      taken = this.#witness.messages.length;
      if (events.length > 0) this.#witness.text({ type: 'ack', n: events[events.length - 1].n });
      changed();
    };
    this.#opened.pop(); // it stays
  }

  async connect() {
    const raw = await RawSocket.open(this.hub.port);
    raw.socket.on('error', () => {});
    this.#opened.push(raw);
    return raw;
  }

  // A socket past hello. After a case that hurt the store, one worker may be ready before the other.
  session(user = 'alice', device = `d${(this.#count += 1)}`) {
    return eventually(() => this.#session(user, device), `${user} is welcome`);
  }

  async #session(user, device) {
    const raw = await this.connect();
    const { status, text } = await raw.upgrade();
    if (status !== 101) throw new Error(`the upgrade was answered ${status} ${text}`);
    raw.text({ type: 'hello', id: 5, token: this.hub.token(user, device) });
    raw.welcome = await raw.message((frame) => frame.id === 5, 'a welcome');
    if (raw.welcome.type !== 'welcome') throw new Error(`hello was answered ${JSON.stringify(raw.welcome)}`);
    return raw;
  }

  // A message reaches the witness.
  async served() {
    const op = `served-${(this.#count += 1)}`;
    await this.send('room', { op, from: 'alice', body: 'still there?' });
    await this.#witness.message((frame) => frame.op === op, 'the witness is served');
  }

  // As a backend does it: again with the same op while the hub is unavailable, as one worker is ready before the other.
  send(conv, message) {
    return eventually(() => this.hub.api.send(conv, message), `the hub stores ${message.op}`);
  }

  // How often the witness was told that the store lost its past. What was sent before that is not an event to it any more.
  resets() {
    return this.#witness.messages.filter((each) => each.type === 'reset').length;
  }

  witnessReset(before) {
    return this.#witness.until(() => this.resets() > before, 'the witness is told of a reset');
  }

  witnessed(holds, sentence) {
    return this.#witness.message(holds, sentence);
  }

  // After each case: the same workers, nothing of a sanitizer, and the witness is served on the connection it had.
  async unharmed() {
    for (const raw of this.#opened.splice(0)) raw.destroy();
    await this.served();
    if (this.workerPids() !== this.pids) throw new Error(`the workers ${this.pids} have become ${this.workerPids()}\n${this.hub.log(20)}`);
    if (this.hub.complaint()) throw new Error(this.hub.complaint());
  }

  // Resident memory of the workers.
  memory() {
    return this.hub.workers().reduce((sum, { pid }) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024, 0);
  }
}

export function expect(holds, sentence) {
  if (!holds) throw new Error(sentence);
}
