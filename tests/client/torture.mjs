// SPDX-License-Identifier: Apache-2.0
// torture.mjs: kill -9 of a client at any point, again and again, beside a bad network and a hub that is killed too.
//
//   torture.mjs [--runs 60] [--seed N]
//
// Two users, a device each, one store each. In a run a process opens one of the stores, sends, receives, reads, or makes one
// background sync, and is killed at some moment, perhaps before it did anything, perhaps while a second process uses the same
// store. What it printed before is what the world knows: an op that was printed was accepted; a change that was printed was
// shown, and the next process goes on behind it. At the end all come back in a good network, and then must hold:
//
//  1. every accepted op is in the hub's log once, and nothing is there that nobody sent;
//  2. every device's store has every entry once, as the log has it, and an empty outbox;
//  3. no entry was shown twice over all processes of a device, and none was left out;
//  4. within a conversation the accepted ops of one device are in the order in which they were accepted.

import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Hub, JWT_SECRET, findProgram } from '../lib/hub.mjs';
import { makeFolder, start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually, pause } from '../lib/until.mjs';
import { Proxy } from './proxy.mjs';

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const RUNS = argument('--runs', 60);
const SEED = argument('--seed', Date.now() % 1000000);
const CONVS = ['c1', 'c2', 'c3'];
const program = join(dirname(findProgram()), '..', 'tests', 'client', 'belfry_story');

// mulberry32: the same run again by its seed, as far as the machine's own chance allows.
let state = SEED;
function chance() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(chance() * n);

class Device {
  constructor(user, folder) {
    Object.assign(this, { user, name: `${user}.phone`, store: join(folder, `${user}.db`), change: -1, count: 0 });
    this.token = makeToken(JWT_SECRET, { sub: user, dev: 'phone' });
    this.accepted = new Map(CONVS.map((conv) => [conv, []])); // conv -> ops, in order
    this.shown = new Map(); // conv/seq -> op
    this.twice = [];
    this.errors = [];
  }

  // One process on this store. `tells`: its events count as shown (one process at a time, as a second one would be told the same).
  open(url, tells) {
    const child = start(program, [url, this.token, this.store, String(this.change)], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => {}); // it was killed
    child.said = [];
    createInterface({ input: child.stdout }).on('line', (line) => this.#onLine(child, line, tells));
    child.say = (...words) => child.stdin.write(`${words.join(' ')}\n`);
    child.asked = []; // conversations of the sends it was told
    return child;
  }

  send(child) {
    const conv = CONVS[below(CONVS.length)];
    child.asked.push(conv);
    child.say('send', conv, JSON.stringify(`${this.user} ${(this.count += 1)}`));
  }

  #onLine(child, line, tells) {
    let said;
    try {
      said = JSON.parse(line);
    } catch {
      return; // the last line of a process that was killed
    }
    child.said.push(said);
    if (said.reply === 'send') {
      const conv = child.asked.shift();
      if (said.error === 0) this.accepted.get(conv).push(said.op);
      else this.errors.push(`send: ${said.error}`);
    }
    if (said.type === 'fault') this.errors.push(line);
    if (!tells || said.change === undefined) return;
    if (said.change <= this.change) this.twice.push(`change ${said.change} after ${this.change}`);
    this.change = said.change;
    if (said.type !== 'message' || said.changed) return;
    const at = `${said.conv}/${said.seq}`;
    if (this.shown.has(at)) this.twice.push(`${at} (${said.op})`);
    this.shown.set(at, said.op);
  }
}

async function within(child, reply, count = 1) {
  await eventually(() => child.said.filter((each) => each.reply === reply).length >= count || child.ended, `${reply} is answered`, { every_ms: 5 });
}

async function run(device, url) {
  const child = device.open(url, true);
  const second = chance() < 0.2 ? device.open(url, false) : undefined;
  const sender = second && chance() < 0.5 ? second : child; // one of them: between two processes there is no order
  if (chance() < 0.25) {
    for (let i = below(4); i > 0; i -= 1) device.send(sender);
    child.say('sync', 5000);
  } else {
    if (chance() < 0.7) child.say('start');
    for (let i = below(8); i > 0; i -= 1) device.send(sender);
    child.say('start');
    child.say('read', CONVS[below(3)], 1 + below(5));
    for (let i = below(4); i > 0; i -= 1) device.send(sender);
  }
  if (second && chance() < 0.5) second.say('start');
  // Most are at work before they die, however slowly they start.
  if (chance() < 0.7) await eventually(() => child.said.length > 0 || child.ended, 'it says something', { every_ms: 5 });
  await pause(below(chance() < 0.5 ? 60 : 400)); // the moment of its death is what is tried
  child.kill('SIGKILL');
  second?.kill('SIGKILL');
  await Promise.all([child.gone, second?.gone]);
}

