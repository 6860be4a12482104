// SPDX-License-Identifier: Apache-2.0
//
// room.js: one conversation as this device has it: puts each frame where it belongs, and holds the device's cursor.
//
//      welcome --> members, watch --> events after the cursor --> caught_up --> live; the outbox is sent
//              '-> history, unless the room we kept reaches up to the cursor
//
// What must stay true:
//   1. An event is kept (sessionStorage) before it is acknowledged.
//   2. An event with an n that is not above the cursor was seen before, and changes nothing.
//   3. The cursor only rises, except after a reset.
import { journal } from './journal.js';
import { kept } from './kept.js';
import { LIMIT, TIME } from './limits.js';
import { link } from './link.js';
import { outbox } from './outbox.js';
import { People } from './people.js';
import { Reading } from './reading.js';
import { Timeline, textOf } from './timeline.js';

export const room = {
  conv: '',
  user: '',
  cursor: null,       // { epoch, n }
  timeline: new Timeline(),
  people: new People(),
  reading: new Reading(''),
  caughtUp: false,
  removed: false,
  loading: false,     // older entries
  keepTimer: 0,
  ackDue: 0,          // highest n not yet acknowledged, 0 if none
  unacked: 0,
  on: {},             // set at the start: changed(), atBottom()

  open(user, conv) {
    const cursor = kept.get(sessionStorage, `cursor.${user}`, null);
    Object.assign(this, {
      user, conv, cursor, timeline: new Timeline(), people: new People(), reading: new Reading(conv),
      caughtUp: false, removed: false, loading: false, ackDue: 0, unacked: 0,
    });
    const was = kept.get(sessionStorage, `room.${user}.${conv}`, null);
    // A room kept at another n than the cursor's missed what came while the tab was in another room: start it anew.
    if (!was || !cursor || was.epoch !== cursor.epoch || was.n !== cursor.n) return;
    this.timeline = Timeline.restore(was);
    this.people = People.restore(was.members);
    this.reading.known(was.read);
  },

  others() {
    return this.people.others(this.user);
  },

  // -- Keeping and acknowledging (1)

  keepSoon() {
    // Half a window unacknowledged is soon enough to answer at once: the hub stops at a whole one.
    if (this.unacked > (link.session?.window || 256) / 2) this.keep();
    else if (!this.keepTimer) this.keepTimer = setTimeout(() => this.keep(), TIME.ack);
  },

  keep() {
    clearTimeout(this.keepTimer);
    this.keepTimer = 0;
    if (!this.cursor) return;
    const key = `room.${this.user}.${this.conv}`;
    const members = [...this.people.members.values()];
    const all = { ...this.cursor, ...this.timeline.tail(), members, read: this.reading.said };
    // A full storage is no reason to stop the flow: then the room is loaded by history next time.
    if (!this.timeline.complete || !kept.set(sessionStorage, key, all)) kept.remove(sessionStorage, key);
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
    this.timeline.beginMissing();
    if (frame.fresh || !this.cursor) {
      if (this.cursor && this.cursor.epoch !== frame.epoch) this.forgetPast();
      this.cursor = { epoch: frame.epoch, n: n ?? frame.head };
      this.timeline.complete = false;
    }
    this.loadMembers();
    if (!this.timeline.complete) this.loadLatest();
    this.reading.saySoon();
    this.on.changed();
  },

  lost() {
    this.caughtUp = false;
    this.loading = false;
    this.reading.lost();
    this.timeline.endMissing();
    this.people.lost();
    this.keep();
    this.on.changed();
  },

  // Close codes 43xx: our place is no good. What we have stays on the page, but history has the word.
  resync() {
    this.timeline.complete = false;
  },

  receive(frame) {
    const numbered = frame.n !== undefined && frame.type !== 'caught_up';
    if (numbered) {
      if (this.cursor && frame.n <= this.cursor.n) return; // (2): at least once on the wire, once here
      this.rise(frame.n);
      this.unacked++;
    }
    switch (frame.type) {
      case 'caught_up': this.caughtUpCame(); break;
      case 'gap': this.gapCame(frame); break;
      case 'reset': this.resetCame(frame); break;
      case 'presence': this.people.presence.set(frame.user, frame); break;
      default: if (frame.conv === this.conv) this.receiveHere(frame); // else an event of another room, or a notification
    }
    if (numbered || frame.type === 'gap' || frame.type === 'reset') this.keepSoon();
    this.on.changed();
  },

  receiveHere(frame) {
    switch (frame.type) {
      case 'message': case 'edit': case 'delete': case 'react': this.entryCame(frame); break;
      case 'member': this.memberCame(frame); break;
      case 'receipt': this.receiptCame(frame); break;
      case 'typing': this.typingCame(frame); break;
      default: break; // signals, and what later versions bring
    }
  },

  rise(n) {
    this.cursor = { epoch: this.cursor.epoch, n: Math.max(this.cursor.n, n) };
    this.ackDue = this.cursor.n;
  },

  caughtUpCame() {
    this.caughtUp = true;
    if (this.timeline.complete) this.timeline.endMissing();
    outbox.pump();
  },

  gapCame(frame) {
    this.rise(frame.to);
    this.timeline.addLine('Some events were older than the hub keeps; the room was loaded anew', Date.now(), this.cursor.n);
    this.reload();
  },

  resetCame(frame) {
    this.cursor = { epoch: frame.epoch, n: frame.head };
    this.ackDue = 0;
    this.unacked = 0;
    this.forgetPast();
    this.timeline.addLine('The hub lost its past; the room was loaded anew', Date.now(), this.cursor.n);
    this.reload();
  },

  forgetPast() {
    this.timeline.forget();
    this.people.forgetMarks();
    this.reading.forget();
  },

  reload() {
    this.timeline.complete = false;
    this.loadMembers();
    this.loadLatest();
  },

  // -- Entries

  // To the session that sent it, its own entry comes without body: the text is still in the outbox, or came with the reply.
  entryCame(frame) {
    const { type, seq, ref, from, op, at } = frame;
    const mine = from === this.user;
    const waiting = mine ? outbox.find(op) : undefined;
    const known = this.timeline.entries.get(seq);
    if (frame.body === undefined && !waiting && !known && type !== 'delete') this.loadOne(seq);
    const text = frame.body !== undefined ? textOf(frame.body) : waiting?.text ?? known?.text ?? '';
    this.timeline.put({ type, seq, ref, from, op, at, text });
    if (this.on.atBottom()) this.timeline.trim();
    if (waiting) outbox.remove(op);
    if (mine) return;
    this.people.stopsTyping(from);
    if (!known && type === 'message') this.timeline.miss(seq);
  },

  // The reply to a send. The event that gives its n may come before or after.
  stored(item, reply) {
    if (item.conv === this.conv && !this.timeline.entries.has(reply.seq)) {
      this.timeline.put({ type: 'message', seq: reply.seq, from: this.user, op: item.op, at: reply.at, text: item.text });
    }
    outbox.remove(item.op);
    this.keepSoon();
    this.on.changed();
  },

  // -- History

  loadLatest() {
    this.history({}, (page) => {
      this.foundInHistory(this.timeline.putLatest(page, this.user));
      if (this.caughtUp) this.timeline.endMissing();
      this.keepSoon();
    });
  },

  loadOlder() {
    const { timeline } = this;
    if (this.loading || !timeline.more || !link.live || !timeline.entries.size) return;
    this.loading = true;
    this.on.changed();
    this.history({ before: timeline.firstSeq() }, (page) => {
      this.foundInHistory(timeline.putPage(page, this.user));
      timeline.more = page.more && page.entries.length > 0;
      this.loading = false;
    });
  },

  loadOne(seq) {
    this.history({ after: seq - 1, limit: 1 }, (page) => this.foundInHistory(this.timeline.putPage(page, this.user)));
  },

  history(range, handle) {
    link.request({ type: 'history', conv: this.conv, limit: LIMIT.page, ...range }, (page) => {
      handle(page);
      this.on.changed();
    }).catch((error) => {
      this.loading = false;
      this.refused('No history', error);
      this.on.changed();
    });
  },

  refused(what, error) {
    if (error.code === 'lost') return; // asked again after the next welcome
    journal.note(`${what}: ${error.code}`);
    if (error.code === 'not_found') link.rejoin();
  },

  // Our own messages in history are stored, whatever became of the reply that should have said so.
  foundInHistory(ops) {
    for (const op of ops) if (outbox.find(op)) outbox.remove(op);
  },

  // -- Members, receipts, typing

  loadMembers() {
    link.request({ type: 'members', conv: this.conv }, ({ items }) => {
      this.people.setMembers(items);
      this.reading.known(items.find((item) => item.user === this.user)?.read);
      this.watch(items.map((item) => item.user));
      this.on.changed();
    }).catch((error) => this.refused('No members', error));
  },

  watch(users) {
    for (let i = 0; i < users.length; i += LIMIT.watch) {
      link.request({ type: 'watch', users: users.slice(i, i + LIMIT.watch) }, (reply) => {
        for (const presence of reply.presence) this.people.presence.set(presence.user, presence);
        this.on.changed();
      }).catch((error) => this.refused('No presence', error));
    }
  },

  memberCame(frame) {
    const { user, action, role, at, n } = frame;
    const me = user === this.user;
    const did = {
      joined: 'joined', left: 'left', removed: me ? 'were removed' : 'was removed', role: `${me ? 'are' : 'is'} ${role} now`,
    };
    this.timeline.addLine(`${me ? 'You' : user} ${did[action] || action}`, at, n);
    const gone = action === 'left' || action === 'removed';
    if (gone) this.people.gone(user);
    if (action === 'joined') this.people.joined(user, role, this.timeline.lastSeq());
    if (me) this.removed = gone;
    if (!this.removed) this.loadMembers();
  },

  receiptCame(frame) {
    this.people.mark(frame.user, frame);
    if (frame.user === this.user) this.reading.known(frame.read);
  },

  typingCame({ user, active, ttl_ms: ttlMs }) {
    if (user === this.user) return; // another device of ours
    if (active) this.people.types(user, ttlMs, () => this.on.changed());
    else this.people.stopsTyping(user);
  },
};
