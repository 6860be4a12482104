// SPDX-License-Identifier: Apache-2.0
// failing.mjs: what a storage adapter that fails, as one whose quota is used up, a hub that asks for odd delays, and an address that is
// not written out cost the JavaScript client.
//
// Calls reject with a code and nothing else does, what waits is tried again at its time, and when the store takes something again, all goes on.

import assert from 'node:assert/strict';
import { isBehind } from '../../client/js/ids.js';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { Tap } from '../lib/tap.mjs';

const tap = new Tap('a store that fails');

// fails(changes): whether this commit does. The error is the adapter's own.
class FailingStore extends MemoryStore {
  fails = () => false;

  async commit(changes) {
    if (this.fails(changes)) throw new DOMException('the quota is used up', 'QuotaExceededError');
    await super.commit(changes);
  }
}

const never = () => false;
const always = () => true;
const writes = (table) => (changes) => changes.some((change) => change.table === table);

class World {
  frames = [];
  posts = [];
  problems = [];
  states = [];
  released = 0;
  timers = new Set();
  now = 1795000000000;

  async open(more = {}) {
    this.store ??= new FailingStore();
    const clock = {
      now: () => this.now,
      setTimeout: (work, ms) => {
        assert.ok(ms >= 0 && ms < 2 ** 31, `a timer of ${ms} ms fires at once`);
        const timer = { at: this.now + ms, work };
        this.timers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => this.timers.delete(timer),
    };
    this.client = await openClient({
      url: 'ws://hub.test/v1/ws', user: 'alice', device: 'phone', store: this.store, clock, chance: () => 0, token: () => 'T', report_ms: 60000,
      release: () => { this.released += 1; },
      dial: (handlers) => {
        this.line = handlers;
        return { send: (text) => this.hear(JSON.parse(text), handlers), close: () => {} };
      },
      fetch: async (url, { body }) => {
        this.posts.push(JSON.parse(body));
        const { status = 200, ...page } = this.answer(this.posts.at(-1), this.posts.length);
        return { status, json: async () => ({ epoch: 'e1', cursor: 1, head: 1, more: false, events: [], results: [], ...page }) };
      },
      ...more,
    });
    this.client.on('problem', ({ code }) => this.problems.push(code));
    this.client.on('state', ({ state }) => this.states.push(state));
    return this;
  }

  hear(frame, line) {
    this.frames.push(frame);
    if (frame.type === 'ping') queueMicrotask(() => line.onText(JSON.stringify({ type: 'pong', id: frame.id })));
  }

  async settled() {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await this.client.idle();
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  }

  // Time passes, with the timers that come due.
  async pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.work();
      await this.settled();
    }
    this.now = end;
  }

  async say(...frames) {
    this.line.onText(JSON.stringify(frames));
    await this.settled();
  }

  async connect() {
    this.line.onOpen();
    await this.settled();
    await this.say({ type: 'welcome', id: this.frames.at(-1).id, user: 'alice', device: 'phone', epoch: 'e1', cursor: 0, head: 0, ping_ms: 25000, retry: { base_ms: 500, max_ms: 30000, reset_ms: 30000 } });
    assert.equal(this.client.state, 'online');
  }

  async online(more) {
    await this.open(more);
    await this.client.start();
    await this.settled();
    await this.connect();
    return this;
  }
}

// What nobody waits for must not reject: it ends a Node process.
const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error));
const test = (sentence, work) => tap.run(sentence, async () => {
  await work();
  await new Promise((resolve) => { setImmediate(resolve); });
  assert.deepEqual(unhandled.splice(0), [], 'a promise rejected that nobody waits for');
});

await test('what an adapter throws is a code of ours, for the call that wanted it', async () => {
  const { client, store } = await new World().open();
  store.fails = always;
  await assert.rejects(client.send('room', 1), { name: 'BelfryError', code: 'store' });
  store.range = async () => { throw new TypeError('gone'); };
  await assert.rejects(client.conversations(), { name: 'BelfryError', code: 'store' });
  await assert.rejects(client.receipts('room'), { name: 'BelfryError', code: 'store' });
});

await test('what fails with nobody waiting for it is told as a problem, and no more', async () => {
  const world = await new World().online();
  await world.client.send('room', 1);
  const before = world.frames.filter(({ type }) => type === 'send').length;
  world.store.fails = writes('outbox');
  await world.pass(10000); // no reply to the send: it is pending again
  assert.ok(world.problems.length > 0 && world.problems.every((code) => code === 'store'), world.problems.join());
  world.store.fails = never;
  assert.equal(world.client.pending().length, 1);
  assert.equal(before, 1);
});

await test('a client whose store fails can be stopped and closed, and lets go of its slot', async () => {
  const world = await new World().online();
  world.store.fails = always;
  await world.client.stop();
  assert.equal(world.client.state, 'off');
  world.store.close = async () => { throw new Error('cannot be closed'); };
  await assert.rejects(world.client.close());
  assert.equal(world.released, 1);
  await assert.rejects(world.client.send('room', 1), { code: 'closed' });
});

