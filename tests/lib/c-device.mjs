// SPDX-License-Identifier: Apache-2.0
// c-device.mjs: libbelfry, driven through tests/client/belfry_story.c, in the shape of a Device (device.mjs), so that the stories
// can hold it to the same promises.
//
// 1. What it shows is what the library tells of its store: each new entry is one line in `shown`, in the order of the changes.
// 2. Its process has a store of its own, and reaches the nodes through a proxy that can be cut and turned to another node.
// 3. It has no protocol of its own: what a story asks that an app cannot ask of the library, it cannot (UNFIT in js-device.mjs).

import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { Proxy } from '../client/proxy.mjs';
import { allConversations, Disconnected, Refused } from './device.mjs';
import { findProgram } from './hub.mjs';
import { makeFolder, start } from './started.mjs';
import { DEADLINE_MS, Watched, eventually, when } from './until.mjs';

const TRACE_LINES = 60;

export class CDevice extends Watched {
  #replies = []; // { what, resolve }, in the order in which they were asked
  #asked = Promise.resolve(); // one request at a time: replies carry ids that are the library's own

  constructor({ user, device, target, token, name }) {
    super();
    Object.assign(this, { user, device, target, token });
    this.name = name ?? `${user}.${device}`;
    this.state = 'off';
    this.era = 0;
    this.shown = [];
    this.events = [];
    this.receipts = new Map();
    this.typing = new Map();
    this.presence = new Map();
    this.frames = { typing: [], signal: [], presence: [], goaway: [], token_expiring: [], caught_up: [], gap: [], reset: [] };
    this.welcomes = [];
    this.closes = [];
    this.faults = [];
    this.trace = [];
    this.reloads = 0;
    this.channels = new Map();
    this.subscribed = [];
    this.answers = new Map(); // op -> [{ resolve, reject }]
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  async #open() {
    this.folder ??= makeFolder('c');
    this.proxy ??= await new Proxy(() => ({ host: '127.0.0.1', port: Number(new URL(this.target()).port) }), () => 1).start();
    const program = join(dirname(findProgram()), '..', 'tests', 'client', 'belfry_story');
    this.child = start(program, [this.proxy.url, this.token(this.user, this.device), join(this.folder, 'store'), '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin.on('error', () => {});
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.#note('<', line);
      this.#onSaid(JSON.parse(line));
      this.changed();
    });
  }

