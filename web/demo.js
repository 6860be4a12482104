// SPDX-License-Identifier: Apache-2.0
//
// demo.js: a chat room in one page, which shows what the hub does.
//
// It speaks the protocol with nothing but the browser, so that a newcomer can read here, in one file, what a client has to do.
// What must stay true:
//   1. A typed message is kept (localStorage) before it is sent, and has one op through every retry.
//   2. An event is kept (sessionStorage) before it is acknowledged.
//   3. Messages stand in the order of seq, each once, however they came: as event, as reply or from history.
//   4. Watermarks and cursor only rise, except after a reset.
//   5. Text of others reaches the page by textContent only.
//
// From top to bottom: numbers, pure functions, what is kept, the journal, the link, the outbox, the room, the view, the start.

// ---- Numbers: everything that grows has a limit.

const LIMIT = {
  entries: 1000, // in memory and on the page; older ones come back by history
  kept: 200,     // entries kept in sessionStorage
  lines: 100,    // "carol joined"
  journal: 300,
  outbox: 200,
  page: 50,      // one history request
  watch: 200,    // users in one watch (PROTOCOL section 2)
};

const TIME = {
  ack: 200,          // acks are coalesced; the hub itself coalesces for up to 1 s
  read: 150,
  typingAgain: 2000, // the hub spreads typing at most so often
  typingStop: 3000,
  reply: 10000,      // then the same op is sent again
  open: 10000,       // from the first byte to welcome
  cutBriefly: 5000,
  awayAfter: 60000,  // a hidden tab is away
  sameGroup: 300000, // messages of one author within 5 minutes stand together
};

// What we do before the first welcome tells us better.
const RETRY = { base_ms: 500, max_ms: 30000, reset_ms: 30000 };

const PROTOCOL = 'belfry.v1';

// ---- Pure functions: they decide, others do.

// PROTOCOL section 5: what a close code asks for. 1006 and its like (network gone) are no words of the hub: back off.
function afterClose(code) {
  if (code >= 4400 && code < 4500) return 'stop';
  if (code >= 4300 && code < 4400) return 'resync';
  if (code >= 4200 && code < 4300) return 'token';
  if (code >= 4000 && code < 4100) return 'now';
  return 'backoff';
}

// Full jitter: clients that lost the same hub at the same moment come back spread over the whole span.
function backoff(attempt, retry, random) {
  return Math.round(random * Math.min(retry.max_ms, retry.base_ms * 2 ** Math.min(attempt, 20)));
}

// UUIDv7 (RFC 9562 section 5.7): sorts by time. crypto.randomUUID is absent outside of secure contexts, and is version 4.
function uuidv7(now) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (40 - 8 * i)) % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

// Ids have 1 to 128 bytes without controls, spaces or "/".
function idOf(text) {
  const id = text.trim().replace(/[\s/\p{Cc}]+/gu, '-');
  return new TextEncoder().encode(id).length <= 128 ? id : '';
}

// A member counts for the messages of their time: who joined later never had to receive the older ones.
function stateOf(entry, others) {
  const counting = others.filter((m) => (m.since || 0) < entry.seq);
  if (counting.length > 0 && counting.every((m) => m.read >= entry.seq)) return 'read';
  if (counting.length > 0 && counting.every((m) => m.delivered >= entry.seq)) return 'delivered';
  return 'sent';
}

// Edits, deletions and reactions are entries of their own; this folds them into the messages they are about.
function foldChanges(entries) {
  const changes = new Map();
  for (const e of entries) {
    if (e.type === 'message') continue;
    const change = changes.get(e.ref) || { reactions: new Map() };
    if (e.type === 'edit') change.text = e.text;
    if (e.type === 'delete') change.deleted = true;
    if (e.type === 'react') change.reactions.set(e.from, e.text);
    changes.set(e.ref, change);
  }
  return changes;
}

// The body's shape here is {"text": "…"}; another app may have put anything into the same room.
function textOf(body) {
  if (body && typeof body.text === 'string') return body.text;
  return body === undefined ? '' : JSON.stringify(body);
}

function hueOf(user) {
  let sum = 0;
  for (const c of user) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  return sum % 8;
}

