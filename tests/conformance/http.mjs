// SPDX-License-Identifier: Apache-2.0
// http.mjs: conformance cases of the HTTP API (PROTOCOL section 7) and of the program itself (section 8).

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from '../lib/api.mjs';
import { API_KEY, JWT_SECRET } from '../lib/hub.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const expect = (holds, sentence) => {
  if (!holds) throw new Error(sentence);
};

const message = (change) => ({ op: 'refused-op', from: 'alice', body: 'never', ...change });
const conversation = (change) => ({ kind: 'group', members: ['alice'], ...change });
const C = '/v1/conversations/c';
const M = `${C}/messages`;

// 400 is what cannot be read, 422 what can be read and makes no sense; where the line runs is the hub's to say.
// [sentence, method, path, { key, headers, body }, statuses allowed, code]
const refused = [
  // 401
  ['no key', 'GET', C, { key: undefined }, [401], 'unauthorized'],
  ['a wrong key', 'GET', C, { key: 'a-key-for-tests-known-to-nobody..' }, [401], 'unauthorized'],
  ['an empty key', 'GET', C, { key: undefined, headers: { authorization: 'Bearer ' } }, [401], 'unauthorized'],
  ['a key cut short', 'GET', C, { key: API_KEY.slice(0, -1) }, [401], 'unauthorized'],
  ['a longer key', 'GET', C, { key: `${API_KEY}x` }, [401], 'unauthorized'],
  ['the key as Basic', 'GET', C, { key: undefined, headers: { authorization: `Basic ${Buffer.from(`x:${API_KEY}`).toString('base64')}` } }, [401], 'unauthorized'],
  ['the key in the URL', 'GET', `${C}?key=${API_KEY}&access_token=${API_KEY}`, { key: undefined }, [401], 'unauthorized'],
  ['a send without a key', 'POST', M, { key: undefined, body: message() }, [401], 'unauthorized'],
  // 404
  ['an unknown path', 'GET', '/v1/nothing', {}, [404], 'not_found'],
  ['an unknown version', 'GET', '/v2/conversations/c', {}, [404], 'not_found'],
  ['a conversation that does not exist', 'GET', '/v1/conversations/nowhere', {}, [404], 'not_found'],
  ['messages of nowhere', 'GET', '/v1/conversations/nowhere/messages', {}, [404], 'not_found'],
  ['a send to nowhere', 'POST', '/v1/conversations/nowhere/messages', { body: message() }, [404], 'not_found'],
  ['a member for nowhere', 'PUT', '/v1/conversations/nowhere/members/bob', { body: {} }, [404], 'not_found'],
  ['a path that climbs', 'GET', '/../../etc/passwd', {}, [400, 404], undefined],
  ['a path that climbs in disguise', 'GET', '/%2e%2e/%2e%2e/etc/passwd', {}, [400, 404], undefined],
  // 400
  ['a body that is no JSON', 'POST', M, { body: 'op=1&from=alice' }, [400], 'bad_request'],
  ['an empty body', 'POST', M, { body: '' }, [400, 411], undefined],
  ['a body that is cut off', 'POST', M, { body: '{"op":"x","from":"alice","body":' }, [400], 'bad_request'],
  ['a body that is a list', 'POST', M, { body: [message()] }, [400, 422], 'bad_request'],
  ['a body that is a string', 'POST', M, { body: '"hello"' }, [400, 422], 'bad_request'],
  ['a body of bad UTF-8', 'POST', M, { body: Buffer.concat([Buffer.from('{"op":"x","from":"alice","body":"'), Buffer.from([0xff]), Buffer.from('"}')]) }, [400], 'bad_request'],
  ['a body 10,000 levels deep', 'POST', M, { body: `{"op":"x","from":"alice","body":${'['.repeat(10000)}${']'.repeat(10000)}}` }, [400, 413], undefined],
  ['a send without an op', 'POST', M, { body: message({ op: undefined }) }, [400, 422], 'bad_request'],
  ['a send whose op is a number', 'POST', M, { body: message({ op: 5 }) }, [400, 422], 'bad_request'],
  ['a send whose op is 65 bytes long', 'POST', M, { body: message({ op: 'x'.repeat(65) }) }, [400, 422], 'bad_request'],
  ['a send from nobody', 'POST', M, { body: message({ from: undefined }) }, [400, 422], 'bad_request'],
  ['a send from a user with a slash', 'POST', M, { body: message({ from: 'a/b' }) }, [400, 422], 'bad_request'],
  ['a send without a body', 'POST', M, { body: message({ body: undefined }) }, [400, 422], 'bad_request'],
  ['a send of an unknown kind', 'POST', M, { body: message({ kind: 'shout' }) }, [400, 422], 'bad_request'],
  ['an edit of nothing', 'POST', M, { body: message({ kind: 'edit' }) }, [400, 422], 'bad_request'],
  ['an edit of a seq that is not yet', 'POST', M, { body: message({ kind: 'edit', ref: 4711 }) }, [404], 'not_found'],
  ['a deletion of the largest seq there is', 'POST', M, { body: message({ kind: 'delete', ref: '9223372036854775807' }) }, [400, 404, 422], undefined],
  ['a page with versions that are a word', 'GET', `${M}?versions=all`, {}, [400], 'bad_request'],
  ['a page with a limit that is a word', 'GET', `${M}?limit=all`, {}, [400], 'bad_request'],
  ['a page with a limit of 0', 'GET', `${M}?limit=0`, {}, [400], 'bad_request'],
  ['a page after a word', 'GET', `${M}?after=x`, {}, [400], 'bad_request'],
  ['a page before the first number', 'GET', `${M}?before=0`, {}, [400], 'bad_request'],
  ['a page before a number below zero', 'GET', `${M}?before=-1`, {}, [400], 'bad_request'],
  ['a conversation of an unknown kind', 'PUT', '/v1/conversations/new', { body: conversation({ kind: 'party' }) }, [400, 422], 'bad_request'],
  ['a direct conversation without members', 'PUT', '/v1/conversations/new', { body: { kind: 'direct' } }, [422], 'bad_request'],
  ['a notification without a way to be collapsed', 'POST', '/v1/users/alice/notifications', { body: { op: 'n', text: 'x', collapse: '' } }, [422], 'bad_request'],
  ['a notification of no priority', 'POST', '/v1/users/alice/notifications', { body: { op: 'n', text: 'x', priority: '' } }, [422], 'bad_request'],
  ['a conversation whose members are a word', 'PUT', '/v1/conversations/new', { body: conversation({ members: 'alice' }) }, [400, 422], 'bad_request'],
  ['a conversation whose members are numbers', 'PUT', '/v1/conversations/new', { body: conversation({ members: [1] }) }, [400, 422], 'bad_request'],
  ['a conversation with a member with a space', 'PUT', '/v1/conversations/new', { body: conversation({ members: ['a b'] }) }, [400, 422], 'bad_request'],
  ['a conversation with 1,001 members', 'PUT', '/v1/conversations/new', { body: conversation({ members: Array.from({ length: 1001 }, (_, i) => `u${i}`) }) }, [400, 413, 422], undefined],
  ['a conversation with a slash in its name', 'PUT', '/v1/conversations/a%2Fb', { body: conversation() }, [400, 404], undefined],
  ['a conversation with bad UTF-8 in its name', 'PUT', '/v1/conversations/a%ff', { body: conversation() }, [400, 404], undefined],
  ['a conversation with a name of 129 bytes', 'PUT', `/v1/conversations/${'x'.repeat(129)}`, { body: conversation() }, [400, 404, 414], undefined],
  ['presence of a word', 'POST', '/v1/presence', { body: { users: 'alice' } }, [400, 422], 'bad_request'],
  ['presence of 1,001 users', 'POST', '/v1/presence', { body: { users: Array.from({ length: 1001 }, (_, i) => `u${i}`) } }, [400, 413, 422], undefined],
  ['a batch of a word', 'POST', '/v1/batch', { body: { operations: 'x' } }, [400, 422], 'bad_request'],
  ['a batch of 101', 'POST', '/v1/batch', { body: { operations: Array.from({ length: 101 }, () => ({ method: 'GET', path: C })) } }, [400, 413, 422], undefined],
  // 409, 413, 415
  ['a conversation of another kind than it is', 'PUT', C, { body: conversation({ kind: 'channel', members: ['alice', 'bob'] }) }, [409], 'conflict'],
  ['a message larger than a frame', 'POST', M, { body: message({ body: 'x'.repeat(100000) }) }, [413], 'too_large'],
  ['a body of plain text', 'POST', M, { body: JSON.stringify(message()), headers: { 'content-type': 'text/plain' } }, [415], undefined],
  ['a body of a form', 'POST', M, { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, [415], undefined],
];
const refusedCases = refused.map(([sentence, method, path, options, statuses, code]) => ({
  name: `HTTP: ${sentence} is answered ${statuses.join(' or ')}`,
  async run(bench) {
    const answer = await request(bench.hub.url, method, path, { key: API_KEY, ...options });
    expect(statuses.includes(answer.status), `it was answered ${answer.status} ${answer.text.slice(0, 300)}`);
    if (code === undefined && statuses.length > 1) return;
    expect(typeof answer.json?.error?.code === 'string' && typeof answer.json.error.message === 'string', `the error is told as ${answer.text}`);
    expect(code === undefined || answer.json.error.code === code, `its code is ${answer.json.error.code}`);
  },
}));

// [sentence, method, path, what Allow says]: RFC 9110 section 15.5.6.
const methodCases = [
  ['a method nobody offers', 'DELETE', M, 'GET, HEAD, POST'],
  ['a method for the health', 'POST', '/healthz', 'GET, HEAD'],
  ['a method that no route has', 'PATCH', C, 'GET, HEAD, PUT, DELETE'],
  ['the question which there are', 'OPTIONS', '/v1/batch', 'POST'],
  ['a method without a key', 'POST', `${C}/members/alice`, 'PUT, DELETE', { key: undefined, body: {} }],
].map(([sentence, method, path, allow, options]) => ({
  name: `HTTP: ${sentence} is answered 405, with what is allowed`,
  async run(bench) {
    const answer = await request(bench.hub.url, method, path, { key: API_KEY, ...options });
    expect(answer.status === 405 && answer.json?.error?.code === 'bad_request', `it was answered ${answer.status} ${answer.text.slice(0, 300)}`);
    expect(answer.headers.allow === allow, `Allow says ${answer.headers.allow}`);
  },
}));

// Requests that no HTTP library would write: [sentence, lines, what follows them, statuses allowed]
const auth = `Authorization: Bearer ${API_KEY}`;
const json = 'Content-Type: application/json';
const rawRequests = [
  ['a body in chunks', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Transfer-Encoding: chunked'], `5\r\n{"op"\r\n0\r\n\r\n`, [411]],
  ['a body without a length', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json], '', [411]],
  ['a member without a body', [`PUT ${C}/members/alice HTTP/1.1`, 'Host: x', auth], '', [200]],
  ['a conversation without a body', [`PUT ${C} HTTP/1.1`, 'Host: x', auth], '', [411]],
  ['a disconnect without a body', ['POST /v1/users/nobody/disconnect HTTP/1.1', 'Host: x', auth], '', [200]],
  ['a member with a body in chunks', [`PUT ${C}/members/alice HTTP/1.1`, 'Host: x', auth, json, 'Transfer-Encoding: chunked'], `2\r\n{}\r\n0\r\n\r\n`, [411]],
  ['a page whose parameters are empty', [`GET ${M}?before=&after=&limit= HTTP/1.1`, 'Host: x', auth], '', [200]],
  ['a body of 1 MB and a byte', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Content-Length: 1048577'], ' '.repeat(1048577), [413]],
  ['a length of 10 GB', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Content-Length: 10737418240'], '', [413]],
  ['a length that is a word', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Content-Length: many'], '', [400, 411, 413]],
  ['a length below zero', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Content-Length: -1'], '', [400, 411, 413]],
  ['a length that overflows', [`POST ${M} HTTP/1.1`, 'Host: x', auth, json, 'Content-Length: 18446744073709551620'], '{"a"', [400, 411, 413]],
  ['a NUL in the path', [`GET /v1/conversations/a%00b HTTP/1.1`, 'Host: x', auth], '', [400, 403, 404, undefined]],
  ['half an escape in the path', [`GET /v1/conversations/a%2 HTTP/1.1`, 'Host: x', auth], '', [400, 403, 404, undefined]],
  ['HTTP/1.0', [`GET /healthz HTTP/1.0`, 'Host: x'], '', [200, 400, 505]],
];
const rawCases = rawRequests.map(([sentence, lines, rest, statuses]) => ({
  name: `HTTP: ${sentence} is answered ${statuses.map((status) => status ?? 'by the end of the connection').join(' or ')}`,
  async run(bench) {
    const raw = await bench.connect();
    const answer = await raw.request(lines, rest);
    expect(statuses.includes(answer.status), `it was answered ${answer.status} ${answer.text.slice(0, 300)}`);
  },
}));

const otherCases = [
  {
    name: 'HTTP: a body that stops halfway stores nothing',
    async run(bench) {
      const raw = await bench.connect();
      const body = JSON.stringify({ op: 'half', from: 'alice', body: 'half a message' });
      raw.write(`POST ${M} HTTP/1.1\r\nHost: x\r\n${auth}\r\n${json}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 20)}`);
      raw.socket.end();
      await raw.until(() => raw.ended, 'the hub closes the connection');
    },
  },
  {
    name: 'HTTP: a connection is kept for the next request',
    async run(bench) {
      const raw = await bench.connect();
      for (let i = 0; i < 3; i += 1) {
        const answer = await raw.request([`GET ${C} HTTP/1.1`, 'Host: x', auth]);
        expect(answer.status === 200, `request ${i + 1} was answered ${answer.status}`);
      }
      const refused401 = await raw.request([`GET ${C} HTTP/1.1`, 'Host: x']);
      expect(refused401.status === 401, `without a key it was answered ${refused401.status}`);
    },
  },
  {
    name: 'HTTP: a conversation is made (201), changed (200), told and deleted',
    async run(bench) {
      const { api } = bench.hub;
      const path = '/v1/conversations/short-lived';
      const made = await api.raw('PUT', path, { body: conversation({ members: ['alice', 'bob'] }) });
      expect(made.status === 201, `it was made with ${made.status} ${made.text}`);
      const again = await api.raw('PUT', path, { body: conversation({ members: ['alice', 'bob', 'carol'] }) });
      expect(again.status === 200, `it was changed with ${again.status} ${again.text}`);
      const told = await api.call('GET', path);
      expect(told.kind === 'group' && told.seq === 0, `it is told as ${JSON.stringify(told)}`);
      const sent = await api.raw('POST', `${path}/messages`, { body: message({ op: 'm1', from: 'carol' }) });
      expect(sent.status === 201 && sent.json.seq === 1 && Number.isInteger(sent.json.at), `the send was answered ${sent.status} ${sent.text}`);
      const repeated = await api.raw('POST', `${path}/messages`, { body: message({ op: 'm1', from: 'carol' }) });
      expect(repeated.status === 200 && repeated.json.duplicate === true && repeated.json.seq === 1, `the repeat was answered ${repeated.status} ${repeated.text}`);
      const removed = await api.raw('DELETE', path);
      expect(removed.status === 200 || removed.status === 204, `it was deleted with ${removed.status} ${removed.text}`);
      expect((await api.raw('GET', path)).status === 404, 'it is still there');
    },
  },
  {
    name: 'HTTP: a field that is null is one that is absent, but for a body, which may be any JSON',
    async run(bench) {
      const { api } = bench.hub;
      const path = '/v1/conversations/nulls';
      const made = await api.raw('PUT', path, { body: { kind: 'group', members: ['alice'], public: null } });
      const kept = await api.raw('PUT', path, { body: { kind: null, members: null } });
      expect(made.status === 201 && kept.status === 200 && (await api.call('GET', path)).members.length === 1, `they were answered ${made.text} ${kept.text}`);
      const sent = await api.raw('POST', `${path}/messages`, { body: { op: 'n', from: 'alice', kind: null, ref: null, push: null, body: null } });
      expect(sent.status === 201 && (await api.log('nulls'))[0].body === null, `the send was answered ${sent.status} ${sent.text}`);
      const token = bench.hub.token('alice', 'nulls');
      const sync = await request(bench.hub.url, 'POST', '/v1/sync', { key: token, body: { device: null, cursor: null, ack: null, ops: null, limit: null } });
      expect(sync.status === 200, `the sync was answered ${sync.status} ${sync.text}`);
    },
  },
  {
    name: 'HTTP: pages of a log go forward and back',
    async run(bench) {
      const { api } = bench.hub;
      await api.conversation('pages', ['alice']);
      for (let i = 1; i <= 5; i += 1) await api.send('pages', { op: `p${i}`, from: 'alice', body: i });
      const seqs = async (query) => {
        const page = await api.page('pages', query);
        return `${page.entries.map((each) => each.seq)}${page.more ? ' more' : ''}`;
      };
      const rows = [
        [{ after: 0, limit: 2 }, '1,2 more'],
        [{ after: 2, limit: 2 }, '3,4 more'],
        [{ after: 4, limit: 2 }, '5'],
        [{ after: 5 }, ''],
        [{ before: 4, limit: 2 }, '2,3 more'],
        [{ before: 3, limit: 2 }, '1,2'],
        [{ before: 1 }, ''],
        [{ limit: 2 }, '4,5 more'],
      ];
      for (const [query, wanted] of rows) {
        const found = await seqs(query);
        expect(found === wanted, `${JSON.stringify(query)} gives ${found} instead of ${wanted}`);
      }
    },
  },
  {
    name: 'HTTP: edits, deletions and reactions are of a message that is there',
    async run(bench) {
      const { api } = bench.hub;
      await api.conversation('changed', ['alice', 'bob']);
      const rows = [
        // op, kind, ref, from, the status, the code
        ['m1', 'message', undefined, 'alice', 201],
        ['e1', 'edit', 1, 'bob', 201], // the backend is trusted, whoever it speaks for
        ['r1', 'react', 1, 'stranger', 201],
        ['e2', 'edit', 2, 'alice', 409, 'conflict'],
        ['e3', 'edit', 3, 'alice', 409, 'conflict'],
        ['r2', 'react', 9, 'alice', 404, 'not_found'],
        ['d1', 'delete', 1, 'alice', 201],
        ['d2', 'delete', 1, 'alice', 409, 'conflict'],
        ['e4', 'edit', 1, 'alice', 409, 'conflict'],
        ['r3', 'react', 1, 'alice', 409, 'conflict'],
        ['d1', 'delete', 1, 'alice', 200],
      ];
      for (const [op, kind, ref, from, status, code] of rows) {
        const answer = await api.raw('POST', '/v1/conversations/changed/messages', { body: { op, kind, ref, from, body: `secret ${op}` } });
        expect(answer.status === status && answer.json.error?.code === code, `${op} was answered ${answer.status} ${answer.text}`);
      }
      for (const versions of [true, false]) {
        const page = await api.page('changed', { after: 0, versions });
        expect(String(page.entries.map((each) => each.seq)) === '1,2,3,4', `the page is ${JSON.stringify(page)}`);
        expect(!/secret [me]/.test(JSON.stringify(page)), `a deleted text is in ${JSON.stringify(page)}`);
        expect(page.entries[0].deleted === true && page.entries[0].deleted_at === page.entries[3].at, `the message is ${JSON.stringify(page.entries[0])}`);
      }
    },
  },
  {
    name: 'HTTP: of many edits and reactions history shows the original and the latest',
    async run(bench) {
      const { api } = bench.hub;
      await api.conversation('busy', ['alice']);
      await api.send('busy', { op: 'm', from: 'alice', body: 'v0' });
      for (let i = 1; i <= 70; i += 1) {
        await api.send('busy', { op: `e${i}`, from: 'alice', kind: 'edit', ref: 1, body: `v${i}` });
        await api.send('busy', { op: `r${i}`, from: 'alice', kind: 'react', ref: 1, body: `r${i}` });
      }
      const [entry] = (await api.page('busy', { after: 0, limit: 1, versions: true })).entries;
      expect(entry.body === 'v70' && entry.version === 70, `the message is ${JSON.stringify(entry).slice(0, 300)}`);
      const wanted = ['v0', ...Array.from({ length: 63 }, (_, i) => `v${i + 8}`)];
      expect(String(entry.versions.map((each) => each.body)) === String(wanted), `its versions are ${entry.versions.map((each) => each.body)}`);
      expect(String(entry.reactions.map((each) => each.body)) === String(Array.from({ length: 64 }, (_, i) => `r${i + 7}`)), `its reactions are ${entry.reactions.map((each) => each.body)}`);
    },
  },
  {
    name: 'HTTP: a page with large versions stays within its size, and the next begins where it ends',
    async run(bench) {
      const { api } = bench.hub;
      await api.conversation('large', ['alice']);
      const body = 'x'.repeat(60000);
      for (let i = 1; i <= 3; i += 1) await api.send('large', { op: `m${i}`, from: 'alice', body });
      for (let i = 1; i <= 3; i += 1) for (let k = 1; k <= 5; k += 1) await api.send('large', { op: `e${i}.${k}`, from: 'alice', kind: 'edit', ref: i, body });
      const seqs = [];
      for (let after = 0, more = true; more; after = seqs.at(-1)) {
        const page = await api.page('large', { after, versions: true });
        const { length } = JSON.stringify(page);
        expect(length < 600000, `a page has ${length} bytes`);
        seqs.push(...page.entries.map((each) => each.seq));
        for (const entry of page.entries) if (entry.seq <= 3) expect(entry.version === 5 && entry.versions[0].seq === entry.seq && entry.versions.at(-1).seq === 3 + entry.seq * 5, `the versions of ${entry.seq} are ${entry.versions.map((each) => each.seq)}`);
        more = page.more;
      }
      expect(String(seqs) === String(Array.from({ length: 18 }, (_, i) => i + 1)), `the pages have ${seqs}`);
    },
  },
  {
    name: 'HTTP: presence and devices tell who is there',
    async run(bench) {
      const { api } = bench.hub;
      const session = await bench.session('paula', 'pad');
      const presence = await api.presence('paula');
      expect(presence.status === 'online', `presence is ${JSON.stringify(presence)}`);
      const many = await api.call('POST', '/v1/presence', { users: ['paula', 'nobody'] });
      const list = Array.isArray(many) ? many : (many.presence ?? many.users);
      expect(JSON.stringify(list.map((each) => [each.user, each.status])) === '[["paula","online"],["nobody","offline"]]', `presence of two is ${JSON.stringify(many)}`);
      const devices = await api.devices('paula');
      const pad = devices.find((each) => each.device === 'pad');
      expect(pad?.connected === true && pad.queue.depth === 0, `devices are ${JSON.stringify(devices)}`);
      const nobody = await api.raw('GET', '/v1/users/nobody/devices');
      expect(nobody.status === 200 || nobody.status === 404, `devices of nobody were answered ${nobody.status}`);
      const put = await api.raw('POST', '/v1/users/paula/disconnect', { body: { device: 'pad' } });
      expect(put.status >= 200 && put.status < 300, `disconnect was answered ${put.status}`);
      await session.over();
    },
  },
  {
    name: 'HTTP: each operation of a batch has its own result, in order',
    async run(bench) {
      const answer = await bench.hub.api.call('POST', '/v1/batch', {
        operations: [
          { method: 'PUT', path: '/v1/conversations/batched', body: conversation() },
          { method: 'POST', path: '/v1/conversations/batched/messages', body: message({ op: 'b1' }) },
          { method: 'POST', path: '/v1/conversations/nowhere/messages', body: message() },
          { method: 'POST', path: '/v1/conversations/batched/messages', body: message({ op: 'b1' }) },
          { method: 'GET', path: '/v1/conversations/batched' },
        ],
      });
      expect(String(answer.results.map((each) => each.status)) === '201,201,404,200,200', JSON.stringify(answer));
      expect(answer.results[1].body.seq === 1 && answer.results[3].body.duplicate === true, JSON.stringify(answer));
    },
  },
  {
    name: 'HTTP: the page of probes: healthz, readyz',
    async run(bench) {
      for (const path of ['/healthz', '/readyz']) {
        const answer = await request(bench.hub.url, 'GET', path);
        expect(answer.status === 200, `${path} was answered ${answer.status} ${answer.text}`);
      }
    },
  },
  {
    name: 'HTTP: /metrics is Prometheus text with every row of the table, for every process',
    async run(bench) {
      const answer = await request(bench.hub.url, 'GET', '/metrics');
      expect(answer.status === 200 && /^text\/plain/.test(answer.headers['content-type']), `it was answered ${answer.status} ${answer.headers['content-type']}`);
      const table = readFileSync(join(root, 'contract', 'metrics.def'), 'utf8');
      const rows = [...table.matchAll(/^METRIC_ROW\(\w+, (counter|gauge), "(\w+)"/gm)];
      expect(rows.length > 10, 'the table has hardly a row');
      for (const [, type, name] of rows) {
        expect(answer.text.includes(`# TYPE ${name} ${type}\n`), `${name} has no TYPE ${type}`);
        for (const process of ['worker1', 'worker2']) expect(new RegExp(`^${name}\\{[^}]*process="${process}"[^}]*\\} \\d`, 'm').test(answer.text), `${name} is not told for ${process}`);
      }
      for (const line of answer.text.trimEnd().split('\n')) expect(/^(#( .*)?|\w+(\{[^}]*\})? [-+.\deE]+)$/.test(line), `a line is no metric: ${line}`);
    },
  },
  {
    name: 'HTTP: with --dev, loopback gets a token that works, and the demo page',
    async run(bench) {
      const answer = await request(bench.hub.url, 'GET', '/v1/dev/token?user=alice&device=dev1');
      const token = answer.json?.token ?? answer.text.trim();
      expect(answer.status === 200 && token.split('.').length === 3, `it was answered ${answer.status} ${answer.text}`);
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, token, device: 'dev1' });
      const welcome = await raw.message((each) => each.id === 1, 'a welcome');
      expect(welcome.user === 'alice' && welcome.device === 'dev1', JSON.stringify(welcome));
      const none = await request(bench.hub.url, 'GET', '/v1/dev/token');
      expect(none.status === 400, `without a user it was answered ${none.status}`);
      const page = await request(bench.hub.url, 'GET', '/');
      expect(page.status === 200 && /^text\/html/.test(page.headers['content-type']), `/ was answered ${page.status}`);
    },
  },
  {
    name: 'belfry token prints a token that works',
    async run(bench) {
      const token = execFileSync(bench.hub.program, ['token', '--user', 'alice', '--device', 'cli', '--ttl', '60'], { env: { ...process.env, BELFRY_JWT_SECRET: JWT_SECRET } }).toString().trim();
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, token });
      const welcome = await raw.message((each) => each.id === 1, 'a welcome');
      expect(welcome.user === 'alice' && welcome.device === 'cli', JSON.stringify(welcome));
    },
  },
];

export const httpCases = [...otherCases, ...refusedCases, ...methodCases, ...rawCases];
