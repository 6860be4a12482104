// SPDX-License-Identifier: Apache-2.0
// frames.mjs: conformance cases within a session: what is no frame (RFC 6455 section 5), no JSON, or no request.

import { OPCODES } from '../lib/raw.mjs';
import { eventually } from '../lib/until.mjs';

const expect = (holds, sentence) => {
  if (!holds) throw new Error(sentence);
};

let nextId = 1000;

// Sends one request and returns what carries its id.
async function ask(raw, frame) {
  nextId += 1;
  const id = nextId;
  raw.text({ ...frame, id });
  return raw.message((each) => each.id === id, `an answer to ${frame.type}`);
}

async function alive(raw) {
  const pong = await ask(raw, { type: 'ping' });
  expect(pong.type === 'pong', `a ping was answered ${JSON.stringify(pong)}`);
}

// ---- error bad_request, then close 4400 -------------------------------------------------------------------------------

const utf8 = (hex) => Buffer.concat([Buffer.from('{"type":"send","id":5,"conv":"c","op":"utf8","body":"'), Buffer.from(hex, 'hex'), Buffer.from('"}')]);

// [sentence, opcode, bytes]
const malformed = [
  ['text that is no JSON', OPCODES.text, 'hello'],
  ['an empty text', OPCODES.text, ''],
  ['spaces only', OPCODES.text, '   \n'],
  ['an object that does not end', OPCODES.text, '{"type":"ping"'],
  ['an array that does not end', OPCODES.text, '[{"type":"ping"}'],
  ['text after the object', OPCODES.text, '{"type":"ping"} x'],
  ['two objects', OPCODES.text, '{"type":"ping"}{"type":"ping"}'],
  ['single quotes', OPCODES.text, "{'type':'ping'}"],
  ['a comma at the end', OPCODES.text, '{"type":"ping",}'],
  ['a name without quotes', OPCODES.text, '{type:"ping"}'],
  ['a number with a leading zero', OPCODES.text, '{"type":"ping","id":07}'],
  ['NaN', OPCODES.text, '{"type":"ping","id":NaN}'],
  ['a comment', OPCODES.text, '{"type":"ping"/* hello */}'],
  ['a control character within a string', OPCODES.text, '{"type":"pi\nng"}'],
  ['an escape that does not exist', OPCODES.text, '{"type":"\\x70ing"}'],
  ['a NUL after the object', OPCODES.text, '{"type":"ping"}\0'],
  ['a byte order mark', OPCODES.text, '\ufeff{"type":"ping"}'],
  ['a body that is no JSON', OPCODES.text, '{"type":"send","id":5,"conv":"c","op":"bad-body","body":{"a":}}'],
  ['a body with a literal that does not exist', OPCODES.text, '{"type":"send","id":5,"conv":"c","op":"bad-body","body":truth}'],
  ['60,000 brackets', OPCODES.text, '['.repeat(60000)],
  ['60,000 braces', OPCODES.text, '{"a":'.repeat(12000)],
  ['UTF-8 that is overlong', OPCODES.text, utf8('c080')],
  ['UTF-8 of half a surrogate pair', OPCODES.text, utf8('eda080')],
  ['UTF-8 past the last character', OPCODES.text, utf8('f4908080')],
  ['UTF-8 that stops in the middle', OPCODES.text, utf8('e282')],
  ['a byte that UTF-8 never has', OPCODES.text, utf8('ff')],
  ['UTF-8 with a continuation alone', OPCODES.text, utf8('80')],
  ['a binary frame', OPCODES.binary, '{"type":"ping","id":5}'],
  ['an empty binary frame', OPCODES.binary, ''],
];
const malformedCases = malformed.map(([sentence, opcode, bytes]) => ({
  name: `${sentence} gets error bad_request, then close 4400`,
  async run(bench) {
    const raw = await bench.session();
    raw.frame(opcode, bytes);
    const { code } = await raw.over();
    const reply = raw.messages.find((each) => each.type === 'error');
    expect(reply?.code === 'bad_request', `it was answered ${JSON.stringify(reply)}`);
    expect(reply.temporary === false, 'the error does not say that it is not temporary');
    expect(code === 4400, `it was closed with ${code}`);
  },
}));

// ---- error, and the session goes on -----------------------------------------------------------------------------------

const long = (length) => 'x'.repeat(length);
const send = (change) => ({ type: 'send', conv: 'c', op: 'refused-op', body: 'never', ...change });

