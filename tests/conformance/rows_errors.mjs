// SPDX-License-Identifier: Apache-2.0
// rows_errors.mjs: cases of the walk (walk.mjs) for PROTOCOL.md section 5, errors and closes.
//
// Codes that other cases bring about are named by those. Two closes are in the table and never sent by this hub: 4300, as a
// reset is told within the session, and 4403, as what a token may do is told by errors; that no case ever sees them is checked at the end.

import { Redis } from '../lib/redis.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';
import { expect, told } from './scene.mjs';

const x = (length) => 'x'.repeat(length);

const errors = [
  {
    row: '{"type":"error","id":7,"code":"…","message":"…","temporary":false,"retry_after_ms":…} … A refused request changes nothing. An error never closes the session unless a close code follows.',
    holds: 'bad_request, not_found and forbidden say so, and the session goes on',
    covers: ['error bad_request', 'error not_found', 'error forbidden'],
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const ann = await scene.device('ann');
      const eve = await scene.device('eve');
      const raw = await scene.session('ann', 'raw');
      for (const [frame, code] of [
        [{ type: 'send', conv, body: 1 }, 'bad_request'],
        [{ type: 'send', conv, op: x(65), body: 1 }, 'bad_request'],
        [{ type: 'send', conv: 'a b', op: 'x', body: 1 }, 'bad_request'],
        [{ type: 'send', conv: x(129), op: 'x', body: 1 }, 'bad_request'],
        [{ type: 'send', conv, op: 'x', body: 1, kind: 'shout' }, 'bad_request'],
        [{ type: 'send', conv, op: 'x', body: 1, kind: 'edit' }, 'bad_request'],
        [{ type: 'watch', users: Array.from({ length: 201 }, (_, i) => `u${i}`) }, 'bad_request'],
        [{ type: 'status', status: 'dancing' }, 'bad_request'],
      ]) {
        const reply = await scene.say(raw, frame, { good: false });
        expect(reply.type === 'error' && reply.code === code && reply.temporary === false && reply.message, () => told(reply));
      }
      expect((await scene.refusal(ann, 'history', { conv: scene.name('nowhere') })) === 'not_found', 'nowhere has a history');
      expect((await scene.refusal(eve, 'history', { conv })) === 'forbidden', 'a stranger saw it');
      expect((await eve.send(conv, 1).catch((error) => error.code)) === 'forbidden', 'a stranger sent');
      expect((await scene.ask(ann, 'history', { conv })).entries.length === 0 && !raw.closed && eve.live, 'something was changed or closed');
    },
  },
  {
    row: 'Malformed JSON, invalid UTF-8, binary where text is due: `error bad_request` is sent, then close 4400.',
    holds: 'in this order',
    covers: ['close 4400'],
    async run(scene) {
      for (const [opcode, bytes] of [[1, '{"type":"ping"'], [1, Buffer.from('7b2274797065223a22ff227d', 'hex')], [2, '{"type":"ping"}']]) {
        const raw = await scene.session('ann');
        raw.frame(opcode, bytes);
        const { code } = await raw.over();
        expect(raw.messages.at(-1).code === 'bad_request' && code === 4400, () => `${told(raw.messages.at(-1))} ${code}`);
      }
    },
  },
  {
    row: '4401 bad token, 4201 token expired',
    holds: 'a token that is none gets unauthorized, one that was good token_expired; then the close',
    covers: ['error unauthorized', 'error token_expired', 'close 4401', 'close 4201'],
    async run(scene) {
      for (const [token, error, close] of [
        ['rubbish', 'unauthorized', 4401],
        [makeToken('another secret, just as long as the right one is', { sub: scene.name('ann') }), 'unauthorized', 4401],
        [scene.token('ann', 'phone', { nbf: Math.floor(Date.now() / 1000) + 3600 }), 'unauthorized', 4401],
        [scene.token('ann', 'phone', { exp: 1000000000 }), 'token_expired', 4201],
      ]) {
        const raw = await scene.socket();
        raw.text({ type: 'hello', id: 1, token, device: 'phone' });
        const { code } = await raw.over();
        expect(raw.messages[0].code === error && raw.messages[0].id === 1 && code === close, () => `${told(raw.messages[0])} ${code}`);
      }
      const raw = await scene.session('ann', 'phone', { token: scene.token('ann', 'phone', { exp: Date.now() / 1000 + 6 }) });
      expect((await raw.over()).code === 4201, () => `a session whose token runs out is closed with ${told(raw.closed)}`);
    },
  },
  {
    row: '4202 token revoked | `POST /v1/users/{user}/disconnect` `{device?}`',
    holds: 'all sessions of the user are closed, or those of one device, on whichever node',
    covers: ['close 4202'],
    async run(scene) {
      const phone = await scene.session('ann', 'phone', { node: 0 });
      const laptop = await scene.session('ann', 'laptop', { node: 1 });
      const path = `${scene.user('ann')}/disconnect`;
      const ended = async (raw, body) => eventually(async () => {
        await scene.call(200, 'POST', path, { body });
        return raw.closed ?? false;
      }, 'it is closed', { every_ms: 200 });
      expect((await ended(phone, { device: 'phone' })).code === 4202, () => told(phone.closed));
      expect((await scene.say(laptop, { type: 'ping' })).type === 'pong', 'the other was closed too');
      expect((await ended(laptop)).code === 4202, () => told(laptop.closed));
    },
  },
  {
    row: '4413 frame too large',
    holds: 'max_frame is taken, a byte more gets too_large and the close; too many requests in an array get too_large alone',
    covers: ['error too_large', 'close 4413'],
    async run(scene) {
      const ann = await scene.session('ann');
      const whole = ann.welcome.max_frame;
      const frame = (bytes) => `{"type":"ping","id":7,"more":"${x(bytes - 32)}"}`;
      expect(Buffer.byteLength(frame(whole)) === whole, 'the frame has another length');
      ann.text(frame(whole));
      expect((await ann.message((each) => each.id === 7, 'a pong')).type === 'pong', 'max_frame was refused');
      ann.text(Array.from({ length: 65 }, () => ({ type: 'ping' })));
      const refused = await ann.message((each) => each.type === 'error', 'an error');
      expect(refused.code === 'too_large' && !ann.messages.some((each) => each.type === 'pong' && each.id === undefined), () => told(refused));
      ann.text(frame(whole + 1));
      expect((await ann.over()).code === 4413, () => told(ann.closed));
    },
  },
];

