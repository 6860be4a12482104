// SPDX-License-Identifier: Apache-2.0
//
// channels.js: the channels this device follows, and how far it has come in each.
//
// What must stay true:
//   1. The place in a channel moves in the transaction that puts its entry into the log, so each is shown once.
//   2. Subscriptions end with their session: they are made again after each welcome, from the place on disk.
import { isEntry, isPlace, textOf } from './check.js';
import { BelfryError } from './errors.js';
import { TIME } from './limits.js';
import { waitOf } from './retry.js';

export class Channels {
  places = new Map(); // conv -> { conv, epoch, seq, ended? }, as on disk
  #client;

  constructor(client) {
    this.#client = client;
  }

  async load(store) {
    for (const place of await store.range('channels')) this.places.set(place.conv, place);
  }

  #put(place, batch) {
    (batch.places ??= new Map()).set(place.conv, place);
    batch.put('channels', place.conv, place);
    batch.after(() => this.places.set(place.conv, place));
  }

  #find(conv, batch) {
    return batch.places?.get(conv) ?? this.places.get(conv);
  }

  // Wanted from now on, on disk; asked for now, or after the next welcome. Answers with { subscribed: a promise }: the turn
  // must not wait for it.
  async subscribe(conv) {
    const batch = this.#client.batch();
    const { ended, ...place } = this.places.get(conv) ?? { conv };
    this.#put(place, batch);
    await batch.commit();
    return { subscribed: new Promise((resolve, reject) => this.#ask(conv, resolve, reject)) };
  }

  async unsubscribe(conv) {
    const batch = this.#client.batch();
    batch.del('channels', conv);
    batch.after(() => this.places.delete(conv));
    await batch.commit();
    if (this.#client.link.isOnline) this.#client.link.request({ type: 'unsubscribe', conv }, { reply: () => {} });
  }

  welcomed() {
    for (const { conv, ended } of this.places.values()) if (!ended) this.#ask(conv, () => {}, () => {});
  }

  #ask(conv, resolve, reject) {
    const { epoch, seq } = this.places.get(conv);
    if (!this.#client.link.isOnline) {
      reject(new BelfryError('offline', 'not connected: subscribed after the next welcome', { temporary: true }));
      return;
    }
    this.#client.link.request({ type: 'subscribe', conv, ...(epoch !== undefined && { since: { epoch, seq } }) }, {
      reply: (frame, batch) => {
        if (!this.#find(conv, batch)) return;
        if (frame.type === 'subscribed') {
          this.#subscribed(frame, batch);
          batch.after(() => resolve(frame));
          return;
        }
        const error = BelfryError.ofFrame(frame);
        batch.after(() => reject(error));
        if (error.temporary) this.#again(conv, error.retry_after_ms);
        else this.#ended(conv, error.code, batch);
      },
      late: () => this.#again(conv, 0),
      ended: reject,
    });
  }

  // In this session: the next one asks by itself.
  #again(conv, wait_ms) {
    const { link } = this.#client;
    const { session } = link;
    this.#client.clock.setTimeout(() => this.#client.turn(() => {
      const isWanted = this.places.has(conv) && !this.places.get(conv).ended;
      if (isWanted && link.isOnline && link.session === session) this.#ask(conv, () => {}, () => {});
    }), waitOf(wait_ms, TIME.again));
  }

  #ended(conv, code, batch) {
    const place = this.#find(conv, batch);
    if (!place) return;
    this.#put({ ...place, ended: code }, batch);
    batch.after(() => this.#client.emit('ended', { conv, code }));
  }

  // The reply, or by itself: then always with recovered: false.
  #subscribed(frame, batch) {
    const { conv, epoch, seq, recovered } = frame;
    const place = this.#find(conv, batch);
    if (!place || typeof epoch !== 'string' || !isPlace(seq)) return;
    const goesOn = recovered === true && place.epoch !== undefined;
    this.#put({ conv, epoch, seq: goesOn ? place.seq : seq }, batch);
    if (recovered === true) return;
    batch.lostChannels = [...(batch.lostChannels ?? []), conv];
    batch.after(() => this.#client.emit('recovered', { conv, recovered: false, seq }));
  }

  // A frame without n and id. Answers whether it was about a channel.
  async take(frame, batch) {
    if (frame.type === 'subscribed') this.#subscribed(frame, batch);
    else if (frame.type === 'error' && this.places.has(frame.conv)) this.#ended(frame.conv, textOf(frame.code, 'internal'), batch);
    else if (isEntry(frame) && frame.n === undefined) await this.#entry(frame, batch);
    else return false;
    return true;
  }

  async #entry(frame, batch) {
    const place = this.#find(frame.conv, batch);
    if (!place || place.ended || place.epoch === undefined || frame.seq <= place.seq) {
      this.#client.metrics.count('repeats');
      return;
    }
    this.#put({ ...place, seq: frame.seq }, batch); // (1)
    await this.#client.inbox.entry(frame, batch);
  }
}
