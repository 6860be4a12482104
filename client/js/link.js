// SPDX-License-Identifier: Apache-2.0
//
// link.js: one connection to the hub, and when to have the next.
//
//              start             up: hello          welcome
//      off ------------> connecting ----------------------------> online
//       ^                  |     ^                                  |
//       |                  v     '---- due, or a hint ----.         v
//       '-- stop()      stopped <---- 44xx ---------- waiting <---- lost: closed, silent
//
// What must stay true:
//   1. There is one transport at most, and one that was left has no say any more.
//   2. Frames are handled in the order in which they came; what came in one breath is one transaction.
//   3. A request is answered, late, or ended with its session: exactly one of them.
import { isPlace } from './check.js';
import { BelfryError } from './errors.js';
import { LIMIT, QUIET_TIMES, TIME } from './limits.js';
import { forgetRetry, newRetry, stepRetry, tuneRetry } from './retry.js';

const PROTOCOL = 'belfry.v1';

export class Link {
  state = 'off';
  session = null;     // the latest welcome
  retry = newRetry();
  maxFrame = LIMIT.frameBytes;
  window = 256;
  until = 0;          // when a wait ends
  #client;
  #on;                // what happens above: hello(), welcome(frame, batch), online(), frames(frames), lost(reload)
  #attempt;           // whose transport it is (1)
  #transport;
  #token;
  #requests = new Map(); // id -> { reply, late, ended, timer }
  #nextId = 1;
  #heard = [];        // frames that came and are not handled yet
  #goaway = 0;
  #soonest = 0;       // before this no hint ends the wait, as the hub named its delay; 0: any does
  #welcomedAt = 0;
  #heardAt = 0;
  #timer;             // of the state: open, wait, or heartbeat
  #pinged = false;
  #dialledAt = 0;
  #quiet = false;     // in the background

  constructor(client, on) {
    this.#client = client;
    this.#on = on;
  }

  get isOnline() {
    return this.state === 'online';
  }

