// SPDX-License-Identifier: Apache-2.0
//
// device.js: this tab as a device of its user: the client of client/js, with the demo's token and its switches.
//
// The client does all that is hard: what is typed is kept and sent once, what comes is kept and acknowledged, and the connection
// comes back by itself. Here it is opened, and what it says of the connection becomes a line on the page.
import { openClient } from '/client/js/index.js';
import { journal } from './journal.js';
import { TIME } from './limits.js';

// Only the hub's --dev gives these, and to this machine only. `join` makes the user a member of the room, and the room too.
async function developmentToken(user, id, room) {
  const query = new URLSearchParams({ user, device: id, join: room });
  let response;
  try {
    response = await fetch(`/v1/dev/token?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(TIME.open) });
  } catch {
    throw new Error('the hub does not answer');
  }
  if (response.status === 429 || response.status >= 500) {
    throw Object.assign(new Error(`the hub is busy (${response.status})`), { retry_after_ms: Number(response.headers.get('Retry-After')) * 1000 });
  }
  if (!response.ok) throw Object.assign(new Error('the hub must run with --dev, and this page be opened on the same machine'), { final: true });
  return (await response.json()).token;
}

export const device = {
  client: null,
  on: {},           // set at the start: opened(client), changed()
  shown: { state: 'connecting', text: 'Connecting', until: 0, retryable: false },
  turn: 0,          // whoever waited in an older turn finds that it is no longer asked for
  cutTimer: 0,
  cutMs: 0,

  get id() {
    return this.client?.device ?? '';
  },

  get live() {
    return this.client?.state === 'online';
  },

  // Throws if the store cannot be opened.
  async open(user, room) {
    const turn = ++this.turn;
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`;
    const token = ({ device: id }) => developmentToken(user, id, room);
    const client = await openClient({ url, user, token, name: 'belfry-demo/1' });
    if (turn !== this.turn) {
      await client.close();
      return;
    }
    this.client = client;
    client.on('frame', ({ dir, frame }) => journal.frame(dir, frame));
    client.on('problem', ({ message }) => journal.note(message));
    client.on('state', (news) => this.stateCame(news));
    await this.on.opened(client);
    await client.start();
  },

  async close() {
    this.turn++;
    clearTimeout(this.cutTimer);
    const { client } = this;
    this.client = null;
    await client?.close();
  },

  show(state, text, until = 0, retryable = false) {
    this.shown = { state, text, until, retryable };
    this.on.changed();
  },

  stateCame({ state, code, reason, delay_ms: delayMs, until }) {
    const why = code && code !== 1006 ? `Closed ${code} ${reason}`.trim() : reason || 'Connection lost';
    switch (state) {
      case 'connecting': this.show('connecting', 'Connecting', 0, this.shown.retryable); break;
      case 'online': this.show('online', 'Connected'); break;
      case 'waiting':
        journal.note(why);
        journal.note(`Trying again in ${Math.round(delayMs)} ms`);
        this.show('connecting', 'Reconnecting', until, true);
        break;
      case 'stopped':
        journal.note(why);
        this.show('offline', code === 4409 ? 'Another tab of this device took over' : `The hub does not want us back (${why})`, 0, true);
        break;
      default: // off: the reader's own cut
        this.show('offline', this.cutMs ? 'Cut for a moment' : 'Cut', this.cutMs ? Date.now() + this.cutMs : 0, true);
    }
  },

  // The room is gone, with the hub's past: a development token makes it again, as it did at first.
  async rejoin() {
    journal.note('No such room: it is made again');
    await this.client?.renewToken();
  },

  // The reader's own cut: offline until told otherwise, or for a while.
  async cut(ms = 0) {
    this.cutMs = ms;
    clearTimeout(this.cutTimer);
    journal.note('You cut the connection');
    await this.client?.stop();
    if (ms) this.cutTimer = setTimeout(() => this.connect(), ms);
  },

  // Now, whatever was waited for.
  async connect() {
    clearTimeout(this.cutTimer);
    this.cutMs = 0;
    const { client } = this;
    if (client && client.state !== 'off') await client.stop();
    await client?.start();
  },
};
