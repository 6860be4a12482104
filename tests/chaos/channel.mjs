// SPDX-License-Identifier: Apache-2.0
// channel.mjs: a large audience on one worker: does everyone get everything in order, and does anybody else have to wait?
//
//   channel.mjs [--subscribers N] [--messages M] [--every MS] [--processes P] [--turn MS]     10,000, 20, 250 ms, 4, no limit
//
// Measured: the worker's longest turn of its loop (belfry_turn_microseconds) at rest and while the audience is served; the time
// from the send to the last subscriber; and how long the ping of a bystander on the same worker takes, with the ratio of its 99th
// percentiles. With --turn it fails above so many milliseconds: the machine's other work counts too, so only where it is quiet.

import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Device } from '../lib/device.mjs';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { start } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually, pause } from '../lib/until.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const subscribers = option('subscribers', 10000);
const messages = option('messages', 20);
const every_ms = option('every', 250);
const processes = option('processes', 4);
const limit_ms = option('turn', Infinity);
const CONV = 'news';
const SPAN_MS = 10500; // the gauge tells of the last 5 to 10 s

const tap = new Tap(`${messages} messages to a channel of ${subscribers} subscribers on one worker`);
const hub = await new Hub({ name: 'hub', workers: 1, env: { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_CONNECTS_PER_S: '0', BELFRY_PING: '10m', BELFRY_LOG_LEVEL: 'warning' } }).start();
await hub.untilReady();
await hub.api.conversation(CONV, ['editor'], 'channel', { public: true });
const people = ['editor', 'bystander'].map((user) => new Device({ user, device: 'd', target: () => hub.wsUrl, token: (u, d) => makeToken(JWT_SECRET, { sub: u, dev: d }) }));
for (const device of people) await device.start();
const [editor, bystander] = people;

function audience(index, from, count) {
  const order = { url: hub.wsUrl, from, count, at_once: 32, secret: JWT_SECRET, conv: CONV, localAddress: `127.0.0.${2 + index}` };
  const child = start(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), 'audience.mjs'), JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  const answer = () => new Promise((resolve, reject) => {
    waiting.push(resolve);
    child.gone.then((ended) => reject(new Error(`an audience ended: ${JSON.stringify(ended)}`)));
  });
  const look = () => {
    child.stdin.write('look\n');
    return answer();
  };
  return { child, up: answer(), look };
}

const turn_ms = async () => (await hub.api.metrics()).belfry_turn_microseconds.worker1 / 1000;

// Pings without a pause until told to stop.
async function pinging(while_) {
  const spans = [];
  let going = true;
  const done = (async () => {
    while (going) {
      const began = performance.now();
      await bystander.request('ping');
      spans.push(performance.now() - began);
      await pause(2);
    }
  })();
  await while_();
  going = false;
  await done;
  spans.sort((a, b) => a - b);
  const at = (part) => spans[Math.min(spans.length - 1, Math.floor(spans.length * part))];
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
const told = ({ p50, p99, max }) => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;

const per = Math.ceil(subscribers / processes);
const crowds = Array.from({ length: processes }, (_, i) => audience(i, i * per, Math.min(per, subscribers - i * per)));
await Promise.all(crowds.map(({ up }) => up));
tap.note(`${subscribers} have subscribed`);

const before = await pinging(() => pause(SPAN_MS)); // what the connecting took is forgotten then
const rest_ms = await turn_ms();

const sent_ms = [];
let longest_ms = 0;
let looks;
const during = await pinging(async () => {
  for (let i = 0; i < messages; i += 1) {
    sent_ms.push(performance.timeOrigin + performance.now());
    await editor.send(CONV, { text: `message ${i}` });
    await pause(every_ms);
    longest_ms = Math.max(longest_ms, await turn_ms());
  }
  await eventually(async () => {
    looks = await Promise.all(crowds.map(({ look }) => look()));
    longest_ms = Math.max(longest_ms, await turn_ms());
    return looks.every(({ least }) => least === messages);
  }, 'everyone has been shown everything', { deadline_ms: 120000, every_ms: 200 });
});

const last_ms = sent_ms.map((sent, i) => Math.max(...looks.map(({ came }) => came[i + 1])) - sent).sort((a, b) => a - b);
tap.note(`from the send to the last subscriber: median ${last_ms[Math.floor(last_ms.length / 2)].toFixed(0)} ms, longest ${last_ms.at(-1).toFixed(0)} ms`);
tap.note(`longest turn of the loop: ${rest_ms.toFixed(1)} ms at rest, ${longest_ms.toFixed(1)} ms with the audience`);
tap.note(`a bystander's ping: at rest ${told(before)}; with the audience ${told(during)}; p99 ratio ${(during.p99 / before.p99).toFixed(1)}`);

await tap.run('every subscriber was shown every message once and in order', () => {
  const faults = looks.flatMap((each) => each.faults);
  if (faults.length > 0) throw new Error(faults.join('\n'));
});
await tap.run(`no turn of the loop was longer than ${limit_ms} ms`, () => {
  if (longest_ms > limit_ms) throw new Error(`${longest_ms} ms`);
});
await tap.run('the subscriptions end with their sessions', async () => {
  for (const { child } of crowds) child.stdin.end();
  await eventually(async () => (await hub.api.metrics()).belfry_subscriptions.worker1 === 0, 'belfry_subscriptions falls to 0', { deadline_ms: 60000 });
});
for (const device of people) device.drop();
await tap.run('the hub ends with status 0', async () => {
  const ended = await hub.stop();
  if (ended.code !== 0 || hub.complaint()) throw new Error(`${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
});
tap.finish();