await test('a close that asks for a reload, while the store fails, is followed by the next attempt, and the reload', async () => {
  const world = await new World().online();
  world.store.fails = always;
  world.line.onClose({ code: 4300, reason: '' });
  await world.settled();
  assert.equal(world.states.at(-1), 'waiting');
  assert.deepEqual(world.problems, ['store']);
  world.store.fails = never;
  await world.pass(0);
  await world.connect();
  assert.equal(world.frames.filter(({ type }) => type === 'conversations').length, 2); // the first time the device was new
});

await test('a background sync that cannot keep what came ends with its first page', async () => {
  const world = await new World().open();
  const item = await world.client.send('room', 1);
  world.answer = () => ({ results: [{ type: 'sent', id: 1, conv: 'room', op: item.op, seq: 1, at: 1 }], events: [{ type: 'message', n: 1, conv: 'room', seq: 1, from: 'alice', op: item.op, at: 1, body: 1 }] });
  world.store.fails = writes('entries');
  const sum = await world.client.syncOnce(20000);
  assert.equal(sum.ok, false);
  assert.equal(sum.reason, 'store');
  assert.equal(world.posts.length, 1);
  assert.equal(world.client.pending()[0].state, 'pending');
  world.store.fails = never;
  assert.equal((await world.client.syncOnce(20000)).ok, true);
  assert.deepEqual(world.client.pending(), []);
});

await test('one that cannot keep what it sends sends nothing, and leaves a reload to the next connection', async () => {
  const world = await new World().online();
  world.line.onClose({ code: 4300, reason: '' });
  await world.settled();
  await world.client.stop();
  await world.client.send('room', 1);
  world.store.fails = writes('outbox');
  const sum = await world.client.syncOnce(20000);
  assert.equal(sum.ok, false);
  assert.equal(sum.reason, 'store');
  assert.equal(world.posts.length, 0);
  world.store.fails = never;
  const before = world.frames.length;
  await world.client.start();
  await world.settled();
  await world.connect();
  assert.deepEqual(world.frames.slice(before).map(({ type }) => type), ['hello', 'conversations', 'send']);
});

await test('one whose token is refused asks again for what a reload needs, with a fresh one', async () => {
  const world = await new World().open();
  const replies = (ops, reply) => ops.map(({ id, ...op }) => ({ id, ...reply(op) }));
  world.answer = ({ ops }, number) => {
    if (number === 2) return { status: 401 };
    return { results: replies(ops, () => ({ type: 'conversations', items: [], next: null })) };
  };
  assert.equal((await world.client.syncOnce(20000)).ok, true);
  assert.deepEqual(world.posts.map(({ ops }) => ops.map(({ type }) => type).join()), ['', 'conversations', 'conversations']);
});

await test('no delay that a hub names makes a timer fire at once', async () => {
  const world = await new World().online();
  const last = (type) => world.frames.filter((frame) => frame.type === type).at(-1).id;
  const count = (type) => world.frames.filter((frame) => frame.type === type).length;
  world.client.subscribe('news').catch(() => {});
  await world.settled();
  for (const retry_after_ms of [2 ** 40, -(2 ** 40)]) {
    const before = { conversations: count('conversations'), subscribe: count('subscribe') };
    for (const type of ['conversations', 'subscribe']) await world.say({ type: 'error', id: last(type), code: 'unavailable', message: '', temporary: true, retry_after_ms });
    assert.deepEqual({ conversations: count('conversations'), subscribe: count('subscribe') }, before);
    await world.pass(retry_after_ms > 0 ? 3600000 : 1000);
    assert.ok(count('conversations') > before.conversations && count('subscribe') > before.subscribe);
  }
});

await test('ids are in the order in which the hub gives them, so its pages go on and never round', async () => {
  const ids = ['', 'a', 'aa', 'b', 'ä', '\uffee', '\u{1f600}', 'a\u{1f600}', 'a\uffee'];
  for (const id of ids) for (const other of ids) assert.equal(isBehind(id, other), Buffer.compare(Buffer.from(id), Buffer.from(other)) > 0, `${id} and ${other}`);
});

await test('the address of the hub alone will do, with http or ws', async () => {
  for (const [given, dialled, asked] of [
    ['https://hub.test', 'wss://hub.test/v1/ws', 'https://hub.test/v1/sync'], ['http://hub.test:8080/', 'ws://hub.test:8080/v1/ws', 'http://hub.test:8080/v1/sync'],
    ['wss://hub.test', 'wss://hub.test/v1/ws', 'https://hub.test/v1/sync'], ['ws://[::1]:8080/v1/ws', 'ws://[::1]:8080/v1/ws', 'http://[::1]:8080/v1/sync'],
    ['wss://hub.test/chat/socket?room=1', 'wss://hub.test/chat/socket?room=1', 'https://hub.test/chat/sync'],
  ]) {
    const posted = [];
    const world = await new World().open({
      url: given,
      fetch: async (url) => {
        posted.push(url);
        return { status: 200, json: async () => ({ epoch: 'e1', cursor: 1, head: 1, more: false, events: [], results: [] }) };
      },
    });
    await world.client.syncOnce();
    await world.client.start();
    await world.settled();
    assert.equal(world.line.url, dialled);
    assert.equal(posted[0], asked);
    await world.client.close();
  }
  await assert.rejects(new World().open({ url: 'gopher://hub.test' }), { code: 'bad_request' });
});

tap.finish();