  // A line to the process, and its answer.
  #say(what, ...words) {
    this.#note('>', `${what} ${words.join(' ')}`);
    return new Promise((resolve) => {
      this.#replies.push({ what, resolve });
      this.child.stdin.write(`${[what, ...words].join(' ')}\n`);
    });
  }

  async start(deadline_ms = DEADLINE_MS) {
    if (!this.child) await this.#open();
    const before = this.welcomes.length;
    await this.#say('token', this.token(this.user, this.device));
    await this.#say('start');
    await this.until(() => this.welcomes.length > before || this.state === 'stopped', () => `${this.name} is welcomed (is ${this.state})`, deadline_ms);
    if (this.state === 'stopped') throw new Disconnected(`${this.name} was told not to come back: ${JSON.stringify(this.closes.at(-1))}`);
    return this.welcomes.at(-1);
  }

  async leave() {
    await this.#say('stop');
    await eventually(() => this.proxy.open === 0 && this.state === 'off', `${this.name} is closed`);
  }

  drop() {
    this.proxy?.cut();
    if (this.child && !this.child.ended) this.#say('stop');
  }

  flicker() {
    this.proxy.cut();
  }

  // Its store has lost the cursor; the next hello has none.
  forget() {
    this.#say('forget');
  }

  set granted(channels) {
    this.channelsGranted = channels;
    if (this.child) this.#say('token', this.token(this.user, this.device));
  }

  get granted() {
    return this.channelsGranted;
  }

  pauseReading() {
    this.child.kill('SIGSTOP');
  }

  resumeReading() {
    this.child.kill('SIGCONT');
  }

  get live() {
    return this.state === 'online';
  }

  get session() {
    return this.welcomes.at(-1)?.session;
  }

  // ---- what it asks -------------------------------------------------------------------------------------------------

  async send(conv, body, { op = crypto.randomUUID(), kind = 'message', ref = 0 } = {}) {
    const answered = new Promise((resolve, reject) => {
      if (!this.answers.has(op)) this.answers.set(op, []);
      this.answers.get(op).push({ resolve, reject });
    });
    answered.catch(() => {});
    const before = await this.#duplicates();
    const { error } = await this.#say('sendop', op, kind, ref, conv, kind === 'delete' && body === undefined ? '' : JSON.stringify(body));
    if (error) throw new Error(`${this.name}: the send was answered with ${error}`);
    return answered.then(async (sent) => ((await this.#duplicates()) > before ? { ...sent, duplicate: true } : sent));
  }

  // How often the hub said that it had a send already.
  async #duplicates() {
    await this.#say('metrics');
    return this.metrics.duplicates;
  }

  #onOutbox({ op, state, seq, reason, message }) {
    const waiting = this.answers.get(op);
    if (!waiting || !['synced', 'failed', 'conflicted'].includes(state)) return;
    this.answers.delete(op);
    for (const { resolve, reject } of waiting) {
      if (state === 'synced') resolve({ type: 'sent', op, seq });
      else reject(new Refused({ code: reason ?? 'conflict', message, temporary: false }, `${this.name}: send`));
    }
  }

  // One at a time: its answer is the next frame with an id.
  #ask(type, what, ...words) {
    const ask = async () => {
      this.reply = undefined;
      const { error } = await this.#say(what, ...words);
      if (error) throw new Disconnected(`${this.name} is not connected: cannot ask ${type}`);
      const reply = await this.until(() => this.reply ?? (this.live ? undefined : 'lost'), `${this.name}: ${type} is answered`);
      if (reply === 'lost') throw new Disconnected(`${this.name}: lost before ${type} was answered`);
      if (reply.type === 'error') throw new Refused(reply, `${this.name}: ${type}`);
      return reply;
    };
    const asked = this.#asked.then(ask, ask);
    this.#asked = asked.catch(() => {});
    return asked;
  }

  request(type, fields = {}) {
    return this.#ask(type, 'ask', JSON.stringify({ type, ...fields }));
  }

  tell(type, fields) {
    this.#say('ask', JSON.stringify({ type, ...fields }));
  }

  subscribe(conv) {
    this.channels.set(conv, {});
    return this.#ask('subscribe', 'subscribe', conv, '1');
  }

  unsubscribe(conv) {
    this.channels.delete(conv);
    return this.#ask('unsubscribe', 'subscribe', conv, '0');
  }

  async ping() {
    const pong = await this.request('ping');
    if (pong.type !== 'pong') this.#fault(`ping was answered with ${pong.type}`);
  }

  read(conv, seq) {
    return this.request('read', { conv, seq });
  }

  async watch(users) {
    for (const each of (await this.request('watch', { users })).presence) this.presence.set(each.user, each);
    this.changed();
  }

  conversations() {
    return allConversations(this);
  }

  // As an app that shows all of each conversation.
  async #loadAll() {
    for (const { conv, kind } of await this.conversations()) {
      if (kind === 'channel') continue;
      for (let before; ;) {
        const { entries, more } = await this.request('history', { conv, before, limit: 200 });
        if (!more || entries.length === 0) break;
        before = entries[0].seq;
      }
    }
    this.reloads += 1;
    this.changed();
  }

  // A background sync; what it is to bring along is in the outbox first.
  async sync(ops = []) {
    if (!this.child) await this.#open();
    for (const { type, conv, op, body, seq } of ops) await (type === 'send' ? this.#say('sendop', op, 'message', 0, conv, JSON.stringify(body)) : this.#say('read', conv, seq));
    const { error } = await this.#say('sync', DEADLINE_MS);
    if (error) throw new Error(`${this.name}: the sync failed with ${error}`);
    await this.#say('place'); // what the sync brought is told before this is answered
    const seqOf = (op) => this.shown.findLast((each) => each.op === op)?.seq;
    for (const { type, op } of ops) if (type === 'send') await this.until(() => seqOf(op), `${this.name} is shown what it sent`);
    return ops.map(({ type, id, conv, op }) => (type === 'send' ? { type: 'sent', id, conv, op, seq: seqOf(op) } : { type: 'ok', id }));
  }

  // ---- what it is told ----------------------------------------------------------------------------------------------

  #onSaid(said) {
    if (said.item === 'metrics') this.metrics = said.value;
    if (said.item) return;
    if (said.reply) {
      this.#replies.shift().resolve(said);
      return;
    }
    if (said.change === undefined) this.#onMoment(said);
    else this.#onChange(said);
  }

  #onMoment(said) {
    this.frames[said.type]?.push({ ...said, at_ms: Date.now() });
    if (said.type === 'state') {
      this.state = said.state;
      if (said.code) this.closes.push({ code: said.code, reason: said.reason });
    } else if (said.type === 'welcome') {
      this.welcomes.push(said);
      this.caughtUp = false;
    } else if (said.type === 'caught_up') this.caughtUp = true;
    else if (said.type === 'presence') this.presence.set(said.user, said);
    else if (said.type === 'subscribed') this.subscribed.push(said);
    else if (said.type === 'typing') this.#onTyping(said);
    else if (said.type === 'fault') this.#fault(JSON.stringify(said));
    if (said.type === 'error') this.lastError = said;
    if (said.id !== undefined && said.type !== 'welcome') this.reply = said;
  }

  #onChange(said) {
    if (said.type === 'outbox') this.#onOutbox(said);
    else if (said.type === 'receipt') this.#onReceipt(said);
    else if (said.type === 'member' || said.type === 'notification') this.events.push(said);
    else if (said.type === 'gap') this.frames.gap.push(said);
    else if (said.type === 'error') {
      this.lastError = said;
      this.channels.set(said.conv, { ended: said.code });
    } else if (said.type === 'reset') {
      this.frames.reset.push(said);
      this.era += 1;
      this.receipts.clear();
    } else if (said.type === 'reloaded') this.#loadAll().catch((error) => this.#note('!', `load: ${error.message}`));
    else if (said.seq !== undefined && said.op !== undefined && !said.changed) this.shown.push({ era: this.era, ...said, at_ms: Date.now() });
  }

  #onTyping({ conv, user, active, ttl_ms }) {
    if (!this.typing.has(conv)) this.typing.set(conv, new Map());
    const ends_ms = active ? Date.now() + ttl_ms : 0;
    this.typing.get(conv).set(user, ends_ms);
    when(ends_ms, () => this.changed());
  }

  isTyping(conv, user) {
    return (this.typing.get(conv)?.get(user) ?? 0) > Date.now();
  }

  #onReceipt({ conv, user, delivered, read }) {
    if (!this.receipts.has(conv)) this.receipts.set(conv, new Map());
    const was = this.receipts.get(conv).get(user);
    if (was && (delivered < was.delivered || read < was.read)) this.#fault(`${conv}: the receipt of ${user} fell`);
    this.receipts.get(conv).set(user, { delivered, read });
  }

  #fault(text) {
    this.faults.push(`${this.name}: ${text}`);
    this.#note('!', `FAULT ${text}`);
  }

  #note(mark, text) {
    this.trace.push(`${new Date().toISOString().slice(14, 23)} ${mark} ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`);
    if (this.trace.length > TRACE_LINES) this.trace.shift();
  }
}
