// SPDX-License-Identifier: Apache-2.0
//
// composer.js: where the reader writes, and telling the others that they do.
//
//      keys        k kkkk      k    kkk            k         Enter
//      typing      on        on         off        on        (none: the message itself ends it at the others)
//                  |<- again ->|     |<- stop ->|
import { device } from './device.js';
import { el, setText } from './dom.js';
import { journal } from './journal.js';
import { TIME } from './limits.js';
import { room } from './room.js';

export const composer = {
  active: false,  // the others were told that we type
  saidAt: 0,      // when they were told so last; the hub spreads it no sooner again, also after a message
  againTimer: 0,
  stopTimer: 0,
  on: {},         // set at the start: grew(), sent()

  onInput() {
    el.text.style.height = 'auto';
    el.text.style.height = `${el.text.scrollHeight + 2}px`;
    this.on.grew();
    if (el.text.value.trim() === '') {
      this.stop();
      return;
    }
    clearTimeout(this.stopTimer);
    this.stopTimer = setTimeout(() => this.stop(), TIME.typingStop);
    this.say();
  },

  say() {
    clearTimeout(this.againTimer);
    const wait = this.saidAt + TIME.typingAgain - Date.now();
    if (wait > 0) {
      this.againTimer = setTimeout(() => this.say(), wait);
    } else if (device.live) {
      this.active = true;
      this.saidAt = Date.now();
      device.client.typing(room.conv, true);
    }
  },

  stop() {
    const { active } = this;
    this.ended();
    if (active && device.live) device.client.typing(room.conv, false);
  },

  ended() {
    clearTimeout(this.againTimer);
    clearTimeout(this.stopTimer);
    this.active = false;
  },

  onSubmit(event) {
    event.preventDefault();
    const text = el.text.value.trim();
    if (!text || room.removed || !device.client) return;
    this.ended();
    el.text.value = '';
    this.onInput();
    this.send(text);
    el.text.focus();
  },

  // What cannot be kept is not taken: it stays in the reader's hands.
  async send(text) {
    try {
      await device.client.send(room.conv, { text });
      this.on.sent();
    } catch (error) {
      setText(el.stateSpoken, 'This message was not taken');
      journal.note(`This message was not taken: ${error.message}`);
      if (el.text.value === '') el.text.value = text;
      this.onInput();
    }
  },

  listen() {
    el.composer.addEventListener('submit', (event) => this.onSubmit(event));
    el.text.addEventListener('input', () => this.onInput());
    el.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) this.onSubmit(event);
    });
    el.text.addEventListener('blur', (event) => { if (!el.composer.contains(event.relatedTarget)) this.stop(); });
  },
};
