// SPDX-License-Identifier: Apache-2.0
// wake.mjs: which pushes come from a whole hub, and when: by webhooks, whose receiver is tests/push/receiver.mjs.
//
//   node tests/push/wake.mjs [--messages 10000] [--seed N]

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Device } from '../lib/device.mjs';
import { findProgram, Hub, JWT_SECRET } from '../lib/hub.mjs';
import { request } from '../lib/api.mjs';
import { Chance } from '../lib/chance.mjs';
import { makeFolder } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';
import { Receiver } from './receiver.mjs';

const { values } = parseArgs({ options: { messages: { type: 'string', default: '1000' }, seed: { type: 'string', default: String(Date.now() % 1e6) } } });
const MESSAGES = Number(values.messages), SEED = Number(values.seed);
const DELAY_MS = 4000;
const ACKED_MS = 3000; // acknowledgements are gathered for a while, in the device and in the hub
const tap = new Tap('pushes of a whole hub');
const expect = (holds, sentence) => {
  if (!holds) throw new Error(typeof sentence === 'function' ? sentence() : sentence);
};
const told = (value) => JSON.stringify(value);

const receiver = await new Receiver().start();
const data = makeFolder('push');
const section = (name, secret = 'whsec_YSBzZWNyZXQgZm9yIHRlc3RzIG9ubHkgMTIzNDU2') => `[push.webhook.${name}]\nurl = ${receiver.url}/${name}\nsecret = ${secret}\nallow_private = yes\n`;
const account = { type: 'service_account', project_id: 'p', private_key_id: 'k', client_email: 'belfry@p.example', token_uri: `${receiver.url}/token` };
account.private_key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
writeFileSync(join(data, 'account.json'), JSON.stringify(account));
const fcm = `[push.fcm.big]\nservice_account = ${join(data, 'account.json')}\nurl = ${receiver.url}/fcm\nallow_private = yes\n`;
writeFileSync(join(data, 'belfry.ini'), `[push]\ndelay_ms = ${DELAY_MS}\n${section('app')}${section('sms')}${section('down')}${section('down2')}${section('fails')}${section('broken', 'short')}${fcm}`);
const hub = await new Hub({ workers: 1, data, args: ['--config', join(data, 'belfry.ini')] }).start();
const { api } = hub;
let users = 0;

// A user with a phone that is registered, in a conversation of its own with "sender".
async function someone(app = 'app') {
  const user = `user${(users += 1)}`;
  await api.call('PUT', `/v1/conversations/${user}`, { kind: 'group', members: [user, 'sender'] });
  await api.call('PUT', `/v1/users/${user}/devices/phone/push`, { provider: 'webhook', app, token: 'any' });
  return user;
}
const post = (user, op, push, more) => api.call('POST', `/v1/conversations/${user}/messages`, { op, from: 'sender', body: { text: op }, ...(push ? { push } : {}), ...more });
const notify = (user, op, more) => api.call('POST', `/v1/users/${user}/notifications`, { op, title: `title of ${op}`, ...more });
const state = (user, op) => api.call('GET', `/v1/users/${user}/notifications/${op}`);
const pushed = (user, count = 1, device = 'phone') => receiver.until(() => receiver.of(user, device).length >= count && receiver.of(user, device), () => `${count} pushes to ${user}; there are ${told(receiver.of(user))}`);
const connect = async (user, acks = true) => {
  const device = new Device({ user, device: 'phone', target: () => hub.wsUrl, token: () => makeToken(JWT_SECRET, { sub: user, dev: 'phone' }), acks });
  await device.start();
  return device;
};
const pushPid = (of) => of.children().find(({ comm }) => comm === 'belfry-push')?.pid;
// Something that comes later than all that is under way for another user: the worker has looked at him by then.
const settled = async () => {
  const other = await someone();
  await notify(other, 'settled');
  await pushed(other);
};

