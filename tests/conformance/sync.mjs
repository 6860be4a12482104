// SPDX-License-Identifier: Apache-2.0
// sync.mjs: conformance cases of batches, syncs and notifications over HTTP (PROTOCOL section 7).

import { request } from '../lib/api.mjs';
import { API_KEY, JWT_SECRET } from '../lib/hub.mjs';
import { makeToken } from '../lib/token.mjs';

const expect = (holds, sentence) => {
  if (!holds) throw new Error(sentence);
};

// ---- operations of a batch: [sentence, operation, status] -----------------------------------------------------------

const C = '/v1/conversations/c';
const message = { op: 'refused-op', from: 'alice', body: 'never' };
const operations = [
  ['what is no object', 5, 422],
  ['what names no method', { path: C }, 422],
  ['what names no path', { method: 'GET' }, 422],
  ['a path that is a number', { method: 'GET', path: 5 }, 422],
  ['a field twice', '{"method":"GET","method":"GET","path":"/healthz"}', 422],
  ['a batch', { method: 'POST', path: '/v1/batch', body: { operations: [] } }, 422],
  ['a sync', { method: 'POST', path: '/v1/sync', body: { device: 'd' } }, 401],
  ['a path without a slash', { method: 'GET', path: 'healthz' }, 400],
  ['a path that climbs', { method: 'GET', path: '/v1/conversations/..' }, 400],
  ['half an escape', { method: 'GET', path: `${C}%2` }, 400],
  ['a path of 2,049 bytes', { method: 'GET', path: `/${'x'.repeat(2048)}` }, 414],
  ['nothing there', { method: 'GET', path: '/v1/nothing' }, 404],
  ['an unknown method', { method: 'BREW', path: C }, 405],
  ['a method in small letters', { method: 'get', path: C }, 405],
  ['a long method', { method: 'X'.repeat(1000), path: C }, 405],
  ['a message without a body', { method: 'POST', path: `${C}/messages` }, 400],
  ['a message whose body is a list', { method: 'POST', path: `${C}/messages`, body: [] }, 422],
  ['a message from nobody', { method: 'POST', path: `${C}/messages`, body: { ...message, from: undefined } }, 422],
  ['a conversation', { method: 'GET', path: C }, 200],
  ['a page with a query', { method: 'GET', path: `${C}/messages?limit=1&after=0` }, 200],
  ['a page with a limit of 0', { method: 'GET', path: `${C}/messages?limit=0` }, 400],
  ['an id with escapes', { method: 'GET', path: '/v1/users/%C3%A9ric/presence' }, 200],
  ['presence', { method: 'POST', path: '/v1/presence', body: { users: ['alice'] } }, 200],
  ['the health', { method: 'GET', path: '/healthz' }, 200],
  ['text', { method: 'GET', path: '/metrics' }, 200],
];

async function batch(bench, list) {
  const texts = list.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  return request(bench.hub.url, 'POST', '/v1/batch', { key: API_KEY, body: `{"operations":[${texts}]}` });
}

