// SPDX-License-Identifier: Apache-2.0
// schedule.mjs: when the JavaScript client connects again: a pure function, so each case is a row.

import { backoff, newRetry, stepRetry } from '../../client/js/index.js';
import { forgetRetry, tuneRetry, waitOf } from '../../client/js/retry.js';
import { RETRY, TIME } from '../../client/js/limits.js';
import { Chance } from '../lib/chance.mjs';
import { Tap } from '../lib/tap.mjs';

const tap = new Tap('the schedule of reconnects');
const same = (a, b, sentence) => tap.ok(JSON.stringify(a) === JSON.stringify(b), sentence, `${JSON.stringify(a)}, not ${JSON.stringify(b)}`);

// end, chance -> plan, from a new state
const FIRST = [
  ['a connection that is lost backs off', { code: 1006 }, 123, { stop: false, delay_ms: 123, need: '', told: false }],
  ['nobody answers: backs off', {}, 500, { stop: false, delay_ms: 500, need: '', told: false }],
  ['4000 is answered at once', { code: 4000 }, 123, { stop: false, delay_ms: 0, need: '', told: false }],
  ['4001 after what goaway said', { code: 4001, hint_ms: 1730 }, 123, { stop: false, delay_ms: 1730, need: '', told: true }],
  ['4100 backs off', { code: 4100 }, 7, { stop: false, delay_ms: 7, need: '', told: false }],
  ['4199 backs off behind a hint', { code: 4199, hint_ms: 1000 }, 7, { stop: false, delay_ms: 1007, need: '', told: true }],
  ['4200 wants a token, at once', { code: 4200 }, 7, { stop: false, delay_ms: 0, need: 'token', told: false }],
  ['4299, a code nobody knows yet, as its class', { code: 4299 }, 7, { stop: false, delay_ms: 0, need: 'token', told: false }],
  ['4300 wants a reload, at once', { code: 4300 }, 7, { stop: false, delay_ms: 0, need: 'reload', told: false }],
  ['4400 stops', { code: 4400 }, 7, { stop: true, delay_ms: 0, need: '', told: false }],
  ['4409 stops', { code: 4409 }, 7, { stop: true, delay_ms: 0, need: '', told: false }],
  ['4499 stops', { code: 4499 }, 7, { stop: true, delay_ms: 0, need: '', told: false }],
  ['4500 is none of ours: backs off', { code: 4500 }, 7, { stop: false, delay_ms: 7, need: '', told: false }],
  ['an upgrade refused with 401 wants a token and backs off', { code: 1006, status: 401 }, 7, { stop: false, delay_ms: 7, need: 'token', told: false }],
  ['503 backs off behind Retry-After', { code: 1006, status: 503, hint_ms: 5000 }, 7, { stop: false, delay_ms: 5007, need: '', told: true }],
  ['403 may be another network’s: backs off', { code: 1006, status: 403 }, 7, { stop: false, delay_ms: 7, need: '', told: false }],
  ['a hint of days is cut', { code: 4001, hint_ms: 1e12 }, 0, { stop: false, delay_ms: TIME.hintMax, need: '', told: true }],
  ['a hint that is no number is none', { code: 4001, hint_ms: 'soon' }, 0, { stop: false, delay_ms: 0, need: '', told: false }],
];
for (const [sentence, end, chance, plan] of FIRST) same(stepRetry(newRetry(), end, chance).plan, plan, sentence);

function run(ends) {
  let retry = newRetry();
  return ends.map(([end, chance]) => {
    const step = stepRetry(retry, end, chance);
    retry = step.retry;
    return step.plan.delay_ms;
  });
}

same(run(Array.from({ length: 9 }, () => [{}, 2 ** 31 - 1])), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000].map((ceiling) => (2 ** 31 - 1) % (ceiling + 1)), 'the ceiling doubles up to max_ms');
same(run([[{ code: 4000 }, 400], [{ code: 4000 }, 400], [{ code: 4200 }, 400]]), [0, 400, 400], 'no two ends in a row are answered at once');
same(run([[{ code: 4000 }, 400], [{ code: 4000, alive_ms: RETRY.reset_ms }, 400]]), [0, 0], '… unless the session between them was healthy');
same(run([[{}, 0], [{}, 0], [{ alive_ms: RETRY.reset_ms - 1 }, 1900], [{ alive_ms: RETRY.reset_ms }, 1900]]), [0, 0, 1900, 1900 % 501], 'only a session of reset_ms makes the backoff begin anew');
same(run(Array.from({ length: 2000 }, () => [{}, 30000])).at(-1), 30000, 'it backs off for ever without an overflow');
same(tuneRetry(newRetry(), { base_ms: 0, max_ms: -1, reset_ms: 'x' }), newRetry(), 'a hub that says nonsense is not believed');
same(tuneRetry(newRetry(), { base_ms: 5, max_ms: 50, reset_ms: 500 }), { ...newRetry(), base_ms: 5, max_ms: 50, reset_ms: 500 }, 'what welcome says counts');
same([-5, 0, 900, 2 ** 40, NaN, 'x', undefined].map((hint_ms) => waitOf(hint_ms, 7)), [0, 0, 900, TIME.hintMax, 7, 7, 7], 'what the hub asks us to wait is within what a timer takes');
same(forgetRetry({ ...newRetry(), attempt: 7, hasty: true }), newRetry(), 'a new network forgets what the old one taught');

// A hub that restarts: its clients come back spread over the span, and not in waves.
const chance = new Chance(4711);
const tenths = Array.from({ length: 10 }, () => 0);
const ceiling = 8000;
for (let i = 0; i < 10000; i += 1) tenths[Math.min(9, Math.floor((backoff(4, RETRY, Math.floor(chance.next() * 2 ** 32)) * 10) / (ceiling + 1)))] += 1;
tap.ok(tenths.every((count) => count > 850 && count < 1150), '10,000 clients are spread evenly over the span of their backoff', tenths.join(' '));
tap.finish();
