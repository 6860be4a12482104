// SPDX-License-Identifier: Apache-2.0
//
// reading.js: how far the reader has read, and telling the hub so: the newest only, and not for each line that scrolls by.
import { TIME } from './limits.js';
import { link } from './link.js';

export class Reading {
  seen = 0;  // highest seq that was in the reader's sight
  asked = 0; // … that the hub was told
  said = 0;  // … that the hub has confirmed
  timer = 0;

  constructor(conv) {
    this.conv = conv;
  }

  see(seq) {
    if (seq <= this.seen) return;
    this.seen = seq;
    this.saySoon();
  }

  // The hub knows, by another device of ours or from an earlier time.
  known(seq) {
    this.said = Math.max(this.said, seq || 0);
  }

  saySoon() {
    if (this.timer || this.seen <= this.said) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.say();
    }, TIME.read);
  }

  say() {
    const seq = this.seen;
    if (!link.live || seq <= Math.max(this.said, this.asked)) return;
    this.asked = seq;
    link.request({ type: 'read', conv: this.conv, seq }, () => this.known(seq)).catch(() => this.lost());
  }

  // What was asked may not have arrived.
  lost() {
    this.asked = this.said;
  }

  forget() {
    this.seen = this.asked = this.said = 0;
  }
}