function agoOf(ms) {
  if (ms < 60000) return 'just now';
  if (ms < 3600000) return `${Math.floor(ms / 60000)} min ago`;
  if (ms < 86400000) return `${Math.floor(ms / 3600000)} h ago`;
  return `${Math.floor(ms / 86400000)} d ago`;
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

function dayOf(at) {
  const day = new Date(at).toDateString();
  if (day === new Date().toDateString()) return 'Today';
  if (day === new Date(Date.now() - 86400000).toDateString()) return 'Yesterday';
  return dayFormat.format(at);
}

// ---- What is kept. A tab is a device: its id, cursor and room live in sessionStorage and survive a reload. The outbox
// lives in localStorage and survives the tab, too: see outboxAdopt().

const kept = {
  get(storage, key, otherwise) {
    try {
      return JSON.parse(storage.getItem(`belfry.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  // False if the storage is full or forbidden: then the caller must not promise anything.
  set(storage, key, value) {
    try {
      storage.setItem(`belfry.${key}`, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};

function deviceId() {
  let device = kept.get(sessionStorage, 'device', null);
  if (!device) {
    device = `web-${uuidv7(Date.now()).slice(-12)}`;
    kept.set(sessionStorage, 'device', device);
  }
  return device;
}

// ---- The page's elements, by id.

const el = Object.fromEntries(
  ['door', 'door-form', 'door-problem', 'name', 'room-name', 'app', 'room-title', 'me', 'leave', 'panel-toggle', 'people',
   'state', 'state-text', 'state-spoken', 'facts', 'switches', 'cut', 'cut-briefly', 'reconnect', 'list', 'to-bottom',
   'typing', 'composer', 'text', 'panel', 'panel-close', 'journal', 'journal-clear', 'details']
    .map((id) => [id.replace(/-(.)/g, (_, c) => c.toUpperCase()), document.getElementById(id)]));

// make('p', 'muted', 'Hello', child, …): strings become text, never markup (5).
function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Makes the children of parent these nodes in this order and touches only what differs, so that focus, selection and
// running animations survive.
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const node of nodes) {
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
}

// ---- The journal: "What happens".

const journal = {
  // One short sentence for a newcomer.
  sentence(dir, f) {
    const out = dir === 'out';
    switch (f.type) {
      case 'hello': return f.cursor ? `here I am; I have up to n ${f.cursor.n}` : 'here I am, for the first time';
      case 'welcome': return f.fresh ? `a new device; starts at n ${f.head}` : `your inbox ends at n ${f.head}`;
      case 'caught_up': return `up to n ${f.n}; the rest is live`;
      case 'send': return `please keep ${f.kind || 'message'} ${f.op.slice(-4)}`;
      case 'sent': return `kept on disk as seq ${f.seq}${f.duplicate ? '; I had it already' : ''}`;
      case 'message': case 'edit': case 'delete': case 'react': {
        const where = `${f.n === undefined ? '' : `n ${f.n} · `}seq ${f.seq}`;
        return f.body === undefined ? `${where}, your own ${f.type}` : `${where} from ${f.from}`;
      }
      case 'member': return `n ${f.n} · ${f.user} ${f.action}`;
      case 'receipt': return `n ${f.n} · ${f.user} has ${f.delivered}, read ${f.read}`;
      case 'notification': return `n ${f.n} · not for this room`;
      case 'ack': return `I have everything up to n ${f.n}`;
      case 'read': return `I have read up to seq ${f.seq}`;
      case 'typing': return out ? (f.active ? 'I type' : 'I stopped typing') : `${f.user} ${f.active ? 'types' : 'stopped'}`;
      case 'presence': return `${f.user} is ${f.status}`;
      case 'members': return out ? 'who is in the room?' : plural(f.items.length, 'member');
      case 'watch': return `follow ${f.users.join(', ')}`;
      case 'watching': return `${f.presence.filter((p) => p.status === 'online').length} of ${f.presence.length} online`;
      case 'history':
        if (out) return f.before ? `entries before seq ${f.before}` : 'the latest entries';
        return `${f.entries.length === 1 ? '1 entry' : `${f.entries.length} entries`}${f.more ? ', there are more' : ''}`;
      case 'status': return `I am ${f.status}`;
      case 'gap': return `n ${f.from} to ${f.to} are past the inbox's limit`;
      case 'reset': return `the store lost its past; it is at n ${f.head} now`;
      case 'goaway': return `${f.reason}: come back in ${f.retry_after_ms} ms`;
      case 'token_expiring': return `in ${Math.round(f.in_ms / 1000)} s`;
      case 'auth': return 'a fresh token';
      case 'error': return `${f.code}: ${f.message || ''}`;
      case 'ping': return 'are you there?';
      case 'pong': return 'yes';
      case 'ok': return 'done';
      default: return '';
    }
  },

  add(dir, type, sentence, frame) {
    const arrow = dir === 'note' ? '·' : dir === 'out' ? '→' : '←';
    const now = new Date();
    const time = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, '0')}`;
    const what = make('span', 'what', make('b', '', type), ' ', make('span', '', sentence));
    const row = make('summary', '', make('time', '', time), make('span', dir, arrow), what);
    const item = make('details', dir === 'note' ? 'note' : '', row);
    if (frame) {
      // The JSON is made when it is looked at, not for every frame.
      item.addEventListener('toggle', () => {
        if (item.open && !item.querySelector('pre')) item.append(make('pre', '', JSON.stringify(frame, null, 2)));
      });
    } else {
      row.addEventListener('click', (event) => event.preventDefault());
    }
    const list = el.journal;
    const stick = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(make('li', '', item));
    while (list.children.length > LIMIT.journal) list.firstElementChild.remove();
    if (stick) list.scrollTop = list.scrollHeight;
  },

  frame(dir, frame) {
    // The journal is made to be shown to others; the token is not.
    const shown = 'token' in frame ? { ...frame, token: '(not shown)' } : frame;
    let sentence = '';
    try {
      sentence = this.sentence(dir, frame);
    } catch {
      // A field we count on is missing: the frame is shown all the same.
    }
    this.add(dir, String(frame.type), sentence, shown);
  },

  note(sentence) {
    this.add('note', '', sentence, null);
  },
};

// ---- The link: one connection and when to have the next.

const link = {
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
  on: {},           // cursor(), welcome(frame), frame(frame), lost(), resync(), shown()
  shown: { state: 'connecting', text: 'Connecting', until: 0, retryable: false },

  show(state, text, until = 0, retryable = false) {
    this.shown = { state, text, until, retryable };
    this.on.shown();
  },

  // Leaves whatever is under way. A browser has no way to drop a TCP connection, so we say goodbye and do not wait for the
  // answer; what still arrives on the old socket is not looked at, as if the cable were cut.
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
    // Only a session that stays forgets the backoff; else a hub that dies after each welcome would be hammered.
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
  // The reply's frame is handled at once, before the next frame of the same message: a promise would let events overtake it.
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

// ---- The outbox: what was typed and is not known to be stored.

const outbox = {
  items: [], // { op, conv, text, at, failed? }
  busy: false,
  key: '',

  open(user, device) {
    this.key = `outbox.${user}.${device}`;
    this.items = kept.get(localStorage, this.key, []);
    this.adopt(user, device);
  },

  // A tab that was closed while offline leaves its outbox behind; the next tab of the same user takes it over. Each tab
  // holds a lock in its device's name, so what has no lock has no owner. Should two tabs ever adopt the same message, the hub
  // stores it once: the op is the same.
  async adopt(user, device) {
    if (!navigator.locks) return; // absent outside of secure contexts
    const mine = this.key;
    navigator.locks.request(`belfry.${user}.${device}`, () => new Promise(() => {})); // held until the tab ends
    const { held } = await navigator.locks.query();
    if (mine !== this.key) return;
    const prefix = `belfry.outbox.${user}.`;
    for (const key of Object.keys(localStorage).filter((k) => k.startsWith(prefix) && k !== `belfry.${this.key}`)) {
      if (held.some((lock) => lock.name === `belfry.${user}.${key.slice(prefix.length)}`)) continue;
      const left = kept.get(localStorage, key.slice('belfry.'.length), []);
      const known = new Set(this.items.map((item) => item.op));
      this.items = [...left.filter((item) => !known.has(item.op)), ...this.items];
      this.save();
      localStorage.removeItem(key);
    }
    room.changed();
    this.pump();
  },

  save() {
    if (this.items.length === 0) {
      localStorage.removeItem(`belfry.${this.key}`);
      return true;
    }
    return kept.set(localStorage, this.key, this.items);
  },

  // False if it cannot be kept: then it must not be sent either (1), and stays in the reader's hands.
  add(conv, text) {
    if (this.items.length >= LIMIT.outbox) return false;
    this.items.push({ op: uuidv7(Date.now()), conv, text, at: Date.now() });
    if (!this.save()) {
      this.items.pop();
      return false;
    }
    this.pump();
    return true;
  },

  find(op) {
    return this.items.find((item) => item.op === op);
  },

  // Stored by the hub, or given up by the reader.
  remove(op) {
    this.items = this.items.filter((item) => item.op !== op);
    this.save();
  },

  retry(op) {
    delete this.find(op)?.failed;
    this.save();
    this.pump();
  },

  // One at a time: a message that must wait holds back the later ones, so they are stored in the order they were typed.
  async pump() {
    if (this.busy) return;
    this.busy = true;
    for (;;) {
      const item = this.items.find((i) => !i.failed);
      if (!item || !room.caughtUp) break;
      try {
        const frame = { type: 'send', conv: item.conv, op: item.op, body: { text: item.text } };
        await link.request(frame, (reply) => room.stored(item, reply));
      } catch (error) {
        if (error.code === 'lost') break;
        if (error.temporary) {
          const ms = error.retry_after_ms ?? (error.code === 'no_reply' ? 0 : backoff(2, link.retry, Math.random()));
          await new Promise((resolve) => { setTimeout(resolve, ms); });
        } else {
          item.failed = error.message || error.code;
          this.save();
        }
      }
      room.changed();
    }
    this.busy = false;
    room.changed();
  },
};

// ---- The room: a copy of the conversation's log, its members, and the device's cursor.

const room = {
  conv: '',
  user: '',
  cursor: null,          // { epoch, n }
  entries: new Map(),    // seq -> { type, seq, ref?, from, op, at, text }
  lines: [],             // { n, after, text, at }
  members: new Map(),    // user -> { user, role, delivered, read, since }
  presence: new Map(),   // user -> { status, last_seen }
  typists: new Map(),    // user -> timer
  more: true,            // history goes further back
  complete: false,       // the entries we have reach up to the cursor without a hole
  caughtUp: false,
  missed: null,          // { seqs, growing, atLeast }: what came between welcome and caught_up
  removed: false,
  loading: false,
  keepTimer: 0,
  ackDue: 0,             // highest n not yet acknowledged, 0 if none
  unacked: 0,
  readSeen: 0,           // highest seq the reader has seen
  readSaid: 0,           // highest seq the hub has confirmed as read
  readAsked: 0,
  readTimer: 0,
  changed() {},          // set by the view

  open(user, conv) {
    Object.assign(this, {
      user, conv, entries: new Map(), lines: [], members: new Map(), presence: new Map(), more: true, complete: false,
      caughtUp: false, missed: null, removed: false, loading: false, ackDue: 0, unacked: 0,
      readSeen: 0, readSaid: 0, readAsked: 0,
    });
    this.cursor = kept.get(sessionStorage, `cursor.${user}`, null);
    const room = kept.get(sessionStorage, `room.${user}.${conv}`, null);
    // A room kept at another n than the cursor's missed what came while the tab was in another room: start it anew.
    if (!room || !this.cursor || room.epoch !== this.cursor.epoch || room.n !== this.cursor.n) return;
    for (const entry of room.entries) this.entries.set(entry.seq, entry);
    for (const member of room.members) this.members.set(member.user, member);
    this.lines = room.lines;
    this.more = room.more;
    this.readSaid = room.read;
    this.complete = true;
  },

  others() {
    return [...this.members.values()].filter((m) => m.user !== this.user);
  },

  sorted() {
    return [...this.entries.values()].sort((a, b) => a.seq - b.seq);
  },

  lastSeq() {
    return Math.max(0, ...this.entries.keys());
  },

  firstSeq() {
    return this.entries.size ? Math.min(...this.entries.keys()) : 0;
  },

  // -- Keeping and acknowledging (2)

  keepSoon() {
    // Half a window unacknowledged is soon enough to answer at once: the hub stops at a whole one.
    if (this.unacked > (link.session?.window || 256) / 2) this.keep();
    else if (!this.keepTimer) this.keepTimer = setTimeout(() => this.keep(), TIME.ack);
  },

  keep() {
    clearTimeout(this.keepTimer);
    this.keepTimer = 0;
    if (!this.cursor) return;
    const entries = this.sorted();
    const tail = entries.slice(-LIMIT.kept);
    const ok = this.complete && kept.set(sessionStorage, `room.${this.user}.${this.conv}`, {
      ...this.cursor, entries: tail, lines: this.lines, members: [...this.members.values()],
      more: this.more || tail.length < entries.length, read: this.readSaid,
    });
    // A full storage is no reason to stop the flow: then the room is loaded by history next time.
    if (!ok) sessionStorage.removeItem(`belfry.room.${this.user}.${this.conv}`);
    kept.set(sessionStorage, `cursor.${this.user}`, this.cursor);
    if (!this.ackDue || !link.live) return;
    link.send({ type: 'ack', n: this.ackDue });
    this.ackDue = 0;
    this.unacked = 0;
  },

  // -- What the link tells

  welcomed(frame) {
    const n = typeof frame.cursor === 'object' && frame.cursor ? frame.cursor.n : frame.cursor;
    this.caughtUp = false;
    // A first visit has missed nothing.
    this.missed = { seqs: new Set(), growing: this.complete || this.entries.size > 0 };
    if (frame.fresh || !this.cursor) {
      if (this.cursor && this.cursor.epoch !== frame.epoch) this.forgetPast();
      this.cursor = { epoch: frame.epoch, n: n ?? frame.head };
      this.complete = false;
    }
    this.loadMembers();
    if (!this.complete) this.loadLatest();
    if (this.readSeen > this.readSaid) this.sayRead();
    this.changed();
  },

  lost() {
    this.caughtUp = false;
    this.loading = false;
    this.readAsked = this.readSaid;
    if (this.missed) this.missed.growing = false;
    for (const [user, was] of this.presence) this.presence.set(user, { ...was, status: 'unknown' });
    for (const timer of this.typists.values()) clearTimeout(timer);
    this.typists.clear();
    this.keep();
    this.changed();
  },

  // Close codes 43xx: our place is no good. Keep nothing but the cursor.
  resync() {
    this.complete = false;
  },

  receive(frame) {
    if (frame.n !== undefined && frame.type !== 'caught_up') {
      if (this.cursor && frame.n <= this.cursor.n) return; // seen before: at least once on the wire, once here
      this.cursor = { epoch: this.cursor.epoch, n: frame.n };
      this.ackDue = frame.n;
      this.unacked++;
    }
    const here = frame.conv === this.conv;
    switch (frame.type) {
      case 'message': case 'edit': case 'delete': case 'react':
        if (here) this.entryCame(frame);
        break;
      case 'member': if (here) this.memberCame(frame); break;
      case 'receipt': if (here) this.mark(frame.user, frame); break;
      case 'typing': if (here) this.typingCame(frame); break;
      case 'presence': this.presence.set(frame.user, frame); break;
      case 'caught_up':
        this.caughtUp = true;
        if (this.missed && this.complete) this.missed.growing = false;
        outbox.pump();
        break;
      case 'gap':
        this.cursor = { epoch: this.cursor.epoch, n: Math.max(this.cursor.n, frame.to) };
        this.ackDue = this.cursor.n;
        this.lineAdd('Some events were older than the hub keeps; the room was loaded anew', Date.now());
        this.reload();
        break;
      case 'reset':
        this.cursor = { epoch: frame.epoch, n: frame.head };
        this.ackDue = 0;
        this.unacked = 0;
        this.forgetPast();
        this.lineAdd('The hub lost its past; the room was loaded anew', Date.now());
        this.reload();
        break;
      default: break; // notification, signal and what later versions bring
    }
    if (frame.n !== undefined || frame.type === 'gap' || frame.type === 'reset') this.keepSoon();
    this.changed();
  },

  // -- Entries (3)

  entryCame(frame) {
    const mine = frame.from === this.user;
    const waiting = mine ? outbox.find(frame.op) : undefined;
    const known = this.entries.get(frame.seq);
    if (frame.body === undefined && !waiting && !known && frame.type !== 'delete') {
      // Our own entry without its body, and we do not have it: it was sent by this session, so this is a lost outbox.
      this.loadAround(frame.seq);
    }
    const text = frame.body !== undefined ? textOf(frame.body) : waiting?.text ?? known?.text ?? '';
    this.entryPut({ type: frame.type, seq: frame.seq, ref: frame.ref, from: frame.from, op: frame.op, at: frame.at, text });
    if (waiting) outbox.remove(frame.op);
    if (!mine) this.typistGone(frame.from);
    if (!mine && !known && frame.type === 'message' && this.missed?.growing) this.missed.seqs.add(frame.seq);
  },

  entryPut(entry) {
    this.entries.set(entry.seq, entry);
    if (this.entries.size > LIMIT.entries && view.atBottom()) {
      for (const { seq } of this.sorted().slice(0, this.entries.size - LIMIT.entries)) this.entries.delete(seq);
      this.more = true;
    }
  },

  // The reply to a send. The event that gives its n may come before or after.
  stored(item, reply) {
    if (item.conv === this.conv && !this.entries.has(reply.seq)) {
      const entry = { type: 'message', seq: reply.seq, from: this.user, op: item.op, at: reply.at, text: item.text };
      this.entryPut(entry);
    }
    outbox.remove(item.op);
    this.keepSoon();
    this.changed();
  },

  // -- History

  loadLatest() {
    const before = this.lastSeq();
    this.history({}, (page) => {
      const first = page.entries.length ? Math.min(...page.entries.map((e) => e.seq)) : 0;
      // What we had goes if the page does not reach down to it: a hole is worse than scrolling.
      if (first > before + 1) {
        for (const seq of [...this.entries.keys()]) if (seq < first) this.entries.delete(seq);
        if (this.missed) this.missed.atLeast = true;
      }
      this.historyPut(page, before);
      if (this.firstSeq() >= first) this.more = page.more;
      this.complete = true;
      if (this.missed && this.caughtUp) this.missed.growing = false;
      this.keepSoon();
    });
  },

  loadOlder() {
    if (this.loading || !this.more || !link.live || !this.entries.size) return;
    this.loading = true;
    this.changed();
    this.history({ before: this.firstSeq() }, (page) => {
      this.historyPut(page, Infinity);
      this.more = page.more && page.entries.length > 0;
      this.loading = false;
    });
  },

  loadAround(seq) {
    this.history({ after: seq - 1, limit: 1 }, (page) => this.historyPut(page, Infinity));
  },

  history(range, handle) {
    link.request({ type: 'history', conv: this.conv, limit: LIMIT.page, ...range }, (page) => {
      handle(page);
      this.changed();
    }).catch((error) => {
      this.loading = false;
      if (error.code !== 'lost') journal.note(`No history: ${error.code}`);
      this.changed();
    });
  },

  historyPut(page, missedAfter) {
    for (const e of [...page.entries].sort((a, b) => a.seq - b.seq)) {
      const type = e.type || e.kind || 'message';
      const isNew = !this.entries.has(e.seq);
      this.entries.set(e.seq, { type, seq: e.seq, ref: e.ref, from: e.from, op: e.op, at: e.at, text: textOf(e.body) });
      if (e.from === this.user && outbox.find(e.op)) outbox.remove(e.op);
      if (isNew && type === 'message' && e.from !== this.user && e.seq > missedAfter && this.missed?.growing) {
        this.missed.seqs.add(e.seq);
      }
    }
  },

  reload() {
    this.complete = false;
    this.loadMembers();
    this.loadLatest();
  },

  // The store lost its past: seqs begin anew, and watermarks with them.
  forgetPast() {
    this.entries.clear();
    this.lines = [];
    for (const member of this.members.values()) Object.assign(member, { delivered: 0, read: 0, since: 0 });
    Object.assign(this, { readSeen: 0, readSaid: 0, readAsked: 0, more: true, missed: null });
  },

  // -- Members, presence, typing

  loadMembers() {
    link.request({ type: 'members', conv: this.conv }, (reply) => {
      const was = this.members;
      this.members = new Map();
      for (const item of reply.items) {
        this.members.set(item.user, { delivered: 0, read: 0, since: 0, ...was.get(item.user), role: item.role, user: item.user });
        this.mark(item.user, item);
      }
      this.watch(reply.items.map((item) => item.user));
      this.changed();
    }).catch((error) => {
      if (error.code !== 'lost') journal.note(`No members: ${error.code}`);
    });
  },

  watch(users) {
    for (let i = 0; i < users.length; i += LIMIT.watch) {
      link.request({ type: 'watch', users: users.slice(i, i + LIMIT.watch) }, (reply) => {
        for (const p of reply.presence) this.presence.set(p.user, p);
        this.changed();
      }).catch(() => {});
    }
  },

  // Watermarks only rise (4), whichever of receipt, members and event comes first.
  mark(user, { delivered = 0, read = 0 }) {
    const member = this.members.get(user);
    if (!member) return;
    member.read = Math.max(member.read, read || 0);
    member.delivered = Math.max(member.delivered, delivered || 0, member.read);
    if (user === this.user) this.readSaid = Math.max(this.readSaid, read || 0);
  },

  memberCame(frame) {
    const who = frame.user === this.user ? 'You' : frame.user;
    const did = {
      joined: 'joined', left: 'left', removed: frame.user === this.user ? 'were removed' : 'was removed',
      role: frame.user === this.user ? `are ${frame.role} now` : `is ${frame.role} now`,
    };
    this.lineAdd(`${who} ${did[frame.action] || frame.action}`, frame.at, frame.n);
    if (frame.action === 'joined') {
      this.members.set(frame.user, { user: frame.user, role: frame.role, delivered: 0, read: 0, since: this.lastSeq() });
    }
    if (frame.action === 'left' || frame.action === 'removed') {
      this.members.delete(frame.user);
      this.presence.delete(frame.user);
    }
    if (frame.user === this.user) this.removed = frame.action === 'left' || frame.action === 'removed';
    if (!this.removed) this.loadMembers();
  },

  lineAdd(text, at, n = 0) {
    this.lines.push({ n: n || this.cursor.n, after: this.lastSeq(), text, at });
    this.lines = this.lines.slice(-LIMIT.lines);
  },

  typingCame(frame) {
    if (frame.user === this.user) return; // another device of ours
    this.typistGone(frame.user);
    if (frame.active) {
      this.typists.set(frame.user, setTimeout(() => {
        this.typistGone(frame.user);
        this.changed();
      }, frame.ttl_ms));
    }
  },

  typistGone(user) {
    clearTimeout(this.typists.get(user));
    this.typists.delete(user);
  },

  // -- Reading: what was on screen while the reader was here

  seen(seq) {
    if (seq <= this.readSeen) return;
    this.readSeen = seq;
    this.sayRead();
  },

  sayRead() {
    if (this.readTimer) return;
    this.readTimer = setTimeout(() => {
      this.readTimer = 0;
      const seq = this.readSeen;
      if (!link.live || seq <= Math.max(this.readSaid, this.readAsked)) return;
      this.readAsked = seq;
      link.request({ type: 'read', conv: this.conv, seq }, () => {
        this.readSaid = Math.max(this.readSaid, seq);
        this.keepSoon();
      }).catch(() => { this.readAsked = this.readSaid; });
    }, TIME.read);
  },
};

// ---- The view: shows the room; asks it for nothing but what the reader does.

const view = {
  rows: new Map(),   // key -> element of a message
  days: new Map(),   // day -> element
  happenings: new Map(),
  people: new Map(),
  older: make('div', 'older'),
  divider: make('div', 'missed'),
  pending: false,
  stick: true,       // the reader is at the bottom, and stays there
  observer: null,
  typedAt: 0,
  typingSaid: 0,
  typingTimer: 0,

  open() {
    this.rows.clear();
    this.happenings.clear();
    this.people.clear();
    this.stick = true;
    el.list.replaceChildren();
    el.people.replaceChildren();
    this.divider.dataset.testid = 'missed-divider';
    this.divider.setAttribute('role', 'separator');
    this.observer?.disconnect();
    this.observer = new IntersectionObserver((seen) => this.onSeen(seen), { root: el.list, threshold: 0.6 });
    room.changed = () => this.renderSoon();
    this.renderSoon();
  },

  atBottom() {
    return this.stick;
  },

  // Many frames of one turn are shown at once. Not requestAnimationFrame: a tab in the background gets none.
  renderSoon() {
    if (this.pending) return;
    this.pending = true;
    setTimeout(() => {
      this.pending = false;
      this.render();
    }, 0);
  },

  render() {
    if (el.app.hidden) return;
    const list = el.list;
    const anchor = this.stick ? null : this.topRow();
    const before = anchor?.getBoundingClientRect().top;
    arrange(list, this.nodes());
    this.renderPeople();
    this.renderTyping();
    this.renderFacts();
    if (this.stick) list.scrollTop = list.scrollHeight;
    else if (anchor?.isConnected) list.scrollTop += anchor.getBoundingClientRect().top - before;
    setText(el.me, room.user);
    el.text.disabled = room.removed;
  },

  // The first message in sight: it stays where it is when older ones come in above.
  topRow() {
    const top = el.list.getBoundingClientRect().top;
    return [...el.list.children].find((row) => row.dataset.seq && row.getBoundingClientRect().bottom > top);
  },

  nodes() {
    const entries = room.sorted();
    const changes = foldChanges(entries);
    const others = room.others();
    const messages = entries.filter((e) => e.type === 'message');
    const waiting = outbox.items.filter((item) => item.conv === room.conv);
    const nodes = [this.renderOlder(messages.length + waiting.length)];
    const lines = [...room.lines];
    let day = '';
    let last = null;

    const dayFor = (at) => {
      const name = dayOf(at);
      if (name === day) return;
      day = name;
      last = null;
      if (!this.days.has(name)) this.days.set(name, make('div', 'day', name));
      // Clocks differ: a waiting message may seem older than the last one. A day is named once.
      if (!nodes.includes(this.days.get(name))) nodes.push(this.days.get(name));
    };
    const linesUpTo = (seq) => {
      while (lines.length && lines[0].after < seq) {
        const line = lines.shift();
        if (room.entries.size && line.after < room.firstSeq() - 1 && room.more) continue; // its surroundings are not loaded
        dayFor(line.at);
        nodes.push(this.renderLine(line));
        last = null;
      }
    };
    const used = new Set();
    const firstMissed = room.missed?.seqs.size ? Math.min(...room.missed.seqs) : 0;
    const message = (entry, state) => {
      dayFor(entry.at);
      if (entry.seq && entry.seq === firstMissed) {
        nodes.push(this.renderDivider());
        last = null;
      }
      const first = !last || last.from !== entry.from || entry.at - last.at > TIME.sameGroup;
      const row = this.renderMessage(entry, state, first, changes.get(entry.seq));
      used.add(row);
      nodes.push(row);
      last = entry;
    };

    for (const entry of messages) {
      linesUpTo(entry.seq);
      message(entry, entry.from === room.user ? stateOf(entry, others) : 'received');
    }
    linesUpTo(Infinity);
    for (const item of waiting) {
      message({ ...item, from: room.user }, item.failed ? 'failed' : 'pending');
    }
    for (const [key, row] of this.rows) {
      if (used.has(row)) continue;
      this.observer.unobserve(row);
      this.rows.delete(key);
    }
    return nodes;
  },

  renderOlder(count) {
    let text = 'The beginning of the room';
    if (room.more) text = room.loading ? 'Loading earlier messages …' : ' ';
    if (count === 0 && room.caughtUp && room.complete) {
      if (!this.older.querySelector('a')) this.older.replaceChildren(this.invitation());
      this.older.className = 'older welcome';
    } else {
      this.older.className = 'older';
      setText(this.older, text);
    }
    return this.older;
  },

  // An empty room is where a newcomer starts.
  invitation() {
    const names = ['bob', 'carol', 'dave', 'erin'];
    const other = names.find((name) => name !== room.user && !room.members.has(name)) || 'guest';
    const anchor = make('a', '', `Open a second window as ${other}`);
    anchor.href = `/?${new URLSearchParams({ user: other, room: room.conv })}`;
    anchor.target = '_blank';
    anchor.rel = 'noopener'; // also: sessionStorage is not copied, so the new tab is a device of its own
    return make('p', '', 'Nothing has been said here yet. ', anchor,
      ', write something, and cut the connection of one of the two to see what happens.');
  },

  renderLine(line) {
    const key = `${line.n}/${line.text}`;
    if (this.happenings.size > 2 * LIMIT.lines) this.happenings.clear();
    if (!this.happenings.has(key)) this.happenings.set(key, make('div', 'happening', line.text));
    return this.happenings.get(key);
  },

  renderDivider() {
    const count = room.missed.seqs.size;
    this.divider.dataset.count = count;
    setText(this.divider, `${room.missed.atLeast ? 'More than ' : ''}${plural(count, 'message')} arrived while you were away`);
    return this.divider;
  },

  // One element for the life of a message: it is typed, waits, gets its seq, its ticks, and never blinks.
  renderMessage(entry, state, first, change) {
    const key = entry.op ? `${entry.from}/${entry.op}` : `#${entry.seq}`;
    let row = this.rows.get(key);
    if (!row) {
      row = this.makeMessage(entry);
      this.rows.set(key, row);
    }
    const mine = entry.from === room.user;
    row.className = `message hue-${hueOf(entry.from)}${mine ? ' mine' : ''}${first ? ' first' : ''}`;
    row.classList.toggle('was-missed', Boolean(room.missed?.seqs.has(entry.seq)));
    if (row.dataset.seq !== String(entry.seq ?? '')) {
      row.dataset.seq = entry.seq ?? '';
      if (!mine) this.observer.observe(row);
    }
    row.parts.text.classList.toggle('gone', Boolean(change?.deleted));
    setText(row.parts.text, change?.deleted ? 'Message deleted' : change?.text ?? entry.text);
    setText(row.parts.edited, change?.text !== undefined && !change.deleted ? 'edited' : '');
    setText(row.parts.time, clockFormat.format(entry.at));
    row.parts.time.dateTime = new Date(entry.at).toISOString();
    setText(row.parts.reactions, change ? [...change.reactions.values()].join(' ') : '');
    if (row.dataset.state !== state) {
      row.dataset.state = state;
      if (mine) this.renderMark(row, entry, state);
    }
    return row;
  },

  makeMessage(entry) {
    const parts = {
      text: make('span', 'text'), edited: make('span', ''), time: make('time', ''), mark: null,
      reactions: make('div', 'reactions'), trouble: make('div', 'trouble'),
    };
    const meta = make('span', 'meta', parts.edited, parts.time);
    if (entry.from === room.user) {
      parts.mark = make('button', 'mark');
      parts.mark.type = 'button';
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      svg.setAttribute('aria-hidden', 'true');
      parts.use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
      svg.append(parts.use);
      parts.mark.append(svg);
      parts.mark.dataset.op = entry.op;
      meta.append(parts.mark);
    }
    const bubble = make('div', 'bubble', make('span', 'author', entry.from), parts.text, meta, parts.reactions, parts.trouble);
    const avatar = make('span', 'avatar', [...entry.from][0].toUpperCase());
    avatar.setAttribute('aria-hidden', 'true');
    const row = make('article', 'message', avatar, bubble);
    row.dataset.testid = 'message';
    row.dataset.op = entry.op || '';
    row.parts = parts;
    return row;
  },

  renderMark(row, entry, state) {
    const words = {
      pending: 'Waiting to be sent', sent: 'Stored by the hub', delivered: 'Delivered to everyone', read: 'Read by everyone',
      failed: 'Not sent',
    };
    row.parts.use.setAttribute('href', `#mark-${state}`);
    row.parts.mark.setAttribute('aria-label', words[state]);
    row.parts.trouble.replaceChildren();
    if (state !== 'failed') return;
    const again = make('button', '', 'Try again');
    const drop = make('button', '', 'Discard');
    again.type = drop.type = 'button';
    again.addEventListener('click', () => { outbox.retry(entry.op); this.renderSoon(); });
    drop.addEventListener('click', () => { outbox.remove(entry.op); this.renderSoon(); });
    row.parts.trouble.append(`Not sent: ${entry.failed}`, again, drop);
  },

  renderPeople() {
    const users = [...room.members.keys()].sort((a, b) => (b === room.user) - (a === room.user) || a.localeCompare(b));
    const nodes = users.map((user) => {
      let chip = this.people.get(user);
      if (!chip) {
        const name = user === room.user ? `${user} (you)` : user;
        chip = make('li', 'person', make('span', 'dot'), make('span', '', name), make('span', 'seen'));
        chip.dataset.testid = `presence-${user}`;
        this.people.set(user, chip);
      }
      const presence = room.presence.get(user);
      let status = presence?.status || 'unknown';
      if (user === room.user) status = link.live ? 'online' : 'offline';
      chip.dataset.status = status;
      const lastSeen = status === 'offline' && user !== room.user && presence.last_seen;
      const seen = lastSeen ? `seen ${agoOf(Date.now() - lastSeen)}` : status === 'online' ? '' : status;
      setText(chip.lastChild, seen);
      chip.setAttribute('aria-label', `${user}: ${status === 'online' ? 'online' : seen}`);
      return chip;
    });
    arrange(el.people, nodes);
  },

  renderTyping() {
    const users = [...room.typists.keys()];
    const text = users.length === 0 ? '' : users.length > 3 ? 'Several people are typing'
      : `${users.join(', ').replace(/, ([^,]*)$/, ' and $1')} ${users.length === 1 ? 'is' : 'are'} typing`;
    el.typing.dataset.active = String(users.length > 0);
    setText(el.typing, text);
  },

  // The connection in one line, also once a second for its countdown.
  renderFacts() {
    const { state, text, until, retryable } = link.shown;
    const left = until ? Math.max(0, Math.ceil((until - Date.now()) / 1000)) : 0;
    el.state.dataset.state = state;
    setText(el.stateText, !until ? text : state === 'offline' ? `${text}, back in ${left} s` : `${text} in ${left} s`);
    if (this.spoken !== text) {
      this.spoken = text;
      setText(el.stateSpoken, text);
    }
    const facts = [];
    const waiting = outbox.items.filter((item) => !item.failed).length;
    if (waiting && state !== 'online') facts.push(`${plural(waiting, 'message')} in the outbox`);
    if (room.cursor) facts.push(`cursor ${room.cursor.n}`, `epoch ${String(room.cursor.epoch).slice(0, 8)}`);
    facts.push(link.device);
    setText(el.facts, facts.join(' · '));
    el.facts.title = room.cursor ? `device ${link.device}, cursor ${room.cursor.n}, epoch ${room.cursor.epoch}` : '';
    const mode = retryable ? 'reconnect' : 'cut';
    if (el.switches.dataset.mode !== mode) {
      const focused = el.switches.contains(document.activeElement);
      el.switches.dataset.mode = mode;
      if (focused) el[mode].focus(); // the button in use has just vanished
    }
    setText(el.reconnect, text.startsWith('Another tab') ? 'Use it here' : 'Reconnect');
  },

  // -- What the reader does

  onSeen(seen) {
    this.seenRows ||= new Set();
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting) this.seenRows.add(target);
      else this.seenRows.delete(target);
    }
    this.sayRead();
  },

  // A message counts as read when it is in sight, the tab is, and the window has the focus.
  sayRead() {
    if (document.visibilityState !== 'visible' || !document.hasFocus() || el.app.hidden) return;
    for (const row of this.seenRows || []) {
      if (!row.isConnected) this.seenRows.delete(row);
      else room.seen(Number(row.dataset.seq));
    }
  },

  onScroll() {
    const list = el.list;
    this.stick = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    el.toBottom.hidden = this.stick;
    if (list.scrollTop < 200) room.loadOlder();
  },

  toBottom() {
    this.stick = true;
    el.list.scrollTop = el.list.scrollHeight;
  },

  onTyped() {
    el.text.style.height = 'auto';
    el.text.style.height = `${el.text.scrollHeight + 2}px`;
    if (this.stick) this.toBottom();
    clearTimeout(this.typingTimer);
    if (el.text.value.trim() === '') {
      this.typingEnds();
      return;
    }
    const now = Date.now();
    if (link.live && now - this.typingSaid >= TIME.typingAgain) {
      this.typingSaid = now;
      link.send({ type: 'typing', conv: room.conv, active: true });
    }
    this.typingTimer = setTimeout(() => this.typingEnds(), TIME.typingStop);
  },

  typingEnds() {
    clearTimeout(this.typingTimer);
    if (this.typingSaid && link.live) link.send({ type: 'typing', conv: room.conv, active: false });
    this.typingSaid = 0;
  },

  onSubmit(event) {
    event.preventDefault();
    const text = el.text.value.trim();
    if (!text || room.removed) return;
    if (!outbox.add(room.conv, text)) {
      setText(el.stateSpoken, 'The outbox is full');
      journal.note('The outbox is full: this message was not taken');
      return;
    }
    this.typingSaid = 0; // the message itself ends the typing at the others
    clearTimeout(this.typingTimer);
    el.text.value = '';
    this.onTyped();
    this.toBottom();
    el.text.focus();
    this.renderSoon();
  },

  showDetails(mark) {
    const row = mark.closest('.message');
    const entry = room.entries.get(Number(row.dataset.seq));
    const lines = [];
    if (!entry) {
      lines.push(make('p', '', mark.getAttribute('aria-label')));
    } else {
      for (const m of room.others()) {
        const otherwise = (m.since || 0) >= entry.seq ? 'joined later' : 'not yet';
        const has = m.read >= entry.seq ? 'read' : m.delivered >= entry.seq ? 'delivered' : otherwise;
        lines.push(make('p', '', make('span', '', m.user), make('span', '', has)));
      }
      if (lines.length === 0) lines.push(make('p', '', 'Stored; nobody else is in the room'));
    }
    el.details.replaceChildren(...lines);
    el.details.hidden = false;
    const at = mark.getBoundingClientRect();
    const size = el.details.getBoundingClientRect();
    el.details.style.left = `${Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8))}px`;
    el.details.style.top = `${at.top - size.height - 8 > 8 ? at.top - size.height - 8 : at.bottom + 8}px`;
  },

  hideDetails() {
    el.details.hidden = true;
  },

  showPanel(open) {
    el.panel.hidden = !open;
    el.panelToggle.setAttribute('aria-expanded', String(open));
    if (open) el.journal.scrollTop = el.journal.scrollHeight;
    if (this.stick) this.toBottom();
  },

  listen() {
    el.composer.addEventListener('submit', (event) => this.onSubmit(event));
    el.text.addEventListener('input', () => this.onTyped());
    el.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) this.onSubmit(event);
    });
    el.text.addEventListener('blur', (event) => { if (!el.composer.contains(event.relatedTarget)) this.typingEnds(); });
    el.list.addEventListener('scroll', () => this.onScroll(), { passive: true });
    new ResizeObserver(() => { if (this.stick) this.toBottom(); }).observe(el.list);
    el.toBottom.addEventListener('click', () => this.toBottom());
    el.cut.addEventListener('click', () => link.cut());
    el.cutBriefly.addEventListener('click', () => link.cut(TIME.cutBriefly));
    el.reconnect.addEventListener('click', () => link.connect());
    el.journalClear.addEventListener('click', () => el.journal.replaceChildren());
    for (const button of [el.panelToggle, el.panelClose]) {
      button.addEventListener('click', () => {
        this.showPanel(el.panel.hidden);
        kept.set(localStorage, 'panel', !el.panel.hidden);
        if (button === el.panelClose) el.panelToggle.focus();
      });
    }
    // Hover, focus and tap all show who has a message.
    for (const type of ['pointerover', 'focusin', 'click']) {
      el.list.addEventListener(type, (event) => {
        const mark = event.target.closest('.mark');
        if (mark) this.showDetails(mark);
      });
    }
    for (const type of ['pointerout', 'focusout', 'scroll']) el.list.addEventListener(type, () => this.hideDetails());
    document.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.hideDetails(); });
    window.addEventListener('focus', () => this.sayRead());
    document.addEventListener('visibilitychange', () => this.onVisibility());
    window.addEventListener('pagehide', () => room.keep());
    window.addEventListener('online', () => { if (link.shown.state === 'connecting' && link.shown.until) link.connect(); });
    setInterval(() => { if (!el.app.hidden) this.renderFacts(); }, 500);
    setInterval(() => { if (!el.app.hidden) this.renderPeople(); }, 30000);
    setInterval(() => link.watchSilence(), 5000);
  },

  onVisibility() {
    clearTimeout(this.awayTimer);
    if (document.visibilityState === 'visible') {
      this.sayRead();
      if (this.away) this.sayStatus('online');
    } else {
      this.awayTimer = setTimeout(() => this.sayStatus('away'), TIME.awayAfter);
    }
  },

  sayStatus(status) {
    this.away = status === 'away';
    if (link.live) link.request({ type: 'status', status }).catch(() => {});
  },
};