  #become(state, more = {}) {
    this.state = state;
    this.#client.emit('state', { state, ...more });
  }

  #setTimer(ms, work) {
    const { clock } = this.#client;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#client.turn(work), ms);
  }

  // -- Coming and going. All in turns.

  start() {
    if (this.state !== 'off' && this.state !== 'stopped') return;
    this.retry = forgetRetry(this.retry);
    this.#dial();
  }

  async stop() {
    if (this.state === 'off') return;
    this.#leave();
    this.#token = undefined; // the next start() may be another day
    await this.#on.lost(); // before the app hears of it: what was under way is pending
    this.#become('off');
  }

  // Leaves whatever is under way (1).
  #leave() {
    this.#client.clock.clearTimeout(this.#timer);
    const transport = this.#transport;
    this.#attempt = undefined;
    this.#transport = undefined;
    this.#heard = [];
    this.#pinged = false;
    transport?.close();
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) {
      this.#client.clock.clearTimeout(request.timer);
      request.ended?.(new BelfryError('lost', 'the connection was lost before the reply', { temporary: true })); // (3)
    }
  }

  // The token is asked for outside of turns: it may take its time, and nothing else waits for it.
  #dial() {
    const attempt = {};
    this.#attempt = attempt;
    this.#goaway = 0;
    this.#dialledAt = this.#client.clock.now();
    this.#become('connecting');
    this.#setTimer(TIME.open, () => this.#ended({ reason: 'no welcome in time' }));
    if (this.#token) {
      this.#connect(attempt);
      return;
    }
    const ifMine = (work) => (value) => this.#client.turn(() => (this.#attempt === attempt ? work(value) : undefined));
    this.#fetchToken().then(ifMine(() => this.#connect(attempt)), ifMine((error) => this.#ended({
      hint_ms: error?.retry_after_ms, reason: `no token: ${error?.message}`, stop: error?.final === true,
    })));
  }

  async #fetchToken() {
    const { options, user, device } = this.#client;
    const token = await options.token({ user, device });
    if (typeof token !== 'string' || token === '') throw new BelfryError('no_token', 'the token callback gave no token');
    this.#token = token;
    return token;
  }

  #connect(attempt) {
    const client = this.#client;
    client.metrics.count('connects');
    const isMine = () => this.#attempt === attempt;
    try {
      this.#transport = client.options.dial({
        url: client.options.url,
        protocol: PROTOCOL,
        onOpen: () => client.turn(() => (isMine() ? this.#hello() : undefined)),
        onText: (text) => { if (isMine()) this.#text(text, attempt); },
        onClose: (end) => client.turn(() => (isMine() ? this.#ended(end) : undefined)),
      });
    } catch (error) { // a bad URL, or a page that may not connect
      client.turn(() => (isMine() ? this.#ended({ reason: error.message }) : undefined));
    }
  }

  #hello() {
    this.#heardAt = this.#client.clock.now();
    const frame = { type: 'hello', token: this.#token, device: this.#client.device, ...this.#on.hello(), client: this.#client.options.name };
    this.request(frame, {
      reply: (reply, batch) => (reply.type === 'welcome' ? this.#welcome(reply, batch) : this.#unwelcome(reply, batch)),
    });
  }

  async #welcome(frame, batch) {
    if (frame.user !== this.#client.user) {
      this.#unwelcome({ code: 'forbidden', message: `the token is of ${frame.user}, and the store of ${this.#client.user}` }, batch);
      return;
    }
    this.session = frame;
    this.retry = tuneRetry(this.retry, frame.retry ?? {});
    if (isPlace(frame.max_frame) && frame.max_frame >= 1024) this.maxFrame = frame.max_frame;
    if (isPlace(frame.window) && frame.window > 0) this.window = frame.window;
    this.#client.metrics.count('welcomes');
    await this.#on.welcome(frame, batch);
    batch.after(() => {
      this.#welcomedAt = this.#client.clock.now();
      this.#become('online', { welcome: frame });
      this.#beat();
      this.#on.online();
    });
  }

  // Most often a close follows, which says what to do.
  #unwelcome(frame, batch) {
    const error = BelfryError.ofFrame(frame);
    batch.after(() => {
      this.#client.emit('problem', error);
      if (error.code === 'bad_request' || error.code === 'forbidden') this.#client.turn(() => this.#ended({ code: 4400, reason: error.message }));
    });
  }

  // A connection, or an attempt at one, has ended.
  async #ended(end) {
    const wasOnline = this.isOnline;
    const { clock, metrics } = this.#client;
    this.#leave();
    if (wasOnline && !(end.code >= 4000 && end.code <= 4999)) metrics.count('losses');
    const alive_ms = wasOnline ? Math.max(1, clock.now() - this.#welcomedAt) : 0;
    const { retry, plan } = stepRetry(this.retry, { code: end.code, status: end.status, hint_ms: this.#goaway || end.hint_ms, alive_ms }, this.#client.chance());
    this.retry = retry;
    if (plan.need === 'token' || plan.stop) this.#token = undefined;
    this.state = 'waiting'; // nothing is sent while the rest learns of it
    try {
      await this.#on.lost(plan.need === 'reload');
    } catch (error) { // the next connection does not wait for the store
      this.#client.emit('problem', BelfryError.of(error));
    }
    const why = { code: end.code ?? 0, reason: end.reason ?? '' };
    if (plan.stop || end.stop) {
      this.#become('stopped', why);
      return;
    }
    this.#soonest = plan.told ? clock.now() + plan.delay_ms : 0;
    this.#wait(plan.delay_ms + (this.#quiet ? retry.max_ms : 0), why);
  }

  #wait(delay_ms, why) {
    this.until = this.#client.clock.now() + delay_ms;
    this.#become('waiting', { ...why, delay_ms, until: this.until });
    this.#setTimer(delay_ms, () => (this.state === 'waiting' ? this.#dial() : undefined));
  }

  // What came cannot be kept: as if it had never come.
  fail(reason) {
    return this.#attempt ? this.#ended({ reason }) : undefined;
  }

  // online: the network is back, or is another one, and our line was of the one before. offline: the line is not worth waiting for.
  // foreground: somebody looks. background: nobody does, and each word costs the battery.
  hint(what) {
    if (what === 'offline') return this.fail('there is no network');
    if (what === 'background') this.#quiet = true;
    if (what === 'foreground') this.#quiet = false;
    if (what === 'online' || what === 'foreground') this.#comeBack(what === 'online' ? 0 : TIME.quiet);
    return undefined;
  }

  #comeBack(quiet_ms) {
    const now = this.#client.clock.now();
    const stuck = this.state === 'connecting' && now - this.#dialledAt > TIME.stuck;
    if (this.isOnline) {
      this.#probe(quiet_ms);
      if (!this.#pinged) this.#beat();
    } else if (stuck || (this.state === 'waiting' && this.#soonest <= now)) {
      this.#leave();
      this.retry = forgetRetry(this.retry);
      this.#dial();
    } else if (this.state === 'waiting' && this.#soonest < this.until) {
      this.#wait(this.#soonest - now, { code: 0, reason: '' }); // without what nobody's looking added
    }
  }

  // -- Frames

  #text(text, attempt) {
    let heard;
    try {
      heard = JSON.parse(text);
    } catch {
      this.#client.metrics.count('malformed');
      return;
    }
    const frames = (Array.isArray(heard) ? heard : [heard]).filter((frame) => typeof frame?.type === 'string');
    if (frames.length === 0) return;
    this.#heardAt = this.#client.clock.now();
    this.#pinged = false;
    if (this.#heard.length === 0) this.#client.turn(() => (this.#attempt === attempt ? this.#drain() : undefined));
    this.#heard.push(...frames);
  }

  async #drain() {
    const frames = this.#heard;
    this.#heard = [];
    for (const frame of frames) this.#client.emit('frame', { dir: 'in', frame });
    await this.#on.frames(frames); // (2)
  }

  // What is about the connection itself. Answers whether it was.
  async take(frame, batch) {
    if (frame.id !== undefined) {
      const request = this.#requests.get(frame.id);
      this.#requests.delete(frame.id);
      this.#client.clock.clearTimeout(request?.timer);
      await request?.reply(frame, batch);
      return true;
    }
    if (frame.type === 'goaway') this.#goaway = Number.isFinite(frame.retry_after_ms) ? frame.retry_after_ms : 0;
    else if (frame.type === 'token_expiring') batch.after(() => this.#freshToken());
    else return false;
    return true;
  }

  async #freshToken() {
    const attempt = this.#attempt;
    try {
      const token = await this.#fetchToken();
      await this.#client.turn(() => {
        if (this.#attempt === attempt && this.isOnline) this.request({ type: 'auth', token }, { reply: () => {} });
      });
    } catch (error) {
      this.#client.emit('problem', new BelfryError('no_token', `no fresh token: ${error?.message}`, { temporary: true, cause: error }));
    }
  }

  // The token says something else now.
  renewToken() {
    this.#token = undefined;
    if (this.isOnline) this.#freshToken();
  }

  // The next who needs one asks for another.
  forgetToken() {
    this.#token = undefined;
  }

  // For a background sync; not in a turn.
  async token() {
    return this.#token ?? this.#fetchToken();
  }

  send(frame) {
    if (!this.#transport) return;
    this.#client.emit('frame', { dir: 'out', frame });
    this.#transport.send(JSON.stringify(frame));
  }

  // reply(frame, batch) in the transaction of the frames it came with; late(batch): no reply in time; ended(error): the
  // connection was lost. (3)
  request(frame, { reply, late, ended }) {
    const id = this.#nextId++;
    const timer = this.#client.clock.setTimeout(() => this.#client.turn(() => this.#late(id, late)), TIME.reply);
    this.#requests.set(id, { reply, late, ended, timer });
    this.send({ ...frame, id });
  }

  async #late(id, late) {
    if (!this.#requests.delete(id) || !late) return;
    const batch = this.#client.batch();
    await late(batch);
    await batch.commit();
    await this.#client.outbox.pump();
    this.#probe(TIME.quiet);
  }

  // -- Heartbeat: page scripts do not see the hub's WebSocket pings, so a silent line is asked.

  #beat() {
    const pingMs = isPlace(this.session.ping_ms) && this.session.ping_ms >= 1000 ? Math.min(this.session.ping_ms, TIME.hintMax) : 25000;
    const now = this.#client.clock.now();
    if (this.#heardAt > now) this.#heardAt = now; // the clock was set back
    const due = this.#heardAt + pingMs * (this.#quiet ? QUIET_TIMES : 1) + (this.#pinged ? TIME.pong : 0);
    if (now < due) {
      this.#setTimer(due - now, () => (this.isOnline ? this.#beat() : undefined));
      return undefined;
    }
    if (this.#pinged) return this.#ended({ reason: 'no pong' });
    this.#ping(TIME.pong);
    return undefined;
  }

  #ping(patience_ms) {
    this.#pinged = true;
    const sentAt = this.#client.clock.now();
    this.send({ type: 'ping', id: this.#nextId++ });
    this.#setTimer(patience_ms, () => {
      if (!this.isOnline) return undefined;
      return this.#heardAt >= sentAt && !this.#pinged ? this.#beat() : this.#ended({ reason: 'no pong' });
    });
  }

  // Something suggests that the line may be dead.
  #probe(quiet_ms) {
    if (this.isOnline && !this.#pinged && this.#client.clock.now() - this.#heardAt >= quiet_ms) this.#ping(TIME.pong);
  }
}
