// SPDX-License-Identifier: Apache-2.0
// replay.mjs: the JavaScript client replays the golden transcripts.
//
//   replay.mjs [TRANSCRIPT …]     no TRANSCRIPT: all in this folder
//
// README.md says what a transcript is. Time is a list of timers here, chance a list of numbers, the network what the
// transcript says, and the store memory; so each step ends when the client has nothing left to do.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { Tap } from '../lib/tap.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const INPUTS = ['do', 'net', 'hub', 'http', 'clock', 'wall'];
const ARGUMENTS = new Set(['conv', 'body', 'kind', 'ref', 'of', 'seq', 'hint', 'deadline_ms', 'as', 'code', 'status', 'retry_after_ms', 'result', 'fails', 'users']);
const OUTPUTS = ['frames', 'dials', 'waits', 'state', 'shows', 'tells', 'posts'];
const CHECKS = ['cursor', 'outbox', 'screen', 'receipts', 'metrics'];

class Clock {
  constructor(at) {
    this.at = at;
    this.timers = new Set();
  }

  now() {
    return this.at;
  }

  setTimeout(work, ms) {
    const timer = { at: this.at + Math.max(0, ms), work };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(timer) {
    this.timers.delete(timer);
  }

  // The clock is set; timers are not moved by that.
  set(ms) {
    this.at += ms;
    for (const timer of this.timers) timer.at += ms;
  }

  // One after another, as they come due, each with all that follows from it.
  async advance(ms, settled) {
    const end = this.at + ms;
    for (;;) {
      const [next] = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.at = Math.max(this.at, next.at);
      next.work();
      await settled();
    }
    this.at = end;
  }
}

// Values of the transcript: what stands for an op or an id, and what it is.
class Names {
  values = new Map();

