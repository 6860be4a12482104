// SPDX-License-Identifier: Apache-2.0
//
// details.js: who has a message, beside its ticks: by hover, focus and tap.
import { el, make } from './dom.js';
import { room } from './room.js';

const MARGIN = 8;

function linesFor(mark) {
  const entry = room.timeline.find(Number(mark.closest('.message').dataset.seq));
  if (!entry) return [make('p', '', mark.getAttribute('aria-label'))];
  const lines = room.others().map((m) => {
    const otherwise = (m.since || 0) >= entry.seq ? 'joined later' : 'not yet';
    const has = m.read >= entry.seq ? 'read' : m.delivered >= entry.seq ? 'delivered' : otherwise;
    return make('p', '', make('span', '', m.user), make('span', '', has));
  });
  return lines.length ? lines : [make('p', '', 'Stored; nobody else is in the room')];
}

export const details = {
  show(mark) {
    el.details.replaceChildren(...linesFor(mark));
    el.details.hidden = false;
    const at = mark.getBoundingClientRect();
    const size = el.details.getBoundingClientRect();
    const above = at.top - size.height - MARGIN;
    el.details.style.left = `${Math.max(MARGIN, Math.min(at.right - size.width, innerWidth - size.width - MARGIN))}px`;
    el.details.style.top = `${above > MARGIN ? above : at.bottom + MARGIN}px`;
  },

  hide() {
    el.details.hidden = true;
  },

  listen() {
    for (const type of ['pointerover', 'focusin', 'click']) {
      el.list.addEventListener(type, (event) => {
        const mark = event.target.closest('.mark');
        if (mark) this.show(mark);
      });
    }
    for (const type of ['pointerout', 'focusout', 'scroll']) el.list.addEventListener(type, () => this.hide());
    document.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.hide(); });
  },
};
