// SPDX-License-Identifier: Apache-2.0
//
// metrics.js: how well this device is in touch, in numbers that an app can show or report. Since the client was opened.
import { LIMIT } from './limits.js';

const COUNTERS = ['synced', 'failed', 'conflicted', 'expired', 'retries', 'duplicates', 'events', 'repeats', 'malformed', 'gaps', 'resets',
  'connects', 'welcomes', 'losses', 'catch_up_events', 'wakes', 'empty_wakes'];

// The latest samples of a duration.
class Samples {
  count = 0;
  #latest = [];

  add(value) {
    this.#latest[this.count++ % LIMIT.samples] = value;
  }

  read() {
    const sorted = [...this.#latest].sort((a, b) => a - b);
    const at = (share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : 0);
    return { count: this.count, p50: at(0.5), p95: at(0.95) };
  }

  // Those from number on, as far as they are kept, in their order.
  since(number) {
    const from = Math.max(number, this.count - LIMIT.samples);
    return Array.from({ length: this.count - from }, (_, index) => this.#latest[(from + index) % LIMIT.samples]);
  }
}

export class Metrics {
  #counts = Object.fromEntries(COUNTERS.map((name) => [name, 0]));
  #opToSynced = new Samples();
  #catchUp = new Samples();
  #catchUpSize = new Samples();
  #told = { counts: {}, samples: {} }; // when news() was last asked
  #behind = null; // { at, events }: between welcome and caught_up

  count(name, more = 1) {
    this.#counts[name] += more;
  }

  // What became of an item of the outbox; ms since the app sent it, if it was synced.
  ended(state, ms) {
    this.count(state);
    if (state === 'synced') this.#opToSynced.add(ms);
  }

  // Between welcome and caught_up.
  get isBehind() {
    return this.#behind !== null;
  }

  // What was counted since this was last asked: { counts, samples }.
  news() {
    const all = { op_to_synced_ms: this.#opToSynced, catch_up_ms: this.#catchUp, catch_up_size: this.#catchUpSize };
    const { counts, samples } = this.#told;
    const news = {
      counts: Object.fromEntries(COUNTERS.map((name) => [name, this.#counts[name] - (counts[name] ?? 0)])),
      samples: Object.fromEntries(Object.entries(all).map(([name, each]) => [name, each.since(samples[name] ?? 0)])),
    };
    this.#told = { counts: { ...this.#counts }, samples: Object.fromEntries(Object.entries(all).map(([name, { count }]) => [name, count])) };
    return news;
  }

  welcomed(now) {
    this.#behind = { at: now, events: this.#counts.events };
  }

  caughtUp(now) {
    if (!this.#behind) return;
    const size = this.#counts.events - this.#behind.events;
    this.count('catch_up_events', size);
    this.#catchUpSize.add(size);
    this.#catchUp.add(now - this.#behind.at);
    this.#behind = null;
  }

  read(items, now) {
    const { synced, failed, conflicted, expired } = this.#counts;
    const ended = synced + failed + conflicted + expired;
    const waiting = items.filter(({ state }) => state === 'pending' || state === 'sending');
    return {
      ...this.#counts,
      success_rate: ended ? synced / ended : 1,
      outbox_depth: waiting.length,
      outbox_oldest_ms: waiting.length ? now - Math.min(...waiting.map(({ at }) => at)) : 0,
      op_to_synced_ms: this.#opToSynced.read(),
      catch_up_ms: this.#catchUp.read(),
      catch_up_size: this.#catchUpSize.read(),
    };
  }
}