// ---- The start

function enter(user, conv) {
  kept.set(localStorage, 'name', user);
  kept.set(sessionStorage, 'joined', { user, room: conv });
  history.replaceState(null, '', `/?${new URLSearchParams({ room: conv })}`);
  document.title = `${conv} · Belfry`;
  setText(el.roomTitle, conv);
  el.door.hidden = true;
  el.app.hidden = false;
  Object.assign(link, { user, room: conv, device: deviceId(), token: null, attempt: 0, retry: RETRY });
  room.open(user, conv);
  view.open();
  view.showPanel(kept.get(localStorage, 'panel', matchMedia('(min-width: 1100px)').matches));
  outbox.open(user, link.device);
  link.connect();
  if (matchMedia('(pointer: fine)').matches) el.text.focus({ preventScroll: true }); // on a phone it would raise the keyboard
}

function leave() {
  room.keep();
  link.forget();
  sessionStorage.removeItem('belfry.joined');
  el.journal.replaceChildren();
  el.app.hidden = true;
  el.door.hidden = false;
  document.title = 'Belfry';
  el.name.focus();
  el.name.select();
}

function start() {
  const query = new URLSearchParams(location.search);
  const joined = kept.get(sessionStorage, 'joined', null);
  el.name.value = query.get('user') || joined?.user || kept.get(localStorage, 'name', '');
  el.roomName.value = query.get('room') || joined?.room || 'lobby';

  link.on = {
    cursor: () => room.cursor,
    welcome: (frame) => {
      room.welcomed(frame);
      if (view.away) view.sayStatus('away');
    },
    frame: (frame) => room.receive(frame),
    lost: () => room.lost(),
    resync: () => room.resync(),
    shown: () => room.changed(),
  };
  view.listen();
  el.leave.addEventListener('click', leave);
  el.doorForm.addEventListener('submit', (event) => {
    event.preventDefault();
    const user = idOf(el.name.value);
    const conv = idOf(el.roomName.value);
    setText(el.doorProblem, user && conv ? '' : `Please give a ${user ? 'room' : 'name'} of 1 to 40 characters.`);
    if (user && conv) enter(user, conv);
    else (user ? el.roomName : el.name).focus();
  });

  // A link that names the user, or a reload, needs no door.
  const user = idOf(query.get('user') || joined?.user || '');
  if (user) enter(user, idOf(el.roomName.value) || 'lobby');
  else el.name.focus();
}

start();
