// SPDX-License-Identifier: Apache-2.0
// stalled.mjs: one reader stops reading while its conversation roars; it costs nobody anything, and misses nothing.
//
//   stalled.mjs [--seconds S] [--rate R] [--body BYTES] [--grow MIB]      10 s, 1,000 messages a second of 200 bytes, 64 MiB
//
// With small bodies it is the window that stops the hub; with --body 20000 --rate 100 the socket is full before the window is.
//
// Measured: the worker's memory, which must not grow by more than --grow above what it was under the same load without a
// stalled reader; the latency of another reader (from the moment before the send to the moment it is shown), before and during,
// and their ratio; and that the stalled one, when it reads again, is shown everything in order and once.

import { check, describe, historyOf } from '../lib/checker.mjs';
import { Device } from '../lib/device.mjs';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { memoryOf } from '../lib/proc.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { pause } from '../lib/until.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seconds = option('seconds', 10);
const rate = option('rate', 1000);
const grow_mib = option('grow', 64);
const CATCH_UP_MS = 120000;
const SENDERS = 4;
const TURN_MS = 20;

const tap = new Tap(`a reader stalled for ${seconds} s while ${rate} messages a second go to its conversation`);
const hub = await new Hub({ name: 'hub', workers: 1, env: { BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0', BELFRY_STALL: '10m' } }).start();
await hub.untilReady();
const [worker] = hub.workers();

const people = ['reader', 'stalled', ...Array.from({ length: SENDERS }, (_, i) => `sender${i}`)];
const members = new Map([['room', new Set(people)]]);
await hub.api.conversation('room', people);
const devices = people.map((user) => new Device({ user, device: 'd', target: () => hub.wsUrl, token: (u, d) => makeToken(JWT_SECRET, { sub: u, dev: d }) }));
for (const device of devices) await device.start();
const [reader, stalled, ...senders] = devices;

// Sends at the rate until told to stop; body.at tells when. Those who are behind send no faster later.
const body = 'x'.repeat(option('body', 200));
async function roar(span_ms, onTurn) {
  const started = performance.now();
  let sent = 0;
  while (performance.now() - started < span_ms) {
    await pause(TURN_MS);
    const due = Math.min(((performance.now() - started) / 1000) * rate, sent + rate * 0.1);
    for (; sent < due; sent += 1) senders[sent % SENDERS].send('room', { at: performance.timeOrigin + performance.now(), body });
    onTurn?.();
  }
  return sent;
}

// The latencies of what the reader was shown from index `from` on.
function latencies(from) {
  const out = reader.shown.slice(from).map((each) => each.at_ms - each.body.at).sort((a, b) => a - b);
  const at = (part) => Math.max(0, out[Math.min(out.length - 1, Math.floor(out.length * part))] ?? NaN);
  return { count: out.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
const told = ({ count, p50, p99, max }) => `${count} messages, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;

await roar(1000); // all warm up
await reader.until(() => senders.every((sender) => [...sender.sends.values()].every(({ state }) => state === 'sent')), 'all sends are stored');
const quiet = memoryOf(worker.pid);

let mark = reader.shown.length;
let high = 0;
const look = () => {
  high = Math.max(high, memoryOf(worker.pid).rss);
};
await roar(Math.min(seconds, 10) * 1000, look);
const before = latencies(mark);
const normal = high;

mark = reader.shown.length;
high = 0;
const shownBefore = stalled.shown.length;
stalled.pauseReading();
const sent = await roar(seconds * 1000, look);
const during = latencies(mark);
const [worst, grown] = [high, (high - normal) / 1048576];
const meanwhile = stalled.shown.length - shownBefore;

tap.ok(meanwhile < sent / 2, `the stalled reader was shown ${meanwhile} of ${sent} in that time, so it was stalled indeed`);
tap.ok(stalled.closes.length === 0, 'the stalled reader was not dropped', JSON.stringify(stalled.closes));
tap.note(`memory of the worker: ${(quiet.rss / 1048576).toFixed(1)} MiB idle, at most ${(normal / 1048576).toFixed(1)} MiB before, ${(worst / 1048576).toFixed(1)} MiB during`);
tap.ok(grown <= grow_mib, `with a stalled reader the worker holds ${grown.toFixed(1)} MiB more (limit ${grow_mib})`);
tap.note(`latency of the other reader before: ${told(before)}`);
tap.note(`latency of the other reader during: ${told(during)}`);
tap.ok(during.count >= sent * 0.9, `the other reader was shown ${during.count} of ${sent} while it lasted; p99 is ${(during.p99 / before.p99).toFixed(2)} of what it was`);

stalled.resumeReading();
const started = Date.now();
const total = () => senders.reduce((sum, sender) => sum + sender.sends.size, 0);
await tap.run('when it reads again, the stalled reader is shown everything', () =>
  Promise.all(devices.map((device) => device.until(() => device.shown.length >= total(), () => `${device.name} has been shown ${device.shown.length} of ${total()}`, CATCH_UP_MS))),
);
tap.note(`it caught up in ${Date.now() - started} ms`);
const logs = new Map([['room', await hub.api.log('room')]]);
const faults = check(historyOf({ devices, logs, members }));
tap.ok(faults.length === 0, `all ${total()} messages were shown to all ${devices.length} devices, in order, once`, describe(faults));
const own = devices.flatMap((device) => device.faults);
tap.ok(own.length === 0, 'no device saw the hub break the protocol', own.slice(0, 20).join('\n'));
tap.ok(stalled.frames.gap.length === 0 || total() > 100000, 'nobody was told of a gap that an inbox should not have', JSON.stringify(stalled.frames.gap));

for (const device of devices) device.drop();
const ended = await hub.stop();
tap.ok(ended.code === 0 && !hub.complaint(), 'SIGTERM ends the hub with status 0, and no sanitizer had to complain', `${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
tap.finish();