// [sentence, the request, the codes allowed]
const refused = [
  ['an unknown type', { type: 'dance' }, ['bad_request']],
  ['a request without a type', {}, ['bad_request']],
  ['a type that is a number', { type: 42 }, ['bad_request']],
  ['a type that is null', { type: null }, ['bad_request']],
  ['a type of 60 KB', { type: long(60000) }, ['bad_request']],
  ['a send without a conversation', send({ conv: undefined }), ['bad_request']],
  ['a send whose conversation is a number', send({ conv: 5 }), ['bad_request']],
  ['a send whose conversation is empty', send({ conv: '' }), ['bad_request']],
  ['a send whose conversation has a slash', send({ conv: 'a/b' }), ['bad_request']],
  ['a send whose conversation has a space', send({ conv: 'a b' }), ['bad_request']],
  ['a send whose conversation has a control character', send({ conv: 'a\u0001b' }), ['bad_request']],
  ['a send whose conversation has a NUL', send({ conv: 'c\u0000' }), ['bad_request']],
  ['a send whose conversation is 129 bytes long', send({ conv: long(129) }), ['bad_request']],
  ['a send without an op', send({ op: undefined }), ['bad_request']],
  ['a send whose op is a number', send({ op: 5 }), ['bad_request']],
  ['a send whose op is empty', send({ op: '' }), ['bad_request']],
  ['a send whose op is 65 bytes long', send({ op: long(65) }), ['bad_request']],
  ['a send whose op is not ASCII', send({ op: 'öp' }), ['bad_request']],
  ['a send whose op has a line feed', send({ op: 'a\nb' }), ['bad_request']],
  ['a send without a body', send({ body: undefined }), ['bad_request']],
  ['a send of an unknown kind', send({ kind: 'shout' }), ['bad_request']],
  ['a send whose kind is a number', send({ kind: 1 }), ['bad_request']],
  ['an edit of nothing', send({ kind: 'edit' }), ['bad_request']],
  ['an edit of seq 0', send({ kind: 'edit', ref: 0 }), ['bad_request', 'not_found']],
  ['an edit of a seq below zero', send({ kind: 'edit', ref: -1 }), ['bad_request']],
  ['an edit of a seq that is a word', send({ kind: 'edit', ref: '1' }), ['bad_request']],
  ['an edit of a seq that is not yet', send({ kind: 'edit', ref: 4711 }), ['not_found']],
  ['a deletion of a seq that is not yet', send({ kind: 'delete', ref: 4711 }), ['not_found']],
  ['a reaction to a seq that is not yet', send({ kind: 'react', ref: 4711 }), ['not_found']],
  ['a reaction to a seq that can never be', send({ kind: 'react', ref: 4611686018427387903 }), ['bad_request', 'not_found']],
  ['an edit in the conversation of others', send({ conv: 'vault', kind: 'edit', ref: 1 }), ['forbidden']],
  ['a send to nowhere', send({ conv: 'nowhere' }), ['not_found']],
  ['a send to the conversation of others', send({ conv: 'vault' }), ['forbidden']],
  ['a read without a seq', { type: 'read', conv: 'c' }, ['bad_request']],
  ['a read of a seq below zero', { type: 'read', conv: 'c', seq: -1 }, ['bad_request']],
  ['a read of a seq and a half', { type: 'read', conv: 'c', seq: 1.5 }, ['bad_request']],
  ['a read of a seq in quotes', { type: 'read', conv: 'c', seq: '1' }, ['bad_request']],
  ['a read in nowhere', { type: 'read', conv: 'nowhere', seq: 1 }, ['not_found']],
  ['a read in the conversation of others', { type: 'read', conv: 'vault', seq: 1 }, ['forbidden']],
  ['a signal to nowhere', { type: 'signal', conv: 'nowhere', body: 1 }, ['not_found']],
  ['a signal to the conversation of others', { type: 'signal', conv: 'vault', body: 1 }, ['forbidden']],
  ['a signal without a body', { type: 'signal', conv: 'c' }, ['bad_request']],
  ['history of nowhere', { type: 'history', conv: 'nowhere' }, ['not_found']],
  ['history of others', { type: 'history', conv: 'vault' }, ['forbidden']],
  ['history with a limit of 0', { type: 'history', conv: 'c', limit: 0 }, ['bad_request']],
  ['history with a limit of 201', { type: 'history', conv: 'c', limit: 201 }, ['bad_request', 'too_large']],
  ['history with a limit that is a word', { type: 'history', conv: 'c', limit: 'all' }, ['bad_request']],
  ['history after a word', { type: 'history', conv: 'c', after: 'x' }, ['bad_request']],
  ['history with versions that are a word', { type: 'history', conv: 'c', versions: 'all' }, ['bad_request']],
  ['history before and after', { type: 'history', conv: 'c', before: 5, after: 1 }, ['bad_request']],
  ['conversations with a limit of 201', { type: 'conversations', limit: 201 }, ['bad_request', 'too_large']],
  ['conversations after a number', { type: 'conversations', after: 5 }, ['bad_request']],
  ['members of nowhere', { type: 'members', conv: 'nowhere' }, ['not_found']],
  ['members of others', { type: 'members', conv: 'vault' }, ['forbidden']],
  ['a watch of nobody', { type: 'watch' }, ['bad_request']],
  ['a watch of a word', { type: 'watch', users: 'bob' }, ['bad_request']],
  ['a watch of numbers', { type: 'watch', users: [1, 2] }, ['bad_request']],
  ['a watch of a user with a slash', { type: 'watch', users: ['a/b'] }, ['bad_request']],
  ['a watch of 201 users', { type: 'watch', users: Array.from({ length: 201 }, (_, i) => `u${i}`) }, ['bad_request', 'too_large']],
  ['a subscribe without a conversation', { type: 'subscribe' }, ['bad_request']],
  ['a subscribe to nowhere', { type: 'subscribe', conv: 'nowhere' }, ['not_found']],
  ['a subscribe to a group', { type: 'subscribe', conv: 'c' }, ['bad_request']],
  ['a subscribe to the channel of others', { type: 'subscribe', conv: 'staff' }, ['forbidden']],
  ['a subscribe since a word', { type: 'subscribe', conv: 'news', since: 'yesterday' }, ['bad_request']],
  ['a subscribe since a seq without an epoch', { type: 'subscribe', conv: 'news', since: { seq: 1 } }, ['bad_request']],
  ['a subscribe since an epoch without a seq', { type: 'subscribe', conv: 'news', since: { epoch: 'e' } }, ['bad_request']],
  ['a subscribe since a seq below zero', { type: 'subscribe', conv: 'news', since: { epoch: 'e', seq: -1 } }, ['bad_request']],
  ['an unsubscribe without a conversation', { type: 'unsubscribe' }, ['bad_request']],
  ['a send of a stranger to an open channel', send({ conv: 'news' }), ['forbidden']],
  ['a read in a channel', { type: 'read', conv: 'news', seq: 1 }, ['bad_request']],
  ['a signal to a channel', { type: 'signal', conv: 'news', body: 1 }, ['bad_request']],
  ['a status that does not exist', { type: 'status', status: 'dancing' }, ['bad_request']],
  ['a status that is a number', { type: 'status', status: 1 }, ['bad_request']],
  ['an auth without a token', { type: 'auth' }, ['unauthorized', 'bad_request']],
];
const refusedCases = refused.map(([sentence, request, codes]) => ({
  name: `${sentence} gets error ${codes.join(' or ')}, and the session goes on`,
  async run(bench) {
    const raw = await bench.session();
    const reply = await ask(raw, request);
    expect(reply.type === 'error' && codes.includes(reply.code), `it was answered ${JSON.stringify(reply).slice(0, 300)}`);
    expect(typeof reply.message === 'string' && reply.temporary === false, `the error lacks message or temporary: ${JSON.stringify(reply)}`);
    await alive(raw);
    expect(raw.closed === undefined, `it was closed with ${raw.closed?.code}`);
  },
}));

