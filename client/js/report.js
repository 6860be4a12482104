// SPDX-License-Identifier: Apache-2.0
//
// report.js: sync metrics for the hub, if the app wants that (options.report_ms): what was counted since the last report.
//
// What must stay true: nothing is reported twice: it counts as told before it leaves. What no report could take is on disk when
// the client is stopped or a background sync ends, as those may be a process's whole life.
import { LIMIT, TIME } from './limits.js';

const COUNTS = ['synced', 'failed', 'conflicted', 'expired', 'retries', 'gaps', 'resets', 'losses', 'wakes', 'empty_wakes'];
const SPANS = ['op_to_synced_ms', 'catch_up_ms', 'catch_up_size'];
const MOST = { op_to_synced_ms: LIMIT.reportSpan, catch_up_ms: LIMIT.reportSpan, catch_up_size: LIMIT.reportCount };

// Numbers of any origin as the hub takes them.
const limited = (value, most) => (Number.isFinite(value) ? Math.min(most, Math.max(0, Math.round(value))) : 0);

export class Report {
  #client;
  #at;            // of the last one; undefined: none yet
  #news = {};     // what the store had kept from the life before
  #timer;

  constructor(client) {
    this.#client = client;
  }

  async load(store) {
    const { at, news } = (await store.get('meta', 'report')) ?? {};
    this.#at = Number.isFinite(at) ? at : undefined;
    this.#news = news ?? {};
  }

  get #each_ms() {
    return this.#client.options.report_ms ?? 0;
  }

  // All that is not told yet.
  #gather() {
    const { counts, samples } = this.#client.metrics.news();
    for (const name of COUNTS) this.#news[name] = (this.#news[name] ?? 0) + counts[name];
    for (const name of SPANS) this.#news[name] = [...(this.#news[name] ?? []), ...samples[name]].slice(-LIMIT.reportSamples);
  }

  #row(batch) {
    batch.put('meta', 'report', { at: this.#at, news: this.#news });
  }

  // In a batch. The frame, if one is due and there is something to tell.
  take(batch) {
    const now = this.#client.clock.now();
    if (!this.#each_ms) return undefined;
    if (this.#at === undefined || this.#at > now) { // the first so long after it was first asked about
      this.#at = now;
      this.#row(batch);
    }
    if (now < this.#at + this.#each_ms) return undefined;
    this.#at = now;
    this.#gather();
    const told = {};
    for (const name of COUNTS) if (this.#news[name] > 0) told[name] = limited(this.#news[name], LIMIT.reportCount);
    for (const name of SPANS) if (this.#news[name].length > 0) told[name] = this.#news[name].map((value) => limited(value, MOST[name]));
    this.#news = {};
    this.#row(batch);
    if (Object.keys(told).length === 0) return undefined;
    const { outbox_depth, outbox_oldest_ms } = this.#client.measure();
    return { type: 'report', ...told, outbox_depth: limited(outbox_depth, LIMIT.reportCount), outbox_oldest_ms: limited(outbox_oldest_ms, LIMIT.reportSpan) };
  }

  // In a turn, while online: when there is nothing more urgent to tell.
  async look() {
    const { link, metrics, clock } = this.#client;
    const since_ms = clock.now() - this.#at; // below 0: the clock was set back, and take() begins anew
    if (!this.#each_ms || !link.isOnline || metrics.isBehind || (since_ms >= 0 && since_ms < this.#each_ms)) return;
    const batch = this.#client.batch();
    const frame = this.take(batch);
    await batch.commit();
    if (frame) link.request(frame, { reply: () => {} });
    this.halt();
    this.#timer = clock.setTimeout(() => this.#client.turn(() => this.look()), Math.min(TIME.timer, this.#at + this.#each_ms - clock.now()));
  }

  halt() {
    this.#client.clock.clearTimeout(this.#timer);
  }

  // For the next life.
  keep(batch) {
    if (!this.#each_ms) return;
    this.#gather();
    this.#row(batch);
  }
}
