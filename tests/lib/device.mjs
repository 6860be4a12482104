// SPDX-License-Identifier: Apache-2.0
// device.mjs: a faithful client, written from PROTOCOL.md alone on npm's `ws`, that remembers everything it was shown.
//
// 1. It keeps its own cursor and sends it with each hello; what has a number not above it is dropped, all else is shown.
// 2. A send keeps its op through every retry, until `sent` or a refusal that is not temporary.
// 3. It reconnects as the close classes say (PROTOCOL section 5): full jitter, forgotten after retry.reset_ms of health.
// 4. What the protocol forbids the hub to do is a line in `faults`, whether or not anybody waits for it: a watermark that
//    falls, a hole in a conversation, more than the window unacknowledged, two places for one op, a frame that is no object;
//    and what the judge finds (contract.mjs), if there is one.
//
// It models a client with a screen: a message is shown by its numbered event, also to the device that sent it. `sent` only
// says that it is stored.

import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { request } from './api.mjs';
import { DEADLINE_MS, Watched, when } from './until.mjs';

const TRACE_FRAMES = 60;
const REPLY_MS = 8000; // no answer for so long: the send is repeated with its op
const ENTRY_TYPES = new Set(['message', 'edit', 'delete', 'react']);

export class Refused extends Error {
  constructor(frame, what) {
    super(`${what}: error ${frame.code}: ${frame.message}`);
    this.code = frame.code;
    this.temporary = frame.temporary === true;
    this.retryAfter_ms = frame.retry_after_ms;
    this.frame = frame;
  }
}

export class Disconnected extends Error {}

// All pages of the list; device has request().
export async function allConversations(device) {
  const items = [];
  for (let after; ; ) {
    const page = await device.request('conversations', { after, limit: 200 });
    items.push(...page.items);
    if (page.next === undefined || page.next === null || page.items.length === 0) return items;
    after = page.next;
  }
}

export class Device extends Watched {
  #socket;
  #nextId = 1;
  #requests = new Map(); // id -> { type, resolve, reject } or { op }
  #timers = new Set();
  #ackTimer;
  #connectTimer;
  #failures = 0;
  #goaway;

  // user, device: who it is; target() and token() are asked anew at each connect, so that either may change.
  constructor({ user, device, target, token, name, window, acks = true, background = false, localAddress, judge }) {
    super();
    Object.assign(this, { user, device, target, token, background, localAddress, judge });
    this.name = name ?? `${user}.${device}`;
    this.acks = acks;
    this.state = 'off'; // off, connecting, live, waiting (to connect again), stopped (told not to)
    this.cursor = undefined; // { epoch, n }
    this.window = window;
    this.retry = { base_ms: 100, max_ms: 2000, reset_ms: 30000 };
    this.era = 0; // counts resets: numbers of different eras are not compared
    this.sends = new Map(); // op -> { op, conv, state: pending | sent | refused, seq, attempts, … }
    this.shown = []; // { era, n, conv, seq, op, type, from, body, at_ms }
    this.events = []; // every numbered event that was not dropped
    this.receipts = new Map(); // conv -> user -> { delivered, read }
    this.typing = new Map(); // conv -> user -> time at which it ends
    this.presence = new Map(); // user -> { status, last_seen }
    this.frames = { typing: [], signal: [], presence: [], goaway: [], token_expiring: [], caught_up: [], gap: [], reset: [] };
    this.welcomes = [];
    this.closes = [];
    this.refusals = []; // upgrades refused: { status, retryAfter_ms }
    this.faults = [];
    this.repeats = 0; // numbered events dropped because they had been seen
    this.trace = [];
    this.lastSeq = new Map(); // conv -> seq of the latest event, to see a hole
    this.seqs = new Map(); // conv -> seqs shown in this era
    this.fromHistory = new Map(); // conv -> those of them from a page of history, to be dropped if they come as events
    this.reloads = 0;
    this.channels = new Map(); // conv -> { epoch, seq, ended }: what it subscribes to, and the entry it got last
    this.subscribed = []; // every `subscribed`, asked for or not
  }

  // ---- life ---------------------------------------------------------------------------------------------------------

