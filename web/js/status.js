// SPDX-License-Identifier: Apache-2.0
//
// status.js: the line that says how the connection is, with the switches to disturb it.
import { device } from './device.js';
import { el, setText } from './dom.js';
import { TIME } from './limits.js';
import { plural } from './words.js';

function facts() {
  const { client } = device;
  if (!client) return '';
  const found = [];
  const waiting = client.measure().outbox_depth;
  if (waiting && device.shown.state !== 'online') found.push(`${plural(waiting, 'message')} in the outbox`);
  if (client.cursor) found.push(`cursor ${client.cursor.n}`, `epoch ${client.cursor.epoch.slice(0, 8)}`);
  found.push(device.id);
  return found.join(' · ');
}

export const status = {
  spoken: '',

  // Also twice a second, for its countdown.
  render() {
    const { state, text, until } = device.shown;
    const left = until ? Math.max(0, Math.ceil((until - Date.now()) / 1000)) : 0;
    el.state.dataset.state = state;
    setText(el.stateText, !until ? text : state === 'offline' ? `${text}, back in ${left} s` : `${text} in ${left} s`);
    if (this.spoken !== text) {
      this.spoken = text;
      setText(el.stateSpoken, text); // without the countdown, which nobody wants to hear
    }
    setText(el.facts, facts());
    const cursor = device.client?.cursor;
    el.facts.title = cursor ? `device ${device.id}, cursor ${cursor.n}, epoch ${cursor.epoch}` : '';
    this.renderSwitches();
  },

  renderSwitches() {
    const { retryable, text } = device.shown;
    const mode = retryable ? 'reconnect' : 'cut';
    setText(el.reconnect, text.startsWith('Another tab') ? 'Use it here' : 'Reconnect');
    if (el.switches.dataset.mode === mode) return;
    const focused = el.switches.contains(document.activeElement);
    el.switches.dataset.mode = mode;
    if (focused) el[mode].focus(); // the button in use has just vanished
  },

  listen() {
    el.cut.addEventListener('click', () => device.cut());
    el.cutBriefly.addEventListener('click', () => device.cut(TIME.cutBriefly));
    el.reconnect.addEventListener('click', () => device.connect());
  },
};
