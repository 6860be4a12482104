// SPDX-License-Identifier: Apache-2.0
//
// reading.js: how far the reader has read: the newest only, and not for each line that scrolls by. The client keeps it and
// tells the hub.
import { device } from './device.js';
import { TIME } from './limits.js';

export class Reading {
  seen = 0;  // highest seq that was in the reader's sight
  said = 0;  // … that the client was told, or that another device of ours has read
  timer = 0;

  constructor(conv) {
    this.conv = conv;
  }

  see(seq) {
    if (!(seq > this.seen)) return;
    this.seen = seq;
    if (this.timer || this.seen <= this.said) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.say();
    }, TIME.read);
  }

  known(seq) {
    this.said = Math.max(this.said, seq || 0);
  }

  say() {
    if (this.seen <= this.said) return;
    this.said = this.seen;
    device.client?.read(this.conv, this.seen).catch(() => {}); // the tab is closing
  }

  forget() {
    this.seen = this.said = 0;
  }
}
