// SPDX-License-Identifier: Apache-2.0
// kill.mjs: under constant sending, something is killed with -9 again and again; in the end nothing acknowledged is lost.
//
//   kill.mjs [--rounds N] [--seed S] [--rate R] [--only KIND]
//
// By default 8 rounds, a new seed, 10 sends a second for each device, any kind.
//
// Twelve devices of eight users talk in six conversations. In each round one device goes without a word, then one of
// {a hub worker, the supervisor, redis-server, all of them} is killed; the supervisor is started again on the same folder and
// port, the others must come back by its doing. Within 5 s of that presence must be right: online for who is
// connected, offline for who went. In the end checker.mjs holds all that was acknowledged against the logs, and all that
// was shown to every device against both: nothing lost, nothing twice, nothing out of order.

import { Chance, seedFrom } from '../lib/chance.mjs';
import { check, describe, historyOf } from '../lib/checker.mjs';
import { Device } from '../lib/device.mjs';
import { Hub, JWT_SECRET } from '../lib/hub.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually, pause } from '../lib/until.mjs';

const PRESENCE_MS = 5000;
const SETTLE_MS = 60000;
const IN_FLIGHT = 8;

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const rounds = Number(option('rounds', 8));
const rate = Number(option('rate', 10));
const chance = new Chance(seedFrom(option('seed')));

const tap = new Tap(`kill -9, ${rounds} rounds, seed ${chance.seed}`);

// ---- who talks where --------------------------------------------------------------------------------------------------

const users = ['ann', 'ben', 'cleo', 'dan', 'eva', 'finn', 'gwen', 'hugo'];
const names = [...users.map((user) => `${user}.phone`), 'ann.laptop', 'ben.laptop', 'cleo.laptop', 'dan.laptop'];
const members = new Map([
  ['all', new Set(users)],
  ['pair', new Set(['ann', 'ben'])],
  ['other-pair', new Set(['cleo', 'hugo'])],
  ['trio', new Set(['dan', 'eva', 'finn'])],
  ['family', new Set(['ann', 'cleo', 'eva', 'gwen'])],
  ['work', new Set(['ben', 'dan', 'finn', 'gwen', 'hugo'])],
]);

const hub = await new Hub({
  name: 'hub',
  workers: 2,
  env: { BELFRY_GRACE: '1s', BELFRY_RETRY_BASE: '50ms', BELFRY_RETRY_MAX: '1s', BELFRY_REQUESTS_PER_S: '0', BELFRY_MESSAGES_PER_S: '0' },
}).start();
await hub.untilReady();
for (const [conv, set] of members) await hub.api.conversation(conv, [...set]);

const devices = names.map((name) => {
  const [user, device] = name.split('.');
  return new Device({ user, device, name, target: () => hub.wsUrl, token: (u, d) => makeToken(JWT_SECRET, { sub: u, dev: d }) });
});
for (const device of devices) await device.start();

// ---- constant sending -------------------------------------------------------------------------------------------------

let sending = true;
let count = 0;
const senders = devices.map(async (device) => {
  const where = [...members].filter(([, set]) => set.has(device.user)).map(([conv]) => conv);
  const pending = new Set();
  while (sending) {
    await pause((1000 / rate) * (0.5 + Math.random()));
    if (pending.size >= IN_FLIGHT || device.state === 'off') continue;
    count += 1;
    const op = `${device.name}-${count}`;
    pending.add(op);
    device
      .send(chance.pick(where), { text: `${op} says hello`, count }, { op })
      .catch(() => {})
      .finally(() => pending.delete(op));
  }
});

// ---- the rounds -------------------------------------------------------------------------------------------------------

const victims = {
  async worker() {
    const before = hub.workers();
    const one = chance.pick(before);
    await hub.killPid(one.pid);
    return one.comm;
  },
  async redis() {
    const pid = await eventually(() => hub.redisPid(), 'the private Redis runs');
    await hub.killPid(pid);
    return `redis-server ${pid}`;
  },
  async supervisor() {
    await hub.kill();
    await hub.start();
    return 'the supervisor';
  },
  async all() {
    const pids = [hub.pid, ...hub.children().map(({ pid }) => pid)];
    for (const pid of chance.below(2) ? pids : pids.reverse()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (error.code !== 'ESRCH') throw error; // it ended with its parent
      }
    }
    await hub.child.gone;
    await hub.start();
    return 'everything';
  },
};

