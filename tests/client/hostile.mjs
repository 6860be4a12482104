// SPDX-License-Identifier: Apache-2.0
// hostile.mjs: whatever a hub says or does, libbelfry neither falls over nor loses what its user wrote, and a background sync ends.
//
//   hostile.mjs [--rounds 12] [--seed N]
//
// In a round a hub that is broken, or not ours, says strange frames (tests/lib/strange.mjs), in one breath or in pieces, and ends
// the connection with a code that may mean nothing; the client comes back to more of it. Then every op it accepted must still be known to
// its store. Behind the rounds stands a list of answers to POST /v1/sync, for both clients: none makes it go on for ever, or tells another
// server the token.

import http from 'node:http';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { WebSocketServer } from 'ws';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { Chance, seedFrom } from '../lib/chance.mjs';
import { JWT_SECRET, findProgram } from '../lib/hub.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { TEXTS, strangeFrame } from '../lib/strange.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const chance = new Chance(seedFrom(option('seed')));
const rounds = Number(option('rounds', 12));
const program = join(dirname(findProgram()), '..', 'tests', 'client', 'belfry_story');
const tap = new Tap(`hostile hubs and libbelfry, ${rounds} rounds, seed ${chance.seed}`);
const folder = makeFolder('hostile');
const token = makeToken(JWT_SECRET, { sub: 'alice', dev: 'phone' });
const CODES = [1000, 1001, 1008, 1011, 3000, 3999, 4000, 4001, 4099, 4100, 4199, 4200, 4299, 4300, 4399, 4500, 4999];

class BadHub {
  posts = 0;
  said = 0; // strange frames of this hub
  ops = [];

