// SPDX-License-Identifier: Apache-2.0
//
// chat.js: a chat in one page that works offline. See index.html beside it.
import { openClient } from '../../client/js/index.js';

const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const hub = query.get('hub') ?? location.origin;
const conv = query.get('room') ?? 'lobby';
const user = query.get('user') ?? prompt('Your name');

// A real app asks its own backend. On a page of the hub itself, with --dev, the hub gives one, and makes the room.
async function token({ device }) {
  if (hub !== location.origin) return prompt(`A token: belfry token --data DIR --user ${user} --device ${device}`);
  const reply = await fetch(`/v1/dev/token?${new URLSearchParams({ user, device, join: conv })}`);
  if (!reply.ok) throw new Error(`no token: HTTP ${reply.status}`);
  return (await reply.json()).token;
}

const client = await openClient({ url: `${hub.replace(/^http/, 'ws')}/v1/ws`, user, token });

const MARKS = { pending: '🕓', sending: '🕓', synced: '✓', failed: '⚠', conflicted: '⚠', expired: '⚠', received: '' };

function button(text, onClick) {
  const made = document.createElement('button');
  made.textContent = text;
  made.addEventListener('click', onClick);
  return made;
}

function lineOf(message, receipts) {
  const { op, seq, from, body, state, deleted, edited, reason } = message;
  const target = seq === undefined ? { op } : { conv, seq };
  const read = Object.entries(receipts).some(([who, mark]) => who !== user && mark.read >= seq);
  const line = document.createElement('li');
  line.dataset.state = state;
  line.textContent = `${from}: ${deleted ? '(deleted)' : body?.text ?? JSON.stringify(body)}${edited ? ' (edited)' : ''} ${state === 'synced' && read ? '✓✓' : MARKS[state]} ${reason ?? ''}`;
  if (from !== user || deleted) return line;
  if (['failed', 'conflicted', 'expired'].includes(state)) line.append(button('Try again', () => client.retry(op)));
  line.append(
    button('Edit', () => {
      const text = prompt('New text', body.text);
      if (text) client.edit(target, { text }).then(show);
    }),
    button('Delete', () => client.remove(target).then(show)),
  );
  return line;
}

// One at a time: the newest call finds the newest state.
let showing = Promise.resolve();
function show() {
  showing = showing.then(async () => {
    const [messages, receipts] = [await client.messages(conv, { limit: 100 }), await client.receipts(conv)];
    byId('messages').replaceChildren(...messages.map((message) => lineOf(message, receipts)));
    const last = messages.findLast(({ state }) => state === 'received');
    if (last && document.visibilityState === 'visible') await client.read(conv, last.seq);
  });
  return showing;
}

const typists = new Map(); // user -> timer

function showTyping() {
  byId('typing').textContent = typists.size ? `${[...typists.keys()].join(', ')} typing …` : '';
}

client.on('typing', (frame) => {
  if (frame.conv !== conv || frame.user === user) return;
  clearTimeout(typists.get(frame.user));
  typists.delete(frame.user);
  if (frame.active) typists.set(frame.user, setTimeout(() => { typists.delete(frame.user); showTyping(); }, frame.ttl_ms));
  showTyping();
});
for (const news of ['message', 'receipt', 'reset', 'reloaded']) client.on(news, show);
client.on('state', ({ state, until, reason }) => {
  byId('state').textContent = state === 'waiting' ? `waiting until ${new Date(until).toLocaleTimeString()}` : `${state} ${reason ?? ''}`;
  byId('connect').textContent = state === 'off' || state === 'stopped' ? 'Connect' : 'Disconnect';
});
client.on('caught_up', async () => {
  const { last } = await client.conversation(conv);
  if (last === 0) await client.loadLatest(conv).then(show);
});

byId('connect').addEventListener('click', () => (client.state === 'off' || client.state === 'stopped' ? client.start() : client.stop()));
byId('text').addEventListener('input', () => client.typing(conv));
byId('composer').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = byId('text').value.trim();
  if (!text) return;
  await client.send(conv, { text }); // on disk: only now it may leave the field
  byId('text').value = '';
});
document.addEventListener('visibilitychange', show);

byId('title').textContent = `${conv}, as ${user}`;
await show();
await client.start();
