// SPDX-License-Identifier: Apache-2.0
//
// retry.js: when to connect again, after whatever ended the last connection. Pure: time and chance are arguments.
//
//      close 4000–4099   at once, or when goaway said; a second time without a healthy session between: backoff
//      close 4200–4299   a fresh token, then as above
//      close 4300–4399   a reload, then as above
//      close 4400–4499   not again, until the app says so
//      upgrade 401       a fresh token, and backoff
//      all else          backoff
//
// What must stay true:
//   1. No two ends in a row are answered at once, unless the session between them was healthy.
//   2. A delay is never longer than max_ms plus what the hub asked for, and that counts up to TIME.hintMax.
//   3. Backoff is forgotten only by a session that lived for reset_ms: else a hub that accepts and then dies would be hammered.
import { RETRY, TIME } from './limits.js';

export function newRetry() {
  return { attempt: 0, hasty: false, ...RETRY };
}

// What the hub says in welcome takes effect at the next end. It is not trusted with a delay of nothing, or of days.
export function tuneRetry(retry, { base_ms, max_ms, reset_ms } = {}) {
  const take = (value, low, otherwise) => (Number.isSafeInteger(value) && value >= low && value <= TIME.hintMax ? value : otherwise);
  return { ...retry, base_ms: take(base_ms, 1, retry.base_ms), max_ms: take(max_ms, 1, retry.max_ms), reset_ms: take(reset_ms, 0, retry.reset_ms) };
}

// The network is back, or the app came to the foreground: what we learnt of the old network says nothing now.
export function forgetRetry(retry) {
  return { ...retry, attempt: 0, hasty: false };
}

// Full jitter: uniform in [0, min(max_ms, base_ms * 2^attempt)]; chance is any uniform integer.
export function backoff(attempt, { base_ms, max_ms }, chance) {
  return chance % (Math.min(max_ms, base_ms * 2 ** Math.min(attempt, 30)) + 1);
}

// What the hub asks us to wait, within bounds: setTimeout() takes what is below 0, or beyond 24 days, for nothing.
export function waitOf(hint_ms, otherwise) {
  return Number.isFinite(hint_ms) ? Math.min(Math.max(0, hint_ms), TIME.hintMax) : otherwise;
}

const isInvited = (code) => code >= 4000 && code <= 4399 && !(code >= 4100 && code <= 4199);

function needOf({ code, status }) {
  if ((code >= 4200 && code <= 4299) || status === 401) return 'token';
  return code >= 4300 && code <= 4399 ? 'reload' : '';
}

// One end: { code, status, hint_ms, alive_ms }, each 0 if there was none. Answers with the next state and the plan
// { stop, delay_ms, need, told }: told, if the hub named the delay.
export function stepRetry(before, { code = 0, status = 0, hint_ms = 0, alive_ms = 0 }, chance) {
  let retry = alive_ms > 0 && alive_ms >= before.reset_ms ? forgetRetry(before) : before;
  const hint = Number.isFinite(hint_ms) && hint_ms > 0 ? Math.min(Math.round(hint_ms), TIME.hintMax) : 0;
  const plan = { stop: false, delay_ms: hint, need: needOf({ code, status }), told: hint > 0 };
  if (code >= 4400 && code <= 4499) {
    plan.stop = true;
  } else if (isInvited(code) && !retry.hasty) {
    retry = { ...retry, hasty: true };
  } else {
    plan.delay_ms = hint + backoff(retry.attempt, retry, chance);
    retry = { ...retry, attempt: retry.attempt + 1 };
  }
  return { retry, plan };
}
