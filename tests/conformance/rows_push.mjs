// SPDX-License-Identifier: Apache-2.0
// rows_push.mjs: cases of the walk (walk.mjs) for PROTOCOL.md section 6, push, and the rows about it in sections 2 and 7.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../lib/started.mjs';
import { eventually } from '../lib/until.mjs';
import { Receiver } from '../push/receiver.mjs';
import { expect, told } from './scene.mjs';

const registrations = [
  {
    row: '| `push_register` | `provider` = `apns`, `fcm`, `webpush`, `webhook`; `app`; `token` or `subscription`; `env` | `ok` | `push_unregister` | `provider` | `ok` |',
    holds: 'the latest registration of a device counts, the backend sees it, and it ends once',
    covers: ['request push_register', 'request push_unregister'],
    async run(scene) {
      const ann = await scene.device('ann');
      const stored = async () => (await scene.call(200, 'GET', `${scene.user('ann')}/devices`, { node: 1 })).devices.find((each) => each.device === 'phone').push;
      expect((await stored()) === null, 'it is registered');
      const subscription = { endpoint: `https://push.example/${scene.name('ann')}`, keys: { p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', auth: 'BTBZMqHH6r4Tts7J_aSIgg' } };
      for (const registration of [{ provider: 'fcm', app: 'main', token: `of-${scene.name('ann')}` }, { provider: 'apns', app: 'main', token: Buffer.from(scene.name('ann')).toString('hex'), env: 'sandbox' }, { provider: 'webpush', app: 'main', subscription }, { provider: 'webhook', app: 'sms', token: '+49 30 1' }]) {
        expect((await scene.ask(ann, 'push_register', registration)).type === 'ok', `${registration.provider} was not ok`);
        const { provider, app } = await stored();
        expect(provider === registration.provider && app === registration.app, `it is registered as ${provider} ${app}`);
      }
      const raw = await scene.session('ann', 'raw');
      expect((await scene.say(raw, { type: 'push_register', provider: 'webhook', app: 'a b' }, { good: false })).code === 'bad_request', 'an app with a space is one');
      const beside = { ...subscription, keys: { ...subscription.keys, p256dh: `${subscription.keys.p256dh.slice(0, -1)}8` } };
      expect((await scene.say(raw, { type: 'push_register', provider: 'webpush', app: 'main', subscription: beside }, { good: false })).code === 'bad_request', 'a key beside the curve is one');
      expect((await scene.ask(ann, 'push_unregister', { provider: 'webhook' }).catch((error) => (scene.disturbed && error.code === 'not_found' ? { type: 'ok' } : Promise.reject(error)))).type === 'ok', 'it did not end');
      expect((await stored()) === null, 'it is still registered');
      expect((await scene.refusal(ann, 'push_unregister', { provider: 'webhook' })) === 'not_found', 'it ended twice');
    },
  },
  {
    row: '| `PUT` / `DELETE /v1/users/{user}/devices/{device}/push` | |',
    holds: 'the same by the backend, also for a device that was never here',
    async run(scene) {
      const path = `${scene.user('ann')}/devices/tablet/push`;
      await scene.call(200, 'PUT', path, { body: { provider: 'fcm', app: 'main', token: `of-${scene.name('ann')}` } });
      const { devices } = await scene.call(200, 'GET', `${scene.user('ann')}/devices`, { node: 1 });
      expect(devices[0].device === 'tablet' && devices[0].connected === false && devices[0].push.provider === 'fcm', () => told(devices));
      expect((await scene.http('PUT', path, { good: false, body: { provider: 'pigeon' } })).status === 422, 'a pigeon was registered');
      await scene.call(200, 'DELETE', path, { node: 1 });
      expect((await scene.http('DELETE', path)).status === 404, 'it ended twice');
    },
  },
];

const alone = [
  {
    row: '`push` on a message or notification: `{title,text,priority:"high"|"normal"|"silent",ttl_s,collapse,data}`; … state: queued, pushed, delivered, read, expired; per step',
    holds: 'a device that is away gets it, what cannot be delivered is a dead letter, and an acknowledgement ends what is still to come',
    async run(scene) {
      const receiver = await new Receiver().start();
      const file = join(makeFolder('push'), 'belfry.conf');
      const section = (app) => `[push.webhook.${app}]\nurl = ${receiver.url}/hook\nsecret = whsec_${Buffer.alloc(32, 7).toString('base64')}\nallow_private = yes\n`;
      writeFileSync(file, `[push]\ndelay_ms = 500\n${['one', 'two', 'three', 'four'].map(section).join('')}`);
      const hub = await scene.ownHub({ args: ['--config', file] });
      const where = { hub };
      const user = scene.name('ann');
      // To an app that refuses everything nothing is sent for a while, so each time it is another.
      const register = (app) => scene.call(200, 'PUT', `${scene.user('ann')}/devices/pad/push`, { ...where, body: { provider: 'webhook', app, token: 't' } });
      await register('one');
      await scene.call(201, 'PUT', scene.conv('room'), { ...where, body: { members: [user, scene.name('bob')] } });
      await scene.call(201, 'POST', `${scene.conv('room')}/messages`, { ...where, body: { op: 'm1', from: scene.name('bob'), body: 1, push: { title: 'Bob', text: 'says one', priority: 'high', ttl_s: 600, collapse: 'c', data: { a: 1 } } } });
      const first = await receiver.until(() => receiver.of(user).find((push) => /says one/.test(told(push.event))), 'the message is pushed');
      expect(/"Bob"/.test(told(first.event)), () => told(first.event));

      const notifications = `${scene.user('ann')}/notifications`;
      const dead = async (count) => eventually(async () => {
        const { items } = await scene.call(200, 'GET', '/v1/push/dead', where);
        return items.length === count && items;
      }, () => `${count} dead letters; the receiver got ${receiver.pushes.map((push) => `${push.id} ${Math.round(push.at_ms / 100) % 1000}`)}\n${hub.log(8)}`);
      receiver.status = 400; // which is tried a few times only, here at once
      receiver.headers = { 'retry-after': '0' };
      await scene.call(202, 'POST', notifications, { ...where, body: { op: 'n1', title: 'never', text: 'taken' } });
      const [letter] = await dead(1);
      receiver.status = 200;
      await scene.call(200, 'POST', `/v1/push/dead/${encodeURIComponent(letter.id)}/replay`, where);
      await eventually(async () => (await scene.call(200, 'GET', `${notifications}/n1`, where)).state === 'pushed', 'it is pushed after all');
      await dead(0);

      receiver.status = 400;
      await register('two');
      await scene.call(202, 'POST', notifications, { ...where, body: { op: 'n2', title: 'two' } });
      const [one] = await dead(1);
      await scene.call(200, 'DELETE', `/v1/push/dead/${encodeURIComponent(one.id)}`, where);
      expect((await scene.http('DELETE', `/v1/push/dead/${encodeURIComponent(one.id)}`, where)).status === 404, 'it was thrown away twice');
      await register('three');
      await scene.call(202, 'POST', notifications, { ...where, body: { op: 'n3', title: 'three' } });
      await dead(1);
      receiver.status = 200;
      expect((await scene.call(200, 'POST', '/v1/push/dead/replay', where)).replayed === 1, 'not one was replayed');
      await dead(0);
      expect((await scene.call(200, 'DELETE', '/v1/push/dead', where)).forgotten === 0, 'one is left');
      await register('four');
      await scene.call(202, 'POST', notifications, { ...where, body: { op: 'n4', title: 'four', escalate: [{ after_s: 3600, via: 'push' }] } });
      const state = async () => scene.call(200, 'GET', `${notifications}/n4`, where);
      await eventually(async () => (await state()).state === 'pushed', 'it is pushed');
      expect((await state()).steps[0].state === 'waiting', () => told(state()));
      const pad = await scene.session('ann', 'pad', { hub, hello: { cursor: { epoch: (await scene.session('ann', 'other', where)).welcome.epoch, n: 0 } } });
      const event = await pad.message((each) => each.op === 'n4', 'the event');
      pad.text({ type: 'ack', n: event.n });
      await eventually(async () => (await state()).state === 'delivered', 'it is delivered');
      expect((await state()).steps[0].state === 'cancelled', 'its escalation goes on');
      await receiver.stop();
    },
  },
].map((each) => ({ ...each, alone: true }));

export const pushRows = [...registrations, ...alone];
