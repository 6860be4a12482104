// SPDX-License-Identifier: Apache-2.0
//
// status.js: the line that says how the connection is, with the switches to disturb it.
import { el, setText } from './dom.js';
import { TIME } from './limits.js';
import { link } from './link.js';
import { outbox } from './outbox.js';
import { room } from './room.js';
import { plural } from './words.js';

function facts() {
  const found = [];
  const waiting = outbox.waiting().length;
  if (waiting && link.shown.state !== 'online') found.push(`${plural(waiting, 'message')} in the outbox`);
  if (room.cursor) found.push(`cursor ${room.cursor.n}`, `epoch ${String(room.cursor.epoch).slice(0, 8)}`);
  found.push(link.device);
  return found.join(' · ');
}

export const status = {
  spoken: '',

  // Also twice a second, for its countdown.
  render() {
    const { state, text, until } = link.shown;
    const left = until ? Math.max(0, Math.ceil((until - Date.now()) / 1000)) : 0;
    el.state.dataset.state = state;
    setText(el.stateText, !until ? text : state === 'offline' ? `${text}, back in ${left} s` : `${text} in ${left} s`);
    if (this.spoken !== text) {
      this.spoken = text;
      setText(el.stateSpoken, text); // without the countdown, which nobody wants to hear
    }
    setText(el.facts, facts());
    el.facts.title = room.cursor ? `device ${link.device}, cursor ${room.cursor.n}, epoch ${room.cursor.epoch}` : '';
    this.renderSwitches();
  },

  renderSwitches() {
    const { retryable, text } = link.shown;
    const mode = retryable ? 'reconnect' : 'cut';
    setText(el.reconnect, text.startsWith('Another tab') ? 'Use it here' : 'Reconnect');
    if (el.switches.dataset.mode === mode) return;
    const focused = el.switches.contains(document.activeElement);
    el.switches.dataset.mode = mode;
    if (focused) el[mode].focus(); // the button in use has just vanished
  },

  listen() {
    el.cut.addEventListener('click', () => link.cut());
    el.cutBriefly.addEventListener('click', () => link.cut(TIME.cutBriefly));
    el.reconnect.addEventListener('click', () => link.connect());
  },
};
