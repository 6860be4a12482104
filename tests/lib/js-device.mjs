// SPDX-License-Identifier: Apache-2.0
// js-device.mjs: the JavaScript client (client/js) in the shape of a Device (device.mjs), so that the stories can hold it to the
// same promises.
//
// 1. What it shows is what the client has put into its store: each new entry is one line in `shown`, in the order of the
//    transactions. An entry that changes its place or its op, or a watermark that falls, is a line in `faults`.
// 2. It has no protocol of its own: what a story asks that an app cannot ask of the client, it cannot (UNFIT).

import WebSocket from 'ws';
import { MemoryStore, openClient } from '../../client/js/index.js';
import '../../client/js/store-file.js'; // for crypto in Node 18
import { webSocketDial } from '../../client/js/transport.js';
import { allConversations, Disconnected, Refused } from './device.mjs';
import { DEADLINE_MS, Watched, when } from './until.mjs';

const TRACE_FRAMES = 60;

// Sentences of words.mjs that are about a client written for tests, and not about ours.
export const UNFIT = new Map([
  ['holds its acks', 'the client acknowledges what is on disk, and no app can stop it'],
  ['acknowledges again', 'the same'],
  ['subscribes to CONV from NUMBER', 'the client keeps its own place in a channel'],
  ['subscribes to CONV from NUMBER and is not recovered', 'the same'],
]);

class RecordingStore extends MemoryStore {
  constructor(device) {
    super();
    this.device = device;
  }

  async commit(changes) {
    const before = new Map(changes.filter(({ table }) => table === 'entries' || table === 'receipts').map(({ table, key }) => [`${table} ${key}`, this.tables.get(table).get(key)]));
    const cleared = changes.some(({ table, clear }) => clear && table === 'entries');
    await super.commit(changes);
    if (cleared) this.device.onCleared();
    // What one transaction brings is there at once, in the order in which a screen has it.
    const seen = changes.filter(({ value }) => value).sort((a, b) => (a.value.n ?? 0) - (b.value.n ?? 0) || (a.value.seq ?? 0) - (b.value.seq ?? 0));
    for (const { table, key, value } of seen) {
      const was = cleared ? undefined : before.get(`${table} ${key}`);
      if (table === 'entries') this.device.onEntry(value, was);
      if (table === 'receipts') this.device.onReceipt(value, was);
    }
    this.device.changed();
  }
}

