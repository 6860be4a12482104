// SPDX-License-Identifier: Apache-2.0
//
// journal.js: "What happens": each frame on one line, with a short sentence for a newcomer, and the frame itself on demand.
import { el, make } from './dom.js';
import { LIMIT } from './limits.js';
import { plural } from './words.js';

function sentenceOf(dir, f) {
  const out = dir === 'out';
  switch (f.type) {
    case 'hello': return f.cursor ? `here I am; I have up to n ${f.cursor.n}` : 'here I am, for the first time';
    case 'welcome': return f.fresh ? `a new device; starts at n ${f.head}` : `your inbox ends at n ${f.head}`;
    case 'caught_up': return `up to n ${f.n}; the rest is live`;
    case 'send': return `please store ${f.kind || 'message'} ${f.op.slice(-4)}`;
    case 'sent': return `stored as seq ${f.seq}${f.duplicate ? '; I had it already' : ''}`;
    case 'message': case 'edit': case 'delete': case 'react': {
      const where = `${f.n === undefined ? '' : `n ${f.n} · `}seq ${f.seq}`;
      return f.body === undefined ? `${where}, your own ${f.type}` : `${where} from ${f.from}`;
    }
    case 'member': return `n ${f.n} · ${f.user} ${f.action}`;
    case 'receipt': return `n ${f.n} · ${f.user} has ${f.delivered}, read ${f.read}`;
    case 'notification': return `n ${f.n} · not for this room`;
    case 'ack': return `I have everything up to n ${f.n}`;
    case 'read': return `I have read up to seq ${f.seq}`;
    case 'typing': return out ? (f.active ? 'I type' : 'I stopped typing') : `${f.user} ${f.active ? 'types' : 'stopped'}`;
    case 'presence': return `${f.user} is ${f.status}`;
    case 'members': return out ? 'who is in the room?' : plural(f.items.length, 'member');
    case 'watch': return `follow ${f.users.join(', ')}`;
    case 'watching': return `${f.presence.filter((p) => p.status === 'online').length} of ${f.presence.length} online`;
    case 'history':
      if (out) return f.before ? `entries before seq ${f.before}` : 'the latest entries';
      return `${plural(f.entries.length, 'entry', 'entries')}${f.more ? ', there are more' : ''}`;
    case 'status': return `I am ${f.status}`;
    case 'gap': return `n ${f.from} to ${f.to} are past the inbox's limit`;
    case 'reset': return `the store lost its past; it is at n ${f.head} now`;
    case 'goaway': return `${f.reason}: come back in ${f.retry_after_ms} ms`;
    case 'token_expiring': return `in ${Math.round(f.in_ms / 1000)} s`;
    case 'auth': return 'a fresh token';
    case 'error': return `${f.code}: ${f.message || ''}`;
    case 'ping': return 'are you there?';
    case 'pong': return 'yes';
    case 'ok': return 'done';
    default: return '';
  }
}

export const journal = {
  add(dir, type, sentence, frame) {
    const arrow = dir === 'note' ? '·' : dir === 'out' ? '→' : '←';
    const now = new Date();
    const time = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, '0')}`;
    const what = make('span', 'what', make('b', '', type), ' ', make('span', '', sentence));
    const row = make('summary', '', make('time', '', time), make('span', dir, arrow), what);
    const item = make('details', dir === 'note' ? 'note' : '', row);
    if (frame) {
      // The JSON is made when it is looked at, not for every frame.
      item.addEventListener('toggle', () => {
        if (item.open && !item.querySelector('pre')) item.append(make('pre', '', JSON.stringify(frame, null, 2)));
      });
    } else {
      row.addEventListener('click', (event) => event.preventDefault());
    }
    const list = el.journal;
    const stick = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(make('li', '', item));
    while (list.children.length > LIMIT.journal) list.firstElementChild.remove();
    if (stick) list.scrollTop = list.scrollHeight;
  },

  frame(dir, frame) {
    // The journal is made to be shown to others; the token is not.
    const shown = 'token' in frame ? { ...frame, token: '(not shown)' } : frame;
    let sentence = '';
    try {
      sentence = sentenceOf(dir, frame);
    } catch {
      // A field we count on is missing: the frame is shown all the same.
    }
    this.add(dir, String(frame.type), sentence, shown);
  },

  note(sentence) {
    this.add('note', '', sentence, null);
  },

  clear() {
    el.journal.replaceChildren();
  },

  show(open) {
    el.panel.hidden = !open;
    el.panelToggle.setAttribute('aria-expanded', String(open));
    if (open) el.journal.scrollTop = el.journal.scrollHeight;
  },
};