const alone = [
  {
    row: '4102 no pong',
    holds: 'who reads nothing is closed, and who reads is pinged and stays',
    covers: ['close 4102'],
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_PING: '300ms', BELFRY_PONG: '2s', BELFRY_STALL: '8s' } });
      const raw = await scene.session('ann', 'phone', { hub });
      const other = await scene.session('ann', 'laptop', { hub });
      raw.socket.pause();
      await eventually(async () => Object.values((await hub.api.metrics()).belfry_no_pong_total).some((count) => count > 0), 'the hub gives it up');
      raw.socket.resume();
      expect((await raw.over()).code === 4102, () => told(raw.closed));
      expect((await scene.say(other, { type: 'ping' })).type === 'pong' && other.frames.some((each) => each.opcode === 9), 'the other was closed, or not pinged');
    },
  },
  {
    row: '4101 rate limited',
    holds: 'requests above the rate get rate_limited with retry_after_ms and nothing else happens; who goes on and on is closed; a sync gets 429',
    covers: ['error rate_limited', 'close 4101'],
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_REQUESTS_PER_S: '1' } });
      const raw = await scene.session('ann', 'phone', { hub });
      const flood = (count) => raw.text(Array.from({ length: count }, () => ({ type: 'conversations' })));
      flood(20);
      const refused = await raw.message((each) => each.code === 'rate_limited', 'a refusal');
      expect(refused.temporary === true && refused.retry_after_ms > 0 && refused.retry_after_ms <= 60000, () => told(refused));
      expect((await scene.say(raw, { type: 'ping' })).type === 'pong', 'it was closed');
      // As many at once, as one is allowed again each second.
      const syncs = await Promise.all(Array.from({ length: 40 }, () => scene.http('POST', '/v1/sync', { hub, key: scene.token('ann', 'pad'), body: {} })));
      const sync = syncs.find(({ status }) => status !== 200);
      expect(sync?.status === 429 && sync.json.error.code === 'rate_limited' && Number(sync.headers['retry-after']) >= 1, () => `a sync was answered ${sync?.status} ${sync?.text}`);
      for (let i = 0; i < 20 && !raw.closed; i += 1) flood(64);
      expect((await raw.over()).code === 4101, () => told(raw.closed));
    },
  },
  {
    row: '4100 overloaded … `unavailable`',
    holds: 'without a store, requests get unavailable with retry_after_ms, hello is closed with 4100, HTTP gets 503 with Retry-After; and it all comes back',
    covers: ['error unavailable', 'close 4100'],
    async run(scene) {
      const redis = await new Redis().start();
      const hub = await scene.ownHub({ redis: redis.url });
      await scene.call(201, 'PUT', scene.conv('room'), { hub, body: { kind: 'group', members: [scene.name('ann')] } });
      const ann = await scene.session('ann', 'phone', { hub });
      await redis.kill();
      const send = { type: 'send', conv: scene.name('room'), op: 'kept', body: 1 };
      const refused = await scene.say(ann, send);
      expect(refused.code === 'unavailable' && refused.temporary === true && refused.retry_after_ms > 0, () => told(refused));
      const late = await scene.socket({ hub });
      late.text({ type: 'hello', id: 1, token: scene.token('bob', 'phone') });
      expect((await late.over()).code === 4100 && late.messages[0].code === 'unavailable', () => told([late.closed, late.messages]));
      for (const path of [scene.conv('room'), '/readyz']) {
        const answer = await eventually(async () => {
          const answer = await scene.http('GET', path, { hub });
          return answer.status === 503 && answer;
        }, `${path} is 503`);
        expect(answer.json.error.code === 'unavailable' && Number(answer.headers['retry-after']) >= 1, () => `${path} was answered ${answer.status} ${told(answer.headers)}`);
      }
      await redis.start();
      await eventually(async () => (await scene.http('GET', '/readyz', { hub })).status === 200, 'it is ready again');
      const sent = await eventually(async () => {
        const reply = await scene.say(ann, send);
        return reply.type === 'sent' && reply;
      }, 'the same op is stored');
      expect(sent.seq === 1 && ann.closed === undefined, () => told([sent, ann.closed]));
      for (const each of scene.hubsOwn) await each.stop();
      await redis.kill();
    },
  },
  {
    row: 'Under overload the upgrade is refused with 503 and `Retry-After`.',
    holds: 'above max_connections',
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_MAX_CONNECTIONS: '2' } });
      await scene.session('ann', 'a', { hub });
      await scene.session('ann', 'b', { hub });
      const headers = { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==' };
      const answer = await scene.http('GET', '/v1/ws', { hub, key: '', headers });
      expect(answer.status === 503 && Number(answer.headers['retry-after']) >= 1, () => `it was answered ${answer.status} ${told(answer.headers)}`);
    },
  },
  {
    row: 'codes: … `internal`',
    holds: 'a fault of the hub, here a token that it is configured never to be able to sign, is told and harms nobody',
    covers: ['error internal'],
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_JWT_AUDIENCE: x(4000) } });
      const answer = await scene.http('GET', '/v1/dev/token?user=ann', { hub, key: '' });
      expect(answer.status === 500 && answer.json.error.code === 'internal' && answer.json.error.temporary === true, () => `it was answered ${answer.status} ${answer.text}`);
      await scene.call(200, 'GET', '/healthz', { hub, key: '' });
    },
  },
  {
    row: 'a bad `Origin`, where `origins` are configured: 403',
    holds: 'browsers of other sites may not connect',
    async run(scene) {
      const hub = await scene.ownHub({ env: { BELFRY_ORIGINS: 'https://good.example https://fine.example' } });
      const headers = { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==' };
      const answer = await scene.http('GET', '/v1/ws', { hub, key: '', headers: { ...headers, origin: 'https://evil.example' } });
      expect(answer.status === 403 && answer.json.error.code === 'forbidden', () => `it was answered ${answer.status} ${answer.text}`);
      await scene.socket({ hub, headers: { Origin: 'https://fine.example' } });
    },
  },
].map((each) => ({ ...each, alone: true }));

// At the end of a walk: what was never to be sent.
export const RESERVED_CLOSES = [4300, 4403];

export const errorRows = [...errors, ...alone];