// Back in a good network: until the device has everything and has nothing to say.
async function recover(device, url, wanted) {
  const child = device.open(url, true);
  child.say('start');
  await eventually(async () => {
    const before = child.said.filter((each) => each.reply === 'outbox').length;
    child.said = child.said.filter((each) => each.reply !== undefined);
    child.say('outbox');
    await within(child, 'outbox', before + 1);
    return child.said.filter((each) => each.item === 'outbox').length === 0 && [...wanted()].every((at) => device.shown.has(at));
  }, () => `${device.name} has everything; it lacks ${[...wanted()].filter((at) => !device.shown.has(at)).slice(0, 5)} and waits with ${JSON.stringify(child.said.filter((each) => each.item === 'outbox').slice(0, 2))}`, { deadline_ms: 60000, every_ms: 100 });
  return child;
}

async function entriesOf(child, conv) {
  child.said = [];
  child.say('entries', conv);
  await within(child, 'entries');
  return child.said.filter((each) => each.item === 'entries').map((each) => each.value);
}

const tap = new Tap('torture');
if (!existsSync(program)) throw new Error(`${program} is missing: build it`);
tap.note(`${RUNS} runs, seed ${SEED}`);
const folder = makeFolder('torture');
const hub = await new Hub({ workers: 2, env: { BELFRY_RETRY_BASE: '20ms', BELFRY_RETRY_MAX: '200ms' } }).start();
await hub.untilReady();
const devices = ['alice', 'bob'].map((user) => new Device(user, folder));
for (const conv of CONVS) await hub.api.conversation(conv, ['alice', 'bob']);
// Both have a place before the first message, so that they must have them all.
for (const device of devices) {
  const child = device.open(hub.url, true);
  child.say('sync', 10000);
  await within(child, 'sync');
  child.say('quit');
  await child.gone;
}
const proxy = await new Proxy(() => ({ host: '127.0.0.1', port: hub.port }), chance).start();
let kills = 0;
await tap.run(`${RUNS} processes are killed at random moments, and the hub beside them`, async () => {
  for (let i = 0; i < RUNS; i += 2) {
    if (chance() < 0.1) proxy.cut();
    if (i % 50 === 48) {
      const worker = hub.workers()[below(2)];
      if (worker) await hub.killPid(worker.pid);
    }
    if (i % 200 === 150) await hub.killPid(await eventually(() => hub.redisPid(), 'Redis runs'));
    await Promise.all(devices.map((device) => run(device, proxy.url)));
    kills += devices.length;
    if (kills % 100 === 0) tap.note(`${kills} runs, ${devices.map((device) => [...device.accepted.values()].flat().length)} ops accepted, ${proxy.cuts} connections cut`);
  }
});

proxy.calm = true;
await eventually(() => hub.untilReady().then(() => true), 'the hub is ready', { deadline_ms: 60000 });
const logs = new Map();
const wanted = () => [...logs].flatMap(([conv, log]) => log.map(({ seq }) => `${conv}/${seq}`));
let last = [];
await tap.run('then both come back and have everything', async () => {
  for (let round = 0; round < 2; round += 1) {
    for (const child of last) {
      child.say('quit');
      await child.gone;
    }
    last = await Promise.all(devices.map((device) => recover(device, proxy.url, wanted)));
    for (const conv of CONVS) logs.set(conv, await eventually(() => hub.api.log(conv), `the log of ${conv} can be read`));
  }
});
const stored = [...logs.values()].flat();
const ops = stored.map(({ op }) => op);
const accepted = devices.flatMap((device) => [...device.accepted.values()].flat());
tap.note(`${accepted.length} ops accepted, ${stored.length} entries stored, ${proxy.cuts} connections cut`);
tap.ok(accepted.every((op) => ops.includes(op)), 'nothing accepted into an outbox is lost', accepted.filter((op) => !ops.includes(op)).slice(0, 10).join(' '));
tap.ok(new Set(ops).size === ops.length, 'no op is stored twice');
tap.ok(devices.every((device) => device.twice.length === 0), 'nothing is shown twice', devices.flatMap((device) => device.twice).slice(0, 10).join('\n'));
tap.ok(devices.every((device) => wanted().every((at) => device.shown.has(at))), 'everything is shown');
tap.ok(devices.every((device) => device.errors.length === 0), 'no call and no store failed', devices.flatMap((device) => device.errors).slice(0, 10).join('\n'));
await tap.run('every store has every entry once, as the log has it', async () => {
  for (const [index, device] of devices.entries()) {
    for (const conv of CONVS) {
      const entries = await entriesOf(last[index], conv);
      const is = entries.map(({ seq, op, body }) => `${seq} ${op} ${body}`).join('\n');
      const should = logs.get(conv).map(({ seq, op, body }) => `${seq} ${op} ${body}`).join('\n');
      if (is !== should) throw new Error(`${device.name} in ${conv} has ${entries.length} of ${logs.get(conv).length}:\n${is.slice(0, 500)}\n-- not\n${should.slice(0, 500)}`);
    }
  }
});
const inOrder = (device, conv) => {
  const at = new Map(logs.get(conv).map(({ op, seq }) => [op, seq]));
  const seqs = device.accepted.get(conv).map((op) => at.get(op));
  return seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]);
};
tap.ok(devices.every((device) => CONVS.every((conv) => inOrder(device, conv))), 'in each conversation the order in which they were accepted is kept');
for (const child of last) child.say('quit');
await Promise.all(last.map((child) => child.gone));
proxy.close();
await hub.stop();
tap.finish();
