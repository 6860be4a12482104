// SPDX-License-Identifier: Apache-2.0
//
// view.js: shows the room, and tells it what the reader has seen.
//
// What must stay true: nothing moves under the reader's eyes. Who is at the bottom stays there; who is not keeps their line.
import { device } from './device.js';
import { arrange, el, make, setText } from './dom.js';
import { LIMIT, TIME } from './limits.js';
import { makeMessage, makeTicks, showMessage, showTrouble } from './message.js';
import { room } from './room.js';
import { status } from './status.js';
import { stateOf } from './timeline.js';
import { agoOf, dayOf, listOf, plural } from './words.js';

const AT_BOTTOM_PX = 60;
const LOAD_OLDER_PX = 200;

export const view = {
  rows: new Map(),       // "user/op" -> element of a message
  days: new Map(),       // "Today" -> element
  happenings: new Map(), // "n/text" -> element
  chips: new Map(),      // user -> element
  inSight: new Set(),    // messages of others
  older: make('div', 'older'),
  divider: make('div', 'missed'),
  pending: false,
  stick: true,           // the reader is at the bottom
  observer: null,

  open() {
    for (const elements of [this.rows, this.happenings, this.chips, this.inSight]) elements.clear();
    this.stick = true;
    el.list.replaceChildren();
    el.people.replaceChildren();
    this.divider.dataset.testid = 'missed-divider';
    this.divider.setAttribute('role', 'separator');
    this.observer?.disconnect();
    this.observer = new IntersectionObserver((seen) => this.onSeen(seen), { root: el.list, threshold: 0.6 });
    this.renderSoon();
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
    const anchor = this.stick ? null : this.topRow();
    const before = anchor?.getBoundingClientRect().top;
    arrange(el.list, this.nodes());
    this.renderPeople();
    this.renderTyping();
    status.render();
    if (this.stick) this.toBottom();
    else if (anchor?.isConnected) el.list.scrollTop += anchor.getBoundingClientRect().top - before;
    setText(el.me, room.user);
    el.text.disabled = room.removed;
  },

  // The first message in sight: it stays where it is when older ones come in above.
  topRow() {
    const top = el.list.getBoundingClientRect().top;
    return [...el.list.children].find((row) => row.dataset.seq && row.getBoundingClientRect().bottom > top);
  },

  // -- The list

  nodes() {
    const { messages } = room.timeline;
    const others = room.others();
    const run = new Run(this, this.renderOlder(messages.length));
    for (const message of messages.filter(({ seq }) => seq !== undefined)) run.addMessage(message, stateOf(message, others));
    run.addLines(Infinity);
    for (const message of messages.filter(({ seq }) => seq === undefined)) run.addMessage(message, stateOf(message, others));
    for (const [key, row] of this.rows) if (!run.wanted.has(row)) this.forgetRow(key, row);
    return [...run.wanted];
  },

  renderOlder(count) {
    const { timeline } = room;
    if (count === 0 && room.caughtUp && room.loaded) {
      this.older.className = 'older welcome';
      if (!this.older.querySelector('a')) this.older.replaceChildren(this.invitation());
    } else {
      this.older.className = 'older';
      const more = room.loading ? 'Loading earlier messages …' : ' ';
      setText(this.older, timeline.more ? more : 'The beginning of the room');
    }
    return this.older;
  },

  // An empty room is where a newcomer starts.
  invitation() {
    const names = ['bob', 'carol', 'dave', 'erin'];
    const other = names.find((name) => name !== room.user && !room.people.members.has(name)) || 'guest';
    const anchor = make('a', '', `Open a second window as ${other}`);
    anchor.href = `/?${new URLSearchParams({ user: other, room: room.conv })}`;
    anchor.target = '_blank';
    anchor.rel = 'noopener';
    return make('ol', 'steps',
      make('li', '', anchor, '.'),
      make('li', '', 'Write. ', ...this.legend(), '.'),
      make('li', '', make('b', '', 'Cut the connection'), ' of one window, write in both, and reconnect: what was missed arrives ',
        'in order, what was typed is sent, each once.'),
      make('li', '', 'Go further: ', make('code', '', 'kill -9'), ' a worker of the hub, or its Redis, while you write; the hub’s log names them.'));
  },

  legend() {
    const meanings = { sent: ' stored, ', delivered: ' delivered to all, ', read: ' read by all' };
    return Object.entries(meanings).flatMap(([state, meaning]) => {
      const ticks = make('span', 'ticks', makeTicks(state));
      ticks.dataset.state = state;
      return [ticks, meaning];
    });
  },

  renderDay(name) {
    if (!this.days.has(name)) this.days.set(name, make('div', 'day', name));
    return this.days.get(name);
  },

  renderLine(line) {
    const key = `${line.n}/${line.text}`;
    if (this.happenings.size > 2 * LIMIT.lines) this.happenings.clear();
    if (!this.happenings.has(key)) this.happenings.set(key, make('div', 'happening', line.text));
    return this.happenings.get(key);
  },

  renderDivider() {
    const { seqs, atLeast } = room.timeline.missed;
    this.divider.dataset.count = seqs.size;
    setText(this.divider, `${atLeast ? 'More than ' : ''}${plural(seqs.size, 'message')} arrived while you were away`);
    return this.divider;
  },

  renderMessage(entry, state, first) {
    const key = entry.op ? `${entry.from}/${entry.op}` : `#${entry.seq}`;
    const mine = entry.from === room.user;
    let row = this.rows.get(key);
    if (!row) {
      row = makeMessage(entry, mine);
      this.rows.set(key, row);
      if (!mine) this.observer.observe(row);
    }
    const missed = Boolean(room.timeline.missed?.seqs.has(entry.seq));
    showMessage(row, entry, { state, mine, first, missed });
    const why = state === 'failed' ? entry.message || entry.reason || entry.state : '';
    showTrouble(row, why, () => device.client?.retry(entry.op), () => device.client?.cancel(entry.op));
    return row;
  },

  forgetRow(key, row) {
    this.rows.delete(key);
    this.inSight.delete(row);
    this.observer.unobserve(row);
  },

  // -- People

  renderPeople() {
    const users = [...room.people.members.keys()];
    users.sort((a, b) => (b === room.user) - (a === room.user) || a.localeCompare(b));
    arrange(el.people, users.map((user) => this.renderChip(user)));
  },

  renderChip(user) {
    const me = user === room.user;
    let chip = this.chips.get(user);
    if (!chip) {
      chip = make('li', 'person', make('span', 'dot'), make('span', '', me ? `${user} (you)` : user), make('span', 'seen'));
      chip.dataset.testid = `presence-${user}`;
      this.chips.set(user, chip);
    }
    const presence = me ? { status: device.live ? 'online' : 'offline' } : room.people.presence.get(user);
    const { status: shown = 'unknown', last_seen: lastSeen } = presence || {};
    const seen = shown === 'offline' && lastSeen ? `seen ${agoOf(Date.now() - lastSeen)}` : shown === 'online' ? '' : shown;
    chip.dataset.status = shown;
    chip.setAttribute('aria-label', `${user}: ${seen || shown}`);
    setText(chip.lastChild, seen);
    return chip;
  },

  renderTyping() {
    const users = [...room.people.typists.keys()];
    const several = users.length > 3 ? 'Several people are typing' : `${listOf(users)} are typing`;
    el.typing.dataset.active = String(users.length > 0);
    setText(el.typing, users.length === 0 ? '' : users.length === 1 ? `${users[0]} is typing` : several);
  },

  // -- What the reader sees

  onSeen(seen) {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting) this.inSight.add(target);
      else this.inSight.delete(target);
    }
    this.sayRead();
  },

  // A message counts as read when it is in sight, the tab is, and the window has the focus.
  sayRead() {
    if (document.visibilityState !== 'visible' || !document.hasFocus() || el.app.hidden) return;
    for (const row of this.inSight) room.reading.see(Number(row.dataset.seq));
  },

  onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = el.list;
    this.stick = scrollHeight - scrollTop - clientHeight < AT_BOTTOM_PX;
    el.toBottom.hidden = this.stick;
    if (scrollTop < LOAD_OLDER_PX) room.loadOlder();
  },

  toBottom() {
    this.stick = true;
    el.list.scrollTop = el.list.scrollHeight;
  },

  keepBottom() {
    if (this.stick) this.toBottom();
  },

  listen() {
    el.list.addEventListener('scroll', () => this.onScroll(), { passive: true });
    el.toBottom.addEventListener('click', () => this.toBottom());
    new ResizeObserver(() => this.keepBottom()).observe(el.list);
    window.addEventListener('focus', () => this.sayRead());
  },
};