const recoveries = [];
for (let round = 1; round <= rounds; round += 1) {
  const kind = option('only') ?? chance.pick(Object.keys(victims));
  await tap.run(`round ${round}: ${kind} is killed, and presence is right within ${PRESENCE_MS / 1000} s`, async () => {
    await pause(chance.between(100, 900)); // let them talk
    const gone = chance.pick(devices.filter((device) => !names.includes(`${device.user}.laptop`)));
    gone.drop();
    await victims[kind]();
    const back = Date.now();

    let wrong = [];
    let took = 0; // when we last asked and were told wrong: how long we then waited for the answer, or paused, is no fault of the hub
    const right = async () => {
      const asked = Date.now() - back;
      const seen = await Promise.all(users.map((user) => hub.api.presence(user).then(({ status }) => [user, status])));
      const connected = new Set(devices.filter((device) => device !== gone).map((device) => device.user));
      wrong = seen.filter(([user, status]) => status !== (connected.has(user) ? 'online' : 'offline'));
      if (wrong.length > 0) took = asked;
      return wrong.length === 0;
    };
    await eventually(right, () => `presence is right; wrong is ${JSON.stringify(wrong)}`, { deadline_ms: SETTLE_MS, every_ms: 50 });
    recoveries.push(took);
    const all = devices.every((device) => device === gone || device.live);
    await gone.start();
    await eventually(() => devices.every((device) => device.live), 'all devices are connected', { deadline_ms: SETTLE_MS });
    if (took > PRESENCE_MS) throw new Error(`it was still wrong after ${took} ms${all ? '' : ', and then somebody who was called online was not'}`);
  });
}

// ---- the reckoning ----------------------------------------------------------------------------------------------------

sending = false;
await Promise.all(senders);
const sends = () => devices.flatMap((device) => [...device.sends.values()]);
await tap.run('every send is acknowledged in the end', () =>
  eventually(() => sends().every(({ state }) => state === 'sent'), () => `${sends().filter(({ state }) => state !== 'sent').length} are not: ${JSON.stringify(sends().filter(({ state }) => state !== 'sent').slice(0, 3).map(({ op, state, error }) => [op, state, error?.message]))}`, { deadline_ms: SETTLE_MS }),
);

const logs = new Map();
for (const conv of members.keys()) logs.set(conv, await hub.api.log(conv));
await tap.run('every device has been shown every entry of its conversations', () =>
  Promise.all(
    devices.map((device) => {
      const wanted = [...logs].filter(([conv]) => members.get(conv).has(device.user)).reduce((sum, [, log]) => sum + log.length, 0);
      return device.until(() => device.shown.length >= wanted, () => `${device.name} has been shown ${device.shown.length} of ${wanted}\n${device.trace.slice(-10).join('\n')}`, SETTLE_MS);
    }),
  ),
);

const history = historyOf({ devices, logs, members });
const faults = check(history);
const stored = [...logs.values()].reduce((sum, log) => sum + log.length, 0);
const shown = devices.reduce((sum, device) => sum + device.shown.length, 0);
tap.ok(faults.length === 0, `of ${history.sends.length} acknowledged messages none is lost, twice or out of order, for any of ${devices.length} devices`, describe(faults));
const own = devices.flatMap((device) => device.faults);
tap.ok(own.length === 0, 'no device saw the hub break the protocol', own.slice(0, 20).join('\n'));
const told = devices.flatMap((device) => [...device.frames.gap, ...device.frames.reset]);
tap.ok(told.length === 0, 'no device was told of a gap or a reset', JSON.stringify(told.slice(0, 5)));

recoveries.sort((a, b) => a - b);
const connects = devices.reduce((sum, device) => sum + device.welcomes.length, 0);
const again = sends().reduce((sum, { attempts }) => sum + attempts - 1, 0);
tap.note(`stored ${stored}, shown ${shown}, sends repeated ${again}, events repeated and dropped ${devices.reduce((sum, device) => sum + device.repeats, 0)}, sessions ${connects}`);
tap.note(`presence right after ${recoveries[Math.floor(recoveries.length / 2)]} ms at the median, ${recoveries.at(-1)} ms at most`);

for (const device of devices) device.drop();
const ended = await hub.stop();
tap.ok(ended.code === 0 && !hub.complaint(), 'SIGTERM ends the hub with status 0, and no sanitizer had to complain', `${JSON.stringify(ended)} ${hub.complaint()}\n${hub.log(20)}`);
if (tap.failed.length > 0) tap.note(hub.log(60));
tap.note(`to repeat: kill.mjs --rounds ${rounds} --seed ${chance.seed}`);
tap.finish();
