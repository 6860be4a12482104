// SPDX-License-Identifier: Apache-2.0
// overload.mjs: more than a hub is made for: connections, memory, requests, a store that is full, a disk that is. Each promise of
// PROTOCOL sections 5 and of docs/operations.md ("Too much") has its case.
//
//   overload.mjs [WORD]      only the cases whose sentence holds WORD
//
// 1. Whoever is connected stays so, whatever else happens.
// 2. What was acknowledged is there in the end.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Hub } from '../lib/hub.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { Redis } from '../lib/redis.mjs';
import { makeFolder } from '../lib/started.mjs';
import { Tap } from '../lib/tap.mjs';
import { eventually } from '../lib/until.mjs';
import { expect } from './bench.mjs';
import { recorded } from './peers.mjs';

const only = process.argv[2] ?? '';
const tap = new Tap('a hub that is asked for too much');

// A hub of one worker, so that what is counted for each worker is counted once.
class Case {
  #opened = [];
  #ids = 1000;

  async start(env = {}, more = {}) {
    this.hub = await new Hub({ name: 'loaded', workers: 1, env: { BELFRY_WALK: '200ms', ...env }, ...more }).start();
    await this.hub.untilReady();
    await this.hub.api.conversation('room', ['alice', 'bob']);
    return this;
  }

  async connect(options) {
    const raw = await RawSocket.open(this.hub.port, options);
    raw.socket.on('error', () => {});
    this.#opened.push(raw);
    return raw;
  }

  async upgrade(options) {
    const raw = await this.connect(options);
    return { raw, answer: await raw.upgrade() };
  }

  async session(user, device, options) {
    const { raw, answer } = await this.upgrade(options);
    expect(answer.status === 101, `the upgrade was answered ${answer.status}`);
    raw.text({ type: 'hello', id: 1, token: this.hub.token(user, device) });
    const welcome = await raw.message((each) => each.id === 1, 'a welcome');
    expect(welcome.type === 'welcome', `hello was answered ${JSON.stringify(welcome)}`);
    return raw;
  }

