// SPDX-License-Identifier: Apache-2.0
// protocol.mjs: walks PROTOCOL.md with everything a peer may send and should not, and holds the hub to what the page says.
//
//   protocol.mjs [WORD]      only the cases whose sentence holds WORD
//
// After each case the hub must be unharmed: the same workers by their pids, and nothing stored that was not asked for. And whatever
// it was sent, its frames and answers are as docs/asyncapi.yaml and docs/openapi.yaml say.

import { listenToAnswers } from '../lib/api.mjs';
import { Contract } from '../lib/contract.mjs';
import { Device } from '../lib/device.mjs';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';
import { frameCases } from './frames.mjs';
import { httpCases } from './http.mjs';
import { syncCases } from './sync.mjs';
import { upgradeCases } from './upgrade.mjs';

const HELLO_MS = 1500; // those who do say hello must come to it in that time, on any machine
const only = process.argv[2];
const contract = new Contract();
const tap = new Tap('PROTOCOL.md, walked by a peer that means no good');

const hub = await new Hub({ name: 'hub', workers: 2, env: { BELFRY_HELLO: `${HELLO_MS}ms`, BELFRY_REQUESTS_PER_S: '0' } }).start();
await hub.untilReady();
await hub.api.conversation('c', ['alice', 'bob']);
await hub.api.conversation('vault', ['carol', 'dora']);
await hub.api.send('c', { op: 'the first', from: 'alice', body: 'the only message' });
await hub.api.conversation('news', ['carol'], 'channel', { public: true });
await hub.api.conversation('staff', ['carol'], 'channel');
await hub.api.send('news', { op: 'the first', from: 'carol', body: 'good morning' });
const workers = hub.workers().map(({ pid }) => pid);
const stored = new Map([
  ['c', 1],
  ['vault', 0],
  ['news', 1],
]);

const witness = new Device({ user: 'bob', device: 'witness', target: () => hub.wsUrl, token: (user, device) => makeToken(JWT_SECRET, { sub: user, dev: device }) });
await witness.start();

const wrongs = []; // of the present case
listenToAnswers((method, path, answer) => wrongs.push(contract.httpAnswer(method, path, answer)));

// What a case works with. What it opens is closed after it, whatever happened.
class Bench {
  opened = [];
  hub = hub;
  helloMs = HELLO_MS;

  async connect() {
    const raw = await RawSocket.open(hub.port);
    this.opened.push(raw);
    return raw;
  }

  // A socket past the upgrade.
  async upgraded(change) {
    const raw = await this.connect();
    const answer = await raw.upgrade(change);
    if (answer.status !== 101) throw new Error(`the upgrade was answered ${answer.status} ${answer.text}`);
    return raw;
  }

  // A socket past hello. Each case takes a device of its own, as a second session would replace the first.
  async session(user = 'alice', device = `d${Math.random().toString(36).slice(2)}`) {
    const raw = await this.upgraded();
    raw.text({ type: 'hello', id: 1, token: hub.token(user, device), device });
    raw.welcome = await raw.message((frame) => frame.id === 1, 'a welcome');
    if (raw.welcome.type !== 'welcome') throw new Error(`hello was answered ${JSON.stringify(raw.welcome)}`);
    return raw;
  }

  // The case stored so many messages on purpose.
  stores(conv, count = 1) {
    stored.set(conv, stored.get(conv) + count);
  }
}

// What does not fit the contract, of all that the case was told.
function asDescribed(bench) {
  for (const raw of bench.opened) {
    for (const frame of raw.messages) wrongs.push(contract.frame(frame));
    if (raw.closed) wrongs.push(contract.close(raw.closed.code));
  }
  const found = wrongs.splice(0).filter(Boolean);
  if (found.length > 0) throw new Error(found.slice(0, 5).join('\n'));
}

async function unharmed() {
  const now = hub.workers().map(({ pid }) => pid);
  if (String(now) !== String(workers)) throw new Error(`the workers ${workers} have become ${now}\n${hub.log(20)}`);
  for (const [conv, count] of stored) {
    const log = await hub.api.log(conv);
    if (log.length === count) continue;
    stored.set(conv, log.length); // this case is blamed, and not those after it
    throw new Error(`${conv} holds ${log.length} messages instead of ${count}: ${JSON.stringify(log.slice(-3)).slice(0, 500)}`);
  }
}

for (const { name, run } of [...upgradeCases, ...frameCases, ...httpCases, ...syncCases]) {
  if (only && !name.includes(only)) continue;
  await tap.run(name, async () => {
    const bench = new Bench();
    try {
      await run(bench).catch((error) => unharmed().then(() => Promise.reject(error), (harm) => Promise.reject(new Error(`${error.message}; and ${harm.message}`))));
      await unharmed();
      asDescribed(bench);
    } finally {
      for (const raw of bench.opened) raw.destroy();
    }
  });
}

await tap.run('a client that behaved all the while noticed nothing', async () => {
  await hub.api.send('c', { op: 'the last', from: 'alice', body: 'still there?' });
  await witness.until(() => witness.shown.some((each) => each.op === 'the last'), 'the witness gets a last message');
  if (witness.welcomes.length !== 1) throw new Error(`it was disconnected: ${JSON.stringify(witness.closes)}`);
  if (witness.faults.length > 0) throw new Error(witness.faults.join('\n'));
});
await tap.run('the connections that were closed are forgotten', async () => {
  witness.drop();
  await eventually(async () => {
    const { belfry_connections: open } = await hub.api.metrics();
    return Object.values(open).reduce((sum, each) => sum + each, 0) === 0;
  }, 'belfry_connections falls to 0');
});
await tap.run('SIGTERM ends the hub with status 0, and no sanitizer had to complain', async () => {
  const ended = await hub.stop();
  if (ended.code !== 0 || hub.complaint()) throw new Error(`${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
});
tap.finish();
