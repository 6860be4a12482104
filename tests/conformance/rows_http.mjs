// SPDX-License-Identifier: Apache-2.0
// rows_http.mjs: cases of the walk (walk.mjs) for PROTOCOL.md sections 1 (tokens), 6, push, 7, HTTP, and 8, the program.

import { execFile } from 'node:child_process';
import { createSign, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../lib/started.mjs';
import { makeToken } from '../lib/token.mjs';
import { eventually } from '../lib/until.mjs';
import { API_KEY, JWT_SECRET, expect, told } from './scene.mjs';

// Runs a program and gives { status, stdout, stderr }; the other cases go on meanwhile.
const run = (program, args, env) =>
  new Promise((resolve) => execFile(program, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr })));

const backend = [
  {
    row: '| `PUT /v1/conversations/{conv}` `{kind:"direct"|"group"|"channel",members:[…],public?}` | create (201) or update (200) |',
    holds: 'of each kind; the list is set as a whole, the kind cannot change',
    async run(scene) {
      const path = scene.conv('room');
      const [ann, bob, carol] = ['ann', 'bob', 'carol'].map((word) => scene.name(word));
      const made = await scene.call(201, 'PUT', path, { body: { kind: 'group', members: [ann, bob] } });
      expect(scene.disturbed || (made.created === true && made.changes === 2), () => told(made));
      await scene.call(200, 'PUT', path, { node: 1, body: { kind: 'group', members: [bob, { user: carol, role: 'admin' }] } });
      const members = async () => (await scene.call(200, 'GET', path)).members.map((each) => `${each.user} ${each.role}`).sort().join();
      expect((await members()) === `${bob} member,${carol} admin`, await members());
      const same = await scene.call(200, 'PUT', path, { body: { public: false } });
      expect(same.created === false && (await members()) === `${bob} member,${carol} admin`, () => told(same));
      expect((await scene.http('PUT', path, { body: { kind: 'channel' } })).status === 409, 'the kind changed');
      await scene.call(201, 'PUT', scene.conv('two'), { body: { kind: 'direct', members: [ann, bob] } });
      expect((await scene.http('PUT', scene.conv('three'), { body: { kind: 'direct', members: [ann, bob, carol] } })).status === 422, 'three are direct');
      expect((await scene.http('PUT', scene.conv('alone'), { body: { kind: 'direct', members: [ann, ann] } })).status === 422, 'one and the same are direct');
      expect((await scene.http('PUT', scene.conv('two'), { body: { members: [ann, bob, carol] } })).status === 409, 'three are direct by an update');
      expect((await scene.http('PUT', `${scene.conv('two')}/members/${carol}`, {})).status === 409, 'a third joined two');
      await scene.call(200, 'PUT', `${scene.conv('two')}/members/${bob}`, { body: { role: 'admin' } });
      await scene.call(201, 'PUT', scene.conv('news'), { body: { kind: 'channel', members: [], public: true } });
      expect((await scene.call(200, 'GET', scene.conv('news'), { node: 1 })).public === true, 'it is not public');
    },
  },
  {
    row: '| `GET` / `DELETE /v1/conversations/{conv}` | |',
    holds: 'it is told, its members are told of its end, and then it is not found',
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const ann = await scene.device('ann', 'phone', { node: 1 });
      await ann.send(conv, 1);
      const info = await scene.call(200, 'GET', scene.conv('room'));
      expect(info.conv === conv && info.kind === 'group' && info.seq === 1 && info.public === false && info.members[0].user === scene.name('ann'), () => told(info));
      const head = await scene.http('HEAD', scene.conv('room'));
      expect(head.status === 200 && head.text === '' && Number(head.headers['content-length']) > 0, () => `HEAD was answered ${head.status}`);
      await scene.call(200, 'DELETE', scene.conv('room'));
      await ann.until(() => ann.events.some((each) => each.type === 'member' && each.action === 'removed'), 'ann is told');
      for (const method of ['GET', 'DELETE']) expect((await scene.http(method, scene.conv('room'))).status === 404, `${method} found it`);
      expect((await ann.send(conv, 2).catch((error) => error.code)) === 'not_found', 'it was sent to');
    },
  },
  {
    row: '| `PUT` / `DELETE /v1/conversations/{conv}/members/{user}` | |',
    holds: 'with or without a body; who was removed may not send, who joined may',
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const bob = await scene.device('bob', 'phone', { node: 1 });
      const path = `${scene.conv('room')}/members/${scene.name('bob')}`;
      expect((await bob.send(conv, 1, { op: 'early' }).catch((error) => error.code)) === 'forbidden', 'a stranger sent');
      await scene.call(200, 'PUT', path);
      expect((await bob.send(conv, 1, { op: 'now' })).seq === 1, 'a member may not send');
      await scene.call(200, 'PUT', path, { body: { role: 'owner' } });
      await scene.call(200, 'DELETE', path);
      expect((await bob.send(conv, 1, { op: 'late' }).catch((error) => error.code)) === 'forbidden', 'who was removed sent');
      expect((await scene.http('DELETE', path)).status === 404, 'he was removed twice');
      expect((await scene.http('PUT', `${scene.conv('nowhere')}/members/x`)).status === 404, 'nowhere has a member');
    },
  },
  {
    row: '| `POST /v1/conversations/{conv}/messages` `{op,from,body,kind?,ref?,push?}` | 201 `{seq,at}`; a repeat of `op` 200 `{…,duplicate:true}` |',
    holds: 'it comes to the members, without device; the backend may edit and delete what others wrote',
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const ann = await scene.device('ann', 'phone', { node: 1 });
      const path = `${scene.conv('room')}/messages`;
      const from = scene.name('bot');
      const push = { title: 'Hello', text: 'from the bot', priority: 'high', ttl_s: 60, collapse: 'c', data: { a: 1 } };
      const posted = await scene.call(201, 'POST', path, { body: { op: 'p', from, body: 'hello', push } });
      const again = await scene.call(200, 'POST', path, { node: 1, body: { op: 'p', from, body: 'hello' } });
      expect(posted.seq === 1 && again.seq === 1 && again.duplicate === true && again.at === posted.at, () => told([posted, again]));
      await ann.send(conv, 'mine');
      await scene.call(201, 'POST', path, { body: { op: 'e', from, kind: 'edit', ref: 2, body: 'better' } });
      await scene.call(201, 'POST', path, { body: { op: 'r', from, kind: 'react', ref: 1, body: '👍' } });
      await scene.call(201, 'POST', path, { body: { op: 'd', from, kind: 'delete', ref: 1 } });
      await ann.until(() => ann.shown.length === 5, 'ann is shown five');
      const first = ann.events.find((each) => each.op === 'p');
      expect(first.from === from && !('device' in first) && first.body === 'hello', () => told(first));
    },
  },
  {
    row: '| `GET /v1/conversations/{conv}/messages?before=&after=&limit=` | |',
    holds: 'pages of the log, ascending, empty parameters as absent ones',
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const path = `${scene.conv('room')}/messages`;
      for (let i = 1; i <= 4; i += 1) await scene.call(201, 'POST', path, { body: { op: `m${i}`, from: scene.name('ann'), body: i } });
      for (const [query, seqs, more] of [['', '1,2,3,4', false], ['?before=&after=&limit=', '1,2,3,4', false], ['?after=1&limit=2', '2,3', true], ['?before=3', '1,2', false], ['?limit=1&versions=true', '4', true], ['?after=0&colour=red', '1,2,3,4', false]]) {
        const page = await scene.call(200, 'GET', path + query, { node: 1 });
        expect(String(page.entries.map((each) => each.seq)) === seqs && page.more === more && page.conv === conv, () => `${query} gives ${told(page)}`);
      }
      for (const query of ['?limit=0', '?limit=201', '?before=1&after=1', '?after=x', '?versions=all']) expect((await scene.http('GET', path + query)).status === 400, `${query} was taken`);
    },
  },
  {
    row: '| `POST /v1/users/{user}/notifications` `{op,title,text,data,priority,ttl_s,collapse,push?,escalate?}` | 202 | `GET …/{op}` | state: queued, pushed, delivered, read, expired; per step |',
    holds: 'all its fields are told again; one that a later one replaces, or past its time, is expired',
    async run(scene) {
      const path = `${scene.user('ann')}/notifications`;
      const body = { op: 'a', title: 't', text: 'x', data: [1], priority: 'critical', ttl_s: 600, collapse: 'c', push: { title: 'p', priority: 'silent' }, escalate: [{ after_s: 60 }] };
      await scene.call(202, 'POST', path, { body });
      const again = await scene.call(200, 'POST', path, { node: 1, body });
      expect(again.duplicate === true && again.n === 1, () => told(again));
      const state = await scene.call(200, 'GET', `${path}/a`, { node: 1 });
      expect(state.state === 'queued' && state.expires_at - state.queued_at === 600000, () => told(state));
      for (const field of ['title', 'text', 'data', 'priority', 'collapse', 'push', 'escalate']) expect(told(state[field]) === told(body[field]), () => `${field} is ${told(state)}`);
      await scene.call(202, 'POST', path, { body: { op: 'b', text: 'newer', collapse: 'c' } });
      const replaced = await scene.call(200, 'GET', `${path}/a`);
      expect(replaced.state === 'expired' && replaced.replaced_by === 'b', () => told(replaced));
      await scene.call(202, 'POST', path, { body: { op: 'short', title: 't', ttl_s: 1 } });
      await eventually(async () => (await scene.call(200, 'GET', `${path}/short`)).state === 'expired', 'it expires');
      expect((await scene.http('GET', `${path}/never`)).status === 404, 'what never was has a state');
    },
  },
  {
    row: '| `GET /v1/users/{user}/presence`, `POST /v1/presence` `{users}` | `{status,last_seen,devices}` |',
    holds: 'of one, and of a thousand in their order; nobody was seen never',
    async run(scene) {
      await scene.device('ann', 'phone', { node: 0 });
      await scene.device('ann', 'laptop', { node: 1 });
      const one = await eventually(async () => {
        const answer = await scene.call(200, 'GET', `${scene.user('ann')}/presence`);
        return answer.devices.length === 2 && answer;
      }, 'both devices are there');
      expect(one.status === 'online' && String([...one.devices].sort()) === 'laptop,phone' && Math.abs(one.last_seen - Date.now()) < 60000, () => told(one));
      const users = Array.from({ length: 1000 }, (_, i) => (i === 500 ? scene.name('ann') : `${scene.name('nobody')}-${i}`));
      const { presence } = await scene.call(200, 'POST', '/v1/presence', { node: 1, body: { users } });
      expect(presence.length === 1000 && presence.every((each, i) => each.user === users[i]), () => told(presence.slice(0, 3)));
      expect(presence[500].status === 'online' && presence[0].status === 'offline' && presence[0].last_seen === null, () => told([presence[500], presence[0]]));
    },
  },
  {
    row: '| `GET /v1/users/{user}/devices` | each: connected, cursor, queue `{depth,oldest_ms}`, push registration |',
    holds: 'what waits for a device that is away is counted, and how old it is',
    async run(scene) {
      const conv = await scene.group('room', ['ann']);
      const ann = await scene.device('ann', 'phone', { node: 1 });
      const devices = async () => (await scene.call(200, 'GET', `${scene.user('ann')}/devices`)).devices;
      const [there] = await devices();
      expect(there.device === 'phone' && there.connected === true && there.queue.depth === 0 && there.queue.oldest_ms === 0, () => told(there));
      await ann.leave();
      const laptop = await scene.device('ann', 'laptop');
      await laptop.send(conv, 'the oldest is of another session of the user');
      for (let i = 0; i < 2; i += 1) await scene.call(201, 'POST', `${scene.conv('room')}/messages`, { body: { op: `d${i}`, from: scene.name('bot'), body: i } });
      const [away] = await eventually(async () => {
        const list = (await devices()).filter((each) => each.device === 'phone');
        return list[0].connected === false && list[0].queue.oldest_ms > 0 && list;
      }, 'it is away');
      expect(away.queue.depth === 3 && away.queue.oldest_ms < 60000 && away.cursor === there.cursor, () => told(away));
      expect(told(await scene.call(200, 'GET', `${scene.user('nobody')}/devices`)) === '{"devices":[]}', 'nobody has devices');
    },
  },
  {
    row: '| `POST /v1/batch` `{operations:[{method,path,body}]}` | `{results:[{status,body}]}`, in order, each on its own |',
    holds: 'a refused one stops nothing',
    async run(scene) {
      const conv = scene.conv('batched');
      const operations = [
        { method: 'PUT', path: conv, body: { kind: 'group', members: [scene.name('ann')] } },
        { method: 'POST', path: `${conv}/messages`, body: { op: 'b', from: scene.name('ann'), body: 1 } },
        { method: 'GET', path: scene.conv('nowhere') },
        { method: 'HEAD', path: conv },
        { method: 'GET', path: conv },
      ];
      const { results } = await eventually(async () => {
        const answer = await scene.call(200, 'POST', '/v1/batch', { body: { operations } });
        for (const [i, { status, body }] of answer.results.entries()) if (operations[i].method !== 'HEAD') scene.judgeAnswer(operations[i].method, operations[i].path, { status, json: body, headers: { 'content-type': 'application/json' }, text: told(body) });
        return (!scene.disturbed || answer.results.every((each) => each.status !== 503)) && answer;
      }, 'a batch without a 503');
      const wanted = [[200, 201], [200, 201], [404], [200], [200]];
      expect(results.every((each, i) => wanted[i].includes(each.status)) && results[3].body === null && results[4].body.seq === 1, () => told(results));
    },
  },
  {
    row: '`POST /v1/sync` `{device,cursor?,ack?,ops:[requests],limit?}` → `{epoch,cursor,head,events,more,results:[replies]}`: a whole background sync in one request.',
    holds: 'pages of events, replies in order, the ack counts, and a session lives on beside it',
    async run(scene) {
      const conv = await scene.group('room', ['ann', 'bob']);
      const key = scene.token('ann', 'pad');
      const sync = (body) => scene.call(200, 'POST', '/v1/sync', { key, node: 1, body });
      const first = await sync({});
      expect(scene.disturbed || (first.fresh === true && first.more === false && first.events.length === 0 && first.cursor === first.head), () => told(first));
      const bob = await scene.device('bob');
      for (let i = 1; i <= 4; i += 1) await bob.send(conv, i);
      const page = await sync({ cursor: { epoch: first.epoch, n: first.cursor }, limit: 2, ops: [{ type: 'ping', id: 1 }, { type: 'send', id: 2, conv, op: 's', body: 'mine' }, { type: 'read', id: 3, conv, seq: 4 }, { type: 'history', id: 4, conv, limit: 1 }, { type: 'conversations', id: 5 }, { type: 'members', id: 6, conv }, { type: 'prefs', id: 7, quiet_hours: null }] });
      expect(String(page.events.map((each) => each.body)) === '1,2' && page.more === true, () => told(page));
      if (!scene.disturbed) expect(String(page.results.map((each) => `${each.type} ${each.id}`)) === 'pong 1,sent 2,ok 3,history 4,conversations 5,members 6,ok 7', () => told(page.results));
      let rest = page;
      const bodies = [];
      while (rest.more) {
        rest = await sync({ cursor: { epoch: rest.epoch, n: rest.cursor }, ack: rest.cursor, limit: 500 });
        bodies.push(...rest.events.filter((each) => each.type === 'message').map((each) => each.body));
      }
      if (!scene.disturbed) expect(String(bodies) === '3,4,mine', () => told(bodies));
      await bob.until(() => (bob.receipts.get(conv)?.get(scene.name('ann'))?.delivered ?? 0) >= 2, 'bob hears what the sync acknowledged');
    },
  },
  {
    row: 'errors `{"error":{"code","message",…}}` with the fitting status (400 401 403 404 409 413 415 422 429 503); a body needs Content-Length (else 411)',
    holds: 'each where it is due',
    covers: ['error unauthorized', 'error bad_request', 'error not_found', 'error conflict', 'error too_large'],
    async run(scene) {
      await scene.group('room', ['ann']);
      const path = scene.conv('room');
      const messages = `${path}/messages`;
      const message = { op: 'x', from: scene.name('ann'), body: 1 };
      const bad = { good: false };
      for (const [status, code, method, target, options] of [
        [400, 'bad_request', 'POST', messages, { ...bad, body: '{"op":' }],
        [400, 'bad_request', 'GET', '/v1/conversations/a%20b', {}],
        [401, 'unauthorized', 'GET', path, { key: 'a-key-for-tests-known-to-nobody..' }],
        [401, 'unauthorized', 'GET', path, { key: '' }],
        [401, 'unauthorized', 'POST', '/v1/sync', { body: {} }],
        [401, 'token_expired', 'POST', '/v1/sync', { key: scene.token('ann', 'd', { exp: 1000000000 }), body: {} }],
        [404, 'not_found', 'GET', scene.conv('nowhere'), {}],
        [404, 'not_found', 'GET', '/v1/nothing', bad],
        [405, 'bad_request', 'DELETE', messages, bad],
        [409, 'conflict', 'PUT', path, { body: { kind: 'direct', members: [scene.name('a'), scene.name('b')] } }],
        [413, 'too_large', 'POST', messages, { body: { ...message, body: 'x'.repeat(70000) } }],
        [413, 'too_large', 'POST', messages, { body: { ...message, body: 'x'.repeat(1100000) } }],
        [413, 'too_large', 'POST', '/v1/batch', { ...bad, body: { operations: Array.from({ length: 101 }, () => ({ method: 'GET', path: '/healthz' })) } }],
        [415, 'bad_request', 'POST', messages, { body: message, headers: { 'content-type': 'text/plain' } }],
        [422, 'bad_request', 'POST', messages, { ...bad, body: { ...message, op: 5 } }],
        [422, 'bad_request', 'POST', messages, { ...bad, body: [] }],
        [422, 'bad_request', 'POST', '/v1/presence', { ...bad, body: {} }],
      ]) {
        const answer = await scene.http(method, target, options);
        expect(answer.status === status && answer.json.error.code === code, () => `${method} ${target} was answered ${answer.status} ${answer.text}`);
      }
      for (const header of ['Transfer-Encoding: chunked', 'X-Nothing: here']) {
        const raw = await scene.rawHttp();
        const answer = await raw.request([`POST ${messages} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${API_KEY}`, 'Content-Type: application/json', header], '');
        scene.judgeAnswer('POST', messages, { ...answer, json: JSON.parse(answer.text) });
        expect(answer.status === 411, `with ${header} it was answered ${answer.status} ${answer.text}`);
      }
      const plain = await scene.http('GET', '/v1/ws', { key: '' });
      expect(plain.status === 426 && plain.headers.upgrade === 'websocket', () => `a plain GET was answered ${plain.status}`);
      const chat = await scene.http('GET', '/v1/ws', { key: '', headers: { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==', 'sec-websocket-protocol': 'chat' } });
      expect(chat.status === 400, () => `another subprotocol was answered ${chat.status}`);
    },
  },
  {
    row: 'Open: `GET /healthz` (alive), `GET /readyz` (a probe published through Redis has come back lately, else 503), `GET /metrics` (Prometheus text).',
    holds: 'without a key',
    async run(scene) {
      for (let node = 0; node < scene.hubs.length; node += 1) {
        await scene.call(200, 'GET', '/healthz', { node, key: '' });
        await scene.call(200, 'GET', '/readyz', { node, key: '' });
        const metrics = await scene.http('GET', '/metrics', { node, key: '' });
        expect(metrics.status === 200 && /^belfry_connections\{process="worker1"\} \d+$/m.test(metrics.text), () => metrics.text.slice(0, 300));
      }
    },
  },
];

// ---- the program, and what only a hub of its own can show ---------------------------------------------------------------

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

// One key for each algorithm: { alg, jwk, sign(text) }.
function keys() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  return [
    { alg: 'RS256', pair: rsa, sign: (text) => createSign('sha256').update(text).sign(rsa.privateKey) },
    { alg: 'ES256', pair: ec, sign: (text) => createSign('sha256').update(text).sign({ key: ec.privateKey, dsaEncoding: 'ieee-p1363' }) },
    { alg: 'EdDSA', pair: ed, sign: (text) => signRaw(null, Buffer.from(text), ed.privateKey) },
  ].map((key) => ({ ...key, jwk: { ...key.pair.publicKey.export({ format: 'jwk' }), alg: key.alg, kid: key.alg } }));
}

const alone = [
  {
    row: 'Token: an HS256, RS256, ES256 or EdDSA JWT with `sub` (user) and `exp`; `dev` (device), `nbf`, `aud`, `iss` are honoured where present or configured.',
    holds: 'each algorithm is welcome, another audience, issuer or time is not, and dev goes before the device of hello',
    async run(scene) {
      const made = keys();
      const jwks = join(makeFolder('jwks'), 'jwks.json');
      writeFileSync(jwks, JSON.stringify({ keys: made.map((key) => key.jwk) }));
      const hub = await scene.ownHub({ env: { BELFRY_JWKS_FILE: jwks, BELFRY_JWT_AUDIENCE: 'chat', BELFRY_JWT_ISSUER: 'https://id.example' } });
      const now = Math.floor(Date.now() / 1000);
      const right = { sub: scene.name('ann'), dev: 'pad', exp: now + 60, nbf: now, aud: ['other', 'chat'], iss: 'https://id.example' };
      const token = (key, claims) => {
        const text = `${b64({ alg: key.alg, kid: key.alg })}.${b64(claims)}`;
        return `${text}.${key.sign(text).toString('base64url')}`;
      };
      for (const key of made) {
        const raw = await scene.session('ann', 'other', { hub, token: token(key, right), hello: { device: 'other' } });
        expect(raw.welcome.user === right.sub && raw.welcome.device === 'pad', () => `${key.alg}: ${told(raw.welcome)}`);
      }
      const hs = await scene.session('ann', 'pad', { hub, token: scene.token('ann', 'pad', { aud: 'chat', iss: right.iss }) });
      expect(hs.welcome.type === 'welcome', () => told(hs.welcome));
      for (const wrong of [{ aud: 'mail' }, { aud: undefined }, { iss: 'https://evil.example' }, { nbf: now + 3600 }, { sub: undefined }, { exp: undefined }]) {
        const raw = await scene.socket({ hub });
        raw.text({ type: 'hello', id: 1, token: token(made[1], { ...right, ...wrong }) });
        expect((await raw.over()).code === 4401, () => `${told(wrong)}: ${told(raw.closed)}`);
      }
    },
  },
  {
    row: 'belfry serve [--listen ADDR:PORT] [--data DIR] [--redis URL] [--workers N] [--config FILE] [--dev]',
    holds: 'each option does what it says, also from a file; without --redis a private one runs with appendonly yes, appendfsync always',
    async run(scene) {
      const data = makeFolder('serve');
      const file = join(data, 'belfry.conf');
      writeFileSync(join(data, 'secret'), `${JWT_SECRET}\n`);
      writeFileSync(join(data, 'key'), `${API_KEY}\n`);
      writeFileSync(file, `[hub]\nworkers = 3\n[auth]\njwt_secret_file = ${join(data, 'secret')}\napi_key_file = ${join(data, 'key')}\n[presence]\ntyping_ttl = 4s\n`);
      const hub = await scene.ownHub({ data, workers: 2, args: ['--config', file], env: { BELFRY_JWT_SECRET: '', BELFRY_API_KEY: '' } });
      expect(hub.workers().length === 2, `${hub.workers().length} workers: a flag goes before the file`);
      for (const [name, value] of [['appendonly', 'yes'], ['appendfsync', 'always']]) {
        const { stdout } = await run('redis-cli', ['-s', hub.redisSocket(), 'CONFIG', 'GET', name]);
        expect(stdout.trim().split('\n')[1] === value, `${name} is ${stdout}`);
      }
      const ann = await scene.device('ann', 'phone', { hub });
      const bob = await scene.device('bob', 'phone', { hub });
      await scene.call(201, 'PUT', scene.conv('room'), { hub, body: { members: [scene.name('ann'), scene.name('bob')] } });
      ann.tell('typing', { conv: scene.name('room'), active: true });
      await bob.until(() => bob.frames.typing[0]?.ttl_ms === 4000, 'the file counts');
      const { status, stderr } = await run(hub.program, ['serve', '--workers', 'many']);
      expect(status === 2 && stderr.split('\n').length === 2, `a wrong option ends with ${status}: ${stderr}`);
    },
  },
  {
    row: 'belfry token --user U [--device D] [--ttl 3600]        prints a JWT signed with the configured secret',
    holds: 'it is welcome, and ends when it should',
    async run(scene) {
      const hub = scene.hub();
      const env = { BELFRY_JWT_SECRET: JWT_SECRET };
      for (const [args, ttl_s] of [[[], 3600], [['--ttl', '60'], 60]]) {
        const token = (await run(hub.program, ['token', '--user', scene.name('ann'), '--device', 'cli', ...args], env)).stdout.trim();
        const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
        expect(Math.abs(claims.exp - Date.now() / 1000 - ttl_s) < 10, () => told(claims));
        const raw = await scene.session('ann', 'cli', { token });
        expect(raw.welcome.user === scene.name('ann') && raw.welcome.device === 'cli', () => told(raw.welcome));
      }
      expect((await run(hub.program, ['token'], env)).status === 2, 'without a user it ends well');
    },
  },
  {
    row: 'Secrets come from `BELFRY_JWT_SECRET` and `BELFRY_API_KEY`, or from files named in the configuration.',
    holds: 'with --dev also a secret that is too short to be safe, which is refused without',
    async run(scene) {
      const env = { BELFRY_JWT_SECRET: 'too short', BELFRY_API_KEY: 'k' };
      const hub = await scene.ownHub({ env });
      const token = (await run(hub.program, ['token', '--user', 'ann', '--device', 'd'], env)).stdout.trim();
      const ours = makeToken('too short', { sub: 'ann', dev: 'd' });
      for (const each of [token, ours]) expect((await scene.session('ann', 'd', { hub, token: each })).welcome.user === 'ann', 'it is not welcome');
      await scene.call(200, 'GET', '/v1/users/ann/presence', { hub, key: 'k' });
      const { status, stderr } = await run(hub.program, ['serve', '--data', hub.data], env);
      expect(status === 2 && /32/.test(stderr), `without --dev it ended with ${status}: ${stderr}`);
    },
  },
  {
    row: '`--dev` … allows `GET /v1/dev/token?user=…&device=…` from loopback only, and serves the demo page at `/`.',
    holds: 'and without --dev both are not found',
    async run(scene) {
      const dev = await scene.call(200, 'GET', `/v1/dev/token?user=${scene.name('ann')}&device=pad&join=${scene.name('lobby')}`, { key: '' });
      const raw = await scene.session('ann', 'pad', { token: dev.token });
      expect(raw.welcome.device === 'pad' && (await scene.call(200, 'GET', scene.conv('lobby'))).members.length === 1, () => told(raw.welcome));
      expect((await scene.http('GET', '/v1/dev/token', { key: '' })).status === 400, 'nobody got a token');
      const page = await scene.page('/');
      expect(page.status === 200 && /^text\/html/.test(page.headers['content-type']), `the page was answered ${page.status}`);
      const hub = await scene.ownHub({ dev: false });
      expect((await scene.http('GET', '/v1/dev/token?user=a', { hub, key: '' })).status === 404, 'a token was given');
      expect((await scene.page('/', hub)).status === 404, 'the page is there');
    },
  },
].map((each) => ({ ...each, alone: true }));

export const httpRows = [...backend, ...alone];
