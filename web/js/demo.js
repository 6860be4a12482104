// SPDX-License-Identifier: Apache-2.0
//
// demo.js: the start of the demo page: a chat room that shows what the hub does.
//
//      demo
//       |-- view, message, details, status, composer    the page
//       |-- room: timeline, people, reading              what this device has of the conversation
//       |-- outbox                                       what it has not yet told
//       |-- link: retry, journal                         the connection
//       '-- kept, ids, dom, words, limits                help of all
//
// Arrows point down only; where something below has news for something above, it calls `on`, which is set here.
import { composer } from './composer.js';
import { details } from './details.js';
import { el, setText } from './dom.js';
import { idOf } from './ids.js';
import { journal } from './journal.js';
import { deviceId, kept } from './kept.js';
import { TIME } from './limits.js';
import { link } from './link.js';
import { outbox } from './outbox.js';
import { room } from './room.js';
import { status } from './status.js';
import { view } from './view.js';

// A tab that nobody looks at for a while makes its user away.
const presence = {
  away: false,
  timer: 0,

  say(what) {
    this.away = what === 'away';
    if (link.live) link.request({ type: 'status', status: what }).catch(() => {}); // said again at the next welcome
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
  link.on = {
    cursor: () => room.cursor,
    welcome: (frame) => {
      room.welcomed(frame);
      if (presence.away) presence.say('away');
    },
    frame: (frame) => room.receive(frame),
    lost: () => room.lost(),
    resync: () => room.resync(),
    shown: () => view.renderSoon(),
  };
  outbox.on = {
    ready: () => room.caughtUp,
    stored: (item, reply) => room.stored(item, reply),
    changed: () => view.renderSoon(),
  };
  room.on = {
    changed: () => view.renderSoon(),
    atBottom: () => view.stick,
  };
  composer.on = {
    grew: () => view.keepBottom(),
    sent: () => {
      view.toBottom();
      view.renderSoon();
    },
  };
}

function enter(user, conv) {
  kept.set(localStorage, 'name', user);
  kept.set(sessionStorage, 'joined', { user, room: conv });
  history.replaceState(null, '', `/?${new URLSearchParams({ room: conv })}`);
  document.title = `${conv} · Belfry`;
  setText(el.roomTitle, conv);
  el.door.hidden = true;
  el.app.hidden = false;
  room.open(user, conv);
  view.open();
  showPanel(kept.get(localStorage, 'panel', matchMedia('(min-width: 1100px)').matches));
  outbox.open(user, deviceId());
  link.open(user, conv, deviceId());
  if (matchMedia('(pointer: fine)').matches) el.text.focus({ preventScroll: true }); // on a phone it would raise the keyboard
}

function leave() {
  room.keep();
  link.forget();
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
  window.addEventListener('pagehide', () => room.keep());
  window.addEventListener('online', () => { if (link.shown.state === 'connecting' && link.shown.until) link.connect(); });
  setInterval(() => { if (!el.app.hidden) status.render(); }, 500);
  setInterval(() => { if (!el.app.hidden) view.renderPeople(); }, 30000); // "seen 5 min ago"
  setInterval(() => link.watchSilence(), 5000);
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
