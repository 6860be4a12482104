// SPDX-License-Identifier: Apache-2.0
//
// client.js: a device of a user: what the app calls, and what happens with what the hub says.
//
//      client ---- outbox     what the app has sent and the hub is not known to have stored
//        |------- inbox       events, once each, acknowledged when they are on disk
//        |------- channels, reading, reload, report, sync
//        |------- link        the connection: retry, transport
//        '------- store       log, view; an adapter: memory, IndexedDB, a file, or the app's own
//
// What must stay true:
//   1. All that changes runs in turns (turns.js), and each turn changes the store by transactions (batch.js).
//   2. What the app is told is on disk.
import { isPlace, listOf, textOf } from './check.js';
import { Batch } from './batch.js';
import { Channels } from './channels.js';
import { BelfryError } from './errors.js';
import { chance32, isId, uuidv7 } from './ids.js';
import { Inbox } from './inbox.js';
import { LIMIT, TIME } from './limits.js';
import { Link } from './link.js';
import { conversationOf, keysOf, putPage, raise } from './log.js';
import { Metrics } from './metrics.js';
import { Outbox } from './outbox.js';
import { Reading } from './reading.js';
import { Reload } from './reload.js';
import { Report } from './report.js';
import { waitOf } from './retry.js';
import { Sync } from './sync.js';
import { systemClock, webSocketDial } from './transport.js';
import { Turns } from './turns.js';
import { messagesOf } from './view.js';

const EPHEMERAL = new Set(['typing', 'signal', 'presence']);