await tap.run('who is away is pushed to at once, with what the sender said, and the badge', async () => {
  const user = await someone();
  await post(user, 'one', { title: 'Sender', text: 'h\u00e9 "you"', priority: 'high', collapse: 'k', data: { a: [1] } });
  const [push] = await pushed(user);
  const { data: said } = push.event;
  expect(push.path === '/app', told(push));
  expect(said.kind === 'alert' && said.priority === 'high' && said.title === 'Sender' && said.text === 'h\u00e9 "you"' && said.badge === 1, told(said));
  expect(said.collapse === 'k' && told(said.data) === '{"a":[1]}' && said.conv === user && said.op === 'one' && said.id === push.id, told(said));
});

await tap.run('the whole circle: a message without push wakes with the head alone, and the device syncs until it has caught up', async () => {
  const user = await someone();
  for (let i = 0; i < 5; i += 1) await post(user, `m${i}`);
  const wake = (await pushed(user)).at(-1).event.data;
  expect(wake.kind === 'background' && wake.title === undefined && wake.text === undefined && wake.data === undefined && wake.badge === undefined && wake.head > 0, told(wake));
  const token = makeToken(JWT_SECRET, { sub: user, dev: 'phone' });
  const got = [];
  let cursor = { epoch: undefined, n: 0 };
  for (let more = true, ack; more; ) {
    const body = { device: 'phone', limit: 2, ...(ack === undefined ? {} : { ack }), ...(cursor.epoch ? { cursor } : {}) };
    const { json } = await request(hub.url, 'POST', '/v1/sync', { key: token, body });
    if (json.fresh && ack === undefined && !cursor.epoch) cursor = { epoch: json.epoch, n: 0 };
    else {
      got.push(...json.events);
      ack = json.cursor;
      cursor = { epoch: json.epoch, n: json.cursor };
      more = json.more;
      if (!more) await request(hub.url, 'POST', '/v1/sync', { key: token, body: { device: 'phone', ack } });
    }
  }
  expect(told(got.filter((event) => event.type === 'message').map((event) => event.op)) === told(['m0', 'm1', 'm2', 'm3', 'm4']), told(got));
  const before = receiver.of(user).length;
  await settled();
  expect(receiver.of(user).length === before, 'it is not woken again for what it has');
});

await tap.run('who acknowledges in time is not pushed to; who is connected and silent is, behind the delay', async () => {
  const [quick, silent] = [await someone(), await someone()];
  const devices = [await connect(quick), await connect(silent, false)];
  const at_ms = Date.now();
  await post(quick, 'a', { title: 't' });
  await post(silent, 'a', { title: 't' });
  const [push] = await pushed(silent);
  expect(push.at_ms - at_ms >= DELAY_MS - 50, `it came after ${push.at_ms - at_ms} ms`);
  await settled();
  expect(receiver.of(quick).length === 0, told(receiver.of(quick)));
  for (const device of devices) await device.leave();
});

await tap.run('push-test tells who would get what, and why not, and changes nothing', async () => {
  const user = await someone();
  const device = await connect(user, false);
  await post(user, 'a', { title: 't' });
  const ask = () => execFileSync(findProgram(), ['push-test', '--user', user, '--config', join(data, 'belfry.ini'), '--data', data]).toString();
  const text = ask();
  expect(text.startsWith(`${user}: online, 1 devices`) && /phone by webhook, app app: connected/.test(text) && /in [0-4]\.\d s: connected/.test(text), text);
  await device.leave();
  await pushed(user);
  await settled();
  expect(/looked at up to [1-9]/.test(ask()) && !/priority/.test(ask()), ask());
  expect(receiver.of(user).length === 1, told(receiver.of(user)));
});

await tap.run('nothing is pushed to the sender, to who muted, or of what is deleted, read or unregistered', async () => {
  const user = await someone();
  await api.call('PUT', '/v1/users/sender/devices/phone/push', { provider: 'webhook', app: 'app' });
  const device = await connect(user);
  await device.request('prefs', { mute: { conv: user, until_ms: Date.now() + 600000 } });
  await device.leave();
  await post(user, 'muted', { title: 't', priority: 'high' });
  const gone = await someone();
  await api.call('DELETE', `/v1/users/${gone}/devices/phone/push`);
  await post(gone, 'gone', { title: 't' });
  await settled();
  await settled();
  expect(receiver.of('sender').length + receiver.of(user).length + receiver.of(gone).length === 0, told([receiver.of('sender'), receiver.of(user), receiver.of(gone)]));
});

