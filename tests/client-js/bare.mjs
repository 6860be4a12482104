// SPDX-License-Identifier: Apache-2.0
// bare.mjs: the JavaScript client needs no page: it does all of its work where there is nothing but JavaScript itself and what is
// listed below, as in React Native or a service worker, with a store of the app's.
//
// Its modules are loaded into a context of their own (node:vm), which has the language's globals and these, and no others. A global
// that the client tries to read besides is a failure, whether it would have come through without or not.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import WebSocket from 'ws';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';

if (!vm.SourceTextModule) { // needs a flag of Node's
  const { status } = spawnSync(process.execPath, ['--experimental-vm-modules', '--no-warnings', fileURLToPath(import.meta.url)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const folder = fileURLToPath(new URL('../../client/js', import.meta.url));
const GIVEN = { WebSocket, fetch, setTimeout, clearTimeout };
const MAY_ASK = new Set(['AbortController', 'crypto', 'indexedDB', 'navigator', 'window', 'document']); // by globalThis.…, and does without
const asked = new Set();

// A context whose global object tells what is looked for in vain.
function makeContext() {
  const context = vm.createContext(Object.create(null));
  Object.assign(context, GIVEN);
  vm.runInContext("(watch) => Object.setPrototypeOf(globalThis, watch)", context)(new Proxy(Object.create(null), {
    get: (target, name, receiver) => {
      if (typeof name === 'string') asked.add(name);
      return Reflect.get(target, name, receiver);
    },
    has: () => false,
  }));
  return context;
}

async function load(context) {
  const modules = new Map();
  const moduleAt = (path) => {
    if (!modules.has(path)) modules.set(path, new vm.SourceTextModule(readFileSync(path, 'utf8'), { identifier: path, context }));
    return modules.get(path);
  };
  const index = moduleAt(join(folder, 'index.js'));
  await index.link((specifier, from) => moduleAt(join(dirname(from.identifier), specifier)));
  await index.evaluate();
  return index.namespace;
}

// As docs/client-js.md tells to write one, on a database of rows: here a sorted list.
class RowStore {
  rows = new Map(); // "table/key" -> JSON

  async open() {}

  async close() {}

  async get(table, key) {
    const text = this.rows.get(`${table}/${key}`);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async range(table, { from = '', to, limit = Infinity, reverse = false } = {}) {
    const keys = [...this.rows.keys()].filter((each) => each.startsWith(`${table}/`)).map((each) => each.slice(table.length + 1))
      .filter((key) => key >= from && (to === undefined || key < to)).sort();
    return (reverse ? keys.reverse() : keys).slice(0, limit).map((key) => JSON.parse(this.rows.get(`${table}/${key}`)));
  }

  async commit(changes) {
    for (const { table, key, value, clear } of changes) {
      if (clear) for (const each of [...this.rows.keys()].filter((name) => name.startsWith(`${table}/`))) this.rows.delete(each);
      else if (value === undefined) this.rows.delete(`${table}/${key}`);
      else this.rows.set(`${table}/${key}`, JSON.stringify(value));
    }
  }
}

const tap = new Tap('the JavaScript client without a page');
const hub = await new Hub({ workers: 1 }).start();
await hub.untilReady();
await hub.api.conversation('room', ['alice', 'bob']);
const context = makeContext();
let belfry;
await tap.run('its modules are loaded', async () => { belfry = await load(context); });
const options = {
  url: hub.wsUrl, user: 'alice', device: 'phone', token: () => makeToken(JWT_SECRET, { sub: 'alice', dev: 'phone' }), store: new RowStore(),
  random: (count) => Uint8Array.from({ length: count }, () => Math.floor(Math.random() * 256)),
};
await tap.run('it sends what was written offline, receives, watches and follows hints', async () => {
  const client = await belfry.openClient(options);
  const { op } = await client.send('room', { text: 'grüße 😀' });
  await client.start();
  await eventually(async () => (await client.messages('room')).some((each) => each.op === op && each.seq === 1), 'it is stored');
  await hub.api.call('POST', '/v1/conversations/room/messages', { op: 'hi'.slice(0, 2), from: 'bob', body: { text: 'hi' } });
  await eventually(async () => (await client.messages('room')).length === 2, 'it is received');
  await client.watch(['bob']);
  for (const hint of ['background', 'foreground', 'offline', 'online']) await client.hint(hint);
  await eventually(() => client.state === 'online', 'it is back');
  await client.close();
});
await tap.run('it makes a background sync by fetch, from the store that was left', async () => {
  const client = await belfry.openClient(options);
  await client.send('room', 'later');
  await hub.api.call('POST', '/v1/conversations/room/messages', { op: 'there?'.slice(0, 2), from: 'bob', body: { text: 'there?' } });
  const { ok, sent, events } = await client.syncOnce(10000);
  const shown = (await client.messages('room')).map(({ seq }) => seq);
  await client.close();
  if (!ok || sent !== 1 || events < 2 || String(shown) !== '1,2,3,4') throw new Error(JSON.stringify({ ok, sent, events, shown }));
});
await tap.run('a sync whose hub does not answer ends by its deadline', async () => {
  const client = await belfry.openClient({ ...options, fetch: () => new Promise(() => {}) });
  const { ok, reason } = await client.syncOnce(50);
  await client.close();
  if (ok || reason !== 'deadline') throw new Error(`${ok} ${reason}`);
});
await tap.run('it looked for no other global', () => {
  const others = [...asked].filter((name) => !MAY_ASK.has(name));
  if (others.length > 0) throw new Error(others.join(', '));
  if (!asked.has('AbortController')) throw new Error('nothing was looked for at all: the test sees nothing');
});
await hub.stop();
tap.finish();