const batchCases = [
  ...operations.map(([sentence, operation, status]) => ({
    name: `batch: ${sentence} gets ${status}, and the operations around it get theirs`,
    async run(bench) {
      const { json, status: whole, text } = await batch(bench, [{ method: 'GET', path: C }, operation, { method: 'HEAD', path: C }]);
      expect(whole === 200 && json.results.length === 3, `it was answered ${whole} ${text.slice(0, 300)}`);
      expect(String(json.results.map((each) => each.status)) === `200,${status},200`, `the results are ${text.slice(0, 500)}`);
      expect(status < 400 || typeof json.results[1].body.error.code === 'string', `the error is told as ${text.slice(0, 500)}`);
      expect(json.results[0].body.kind === 'group' && json.results[2].body === null, `around it are ${text.slice(0, 500)}`);
    },
  })),
  {
    name: 'batch: a hundred operations that are answered at once, and none',
    async run(bench) {
      const full = await batch(bench, Array.from({ length: 100 }, () => ({ method: 'GET', path: '/healthz' })));
      expect(full.status === 200 && full.json.results.length === 100, `it was answered ${full.status} ${full.text.slice(0, 300)}`);
      const none = await batch(bench, []);
      expect(none.status === 200 && none.json.results.length === 0, `none was answered ${none.status} ${none.text}`);
    },
  },
  {
    name: 'batch: an operation sees what those before it did',
    async run(bench) {
      const { json, text } = await batch(bench, [
        { method: 'PUT', path: '/v1/conversations/in-order', body: { kind: 'group', members: ['alice'] } },
        ...Array.from({ length: 30 }, (_, i) => ({ method: 'POST', path: '/v1/conversations/in-order/messages', body: { op: `o${i}`, from: 'alice', body: i } })),
        { method: 'GET', path: '/v1/conversations/in-order/messages?limit=100' },
        { method: 'DELETE', path: '/v1/conversations/in-order' },
        { method: 'GET', path: '/v1/conversations/in-order' },
      ]);
      expect(String(json.results.slice(1, 31).map((each) => each.body.seq)) === String(Array.from({ length: 30 }, (_, i) => i + 1)), text.slice(0, 500));
      expect(json.results[31].body.entries.length === 30, text.slice(-500));
      expect(String(json.results.slice(32).map((each) => each.status)) === '200,404', text.slice(-500));
    },
  },
  {
    name: 'batch: a peer that goes away in the middle harms nobody',
    async run(bench) {
      const raw = await bench.connect();
      const body = JSON.stringify({ operations: Array.from({ length: 100 }, () => ({ method: 'GET', path: `${C}/messages` })) });
      raw.write(`POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      raw.destroy();
    },
  },
];

// ---- sync -----------------------------------------------------------------------------------------------------------

const token = (user, device, more = {}) => makeToken(JWT_SECRET, { sub: user, ...(device ? { dev: device } : {}), ...more });
const sync = (bench, body, key = token('alice', 'synced')) => request(bench.hub.url, 'POST', '/v1/sync', { key, body });

// [sentence, body, token, status, code]
const refused = [
  ['no token', {}, undefined, 401, 'unauthorized'],
  ['the API key for a token', {}, API_KEY, 401, 'unauthorized'],
  ['a token of another secret', {}, makeToken('another-secret-that-nobody-knows', { sub: 'alice', dev: 'd' }), 401, 'unauthorized'],
  ['a token that has expired', {}, token('alice', 'd', { exp: 1000000000 }), 401, 'token_expired'],
  ['no device', {}, token('alice'), 422, 'bad_request'],
  ['a device with a space', { device: 'a b' }, token('alice'), 422, 'bad_request'],
  ['a cursor that is a number', { cursor: 5 }, token('alice', 'd'), 422, 'bad_request'],
  ['a cursor without an epoch', { cursor: { n: 5 } }, token('alice', 'd'), 422, 'bad_request'],
  ['an ack below zero', { ack: -1 }, token('alice', 'd'), 422, 'bad_request'],
  ['an ack beyond the head', { ack: 1000000 }, token('alice', 'never-there'), 422, 'bad_request'],
  ['a limit of 0', { limit: 0 }, token('alice', 'd'), 422, 'bad_request'],
  ['ops that are an object', { ops: {} }, token('alice', 'd'), 422, 'bad_request'],
  ['101 ops', { ops: Array.from({ length: 101 }, () => ({ type: 'ping' })) }, token('alice', 'd'), 413, 'too_large'],
  ['a list', [], token('alice', 'd'), 422, 'bad_request'],
  ['no JSON', 'device=d', token('alice', 'd'), 400, 'bad_request'],
];

// [sentence, request, code]
const ops = [
  ['what is no object', 5, 'bad_request'],
  ['an unknown type', { type: 'shout' }, 'bad_request'],
  ['hello', { type: 'hello', token: 'x' }, 'bad_request'],
  ['ack', { type: 'ack', n: 1 }, 'bad_request'],
  ['typing', { type: 'typing', conv: 'c', active: true }, 'bad_request'],
  ['signal', { type: 'signal', conv: 'c', body: 1 }, 'bad_request'],
  ['watch', { type: 'watch', users: ['bob'] }, 'bad_request'],
  ['status', { type: 'status', status: 'away' }, 'bad_request'],
  ['auth', { type: 'auth', token: 'x' }, 'bad_request'],
  ['subscribe', { type: 'subscribe', conv: 'c' }, 'bad_request'],
  ['a send without an op', { type: 'send', conv: 'c', body: 1 }, 'bad_request'],
  ['a send to nowhere', { type: 'send', conv: 'nowhere', op: 'refused-op', body: 1 }, 'not_found'],
  ["a send to another's conversation", { type: 'send', conv: 'vault', op: 'refused-op', body: 1 }, 'forbidden'],
  ['a send of 70,000 bytes', { type: 'send', conv: 'c', op: 'refused-op', body: 'x'.repeat(70000) }, 'too_large'],
  ["another's history", { type: 'history', conv: 'vault' }, 'forbidden'],
];

const syncing = [
  ...refused.map(([sentence, body, key, status, code]) => ({
    name: `sync: ${sentence} is answered ${status}`,
    async run(bench) {
      const answer = await request(bench.hub.url, 'POST', '/v1/sync', { key, body });
      expect(answer.status === status && answer.json?.error?.code === code, `it was answered ${answer.status} ${answer.text.slice(0, 300)}`);
      const devices = await bench.hub.api.devices('alice');
      expect(!devices.some((each) => each.device === 'never-there'), 'the device was registered nevertheless');
    },
  })),
  ...ops.map(([sentence, op, code]) => ({
    name: `sync: ${sentence} gets error ${code}, and the requests around it get their replies`,
    async run(bench) {
      const { status, json, text } = await sync(bench, { ops: [{ type: 'ping', id: 7 }, typeof op === 'object' ? { id: 8, ...op } : op, { type: 'conversations', id: 9 }] });
      expect(status === 200 && json.results.length === 3, `it was answered ${status} ${text.slice(0, 300)}`);
      const [pong, error, conversations] = json.results;
      expect(error.type === 'error' && error.code === code && (typeof op !== 'object' || error.id === 8), `its reply is ${JSON.stringify(error)}`);
      expect(pong.type === 'pong' && pong.id === 7 && conversations.type === 'conversations' && conversations.id === 9, text.slice(0, 500));
    },
  })),
  {
    name: 'sync: a device never seen before starts at the head, and a page follows the other',
    async run(bench) {
      const { api } = bench.hub;
      await api.conversation('sync-pages', ['syncer']);
      for (let i = 1; i <= 5; i += 1) await api.send('sync-pages', { op: `s${i}`, from: 'syncer', body: i });
      const at = (body) => sync(bench, body, token('syncer', 'one')).then(({ json }) => json);
      const first = await at({});
      expect(first.fresh === true && first.cursor === first.head && first.events.length === 0 && first.more === false, JSON.stringify(first));
      const { epoch, head } = first;
      const again = await at({});
      expect(again.fresh === undefined && again.cursor === head, JSON.stringify(again));
      const page = await at({ cursor: { epoch, n: head - 5 }, limit: 2 });
      expect(String(page.events.map((each) => `${each.type} ${each.n} ${each.seq} ${each.body}`)) === `message ${head - 4} 1 1,message ${head - 3} 2 2`, JSON.stringify(page));
      expect(page.more === true && page.cursor === head - 3, JSON.stringify(page));
      const rest = await at({ cursor: { epoch, n: page.cursor } });
      expect(String(rest.events.map((each) => each.seq)) === '3,4,5' && rest.more === false && rest.cursor === head, JSON.stringify(rest));
      // The ack counts even if the cursor lags behind it; and without a cursor the stored one counts.
      const acked = await at({ cursor: { epoch, n: head - 5 }, ack: head - 1 });
      expect(String(acked.events.map((each) => each.seq)) === '5', JSON.stringify(acked));
      const other = await at({ cursor: { epoch: 'another', n: 1 }, ack: 1 });
      expect(other.events.length === 1 && other.events[0].type === 'reset' && other.events[0].epoch === epoch && other.cursor === head, JSON.stringify(other));
    },
  },
  {
    name: 'sync: what it sends is in its own page, as for any other device',
    async run(bench) {
      await bench.hub.api.conversation('sync-own', ['owner']);
      const at = (body) => sync(bench, { device: 'pad', ...body }, token('owner')).then(({ json }) => json);
      await at({});
      const send = (op) => ({ type: 'send', id: op.length, conv: 'sync-own', op, body: op });
      const { results, events } = await at({ ops: [send('a'), send('bb'), send('a'), { type: 'history', conv: 'sync-own', after: 0 }, { type: 'members', conv: 'sync-own' }] });
      expect(String(results.slice(0, 3).map((each) => `${each.type} ${each.id} ${each.seq} ${each.duplicate}`)) === 'sent 1 1 undefined,sent 2 2 undefined,sent 1 1 true', JSON.stringify(results));
      expect(results[3].type === 'history' && results[3].entries.length === 2 && results[4].items[0].user === 'owner', JSON.stringify(results));
      expect(String(events.map((each) => each.body)) === 'a,bb', JSON.stringify(events));
      const [{ connected, queue }] = await bench.hub.api.devices('owner');
      expect(connected === false && queue.depth === 2, `the device is told as ${connected}, with ${queue.depth} waiting`);
    },
  },
];

// ---- notifications --------------------------------------------------------------------------------------------------

const N = '/v1/users/nora/notifications';
const notification = (change) => ({ op: 'n-refused', title: 'never', ...change });
// [sentence, method, path, { key, body }, status, code]
const refusedNotices = [
  ['no key', 'POST', N, { key: undefined, body: notification() }, 401, 'unauthorized'],
  ['no op', 'POST', N, { body: notification({ op: undefined }) }, 422, 'bad_request'],
  ['nothing to tell', 'POST', N, { body: notification({ title: undefined }) }, 422, 'bad_request'],
  ['a title that is a number', 'POST', N, { body: notification({ title: 5 }) }, 422, 'bad_request'],
  ['an unknown priority', 'POST', N, { body: notification({ priority: 'urgent' }) }, 422, 'bad_request'],
  ['a ttl_s of 0', 'POST', N, { body: notification({ ttl_s: 0 }) }, 422, 'bad_request'],
  ['a push that is a word', 'POST', N, { body: notification({ push: 'yes' }) }, 422, 'bad_request'],
  ['an escalation that is an object', 'POST', N, { body: notification({ escalate: {} }) }, 422, 'bad_request'],
  ['20,000 bytes of text', 'POST', N, { body: notification({ text: 'x'.repeat(20000) }) }, 413, 'too_large'],
  ['a user with a space', 'POST', '/v1/users/a%20b/notifications', { body: notification() }, 400, 'bad_request'],
  ['the state of what was never posted', 'GET', `${N}/n-refused`, {}, 404, 'not_found'],
  ['the state under an op of 65 bytes', 'GET', `${N}/${'x'.repeat(65)}`, {}, 400, 'bad_request'],
  ['a list of them', 'GET', N, {}, 405, 'bad_request'],
];

const noticeCases = [
  ...refusedNotices.map(([sentence, method, path, options, status, code]) => ({
    name: `notification: ${sentence} is answered ${status}, and nothing is stored`,
    async run(bench) {
      const answer = await request(bench.hub.url, method, path, { key: API_KEY, ...options });
      expect(answer.status === status && answer.json?.error?.code === code, `it was answered ${answer.status} ${answer.text.slice(0, 300)}`);
      expect((await bench.hub.api.raw('GET', `${N}/n-refused`)).status === 404, 'it was stored');
    },
  })),
  {
    name: 'notification: it is stored once (202, then 200), comes with its fields, and its state can be asked',
    async run(bench) {
      const { api } = bench.hub;
      const nora = await bench.session('nora', 'pad');
      const body = { op: 'order 5/a', title: 'Caf\u00e9 "A"', data: { a: [1.50, null] }, priority: 'high', ttl_s: 60, collapse: 'orders', push: { priority: 'silent' }, escalate: [{ after_s: 60 }], more: 1 };
      const first = await api.raw('POST', N, { body });
      expect(first.status === 202 && first.json.duplicate === undefined && Number.isInteger(first.json.at), `it was answered ${first.status} ${first.text}`);
      const again = await api.raw('POST', N, { body: { op: body.op, title: 'other' } });
      expect(again.status === 200 && again.json.duplicate === true && again.json.n === first.json.n, `the repeat was answered ${again.status} ${again.text}`);
      const event = await nora.message((each) => each.type === 'notification', 'the event');
      const { n, at } = first.json;
      expect(JSON.stringify(event) === JSON.stringify({ type: 'notification', n, op: body.op, title: body.title, text: '', data: body.data, priority: 'high', at }), JSON.stringify(event));
      const path = `${N}/${encodeURIComponent(body.op)}`;
      const state = await api.call('GET', path);
      expect(state.state === 'queued' && state.queued_at === at && state.expires_at === at + 60000 && Array.isArray(state.steps) && state.steps.length === 0, JSON.stringify(state));
      expect(JSON.stringify([state.op, state.title, state.data, state.collapse, state.push, state.escalate]) === JSON.stringify([body.op, body.title, body.data, 'orders', body.push, body.escalate]), JSON.stringify(state));
      nora.text({ type: 'read', id: 5, op: body.op });
      expect((await nora.message((each) => each.id === 5, 'an answer')).type === 'ok', 'read is refused');
      const read = await api.call('GET', path);
      expect(read.state === 'read' && read.read_at >= at && read.delivered_at === read.read_at, JSON.stringify(read));
      for (const [id, wrong, code] of [[6, { op: 'never' }, 'not_found'], [7, { op: 5 }, 'bad_request'], [8, {}, 'bad_request'], [9, { conv: 'c' }, 'bad_request'], [10, { seq: 1 }, 'bad_request']]) {
        nora.text({ type: 'read', id, ...wrong });
        const error = await nora.message((each) => each.id === id, 'an answer');
        expect(error.type === 'error' && error.code === code, `read ${JSON.stringify(wrong)} was answered ${JSON.stringify(error)}`);
      }
    },
  },
];

// ---- preferences ----------------------------------------------------------------------------------------------------

const prefsCases = [
  {
    name: 'prefs: mutes and quiet hours are set over a session and in a sync, and told to the backend',
    async run(bench) {
      const told = async () => JSON.stringify(await bench.hub.api.call('GET', '/v1/users/quentin/prefs'));
      expect((await told()) === '{"mute":[],"quiet_hours":null}', `at first they are ${await told()}`);
      const until_ms = Date.now() + 3600000;
      const session = await bench.session('quentin', 'pad');
      session.text({ type: 'prefs', id: 5, mute: { conv: 'c', until_ms } });
      const ok = await session.message((each) => each.id === 5, 'an answer');
      expect(ok.type === 'ok', JSON.stringify(ok));
      const quiet_hours = { from: '22:00', to: '07:00', zone: 'Europe/Berlin' };
      const { json } = await sync(bench, { device: 'phone', ops: [{ type: 'prefs', id: 6, quiet_hours }, { type: 'prefs', id: 7, quiet_hours: { from: '22:00' } }] }, token('quentin'));
      expect(String(json.results.map((each) => `${each.type} ${each.id}`)) === 'ok 6,error 7', JSON.stringify(json));
      expect((await told()) === JSON.stringify({ mute: [{ conv: 'c', until_ms }], quiet_hours }), `then they are ${await told()}`);
      session.text({ type: 'prefs', id: 8, mute: { conv: 'c', until_ms: 0 }, quiet_hours: null });
      await session.message((each) => each.id === 8, 'an answer');
      expect((await told()) === '{"mute":[],"quiet_hours":null}', `at last they are ${await told()}`);
      const stranger = await request(bench.hub.url, 'GET', '/v1/users/quentin/prefs', { key: token('quentin') });
      expect(stranger.status === 401, `a user's token was answered ${stranger.status}`);
    },
  },
];

export const syncCases = [...batchCases, ...syncing, ...noticeCases, ...prefsCases];
