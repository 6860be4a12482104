// SPDX-License-Identifier: Apache-2.0
//
// people.js: who is in the room: how far each has come, who is here, who types. Knows no network and no page.
//
// What must stay true: watermarks only rise, whichever of receipt, members and event comes first.

export class People {
  members = new Map();  // user -> { user, role, delivered, read, since }
  presence = new Map(); // user -> { status, last_seen }
  typists = new Map();  // user -> timer

  static restore(members) {
    const people = new People();
    for (const member of members) people.members.set(member.user, member);
    return people;
  }

  others(user) {
    return [...this.members.values()].filter((m) => m.user !== user);
  }

  // The hub's list is the whole truth about who is a member, but may be older than a receipt that overtook it.
  setMembers(items) {
    const was = this.members;
    this.members = new Map();
    for (const { user, role, delivered, read } of items) {
      this.members.set(user, { delivered: 0, read: 0, since: 0, ...was.get(user), role, user });
      this.mark(user, { delivered, read });
    }
  }

  // since: the last seq before they came.
  joined(user, role, since) {
    this.members.set(user, { user, role, delivered: 0, read: 0, since });
  }

  gone(user) {
    this.members.delete(user);
    this.presence.delete(user);
    this.stopsTyping(user);
  }

  mark(user, { delivered, read }) {
    const member = this.members.get(user);
    if (!member) return;
    member.read = Math.max(member.read, read || 0);
    member.delivered = Math.max(member.delivered, delivered || 0, member.read);
  }

  // The one exception: the store lost its past, and seqs begin anew.
  forgetMarks() {
    for (const member of this.members.values()) Object.assign(member, { delivered: 0, read: 0, since: 0 });
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
