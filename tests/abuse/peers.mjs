// SPDX-License-Identifier: Apache-2.0
// peers.mjs: strangers and clients that mean no good: who asks much and reads nothing, who leaves at the worst moment.

import { OPCODES } from '../lib/raw.mjs';
import { API_KEY } from '../lib/hub.mjs';
import { eventually } from '../lib/until.mjs';
import { expect } from './bench.mjs';

const MB = 1 << 20;
const GET = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n\r\n`;

// What one socket would send with `say`, many times over, as bytes.
export function recorded(raw, say) {
  const parts = [];
  const { socket } = raw;
  raw.socket = { write: (bytes) => parts.push(Buffer.from(bytes)) };
  say();
  raw.socket = socket;
  return Buffer.concat(parts);
}

export const peerCases = [
  {
    name: '100,000 pings of a peer that reads nothing cost bounded memory, and are all answered when it reads',
    async run(bench) {
      const raw = await bench.session();
      const before = bench.memory();
      raw.socket.pause();
      raw.socket.write(Buffer.concat(Array(100000).fill(recorded(raw, () => raw.text({ type: 'ping', id: 7 })))));
      for (let i = 0; i < 5; i += 1) await bench.served();
      expect(bench.memory() - before < 64 * MB, `it grew by ${(bench.memory() - before) / MB} MB`);
      raw.socket.resume();
      let pongs = 0;
      await raw.until(() => (pongs = raw.messages.length) > 100000, () => `all pongs; ${pongs} came`);
    },
  },
  {
    name: '5,000 sends of a peer that reads nothing are stored once, in order, and answered in order',
    async run(bench) {
      await bench.hub.api.conversation('flood', ['alice']);
      const raw = await bench.session();
      raw.socket.pause();
      for (let i = 0; i < 5000; i += 1) raw.text({ type: 'send', id: 1000 + i, conv: 'flood', op: `f${i}`, body: i });
      for (let i = 0; i < 5; i += 1) await bench.served();
      raw.socket.resume();
      await raw.until(() => raw.messages.filter((each) => each.id >= 1000).length === 5000, 'all replies');
      const replies = raw.messages.filter((each) => each.id >= 1000);
      const wrong = replies.findIndex((each, i) => each.type !== 'sent' || each.seq !== i + 1 || each.op !== `f${i}`);
      expect(wrong < 0, `reply ${wrong}: ${JSON.stringify(replies[wrong])}`);
    },
  },
  {
    name: 'a flood that is cut at any byte, in messages of any size, whole and in fragments, is taken in order up to the close in its middle',
    async run(bench) {
      await bench.hub.api.conversation('torrent', ['alice']);
      const raw = await bench.session();
      const flood = recorded(raw, () => {
        for (let i = 0; i < 400; i += 1) {
          const text = JSON.stringify({ type: 'send', id: 1000 + i, conv: 'torrent', op: `t${i}`, body: 'z'.repeat((i * 97) % 700) });
          const cuts = [0, ...(i % 3 ? [i % text.length] : []), text.length];
          for (let k = 1; k < cuts.length; k += 1) {
            raw.frame(k > 1 ? OPCODES.continuation : OPCODES.text, text.slice(cuts[k - 1], cuts[k]), { fin: k === cuts.length - 1 });
            if (i % 7 === 0) raw.frame(OPCODES.ping, 'x'.repeat(i % 126));
          }
          if (i === 299) raw.frame(OPCODES.close, Buffer.from([0x03, 0xe8]));
        }
      });
      // The hub stands still meanwhile, so that all of it lies before it when it goes on.
      const pids = bench.hub.workers().map(({ pid }) => pid);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      try {
        for (let at = 0, step = 1; at < flood.length; at += step, step = (step * 5) % 4099) raw.write(flood.subarray(at, at + step));
      } finally {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
      }
      await raw.over();
      const { entries } = await eventually(async () => {
        const page = await bench.hub.api.page('torrent', { after: 200, limit: 200 });
        if (page.entries.length < 100) throw new Error(`${page.entries.length} of 100`);
        return page;
      }, 'all before the close is stored');
      expect(entries.length === 100 && entries.every((each, i) => each.op === `t${200 + i}`), `it holds ${entries.map(({ op }) => op)}`);
    },
  },
  {
    name: 'sends in one burst stay in order while the members change',
    async run(bench) {
      await bench.hub.api.conversation('club', ['alice']);
      const raw = await bench.session();
      let over = false;
      const changes = (async () => {
        for (let i = 0; !over; i += 1) await bench.hub.api.conversation('club', i % 2 ? ['alice'] : ['alice', `guest${i}`]);
      })();
      const count = 3000;
      for (let i = 0; i < count; i += 1) {
        raw.text({ type: 'send', id: 1000 + i, conv: 'club', op: `c${i}`, body: i });
        if (i % 100 === 0) await raw.until(() => raw.messages.filter((each) => each.id >= 1000).length >= i - 50, 'most replies');
      }
      await raw.until(() => raw.messages.filter((each) => each.id >= 1000).length === count, 'all replies');
      over = true;
      await changes;
      const sent = raw.messages.filter((each) => each.id >= 1000 && each.type === 'sent').sort((a, b) => a.id - b.id);
      expect(sent.length === count, `${sent.length} of ${count} were stored; ${JSON.stringify(raw.messages.find((each) => each.type === 'error'))}`);
      const wrong = sent.findIndex((each, i) => i && each.seq <= sent[i - 1].seq);
      expect(wrong < 0, `${JSON.stringify(sent[wrong])} came after ${JSON.stringify(sent[wrong - 1])}`);
    },
  },
  {
    name: 'large answers that are not read cost bounded memory',
    async run(bench) {
      await bench.hub.api.conversation('big', ['alice']);
      for (let i = 0; i < 6; i += 1) await bench.hub.api.send('big', { op: `b${i}`, from: 'alice', body: 'y'.repeat(60000) });
      const before = bench.memory();
      for (let k = 0; k < 4; k += 1) {
        const raw = await bench.session();
        raw.socket.pause();
        for (let i = 0; i < 1000; i += 1) raw.text({ type: i % 2 ? 'history' : 'conversations', id: 10 + i, conv: 'big' });
      }
      for (let i = 0; i < 10; i += 1) await bench.served();
      /* 64 answers of 256 KiB each, copied once or twice; freed memory stays with the sanitizer for a while */
      expect(bench.memory() - before < 512 * MB, `it grew by ${(bench.memory() - before) / MB} MB`);
    },
  },
  {
    name: 'who asks and resets at once leaves nothing behind',
    async run(bench) {
      const users = Array.from({ length: 200 }, (_, i) => `u${i}`);
      const leaves = async (i) => {
        const raw = await bench.connect();
        try {
          if (i % 8 === 0) return raw.socket.resetAndDestroy();
          raw.upgrade().catch(() => {});
          if (i % 8 === 1) return raw.socket.resetAndDestroy();
          await raw.until(() => raw.upgraded || raw.ended, 'the upgrade');
          raw.text([{ type: 'hello', id: 5, token: bench.hub.token(`s${i}`, 'd') }, { type: 'watch', id: 2, users }, { type: 'conversations', id: 3 }]);
          if (i % 8 === 2) return raw.socket.resetAndDestroy();
          await raw.message((each) => each.type === 'welcome', 'a welcome');
          if (i % 8 === 3) return raw.socket.resetAndDestroy();
          raw.text({ type: 'watch', id: 4, users: users.map((each) => `${each}-${i}`) });
          raw.text({ type: 'send', id: 6, conv: 'room', op: `l${i}`, body: 1 });
          raw.text({ type: 'typing', conv: 'room', active: true });
          if (i % 8 === 4) return raw.socket.resetAndDestroy();
          if (i % 8 === 5) raw.frame(OPCODES.close, Buffer.from([3]));
          await raw.message((each) => each.id === 6, 'a refusal');
        } catch (error) {
          if (!raw.ended) throw error;
        }
        return raw.socket.resetAndDestroy();
      };
      for (let round = 0; round < 4; round += 1) await Promise.all(Array.from({ length: 100 }, (_, i) => leaves(i)));
      await eventually(async () => {
        const { belfry_connections: open } = await bench.hub.api.metrics();
        return Object.values(open).reduce((sum, each) => sum + each, 0) === 1;
      }, 'only the witness is connected');
    },
  },
  {
    name: 'a thousand strangers who begin a request and do not go on keep nobody else waiting for long',
    async run(bench) {
      const strangers = await Promise.all(Array.from({ length: 2600 }, () => bench.connect()));
      for (const raw of strangers) raw.write('GET /v1/ws HTTP/1.1\r\nX-Slow: ');
      const started = Date.now();
      const raw = await bench.session();
      expect(Date.now() - started < 8000, `the hub's own patience is 10 s a round, and there would be two: ${Date.now() - started} ms`);
      raw.destroy();
    },
  },
  {
    name: 'a close with answers under way is answered, whatever follows it',
    async run(bench) {
      for (let i = 0; i < 12; i += 1) {
        const raw = await bench.session('alice', 'closer');
        for (let k = 0; k < 60; k += 1) raw.text({ type: 'history', id: 10 + k, conv: 'room' });
        raw.frame(OPCODES.close, i % 3 ? Buffer.from([0x03, 0xe8]) : Buffer.alloc(0));
        raw.text({ type: 'send', id: 99, conv: 'room', op: 'behind the close', body: 1 });
        if (i % 2) raw.socket.end();
        await raw.over();
        raw.destroy();
      }
      const { entries } = await bench.hub.api.page('room', { limit: 200 });
      expect(!entries.some((each) => each.op === 'behind the close'), 'what came behind the close was stored');
    },
  },
  {
    name: 'a flood of control frames between the fragments of a message does not hurt it',
    async run(bench) {
      const raw = await bench.session();
      const text = JSON.stringify({ type: 'ping', id: 9 });
      for (let i = 0; i < text.length; i += 1) {
        raw.frame(i ? OPCODES.continuation : OPCODES.text, text[i], { fin: i === text.length - 1 });
        for (let k = 0; k < 50; k += 1) raw.frame(k % 2 ? OPCODES.ping : OPCODES.pong, 'x'.repeat(125));
      }
      await raw.message((each) => each.id === 9, 'a pong');
    },
  },
  {
    name: 'requests that come in one piece are answered one after the other, on the same connection',
    async run(bench) {
      const raw = await bench.connect();
      raw.write(GET('/v1/conversations/room').repeat(300));
      for (let i = 0; i < 300; i += 1) expect((await raw.answer()).status === 200, `answer ${i}`);
      const gone = await bench.connect();
      gone.write(GET('/v1/conversations/room').repeat(300));
      gone.socket.resetAndDestroy();
    },
  },
  {
    name: 'a request that lies about its length, or says it in two ways, is refused and smuggles nothing',
    async run(bench) {
      const head = (lines) => `POST /v1/conversations/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n${lines}\r\n\r\n`;
      const inner = head(`Content-Length: 0`);
      for (const lines of [
        `Content-Length: ${'0'.repeat(200)}${inner.length}`,
        'Content-Length: -5',
        'Content-Length: 0x10',
        'Content-Length: 99999999999999999999999',
        'Content-Length: 5\r\nTransfer-Encoding: chunked',
        'Transfer-Encoding: chunked',
      ]) {
        const raw = await bench.connect();
        const { status } = await raw.request([head(lines).trimEnd()], inner);
        expect(status === undefined || (status >= 400 && status < 500), `${lines.slice(0, 60)}: ${status}`);
        await raw.until(() => raw.ended || raw.bytes.length > 0, 'the end');
        expect(raw.bytes.length === 0, `${lines.slice(0, 60)}: a second answer ${raw.bytes.toString()}`);
      }
    },
  },
  {
    name: 'an id is the same in the path, in the query and in the store, whatever is in it',
    async run(bench) {
      for (const id of ['%d%s%n', '100%', 'a%41', '%2e%2e', '%00', '(%a+)', '{}', '{1}:c:x', '"q"', 'back\\slash', 'a&b=c', '?', '#', '+', '🔔', '$(id)', '--']) {
        await bench.hub.api.conversation(id, ['alice', id]);
        const raw = await bench.session(id, id);
        raw.text({ type: 'send', id: 6, conv: id, op: ' "%s" ', body: { text: 'a\n"b' } });
        const event = await raw.message((each) => each.type === 'message', 'the own event');
        raw.text([{ type: 'ack', n: event.n }, { type: 'typing', conv: id, active: true }, { type: 'watch', id: 7, users: [id] }]);
        const { presence } = await raw.message((each) => each.id === 7, 'who is watched');
        const { entries, conv } = await bench.hub.api.page(id, {});
        const { user } = await bench.hub.api.presence(id);
        expect(conv === id && event.conv === id && user === id && presence[0].user === id && presence[0].status === 'online', id);
        expect(entries[0].from === id && entries[0].op === ' "%s" ' && entries[0].body.text === 'a\n"b', JSON.stringify(entries));
        raw.destroy();
      }
    },
  },
  {
    name: 'requests in the same frame as hello are answered after the welcome, in their order',
    async run(bench) {
      const raw = await bench.connect();
      await raw.upgrade();
      const sends = Array.from({ length: 62 }, (_, i) => ({ type: 'send', id: 10 + i, conv: 'room', op: `early${i}`, body: i }));
      raw.text([{ type: 'hello', id: 5, token: bench.hub.token('alice', 'early') }, ...sends, { type: 'hello', id: 80, token: 'again' }]);
      await raw.until(() => raw.messages.filter((each) => each.id).length === 64, 'all replies');
      const replies = raw.messages.filter((each) => each.id >= 10 && each.id < 80);
      expect(raw.messages[0].type === 'welcome' && replies.every((each, i) => each.type === 'sent' && each.op === `early${i}`), JSON.stringify(replies));
      expect(raw.messages.find((each) => each.id === 80).code === 'bad_request', 'hello comes once');
    },
  },
];