// The list from top to bottom, as it grows: days, what happened, the divider, and messages in runs of one author.
class Run {
  day = '';
  last = null; // the message above, unless something stands between

  constructor(renderer, top) {
    this.renderer = renderer;
    this.lines = [...room.timeline.lines];
    this.firstMissed = room.timeline.missed?.seqs.size ? Math.min(...room.timeline.missed.seqs) : 0;
    this.wanted = new Set([top]);
  }

  add(node) {
    this.wanted.add(node);
    this.last = null;
  }

  // Clocks differ, and a waiting message may seem older than the last one: the set names a day once.
  addDay(at) {
    const name = dayOf(at);
    if (name === this.day) return;
    this.day = name;
    this.add(this.renderer.renderDay(name));
  }

  // What happened before this seq.
  addLines(seq) {
    const { timeline } = room;
    while (this.lines.length && this.lines[0].after < seq) {
      const line = this.lines.shift();
      if (timeline.more && timeline.firstSeq() > 0 && line.after < timeline.firstSeq() - 1) continue; // around it nothing is loaded
      this.addDay(line.at);
      this.add(this.renderer.renderLine(line));
    }
  }

  addMessage(entry, state) {
    if (entry.seq) this.addLines(entry.seq);
    this.addDay(entry.at);
    if (entry.seq && entry.seq === this.firstMissed) this.add(this.renderer.renderDivider());
    const first = this.last?.from !== entry.from || entry.at - this.last.at > TIME.sameGroup;
    this.wanted.add(this.renderer.renderMessage(entry, state, first));
    this.last = entry;
  }
}
