// SPDX-License-Identifier: Apache-2.0
//
// people.js: who is in the room: how far each has come, who is here, who types. Knows no network and no page.

export class People {
  members = new Map();  // user -> { user, role, since, delivered, read }
  presence = new Map(); // user -> { status, last_seen }
  typists = new Map();  // user -> timer

  others(user) {
    return [...this.members.values()].filter((m) => m.user !== user);
  }

  // As the client has them: members, and the receipts by user.
  set(members, receipts) {
    this.members = new Map(members.map((member) => [member.user, { ...member, delivered: 0, read: 0, ...receipts[member.user] }]));
  }

  gone(user) {
    this.presence.delete(user);
    this.stopsTyping(user);
  }

  // Typing ends by a frame, by the message, or by itself.
  types(user, ttlMs, ended) {
    this.stopsTyping(user);
    this.typists.set(user, setTimeout(() => {
      this.stopsTyping(user);
      ended();
    }, ttlMs));
  }

  stopsTyping(user) {
    clearTimeout(this.typists.get(user));
    this.typists.delete(user);
  }

  // Nobody tells us any more.
  lost() {
    for (const [user, was] of this.presence) this.presence.set(user, { ...was, status: 'unknown' });
    for (const user of [...this.typists.keys()]) this.stopsTyping(user);
  }
}
