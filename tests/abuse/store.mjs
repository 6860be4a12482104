// SPDX-License-Identifier: Apache-2.0
// store.mjs: a store that is killed, stopped, wiped, robbed of its functions and sent back in time while clients are connected.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { API_KEY } from '../lib/hub.mjs';
import { eventually } from '../lib/until.mjs';
import { expect } from './bench.mjs';

// The partition of an id (base/partition.c: CRC16-XMODEM modulo 256), for keys that a test looks at.
function key(letter, id) {
  let crc = 0;
  for (const byte of Buffer.from(id)) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return `b:{${crc % 256}}:${letter}:${id}`;
}

// HTTP connections that last, so that each belongs to one worker; at least one to each.
async function lanes(bench) {
  const call = (raw, method, path, body) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const type = body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${text.length}`];
    return raw.request([`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${API_KEY}`, ...type], text);
  };
  const all = await Promise.all(Array.from({ length: 12 }, () => bench.connect()));
  return all.map((raw) => (method, path, body) => call(raw, method, path, body));
}

export const storeCases = [
  {
    name: 'a conversation that was silent for longer than its ops are kept speaks again',
    async run(bench) {
      await bench.hub.api.conversation('silent', ['alice', 'bob']);
      await bench.send('silent', { op: '1', from: 'alice', body: 1 });
      await bench.redis.command('DEL', key('o', 'silent')); // as its time to live does after 14 days
      await bench.redis.command('HSET', key('c', 'silent'), 'oa', '1000');
      expect((await bench.send('silent', { op: '2', from: 'alice', body: 2 })).seq === 2, 'it is stored');
      await bench.witnessed((each) => each.conv === 'silent' && each.op === '2', 'it is delivered');
    },
  },
  {
    name: 'a conversation made again reaches its new members through every worker, and its old ones not at all',
    async run(bench) {
      const [first, ...others] = await lanes(bench);
      await bench.hub.api.conversation('again', ['alice', 'eve']);
      const eve = await bench.session('eve', 'e1');
      eve.destroy();
      for (const lane of [first, ...others]) await lane('POST', '/v1/conversations/again/messages', { op: `old-${Math.random()}`, from: 'alice', body: 'old' });
      await first('DELETE', '/v1/conversations/again');
      await first('PUT', '/v1/conversations/again', { kind: 'group', members: ['alice', 'dora'] });
      const dora = await bench.session('dora');
      for (const [i, lane] of others.entries()) {
        await lane('POST', '/v1/conversations/again/messages', { op: `new-${i}`, from: 'alice', body: 'secret' });
        await dora.message((each) => each.op === `new-${i}`, `message ${i} reaches dora`);
      }
      const back = await bench.session('eve', 'e1');
      await back.message((each) => each.type === 'caught_up', 'eve is caught up');
      expect(!back.messages.some((each) => each.body === 'secret'), 'eve was shown what is not for her');
    },
  },
  {
    name: 'a store that is killed under load loses nothing that was acknowledged',
    async run(bench) {
      await bench.hub.api.conversation('load', ['alice', 'bob']);
      const raw = await bench.session('alice', 'loader');
      for (let i = 0; i < 400; i += 1) raw.text({ type: 'send', id: 1000 + i, conv: 'load', op: `k${i}`, body: i });
      await raw.message((each) => each.type === 'sent', 'the first is stored');
      await bench.redis.kill();
      await raw.until(() => raw.messages.filter((each) => each.id >= 1000).length === 400, 'every send is answered');
      await bench.redis.start();
      await bench.hub.untilReady();
      const sent = raw.messages.filter((each) => each.type === 'sent');
      const log = await eventually(() => bench.hub.api.log('load'), 'the log is read');
      for (const { op, seq } of sent) expect(log.find((each) => each.op === op)?.seq === seq, `${op} was acknowledged as ${seq}`);
      for (const { op } of log) await bench.witnessed((each) => each.op === op, `the witness gets ${op}`);
    },
  },
  {
    name: 'a store that stops answering makes requests unavailable, not connections, and all goes on behind it',
    async run(bench) {
      const raw = await bench.session('alice', 'patient');
      process.kill(bench.redis.pid, 'SIGSTOP');
      for (let i = 0; i < 100; i += 1) raw.text({ type: i % 2 ? 'history' : 'send', id: 100 + i, conv: 'room', op: `s${i}`, body: i });
      raw.text({ type: 'watch', id: 300, users: ['bob'] });
      const gone = await bench.connect();
      gone.write(`GET /v1/conversations/room HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n\r\n`);
      gone.socket.resetAndDestroy();
      await raw.until(() => raw.messages.filter((each) => each.id >= 100).length === 101, 'every request is answered');
      process.kill(bench.redis.pid, 'SIGCONT');
      await bench.hub.untilReady();
      raw.text({ type: 'ping', id: 400 });
      await raw.message((each) => each.id === 400, 'the session lives');
    },
  },
  {
    name: 'live sessions are told of a store that was wiped, and go on in the new one',
    async run(bench) {
      const raw = await bench.session('alice', 'wiped');
      const before = bench.resets();
      await bench.redis.command('FLUSHALL');
      await raw.message((each) => each.type === 'reset', 'a reset');
      await bench.witnessReset(before);
      await eventually(() => bench.hub.api.conversation('room', ['alice', 'bob']), 'the room is made again');
      for (const op of ['after1', 'after2']) {
        await bench.send('room', { op, from: 'bob', body: op });
        const event = await raw.message((each) => each.op === op, op);
        raw.text({ type: 'ack', n: event.n });
      }
      await raw.message((each) => each.type === 'receipt' && each.user === 'alice' && each.delivered === 2, 'the acknowledgements count');
    },
  },
  {
    name: 'functions that were flushed are loaded again',
    async run(bench) {
      await bench.redis.command('FUNCTION', 'FLUSH');
      await bench.send('room', { op: 'flushed', from: 'alice', body: 1 });
    },
  },
  {
    name: 'live sessions are told of a store that went back in time, and get what is new in it',
    async run(bench) {
      const raw = await bench.session('alice', 'traveller');
      await bench.send('room', { op: 'kept', from: 'bob', body: 1 });
      await raw.message((each) => each.op === 'kept', 'kept');
      const before = bench.resets();
      const files = join(bench.redis.folder, 'appendonlydir');
      const copy = join(bench.redis.folder, 'copy');
      cpSync(files, copy, { recursive: true });
      for (const op of ['lost1', 'lost2', 'lost3']) {
        await bench.send('room', { op, from: 'bob', body: op });
        await raw.message((each) => each.op === op, op);
      }
      await bench.redis.kill();
      rmSync(files, { recursive: true });
      cpSync(copy, files, { recursive: true });
      await bench.redis.start();
      await raw.message((each) => each.type === 'reset', 'a reset');
      await bench.witnessReset(before);
      await bench.send('room', { op: 'new', from: 'bob', body: 'new' });
      const event = await raw.message((each) => each.op === 'new', 'what is new');
      const told = raw.messages.slice(0, raw.messages.findIndex((each) => each.type === 'reset')).filter(({ n }) => n).map(({ n }) => n);
      expect(told.every((n) => n < event.n), `${event.n} is a number that was used before: ${told}`);
    },
  },
];