  // Connects and stays connected until leave() or drop(). Resolves with the welcome.
  async start(deadline_ms = DEADLINE_MS) {
    this.wanted = true;
    const before = this.welcomes.length;
    this.#failures = 0;
    this.#connect();
    await this.until(() => this.welcomes.length > before || this.state === 'stopped', () => `${this.name} is welcomed (is ${this.state})`, deadline_ms);
    if (this.state === 'stopped') throw new Disconnected(`${this.name} was told not to come back: ${JSON.stringify(this.closes.at(-1) ?? this.refusals.at(-1))}`);
    return this.welcomes.at(-1);
  }

  // Closes as an app does that is put away.
  async leave() {
    this.#stopTrying('off');
    const socket = this.#socket;
    if (!socket) return;
    if (!this.holdsAcks && this.acks) this.#acknowledge();
    socket.close(1000);
    await this.until(() => this.#socket !== socket, `${this.name} is closed`);
  }

  // Goes without a word, as a phone in a tunnel.
  drop() {
    this.#stopTrying('off');
    this.#socket?.terminate();
  }

  // Breaks the connection and comes back by itself.
  flicker() {
    this.#socket?.terminate();
  }

  // Loses its store: the next hello has no cursor, and the hub's stored one counts.
  forget() {
    this.cursor = undefined;
  }

  get live() {
    return this.state === 'live';
  }

  get session() {
    return this.welcomes.at(-1)?.session;
  }

  // Reads nothing from its socket; TCP makes the hub wait.
  pauseReading() {
    this.#socket.pause();
  }

  resumeReading() {
    this.#socket.resume();
  }

  #stopTrying(state) {
    this.wanted = false;
    clearTimeout(this.#connectTimer);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (!this.#socket) this.#become(state);
  }

  #become(state) {
    this.state = state;
    this.changed();
  }

