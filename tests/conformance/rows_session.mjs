// SPDX-License-Identifier: Apache-2.0
// rows_session.mjs: cases of the walk (walk.mjs) for PROTOCOL.md sections 1, transport, and 2, client requests and their replies.

import WebSocket from 'ws';
import { eventually } from '../lib/until.mjs';
import { expect, told } from './scene.mjs';

const transport = [
  {
    row: '`GET /v1/ws`, WebSocket subprotocol `belfry.v1`: one JSON object per text message',
    holds: 'the subprotocol is taken, and nothing is compressed unless that is configured',
    async run(scene) {
      const socket = new WebSocket(scene.hub().wsUrl, 'belfry.v1');
      await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
      expect(socket.protocol === 'belfry.v1' && socket.extensions === '', `protocol ${socket.protocol}, extensions ${socket.extensions}`);
      socket.terminate();
    },
  },
  {
    row: 'A client may also send one JSON array of up to 64 objects; they are handled in order, each with its own reply.',
    holds: 'each sees what those before it did, and its reply comes behind theirs',
    async run(scene) {
      await scene.group('room', ['ann', 'bob']);
      const conv = scene.name('room');
      for (let tries = 0; ; tries += 1) {
        const raw = await scene.session('ann', `array${tries}`);
        raw.text([{ type: 'send', id: 2, conv, op: `a${tries}`, body: 1 }, { type: 'history', id: 3, conv }, { type: 'ping', id: 4 }, { type: 'read', id: 5, conv, seq: 1 }, ...Array.from({ length: 60 }, (_, i) => ({ type: 'ping', id: 6 + i }))]);
        await raw.message((each) => each.id === 65, 'the last reply');
        const replies = raw.messages.filter((each) => each.id > 1);
        expect(replies.length === 64 && replies.every((each, i) => each.id === i + 2), () => `the replies came as ${replies.map((each) => each.id)}`);
        if (scene.disturbed && replies.some((each) => each.code === 'unavailable')) continue;
        expect(replies[1].entries.at(-1).op === `a${tries}` && replies[3].type === 'ok', () => told(replies.slice(0, 4)));
        return;
      }
    },
  },
  {
    row: 'Every request may carry an integer `id`; its reply carries the same `id`.',
    holds: 'the reply to a request without one has none',
    async run(scene) {
      const raw = await scene.session('ann');
      for (const id of [undefined, 0, -3, 9007199254740991]) {
        const before = raw.messages.length;
        raw.text({ type: 'ping', id });
        const pong = await raw.until(() => raw.messages.slice(before).find((each) => each.type === 'pong'), 'a pong');
        expect(pong.id === id && 'id' in pong === (id !== undefined), () => `${id} became ${told(pong)}`);
      }
    },
  },
  {
    row: 'Unknown fields are ignored; an unknown `type` gets an `error`.',
    holds: 'in requests, objects within them, and bodies of HTTP',
    async run(scene) {
      await scene.group('room', ['ann'], { colour: 'red' });
      const ann = await scene.device('ann');
      const more = { colour: 'red', deep: { a: [1, { b: null }] } };
      expect((await scene.ask(ann, 'history', { conv: scene.name('room'), ...more })).type === 'history', 'history was refused');
      expect((await scene.ask(ann, 'prefs', { mute: { conv: scene.name('room'), until_ms: 0, ...more }, ...more })).type === 'ok', 'prefs were refused');
      await scene.call(201, 'POST', `${scene.conv('room')}/messages`, { body: { op: 'x', from: scene.name('ann'), body: 1, ...more } });
      const raw = await scene.session('ann', 'raw');
      const answer = await scene.say(raw, { type: 'dance' }, { good: false });
      expect(answer.type === 'error' && answer.code === 'bad_request' && answer.temporary === false, () => told(answer));
    },
  },
  {
    row: 'Token: … It comes in `hello.token`, or in the upgrade\'s `Authorization: Bearer …` (then `hello` needs none; a bad one is refused with HTTP 401 before the upgrade).',
    holds: 'both ways are welcome, and a bad one is not',
    async run(scene) {
      const headers = { Authorization: `Bearer ${scene.token('ann', 'phone')}` };
      const raw = await scene.session('ann', 'phone', { token: undefined, headers });
      expect(raw.welcome.user === scene.name('ann') && raw.welcome.device === 'phone', () => told(raw.welcome));
      for (const [token, code] of [['rubbish', 'unauthorized'], [scene.token('ann', 'phone', { exp: 1000000000 }), 'token_expired']]) {
        const answer = await scene.http('GET', '/v1/ws', { key: token, headers: { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==' } });
        expect(answer.status === 401 && answer.json.error.code === code, () => `it was answered ${answer.status} ${answer.text}`);
      }
    },
  },
  {
    row: '`hello` must be the first frame, within 10 s.',
    holds: 'anything else gets unauthorized and close 4401, silence 4408',
    covers: ['error unauthorized', 'close 4401', 'close 4408'],
    async run(scene) {
      const early = await scene.socket();
      early.text({ type: 'ping', id: 1 });
      const { code } = await early.over();
      expect(early.messages[0].code === 'unauthorized' && early.messages[0].id === 1 && code === 4401, () => `${told(early.messages)} ${code}`);
      const opened = Date.now();
      const silent = await scene.socket(); // the hubs of a walk wait 5 s
      const over = await silent.over();
      expect(over.code === 4408 && Date.now() - opened >= 4900, () => `closed with ${over.code} after ${Date.now() - opened} ms`);
    },
  },
];

const requests = [
  {
    row: '| `hello` | `token`, `device`, `cursor` `{epoch,n}`, `client`, `background` | `welcome` |',
    holds: 'welcome has all its fields, and a device never seen before starts at head with fresh',
    covers: ['request hello'],
    async run(scene) {
      await scene.group('room', ['ann']);
      const ann = await scene.device('ann');
      const [welcome] = ann.welcomes;
      expect(welcome.fresh === true && welcome.cursor === welcome.head && welcome.head === 1, () => told(welcome));
      expect(welcome.max_frame === 65536 && welcome.window === 256 && welcome.ping_ms === 25000 && Math.abs(welcome.server_time - Date.now()) < 10000, () => told(welcome));
      expect(told(welcome.retry) === '{"base_ms":500,"max_ms":30000,"reset_ms":30000}', () => told(welcome.retry));
      expect(ann.frames.caught_up[0].n === welcome.head, () => told(ann.frames.caught_up));
    },
  },
  {
    row: '`cursor` `{epoch,n}` (optional: overrides the stored one)',
    holds: 'the events after it come in order, then caught_up with the head, then live events; without it the stored one counts',
    covers: ['request ack'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      for (let i = 1; i <= 6; i += 1) await ann.send(conv, i);
      await bob.until(() => bob.shown.length === 6, 'bob has six');
      const { epoch } = bob.welcomes[0];
      const third = bob.shown[2].n;
      const { n: last } = bob.cursor;
      await eventually(async () => (await scene.call(200, 'GET', `${scene.user('bob')}/devices`)).devices[0].cursor >= last, 'the ack has reached the store');
      bob.drop();
      const stored = await scene.session('bob', 'phone');
      await stored.message((each) => each.type === 'caught_up', 'caught_up');
      expect(!stored.messages.some((each) => each.type === 'message') && stored.welcome.cursor >= last, () => told(stored.messages));
      stored.destroy();
      const again = await scene.session('bob', 'phone', { hello: { cursor: { epoch, n: third } } });
      await again.message((each) => each.type === 'caught_up', 'caught_up');
      expect(again.welcome.cursor === third && again.welcome.fresh === undefined, () => told(again.welcome));
      const messages = again.messages.filter((each) => each.type === 'message');
      expect(String(messages.map((each) => each.body)) === '4,5,6', () => told(messages));
    },
  },
  {
    row: '`background` (bool: a background sync; does not count as presence)',
    holds: 'a user with background sessions only is offline',
    async run(scene) {
      const ann = await scene.device('ann', 'phone', { background: true });
      const presence = await scene.call(200, 'GET', `${scene.user('ann')}/presence`);
      expect(presence.status === 'offline' && presence.devices.length === 0, () => told(presence));
      const { devices } = await scene.call(200, 'GET', `${scene.user('ann')}/devices`);
      expect(devices[0].device === 'phone' && devices[0].connected === true, () => told(devices));
      expect(ann.live, 'it was disconnected');
    },
  },
  {
    row: 'A second session of the same device replaces the first (close 4409).',
    holds: 'on another node too, and the other devices of the user stay',
    covers: ['close 4409'],
    async run(scene) {
      const other = await scene.device('ann', 'laptop');
      const first = await scene.session('ann', 'phone', { node: 0 });
      const second = await scene.session('ann', 'phone', { node: 1 });
      const { code } = await first.over();
      expect(code === 4409, `it was closed with ${code}`);
      expect((await scene.say(second, { type: 'ping' })).type === 'pong' && other.live, 'the wrong one was closed');
    },
  },
  {
    row: '| `send` | `conv`, `op`, `body`; `kind` = `message` (default) | `sent` `{conv,op,seq,at,duplicate?}` |',
    holds: 'it is stored once, whichever session repeats it, and its event comes without body to the session that sent it',
    covers: ['request send', 'event message', 'error unavailable'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const laptop = await scene.device('ann', 'laptop');
      const bob = await scene.device('bob');
      const sent = await ann.send(conv, { text: 'Pizza?' }, { op: 'once' });
      expect(sent.seq === 1 && sent.conv === conv && sent.op === 'once' && Math.abs(sent.at - Date.now()) < 60000, () => told(sent));
      const again = await laptop.send(conv, { text: 'Pizza?' }, { op: 'once' });
      expect(again.seq === 1 && again.duplicate === true && again.at === sent.at, () => told(again));
      for (const device of [ann, laptop, bob]) await device.until(() => device.shown.length === 1, `${device.name} is shown it`);
      const event = (device) => device.events.find((each) => each.type === 'message');
      expect(scene.disturbed || !('body' in event(ann)), () => told(event(ann)));
      for (const device of [laptop, bob]) expect(event(device).body.text === 'Pizza?' && event(device).from === scene.name('ann') && event(device).device === 'phone' && event(device).at === sent.at, () => told(event(device)));
    },
  },
  {
    row: '`kind` = …, `edit`, `delete`, `react`; `ref` (the seq that an edit, delete or reaction is about)',
    holds: 'the entries come to all with ref, history shows what became of the message, and others may not',
    covers: ['event edit', 'event delete', 'event react', 'error forbidden', 'error not_found', 'error conflict'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob', { user: 'chief', role: 'admin' }]);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const chief = await scene.device('chief');
      await ann.send(conv, 'frist');
      await ann.send(conv, 'second');
      await ann.send(conv, 'first', { kind: 'edit', ref: 1 });
      await bob.send(conv, { emoji: '👍' }, { kind: 'react', ref: 1 });
      const refused = async (device, fields) => device.send(conv, 1, fields).then(() => 'sent', (error) => error.code);
      expect((await refused(bob, { kind: 'edit', ref: 1 })) === 'forbidden', 'bob edited what ann wrote');
      expect((await refused(bob, { kind: 'delete', ref: 1 })) === 'forbidden', 'bob deleted what ann wrote');
      expect((await refused(ann, { kind: 'edit', ref: 99 })) === 'not_found', 'what is not there was edited');
      expect((await refused(ann, { kind: 'edit', ref: 3 })) === 'conflict', 'an edit was edited');
      await chief.send(conv, undefined, { kind: 'delete', ref: 2 });
      expect((await refused(ann, { kind: 'edit', ref: 2 })) === 'conflict', 'what is deleted was edited');
      for (const device of [ann, bob, chief]) await device.until(() => device.shown.length === 5, `${device.name} is shown five`);
      expect(told(bob.shown.map((each) => [each.type, each.seq, each.ref])) === '[["message",1,null],["message",2,null],["edit",3,1],["react",4,1],["delete",5,2]]', () => told(bob.shown));
      const { entries } = await scene.ask(bob, 'history', { conv, after: 0, versions: true });
      expect(entries[0].body === 'first' && entries[0].version === 1 && entries[0].versions.length === 2 && entries[0].reactions[0].from === scene.name('bob'), () => told(entries[0]));
      expect(entries[1].deleted === true && !('body' in entries[1]) && entries[1].deleted_by === scene.name('chief') && entries[1].deleted_at === entries[4].at, () => told(entries[1]));
    },
  },
  {
    row: '| `ack` | `n`: this device has everything up to `n` safely; or `conv`,`seq` for a subscribed channel | none |',
    holds: 'nothing answers it, and what is acknowledged is delivered',
    covers: ['request ack', 'event receipt'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      bob.holdAcks();
      const { seq } = await ann.send(conv, 1);
      await bob.until(() => bob.shown.length === 1, 'bob is shown it');
      const members = await scene.ask(ann, 'members', { conv });
      expect(members.items.find((each) => each.user === scene.name('bob')).delivered === 0, () => told(members));
      bob.releaseAcks();
      await ann.until(() => ann.receipts.get(conv)?.get(scene.name('bob'))?.delivered === seq, 'ann hears that it is delivered');
      await scene.group('news', ['ann'], { kind: 'channel' });
      bob.tell('ack', { conv: scene.name('news'), seq: 1 });
      await scene.ask(bob, 'ping');
      expect(bob.lastError === undefined, () => told(bob.lastError));
    },
  },
  {
    row: '| `read` | `conv`, `seq`: the user has read up to `seq` | `ok` |',
    holds: 'read implies delivered, only rises, and the unread count falls at once',
    covers: ['request read', 'event receipt'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      for (let i = 1; i <= 3; i += 1) await ann.send(conv, i);
      const unread = async () => (await scene.ask(bob, 'conversations')).items[0].unread;
      expect((await unread()) === 3, 'not three unread');
      expect((await scene.ask(bob, 'read', { conv, seq: 2 })).type === 'ok', 'read was not ok');
      expect((await unread()) === 1, 'not one unread');
      expect((await scene.ask(bob, 'read', { conv, seq: 1 })).type === 'ok', 'a lower read was not ok');
      await ann.until(() => ann.receipts.get(conv)?.get(scene.name('bob'))?.read === 2, 'ann hears that two are read');
      const { items } = await scene.ask(ann, 'members', { conv });
      const me = items.find((each) => each.user === scene.name('bob'));
      expect(me.read === 2 && me.delivered >= 2, () => told(me));
      expect((await scene.refusal(bob, 'read', { conv, seq: 4 })) === 'bad_request', 'more than there is was read');
    },
  },
  {
    row: '| `signal` | `conv`, `body`: to whoever is online now; never stored | `ok` |',
    holds: 'every other session of the members hears it, the one that says it does not',
    covers: ['request signal', 'ephemeral signal'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const laptop = await scene.device('ann', 'laptop');
      const body = { ring: scene.mark };
      for (const device of [bob, laptop]) await scene.sayUntil(() => scene.ask(ann, 'signal', { conv, body }), () => device.frames.signal.length > 0, `${device.name} hears it`);
      expect(told(bob.frames.signal[0].body) === told(body) && bob.frames.signal[0].from === scene.name('ann'), () => told(bob.frames.signal));
      expect(ann.frames.signal.length === 0, 'ann hears herself');
      expect((await scene.ask(bob, 'history', { conv })).entries.length === 0, 'it was stored');
    },
  },
  {
    row: '| `history` | `conv`, `before` or `after` (seq), `limit` ≤ 200 | `history` `{conv,epoch,entries,more}` |',
    holds: 'pages go forward and back, ascending, the latest without either',
    covers: ['request history'],
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const ann = await scene.device('ann');
      for (let i = 1; i <= 5; i += 1) await ann.send(conv, i);
      const rows = [
        [{ after: 0, limit: 2 }, '1,2 more'],
        [{ after: 4, limit: 2 }, '5'],
        [{ before: 4, limit: 2 }, '2,3 more'],
        [{ before: 2 }, '1'],
        [{ limit: 2 }, '4,5 more'],
        [{ limit: 200 }, '1,2,3,4,5'],
        [{}, '1,2,3,4,5'],
      ];
      for (const [query, wanted] of rows) {
        const page = await scene.ask(ann, 'history', { conv, ...query });
        const found = `${page.entries.map((each) => each.seq)}${page.more ? ' more' : ''}`;
        expect(found === wanted && page.conv === conv && page.epoch === ann.welcomes[0].epoch, `${told(query)} gives ${found} instead of ${wanted}`);
      }
      const raw = await scene.session('ann', 'raw');
      expect((await scene.say(raw, { type: 'history', conv, limit: 201 }, { good: false })).code === 'bad_request', 'a limit of 201 was taken');
    },
  },
  {
    row: '| `conversations` | `after`, `limit` ≤ 200 | `conversations` `{items:[{conv,kind,epoch,seq,delivered,read,unread,last}],next}` |',
    holds: 'all come, page by page, with their latest message and what is unread',
    covers: ['request conversations'],
    async run(scene) {
      for (const word of ['a', 'b', 'c']) await scene.group(word, ['ann', 'bob']);
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      await bob.send(scene.name('b'), 'hello');
      await bob.send(scene.name('b'), 1, { kind: 'react', ref: 1 });
      await ann.send(scene.name('c'), 'mine');
      const first = await scene.ask(ann, 'conversations', { limit: 2 });
      expect(first.items.length === 2 && first.next !== null, () => told(first));
      const second = await scene.ask(ann, 'conversations', { limit: 2, after: first.next });
      expect(second.items.length === 1 && second.next === null, () => told(second));
      const all = new Map([...first.items, ...second.items].map((each) => [each.conv, each]));
      const [a, b, c] = ['a', 'b', 'c'].map((word) => all.get(scene.name(word)));
      expect(a.seq === 0 && a.unread === 0 && a.last === null && a.kind === 'group', () => told(a));
      expect(b.seq === 2 && b.unread === 1 && b.last.body === 'hello' && b.last.reactions.length === 1, () => told(b));
      expect(c.seq === 1 && c.unread === 0 && c.last.body === 'mine', () => told(c));
    },
  },
  {
    row: '| `members` | `conv` | `members` `{conv,items:[{user,role,delivered,read}]}` |',
    holds: 'all members with role and watermarks, for members only',
    covers: ['request members'],
    async run(scene) {
      const conv = await scene.group('room', ['ann', { user: 'bob', role: 'owner' }]);
      const ann = await scene.device('ann');
      const eve = await scene.device('eve');
      const { items } = await scene.ask(ann, 'members', { conv });
      const rows = items.map((each) => `${each.user} ${each.role} ${each.delivered} ${each.read}`).sort();
      expect(String(rows) === `${scene.name('ann')} member 0 0,${scene.name('bob')} owner 0 0`, () => told(items));
      expect((await scene.refusal(eve, 'members', { conv })) === 'forbidden', 'a stranger saw the members');
    },
  },
  {
    row: '| `subscribe` | `conv` (a channel), `since` `{epoch,seq}` optional | `subscribed` `{conv,epoch,seq,recovered}` then its entries |',
    holds: 'the entries after since come in order, then what is new; members of a private channel only',
    covers: ['request subscribe', 'request unsubscribe'],
    async run(scene) {
      const conv = await scene.group('news', ['ann'], { kind: 'channel', public: true });
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      for (let i = 1; i <= 3; i += 1) await ann.send(conv, i);
      const now = await scene.ask(bob, 'subscribe', { conv });
      expect(now.seq === 3 && now.recovered === true, () => told(now));
      await scene.ask(bob, 'subscribe', { conv, since: { epoch: now.epoch, seq: 1 } });
      await ann.send(conv, 4);
      await bob.until(() => bob.shown.some((each) => each.body === 4), 'bob is shown the new one');
      expect(String(bob.shown.map((each) => each.body)) === '2,3,4', () => told(bob.shown));
      expect(bob.events.every((each) => each.type !== 'message'), 'an entry of a channel has a number');
      const gone = await scene.ask(bob, 'subscribe', { conv, since: { epoch: 'another', seq: 1 } });
      expect(gone.recovered === false && gone.seq === 4, () => told(gone));
      const staff = await scene.group('staff', ['ann'], { kind: 'channel' });
      expect((await scene.refusal(bob, 'subscribe', { conv: staff })) === 'forbidden', 'a stranger subscribed');
      expect((await scene.ask(bob, 'unsubscribe', { conv })).type === 'ok', 'unsubscribe was not ok');
      bob.channels.delete(conv);
      await ann.send(conv, 5);
      await scene.ask(bob, 'ping');
      expect(!bob.shown.some((each) => each.body === 5), 'it still comes');
    },
  },
  {
    row: '| `watch` / `unwatch` | `users` (≤ 200): follow their presence | `watching` `{presence:[…]}` / `ok` |',
    holds: 'the present state comes, then changes, and after unwatch none',
    covers: ['request watch', 'request unwatch', 'ephemeral presence'],
    async run(scene) {
      const ann = await scene.device('ann');
      const users = ['bob', 'cleo'].map((word) => scene.name(word));
      const watching = await scene.ask(ann, 'watch', { users });
      expect(told(watching.presence) === told(users.map((user) => ({ user, status: 'offline', last_seen: null }))), () => told(watching));
      await scene.device('bob');
      await scene.sayUntil(() => scene.ask(ann, 'watch', { users }).then((reply) => reply.presence.map((each) => ann.presence.set(each.user, each))), () => ann.presence.get(users[0])?.status === 'online', 'ann sees bob');
      expect((await scene.ask(ann, 'unwatch', { users })).type === 'ok', 'unwatch was not ok');
      const heard = ann.frames.presence.length;
      await scene.device('cleo');
      await scene.ask(ann, 'ping');
      expect(ann.frames.presence.length === heard, () => told(ann.frames.presence));
    },
  },
  {
    row: '| `status` | `status` = `online`, `away`, `invisible` | `ok` |',
    holds: 'watchers and the backend see it; a user is as present as the most present device, and invisible is offline at once',
    covers: ['request status', 'ephemeral presence'],
    async run(scene) {
      const ann = await scene.device('ann');
      const bob = await scene.device('bob');
      const user = scene.name('bob');
      const watch = () => scene.ask(ann, 'watch', { users: [user] }).then(({ presence }) => ann.presence.set(user, presence[0]));
      await watch();
      for (const [status, shown] of [['away', 'away'], ['online', 'online'], ['invisible', 'offline'], ['away', 'away'], ['laptop', 'online']]) {
        if (status === 'laptop') await scene.device('bob', status);
        else expect((await scene.ask(bob, 'status', { status })).type === 'ok', `${status} was not ok`);
        await scene.sayUntil(watch, () => ann.presence.get(user)?.status === shown, `ann sees bob ${shown}`);
        const presence = await eventually(async () => {
          const answer = await scene.call(200, 'GET', `${scene.user('bob')}/presence`, { node: 1 });
          return answer.status === shown && answer;
        }, `the backend sees bob ${shown}`);
        expect((presence.devices.length > 0) === (shown !== 'offline'), () => told(presence));
      }
    },
  },
  {
    row: '| `prefs` | `mute` `{conv, until_ms}`, `quiet_hours` `{from,to,zone}` | `ok` |',
    holds: 'they are stored, either alone, and taken back',
    covers: ['request prefs'],
    async run(scene) {
      const ann = await scene.device('ann');
      const conv = scene.name('room');
      const until_ms = Date.now() + 3600000;
      const quiet_hours = { from: '22:00', to: '07:00', zone: 'Europe/Berlin' };
      const stored = async () => told(await scene.call(200, 'GET', `${scene.user('ann')}/prefs`, { node: 1 }));
      expect((await scene.ask(ann, 'prefs', { mute: { conv, until_ms } })).type === 'ok', 'mute was not ok');
      expect((await scene.ask(ann, 'prefs', { quiet_hours })).type === 'ok', 'quiet_hours were not ok');
      expect((await stored()) === told({ mute: [{ conv, until_ms }], quiet_hours }), await stored());
      await scene.ask(ann, 'prefs', { mute: { conv, until_ms: 0 }, quiet_hours: null });
      expect((await stored()) === '{"mute":[],"quiet_hours":null}', await stored());
    },
  },
  {
    row: '| `report` (protocol.md) | how syncing went since the last one | `ok` |',
    holds: 'what a client reports is in /metrics, each number cut to its limit, and a second one too early is refused',
    covers: ['request report'],
    alone: true,
    async run(scene) {
      const read = async () => {
        const { text } = await scene.http('GET', '/metrics', { key: '' });
        return (name, le) => [...text.matchAll(new RegExp(`^belfry_client_${name}\\{process="worker\\d"${le === undefined ? '' : `,le="${le}"`}\\} (\\d+)$`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
      };
      const before = await read();
      const raw = await scene.session('ann', 'phone');
      const ok = await scene.say(raw, { type: 'report', op_to_synced_ms: [40, 90000, 1e15], catch_up_ms: [-5], catch_up_size: [3], outbox_depth: 2, outbox_oldest_ms: 61000, synced: 3, retries: 1e12, gaps: -7 }, { good: false });
      expect(ok.type === 'ok', () => told(ok));
      const early = await scene.say(raw, { type: 'report', synced: 1 });
      expect(early.code === 'rate_limited' && early.retry_after_ms > 0 && early.retry_after_ms <= 31000, () => told(early));
      const beside = await scene.http('POST', '/v1/sync', { key: scene.token('ann', 'phone'), body: { ops: [{ type: 'report', id: 1, wakes: 1 }] } });
      expect(beside.json.results[0].code === 'rate_limited', () => `the same device, by a sync: ${told(beside.json)}`);
      const other = await scene.http('POST', '/v1/sync', { key: scene.token('ann', 'pad'), body: { ops: [{ type: 'report', id: 1, wakes: 1, empty_wakes: 1 }] } });
      expect(other.json.results[0].type === 'ok', () => `another device, by a sync: ${told(other.json)}`);
      const after = await read();
      const rose = (name, le) => after(name, le) - before(name, le);
      const is = { reports: rose('reports_total'), synced: rose('synced_total'), retries: rose('retries_total'), gaps: rose('gaps_total'), wakes: rose('wakes_total'), empty: rose('empty_wakes_total') };
      expect(told(is) === told({ reports: 2, synced: 3, retries: 10000, gaps: 0, wakes: 1, empty: 1 }), () => told(is));
      const spans = ['20', '50', '60000', '600000', '518400000', '[+]Inf'].map((le) => rose('op_to_synced_milliseconds_bucket', le));
      expect(told(spans) === '[0,1,1,2,2,3]' && rose('op_to_synced_milliseconds_sum') === 40 + 90000 + 604800000, () => `op_to_synced: ${spans}`);
      expect(rose('catch_up_milliseconds_bucket', '20') === 1 && rose('catch_up_events_bucket', '2') === 0 && rose('catch_up_events_bucket', '5') === 1, 'a catch-up');
      expect(rose('outbox_depth_sum') === 2 && rose('outbox_depth_count') === 2 && rose('outbox_oldest_milliseconds_bucket', '60000') === 1, 'the outbox');
      for (const wrong of [{ synced: '3' }, { synced: 1.5 }, { catch_up_ms: 5 }, { op_to_synced_ms: ['5'] }, { op_to_synced_ms: Array(33).fill(1) }, { outbox_depth: [] }]) {
        const refused = await scene.say(raw, { type: 'report', ...wrong }, { good: false });
        expect(refused.code === 'bad_request', () => `${told(wrong)} was answered ${told(refused)}`);
      }
    },
  },
  {
    row: '| `auth` | `token`: a fresh one for the same user, without a reconnect | `ok` |',
    holds: 'the session outlives its first token, and a token of another user is refused',
    covers: ['request auth', 'ephemeral token_expiring'],
    async run(scene) {
      const raw = await scene.session('ann', 'phone', { token: scene.token('ann', 'phone', { ttl_s: 6 }) });
      const expiring = await raw.message((each) => each.type === 'token_expiring', 'a warning');
      expect(expiring.in_ms > 0 && expiring.in_ms <= 6000 && !('id' in expiring), () => told(expiring));
      const other = await scene.say(raw, { type: 'auth', token: scene.token('bob', 'phone') });
      expect(other.code === 'forbidden', () => told(other));
      expect((await scene.say(raw, { type: 'auth', token: scene.token('ann', 'phone') })).type === 'ok', 'a fresh one was refused');
      const ends = Date.now() + 6500;
      await eventually(() => Date.now() > ends, 'the first token is over');
      expect((await scene.say(raw, { type: 'ping' })).type === 'pong' && !raw.closed, 'the session ended with its first token');
    },
  },
  {
    row: '| `ping` | | `pong` |',
    holds: 'it is answered, whatever the store does',
    covers: ['request ping'],
    async run(scene) {
      const ann = await scene.device('ann');
      for (let i = 0; i < 20; i += 1) await scene.ask(ann, 'ping');
    },
  },
  {
    row: 'At most `window` events are unacknowledged at a time; the hub goes on as `ack`s come.',
    holds: 'who acknowledges nothing gets a window full, and the rest after an ack',
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const bob = await scene.device('bob');
      bob.holdAcks();
      const operations = Array.from({ length: 100 }, (_, i) => ({ method: 'POST', path: `${scene.conv('room')}/messages`, body: { from: scene.name('ann'), body: i } }));
      for (let k = 0; k < 3; k += 1) {
        await eventually(async () => {
          const { results } = await scene.call(200, 'POST', '/v1/batch', { body: { operations: operations.map((each, i) => ({ ...each, body: { ...each.body, op: `w${k}-${i}` } })) } });
          return results.every((each) => each.status === 201 || each.status === 200);
        }, 'a hundred messages are stored');
      }
      await bob.until(() => bob.shown.length >= 256, 'a window full');
      await scene.ask(bob, 'ping');
      expect(bob.shown.length === 256, `${bob.shown.length} came`);
      bob.releaseAcks();
      await bob.until(() => bob.shown.length === 300, () => `all 300 come, of which ${bob.shown.length} did`);
    },
  },
];

export const sessionRows = [...transport, ...requests];