// ---- channels -----------------------------------------------------------------------------------------------------------

const channelCases = [
  {
    name: 'a subscribe since an epoch that was is answered recovered:false, and goes on',
    async run(bench) {
      const raw = await bench.session();
      const { epoch, seq, recovered } = await ask(raw, { type: 'subscribe', conv: 'news' });
      expect(recovered === true && seq === 1, `it was answered seq ${seq}, recovered ${recovered}`);
      for (const [since, wanted] of [[{ epoch: 'another', seq: 1 }, false], [{ epoch: long(5000), seq: 1 }, false], [{ epoch, seq: 2 }, false], [{ epoch, seq: 1 }, true]]) {
        const again = await ask(raw, { type: 'subscribe', conv: 'news', since });
        expect(again.recovered === wanted && again.seq === 1 && again.epoch === epoch, `since ${JSON.stringify(since).slice(0, 100)} was answered ${JSON.stringify(again)}`);
      }
      const from0 = await ask(raw, { type: 'subscribe', conv: 'news', since: { epoch, seq: 0 } });
      const entry = await raw.message((each) => each.type === 'message' && each.conv === 'news', 'the entry');
      expect(from0.recovered && entry.seq === 1 && entry.n === undefined && entry.id === undefined && entry.body === 'good morning', `it got ${JSON.stringify(entry)}`);
      await alive(raw);
    },
  },
  {
    name: 'an unsubscribe is ok, twice too, and a subscribe that it overtakes is a conflict',
    async run(bench) {
      const raw = await bench.session();
      raw.socket.cork(); // in one packet, so that the store cannot answer between them
      for (const [i, type] of ['subscribe', 'unsubscribe', 'unsubscribe'].entries()) raw.text({ type, id: i + 1, conv: 'news' });
      raw.socket.uncork();
      const replies = [];
      for (const id of [1, 2, 3]) replies.push(await raw.message((each) => each.id === id && each.type !== 'welcome', `the answer to ${id}`));
      expect(replies.map(({ type, code }) => code ?? type).join() === 'conflict,ok,ok', `they were answered ${JSON.stringify(replies)}`);
    },
  },
  {
    name: 'the 257th subscription of a session is too_large',
    async run(bench) {
      const raw = await bench.session();
      for (let i = 0; i < 256; i += 1) await bench.hub.api.conversation(`many${i}`, [], 'channel', { public: true });
      for (let i = 0; i < 256; i += 1) expect((await ask(raw, { type: 'subscribe', conv: `many${i}` })).type === 'subscribed', `the ${i}th was refused`);
      const reply = await ask(raw, { type: 'subscribe', conv: 'news' });
      expect(reply.code === 'too_large', `it was answered ${JSON.stringify(reply)}`);
      expect((await ask(raw, { type: 'subscribe', conv: 'many7' })).type === 'subscribed', 'one that is there already was refused');
    },
  },
  {
    name: 'an ack of a channel gets no answer',
    async run(bench) {
      const raw = await bench.session();
      raw.text({ type: 'ack', conv: 'news', seq: 1 });
      await alive(raw);
      expect(!raw.messages.some((each) => each.type === 'error'), 'it was refused');
    },
  },
];