  #connect() {
    clearTimeout(this.#connectTimer);
    if (this.#socket || !this.wanted) return;
    this.#become('connecting');
    this.#goaway = undefined;
    const socket = new WebSocket(this.target(), 'belfry.v1', {
      perMessageDeflate: false,
      handshakeTimeout: 10000,
      localAddress: this.localAddress,
    });
    this.#socket = socket;
    let heard = Date.now();
    let refused;
    const liveness = setInterval(() => {
      const ping_ms = this.welcomes.at(-1)?.ping_ms;
      if (ping_ms && this.state === 'live' && !socket.isPaused && Date.now() - heard > 2 * ping_ms + 5000) {
        this.#note('!', `nothing heard for ${Date.now() - heard} ms`);
        socket.terminate();
      }
    }, 1000);
    socket.on('open', () => this.#hello(socket));
    socket.on('ping', () => {
      heard = Date.now();
    });
    socket.on('message', (bytes, isBinary) => {
      heard = Date.now();
      if (this.#socket !== socket) return;
      if (isBinary) this.#fault(`a binary frame of ${bytes.length} bytes`);
      else this.#onText(bytes.toString());
      this.changed();
    });
    socket.on('unexpected-response', (req, res) => {
      const retry = Number(res.headers['retry-after']);
      refused = { status: res.statusCode, retryAfter_ms: Number.isFinite(retry) ? retry * 1000 : undefined };
      this.refusals.push(refused);
      this.#note('!', `upgrade refused with ${res.statusCode}`);
      req.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => this.#note('!', error.message));
    socket.on('close', (code, reason) => {
      clearInterval(liveness);
      if (this.#socket === socket) this.#onClose(code, String(reason), refused);
    });
  }

  #hello(socket) {
    if (this.#socket !== socket || socket.readyState !== WebSocket.OPEN) return;
    const hello = { type: 'hello', device: this.device, token: this.token(this.user, this.device), client: 'belfry-tests/1' };
    if (this.cursor) hello.cursor = this.cursor;
    if (this.background) hello.background = true;
    this.#transmit(hello, {
      type: 'hello',
      resolve: (frame) => this.#onWelcome(frame),
      reject: (error) => {
        this.#note('!', error.message);
        if (error.temporary) setTimeout(() => this.#hello(socket), error.retryAfter_ms ?? 500); // no close followed: ask again
      },
    });
  }

  #onClose(code, reason, refused) {
    this.#socket = undefined;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.closes.push({ code, reason, at_ms: Date.now(), welcomed: this.state === 'live' });
    this.#judged(this.judge?.close(code));
    this.#note('!', `closed ${code} ${reason}`);
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.reject?.(new Disconnected(`${this.name}: closed ${code} before ${request.type} was answered`));
    if (!this.wanted) {
      this.#become('off');
      return;
    }
    const healthy = this.state === 'live' && Date.now() - this.welcomedAt_ms >= this.retry.reset_ms;
    if (healthy) this.#failures = 0;
    const wait_ms = this.#waitAfter(code, refused);
    if (wait_ms === undefined) {
      this.wanted = false;
      this.#become('stopped');
      return;
    }
    this.#become('waiting');
    this.waited_ms = wait_ms;
    this.#connectTimer = setTimeout(() => this.#connect(), wait_ms);
  }

  // How long to wait before the next connect, or undefined: never.
  #waitAfter(code, refused) {
    if (code >= 4400 && code <= 4499) return undefined;
    if (refused && refused.status >= 400 && refused.status < 500) return undefined;
    if (code >= 4000 && code <= 4099) return this.#goaway?.retry_after_ms ?? 0;
    if (code >= 4200 && code <= 4399) return 0; // token() makes a fresh one at each connect; a resync is its hello
    const ceiling = Math.min(this.retry.max_ms, this.retry.base_ms * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    return Math.max(refused?.retryAfter_ms ?? 0, Math.random() * ceiling);
  }

  // ---- what it asks -------------------------------------------------------------------------------------------------

  // Stores an entry. Resolves with the `sent` frame, however many connections that takes; rejects with Refused.
  send(conv, body, { op = randomUUID(), kind, ref, push } = {}) {
    const known = this.sends.get(op);
    if (known?.state === 'pending') return known.answered;
    const entry = { op, conv, body, kind, ref, push, state: 'pending', seq: known?.seq, attempts: 0, user: this.user, device: this.device, asked_ms: Date.now() };
    entry.answered = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    entry.answered.catch(() => {}); // the state tells it too: not everyone waits
    this.sends.set(op, entry);
    if (this.live) this.#transmitSend(entry);
    return entry.answered;
  }

  #transmitSend(entry) {
    const { conv, op, body, kind, ref, push } = entry;
    entry.attempts += 1;
    const again = (wait_ms) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (this.live && entry.state === 'pending') this.#transmitSend(entry);
      }, wait_ms);
      this.#timers.add(timer);
      return timer;
    };
    const late = again(REPLY_MS);
    const settle = () => {
      clearTimeout(late);
      this.#timers.delete(late);
    };
    this.#transmit(
      { type: 'send', conv, op, body, kind, ref, push },
      {
        type: 'send',
        resolve: (frame) => {
          settle();
          this.#onSent(entry, frame);
        },
        reject: (error) => {
          settle();
          if (error instanceof Disconnected || entry.state !== 'pending') return; // the next session sends it again
          if (error.temporary) {
            again(error.retryAfter_ms ?? 200 + Math.random() * 300);
            return;
          }
          entry.state = 'refused';
          entry.error = error;
          entry.reject(error);
        },
      },
    );
  }

  #onSent(entry, frame) {
    if (frame.type !== 'sent') this.#fault(`a send was answered with ${frame.type}`);
    if (frame.op !== entry.op || frame.conv !== entry.conv) this.#fault(`sent for ${frame.conv}/${frame.op} answers ${entry.conv}/${entry.op}`);
    if (!Number.isInteger(frame.seq) || frame.seq < 1) this.#fault(`sent with seq ${JSON.stringify(frame.seq)}`);
    if (entry.seq !== undefined && entry.seq !== frame.seq) this.#fault(`op ${entry.op} was sent as seq ${entry.seq}, then as ${frame.seq}`);
    entry.seq = frame.seq;
    entry.sent = frame;
    if (entry.state === 'pending') entry.latency_ms = Date.now() - entry.asked_ms;
    entry.state = 'sent';
    entry.resolve(frame);
  }

  // Any request with a reply, on the present session only.
  request(type, fields = {}, deadline_ms = DEADLINE_MS) {
    if (!this.live) return Promise.reject(new Disconnected(`${this.name} is not connected: cannot ask ${type}`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: ${type} was not answered within ${deadline_ms} ms`)), deadline_ms);
      const settle = (how) => (value) => {
        clearTimeout(timer);
        how(value);
      };
      this.#transmit({ type, ...fields }, { type, since: fields.since, resolve: settle(resolve), reject: settle(reject) });
    });
  }

  // Subscribes to a channel, and again after each reconnect from where it was. Resolves with `subscribed`.
  async subscribe(conv, since) {
    return this.request('subscribe', { conv, since });
  }

  async unsubscribe(conv) {
    const reply = await this.request('unsubscribe', { conv });
    this.channels.delete(conv);
    return reply;
  }

  async #resubscribe(conv) {
    const { epoch, seq } = this.channels.get(conv);
    try {
      await this.subscribe(conv, { epoch, seq });
    } catch (error) {
      this.#note('!', `subscribe: ${error.message}`);
      if (error.temporary) setTimeout(() => this.live && this.channels.has(conv) && this.#resubscribe(conv), error.retryAfter_ms);
    }
  }

  #onSubscribed(frame, since) {
    if (!Number.isInteger(frame.seq) || typeof frame.epoch !== 'string' || typeof frame.recovered !== 'boolean') this.#fault(`subscribed is ${JSON.stringify(frame)}`);
    this.channels.set(frame.conv, { epoch: frame.epoch, seq: since && frame.recovered ? since.seq : frame.seq });
    this.subscribed.push(frame);
  }

  #onChannelEntry(frame) {
    const channel = this.channels.get(frame.conv);
    if (!channel || channel.ended) {
      this.#fault(`${frame.conv}: seq ${frame.seq} came without a subscription`);
      return;
    }
    if (frame.seq !== channel.seq + 1) this.#fault(`${frame.conv}: seq ${frame.seq} of a channel came after ${channel.seq}`);
    channel.seq = frame.seq;
    if (this.seqs.get(frame.conv)?.has(frame.seq)) this.repeats += 1; // it asked for it once more
    else this.#show(frame);
  }

  // What has no reply: typing, ack.
  tell(type, fields) {
    this.#write({ type, ...fields });
  }

  // Bytes as they are, for what a faithful client would never say.
  raw(data) {
    this.#note('>', String(data));
    this.#socket.send(data);
  }

  async ping() {
    const pong = await this.request('ping');
    if (pong.type !== 'pong') this.#fault(`ping was answered with ${pong.type}`);
  }

  async read(conv, seq) {
    return this.request('read', { conv, seq });
  }

  async watch(users) {
    const frame = await this.request('watch', { users });
    for (const each of frame.presence) this.presence.set(each.user, each);
    this.changed();
    return frame;
  }

  // Every page of the list of conversations.
  conversations() {
    return allConversations(this);
  }

  // After a gap or a reset: what the numbered events no longer tell is loaded by conversations and history.
  async reload(since = new Map()) {
    for (const { conv } of await this.conversations()) {
      for (let after = since.get(conv) ?? 0; ; ) {
        const page = await this.request('history', { conv, after, limit: 200 });
        for (const entry of page.entries) {
          after = entry.seq;
          if (this.seqs.get(conv)?.has(entry.seq)) continue; // it came as an event
          if (!this.fromHistory.has(conv)) this.fromHistory.set(conv, new Set());
          this.fromHistory.get(conv).add(entry.seq);
          this.#show({ ...entry, conv, n: undefined });
        }
        if (!page.more || page.entries.length === 0) break;
      }
    }
    this.reloads += 1;
    this.changed();
  }

  // A background sync over HTTP: every page, then an ack for all. What comes is seen as a session would see it; the replies to
  // `ops`, which go with the first page, are returned.
  async sync(ops = []) {
    const results = [];
    for (let more = true, ack; more || ack !== this.cursor.n; ) {
      if (this.cursor) ack = this.cursor.n;
      const answer = await request(this.target().replace(/^ws(.*)\/v1\/ws$/, 'http$1'), 'POST', '/v1/sync', {
        key: this.token(this.user, this.device),
        body: { device: this.device, cursor: this.cursor, ack, ops: results.length === 0 ? ops : [] },
      });
      this.#note('<', `sync: ${answer.status} ${answer.text}`);
      if (answer.status !== 200) throw new Error(`${this.name}: sync was answered ${answer.status} ${answer.text}`);
      const page = answer.json;
      this.cursor ??= { epoch: page.epoch, n: page.fresh ? page.cursor : 0 };
      this.unacknowledged = 0;
      for (const event of page.events) this.#onText(JSON.stringify(event));
      if (page.cursor < this.cursor.n) this.#fault(`a sync fell back from ${this.cursor.n} to ${page.cursor}`);
      this.cursor.n = page.cursor;
      results.push(...page.results);
      more = page.more;
    }
    this.unacknowledged = 0;
    this.changed();
    return results;
  }

  // ---- acknowledging ------------------------------------------------------------------------------------------------

  holdAcks() {
    this.holdsAcks = true;
  }

  releaseAcks() {
    this.holdsAcks = false;
    this.#acknowledge();
  }

  #acknowledgeSoon() {
    if (this.holdsAcks || !this.acks) return;
    if (this.unacknowledged * 4 >= (this.window ?? 64)) this.#acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), 50);
  }

  #acknowledge() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (!this.unacknowledged || this.holdsAcks || !this.live) return;
    this.unacknowledged = 0;
    this.#write({ type: 'ack', n: this.cursor.n });
  }

  // ---- what it is told ----------------------------------------------------------------------------------------------

  #onText(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#fault(`a frame that is not JSON: ${text.slice(0, 200)}`);
      return;
    }
    this.#note('<', text);
    if (frame === null || typeof frame !== 'object' || Array.isArray(frame) || typeof frame.type !== 'string') {
      this.#fault(`a frame that is no object with a type: ${text.slice(0, 200)}`);
      return;
    }
    this.#judged(this.judge?.frame(frame));
    if (frame.id !== undefined) this.#onReply(frame);
    else if (Number.isInteger(frame.n) && !['caught_up', 'gap', 'reset'].includes(frame.type)) this.#onNumbered(frame);
    else this.#onUnnumbered(frame);
  }

  #onReply(frame) {
    const request = this.#requests.get(frame.id);
    if (!request) {
      this.#fault(`a reply to nothing: ${JSON.stringify(frame).slice(0, 200)}`);
      return;
    }
    this.#requests.delete(frame.id);
    if (frame.type === 'subscribed') this.#onSubscribed(frame, request.since);
    if (frame.type === 'error') request.reject(new Refused(frame, `${this.name}: ${request.type}`));
    else request.resolve(frame);
  }

  #onWelcome(frame) {
    if (frame.type !== 'welcome') this.#fault(`hello was answered with ${frame.type}`);
    for (const field of ['session', 'user', 'device', 'epoch', 'cursor', 'head', 'server_time', 'ping_ms', 'window', 'max_frame', 'retry'])
      if (frame[field] === undefined) this.#fault(`welcome has no ${field}`);
    if (frame.user !== this.user || frame.device !== this.device) this.#fault(`welcomed as ${frame.user}.${frame.device}`);
    this.window = frame.window;
    if (frame.retry) this.retry = frame.retry;
    if (!this.cursor) this.cursor = { epoch: frame.epoch, n: frame.cursor };
    this.unacknowledged = 0;
    this.caughtUp = false;
    this.welcomedAt_ms = Date.now();
    this.welcomes.push(frame);
    this.state = 'live';
    for (const entry of this.sends.values()) if (entry.state === 'pending') this.#transmitSend(entry);
    for (const conv of this.channels.keys()) this.#resubscribe(conv);
  }

  #onNumbered(frame) {
    if (frame.n <= this.cursor.n) {
      this.repeats += 1;
      return;
    }
    this.cursor.n = frame.n;
    this.unacknowledged += 1;
    if (this.unacknowledged > this.window) this.#fault(`${this.unacknowledged} events unacknowledged, with a window of ${this.window}`);
    this.events.push(frame);
    if (ENTRY_TYPES.has(frame.type)) this.#onEntry(frame);
    else if (frame.type === 'receipt') this.#onReceipt(frame);
    else if (frame.type === 'member' && frame.user === this.user) this.lastSeq.delete(frame.conv); // what came while away is not ours
    this.#acknowledgeSoon();
  }

  #onEntry(frame) {
    const last = this.lastSeq.get(frame.conv);
    this.lastSeq.set(frame.conv, frame.seq);
    if (last !== undefined && frame.seq !== last + 1) this.#fault(`${frame.conv}: seq ${frame.seq} was shown after ${last}`);
    if (frame.body === undefined && frame.type === 'message' && frame.deleted !== true && !(frame.from === this.user && this.sends.has(frame.op)))
      this.#fault(`${frame.conv}: seq ${frame.seq} came without a body to a device that does not have it`);
    if (!this.fromHistory.get(frame.conv)?.delete(frame.seq)) this.#show(frame);
  }

  #show(frame) {
    if (!this.seqs.has(frame.conv)) this.seqs.set(frame.conv, new Set());
    this.seqs.get(frame.conv).add(frame.seq);
    this.shown.push({
      era: this.era,
      n: frame.n,
      conv: frame.conv,
      seq: frame.seq,
      op: frame.op,
      type: frame.type,
      ref: frame.ref,
      deleted: frame.deleted,
      from: frame.from,
      body: frame.body === undefined ? this.sends.get(frame.op)?.body : frame.body,
      at_ms: Date.now(),
    });
  }

  #onReceipt({ conv, user, delivered, read }) {
    if (!this.receipts.has(conv)) this.receipts.set(conv, new Map());
    const before = this.receipts.get(conv).get(user) ?? { delivered: 0, read: 0 };
    if (delivered < before.delivered || read < before.read)
      this.#fault(`${conv}: receipt of ${user} fell from ${JSON.stringify(before)} to ${JSON.stringify({ delivered, read })}`);
    if (read > delivered) this.#fault(`${conv}: ${user} read ${read}, which is more than the ${delivered} delivered`);
    this.receipts.get(conv).set(user, { delivered, read });
  }

  #onUnnumbered(frame) {
    this.frames[frame.type]?.push({ ...frame, at_ms: Date.now() });
    switch (frame.type) {
      case 'caught_up':
        this.caughtUp = true;
        break;
      case 'typing': {
        if (!this.typing.has(frame.conv)) this.typing.set(frame.conv, new Map());
        if (frame.active) {
          const ends_ms = Date.now() + frame.ttl_ms;
          this.typing.get(frame.conv).set(frame.user, ends_ms);
          when(ends_ms, () => this.changed());
        } else {
          this.typing.get(frame.conv).delete(frame.user);
        }
        break;
      }
      case 'presence':
        this.presence.set(frame.user, frame);
        break;
      case 'goaway':
        this.#goaway = frame;
        break;
      case 'gap': {
        const since = new Map(this.lastSeq);
        this.cursor.n = Math.max(this.cursor.n, frame.to);
        this.lastSeq.clear(); // the hole was told: what is missing comes by reload
        this.#reloadSoon(since);
        break;
      }
      case 'reset':
        this.cursor = { epoch: frame.epoch, n: frame.head };
        this.era += 1;
        this.unacknowledged = 0;
        this.lastSeq.clear();
        this.seqs.clear();
        this.fromHistory.clear();
        this.receipts.clear();
        this.#reloadSoon();
        break;
      case 'error':
        this.lastError = frame;
        if (this.channels.has(frame.conv)) this.channels.get(frame.conv).ended = frame.code;
        break;
      case 'subscribed':
        if (frame.recovered) this.#fault(`subscribed came by itself, and nothing is lost: ${JSON.stringify(frame)}`);
        this.#onSubscribed(frame);
        break;
      case 'message':
      case 'edit':
      case 'delete':
      case 'react':
        this.#onChannelEntry(frame);
        break;
      case 'signal':
      case 'token_expiring':
        break;
      default:
        this.#fault(`a frame of unknown type ${frame.type}`);
    }
  }

  #reloadSoon(since) {
    this.reload(since).catch((error) => this.#note('!', `reload: ${error.message}`));
  }

  isTyping(conv, user) {
    return (this.typing.get(conv)?.get(user) ?? 0) > Date.now();
  }

  // ---- the wire -----------------------------------------------------------------------------------------------------

  #transmit(frame, request) {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#requests.set(id, request);
    this.#write({ type: frame.type, id, ...frame });
  }

  #write(frame) {
    const text = JSON.stringify(frame);
    this.#judged(this.judge?.request(JSON.parse(text))); // without what is undefined
    this.#note('>', frame.type === 'hello' ? text.replace(/"token":"[^"]*"/, '"token":"…"') : text);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  #judged(wrong) {
    if (wrong) this.#fault(wrong);
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
