// SPDX-License-Identifier: Apache-2.0
//
// link.js: one connection to the hub, and when to have the next.
//
//                  connect()        onopen: hello       welcome
//      offline ----------------> connecting ----------------> online
//         ^  ^                     |      ^                     |
//         |  '--- 44xx, no token --'      '-- wait(): backoff --+   lost: closed, silent, or no reply to hello
//         '----------------------- cut() -----------------------'
//
// What must stay true:
//   1. There is one socket at most, and a socket that was left has no say any more (forget).
//   2. A reply is handled at once, before the next frame of the same WebSocket message.
//   3. Only a session that stayed for retry.reset_ms makes the next backoff begin anew.
import { journal } from './journal.js';
import { RETRY, TIME } from './limits.js';
import { afterClose, backoff } from './retry.js';

const PROTOCOL = 'belfry.v1';

export const link = {
  user: '',
  room: '',
  device: '',
  ws: null,
  live: false,      // past welcome
  turn: 0,          // whoever waited for something in an older turn finds that it is no longer asked for
  attempt: 0,
  retry: RETRY,
  session: null,    // the latest welcome
  token: null,      // { text, until }
  goaway: null,     // ms the hub asked us to wait
  replies: new Map(),
  nextId: 1,
  timer: 0,
  healthyTimer: 0,
  heard: 0,
  pinging: false,
  on: {},           // set at the start: cursor(), welcome(frame), frame(frame), lost(), resync(), shown()
  shown: { state: 'connecting', text: 'Connecting', until: 0, retryable: false },

  open(user, room, device) {
    Object.assign(this, { user, room, device, token: null, attempt: 0, retry: RETRY });
    this.connect();
  },

  show(state, text, until = 0, retryable = false) {
    this.shown = { state, text, until, retryable };
    this.on.shown();
  },

  // Leaves whatever is under way (1). A browser has no way to drop a TCP connection, so we say goodbye and do not wait for
  // the answer; what still arrives on the old socket is not looked at, as if the cable were cut.
  forget() {
    this.turn++;
    clearTimeout(this.timer);
    clearTimeout(this.healthyTimer);
    const ws = this.ws;
    const wasLive = this.live;
    this.ws = null;
    this.live = false;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = ws.onerror = null;
      ws.close();
    }
    for (const reply of this.replies.values()) {
      clearTimeout(reply.timer);
      reply.reject({ code: 'lost', temporary: true });
    }
    this.replies.clear();
    if (wasLive) this.on.lost();
  },

  async connect() {
    this.forget();
    const turn = this.turn;
    this.show('connecting', 'Connecting', 0, this.shown.retryable);
    let token;
    try {
      token = await this.getToken();
    } catch (problem) {
      if (turn !== this.turn) return;
      journal.note(problem.message);
      if (problem.final) this.show('offline', problem.message, 0, true);
      else this.wait(problem.afterMs);
      return;
    }
    if (turn !== this.turn) return;
    const ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`, PROTOCOL);
    this.ws = ws;
    this.timer = setTimeout(() => this.lost('No welcome in time', 'backoff'), TIME.open);
    ws.onopen = () => {
      journal.note('Connected');
      const cursor = this.on.cursor();
      this.request({ type: 'hello', token, ...(cursor && { cursor }), client: 'belfry-demo/1' }, (frame) => this.welcome(frame))
        .catch((error) => { if (error.code !== 'lost') journal.note(`No welcome: ${error.code}`); });
    };
    ws.onmessage = (event) => this.receive(event.data);
    ws.onclose = (event) => {
      const what = event.code === 1006 ? 'Connection lost' : `Closed ${event.code} ${event.reason}`.trim();
      this.lost(what, afterClose(event.code), event.code);
    };
  },

  async getToken() {
    if (this.token && this.token.until - Date.now() > 60000) return this.token.text;
    const query = new URLSearchParams({ user: this.user, device: this.device, join: this.room });
    let response;
    try {
      response = await fetch(`/v1/dev/token?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(TIME.open) });
    } catch {
      throw { message: 'The hub does not answer' };
    }
    if (response.status === 429 || response.status >= 500) {
      const seconds = Number(response.headers.get('Retry-After'));
      throw { message: `The hub is busy (${response.status})`, ...(seconds > 0 && { afterMs: seconds * 1000 }) };
    }
    if (!response.ok) {
      throw { message: 'No token: the hub must run with --dev, and this page be opened on the same machine', final: true };
    }
    const reply = await response.json();
    this.token = { text: reply.token, until: Date.now() + reply.expires_in * 1000 };
    return reply.token;
  },

  welcome(frame) {
    clearTimeout(this.timer);
    this.live = true;
    this.session = frame;
    this.goaway = null;
    this.retry = { ...RETRY, ...frame.retry };
    // (3): else a hub that dies after each welcome would be hammered.
    this.healthyTimer = setTimeout(() => { this.attempt = 0; }, this.retry.reset_ms);
    this.show('online', 'Connected');
    this.on.welcome(frame);
  },

  receive(data) {
    this.heard = Date.now();
    this.pinging = false;
    let frames;
    try {
      frames = JSON.parse(data);
    } catch {
      journal.note('A frame that is not JSON');
      return;
    }
    for (const frame of Array.isArray(frames) ? frames : [frames]) this.receiveOne(frame);
  },

  receiveOne(frame) {
    journal.frame('in', frame);
    const reply = this.replies.get(frame.id);
    if (reply) {
      this.replies.delete(frame.id);
      clearTimeout(reply.timer);
      if (frame.type === 'error') reply.reject(frame);
      else reply.now(frame);
    } else if (frame.type === 'goaway') {
      this.goaway = frame.retry_after_ms;
    } else if (frame.type === 'token_expiring') {
      this.freshToken();
    } else {
      this.on.frame(frame);
    }
  },

  async freshToken() {
    this.token = null;
    const turn = this.turn;
    try {
      const token = await this.getToken();
      if (turn === this.turn) await this.request({ type: 'auth', token });
    } catch (problem) {
      journal.note(`No fresh token: ${problem.message || problem.code}`);
    }
  },

  send(frame) {
    if (!this.ws || this.ws.readyState !== WebSocket.OPEN) return;
    journal.frame('out', frame);
    this.ws.send(JSON.stringify(frame));
  },

  // Settles with the reply, or fails with the hub's error, { code: 'no_reply' } or { code: 'lost' }.
  // handle() is called at once (2): what waits for a promise lets the next frames overtake it.
  request(frame, handle = (reply) => reply) {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.replies.delete(id);
        reject({ code: 'no_reply', temporary: true });
      }, TIME.reply);
      this.replies.set(id, { timer, reject, now: (reply) => resolve(handle(reply)) });
      this.send({ ...frame, id });
    });
  },

  // The connection is gone without our wish.
  lost(what, then, code = 0) {
    journal.note(what);
    this.forget();
    const goaway = this.goaway;
    this.goaway = null;
    if (then === 'stop') {
      const text = code === 4409 ? 'Another tab of this device took over' : `The hub does not want us back (${what})`;
      this.token = null;
      this.show('offline', text, 0, true);
      return;
    }
    if (then === 'token') this.token = null;
    if (then === 'resync') this.on.resync();
    if (goaway !== null) this.wait(goaway);
    else if (then === 'now' && this.attempt === 0) this.wait(0);
    else this.wait();
  },

  // The room is gone, with the hub's past: the development token makes it again, as it did at first.
  rejoin() {
    this.lost('No such room: it is made again', 'token');
  },

  wait(ms = backoff(this.attempt, this.retry, Math.random())) {
    this.forget();
    this.attempt++;
    journal.note(`Trying again in ${Math.round(ms)} ms`);
    this.show('connecting', 'Reconnecting', Date.now() + ms, true);
    this.timer = setTimeout(() => this.connect(), ms);
  },

  // The reader's own cut: offline until told otherwise, or for a while.
  cut(ms = 0) {
    this.forget();
    journal.note('You cut the connection');
    this.show('offline', ms ? 'Cut for a moment' : 'Cut', ms ? Date.now() + ms : 0, true);
    if (ms) this.timer = setTimeout(() => this.connect(), ms);
  },

  // Page scripts do not see the hub's WebSocket pings. A line silent for longer than the hub would leave it is asked.
  watchSilence() {
    if (!this.live) return;
    const silent = Date.now() - this.heard;
    const pingMs = this.session.ping_ms || 25000;
    if (this.pinging && silent > pingMs + TIME.reply) {
      this.pinging = false;
      this.lost('No pong', 'backoff');
    } else if (!this.pinging && silent > pingMs) {
      this.pinging = true;
      this.request({ type: 'ping' }).catch(() => {});
    }
  },
};