await tap.run('an escalation runs until somebody acknowledges, and each step can be read', async () => {
  const [left, heard] = [await someone(), await someone()];
  await (await connect(heard)).leave(); // a device never seen before would start behind the notification
  const escalate = [{ after_s: 1, via: 'push' }, { after_s: 2, via: 'webhook:sms', to: '+1' }, { after_s: 3, via: 'webhook:nobody' }];
  await notify(left, 'n', { escalate, priority: 'critical' });
  await notify(heard, 'n', { escalate: [{ after_s: 30, via: 'webhook:sms' }] });
  await pushed(heard);
  await eventually(async () => (await state(heard, 'n')).state === 'pushed', 'it is known as pushed'); // the provider knows first
  const device = await connect(heard);
  await eventually(async () => (await state(heard, 'n')).state === 'delivered', 'it is delivered');
  const [sms] = await pushed(left, 1, '');
  expect(sms.path === '/sms' && sms.event.data.token === '+1' && receiver.of(left, 'phone').length === 2, told(receiver.of(left)));
  expect(new Set(receiver.of(left).map(({ id }) => id)).size === 3, 'each has an id of its own');
  const steps = await eventually(async () => (await state(left, 'n')).steps.every((step) => step.state !== 'waiting') && (await state(left, 'n')).steps, 'all steps ran');
  expect(told(steps.map((step) => step.state)) === told(['sent', 'sent', 'failed']) && steps[2].reason === 'no such app', told(steps));
  expect(told((await state(heard, 'n')).steps.map((step) => step.state)) === '["cancelled"]' && receiver.of(heard, '').length === 0, told(await state(heard, 'n')));
  await device.leave();
});

await tap.run('a step of an escalation goes at its time, though the one before it cannot be sent, and is told as failed', async () => {
  const user = await someone(), late = await someone();
  const escalate = [{ after_s: 1, via: 'webhook:down' }, { after_s: 2, via: 'webhook:broken' }, { after_s: 3, via: 'webhook:sms', to: '+3' }, { after_s: 4 }];
  receiver.script = ({ path }) => (path === '/down' ? 503 : undefined);
  await notify(user, 'n', { escalate });
  await notify(late, 'n', { push: { title: 't', ttl_s: 1 }, escalate: [{ after_s: 2, via: 'webhook:sms' }] });
  const [down, sms] = await pushed(user, 2, '');
  expect(down.path === '/down' && sms.path === '/sms' && sms.event.data.token === '+3', told([down, sms]));
  const steps = await eventually(async () => (await state(user, 'n')).steps.every((step) => step.state !== 'waiting') && (await state(user, 'n')).steps, 'all steps ran');
  expect(told(steps.map(({ state: is, reason }) => [is, reason])) === told([['failed', '5xx'], ['failed', 'no credential'], ['sent', undefined], ['sent', undefined]]), told(steps));
  expect(receiver.of(user, '').length === 2, told(receiver.of(user, '')));
  const [step] = await eventually(async () => (await state(late, 'n')).steps[0].state !== 'waiting' && (await state(late, 'n')).steps, 'what has expired is not sent');
  expect(step.state === 'failed' && step.reason === 'expired' && receiver.of(late, '').length === 0, told(step));
  receiver.script = undefined;
});

await tap.run('a step goes at its time, though the one before it, or a push to a device, waits for an answer', async () => {
  const [held, other] = [await someone(), await someone('down2')];
  receiver.script = ({ path }) => (path.startsWith('/down') ? 'hold' : undefined);
  await notify(held, 'n', { escalate: [{ after_s: 0, via: 'webhook:down' }, { after_s: 1, via: 'webhook:sms' }] });
  await notify(other, 'n', { escalate: [{ after_s: 1, via: 'webhook:sms' }] });
  const [[sms], [device]] = [await pushed(other, 1, ''), await pushed(other, 1)];
  expect(sms.path === '/sms' && device.path === '/down2' && sms.at_ms - device.at_ms < 15000, told([sms, device]));
  await pushed(held, 2, '');
  const steps = await eventually(async () => (await state(held, 'n')).steps[1].state === 'sent' && (await state(held, 'n')).steps, 'it is sent');
  expect(steps[0].state === 'failed' && steps[0].reason === 'no answer', told(steps));
  receiver.script = undefined;
  for (const answer of receiver.held) answer();
  await settled();
  expect(receiver.of(held, '').length === 2 && receiver.of(other, 'phone').length === 1, told([receiver.of(held), receiver.of(other)]));
});

