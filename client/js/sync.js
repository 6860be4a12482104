// SPDX-License-Identifier: Apache-2.0
//
// sync.js: a background sync by POST /v1/sync, for a service worker or an app that was woken: outbox out, events in, acks.
//
// After a gap or a reset it loads what they made due, too, one page in each request.
//
// What must stay true: it may be killed at any instant. What it sent is on disk as tried, what it took is on disk before it is
// acknowledged, and the next run goes on from there. It runs in turns, but waits for the network outside of them.
import { isPlace } from './check.js';
import { LIMIT } from './limits.js';

const WAITING = new Set(['pending', 'sending']);

export class Sync {
  #client;
  #running;
  #asks;       // what a reload has still to ask: [{ frame, reply, late }]; undefined: not ours
  #acked = -1; // n that the hub was told by a sync; -1: not known

  constructor(client) {
    this.#client = client;
  }

  // Answers with { ok, sent, events, more, reason? }. Two at a time are one.
  once(deadline_ms) {
    this.#running ??= this.#once(deadline_ms).finally(() => { this.#running = undefined; });
    return this.#running;
  }

  async #once(deadline_ms) {
    const { clock, metrics, link } = this.#client;
    const end = clock.now() + deadline_ms;
    const sum = { ok: true, sent: 0, events: 0, more: false };
    try {
      if (link.isOnline) await this.#waitForOutbox(end, sum);
      else await this.#rounds(end, sum);
      metrics.count('wakes');
      if (sum.ok && sum.sent === 0 && sum.events === 0) metrics.count('empty_wakes');
    } finally {
      await this.#client.turn(() => this.#keep());
    }
    return sum;
  }

  // What is still due is for the connection, or the next sync; so is what is still to be reported.
  async #keep() {
    const { reload, report } = this.#client;
    if (this.#asks) reload.lost();
    this.#asks = undefined;
    reload.begin();
    const batch = this.#client.batch();
    report.keep(batch);
    await batch.commit();
  }

  // The connection does all of it; the caller only wants to know when.
  #waitForOutbox(end, sum) {
    const { clock } = this.#client;
    const isEmpty = () => ![...this.#client.outbox.items.values()].some(({ state }) => WAITING.has(state));
    return new Promise((resolve) => {
      const done = () => {
        sum.ok = isEmpty();
        if (!sum.ok) sum.reason = 'deadline';
        clock.clearTimeout(timer);
        off();
        resolve();
      };
      const off = this.#client.on('message', ({ what }) => {
        if (what === 'synced') sum.sent++;
        if (isEmpty()) done();
      });
      const timer = clock.setTimeout(done, Math.max(0, end - clock.now()));
      if (isEmpty()) done();
    });
  }

  async #rounds(end, sum) {
    for (let freshToken = false; ;) {
      const round = await this.#client.turn(() => this.#begin());
      if (!round) return this.#broken(sum, this.#client.isClosed ? 'closed' : 'store');
      const answer = await this.#post(round.body, end);
      if (answer.status === 401 && !freshToken) {
        freshToken = true;
        this.#client.link.forgetToken();
        await this.#client.turn(() => this.#client.outbox.lost());
        this.#asks?.unshift(...round.asks);
        continue;
      }
      const page = answer.json;
      if (answer.status !== 200 || !Array.isArray(page?.events) || !Array.isArray(page?.results) || !isPlace(page?.cursor)) {
        return this.#broken(sum, answer.reason ?? `HTTP ${answer.status}`);
      }
      const isAll = await this.#client.turn(() => this.#take(round, page, sum));
      if (isAll === undefined) return this.#broken(sum, this.#client.isClosed ? 'closed' : 'store');
      if (isAll) return undefined;
      if (this.#client.clock.now() >= end) {
        Object.assign(sum, { ok: false, more: true, reason: 'deadline' });
        return undefined;
      }
    }
  }

  // What was under way waits again.
  async #broken(sum, reason) {
    await this.#client.turn(() => this.#client.outbox.lost());
    Object.assign(sum, { ok: false, reason });
  }

  async #begin() {
    const { outbox, reading, inbox, device, report } = this.#client;
    const batch = this.#client.batch();
    this.#reload();
    const items = await outbox.begin(outbox.eligible(this.#client.clock.now()).slice(0, LIMIT.ops));
    const reads = reading.frames().slice(0, LIMIT.ops - items.length);
    const asks = (this.#asks ?? []).splice(0, LIMIT.ops - items.length - reads.length);
    const reports = [items.length + reads.length + asks.length < LIMIT.ops ? report.take(batch) : undefined].filter(Boolean);
    await batch.commit();
    const ops = [...items.map((item) => outbox.frameOf(item)), ...reads, ...asks.map(({ frame }) => frame), ...reports].map((frame, index) => ({ ...frame, id: index + 1 }));
    const { cursor } = inbox;
    return { items, reads, asks, ops: ops.length, ack: cursor?.n, body: { device, ...(cursor && { cursor, ack: cursor.n }), ops } };
  }

  // A reload that is due, and that no connection is at, asks us. One that begins anew leaves behind what the one before still asked.
  #reload() {
    const asks = [];
    this.#client.reload.begin((frame, handlers) => {
      this.#asks = asks;
      asks.push({ frame, ...handlers });
    });
  }

  async #post(body, end) {
    const { clock } = this.#client;
    const left = end - clock.now();
    if (left <= 0) return { status: 0, reason: 'deadline' };
    const abort = globalThis.AbortController ? new AbortController() : undefined;
    let timer;
    let late = false;
    const deadline = new Promise((_, reject) => {
      timer = clock.setTimeout(() => {
        late = true;
        abort?.abort();
        reject(new Error('deadline'));
      }, left);
    });
    try {
      return await Promise.race([this.#ask(body, abort?.signal), deadline]);
    } catch (error) {
      return { status: 0, reason: late ? 'deadline' : String(error?.message) };
    } finally {
      clock.clearTimeout(timer);
    }
  }

  async #ask(body, signal) {
    const { options, link } = this.#client;
    const token = await link.token();
    const response = await options.fetch(options.syncUrl, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      cache: 'no-store',
      redirect: 'error', // the token is for this hub
      signal,
    });
    return { status: response.status, json: await response.json() };
  }

  // Answers whether that was all.
  async #take({ items, reads, asks, ops, ack }, page, sum) {
    const { inbox, outbox, reading } = this.#client;
    const batch = this.#client.batch();
    if (!inbox.cursor) this.#client.begin({ epoch: page.epoch, n: page.fresh ? page.cursor : 0 }, batch);
    let answers = 0;
    for (const [index, frame] of page.results.slice(0, ops).entries()) {
      if (typeof frame?.type !== 'string') continue;
      if (index >= items.length || frame.type === 'error' || (frame.type === 'sent' && frame.op === items[index].op)) answers++;
      const ask = asks[index - items.length - reads.length];
      if (index < items.length) {
        if (frame.type === 'sent' && frame.op !== items[index].op) continue;
        if (frame.type === 'sent') sum.sent++;
        await outbox.answered(items[index].op, frame, batch);
      } else if (reads[index - items.length]) {
        const { conv, seq } = reads[index - items.length];
        await reading.answered(conv, seq, frame, batch);
      } else if (ask) {
        await ask.reply(frame, batch);
      }
    }
    for (const ask of asks.slice(Math.max(0, page.results.length - items.length - reads.length))) ask.late(); // had no answer
    const before = inbox.cursor?.n ?? -1;
    for (const frame of page.events) if (typeof frame?.type === 'string' && await this.#client.inboxFrame(frame, batch) === true) sum.events++;
    const place = batch.cursor ?? inbox.cursor;
    if (place.epoch === page.epoch && page.cursor > place.n) inbox.move({ epoch: place.epoch, n: page.cursor }, batch);
    await batch.commit();
    inbox.lost(); // this sync acknowledges, and no session
    if (ack !== undefined) this.#acked = ack;
    await outbox.pump();
    sum.more = page.more === true;
    if (answers < ops) { // who asked again at once, and again, would do so until the deadline
      await outbox.lost();
      Object.assign(sum, { ok: false, reason: 'the hub left out a reply' });
      return true;
    }
    this.#reload();
    if (page.more === true && ops === 0 && inbox.cursor.n === before && !(this.#asks?.length > 0)) {
      Object.assign(sum, { ok: false, reason: 'the hub says that there is more, and brings nothing' });
      return true;
    }
    const more = outbox.eligible(this.#client.clock.now()).length > 0 || page.more === true || inbox.cursor.n > this.#acked || this.#asks?.length > 0;
    return !more;
  }
}