// ---- refused, by an error or a close: which is not said ---------------------------------------------------------------

const nested = (depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
// [sentence, text]
const eitherWay = [
  ['a JSON string', '"hello"'],
  ['a JSON number', '42'],
  ['null', 'null'],
  ['an array of numbers', '[1,2,3]'],
  ['an array in an array', '[[{"type":"ping"}]]'],
  ['a body 40 levels deep', `{"type":"send","id":5,"conv":"c","op":"deep","body":${nested(40)}}`],
  ['a body 10,000 levels deep', `{"type":"send","id":5,"conv":"c","op":"deep","body":${nested(10000)}}`],
  ['an unknown field 10,000 levels deep', `{"type":"send","id":5,"conv":"nowhere","op":"deep","body":1,"more":${nested(10000)}}`],
  ['65 requests in one array', JSON.stringify(Array.from({ length: 65 }, (_, i) => ({ type: 'send', id: i, conv: 'c', op: `many-${i}`, body: i })))],
  ['10,000 fields in one request', `{${Array.from({ length: 5000 }, (_, i) => `"f${i}":1`).join(',')},"type":"send","id":5,"conv":"c","op":"wide","body":1}`],
  ['an id past all integers', '{"type":"dance","id":123456789012345678901234567890}'],
  ['a send with half a surrogate pair as its op', '{"type":"send","id":5,"conv":"c","op":"\\ud800","body":1}'],
  ['a send that names its conversation twice', '{"type":"send","id":5,"conv":"nowhere","conv":"vault","op":"twice","body":1}'],
];
const eitherWayCases = eitherWay.map(([sentence, text]) => ({
  name: `${sentence} is refused`,
  async run(bench) {
    const raw = await bench.session();
    raw.text(text);
    const reply = await raw.message((each) => each.type === 'error', 'an error');
    expect(['bad_request', 'too_large', 'not_found', 'forbidden'].includes(reply.code), `it was answered ${JSON.stringify(reply)}`);
    raw.text({ type: 'ping', id: 7777 });
    await raw.until(() => raw.closed || raw.messages.some((each) => each.id === 7777), 'a pong or a close');
    if (raw.closed) expect(raw.closed.code === 4400 || raw.closed.code === 4413, `it was closed with ${raw.closed.code}`);
  },
}));

// ---- too large --------------------------------------------------------------------------------------------------------

const filled = (bytes, op) => {
  const head = `{"type":"send","id":5,"conv":"c","op":"${op}","body":"`;
  return `${head}${long(bytes - head.length - 2)}"}`;
};
const sizeCases = [
  {
    name: 'a frame of exactly max_frame is taken',
    async run(bench) {
      const raw = await bench.session();
      raw.text(filled(raw.welcome.max_frame, 'as-large-as-may-be'));
      const reply = await raw.message((each) => each.id === 5, 'an answer');
      expect(reply.type === 'sent', `it was answered ${JSON.stringify(reply)}`);
      bench.stores('c');
    },
  },
  ...[1, 1000, 1048576].map((more) => ({
    name: `a frame ${more} bytes above max_frame is closed with 4413`,
    async run(bench) {
      const raw = await bench.session();
      raw.text(filled(raw.welcome.max_frame + more, 'too-large'));
      const { code } = await raw.over();
      expect(code === 4413, `it was closed with ${code}`);
    },
  })),
  {
    name: 'a message in many fragments that is above max_frame together is closed with 4413',
    async run(bench) {
      const raw = await bench.session();
      raw.text('{"type":"send","id":5,"conv":"c","op":"pieces","body":"', { fin: false });
      for (let i = 0; i < 40; i += 1) raw.frame(OPCODES.continuation, long(4096), { fin: false });
      raw.frame(OPCODES.continuation, '"}');
      const { code } = await raw.over();
      expect(code === 4413, `it was closed with ${code}`);
    },
  },
  {
    name: 'a frame before hello above max_frame is closed with 4413',
    async run(bench) {
      const raw = await bench.upgraded();
      raw.text(long(200000));
      const { code } = await raw.over();
      expect(code === 4413 || code === 4400, `it was closed with ${code}`);
    },
  },
  {
    name: 'a header that claims 2^62 bytes ends the connection',
    async run(bench) {
      const raw = await bench.session();
      raw.frame(OPCODES.text, 'x', { length: 2 ** 62 });
      for (let i = 0; i < 100 && !raw.ended && !raw.closed; i += 1) raw.write(Buffer.alloc(4096, 120));
      await raw.over();
    },
  },
];

// ---- what is no WebSocket frame: the connection fails (RFC 6455 section 7.1.7) -------------------------------------------

const broken = [
  ['a reserved bit', (raw) => raw.text({ type: 'ping', id: 5 }, { rsv: 4 })],
  ['a reserved opcode', (raw) => raw.frame(3, 'x')],
  ['a reserved control opcode', (raw) => raw.frame(11, 'x')],
  ['a continuation of nothing', (raw) => raw.frame(OPCODES.continuation, 'x')],
  ['a text begun within a fragmented text', (raw) => {
    raw.text('{"type":', { fin: false });
    raw.text('{"type":"ping","id":5}');
  }],
  ['a fragmented ping', (raw) => raw.frame(OPCODES.ping, 'x', { fin: false })],
  ['a ping of 126 bytes', (raw) => raw.frame(OPCODES.ping, long(126))],
];
const brokenCases = broken.map(([sentence, act]) => ({
  name: `${sentence} ends the connection`,
  async run(bench) {
    const raw = await bench.session();
    act(raw);
    await raw.over();
    expect(!raw.messages.some((each) => each.id === 5), 'it was answered as if it were right');
  },
}));

// ---- what is unusual and right ----------------------------------------------------------------------------------------

const rightCases = [
  {
    name: 'a fresh token that is rubbish gets error unauthorized, and whether the session goes on is told',
    async run(bench) {
      const raw = await bench.session();
      const reply = await ask(raw, { type: 'auth', token: 'rubbish' });
      expect(reply.type === 'error' && reply.code === 'unauthorized', `it was answered ${JSON.stringify(reply)}`);
      raw.text({ type: 'ping', id: 7777 });
      await raw.until(() => raw.closed || raw.messages.some((each) => each.id === 7777), 'a pong or a close');
      if (raw.closed) expect(raw.closed.code === 4401, `it was closed with ${raw.closed.code}`);
    },
  },
  {
    name: 'fields nobody knows are ignored',
    async run(bench) {
      const raw = await bench.session();
      raw.text({ type: 'ping', id: 5, colour: 'red', deep: { a: [1, { b: null }] } });
      expect((await raw.message((each) => each.id === 5, 'a pong')).type === 'pong', 'no pong came');
    },
  },
  {
    name: 'a request without an id is answered without one',
    async run(bench) {
      const raw = await bench.session();
      raw.text({ type: 'ping' });
      const pong = await raw.message((each) => each.type === 'pong', 'a pong');
      expect(!('id' in pong), `it came with id ${pong.id}`);
    },
  },
  ...[0, 1, -1, 2147483648, Number.MAX_SAFE_INTEGER].map((id) => ({
    name: `the id ${id} comes back as it was`,
    async run(bench) {
      const raw = await bench.session();
      const before = raw.messages.length;
      raw.text({ type: 'ping', id });
      await raw.until(() => raw.messages.slice(before).some((each) => each.type === 'pong' && each.id === id), 'a pong with this id');
    },
  })),
  {
    name: '64 requests in one array are answered in order, each with its id',
    async run(bench) {
      const raw = await bench.session();
      raw.text(Array.from({ length: 64 }, (_, i) => ({ type: i % 3 === 2 ? 'dance' : 'ping', id: 100 + i })));
      await raw.message((each) => each.id === 163, 'the last answer');
      const ids = raw.messages.filter((each) => each.id >= 100).map((each) => each.id);
      expect(String(ids) === String(Array.from({ length: 64 }, (_, i) => 100 + i)), `they came as ${ids}`);
    },
  },
  {
    name: 'sends in one array are stored in order, and one bad one spoils no other',
    async run(bench) {
      const raw = await bench.session();
      raw.text([
        { type: 'send', id: 11, conv: 'c', op: 'array-1', body: 1 },
        { type: 'send', id: 12, conv: 'c', body: 2 },
        { type: 'send', id: 13, conv: 'c', op: 'array-3', body: 3 },
      ]);
      const replies = [];
      for (const id of [11, 12, 13]) replies.push(await raw.message((each) => each.id === id, `an answer to ${id}`));
      expect(replies[0].type === 'sent' && replies[1].type === 'error' && replies[2].type === 'sent', JSON.stringify(replies));
      expect(replies[2].seq === replies[0].seq + 1, `the seqs are ${replies[0].seq} and ${replies[2].seq}`);
      bench.stores('c', 2);
    },
  },
  {
    name: 'requests of one array are handled in order: each sees what those before it did, and its reply comes behind theirs',
    async run(bench) {
      await bench.hub.api.conversation('array-order', ['alice', 'bob']); // no worker remembers its members: the send takes longer than all else
      const raw = await bench.session();
      raw.text([
        { type: 'send', id: 11, conv: 'array-order', op: 'order-1', body: 1 },
        { type: 'history', id: 12, conv: 'array-order' },
        42,
        { type: 'ping', id: 13 },
        { type: 'read', id: 14, conv: 'array-order', seq: 1 },
        { type: 'watch', id: 15, users: ['bob'] },
        { type: 'unwatch', id: 16, users: ['bob'] },
        { type: 'send', id: 17, conv: 'array-order', op: 'order-2', body: 2 },
        { type: 'conversations', id: 18 },
      ]);
      await raw.message((each) => each.id === 18, 'the last reply');
      const replies = raw.messages.filter((each) => each.id > 10 || (each.type === 'error' && each.id === undefined));
      expect(String(replies.map((each) => each.id ?? 'error')) === '11,12,error,13,14,15,16,17,18', `the replies came as ${JSON.stringify(replies)}`);
      expect(replies[1].entries.length === 1 && replies[4].type === 'ok' && replies[5].presence.length === 1 && replies[7].seq === 2, JSON.stringify(replies));
      const item = replies[8].items.find((each) => each.conv === 'array-order');
      expect(item.seq === 2 && item.last.op === 'order-2', JSON.stringify(item));
    },
  },
  {
    name: 'arrays as large as a frame are handled in order, however many come at once',
    async run(bench) {
      const raw = await bench.session();
      for (let i = 0; i < 8; i += 1) raw.text(Array.from({ length: 64 }, (_, k) => ({ type: k % 2 ? 'ping' : 'history', id: 100 + i * 64 + k, conv: 'c', limit: 1, filler: long(900) })));
      await raw.message((each) => each.id === 611, 'the last reply');
      const ids = raw.messages.filter((each) => each.id >= 100).map((each) => each.id);
      expect(ids.length === 512 && ids.every((id, i) => id === 100 + i), `they came as ${ids}`);
    },
  },
  {
    name: 'an empty array asks for nothing',
    async run(bench) {
      const raw = await bench.session();
      raw.text('[]');
      raw.text({ type: 'ping', id: 5 });
      await raw.until(() => raw.closed || raw.messages.some((each) => each.id === 5), 'a pong or a close');
      if (raw.closed) expect(raw.closed.code === 4400, `it was closed with ${raw.closed.code}`);
    },
  },
  {
    name: 'a text in fragments, cut within a character and with a ping between, is one message',
    async run(bench) {
      const raw = await bench.session();
      const bytes = Buffer.from(JSON.stringify({ type: 'send', id: 5, conv: 'c', op: 'fragments', body: 'grüße 🔔' }));
      const cut = bytes.indexOf(Buffer.from('ü')) + 1;
      raw.text(bytes.subarray(0, 10), { fin: false });
      raw.frame(OPCODES.continuation, bytes.subarray(10, cut), { fin: false });
      raw.frame(OPCODES.ping, 'are you there?');
      raw.frame(OPCODES.continuation, '', { fin: false });
      raw.frame(OPCODES.continuation, bytes.subarray(cut));
      const reply = await raw.message((each) => each.id === 5, 'an answer');
      expect(reply.type === 'sent', `it was answered ${JSON.stringify(reply)}`);
      expect(raw.frames.some((each) => each.opcode === OPCODES.pong && each.payload.toString() === 'are you there?'), 'the ping was not answered');
      bench.stores('c');
      const [entry] = (await bench.hub.api.log('c')).slice(-1);
      expect(entry.body === 'grüße 🔔', `it was stored as ${JSON.stringify(entry.body)}`);
    },
  },
  {
    name: 'bytes that come one at a time are one message',
    async run(bench) {
      const raw = await bench.session();
      const socket = { write: raw.socket.write.bind(raw.socket) };
      const parts = [];
      raw.socket.write = (bytes) => parts.push(bytes);
      raw.text({ type: 'ping', id: 5 });
      delete raw.socket.write;
      raw.socket.setNoDelay(true);
      for (const byte of Buffer.concat(parts)) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
      await raw.message((each) => each.id === 5 && each.type === 'pong', 'a pong');
    },
  },
  {
    name: 'every body that is JSON comes back as the same value',
    async run(bench) {
      const bodies = [null, true, false, 0, -1, 1e21, 0.1, '', 'a\u0000b\u2028"\\/\n', '🔔', [], {}, [[[{ a: [null] }]]], { '': { ' ': 'ü' } }, 9007199254740993];
      const raw = await bench.session();
      for (const [i, body] of bodies.entries()) {
        const reply = await ask(raw, { type: 'send', conv: 'c', op: `body-${i}`, body });
        expect(reply.type === 'sent', `${JSON.stringify(body)} was answered ${JSON.stringify(reply)}`);
        bench.stores('c');
      }
      const log = (await bench.hub.api.log('c')).slice(-bodies.length);
      bodies.forEach((body, i) => expect(JSON.stringify(log[i].body) === JSON.stringify(body), `${JSON.stringify(body)} came back as ${JSON.stringify(log[i].body)}`));
    },
  },
  {
    name: 'ids of 128 bytes and of any script are taken',
    async run(bench) {
      for (const conv of ['z'.repeat(128), 'плоскость-🔔', 'a:b{c}*?[d]', '%2e%2e', 'a.b', '#', '?x=1', '+']) {
        await bench.hub.api.conversation(conv, ['alice']);
        const raw = await bench.session();
        const reply = await ask(raw, { type: 'send', conv, op: 'x', body: conv });
        expect(reply.type === 'sent' && reply.seq === 1 && reply.conv === conv, `${conv}: ${JSON.stringify(reply)}`);
        const [entry] = await bench.hub.api.log(conv);
        expect(entry?.body === conv, `${conv} holds ${JSON.stringify(entry)}`);
      }
    },
  },
  {
    name: 'an ack past the head moves the cursor no further than the head',
    async run(bench) {
      const raw = await bench.session('alice', 'eager');
      raw.text({ type: 'ack', n: 9007199254740991 });
      raw.text({ type: 'ack', n: -5 });
      await alive(raw);
      raw.text({ type: 'send', id: 6, conv: 'c', op: 'after-the-ack', body: 1 });
      await raw.message((each) => each.op === 'after-the-ack' && each.n !== undefined, 'its event');
      bench.stores('c');
      raw.destroy();
      const again = await bench.session('alice', 'eager');
      expect(again.welcome.cursor <= again.welcome.head, `the cursor is ${again.welcome.cursor} with a head of ${again.welcome.head}`);
    },
  },
  {
    name: 'a read past the end of the log does not raise the watermark past it',
    async run(bench) {
      const raw = await bench.session();
      await ask(raw, { type: 'read', conv: 'c', seq: 1000000 });
      const { items } = await ask(raw, { type: 'members', conv: 'c' });
      const { length } = await bench.hub.api.log('c');
      const me = items.find((each) => each.user === 'alice');
      expect(me.read <= length && me.delivered <= length, `${JSON.stringify(me)} with ${length} entries`);
    },
  },
  {
    name: 'the event of an own message has no body for the session that sent it, and has it for others',
    async run(bench) {
      const sender = await bench.session();
      const other = await bench.session();
      sender.text({ type: 'send', id: 5, conv: 'c', op: 'own-event', body: 'mine' });
      const own = await sender.message((each) => each.op === 'own-event' && each.n !== undefined, 'the event');
      const theirs = await other.message((each) => each.op === 'own-event' && each.n !== undefined, 'the event at the other device');
      expect(!('body' in own), `it came with body ${JSON.stringify(own.body)}`);
      expect(theirs.body === 'mine' && theirs.from === 'alice' && theirs.type === 'message' && theirs.seq === own.seq, JSON.stringify(theirs));
      bench.stores('c');
    },
  },
  {
    name: 'an own event has no body when it had to wait in the inbox either, and has it for a later session of the device',
    async run(bench) {
      await bench.hub.api.conversation('own-window', ['quiet']);
      const sender = await bench.session('quiet', 'phone');
      const { window } = sender.welcome;
      const count = window + 44;
      for (let i = 1; i <= count; i += 1) sender.text({ type: 'send', conv: 'own-window', op: `own-${i}`, body: i });
      const events = () => sender.messages.filter((each) => each.conv === 'own-window' && each.type === 'message');
      await sender.until(() => events().length === window, 'a window of events');
      sender.text({ type: 'ack', n: events().at(-1).n });
      await sender.until(() => events().length === count, 'all events');
      const told = events().filter((each) => 'body' in each || each.op !== `own-${each.seq}`);
      expect(told.length === 0, `${told.length} of ${count} came with body: ${JSON.stringify(told[0])}`);
      const later = await bench.session('quiet', 'phone');
      const again = await later.message((each) => each.type === 'message', 'an event again');
      expect(again.body === again.seq, `it came to a later session as ${JSON.stringify(again)}`);
    },
  },
  {
    name: 'a device that is connected is not forgotten for a 65th: that one makes another leave, or is refused',
    async run(bench) {
      const hello = async (device) => {
        const raw = await bench.upgraded();
        raw.text({ type: 'hello', id: 1, token: bench.hub.token('many', device), device });
        return [raw, await raw.message((frame) => frame.id === 1, 'an answer to hello')];
      };
      const names = async () => (await bench.hub.api.devices('many')).map(({ device }) => device);
      const first = await bench.session('many', 'd0');
      for (let i = 1; i < 64; i += 1) await bench.session('many', `d${i}`);
      const [refused, error] = await hello('d64');
      expect(error.code === 'unavailable' && error.temporary && error.message.includes('devices'), JSON.stringify(error));
      await refused.until(() => refused.closed, 'it is closed');
      expect(refused.closed.code === 4100, JSON.stringify(refused.closed));
      bench.opened[33].destroy();
      await eventually(async () => (await bench.hub.api.devices('many')).some(({ connected }) => !connected), 'one has left');
      const [, welcome] = await hello('d64');
      expect(welcome.type === 'welcome' && welcome.fresh, JSON.stringify(welcome));
      const left = await names();
      expect(left.length === 64 && left.includes('d0') && left.includes('d64') && !left.includes('d33'), String(left));
      await alive(first);
    },
  },
  {
    name: 'a close is answered with a close',
    async run(bench) {
      const raw = await bench.session();
      raw.frame(OPCODES.close, Buffer.from([0x03, 0xe8]));
      const { code } = await raw.over();
      expect(code === 1000 || code === 1005, `it was answered ${code}`);
      await raw.until(() => raw.ended, 'the end of the TCP connection');
    },
  },
  ...[['of one byte', Buffer.from([3])], ['with a code that may not be sent', Buffer.from([0x03, 0xed])], ['with a reason that is no UTF-8', Buffer.from([0x03, 0xe8, 0xff])]].map(([sentence, payload]) => ({
    name: `a close ${sentence} ends the connection`,
    async run(bench) {
      const raw = await bench.session();
      raw.frame(OPCODES.close, payload);
      await raw.until(() => raw.ended, 'the end of the TCP connection');
    },
  })),
  {
    name: 'who goes without a close is forgotten',
    async run(bench) {
      const raw = await bench.session('alice', 'resets');
      raw.socket.resetAndDestroy?.() ?? raw.socket.destroy();
    },
  },
  {
    name: 'unmasked frames hurt nobody else',
    async run(bench) {
      const raw = await bench.session();
      raw.text({ type: 'ping', id: 5 }, { masked: false });
      await raw.until(() => raw.closed || raw.ended || raw.messages.some((each) => each.id === 5), 'any answer');
    },
  },
];

export const frameCases = [...rightCases, ...refusedCases, ...channelCases, ...malformedCases, ...eitherWayCases, ...sizeCases, ...brokenCases];