await tap.run('a step that fails is tried again until the next one is due, by whichever push worker, and not once somebody acknowledged', async () => {
  const [left, heard] = [await someone(), await someone()];
  await (await connect(heard)).leave();
  const escalate = [{ after_s: 0, via: 'webhook:fails' }, { after_s: 600, via: 'webhook:sms' }];
  receiver.script = ({ path }) => (path === '/fails' ? 503 : undefined);
  for (const user of [left, heard]) await notify(user, 'n', { escalate });
  const first = async (user) => (await state(user, 'n')).steps[0];
  for (const user of [left, heard])
    await eventually(async () => (await first(user)).reason === '5xx' && (await first(user)).state === 'waiting', 'it waits, and why is told');
  receiver.script = undefined;
  process.kill(pushPid(hub), 'SIGKILL');
  const device = await connect(heard);
  const [failed, again] = await pushed(left, 2, '');
  expect(failed.id === again.id && again.path === '/fails', told([failed, again]));
  await eventually(async () => (await first(left)).state === 'sent' && !(await first(left)).reason, 'it is sent');
  expect(told((await state(heard, 'n')).steps.map((step) => step.state)) === '["cancelled","cancelled"]', told(await state(heard, 'n')));
  await settled();
  expect(receiver.of(heard, '').length === 1, told(receiver.of(heard, '')));
  await device.leave();
});

await tap.run('a push that can never work becomes a dead letter, which is listed, tried again, and thrown away', async () => {
  const user = await someone();
  await api.call('PUT', `/v1/users/${user}/devices/phone/push`, { provider: 'fcm', app: 'big', token: 'a-token-of-this-phone' });
  const letters = async () => (await api.call('GET', '/v1/push/dead?limit=200')).items.filter((item) => item.user === user);
  await post(user, 'dead', { title: 't', data: 'x'.repeat(6000) }); // above the 4,096 bytes of a provider
  const [letter] = await eventually(async () => (await letters()).length && letters(), 'it is a dead letter');
  expect(letter.device === 'phone' && letter.op === 'dead' && letter.provider === 'fcm' && letter.class === 'payload_bad' && !told(letter).includes('a-token'), told(letter));
  expect((await api.call('POST', `/v1/push/dead/${letter.id}/replay`)).replayed === 1, 'it is tried again');
  const [again] = await eventually(async () => (await letters()).length && letters(), 'it is one again');
  expect(again.id === letter.id && again.at > letter.at, told([letter, again]));
  expect((await api.call('DELETE', `/v1/push/dead/${letter.id}`)).forgotten === 1, 'it is thrown away');
  expect((await api.raw('DELETE', `/v1/push/dead/${letter.id}`)).status === 404 && (await letters()).length === 0, 'it is gone');
});

