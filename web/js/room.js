// SPDX-License-Identifier: Apache-2.0
//
// room.js: one conversation as the page needs it: what the client has stored of it, who is there, and what came while we
// were away.
//
//      online --> members, watch; the newest entries, if we have none --> caught_up --> live
//      news   --> refresh(): what is shown is always read from the client's store, and never kept beside it
import { device } from './device.js';
import { journal } from './journal.js';
import { LIMIT } from './limits.js';
import { People } from './people.js';
import { Reading } from './reading.js';
import { Timeline } from './timeline.js';

export const room = {
  conv: '',
  user: '',
  timeline: new Timeline(),
  people: new People(),
  reading: new Reading(''),
  caughtUp: false,
  removed: false,
  loading: false,     // older entries
  loaded: false,      // what is there may be shown as all there is
  refreshing: null,   // a refresh under way
  again: false,       // something changed meanwhile
  on: {},             // set at the start: changed()

  // Settles when what is stored is there.
  async open(client, conv) {
    Object.assign(this, {
      user: client.user, conv, timeline: new Timeline(), people: new People(), reading: new Reading(conv),
      caughtUp: false, removed: false, loading: false, loaded: false, refreshing: null, again: false,
    });
    const here = (handle) => (news) => { if (device.client === client && (news.conv === undefined || news.conv === conv)) handle(news); };
    const handlers = {
      state: (news) => this.stateCame(news), message: (news) => this.messageCame(news), member: (frame) => this.memberCame(frame),
      receipt: () => this.refresh(), reloaded: () => this.refresh(), caught_up: () => this.caughtUpCame(), gap: () => this.gapCame(),
      reset: () => this.resetCame(), typing: (frame) => this.typingCame(frame), presence: (frame) => this.presenceCame(frame),
    };
    for (const [type, handle] of Object.entries(handlers)) client.on(type, here(handle));
    await this.refresh();
  },

  others() {
    return this.people.others(this.user);
  },

  // -- What is stored

  // One at a time; whoever comes meanwhile causes one more, which they wait for.
  refresh() {
    this.again = true;
    this.refreshing ??= this.refreshAll().finally(() => { this.refreshing = null; });
    return this.refreshing;
  },

  async refreshAll() {
    while (this.again) {
      this.again = false;
      const { client } = device;
      const { conv } = this;
      if (!client) return;
      const [messages, conversation, receipts] = await Promise.all([
        client.messages(conv, { limit: this.timeline.limit }), client.conversation(conv), client.receipts(conv),
      ]).catch((error) => [[], null, error]);
      if (client !== device.client || conv !== this.conv || !conversation) return; // the reader went on
      this.timeline.set(messages, conversation);
      this.people.set(conversation.members ?? [], receipts);
      this.reading.known(receipts[this.user]?.read);
      this.removed = conversation.removed === true;
      this.on.changed();
    }
  },

  // -- What the client tells

  stateCame({ state }) {
    if (state === 'online') {
      this.caughtUp = false;
      this.timeline.beginMissing();
      this.loadMembers();
      if (this.timeline.last === 0) this.loadLatest();
      else this.loaded = true;
    } else if (this.caughtUp || state === 'waiting' || state === 'off') {
      this.caughtUp = false;
      this.loading = false;
      this.timeline.endMissing();
      this.people.lost();
    }
    this.on.changed();
  },

  messageCame({ what, item, message }) {
    if (what === 'received' && message.from !== this.user) {
      this.people.stopsTyping(message.from);
      this.timeline.miss(message.seq);
    }
    if (what === 'failed' && item.reason === 'not_found') this.rejoin(); // then the reader can try again
    this.refresh();
  },

  caughtUpCame() {
    this.caughtUp = true;
    if (this.loaded) this.timeline.endMissing();
    this.on.changed();
  },

  gapCame() {
    this.timeline.addLine('Some events were older than the hub keeps; the room was loaded anew', Date.now(), device.client.cursor.n);
    this.timeline.missedMore();
    this.loadMembers();
  },

  resetCame() {
    this.timeline.forget();
    this.reading.forget();
    this.timeline.addLine('The hub lost its past; the room was loaded anew', Date.now(), device.client.cursor.n);
    this.loadMembers();
    this.refresh();
  },

  memberCame({ user, action, role, at, n }) {
    const me = user === this.user;
    const did = {
      joined: 'joined', left: 'left', removed: me ? 'were removed' : 'was removed', role: `${me ? 'are' : 'is'} ${role} now`,
    };
    this.timeline.addLine(`${me ? 'You' : user} ${did[action] || action}`, at, n);
    const gone = action === 'left' || action === 'removed';
    if (gone) this.people.gone(user);
    if (!(me && gone)) this.loadMembers();
    this.refresh();
  },

  typingCame({ user, active, ttl_ms: ttlMs }) {
    if (user === this.user) return; // another device of ours
    if (active) this.people.types(user, ttlMs, () => this.on.changed());
    else this.people.stopsTyping(user);
    this.on.changed();
  },

  presenceCame(frame) {
    this.people.presence.set(frame.user, frame);
    this.on.changed();
  },

  // -- Asking

  // Runs a request and tells the journal if it was refused; what was lost is asked again after the next welcome.
  async ask(what, work) {
    try {
      await work(device.client);
    } catch (error) {
      if (['lost', 'offline', 'closed', 'no_reply'].includes(error.code)) return;
      journal.note(`${what}: ${error.code ?? error.message}`);
      if (error.code === 'not_found') await this.rejoin();
    }
  },

  loadMembers() {
    return this.ask('No members', async (client) => {
      const items = await client.members(this.conv);
      await this.refresh();
      await client.watch(items.map(({ user }) => user));
    });
  },

  loadLatest() {
    return this.ask('No history', async (client) => {
      await client.loadLatest(this.conv, LIMIT.page);
      await this.refresh();
      this.loaded = true;
      if (this.caughtUp) this.timeline.endMissing();
      this.on.changed();
    });
  },

  async loadOlder() {
    const { timeline } = this;
    if (this.loading || !timeline.more || !this.loaded) return;
    this.loading = true;
    this.on.changed();
    if (timeline.grow()) await this.refresh(); // more of it is stored here
    else if (device.live) await this.ask('No history', (client) => client.loadOlder(this.conv, LIMIT.page).then(() => this.refresh()));
    this.loading = false;
    this.on.changed();
  },

  async rejoin() {
    await device.rejoin();
    await this.loadMembers();
  },
};
