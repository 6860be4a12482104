// SPDX-License-Identifier: Apache-2.0
//
// reload.js: after a gap, a reset, or on a device that has nothing yet, the events do not tell all: it is loaded.
//
//      due ---> conversations, page by page ---> history of each conversation that we had ---> done
//
// The requests go over the connection, or into a background sync, whichever has begun it.
//
// What must stay true: that a reload is due is on disk with the event that made it so, until it is done. A connection that
// is lost meanwhile begins it anew.
import { isPlace, listOf } from './check.js';
import { isBehind, isId } from './ids.js';
import { LIMIT, TIME } from './limits.js';
import { conversationOf, putPage, raise } from './log.js';
import { waitOf } from './retry.js';

export class Reload {
  due = null;       // { convs: those with entries before a reset }, as on disk
  #client;
  #running = false;

  constructor(client) {
    this.#client = client;
  }

  async load(store) {
    this.due = (await store.get('meta', 'reload')) ?? null;
  }

  // In the batch of what makes it so.
  need(batch, convs = []) {
    const due = { convs: [...new Set([...((batch.reload ?? this.due)?.convs ?? []), ...convs])] };
    batch.reload = due;
    batch.put('meta', 'reload', due);
    batch.after(() => {
      this.due = due;
      this.#running = false; // what is under way may be older than this
    });
  }

  lost() {
    this.#running = false;
  }

  // request(frame, { reply, late }) as link.request(), for a background sync; without, the connection's.
  begin(request) {
    const { link } = this.#client;
    if (!this.due || this.#running || (!request && !link.isOnline)) return;
    const run = { queue: [], request: request ?? ((...what) => link.request(...what)) };
    this.#running = run;
    this.#page(run, undefined);
  }

  // Each step goes on with the next, in the turn that has its reply.
  #ask(run, frame, handle) {
    run.request(frame, {
      reply: async (reply, batch) => {
        if (this.#running !== run) return;
        if (reply.type === 'error') {
          if (reply.temporary === true) this.#later(run, reply.retry_after_ms);
          else await handle(undefined, batch);
        } else {
          await handle(reply, batch);
        }
      },
      late: () => { if (this.#running === run) this.#running = false; },
    });
  }

  #later(run, wait_ms) {
    this.#client.clock.setTimeout(() => this.#client.turn(() => {
      if (this.#running !== run) return;
      this.#running = false;
      this.begin();
    }), waitOf(wait_ms, TIME.again));
  }

  #page(run, after) {
    this.#ask(run, { type: 'conversations', ...(after !== undefined && { after }), limit: LIMIT.page }, async (reply, batch) => {
      for (const item of listOf(reply?.items)) if (isId(item.conv)) await this.#conversation(run, item, batch);
      const next = reply?.next;
      batch.after(() => (typeof next === 'string' && isBehind(next, after ?? '') && listOf(reply.items).length > 0 ? this.#page(run, next) : this.#next(run)));
    });
  }

  async #conversation(run, item, batch) {
    const { conv, kind, epoch, seq, delivered, read, unread, last } = item;
    const row = await conversationOf(conv, batch);
    const hadEntries = row.last > 0 || row.ahead.length > 0 || this.due?.convs.includes(conv);
    batch.put('conversations', conv, { ...row, kind, epoch, seq, unread, latest: last, removed: false });
    if (isPlace(delivered) && isPlace(read)) await raise(conv, this.#client.user, { delivered, read }, batch);
    if (hadEntries && kind !== 'channel' && isPlace(seq) && seq > row.last) run.queue.push(conv);
  }

  #next(run) {
    if (this.#running !== run) return;
    const conv = run.queue.shift();
    if (conv === undefined) {
      this.#done(run);
      return;
    }
    this.#ask(run, { type: 'history', conv, limit: LIMIT.page }, async (page, batch) => {
      if (page) await this.#client.putPage(conv, page, batch);
      batch.after(() => this.#next(run));
    });
  }

  #done(run) {
    this.#client.turn(async () => {
      if (this.#running !== run) return;
      const batch = this.#client.batch();
      batch.del('meta', 'reload');
      batch.after(() => {
        this.due = null;
        this.#running = false;
        this.#client.emit('reloaded', {});
      });
      await batch.commit();
    });
  }
}
