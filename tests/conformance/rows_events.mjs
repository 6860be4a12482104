// SPDX-License-Identifier: Apache-2.0
// rows_events.mjs: cases of the walk (walk.mjs) for PROTOCOL.md sections 3, events and channels, and 4, ephemeral frames.

import { Redis } from '../lib/redis.mjs';
import { eventually } from '../lib/until.mjs';
import { expect, told } from './scene.mjs';

const events = [
  {
    row: '{"type":"member","n":20,"conv":"c1","action":"joined"|"left"|"removed"|"role","user":"carol","role":"member","at":…}',
    holds: 'all members are told who joined, has another role, or was removed',
    covers: ['event member'],
    async run(scene) {
      await scene.group('room', ['ann']);
      const ann = await scene.device('ann');
      const carol = await scene.device('carol');
      const member = `${scene.conv('room')}/members/${scene.name('carol')}`;
      await scene.call(200, 'PUT', member);
      await scene.call(200, 'PUT', member, { body: { role: 'admin' }, node: 1 });
      await scene.call(200, 'DELETE', member);
      for (const device of [ann, carol]) {
        const told3 = () => device.events.filter((each) => each.type === 'member' && each.user === scene.name('carol'));
        await device.until(() => told3().length === 3, `${device.name} is told three times`);
        expect(String(told3().map((each) => `${each.action} ${each.role}`)) === 'joined member,role admin,removed admin', () => told(told3()));
      }
    },
  },
  {
    row: '{"type":"notification","n":21,"op":"…","title":"…","text":"…","data":{…},"priority":"normal","at":…}',
    holds: 'it comes to every device of its user, is delivered by an ack and read by `read` with its op',
    covers: ['event notification'],
    async run(scene) {
      const ann = await scene.device('ann');
      const laptop = await scene.device('ann', 'laptop');
      const path = `${scene.user('ann')}/notifications`;
      for (const device of [ann, laptop]) device.holdAcks();
      await scene.call(202, 'POST', path, { body: { op: 'order 17/a', title: 'Pizza', text: 'is here', data: { order: 17 } }, node: 1 });
      for (const device of [ann, laptop]) {
        const notification = await device.until(() => device.events.find((each) => each.type === 'notification'), `${device.name} gets it`);
        expect(notification.title === 'Pizza' && notification.text === 'is here' && notification.data.order === 17 && notification.priority === 'normal' && notification.op === 'order 17/a', () => told(notification));
      }
      const state = async (wanted) => eventually(async () => (await scene.call(200, 'GET', `${path}/${encodeURIComponent('order 17/a')}`)).state === wanted, `it is ${wanted}`);
      await state('queued');
      ann.releaseAcks();
      await state('delivered');
      expect((await scene.ask(laptop, 'read', { op: 'order 17/a' })).type === 'ok', 'read was not ok');
      await state('read');
    },
  },
  {
    row: 'Receipts of one user in one conversation collapse: a device that was away gets the latest only, at its latest `n`.',
    holds: '`n` skips numbers, and nothing else does',
    covers: ['event receipt'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      await ann.until(() => ann.cursor.n >= 1, 'ann is there');
      ann.drop();
      for (let i = 1; i <= 4; i += 1) {
        await bob.send(conv, i);
        const other = await scene.call(201, 'POST', `${scene.conv('room')}/messages`, { body: { op: `o${i}`, from: scene.name('ann'), body: -i } });
        await scene.ask(bob, 'read', { conv, seq: other.seq });
      }
      await ann.start();
      await ann.until(() => ann.caughtUp, 'ann has caught up');
      const receipts = ann.events.filter((each) => each.type === 'receipt' && each.user === scene.name('bob'));
      expect(receipts.length === 1 && receipts[0].read === 8 && receipts[0].delivered === 8, () => told(receipts));
      expect(String(ann.shown.map((each) => each.seq)) === '1,2,3,4,5,6,7,8', () => told(ann.shown));
    },
  },
  {
    row: 'Every device of every member gets each event.',
    holds: 'also the devices that were away, and in a direct conversation; strangers get nothing',
    async run(scene) {
      const conv = await scene.group('two', ['ann', 'bob'], { kind: 'direct' });
      const away = await scene.device('bob', 'tablet');
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const eve = await scene.device('eve');
      away.drop();
      for (let i = 1; i <= 5; i += 1) await (i % 2 ? ann : bob).send(conv, i);
      await away.start();
      for (const device of [ann, bob, away]) await device.until(() => device.shown.length === 5, `${device.name} is shown five`);
      expect(String(away.shown.map((each) => each.body)) === '1,2,3,4,5', () => told(away.shown));
      await scene.ask(eve, 'ping');
      expect(eve.events.length === 0, () => told(eve.events));
    },
  },
  {
    row: '`{"type":"gap","from":a,"to":b}`: those events are past the inbox\'s limit and gone',
    holds: 'they are told as one gap, and what is left comes behind it',
    covers: ['event gap'],
    alone: true,
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_INBOX_EVENTS: '10' } });
      const where = { hub };
      await scene.call(201, 'PUT', scene.conv('room'), { ...where, body: { kind: 'group', members: [scene.name('ann'), scene.name('bob')] } });
      const bob = await scene.device('bob', 'phone', where);
      bob.drop();
      const post = (i) => ({ method: 'POST', path: `${scene.conv('room')}/messages`, body: { op: `g${i}`, from: scene.name('ann'), body: i } });
      // An inbox is trimmed when it is 256 events above its limit.
      for (let k = 0; k < 3; k += 1) await scene.call(200, 'POST', '/v1/batch', { ...where, body: { operations: Array.from({ length: 100 }, (_, i) => post(k * 100 + i + 1)) } });
      await bob.start();
      await bob.until(() => bob.caughtUp && bob.reloads > 0, 'bob has caught up and reloaded');
      const [gap] = bob.frames.gap;
      expect(gap && gap.from <= gap.to && bob.frames.gap.length === 1, () => told(bob.frames.gap));
      expect(bob.events.filter((each) => each.type === 'message').at(-1).body === 300, () => told(bob.events.at(-1)));
      expect(bob.events.find((each) => each.n > gap.from).n === gap.to + 1, () => told([gap, bob.events[0]]));
      expect(new Set(bob.shown.map((each) => each.seq)).size === 300, 'the reload did not bring the rest');
    },
  },
  {
    row: '`{"type":"reset","epoch":e,"head":n}`: the store lost its past; the same, from nothing.',
    holds: 'a live session is told, and so is one that comes with a cursor of the past',
    covers: ['event reset'],
    alone: true,
    async run(scene) {
      const redis = await new Redis().start();
      const hub = await scene.ownHub({ redis: redis.url });
      const where = { hub };
      const room = { ...where, body: { kind: 'group', members: [scene.name('ann')] } };
      await scene.call(201, 'PUT', scene.conv('room'), room);
      const ann = await scene.device('ann', 'phone', where);
      const away = await scene.device('ann', 'tablet', where);
      for (let i = 1; i <= 5; i += 1) await ann.send(scene.name('room'), i);
      await away.until(() => away.shown.length === 5, 'the tablet is shown five');
      away.drop();
      await redis.command('FLUSHALL');
      await ann.until(() => ann.frames.reset.length === 1, 'the live one is told');
      const [reset] = ann.frames.reset;
      expect(reset.epoch !== ann.welcomes[0].epoch, () => told(reset));
      await scene.call(201, 'PUT', scene.conv('room'), room);
      await away.start();
      await away.until(() => away.frames.reset.length === 1 && away.caughtUp, 'the other is told');
      expect(away.frames.reset[0].epoch === reset.epoch, () => told(away.frames.reset));
      await ann.send(scene.name('room'), 'anew');
      await away.until(() => away.shown.some((each) => each.body === 'anew' && each.seq === 1), 'it goes on');
      for (const hub of scene.hubsOwn) await hub.stop();
      await redis.kill();
    },
  },
  {
    row: 'Channels (`kind: channel`) … no inbox events, no receipts, no typing; those who `subscribe` get `{"type":"message","conv":"news","seq":9,…}` without `n`, the same bytes for all, and resume by `since`.',
    holds: 'subscribers on every node get each entry in order, the sender too, and a lost subscription is told',
    async run(scene) {
      const conv = await scene.group('news', ['ann'], { kind: 'channel', public: true });
      const ann = await scene.device('ann');
      const readers = [ann];
      for (const user of ['bob', 'cleo', 'dora']) readers.push(await scene.device(user));
      for (const reader of readers) await scene.ask(reader, 'subscribe', { conv });
      for (let i = 1; i <= 20; i += 1) await ann.send(conv, i);
      await ann.send(conv, 'better', { kind: 'edit', ref: 20 });
      for (const reader of readers) {
        await reader.until(() => reader.channels.get(conv)?.seq === 21, `${reader.name} has them all`);
        expect(reader.shown.length === 21, () => `${reader.name} is shown ${told(reader.shown)}`);
      }
      expect(!ann.events.some((each) => each.type === 'message' || each.type === 'receipt'), () => told(ann.events));
      const { items } = await scene.ask(ann, 'conversations');
      expect(items[0].kind === 'channel' && items[0].unread === 0 && items[0].seq === 21, () => told(items));
      expect((await scene.refusal(ann, 'read', { conv, seq: 1 })) === 'bad_request', 'a channel has receipts');
      await scene.call(200, 'DELETE', scene.conv('news'));
      await readers[1].until(() => readers[1].channels.get(conv)?.ended === 'not_found', 'bob is told that it is gone');
    },
  },
];

