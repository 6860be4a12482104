// SPDX-License-Identifier: Apache-2.0
// groups.mjs: what a message costs by the number of members it goes to, all of them connected: through their inboxes, through their inboxes
// with each of them acknowledging it (which tells a receipt to all), and, for comparison, through a channel that all subscribe to.
//
//   groups.mjs [--sizes 4,50,200,1000] [--messages 20]
//
// One worker, the private Redis. CPU is what the kernel counted for the two processes, so it holds on a busy machine too, as a ratio;
// what they spend while nobody writes is measured first and taken off. The time to the last delivery holds only on a quiet machine.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Hub } from '../lib/hub.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { eventually } from '../lib/until.mjs';

function option(name, value) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? value : process.argv[at + 1];
}

const sizes = option('sizes', '4,50,200,1000').split(',').map(Number);
const messages = Number(option('messages', '20'));
const PATIENCE_MS = 120000;
const TICKS_PER_S = 100; // of /proc/<pid>/stat

const env = { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_LOG_LEVEL: 'warning', BELFRY_PING: '10m' };
const hub = await new Hub({ name: 'groups', workers: 1, env }).start();
await hub.untilReady();

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function aofBytes() {
  const folder = join(hub.data, 'appendonlydir');
  return readdirSync(folder).reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0);
}

const look = () => ({ redis: cpuSeconds(hub.redisPid()), hub: cpuSeconds(hub.workers()[0].pid), aof: aofBytes(), at: performance.now() });

// One session; counts the entries of conv that come to it.
class Member {
  entries = 0;
  receipts = 0;
  acks = false;

  async join(user, conv, channel) {
    this.raw = await RawSocket.open(hub.port);
    await this.raw.upgrade();
    this.raw.text({ type: 'hello', id: 1, token: hub.token(user, 'd') });
    await this.raw.message((each) => each.type === 'caught_up', `${user} is welcome`, PATIENCE_MS);
    if (channel) {
      this.raw.text({ type: 'subscribe', id: 2, conv });
      await this.raw.message((each) => each.id === 2, `${user} is subscribed`, PATIENCE_MS);
    }
    this.raw.changed = () => this.#take();
    this.raw.messages.length = 0;
  }

  #take() {
    let n = 0;
    for (const frame of this.raw.messages.splice(0)) {
      if (frame.type === 'message') this.entries += 1;
      if (frame.type === 'receipt') this.receipts += 1;
      if (frame.n) n = Math.max(n, frame.n);
    }
    if (this.acks && n) this.raw.text({ type: 'ack', n });
    wake();
  }
}

let wake = () => {};
function until(holds, sentence) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited for: ${sentence}`)), PATIENCE_MS);
    wake = () => {
      if (!holds()) return;
      clearTimeout(timer);
      wake = () => {};
      resolve();
    };
    wake();
  });
}

const inSlices = async (items, work, at_once = 20) => {
  for (let i = 0; i < items.length; i += at_once) await Promise.all(items.slice(i, i + at_once).map(work));
};

// Nothing happens for a while: what the two processes cost anyway, a second.
async function idle() {
  const before = look();
  await new Promise((resolve) => { setTimeout(resolve, 3000); }); // pause: it is what this measures
  const after = look();
  const seconds = (after.at - before.at) / 1000;
  return { redis: (after.redis - before.redis) / seconds, hub: (after.hub - before.hub) / seconds };
}

const raised = async () => Object.values((await hub.api.metrics()).belfry_receipts_total).reduce((sum, n) => sum + n, 0);

async function measure(size, how) {
  const conv = `${how}-${size}`;
  const users = Array.from({ length: size }, (_, i) => `${conv}-${i}`);
  const channel = how === 'channel';
  await hub.api.conversation(conv, channel ? users.slice(0, 1) : users, channel ? 'channel' : 'group', channel ? { public: true } : {});
  const members = users.map(() => new Member());
  await inSlices(members.map((member, i) => [member, i]), ([member, i]) => member.join(users[i], conv, channel));
  const count = how === 'acks' ? Math.max(1, Math.floor(messages * 20 / size)) : Math.min(200, messages * Math.max(1, Math.floor(200 / size))); // below the window
  const rest = await idle();
  for (const member of members) member.acks = how === 'acks';

  const risen = await raised();
  const before = look();
  const times = [];
  for (let i = 1; i <= count; i += 1) {
    const began = performance.now();
    await hub.api.send(conv, { op: `${conv}-${i}`, from: users[0], body: { text: 'x'.repeat(100) } });
    await until(() => members.every(({ entries }) => entries >= i), `message ${i} comes to all ${size}`);
    times.push(performance.now() - began);
  }
  // Each member's acknowledgement comes to all as a receipt, up to receipts_members; above, it is stored only.
  if (how === 'acks') await eventually(async () => (await raised()) - risen >= size - 1, 'everyone has acknowledged', { deadline_ms: PATIENCE_MS });
  if (how === 'acks' && size <= 100) await until(() => members.every(({ receipts }) => receipts >= size - 1), 'the receipts come to all');
  const after = look();
  const seconds = (after.at - before.at) / 1000;
  for (const { raw } of members) raw.destroy();
  const each = (name) => Math.max(0, (after[name] - before[name] - rest[name] * seconds) * 1e6 / count);
  times.sort((a, b) => a - b);
  return { redis: each('redis'), hub: each('hub'), aof: (after.aof - before.aof) / count, last_ms: times[Math.floor(times.length / 2)], count };
}

console.log('how      members   messages   Redis us   a member   hub us   a member   AOF bytes   a member   last delivery ms');
for (const how of ['inbox', 'channel', 'acks']) {
  for (const size of sizes) {
    const { redis, hub: worker, aof, last_ms: last, count } = await measure(size, how);
    const cell = (value, width, digits = 0) => value.toFixed(digits).padStart(width);
    console.log(`${how.padEnd(8)}${cell(size, 8)}${cell(count, 11)}${cell(redis, 11)}${cell(redis / size, 11, 1)}${cell(worker, 9)}${cell(worker / size, 11, 1)}${cell(aof, 12)}${cell(aof / size, 11)}${cell(last, 19, 1)}`);
  }
}
const ended = await hub.stop();
process.exit(ended.code === 0 ? 0 : 1);