// A device that has shown a message acknowledges it at once; that it did reaches the store within a second.
await tap.run(`of ${MESSAGES} messages in any order to devices that come and go, none is pushed to a device that had acknowledged it`, async () => {
  const source = new Chance(SEED);
  const chance = () => source.next();
  const pick = (list) => list[Math.floor(chance() * list.length)];
  const all = await Promise.all(Array.from({ length: 12 }, () => someone()));
  const devices = new Map();
  const leaving = new Map(all.map((user) => [user, []]));
  for (const user of all) devices.set(user, await connect(user));
  let sent = 0;
  const leave = async (user) => {
    const from_ms = Date.now();
    await devices.get(user).leave();
    leaving.get(user).push([from_ms, Date.now()]); // what comes behind its last acknowledgement is shown, but not acknowledged
  };
  const coming = async () => {
    while (sent < MESSAGES) {
      const user = pick(all), device = devices.get(user);
      if (device.state === 'live') await leave(user);
      else await device.start().catch(() => {});
      await eventually(() => sent >= MESSAGES || chance() < 0.2, 'it is time', { every_ms: 10 });
    }
  };
  const sending = async () => {
    while (sent < MESSAGES) {
      const user = pick(all);
      await post(user, `r${(sent += 1)}`, pick([undefined, { title: 't' }, { title: 't', priority: 'high' }, { title: 't', collapse: 'k' }]));
    }
  };
  await Promise.all([coming(), ...Array.from({ length: 8 }, sending)]);
  // On a quick machine nobody was away for longer than the delay until now.
  for (const user of all) {
    if (devices.get(user).state === 'live') await leave(user);
    await post(user, 'the last', { title: 't' });
  }
  for (const user of all) await pushed(user);
  await settled();
  let pushes = 0;
  for (const user of all) {
    const shown = new Map(devices.get(user).shown.map((each) => [each.op, each.at_ms]));
    for (const { at_ms, event } of receiver.of(user)) {
      pushes += 1;
      const shown_ms = shown.get(event.data.op);
      const closing = leaving.get(user).some(([from_ms, to_ms]) => shown_ms >= from_ms && shown_ms <= to_ms);
      expect(shown_ms === undefined || closing || shown_ms > at_ms - ACKED_MS, () => `${event.data.op} was shown ${at_ms - shown_ms} ms before it was pushed to ${user} (seed ${SEED})`);
    }
  }
  tap.note(`${pushes} pushes for ${MESSAGES} messages, seed ${SEED}`);
  expect(pushes >= all.length, 'all who are away are pushed to');
});

await tap.run('two push workers share the work; kill -9 of either at any moment: nothing is lost, and what is sent again has the same id', async () => {
  const other = await new Hub({ name: 'n2', workers: 1, redis: `unix://${hub.redisSocket()}`, args: ['--config', join(data, 'belfry.ini')] }).start();
  const hubs = [hub, other], looks = async (from) => (await from.api.metrics()).belfry_push_looks_total.push;
  await eventually(() => hubs.every((each) => /share the partitions. workers=2/.test(each.log(Infinity))), 'both know of each other');
  const before = await Promise.all(hubs.map(looks));
  const all = await Promise.all(Array.from({ length: 40 }, () => someone()));
  const killed = [];
  let count = 0;
  receiver.script = () => {
    count += 1;
    if (count % 25 === 0 && killed.length < 2) {
      const pid = pushPid(hubs[killed.length]);
      if (pid) {
        killed.push(pid);
        process.kill(pid, 'SIGKILL');
      }
    }
    return undefined;
  };
  await Promise.all(all.flatMap((user) => [0, 1, 2].map((i) => notify(user, `k${i}`))));
  const ops = (user) => new Set(receiver.of(user).map(({ event }) => event.data.op));
  await receiver.until(() => all.every((user) => ops(user).size === 3), () => {
    const lacking = all.filter((user) => ops(user).size < 3);
    return `all are pushed; ${lacking.length} users lack some after ${killed.length} kills: ${execFileSync(findProgram(), ['push-test', '--user', lacking[0], '--config', join(data, 'belfry.ini'), '--data', data])}`;
  }, 120000);
  receiver.script = undefined;
  expect(killed.length >= 2, `it was killed ${killed.length} times`);
  const repeats = all.flatMap((user) => receiver.of(user)).length - all.length * 3;
  for (const user of all)
    for (const op of ops(user)) expect(new Set(receiver.of(user).filter(({ event }) => event.data.op === op).map(({ id }) => id)).size === 1, `${op} of ${user} has several ids`);
  const after = await Promise.all(hubs.map(looks));
  expect(after.every((count, i) => count > before[i]), () => `both worked: looks ${told(before)}, then ${told(after)}`);
  tap.note(`${killed.length} kills, ${repeats} pushes sent again`);
  await other.stop();
});

await hub.stop();
await receiver.stop();
tap.finish();