export class JsDevice extends Watched {
  constructor({ user, device, target, token, name }) {
    super();
    Object.assign(this, { user, device, target, token });
    this.name = name ?? `${user}.${device}`;
    this.era = 0;
    this.shown = []; // { era, n, conv, seq, op, type, ref, deleted, from, body }
    this.events = [];
    this.receipts = new Map(); // conv -> user -> { delivered, read }
    this.typing = new Map();
    this.presence = new Map();
    this.frames = { typing: [], signal: [], presence: [], goaway: [], token_expiring: [], caught_up: [], gap: [], reset: [], sent: [] };
    this.welcomes = [];
    this.closes = [];
    this.faults = [];
    this.trace = [];
    this.reloads = 0;
    this.channels = new Map(); // conv -> { ended }
    this.subscribed = [];
    this.answers = new Map(); // op -> [{ resolve, reject }]
    this.store = new RecordingStore(this);
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  async #open() {
    const device = this;
    this.client = await openClient({
      url: this.target(), user: this.user, device: this.device, store: this.store,
      token: () => this.token(this.user, this.device),
      dial: (handlers) => webSocketDial(class extends WebSocket {
        constructor(url, protocol) {
          super(url, protocol, { perMessageDeflate: false });
          device.socket = this;
          this.on('close', () => device.changed());
        }
      })({ ...handlers, url: this.target() }),
      syncUrl: this.target().replace(/^ws(.*)\/v1\/ws$/, 'http$1/v1/sync'),
      fetch: (url, request) => fetch(this.target().replace(/^ws(.*)\/v1\/ws$/, 'http$1/v1/sync'), request),
    });
    const { client } = this;
    client.on('state', (news) => this.#onState(news));
    client.on('frame', ({ dir, frame }) => this.#onFrame(dir, frame));
    client.on('message', ({ what, op, item }) => this.#onMessage(what, op, item));
    client.on('member', (frame) => this.events.push(frame));
    client.on('notification', (frame) => this.events.push(frame));
    client.on('reloaded', () => { this.#loadAll().catch((error) => this.#note('!', `load: ${error.message}`)); });
    for (const type of ['gap', 'reset']) client.on(type, (frame) => this.frames[type].push(frame)); // also by a sync, which is no connection
    client.on('ended', ({ conv, code }) => this.channels.set(conv, { ended: code }));
    client.on('problem', (problem) => {
      this.lastError = problem;
      this.#note('!', `problem: ${problem.code}: ${problem.message}`);
    });
    for (const type of ['state', 'message', 'member', 'notification', 'ended', 'problem', 'caught_up', 'typing', 'signal', 'presence', 'gap', 'reset']) client.on(type, () => this.changed());
  }

  async start(deadline_ms = DEADLINE_MS) {
    if (!this.client) await this.#open();
    const before = this.welcomes.length;
    await this.client.start();
    await this.until(() => this.welcomes.length > before || this.state === 'stopped', () => `${this.name} is welcomed (is ${this.state})`, deadline_ms);
    if (this.state === 'stopped') throw new Disconnected(`${this.name} was told not to come back: ${JSON.stringify(this.closes.at(-1))}`);
    return this.welcomes.at(-1);
  }

  async leave() {
    const { socket } = this;
    await this.client.stop();
    await this.until(() => socket.readyState === WebSocket.CLOSED, `${this.name} is closed`);
  }

  drop() {
    this.socket?.terminate();
    this.client?.stop().catch(() => {});
  }

  flicker() {
    this.socket?.terminate();
  }

  // Its store has lost the cursor; the next hello has none.
  async forget() {
    await this.client.close();
    this.client = undefined;
    await this.store.commit([{ table: 'meta', key: 'cursor', value: undefined }]);
  }

  // What its tokens allow, from now on: an app that knows says so.
  set granted(channels) {
    this.channelsGranted = channels;
    this.client?.renewToken().catch(() => {});
  }

  get granted() {
    return this.channelsGranted;
  }

  pauseReading() {
    this.socket.pause();
  }

  resumeReading() {
    this.socket.resume();
  }

  get state() {
    return this.client?.state ?? 'off';
  }

  get live() {
    return this.state === 'online';
  }

  get session() {
    return this.welcomes.at(-1)?.session;
  }

  get cursor() {
    return this.client.cursor;
  }

  // ---- what it asks -------------------------------------------------------------------------------------------------

  async send(conv, body, { op, kind, ref, push } = {}) {
    const replies = () => this.frames.sent.filter((frame) => frame.op === op).length;
    const before = replies();
    const answered = new Promise((resolve, reject) => {
      if (!this.answers.has(op)) this.answers.set(op, []);
      this.answers.get(op).push({ resolve, reject });
    }).then(async (sent) => {
      if (before === 0) return sent;
      await this.until(() => replies() > before, `${this.name}: the repeat of ${op} has a reply of its own`); // its event may have come first
      return this.frames.sent.findLast((frame) => frame.op === op);
    });
    answered.catch(() => {});
    const item = await this.client.send(conv, body, { op, kind, ref, push });
    if (op === undefined) this.answers.set(item.op, this.answers.get(undefined));
    return answered;
  }

  #onMessage(what, op, item) {
    const waiting = this.answers.get(op);
    if (!waiting) return;
    if (what === 'synced') {
      this.answers.delete(op);
      const sent = this.frames.sent.findLast((frame) => frame.op === op) ?? { type: 'sent', op, seq: this.shown.findLast((each) => each.op === op).seq };
      for (const { resolve } of waiting) resolve(sent);
    } else if (what === 'failed' || what === 'conflicted') {
      this.answers.delete(op);
      for (const { reject } of waiting) reject(new Refused({ code: item.reason, message: item.message, temporary: false }, `${this.name}: send`));
      this.client.cancel(op).catch(() => {}); // nobody looks at it any more
    }
  }

  async request(type, fields = {}, deadline_ms = DEADLINE_MS) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${this.name}: ${type} was not answered within ${deadline_ms} ms`)), deadline_ms); });
    return this.#asked(Promise.race([this.client.request(type, fields), late]), type).finally(() => clearTimeout(timer));
  }

  // The client's errors as the stories know them.
  async #asked(promise, what) {
    try {
      return await promise;
    } catch (error) {
      if (error.name !== 'BelfryError') throw error;
      if (['offline', 'lost', 'closed', 'no_reply'].includes(error.code)) throw new Disconnected(error.message);
      throw new Refused({ code: error.code, message: error.message, temporary: error.temporary, retry_after_ms: error.retry_after_ms }, `${this.name}: ${what}`);
    }
  }

  tell(type, fields) {
    this.client.tell(type, fields).catch(() => {});
  }

  async subscribe(conv) {
    this.channels.set(conv, {});
    return this.#asked(this.client.subscribe(conv), 'subscribe');
  }

  async unsubscribe(conv) {
    this.channels.delete(conv);
    await this.client.unsubscribe(conv);
  }

  async ping() {
    const pong = await this.request('ping');
    if (pong.type !== 'pong') this.faults.push(`${this.name}: ping was answered with ${pong.type}`);
  }

  read(conv, seq) {
    return this.request('read', { conv, seq });
  }

  async watch(users) {
    for (const each of await this.#asked(this.client.watch(users), 'watch')) this.presence.set(each.user, each);
    this.changed();
  }

  conversations() {
    return allConversations(this);
  }

  // As an app that shows all of each conversation.
  async #loadAll() {
    for (const { conv, kind } of await this.client.conversations()) {
      if (kind === 'channel') continue;
      for (let more = await this.client.loadLatest(conv); more;) more = await this.client.loadOlder(conv, 200);
    }
    this.reloads += 1;
    this.changed();
  }

  // A background sync; what it is to bring along is in the outbox first.
  async sync(ops = []) {
    for (const { type, conv, op, body, seq } of ops) await (type === 'send' ? this.client.send(conv, body, { op }) : this.client.read(conv, seq));
    const sum = await this.client.syncOnce(DEADLINE_MS);
    if (!sum.ok) throw new Error(`${this.name}: the sync failed: ${sum.reason}`);
    const seqOf = (op) => this.shown.findLast((each) => each.op === op)?.seq;
    return ops.map(({ type, id, conv, op }) => (type === 'send' ? { type: 'sent', id, conv, op, seq: seqOf(op) } : { type: 'ok', id }));
  }

  // ---- what it is told ----------------------------------------------------------------------------------------------

  #onState({ state, code, reason, welcome }) {
    if (welcome) this.welcomes.push(welcome);
    if (code) this.closes.push({ code, reason });
    this.#note('!', `${state} ${code ?? ''} ${reason ?? ''}`);
  }

  #onFrame(dir, frame) {
    this.#note(dir === 'in' ? '<' : '>', JSON.stringify(frame.token ? { ...frame, token: '…' } : frame));
    if (dir === 'out') return;
    if (frame.type !== 'gap' && frame.type !== 'reset') this.frames[frame.type]?.push({ ...frame, at_ms: Date.now() });
    if (frame.type === 'welcome') this.caughtUp = false;
    else if (frame.type === 'caught_up') this.caughtUp = true;
    else if (frame.type === 'presence') this.presence.set(frame.user, frame);
    else if (frame.type === 'subscribed') this.subscribed.push(frame);
    else if (frame.type === 'typing') this.#onTyping(frame);
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

  onEntry(row, was) {
    if (was) {
      if (was.op !== row.op) this.#fault(`${row.conv}/${row.seq} was ${was.op} and has become ${row.op}`);
      return;
    }
    this.shown.push({ era: this.era, ...row, at_ms: Date.now() });
    if (row.body === undefined && !row.deleted && row.type !== 'delete') this.#fault(`${row.conv}: seq ${row.seq} has no body`);
  }

  onReceipt({ conv, user, delivered, read }, was) {
    if (was && (delivered < was.delivered || read < was.read)) this.#fault(`${conv}: the receipt of ${user} fell`);
    if (!this.receipts.has(conv)) this.receipts.set(conv, new Map());
    this.receipts.get(conv).set(user, { delivered, read });
  }

  onCleared() {
    this.era += 1;
    this.receipts.clear();
  }

  #fault(text) {
    this.faults.push(`${this.name}: ${text}`);
    this.#note('!', `FAULT ${text}`);
  }

  #note(mark, text) {
    this.trace.push(`${new Date().toISOString().slice(14, 23)} ${mark} ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`);
    if (this.trace.length > TRACE_FRAMES) this.trace.shift();
  }
}
