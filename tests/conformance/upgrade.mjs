// SPDX-License-Identifier: Apache-2.0
// upgrade.mjs: conformance cases up to the welcome: the opening handshake (RFC 6455 section 4), hello, tokens.

import { JWT_SECRET } from '../lib/hub.mjs';
import { OPCODES, RawSocket } from '../lib/raw.mjs';
import { forgeToken, makeToken, sign } from '../lib/token.mjs';

const expect = (holds, sentence) => {
  if (!holds) throw new Error(sentence);
};
const seconds = () => Math.floor(Date.now() / 1000);

// ---- the handshake ----------------------------------------------------------------------------------------------------

// [sentence, headers changed, path, method, statuses allowed]
const handshakes = [
  ['a right upgrade', {}, '/v1/ws', 'GET', [101]],
  ['an upgrade with belfry.v1 among others', { 'Sec-WebSocket-Protocol': 'chat, belfry.v1' }, '/v1/ws', 'GET', [101]],
  ['an upgrade with header names in capitals and a list in Connection', { Connection: undefined, CONNECTION: 'keep-alive, UPGRADE' }, '/v1/ws', 'GET', [101]],
  ['an upgrade with another subprotocol', { 'Sec-WebSocket-Protocol': 'chat' }, '/v1/ws', 'GET', [400]],
  ['an upgrade with a longer subprotocol', { 'Sec-WebSocket-Protocol': 'belfry.v11' }, '/v1/ws', 'GET', [400]],
  ['an upgrade without a subprotocol', { 'Sec-WebSocket-Protocol': undefined }, '/v1/ws', 'GET', [101, 400]],
  ['an upgrade to another path', {}, '/v1/wss', 'GET', [400, 404]],
  ['an upgrade to the root', {}, '/', 'GET', [400, 404]],
  ['an upgrade by POST', { 'Content-Length': '0' }, '/v1/ws', 'POST', [400, 404, 405]],
  ['an upgrade without a key', { 'Sec-WebSocket-Key': undefined }, '/v1/ws', 'GET', [400, undefined]],
  ['an upgrade of another version', { 'Sec-WebSocket-Version': '8' }, '/v1/ws', 'GET', [400, 426]],
  ['an upgrade to something else', { Upgrade: 'h2c' }, '/v1/ws', 'GET', [400, 404, 426]],
  ['a plain GET of the socket path', { Upgrade: undefined, Connection: 'close', 'Sec-WebSocket-Key': undefined, 'Sec-WebSocket-Version': undefined }, '/v1/ws', 'GET', [426]],
  ['an upgrade with a bad bearer token', { Authorization: 'Bearer rubbish' }, '/v1/ws', 'GET', [401]],
  ['an upgrade with an empty bearer token', { Authorization: 'Bearer ' }, '/v1/ws', 'GET', [401]],
  ['an upgrade with an expired bearer token', { Authorization: `Bearer ${makeToken(JWT_SECRET, { sub: 'alice', exp: seconds() - 600 })}` }, '/v1/ws', 'GET', [401]],
  ['an upgrade with the API key for a token', { Authorization: 'Bearer a-key-for-tests-known-to-everyone' }, '/v1/ws', 'GET', [401]],
];

const told = (statuses) => statuses.map((status) => status ?? 'by the end of the connection').join(' or ');

const handshakeCases = handshakes.map(([sentence, headers, path, method, statuses]) => ({
  name: `${sentence} is answered ${told(statuses)}`,
  async run(bench) {
    const raw = await bench.connect();
    const answer = await raw.upgrade(headers, path, method);
    expect(statuses.includes(answer.status), `it was answered ${answer.status} ${answer.text}`);
    const offered = Object.hasOwn(headers, 'Sec-WebSocket-Protocol') ? headers['Sec-WebSocket-Protocol'] : 'belfry.v1';
    if (answer.status === 101) expect(answer.headers['sec-websocket-protocol'] === (offered && 'belfry.v1'), `the subprotocol is ${answer.headers['sec-websocket-protocol']}`);
    else expect(!raw.upgraded, 'it was upgraded');
  },
}));

