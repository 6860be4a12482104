// SPDX-License-Identifier: Apache-2.0
//
// message.js: one message on the page. One element for its whole life: it is typed, waits, gets its seq, its ticks, and
// never blinks.
import { make, makeButton, setText } from './dom.js';
import { textOf } from './timeline.js';
import { clockOf, hueOf } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';

const MARKS = {
  pending: 'Waiting to be sent',
  sent: 'Stored by the hub',
  delivered: 'Delivered to everyone',
  read: 'Read by everyone',
  failed: 'Not sent',
};

// The first of a run of messages by one author shows who that is.
export function makeMessage(entry, mine) {
  const parts = {
    text: make('span', 'text'), edited: make('span', ''), time: make('time', ''),
    reactions: make('div', 'reactions'), trouble: make('div', 'trouble'),
  };
  const meta = make('span', 'meta', parts.edited, parts.time);
  if (mine) {
    parts.mark = makeButton('mark', '');
    meta.append(parts.mark);
  }
  const bubble = make('div', 'bubble', make('span', 'author', entry.from), parts.text, meta, parts.reactions, parts.trouble);
  const avatar = make('span', 'avatar', [...entry.from][0].toUpperCase());
  avatar.setAttribute('aria-hidden', 'true');
  const row = make('article', 'message', avatar, bubble);
  row.dataset.testid = 'message';
  row.dataset.op = entry.op || '';
  row.parts = parts;
  return row;
}

// The drawings are symbols of index.html.
export function makeTicks(state) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  use.setAttribute('href', `#mark-${state}`);
  return svg;
}

// Brings the element up to date; touches only what differs. shown: { state, mine, first, missed }
export function showMessage(row, entry, { state, mine, first, missed }) {
  const { text, edited, time, reactions } = row.parts;
  row.className = `message hue-${hueOf(entry.from)}${mine ? ' mine' : ''}${first ? ' first' : ''}${missed ? ' was-missed' : ''}`;
  row.dataset.seq = entry.seq ?? '';
  text.classList.toggle('gone', entry.deleted);
  setText(text, entry.deleted ? 'Message deleted' : textOf(entry.body));
  setText(edited, entry.edited && !entry.deleted ? 'edited' : '');
  setText(time, clockOf(entry.at));
  time.dateTime = new Date(entry.at).toISOString();
  setText(reactions, [...new Map(entry.reactions.map(({ from, body }) => [from, textOf(body)])).values()].join(' '));
  if (row.dataset.state === state) return;
  row.dataset.state = state;
  if (!mine) return;
  row.parts.mark.replaceChildren(makeTicks(state));
  row.parts.mark.setAttribute('aria-label', MARKS[state]);
}

// What the reader can do about a message that the hub refused.
export function showTrouble(row, why, onRetry, onDiscard) {
  if (row.why === why) return; // a button in use keeps its focus
  row.why = why;
  row.parts.trouble.replaceChildren();
  if (!why) return;
  row.parts.trouble.append(`Not sent: ${why}`, makeButton('', 'Try again', onRetry), makeButton('', 'Discard', onDiscard));
}