  async open() {
    this.server = http.createServer((request, response) => {
      let text = '';
      request.on('data', (bytes) => { text += bytes; });
      request.on('end', () => this.post(request, response, text));
    });
    this.sockets = new WebSocketServer({ server: this.server, handleProtocols: (offered) => [...offered][0] ?? false });
    this.sockets.on('connection', (socket) => this.#strange(socket));
    await new Promise((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  post(request, response) {
    response.end('{}');
  }

  #strange(socket) {
    socket.on('error', () => {});
    socket.on('message', (bytes) => {
      let heard;
      try {
        heard = [JSON.parse(bytes)].flat();
      } catch {
        return;
      }
      for (const { op } of heard) if (op) this.ops.push(op);
      if (heard[0].type === 'hello') {
        const own = { type: 'welcome', id: heard[0].id, session: 's', user: 'alice', device: 'phone', epoch: chance.pick(['e1', 'e2']), cursor: chance.below(3), head: 9, server_time: 1, ping_ms: chance.pick([1, 25000, -5, 1e300]), window: chance.pick([0, 1, 256, 2 ** 53]), max_frame: 65536, retry: { base_ms: 1, max_ms: 2, reset_ms: 1 } };
        socket.send(JSON.stringify(own));
      }
      for (let i = chance.between(1, 6); i > 0; i -= 1) {
        this.said += 1;
        socket.send(chance.below(8) === 0 ? chance.pick(TEXTS) : JSON.stringify(strangeFrame(chance, this.ops)));
      }
      if (chance.below(6) === 0) {
        if (chance.below(3) === 0) socket.terminate();
        else socket.close(chance.pick(CODES), 'x'.repeat(chance.below(100)));
      }
    });
  }

  async close() {
    for (const socket of this.sockets.clients) socket.terminate();
    this.sockets.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => { this.server.close(resolve); });
  }
}

function open(url, store) {
  const child = start(program, [url, token, store, '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.said = [];
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => child.said.push(JSON.parse(line)));
  child.say = async (...words) => {
    const before = child.said.filter(({ reply }) => reply === words[0]).length;
    child.stdin.write(`${words.join(' ')}\n`);
    return eventually(() => child.ended || child.said.filter(({ reply }) => reply === words[0])[before], `${words[0]} is answered`);
  };
  child.end = async () => {
    await child.say('quit');
    return child.gone;
  };
  return child;
}

async function round(number) {
  const hub = await new BadHub().open();
  const store = join(folder, `${number}.db`);
  const child = open(hub.url, store);
  const accepted = [];
  for (let i = 0; i < 4; i += 1) {
    const { error, op } = await child.say('send', chance.pick(['room', 'other']), String(i));
    if (error === 0) accepted.push(op);
  }
  await child.say('start');
  await child.say('subscribe', 'news', '1');
  const wanted = chance.between(40, 120);
  // Each thing it says is answered with more; what it stops at (44xx, a long silence) a new start ends.
  for (let i = 0; i < 40 && hub.said < wanted; i += 1) {
    const before = hub.said;
    await child.say('send', 'room', `"more ${i}"`).then(({ error, op }) => { if (error === 0) accepted.push(op); });
    await child.say('hint', chance.pick(['online', 'offline']));
    await child.say('stop');
    await child.say('start');
    await eventually(() => hub.said > before || child.ended, 'it comes back');
  }
  await child.say('outbox');
  for (const conv of ['room', 'other']) await child.say('entries', conv);
  const ended = await child.end();
  if (ended.code !== 0) throw new Error(`it ended with ${JSON.stringify(ended)}`);
  await hub.close();
  const known = new Set(child.said.filter(({ item }) => item).map(({ value }) => value.op));
  const lied = new Set(child.said.filter(({ type, state }) => type === 'outbox' && state === 'synced').map(({ op }) => op)); // and then a reset took the log
  const lost = accepted.filter((op) => !known.has(op) && !lied.has(op));
  if (lost.length > 0 || accepted.length < 4) throw new Error(`${lost.length} of ${accepted.length} are gone: ${lost}`);
  // And what it leaves is a store that opens.
  if ((await open('http://127.0.0.1:1', store).end()).code !== 0) throw new Error('its store does not open again');
  return hub.said;
}

let said = 0;
for (let i = 1; i <= rounds; i += 1) await tap.run(`round ${i}`, async () => { said += await round(i); });
tap.note(`${said} strange frames`);

// ---- POST /v1/sync ----------------------------------------------------------------------------------------------------

const page = (more) => ({ epoch: 'e1', cursor: 1, head: 1, more: false, events: [], results: [], ...more });
const event = (n) => ({ type: 'message', n, conv: 'room', seq: n, from: 'bob', op: `x${n}`, at: 1, body: n });
const refused = (ops) => ops.map(({ id }) => ({ type: 'error', id, code: 'unavailable', message: '', temporary: true, retry_after_ms: 3600000 }));
let thief;
// [what it does, its page by the number of the request and its ops, how often it must and may be asked]
const answers = [
  ['says that there is more and brings nothing', (n, ops) => page({ more: true, head: 9, cursor: 0, results: refused(ops) }), 2, 3],
  ['leaves out replies', () => page({ more: true }), 1, 1],
  ['brings the same event again and again', (n, ops) => page({ more: true, events: [event(1)], results: refused(ops) }), 2, 3],
  ['answers with what was not sent', (n, ops) => page({ results: ops.map(({ id }) => ({ type: 'sent', id, conv: 'room', op: 'other', seq: 5, at: 1 })) }), 1, 1],
  ['has another epoch each time', (n, ops) => page({ epoch: `e${n}`, cursor: n, more: true, events: [{ type: 'reset', epoch: `e${n}`, head: n }], results: refused(ops) }), 3],
  ['has more for ever', (n, ops) => page({ cursor: n * 2, more: true, events: [event(n * 2)], results: refused(ops) }), 3],
  ['has conversations for ever', (n, ops) => page({
    cursor: 5, events: n === 1 ? [{ type: 'gap', from: 1, to: 5 }] : [],
    results: refused(ops).map((reply, at) => (ops[at].type === 'conversations' ? { type: 'conversations', id: ops[at].id, items: [{ conv: `c${n}`, kind: 'group', epoch: 'e1', seq: 1, delivered: 0, read: 0, unread: 1 }], next: `c${n}` } : reply)),
  }), 3],
  ['has numbers beyond all bounds', (n, ops) => page({ cursor: 2 ** 62, head: -1, events: [event(1e18), event(-4)], results: refused(ops) }), 1, 2],
  ['has no results', () => ({ epoch: 'e1', cursor: 1, head: 1, more: false }), 1, 1],
  ['has results that are none', () => page({ results: [null, 5, [], 'x', { type: {} }] }), 1, 1],
  ['answers with no object', () => [], 1, 1],
  ['answers with no JSON', () => 'Welcome to the Wi-Fi of this hotel!', 1, 1],
  ['sends it elsewhere', () => ({ redirect: () => `${thief.url}/v1/sync` }), 1, 1],
];

async function serve(answer) {
  const hub = await new BadHub().open();
  hub.post = (request, response, text) => {
    hub.posts += 1;
    const body = answer(hub.posts, JSON.parse(text).ops);
    if (body.redirect) response.writeHead(307, { location: body.redirect() }).end();
    else response.setHeader('content-type', 'application/json').end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  return hub;
}

const clients = {
  libbelfry: async (hub, number, deadline_ms) => {
    const child = open(hub.url, join(folder, `sync-${number}.db`));
    const { op } = await child.say('send', 'room', '"kept"');
    await child.say('sync', String(deadline_ms));
    await child.say('outbox');
    await child.say('entries', 'room');
    const ended = await child.end();
    if (ended.code !== 0) throw new Error(`it ended with ${JSON.stringify(ended)}`);
    return child.said.some(({ item, value }) => item && value.op === op);
  },
  'the JavaScript client': async (hub, number, deadline_ms) => {
    const client = await openClient({ url: hub.url.replace('http', 'ws'), syncUrl: `${hub.url}/v1/sync`, user: 'alice', device: 'phone', token: () => token, store: new MemoryStore(), WebSocket: class {} });
    const { op } = await client.send('room', 'kept');
    await client.syncOnce(deadline_ms);
    const kept = client.pending().some((item) => item.op === op);
    await client.close();
    return kept;
  },
};

thief = await new BadHub().open();
for (const [index, [what, answer, least, most = Infinity]] of answers.entries()) {
  for (const [name, sync] of Object.entries(clients)) {
    await tap.run(`${name}: a hub that ${what}`, async () => {
      const hub = await serve(answer);
      const began = Date.now();
      const kept = await sync(hub, index, 1000);
      const took = Date.now() - began;
      await hub.close();
      if (!kept) throw new Error('what it sent is gone');
      if (hub.posts < least || hub.posts > most) throw new Error(`${hub.posts} requests`);
      if (took > 14000) throw new Error(`it went on for ${took} ms`); // a deadline of 1 s, on a machine that may be slow
    });
  }
}
tap.ok(thief.posts === 0, 'no client told its token to where it was sent');
await thief.close();
tap.finish();
