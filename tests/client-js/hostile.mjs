// SPDX-License-Identifier: Apache-2.0
// hostile.mjs: whatever a hub sends, the JavaScript client neither falls over nor loses what its user wrote.
//
//   hostile.mjs [--rounds N] [--seed S]
//
// A hub that is broken, or not ours: text that is no JSON, frames of every type with fields of every kind, replies to nothing and replies
// twice, numbers that jump. After each round a good hub takes over, on the same store: the outbox must reach it, and what it
// sends must be shown once.

import assert from 'node:assert/strict';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { Chance, seedFrom } from '../lib/chance.mjs';
import { TEXTS, strangeFrame } from '../lib/strange.mjs';
import { Tap } from '../lib/tap.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const rounds = Number(option('rounds', 60));
const chance = new Chance(seedFrom(option('seed')));
const tap = new Tap(`hostile hubs, ${rounds} rounds, seed ${chance.seed}`);

class Network {
  open(handlers) {
    this.handlers = handlers;
    this.sent = [];
    queueMicrotask(() => handlers.onOpen());
    return { send: (text) => { this.sent.push(JSON.parse(text)); this.heard?.(JSON.parse(text)); }, close: () => {} };
  }

  say(...frames) {
    this.handlers.onText(JSON.stringify(frames.length === 1 ? frames[0] : frames));
  }
}

const welcome = (id, more = {}) => ({ type: 'welcome', id, session: 's', user: 'alice', device: 'phone', epoch: 'e1', cursor: 0, head: 0, server_time: 1, ping_ms: 25000, window: 256, max_frame: 65536, retry: { base_ms: 1, max_ms: 2, reset_ms: 1 }, ...more });

async function round() {
  const store = new MemoryStore();
  const network = new Network();
  const problems = [];
  const options = { url: 'ws://hub.test/v1/ws', user: 'alice', device: 'phone', store, token: () => 'T', dial: (handlers) => network.open(handlers) };
  const client = await openClient(options);
  client.on('problem', (problem) => { if (problem.code === 'bug' || problem.code === 'store') problems.push(problem.cause ?? problem); });
  const turn = async () => {
    await client.idle();
    await new Promise((resolve) => { setImmediate(resolve); });
    await client.idle();
  };
  await client.start();
  await turn();
  network.say(welcome(network.sent[0].id));
  const ops = [];
  for (let i = 0; i < 4; i += 1) ops.push((await client.send(chance.pick(['room', 'other']), i)).op);
  client.subscribe('room').catch(() => {});
  for (let i = 0; i < 60; i += 1) {
    if (chance.below(8) === 0) network.handlers.onText(chance.pick(TEXTS));
    else network.say(...Array.from({ length: chance.between(1, 4) }, () => strangeFrame(chance, ops)));
    if (chance.below(4) === 0) await turn();
  }
  await turn();
  assert.deepEqual(problems, [], 'a turn failed');
  // What is not known to be stored is still there, whatever became of it.
  const known = new Set([...client.pending().map(({ op }) => op), ...(await store.range('entries')).map(({ op }) => op)]);
  assert.deepEqual(ops.filter((op) => !known.has(op)), [], 'an own message is gone');
  await client.close();

  // The good hub, two hours later: the longest delay that the other one could ask for is over.
  const clock = { now: () => Date.now() + 7200000, setTimeout: (work, ms) => setTimeout(work, ms), clearTimeout: (timer) => clearTimeout(timer) };
  const after = await openClient({ ...options, clock });
  const waiting = after.pending().filter(({ state }) => state === 'pending');
  for (const { op, state } of after.pending()) if (state !== 'pending') await after.retry(op);
  const stored = [];
  let seq = 1000;
  network.heard = ({ type, id, conv, op }) => {
    if (type === 'hello') queueMicrotask(() => network.say(welcome(id)));
    if (type === 'send') queueMicrotask(() => { stored.push(op); network.say({ type: 'sent', id, conv, op, seq: (seq += 1) }); });
    if (type === 'conversations') queueMicrotask(() => network.say({ type: 'conversations', id, items: [] }));
  };
  const asked = after.pending().filter(({ kind, ref_op }) => kind === 'message' && !ref_op).map(({ op }) => op);
  await after.start();
  for (let i = 0; i < 40; i += 1) await after.idle().then(() => new Promise((resolve) => { setImmediate(resolve); }));
  assert.deepEqual(asked.filter((op) => !stored.includes(op)), [], `the outbox does not reach a good hub (${waiting.length} waited, ${JSON.stringify(after.pending())})`);
  const shown = [];
  after.on('message', ({ what, op }) => { if (what === 'received') shown.push(op); });
  const n = (after.cursor?.n ?? 0) + 1;
  if (Number.isSafeInteger(n)) {
    const event = { type: 'message', n, conv: 'fresh', seq: 1, from: 'bob', op: 'good', at: 1, body: 'hello' };
    network.say(event);
    network.say(event);
    for (let i = 0; i < 5; i += 1) await after.idle().then(() => new Promise((resolve) => { setImmediate(resolve); }));
    assert.deepEqual(shown, ['good']);
    assert.equal((await after.messages('fresh')).length, 1);
  }
  await after.close();
}

process.on('unhandledRejection', (error) => { throw error; });
for (let i = 0; i < rounds; i += 1) {
  const before = chance.next() * 2 ** 32;
  await tap.run(`round ${i + 1} (${Math.floor(before)})`, round);
}
tap.finish();