// Of the hub alone, as in https://hub.example, or of its WebSocket, wherever a proxy has put that.
function addressesOf(text) {
  const [, tls, host, path = '/', query = ''] = /^(?:ws|http)(s?)(:\/\/[^\s/?#]+)(\/[^\s?#]*)?(\?[^\s#]*)?/.exec(text) ?? []; // React Native's URL is no whole one
  if (!host) throw new BelfryError('bad_request', 'options.url must be ws://… or wss://…');
  const whole = path === '/' ? '/v1/ws' : path;
  return { url: `ws${tls}${host}${whole}${query}`, syncUrl: `http${tls}${host}${whole.replace(/[^/]*$/, '')}sync` };
}

function settingsOf(options) {
  if (typeof options.token !== 'function') throw new BelfryError('bad_request', 'options.token must be a function that gives a token');
  if (!isId(options.user)) throw new BelfryError('bad_request', 'options.user must be the user\'s id');
  const { report_ms = 0 } = options;
  if (report_ms !== 0 && !(report_ms >= TIME.report)) throw new BelfryError('bad_request', `options.report_ms is 0, or ${TIME.report} or more`);
  const { url, syncUrl } = addressesOf(options.url);
  const dial = options.dial ?? ((what) => webSocketDial(options.WebSocket ?? globalThis.WebSocket)(what));
  if (!options.dial && !options.WebSocket && !globalThis.WebSocket) throw new BelfryError('bad_request', 'there is no WebSocket here: give options.WebSocket');
  return {
    name: 'belfry-js/1', chance: () => chance32(options.random), ...options, url, dial, syncUrl: options.syncUrl ?? syncUrl,
    fetch: options.fetch ?? ((...what) => globalThis.fetch(...what)),
  };
}

export class Client {
  #turns = new Turns();
  #listeners = new Map(); // type -> Set of functions
  #watched = new Set();
  #status = 'online';
  #unhint = () => {};

  // The client, with its store open, not started yet. See openClient() in index.js.
  static async open(options) {
    const client = new Client(options);
    await client.#open();
    return client;
  }

  constructor(options) {
    this.options = settingsOf(options);
    this.user = options.user;
    this.device = options.device;
    this.clock = options.clock ?? systemClock;
    this.store = options.store;
    this.isClosed = false;
    this.metrics = new Metrics();
    this.outbox = new Outbox(this);
    this.inbox = new Inbox(this);
    this.channels = new Channels(this);
    this.reading = new Reading(this);
    this.reload = new Reload(this);
    this.report = new Report(this);
    this.sync = new Sync(this);
    this.link = new Link(this, {
      hello: () => (this.inbox.cursor ? { cursor: this.inbox.cursor } : {}),
      welcome: (frame, batch) => this.#welcome(frame, batch),
      online: () => this.#online(),
      frames: (frames) => this.#frames(frames),
      lost: (reload) => this.#lost(reload),
    });
  }

  async #open() {
    await this.store.open();
    const batch = this.batch();
    const user = await this.store.get('meta', 'user');
    if (user !== undefined && user !== this.user) {
      await this.store.close();
      throw new BelfryError('forbidden', `the store is of ${user}`);
    }
    const kept = await this.store.get('meta', 'device');
    if (this.device !== undefined && kept !== this.device) this.#own(batch, this.device);
    else if (kept === undefined) this.#own(batch, `js-${uuidv7(this.clock.now(), this.options.random).slice(-12)}`);
    else this.device = kept;
    await batch.commit();
    for (const part of [this.inbox, this.channels, this.reading, this.reload, this.report, this.outbox]) await part.load(this.store);
  }

  #own(batch, device) {
    if (!isId(device)) throw new BelfryError('bad_request', 'options.device is no id');
    this.device = device;
    batch.put('meta', 'user', this.user);
    batch.put('meta', 'device', device);
  }

  // -- Inside

  batch() {
    return new Batch(this.store);
  }

  // A failed turn that nobody waits for is told to the app.
  turn(work) {
    return this.#turns.run(() => (this.isClosed ? undefined : work())).catch((error) => {
      this.emit('problem', BelfryError.of(error));
      if (!(error instanceof BelfryError)) throw error;
    });
  }

  // One that the app waits for.
  #call(work) {
    return this.#turns.run(() => {
      if (this.isClosed) throw new BelfryError('closed', 'the client is closed');
      return work();
    });
  }

  chance() {
    return this.options.chance();
  }

  emit(type, news) {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        listener(news);
      } catch (error) {
        systemClock.setTimeout(() => { throw error; }, 0); // the app's fault, told as such, and not ours to fall over
      }
    }
  }

  // -- What the hub says

  begin(cursor, batch) {
    this.inbox.move(cursor, batch);
    this.reload.need(batch);
  }

  async #welcome(frame, batch) {
    if (!this.inbox.cursor) this.begin({ epoch: textOf(frame.epoch), n: isPlace(frame.cursor) ? frame.cursor : 0 }, batch);
    batch.after(() => this.metrics.welcomed(this.clock.now()));
  }

  #online() {
    this.reload.begin();
    this.channels.welcomed();
    if (this.#status !== 'online') this.link.request({ type: 'status', status: this.#status }, { reply: () => {} });
    const users = [...this.#watched];
    for (let at = 0; at < users.length; at += LIMIT.watch) this.#watch(users.slice(at, at + LIMIT.watch), () => {}, () => {});
    this.reading.welcomed();
  }

  async #frames(frames) {
    const batch = this.batch();
    try {
      for (const frame of frames) await this.#take(frame, batch);
      await batch.commit();
    } catch (error) {
      // Nothing of it is on disk, so nothing is acknowledged: the next connection brings it again.
      this.emit('problem', BelfryError.of(error));
      await this.link.fail(`frames could not be kept: ${error.message}`);
      return;
    }
    await this.outbox.pump();
    await this.report.look();
    this.inbox.acknowledgeSoon();
  }

  async #take(frame, batch) {
    if (await this.link.take(frame, batch)) return;
    if (await this.inboxFrame(frame, batch) !== undefined) return;
    if (frame.type === 'caught_up') {
      batch.after(() => {
        this.metrics.caughtUp(this.clock.now());
        this.emit('caught_up', frame);
      });
    } else if (EPHEMERAL.has(frame.type)) {
      batch.after(() => this.emit(frame.type, frame));
    } else if (!await this.channels.take(frame, batch)) {
      batch.after(() => this.emit(frame.type === 'error' ? 'problem' : 'event', frame.type === 'error' ? BelfryError.ofFrame(frame) : frame));
    }
  }

  // What is about our place in the inbox. Answers true if it was new, false if it was not, undefined if it is something else.
  async inboxFrame(frame, batch) {
    if (frame.type === 'gap') return this.#gap(frame, batch);
    if (frame.type === 'reset') return this.#reset(frame, batch);
    return this.inbox.isEvent(frame) ? this.inbox.event(frame, batch) : undefined;
  }

  #gap(frame, batch) {
    const place = batch.cursor ?? this.inbox.cursor;
    if (!place || !isPlace(frame.to) || frame.to <= place.n) return false;
    this.begin({ epoch: place.epoch, n: frame.to }, batch);
    batch.after(() => {
      this.inbox.unacked++;
      this.metrics.count('gaps');
      this.emit('gap', frame);
      this.reload.begin();
    });
    return true;
  }

  // The store lost its past: ours is worth nothing, but for the outbox.
  async #reset(frame, batch) {
    if (typeof frame.epoch !== 'string' || !isPlace(frame.head)) return false;
    const rows = await batch.range('conversations');
    for (const table of ['entries', 'conversations', 'receipts']) batch.clear(table);
    this.inbox.move({ epoch: frame.epoch, n: frame.head }, batch);
    this.reload.need(batch, rows.filter(({ last, ahead }) => last > 0 || ahead?.length > 0).map(({ conv }) => conv));
    batch.after(() => {
      this.inbox.unacked = 0;
      this.reading.wanted.clear();
      this.metrics.count('resets');
      this.emit('reset', frame);
      this.reload.begin();
    });
    return true;
  }

  async #lost(reload) {
    this.inbox.lost();
    this.reload.lost();
    await this.outbox.lost();
    if (!reload) return;
    const batch = this.batch();
    this.reload.need(batch);
    await batch.commit().catch((error) => {
      batch.tell(); // due as long as we live
      throw error;
    });
  }

  // A page of history. In a batch, as it may hold own messages whose reply was lost.
  async putPage(conv, page, batch) {
    const changed = await putPage(conv, listOf(page.entries), batch);
    for (const { row } of changed) {
      const item = row.from === this.user ? this.outbox.find(row.op, conv, batch) : undefined;
      if (item) await this.outbox.settle(item, row.seq, batch);
    }
    this.inbox.tell(changed, batch);
  }

  // -- Coming and going

  start() {
    return this.#call(() => this.link.start());
  }

  stop() {
    return this.#call(async () => {
      this.inbox.acknowledge();
      await this.link.stop();
      this.report.halt();
      const batch = this.batch();
      this.report.keep(batch);
      await batch.commit().catch(() => batch.tell()); // what is not reported is no reason not to stop
    });
  }

  // online, offline, foreground, background
  hint(what) {
    return this.#call(() => {
      if (what === 'background') this.inbox.acknowledge(); // the page may be frozen the next moment
      return this.link.hint(what);
    });
  }

  // What the user may do has changed: a fresh token, for this session and the next.
  renewToken() {
    return this.#call(() => this.link.renewToken());
  }

  // Hints from the page itself.
  followPage() {
    const target = globalThis.window;
    const page = globalThis.document;
    if (!target?.addEventListener || !page?.addEventListener) return;
    const hint = (what) => { this.hint(what).catch(() => {}); };
    const handlers = [[target, 'online', () => hint('online')], [target, 'offline', () => hint('offline')],
      [page, 'visibilitychange', () => hint(page.visibilityState === 'visible' ? 'foreground' : 'background')]];
    for (const [where, type, handler] of handlers) where.addEventListener(type, handler);
    this.#unhint = () => { for (const [where, type, handler] of handlers) where.removeEventListener(type, handler); };
  }

  async close() {
    if (this.isClosed) return;
    this.#unhint();
    await this.stop();
    try {
      await this.#turns.run(async () => {
        this.isClosed = true;
        this.outbox.close();
        await this.store.close();
      });
    } finally {
      await this.options.release?.();
    }
  }

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  // When all that was begun is done, replies of the hub excepted.
  idle() {
    return this.#turns.idle();
  }

  // -- Sending

  send(conv, body, { kind, ref, push, op } = {}) {
    return this.#call(() => this.outbox.add({ conv, body, kind, ref, push, op }));
  }

  edit(target, body) {
    return this.#call(() => this.outbox.edit(target, body));
  }

  remove(target) {
    return this.#call(() => this.outbox.remove(target));
  }

  react(target, body) {
    return this.#call(() => this.outbox.react(target, body));
  }

  cancel(op) {
    return this.#call(() => this.outbox.cancel(op));
  }

  retry(op) {
    return this.#call(() => this.outbox.retry(op));
  }

  read(conv, seq) {
    return this.#call(() => this.reading.read(conv, seq));
  }

  // -- Asking

  // Any request that has a reply, on the present session only.
  async request(type, fields = {}) {
    return (await this.#call(() => ({ reply: this.#ask({ ...fields, type }) }))).reply;
  }

  #ask(frame, handle = async () => {}) {
    return new Promise((resolve, reject) => {
      if (!this.link.isOnline) {
        reject(new BelfryError('offline', 'not connected', { temporary: true }));
        return;
      }
      this.link.request(frame, {
        reply: async (reply, batch) => {
          if (reply.type !== 'error') await handle(reply, batch);
          batch.after(() => (reply.type === 'error' ? reject(BelfryError.ofFrame(reply)) : resolve(reply)));
        },
        late: () => reject(new BelfryError('no_reply', 'no reply in time', { temporary: true })),
        ended: reject,
      });
    });
  }

  // typing, and what else has no reply and may be lost.
  tell(type, fields = {}) {
    return this.#call(() => { if (this.link.isOnline) this.link.send({ ...fields, type }); });
  }

  typing(conv, active = true) {
    return this.tell('typing', { conv, active });
  }

  signal(conv, body) {
    return this.request('signal', { conv, body });
  }

  // Entries older than those we have, or the newest if there are none. Answers whether there are more.
  async loadOlder(conv, limit = 50) {
    return (await this.#call(async () => {
      const { first } = await conversationOf(conv, this.batch());
      return { more: this.#history(conv, first > 0 ? { before: first, limit } : { limit }) };
    })).more;
  }

  // The newest, whatever we have: what became of them while we were not told.
  async loadLatest(conv, limit = LIMIT.page) {
    return (await this.#call(() => ({ more: this.#history(conv, { limit }) }))).more;
  }

  async #history(conv, range) {
    const page = await this.#ask({ type: 'history', conv, ...range }, (reply, batch) => this.putPage(conv, reply, batch));
    return page.more === true;
  }

  async members(conv) {
    const { reply } = await this.#call(() => ({
      reply: this.#ask({ type: 'members', conv }, async ({ items }, batch) => {
        const row = await conversationOf(conv, batch);
        const since = (user) => row.members?.find((member) => member.user === user)?.since ?? 0;
        const good = listOf(items).filter((item) => isId(item.user));
        for (const { user, delivered, read } of good) if (isPlace(delivered) && isPlace(read)) await raise(conv, user, { delivered, read }, batch);
        batch.put('conversations', conv, { ...row, members: good.map(({ user, role }) => ({ user, role, since: since(user) })), removed: false });
      }),
    }));
    return (await reply).items;
  }

  async subscribe(conv) {
    if (!isId(conv)) throw new BelfryError('bad_request', 'conv is no id');
    const { subscribed } = await this.#call(() => this.channels.subscribe(conv));
    return subscribed;
  }

  unsubscribe(conv) {
    return this.#call(() => this.channels.unsubscribe(conv));
  }

  // Followed until unwatch(), over all reconnects. Settles with their presence, if we are connected.
  async watch(users) {
    const { presence } = await this.#call(() => {
      for (const user of users) this.#watched.add(user);
      return { presence: new Promise((resolve, reject) => this.#watch(users, resolve, reject)) };
    });
    return presence;
  }

  #watch(users, resolve, reject) {
    if (!this.link.isOnline || users.length === 0) {
      resolve([]);
      return;
    }
    this.#ask({ type: 'watch', users }).then(({ presence }) => {
      for (const each of listOf(presence)) this.emit('presence', each);
      resolve(listOf(presence));
    }).catch((error) => {
      if (error.temporary) this.#watchAgain(users, error.retry_after_ms);
      reject(error);
    });
  }

  // Those who are watched still; in this session, as the next one asks for all.
  #watchAgain(users, wait_ms) {
    const { session } = this.link;
    this.clock.setTimeout(() => this.turn(() => {
      if (this.link.session === session) this.#watch(users.filter((user) => this.#watched.has(user)), () => {}, () => {});
    }), waitOf(wait_ms, TIME.again));
  }

  async unwatch(users) {
    for (const user of users) this.#watched.delete(user);
    if (this.link.isOnline) await this.request('unwatch', { users });
  }

  // online, away, invisible; said again after each welcome.
  async setStatus(status) {
    this.#status = status;
    if (this.link.isOnline) await this.request('status', { status });
  }

  syncOnce(deadline_ms = 20000) {
    return this.sync.once(deadline_ms);
  }

  // -- Looking. What is stored, also when offline.

  messages(conv, { before, limit } = {}) {
    return this.#call(() => messagesOf({ conv, before, limit }, { batch: this.batch(), user: this.user, items: this.outbox.sorted() }));
  }

  conversation(conv) {
    return this.#call(() => conversationOf(conv, this.batch()));
  }

  conversations() {
    return this.#call(() => this.batch().range('conversations'));
  }

  receipts(conv) {
    return this.#call(async () => {
      const rows = await this.batch().range('receipts', keysOf(conv));
      return Object.fromEntries(rows.map(({ user, delivered, read }) => [user, { delivered, read }]));
    });
  }

  notifications() {
    return this.#call(async () => {
      const found = [];
      for (const n of this.inbox.notices) found.push(await this.batch().get('notices', String(n)));
      return found.filter(Boolean);
    });
  }

  pending() {
    return this.outbox.sorted();
  }

  get cursor() {
    return this.inbox.cursor;
  }

  get state() {
    return this.link.state;
  }

  measure() {
    return this.metrics.read([...this.outbox.items.values()], this.clock.now());
  }
}
