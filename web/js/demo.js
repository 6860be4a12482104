// SPDX-License-Identifier: Apache-2.0
//
// demo.js: the start of the demo page: a chat room that shows what the hub does.
//
//      demo
//       |-- view, message, details, status, composer    the page
//       |-- room: timeline, people, reading              what this device has of the conversation
//       |-- device: journal                              the client of client/js, which keeps, sends, receives, reconnects
//       '-- kept, ids, dom, words, limits                help of all
//
// Arrows point down only; where something below has news for something above, it calls `on`, which is set here.
import { composer } from './composer.js';
import { details } from './details.js';
import { device } from './device.js';
import { el, setText } from './dom.js';
import { idOf } from './ids.js';
import { journal } from './journal.js';
import { kept } from './kept.js';
import { TIME } from './limits.js';
import { room } from './room.js';
import { status } from './status.js';
import { view } from './view.js';

// A tab that nobody looks at for a while makes its user away.
const presence = {
  away: false,
  timer: 0,

  say(what) {
    this.away = what === 'away';
    device.client?.setStatus(what).catch(() => {}); // said again at the next welcome
  },

  onVisibility() {
    clearTimeout(this.timer);
    if (document.visibilityState !== 'visible') {
      this.timer = setTimeout(() => this.say('away'), TIME.awayAfter);
      return;
    }
    view.sayRead();
    if (this.away) this.say('online');
  },
};

function connectParts() {
  device.on = {
    opened: (client) => room.open(client, room.wanted),
    changed: () => view.renderSoon(),
  };
  room.on = { changed: () => view.renderSoon() };
  composer.on = {
    grew: () => view.keepBottom(),
    sent: () => {
      view.toBottom();
      view.renderSoon();
    },
  };
}

async function enter(user, conv) {
  kept.set(localStorage, 'name', user);
  kept.set(sessionStorage, 'joined', { user, room: conv });
  history.replaceState(null, '', `/?${new URLSearchParams({ room: conv })}`);
  document.title = `${conv} · Belfry`;
  setText(el.roomTitle, conv);
  el.door.hidden = true;
  el.app.hidden = false;
  Object.assign(room, { user, conv, wanted: conv });
  view.open();
  showPanel(kept.get(localStorage, 'panel', matchMedia('(min-width: 1100px)').matches));
  if (matchMedia('(pointer: fine)').matches) el.text.focus({ preventScroll: true }); // on a phone it would raise the keyboard
  try {
    await device.open(user, conv);
  } catch (error) {
    journal.note(`This browser keeps nothing: ${error.message}`);
    device.show('offline', `This browser keeps nothing (${error.message})`);
  }
}

async function leave() {
  await device.close();
  kept.remove(sessionStorage, 'joined');
  journal.clear();
  el.app.hidden = true;
  el.door.hidden = false;
  document.title = 'Belfry';
  el.name.focus();
  el.name.select();
}

function showPanel(open) {
  journal.show(open);
  view.keepBottom();
}

function listen() {
  view.listen();
  details.listen();
  status.listen();
  composer.listen();
  el.leave.addEventListener('click', leave);
  el.journalClear.addEventListener('click', () => journal.clear());
  for (const button of [el.panelToggle, el.panelClose]) {
    button.addEventListener('click', () => {
      showPanel(el.panel.hidden);
      kept.set(localStorage, 'panel', !el.panel.hidden);
      if (button === el.panelClose) el.panelToggle.focus();
    });
  }
  document.addEventListener('visibilitychange', () => presence.onVisibility());
  setInterval(() => { if (!el.app.hidden) status.render(); }, 500);
  setInterval(() => { if (!el.app.hidden) view.renderPeople(); }, 30000); // "seen 5 min ago"
}

function start() {
  connectParts();
  listen();
  const query = new URLSearchParams(location.search);
  const joined = kept.get(sessionStorage, 'joined', null);
  el.name.value = query.get('user') || joined?.user || kept.get(localStorage, 'name', '');
  el.roomName.value = query.get('room') || joined?.room || 'lobby';
  el.doorForm.addEventListener('submit', (event) => {
    event.preventDefault();
    const user = idOf(el.name.value);
    const conv = idOf(el.roomName.value);
    setText(el.doorProblem, user && conv ? '' : `Please give a ${user ? 'room' : 'name'} of 1 to 40 characters.`);
    if (user && conv) enter(user, conv);
    else (user ? el.roomName : el.name).focus();
  });

  // A link that names the user, or a reload, needs no door.
  const user = idOf(query.get('user') || joined?.user || '');
  if (user) enter(user, idOf(el.roomName.value) || 'lobby');
  else el.name.focus();
}

start();