  // The reply to one request.
  ask(raw, request) {
    const id = (this.#ids += 1);
    raw.text({ id, ...request });
    return raw.message((each) => each.id === id, `an answer to ${request.type}`);
  }

  // The replies to many, which leave at once: what they use up is not given back meanwhile, however slow the machine is.
  askAll(raw, count, request) {
    return Promise.all(Array.from({ length: count }, (_, i) => this.ask(raw, request(i))));
  }

  send(raw, op, conv = 'room') {
    return this.ask(raw, { type: 'send', conv, op, body: op });
  }

  async refused() {
    const { raw, answer } = await this.upgrade();
    expect(isRefused(answer), `the upgrade was answered ${JSON.stringify(answer)}`);
    raw.destroy();
  }

  async end() {
    for (const raw of this.#opened) raw.destroy();
    if (this.hub.complaint()) throw new Error(`${this.hub.complaint()}\n${this.hub.log(40)}`);
    const ended = await this.hub.stop();
    expect(ended.code === 0, `the hub ended with ${JSON.stringify(ended)}\n${this.hub.log(20)}`);
  }
}

// A file of settings, read again on SIGHUP.
class Settings {
  path = join(makeFolder('settings'), 'belfry.conf');

  constructor(text) {
    this.write(text);
  }

  write(text) {
    writeFileSync(this.path, text);
  }

  change(hub, text) {
    this.write(text);
    for (const { pid } of hub.workers()) process.kill(pid, 'SIGHUP');
  }
}

const isRefused = ({ status, headers }) => status === 503 && Number(headers['retry-after']) >= 1;
const isRateLimited = (answer, most_ms) => answer.code === 'rate_limited' && answer.temporary && answer.retry_after_ms > 0 && answer.retry_after_ms <= most_ms;

// How many of a thing a limit of so many a second lets through in the time since: ten times as many at once, and then at that rate.
const allowed = (per_s, since_ms) => 10 * per_s + (per_s * (Date.now() - since_ms)) / 1000 + 1;

const isUnavailable = (answer) => answer.code === 'unavailable' && answer.temporary === true && answer.retry_after_ms > 0;

// While nothing new is taken: refusals are told as such, and everything else goes on. Returns when the lease was renewed meanwhile.
async function fullButAlive(test, raw, leaseOf) {
  await eventually(async () => isUnavailable(await test.send(raw, `full-${Math.random()}`)), 'sends are unavailable');
  const http = await test.hub.api.raw('POST', '/v1/conversations/room/messages', { body: { op: 'http', from: 'alice', body: 1 } });
  expect(http.status === 503 && http.json.error.code === 'unavailable' && Number(http.headers['retry-after']) >= 1, `HTTP ${http.status} ${http.text}`);
  const history = await test.ask(raw, { type: 'history', conv: 'room', limit: 10 });
  expect(history.type === 'history' && history.entries.length > 0, `history was answered ${JSON.stringify(history)}`);
  // A device comes, takes what waits for it, acknowledges it, and its inbox is empty.
  const late = await test.session('bob', 'late');
  const head = await late.message((each) => each.type === 'caught_up', 'all that waited');
  expect(late.messages.some((each) => each.op === 'before-1'), 'it did not get what waited');
  late.text({ type: 'ack', n: head.n });
  await eventually(async () => (await test.hub.api.devices('bob')).every(({ device, queue }) => device !== 'late' || queue.depth === 0), 'the acknowledgement counts');
  const before = await leaseOf();
  await eventually(async () => (await leaseOf()) > before + 1500, 'the lease is renewed');
  late.destroy();
}

async function allThere(test, acknowledged) {
  const log = await eventually(() => test.hub.api.log('room'), 'the log is read');
  for (const { op, seq } of acknowledged) expect(log.find((each) => each.op === op)?.seq === seq, `${op} was acknowledged as ${seq}`);
  expect(log.every((each, i) => each.seq === i + 1), 'seq has a hole');
}

// Stores some messages for bob's device that is away.
async function before(test) {
  const away = await test.session('bob', 'late');
  away.destroy();
  const raw = await test.session('alice', 'phone');
  const acknowledged = [];
  for (let i = 1; i <= 5; i += 1) acknowledged.push(await test.send(raw, `before-${i}`));
  expect(acknowledged.every((each) => each.type === 'sent'), 'the first are stored');
  return { raw, acknowledged };
}

const leaseIn = (command) => async () => {
  const reply = await command('EVAL', "return redis.call('ZRANGE', 'b:{0}:nodes:', -1, -1, 'WITHSCORES')[2]", '0');
  return Number(reply.split('\r\n')[1]);
};

const cases = [
  {
    name: 'one TLS record with more requests than may be under way is answered, and so is everyone else',
    async run(test) {
      const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(makeFolder('tls'), name));
      execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=test'], { stdio: 'pipe' });
      const env = { BELFRY_TLS_CERT: cert, BELFRY_TLS_KEY: key, BELFRY_REQUESTS_PER_S: '0' };
      test.hub = await new Hub({ name: 'record', workers: 1, env }).start();
      const raw = await test.session('alice', 'phone', { tls: true });
      const count = 300; // of some 50 bytes
      const record = recorded(raw, () => {
        for (let i = 0; i < count; i += 1) raw.text({ type: 'status', id: 2000 + i, status: 'away' });
      });
      expect(record.length <= 16384, `a record of ${record.length} bytes`);
      raw.write(record);
      await raw.until(() => raw.messages.filter((each) => each.id >= 2000 && each.type === 'ok').length === count, 'all replies');
      expect((await test.ask(await test.session('bob', 'phone', { tls: true }), { type: 'ping' })).type === 'pong', 'another is not served');
    },
  },
  {
    name: 'above max_connections an upgrade gets 503 and Retry-After, and the next is taken when one has left',
    async run(test) {
      await test.start({ BELFRY_MAX_CONNECTIONS: '3' });
      const raw = await test.session('alice', 'phone');
      const other = await test.session('bob', 'phone');
      await test.session('bob', 'laptop');
      await test.refused();
      expect((await test.send(raw, 'served')).type === 'sent', 'who is there is served');
      other.destroy();
      await eventually(() => test.session('bob', 'tablet'), 'a place is free again');
    },
  },
  {
    name: 'a worker above its memory ceiling takes no new connections, serves the old ones, and recovers',
    async run(test) {
      const settings = new Settings('[limits]\n');
      await test.start({}, { args: ['--config', settings.path] });
      const raw = await test.session('alice', 'phone');
      settings.change(test.hub, '[limits]\nmemory_max_mb = 1\n');
      await eventually(() => test.refused().then(() => true), 'new connections are refused');
      expect((await test.send(raw, 'served')).type === 'sent', 'who is there is served');
      expect((await test.hub.api.raw('GET', '/healthz', { key: undefined })).status === 200, 'HTTP is served');
      settings.change(test.hub, '[limits]\n');
      await eventually(() => test.session('bob', 'phone'), 'new connections are taken again');
    },
  },
  {
    name: 'who asks too often is told for how long to wait, others are not, and acknowledging is always free',
    async run(test) {
      await test.start({ BELFRY_REQUESTS_PER_S: '5' });
      const raw = await test.session('alice', 'phone');
      const other = await test.session('bob', 'phone');
      const started = Date.now();
      const answers = await test.askAll(raw, 200, () => ({ type: 'members', conv: 'room' }));
      const refusals = answers.filter((each) => each.type === 'error');
      expect(200 - refusals.length <= allowed(5, started), `${refusals.length} of 200 were refused in ${Date.now() - started} ms`);
      expect(refusals.length > 0 && refusals.every((each) => isRateLimited(each, 200)), JSON.stringify(refusals.at(-1)));
      expect((await test.ask(raw, { type: 'ping' })).type === 'pong', 'a ping is free');
      expect((await test.ask(other, { type: 'members', conv: 'room' })).type === 'members', 'another user is not meant');
      await eventually(async () => (await test.ask(raw, { type: 'members', conv: 'room' })).type === 'members', 'it passes', { every_ms: refusals.at(-1).retry_after_ms });
    },
  },
  {
    name: 'a conversation that gets too much refuses more from anyone, and others do not',
    async run(test) {
      await test.start({ BELFRY_MESSAGES_PER_S: '2' });
      await test.hub.api.conversation('quiet', ['alice', 'bob']);
      const [raw, other] = [await test.session('alice', 'phone'), await test.session('bob', 'phone')];
      const started = Date.now();
      const flood = (from) => test.askAll(from, 100, (i) => ({ type: 'send', conv: 'room', op: `flood-${i}`, body: i }));
      const answers = (await Promise.all([flood(raw), flood(other)])).flat();
      const refusals = answers.filter((each) => each.type !== 'sent');
      expect(200 - refusals.length <= allowed(2, started), `${refusals.length} of 200 were refused in ${Date.now() - started} ms`);
      expect(refusals.length > 0 && refusals.every((each) => isRateLimited(each, 500)), JSON.stringify(refusals.at(-1)));
      expect((await test.send(other, 'elsewhere', 'quiet')).type === 'sent', 'another conversation is not meant');
    },
  },
  {
    name: 'an address that connects too often gets 503, and another one does not',
    async run(test) {
      await test.start({ BELFRY_CONNECTS_PER_S: '5' });
      const started = Date.now();
      const answers = (await Promise.all(Array.from({ length: 150 }, () => test.upgrade({ localAddress: '127.0.0.9' })))).map((each) => each.answer);
      const refusals = answers.filter((each) => each.status !== 101);
      expect(150 - refusals.length <= allowed(5, started), `${refusals.length} of 150 were refused in ${Date.now() - started} ms`);
      expect(refusals.length > 0 && refusals.every(isRefused), JSON.stringify(refusals.at(-1)));
      const { answer } = await test.upgrade({ localAddress: '127.0.0.8' });
      expect(answer.status === 101, `the other was answered ${answer.status}`);
    },
  },
  {
    name: 'limits that are read again on SIGHUP count from then on, in both directions',
    async run(test) {
      const settings = new Settings('[limits]\nrequests_per_s = 0\n');
      await test.start({}, { args: ['--config', settings.path] });
      const raw = await test.session('alice', 'phone');
      const refusals = async () => (await test.askAll(raw, 50, () => ({ type: 'members', conv: 'room' }))).filter((each) => each.type === 'error');
      expect((await refusals()).length === 0, 'there is no limit');
      settings.change(test.hub, '[limits]\nrequests_per_s = 1\n[hub]\nmax_connections = 1\n');
      await eventually(async () => (await refusals()).some((each) => isRateLimited(each, 1000)), 'there is one');
      await test.refused();
      settings.change(test.hub, '[limits]\nrequests_per_s = 0\n');
      await eventually(async () => (await refusals()).length === 0, 'there is none again');
      await test.session('bob', 'phone');
    },
  },
  {
    name: 'a hub that drains answers the HTTP requests that it has, and ends their connections',
    async run(test) {
      await test.start();
      const { api } = test.hub, agent = new Agent({ keepAlive: true });
      const taken = async () => (await api.metrics()).belfry_http_requests_total.worker1;
      const store = test.hub.redisPid(), before = await taken();
      process.kill(store, 'SIGSTOP');
      const post = (op) => api.raw('POST', '/v1/conversations/room/messages', { body: { op, from: 'alice', body: op }, agent });
      const asked = Array.from({ length: 20 }, (_, i) => post(`drain-${i}`));
      await eventually(async () => (await taken()) >= before + asked.length, 'all are under way');
      const ended = test.hub.stop();
      await eventually(() => /Draining\./.test(test.hub.log(Infinity)), 'it drains');
      await Promise.race([ended, setTimeout(300)]); // time enough to end too early
      process.kill(store, 'SIGCONT');
      const answers = await Promise.all(asked);
      expect(answers.every(({ status, headers }) => status === 201 && headers.connection === 'close'), JSON.stringify(answers.map(({ status, headers }) => [status, headers.connection])));
      const { code } = await ended;
      expect(code === 0, `it ended with ${code}\n${test.hub.log(20)}`);
      agent.destroy();
    },
  },
  {
    name: 'a store whose memory is full refuses what is new, can be read and drained, and recovers by itself',
    async run(test) {
      const redis = await new Redis().start();
      await test.start({}, { redis: redis.url });
      const { raw, acknowledged } = await before(test);
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      await fullButAlive(test, raw, leaseIn((...words) => redis.command(...words)));
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      acknowledged.push(await test.send(raw, 'after'));
      expect(acknowledged.at(-1).type === 'sent', 'the same session sends again');
      await allThere(test, acknowledged);
      await test.end();
      await redis.kill();
    },
  },
  {
    name: 'a private store whose disk has less than its reserve does the same',
    async run(test) {
      const settings = new Settings('[redis]\ndisk_reserve_mb = 0\n');
      await test.start({}, { args: ['--config', settings.path] });
      const { raw, acknowledged } = await before(test);
      settings.change(test.hub, '[redis]\ndisk_reserve_mb = 1000000000\n');
      await fullButAlive(test, raw, leaseIn((...words) => test.hub.redisCommand(...words)));
      settings.change(test.hub, '[redis]\ndisk_reserve_mb = 0\n');
      await eventually(async () => acknowledged.push(await test.send(raw, 'after')) && acknowledged.at(-1).type === 'sent', 'the same session sends again');
      await allThere(test, acknowledged.filter((each) => each.type === 'sent'));
    },
  },
  {
    name: 'a private store whose disk takes not a byte more ends and comes back: nobody is disconnected, nothing acknowledged is lost',
    async run(test) {
      await test.start();
      const { raw, acknowledged } = await before(test);
      // To the process a limit of its files is what a full disk is: the write fails.
      const pid = test.hub.redisPid();
      execFileSync('prlimit', ['--pid', String(pid), '--fsize=1:1']);
      const answers = [];
      for (let i = 0; i < 20; i += 1) answers.push(await test.send(raw, `full-${i}`));
      expect(answers.some(isUnavailable), `sends were answered ${JSON.stringify(answers[0])}`);
      await eventually(() => test.hub.redisPid() && test.hub.redisPid() !== pid, 'the store is started again');
      await eventually(async () => acknowledged.push(await test.send(raw, 'after')) && acknowledged.at(-1).type === 'sent', 'the same session sends again');
      await allThere(test, [...acknowledged, ...answers].filter((each) => each.type === 'sent'));
    },
  },
];

for (const { name, run } of cases) {
  if (!name.includes(only)) continue;
  await tap.run(name, async () => {
    const test = new Case();
    try {
      await run(test);
    } catch (error) {
      error.diagnostics = `${error.stack}\n${test.hub?.log(20)}`;
      throw error;
    }
    if (test.hub?.pid) await test.end();
  });
}
tap.finish();