const ephemera = [
  {
    row: '| `typing` | `conv`, `active` | none | … Typing reaches a user at most once per 2 s per (conversation, typist) while active, ends by itself after `ttl_ms`, and ends at once when the typist\'s message arrives.',
    holds: 'all three, and the typist hears nothing',
    covers: ['request typing', 'ephemeral typing'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const types = () => ann.tell('typing', { conv, active: true });
      const began = Date.now();
      await scene.sayUntil(types, () => bob.isTyping(conv, scene.name('ann')), 'bob sees ann type');
      expect(bob.frames.typing[0].ttl_ms === 6000 && bob.frames.typing[0].user === scene.name('ann'), () => told(bob.frames.typing));
      await eventually(() => {
        types();
        return Date.now() > began + 3000;
      }, 'ann has typed for three seconds');
      await scene.sayUntil(() => scene.ask(ann, 'signal', { conv, body: 'so far' }), () => bob.frames.signal.length > 0, 'what was said behind it comes');
      const typed_ms = Date.now() - began; // until the hub had heard all of it
      const on = bob.frames.typing.filter((each) => each.active);
      expect(on.length <= 1 + Math.floor(typed_ms / 1900), () => `in ${typed_ms} ms bob heard ${told(on)}`);
      await ann.send(conv, 'hello');
      await bob.until(() => bob.shown.length === 1, 'the message comes');
      if (!scene.disturbed) expect(!bob.isTyping(conv, scene.name('ann')), 'she still types');
      await bob.until(() => !bob.isTyping(conv, scene.name('ann')), 'she types no more');
      const again = Date.now();
      await eventually(() => {
        types();
        return bob.isTyping(conv, scene.name('ann'));
      }, 'bob sees ann type again');
      await bob.until(() => !bob.isTyping(conv, scene.name('ann')), 'it ends by itself');
      if (!scene.disturbed) expect(Date.now() - again >= 5900, `it ended after ${Date.now() - again} ms`);
      expect(ann.frames.typing.length === 0, 'the typist hears herself');
    },
  },
  {
    row: 'Typing reaches a user at most once per 2 s per (conversation, typist)',
    holds: 'on however many devices the typist types',
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const bob = await scene.device('bob');
      const typists = [];
      for (const device of ['phone', 'laptop', 'tablet']) typists.push(await scene.device('ann', device));
      for (const device of typists) device.tell('typing', { conv, active: true });
      for (const device of typists) await scene.sayUntil(() => scene.ask(device, 'signal', { conv, body: device.name }), () => bob.frames.signal.some((each) => each.body === device.name), `what ${device.name} said behind it comes`);
      expect(bob.frames.typing.length === 1 || (scene.disturbed && bob.frames.typing.length < 2), () => told(bob.frames.typing));
      for (const device of typists) expect(device.frames.typing.length === 0, 'the typist hears herself');
    },
  },
  {
    row: '… ends at once when the typist\'s message arrives.',
    holds: 'by whichever device or way it comes, and who types on is told of 2 s after the last time; a request that is refused ends nothing',
    calm: true,
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const bob = await scene.device('bob');
      const phone = await scene.device('ann', 'phone');
      const laptop = await scene.device('ann', 'laptop');
      const ann = scene.name('ann');
      const begins = async (what) => {
        const before = bob.frames.typing.filter((each) => each.active).length;
        const told_ms = bob.frames.typing.findLast((each) => each.active)?.at_ms ?? 0;
        await scene.sayUntil(() => phone.tell('typing', { conv, active: true }), () => bob.isTyping(conv, ann), `bob sees her type ${what}`);
        const on = bob.frames.typing.filter((each) => each.active).slice(before);
        expect(on.length === 1 && on[0].at_ms - told_ms > 1500, () => `${what} he heard ${told(on)}, and before that at ${told_ms}`);
      };
      const ended = async (what) => {
        const began = Date.now();
        await bob.until(() => !bob.isTyping(conv, ann), `bob sees her type no more ${what}`);
        expect(Date.now() - began < 4000, `it ended ${Date.now() - began} ms after ${what}`);
      };
      await begins('at first');
      await laptop.send(conv, 'from the laptop');
      await ended('the message of her laptop');
      await begins('behind that');
      await scene.call(201, 'POST', `${scene.conv('room')}/messages`, { body: { op: 'by-the-backend', from: ann, body: 'by the backend' } });
      await ended('the message of the backend');
      await begins('behind that, too');
      expect((await scene.refusal(phone, 'send', { conv, op: 'refused', kind: 'edit', ref: 9999, body: 1 })) === 'not_found', 'an edit of nothing was taken');
      await scene.sayUntil(() => scene.ask(phone, 'signal', { conv, body: 'still here' }), () => bob.frames.signal.length > 0, 'what was said behind it comes');
      expect(bob.isTyping(conv, ann), 'a refused request has ended it');
    },
  },
  {
    row: 'A user is online while any device is; going offline is announced only after a grace (default 8 s) in which the user did not come back',
    holds: 'a flicker is not announced, the end is, and last_seen says when',
    covers: ['ephemeral presence'],
    async run(scene) {
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const laptop = await scene.device('bob', 'laptop');
      const user = scene.name('bob');
      const watch = () => scene.ask(ann, 'watch', { users: [user] }).then(({ presence }) => ann.presence.set(user, presence[0]));
      await watch();
      await scene.sayUntil(watch, () => ann.presence.get(user).status === 'online', 'ann sees bob');
      await laptop.leave();
      bob.flicker();
      await bob.until(() => bob.welcomes.length === 2 && bob.live, 'bob is back');
      const heard = ann.frames.presence.length;
      const left = Date.now();
      await bob.leave();
      await scene.sayUntil(watch, () => ann.presence.get(user).status === 'offline', 'ann sees bob go');
      if (!scene.disturbed) {
        expect(ann.frames.presence.slice(0, heard).every((each) => each.status === 'online'), () => told(ann.frames.presence));
        expect(Date.now() - left >= 7500, `it was announced after ${Date.now() - left} ms`);
      }
      expect(Math.abs(ann.presence.get(user).last_seen - left) < 7000, () => `last seen ${ann.presence.get(user).last_seen - left} ms after he left`);
    },
  },
  {
    row: '{"type":"goaway","reason":"drain","retry_after_ms":1730} then close 4001: each client is given its own delay',
    holds: 'and the hub ends with status 0',
    covers: ['ephemeral goaway', 'close 4001'],
    alone: true,
    async run(scene) {
      const hub = await scene.ownHub({ workers: 2 });
      const raws = [];
      for (let i = 0; i < 8; i += 1) raws.push(await scene.session('ann', `d${i}`, { hub }));
      const ended = hub.stop();
      for (const raw of raws) {
        const goaway = await raw.message((each) => each.type === 'goaway', 'goaway');
        expect(goaway.reason === 'drain' && goaway.retry_after_ms >= 0 && goaway.retry_after_ms <= 10000, () => told(goaway));
        expect((await raw.over()).code === 4001, () => told(raw.closed));
      }
      const delays = new Set(raws.map((raw) => raw.messages.find((each) => each.type === 'goaway').retry_after_ms));
      expect(delays.size > 1, () => told([...delays]));
      expect((await ended).code === 0, 'its status is not 0');
    },
  },
];

export const eventRows = [...events, ...ephemera];