  // A frame of the transcript with its names replaced.
  fill(value) {
    if (typeof value === 'string' && this.values.has(value)) return this.values.get(value);
    if (Array.isArray(value)) return value.map((each) => this.fill(each));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.fill(each)]));
  }

  // What the client made, as the transcript calls it.
  nameOf(value) {
    for (const [name, each] of this.values) if (name.startsWith('$') && each === value) return name;
    return value;
  }

  // Undefined if actual is as expected; else where it is not. Names seen first take what stands there.
  differs(expected, actual, where) {
    if (typeof expected === 'string' && /^[$#]/.test(expected)) {
      if (!this.values.has(expected) && actual !== undefined) this.values.set(expected, actual);
      return this.values.get(expected) === actual ? undefined : `${where} is ${JSON.stringify(this.nameOf(actual))}, not ${expected}`;
    }
    if (expected === null) return actual === undefined || actual === null ? undefined : `${where} is ${JSON.stringify(actual)}, and must be absent`;
    if (Array.isArray(expected)) {
      if (!Array.isArray(actual) || actual.length !== expected.length) return `${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
      return expected.map((each, index) => this.differs(each, actual[index], `${where}[${index}]`)).find(Boolean);
    }
    if (typeof expected === 'object') {
      if (actual === null || typeof actual !== 'object') return `${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
      return Object.entries(expected).map(([key, each]) => this.differs(each, actual[key], `${where}.${key}`)).find(Boolean);
    }
    return expected === actual ? undefined : `${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
  }
}

class Replay {
  constructor(given) {
    this.given = { user: 'alice', device: 'phone', now: 1795000000000, tokens: ['T1'], chance: [], cursor: { epoch: 'e1', n: 0 }, ...given };
    this.clock = new Clock(this.given.now);
    this.store = new MemoryStore();
    this.names = new Names();
    this.tokens = [...this.given.tokens];
    this.chance = [...this.given.chance];
    this.posts = [];
    this.clear();
  }

  clear() {
    this.out = { frames: [], dials: 0, waits: [], state: undefined, shows: [], tells: [], posts: [] };
  }

  async open() {
    if (this.given.cursor) await this.store.commit([{ table: 'meta', key: 'cursor', value: this.given.cursor }]);
    this.given.cursor = null; // only the first time
    const life = (this.life = {});
    const ifAlive = (work) => (...args) => (this.life === life ? work(...args) : undefined); // a dead process does nothing
    this.client = await openClient({
      url: 'ws://hub.test/v1/ws', user: this.given.user, device: this.given.device, store: this.store,
      token: async () => (this.tokens.length > 1 ? this.tokens.shift() : this.tokens[0]),
      chance: () => this.chance.shift() ?? 0,
      report_ms: this.given.report_ms,
      clock: {
        now: () => this.clock.now(),
        setTimeout: (work, ms) => this.clock.setTimeout(ifAlive(work), ms),
        clearTimeout: (timer) => this.clock.clearTimeout(timer),
      },
      dial: (handlers) => this.dial(handlers),
      fetch: (url, request) => new Promise((resolve, reject) => {
        const body = JSON.parse(request.body);
        this.posts.push({ resolve, reject });
        this.out.posts.push(body);
        request.signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    });
    const { client } = this;
    client.on('state', ifAlive(({ state, delay_ms }) => {
      this.out.state = state;
      if (state === 'waiting') this.out.waits.push(delay_ms);
    }));
    client.on('message', ifAlive(({ what, op, item }) => {
      const why = what === 'failed' ? ` ${item.reason}${item.retryable ? '' : ' final'}` : '';
      this.out.shows.push({ op, text: `${what}${why}` });
    }));
    for (const type of ['gap', 'reset', 'notification']) client.on(type, ifAlive(() => this.out.tells.push(type)));
    for (const type of ['recovered', 'ended']) client.on(type, ifAlive(({ conv }) => this.out.tells.push(`${type} ${conv}`)));
  }

  dial(handlers) {
    this.out.dials += 1;
    const transport = {
      ...handlers,
      send: (text) => this.out.frames.push(JSON.parse(text)),
      close: () => { if (this.transport === transport) this.transport = undefined; },
    };
    this.transport = transport;
    return transport;
  }

  // Until nothing moves: microtasks and turns; all else waits for the transcript.
  async settled() {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await this.client.idle();
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  }

  async input(step) {
    if ('net' in step) return this.network(step);
    if ('hub' in step) return this.transport.onText(JSON.stringify(Array.isArray(step.hub) ? step.hub.map((frame) => this.frame(frame)) : this.frame(step.hub)));
    if ('clock' in step) return this.clock.advance(step.clock, () => this.settled());
    if ('wall' in step) return this.clock.set(step.wall);
    if ('http' in step) return this.answer(step.http);
    return this.app(step);
  }

  network({ net, code, status, retry_after_ms }) {
    const { transport } = this;
    if (!transport) throw new Error('there is no connection');
    if (net === 'open') transport.onOpen();
    else if (net === 'close') transport.onClose({ code, reason: '' });
    else transport.onClose({ code: 1006, reason: '', status, hint_ms: retry_after_ms });
  }

  // With what a transcript need not say.
  frame(frame) {
    const { user, device, now } = this.given;
    const filled = this.names.fill(frame);
    const more = {
      welcome: { session: 's1', user, device, epoch: 'e1', cursor: 0, head: 0, server_time: now, ping_ms: 25000, window: 256, max_frame: 65536, retry: { base_ms: 500, max_ms: 30000, reset_ms: 30000 } },
      message: { at: now }, edit: { at: now }, delete: { at: now }, react: { at: now }, sent: { at: now }, receipt: { at: now },
    }[frame.type];
    return { ...more, ...filled };
  }

  answer({ status, body }) {
    const post = this.posts.shift();
    if (!post) throw new Error('there is no open request');
    if (!status) post.reject(new Error('the connection broke'));
    else post.resolve({ status, json: async () => ({ ...body, events: body?.events?.map((frame) => this.frame(frame)), results: this.names.fill(body?.results) }) });
  }

  target(of) {
    return typeof of === 'string' ? { op: this.names.fill(of) } : of;
  }

  async app(step) {
    const { client } = this;
    const of = step.of === undefined ? undefined : this.target(step.of);
    const calls = {
      start: () => client.start(),
      stop: () => client.stop(),
      restart: async () => {
        this.transport = undefined;
        this.life = undefined;
        this.clock.timers.clear();
        await this.open();
      },
      send: () => client.send(step.conv, step.body, { kind: step.kind, ref: step.ref }),
      edit: () => client.edit(of, step.body),
      delete: () => client.remove(of),
      react: () => client.react(of, step.body),
      cancel: () => client.cancel(of.op),
      retry: () => client.retry(of.op),
      read: () => client.read(step.conv, step.seq),
      subscribe: async () => { client.subscribe(step.conv).catch(() => {}); },
      unsubscribe: () => client.unsubscribe(step.conv),
      watch: async () => { client.watch(step.users).catch(() => {}); },
      unwatch: async () => { client.unwatch(step.users).catch(() => {}); },
      hint: () => client.hint(step.hint),
      sync: async () => { client.syncOnce(step.deadline_ms).catch(() => {}); },
    };
    if (!calls[step.do]) throw new Error(`there is no call ${step.do}`);
    let result;
    try {
      result = await calls[step.do]();
    } catch (error) {
      if (error.code !== step.fails) throw error;
      return;
    }
    if (step.fails) throw new Error(`${step.do} did not fail with ${step.fails}`);
    if (step.as) this.names.values.set(step.as, result.op);
    if ('result' in step && result !== step.result) throw new Error(`${step.do} answered ${JSON.stringify(result)}`);
  }

  async check(step) {
    const { out } = this;
    out.shows = out.shows.map(({ op, text }) => `${this.names.nameOf(op)} ${text}`);
    const nothing = { frames: [], dials: 0, waits: [], shows: [], tells: [], posts: [] };
    for (const kind of OUTPUTS) {
      const expected = kind in step ? step[kind] : nothing[kind];
      const wrong = expected === undefined || kind === 'shows' || kind === 'tells' || kind === 'waits' || kind === 'dials'
        ? (JSON.stringify(expected) === JSON.stringify(out[kind]) ? undefined : `${kind} is ${JSON.stringify(out[kind])}, not ${JSON.stringify(expected)}`)
        : this.names.differs(expected, out[kind], kind);
      if (wrong) throw new Error(wrong);
    }
    for (const kind of CHECKS) {
      if (!(kind in step)) continue;
      const wrong = this.names.differs(step[kind], await this.look(kind, step[kind]), kind);
      if (wrong) throw new Error(wrong);
    }
  }

  async look(kind, expected) {
    if (kind === 'cursor') return this.store.get('meta', 'cursor');
    if (kind === 'outbox') return (await this.store.range('outbox')).sort((a, b) => a.order - b.order);
    if (kind === 'metrics') return this.client.measure();
    const found = {};
    for (const conv of Object.keys(expected)) found[conv] = await (kind === 'screen' ? this.client.messages(conv) : this.client.receipts(conv));
    return found;
  }
}

async function replay(lines) {
  const [, { given }, ...steps] = lines;
  const run = new Replay(given);
  await run.open();
  for (const [index, step] of steps.entries()) {
    try {
      const unknown = Object.keys(step).find((key) => ![...INPUTS, ...OUTPUTS, ...CHECKS].includes(key) && !ARGUMENTS.has(key));
      if (unknown) throw new Error(`a step has no ${unknown}`);
      run.clear();
      await run.input(step);
      await run.settled();
      await run.check(step);
    } catch (error) {
      error.message = `line ${index + 3}: ${error.message}\n${JSON.stringify(step)}`;
      throw error;
    }
  }
}

const args = process.argv.slice(2);
const files = args.length > 0 ? args : readdirSync(here).filter((name) => name.endsWith('.jsonl')).sort().map((name) => join(here, name));
const tap = new Tap('golden transcripts, JavaScript client');
for (const file of files) {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
  await tap.run(`${basename(file)}: ${lines[0].story}`, () => replay(lines));
}
tap.finish();