// What is no HTTP at all must not hurt; how it is refused is not said.
const rubbish = [
  ['a header of 60 KB', `GET /v1/ws HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(60000)}\r\n\r\n`],
  ['1,000 headers', `GET /v1/ws HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 1000 }, (_, i) => `X-${i}: y\r\n`).join('')}\r\n`],
  ['a path of 20 KB', `GET /${'p'.repeat(20000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['bytes that are no HTTP', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) & 255))],
  ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
  ['HTTP/2 without an upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a method that does not exist', 'BREW /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n'],
];
const rubbishCases = rubbish.map(([sentence, bytes]) => ({
  name: `${sentence} in place of a request is refused or ignored`,
  async run(bench) {
    const raw = await bench.connect();
    raw.write(bytes);
    raw.socket.end();
    await raw.until(() => raw.ended, 'the hub closes the connection');
    expect(!/^HTTP\/1.1 (101|2)/.test(raw.bytes.toString()), `it was answered ${raw.bytes.toString().slice(0, 80)}`);
  },
}));

// ---- hello ------------------------------------------------------------------------------------------------------------

const now = seconds();
const good = { sub: 'alice', exp: now + 600 };
const signed = (header, payload, secret = JWT_SECRET, hash = 'sha256') => {
  const unsigned = forgeToken(header, payload).slice(0, -1);
  return `${unsigned}.${sign(secret, unsigned, hash)}`;
};
const HS256 = { alg: 'HS256', typ: 'JWT' };
const right = makeToken(JWT_SECRET, good);
const [rightHead, , rightSignature] = right.split('.');

// [what is wrong with it, the token]
const badTokens = [
  ['signed with another secret', makeToken('another secret, just as long as the right one is', good)],
  ['whose payload was changed after it was signed', `${rightHead}.${forgeToken({}, { ...good, sub: 'bob' }).split('.')[1]}.${rightSignature}`],
  ['of algorithm none', forgeToken({ alg: 'none' }, good)],
  ['of algorithm None, signed', signed({ alg: 'None' }, good)],
  ['of algorithm nOnE with the right signature of another', forgeToken({ alg: 'nOnE' }, good, rightSignature)],
  ['of algorithm HS256 with an empty signature', forgeToken(HS256, good)],
  ['without an algorithm', signed({ typ: 'JWT' }, good)],
  ['that names RS256 and is signed by HMAC', signed({ alg: 'RS256' }, good)],
  ['that names HS512, which nobody configured', signed({ alg: 'HS512' }, good, JWT_SECRET, 'sha512')],
  ['whose algorithm is a list', signed({ alg: ['HS256'] }, good)],
  ['that demands an extension we do not know', signed({ ...HS256, crit: ['exp'] }, good)],
  ['with its signature cut short', right.slice(0, -4)],
  ['with a longer signature', `${right}AAAA`],
  ['with two parts', right.split('.').slice(0, 2).join('.')],
  ['with four parts', `${right}.AAAA`],
  ['that is empty', ''],
  ['that is rubbish', 'rubbish'],
  ['of dots', '..'],
  ['in plain base64 with padding', right.split('.').map((part) => `${part}=`).join('.')],
  ['whose payload is no JSON', signed(HS256, 'not json')],
  ['whose payload is a list', signed(HS256, [good])],
  ['without a user', signed(HS256, { exp: good.exp })],
  ['whose user is a number', signed(HS256, { ...good, sub: 7 })],
  ['whose user is empty', signed(HS256, { ...good, sub: '' })],
  ['whose user has a slash', signed(HS256, { ...good, sub: 'a/b' })],
  ['whose user has a space', signed(HS256, { ...good, sub: 'a b' })],
  ['whose user is 129 bytes long', signed(HS256, { ...good, sub: 'u'.repeat(129) })],
  ['without an end', signed(HS256, { sub: 'alice' })],
  ['whose end is a word', signed(HS256, { ...good, exp: 'tomorrow' })],
  ['whose end is a number in quotes', signed(HS256, { ...good, exp: String(good.exp) })],
  ['whose end is past all numbers', signed(HS256, `{"sub":"alice","exp":1e400}`)],
  ['that begins tomorrow', signed(HS256, { ...good, nbf: now + 86400 })],
  ['that names two users', signed(HS256, `{"sub":"alice","sub":"bob","exp":${good.exp}}`)],
  ['of 20 KB', signed(HS256, { ...good, more: 'x'.repeat(20000) })],
];
const badTokenCases = badTokens.map(([sentence, token]) => ({
  name: `a token ${sentence} gets error and close 4401`,
  async run(bench) {
    const raw = await bench.upgraded();
    raw.text({ type: 'hello', id: 1, device: 'd', token });
    const { code } = await raw.over();
    const reply = raw.messages[0];
    expect(reply?.type === 'error' && ['unauthorized', 'forbidden', 'bad_request'].includes(reply.code) && reply.id === 1, `hello was answered ${JSON.stringify(reply)}`);
    expect(code === 4401, `it was closed with ${code}`);
  },
}));

// [sentence, what is sent first, the codes of error allowed, the close codes allowed]
const badHellos = [
  ['a ping before hello', { type: 'ping', id: 1 }, ['unauthorized', 'bad_request'], [4401]],
  ['a send before hello', { type: 'send', id: 1, conv: 'c', op: 'x', body: 1 }, ['unauthorized', 'bad_request'], [4401]],
  ['a hello without a token', { type: 'hello', id: 1, device: 'd' }, ['unauthorized', 'bad_request'], [4401]],
  ['a hello whose token is a number', { type: 'hello', id: 1, device: 'd', token: 5 }, ['unauthorized', 'bad_request'], [4400]],
  ['a hello without a device', { type: 'hello', id: 1, token: right }, ['bad_request'], [4400, 4401]],
  ['a hello with an empty device', { type: 'hello', id: 1, token: right, device: '' }, ['bad_request'], [4400]],
  ['a hello whose device has a slash', { type: 'hello', id: 1, token: right, device: 'a/b' }, ['bad_request'], [4400]],
  ['a hello whose device is 129 bytes long', { type: 'hello', id: 1, token: right, device: 'd'.repeat(129) }, ['bad_request'], [4400]],
  ['a hello whose cursor is a word', { type: 'hello', id: 1, token: right, device: 'd', cursor: 'x' }, ['bad_request'], [4400]],
  ['a hello whose cursor is below zero', { type: 'hello', id: 1, token: right, device: 'd', cursor: { epoch: 'x', n: -1 } }, ['bad_request'], [4400]],
  ['a token that has expired', { type: 'hello', id: 1, device: 'd', token: makeToken(JWT_SECRET, { sub: 'alice', exp: now - 600 }) }, ['token_expired'], [4201]],
];
const badHelloCases = badHellos.map(([sentence, frame, codes, closes]) => ({
  name: `${sentence} gets error ${codes.join(' or ')}`,
  async run(bench) {
    const raw = await bench.upgraded();
    raw.text(frame);
    const reply = await raw.message((each) => each.type === 'error', 'an error');
    expect(codes.includes(reply.code) && reply.id === 1, `it was answered ${JSON.stringify(reply)}`);
    // Whether a hello that can be mended may be said again is not said; but it ends, at the latest when the time for it is over.
    const { code } = await raw.over();
    expect([...closes, 4408].includes(code), `it was closed with ${code}`);
  },
}));

const helloCases = [
  {
    name: 'who says nothing is closed with 4408 in time',
    async run(bench) {
      const started = Date.now(); // before its time begins, as the answer to the upgrade may come late
      const raw = await bench.upgraded();
      const { code } = await raw.over();
      expect(code === 4408, `it was closed with ${code}`);
      expect(Date.now() - started >= bench.helloMs * 0.8, `it had only ${Date.now() - started} ms`);
    },
  },
  {
    name: 'who pings at the level of the WebSocket and says nothing is closed with 4408 too',
    async run(bench) {
      const raw = await bench.upgraded();
      const beat = setInterval(() => raw.frame(OPCODES.ping, 'x'), 50);
      const { code } = await raw.over().finally(() => clearInterval(beat));
      expect(code === 4408, `it was closed with ${code}`);
    },
  },
  {
    name: 'who begins a hello and does not end it is closed with 4408',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text('{"type":"hello","tok', { fin: false });
      const { code } = await raw.over();
      expect(code === 4408, `it was closed with ${code}`);
    },
  },
  {
    name: 'a right hello is welcomed with all that the page promises',
    async run(bench) {
      const { welcome } = await bench.session('alice', 'w1');
      for (const field of ['session', 'user', 'device', 'epoch', 'cursor', 'head', 'server_time', 'ping_ms', 'window', 'max_frame', 'retry'])
        expect(welcome[field] !== undefined, `welcome has no ${field}`);
      expect(welcome.user === 'alice' && welcome.device === 'w1', `it is for ${welcome.user}.${welcome.device}`);
      expect(welcome.fresh === true && welcome.cursor === welcome.head, 'a device never seen before starts at head, with fresh');
      expect(Math.abs(welcome.server_time - Date.now()) < 5000, `server_time is ${welcome.server_time}`);
      for (const field of ['base_ms', 'max_ms', 'reset_ms']) expect(Number.isInteger(welcome.retry[field]), `retry has no ${field}`);
    },
  },
  {
    name: 'the device may stand in the token alone',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, token: bench.hub.token('alice', 'w2') });
      const welcome = await raw.message((each) => each.id === 1, 'a welcome');
      expect(welcome.device === 'w2', `it was answered ${JSON.stringify(welcome)}`);
    },
  },
  {
    name: 'a token whose dates have fractions, and whose other claims are null, is as good as any',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, device: 'w7', token: makeToken(JWT_SECRET, { sub: 'alice', exp: Date.now() / 1000 + 60.5, nbf: Date.now() / 1000 - 0.5, dev: null, aud: null, iss: null }) });
      const welcome = await raw.message((each) => each.id === 1, 'a welcome');
      expect(welcome.device === 'w7', `it was answered ${JSON.stringify(welcome)}`);
    },
  },
  {
    name: 'the device of the token counts, whatever hello says',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, token: bench.hub.token('alice', 'w2'), device: 'another' });
      const reply = await raw.message((each) => each.id === 1, 'an answer');
      expect(reply.type === 'error' || reply.device === 'w2', `it was answered ${JSON.stringify(reply)}`);
    },
  },
  {
    name: 'a token in the upgrade makes one in hello needless',
    async run(bench) {
      const raw = await bench.upgraded({ Authorization: `Bearer ${bench.hub.token('alice', 'w3')}` });
      raw.text({ type: 'hello', id: 1 });
      const welcome = await raw.message((each) => each.id === 1, 'a welcome');
      expect(welcome.user === 'alice' && welcome.device === 'w3', `it was answered ${JSON.stringify(welcome)}`);
    },
  },
  {
    name: 'a token in the URL counts for nothing',
    async run(bench) {
      const raw = await RawSocket.open(bench.hub.port);
      bench.opened.push(raw);
      const token = bench.hub.token('alice', 'w4');
      const answer = await raw.upgrade({}, `/v1/ws?token=${token}&access_token=${token}`);
      if (answer.status !== 101) return;
      raw.text({ type: 'hello', id: 1, device: 'w4' });
      const { code } = await raw.over();
      expect(code === 4401, `it was closed with ${code}; ${JSON.stringify(raw.messages)}`);
    },
  },
  {
    name: 'a second hello is refused and the session goes on',
    async run(bench) {
      const raw = await bench.session();
      raw.text({ type: 'hello', id: 2, token: bench.hub.token('bob', 'x'), device: 'x' });
      const reply = await raw.message((each) => each.id === 2, 'an answer to it');
      expect(reply.type === 'error', `it was answered ${JSON.stringify(reply)}`);
      raw.text({ type: 'ping', id: 3 });
      await raw.message((each) => each.id === 3 && each.type === 'pong', 'a pong');
    },
  },
  {
    name: 'a token of five seconds is announced as expiring, and a fresh one keeps the session',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text({ type: 'hello', id: 1, device: 'w5', token: bench.hub.token('alice', 'w5', { exp: Date.now() / 1000 + 5 }) });
      await raw.message((each) => each.type === 'welcome', 'a welcome');
      await raw.message((each) => each.type === 'token_expiring' && each.in_ms > 0, 'a warning');
      raw.text({ type: 'auth', id: 2, token: bench.hub.token('bob', 'w5') });
      const other = await raw.message((each) => each.id === 2, 'an answer to the token of another');
      expect(other.type === 'error', `a token of another user was answered ${JSON.stringify(other)}`);
      raw.text({ type: 'auth', id: 3, token: bench.hub.token('alice', 'w5') });
      await raw.message((each) => each.id === 3 && each.type === 'ok', 'ok to the fresh token');
    },
  },
  {
    name: 'a token that runs out closes the session with 4201',
    async run(bench) {
      const raw = await bench.upgraded();
      // To a fraction of a second: of a whole one, counted from when it began, there may be nothing left.
      raw.text({ type: 'hello', id: 1, device: 'w6', token: bench.hub.token('alice', 'w6', { exp: Date.now() / 1000 + 2 }) });
      await raw.message((each) => each.type === 'welcome', 'a welcome');
      const { code } = await raw.over(60000); // a leeway for clocks that differ is allowed
      expect(code === 4201, `it was closed with ${code}`);
    },
  },
];

export const upgradeCases = [...handshakeCases, ...rubbishCases, ...helloCases, ...badHelloCases, ...badTokenCases];
