// SPDX-License-Identifier: Apache-2.0
//
// retry.js: decides what follows the end of a connection. Pure; link.js does it.

// PROTOCOL section 5: what a close code asks for. 1006 and its like (network gone) are no words of the hub: back off.
export function afterClose(code) {
  if (code >= 4400 && code < 4500) return 'stop';
  if (code >= 4300 && code < 4400) return 'resync';
  if (code >= 4200 && code < 4300) return 'token';
  if (code >= 4000 && code < 4100) return 'now';
  return 'backoff';
}

// Full jitter: clients that lost the same hub at the same moment come back spread over the whole span.
export function backoff(attempt, retry, random) {
  return Math.round(random * Math.min(retry.max_ms, retry.base_ms * 2 ** Math.min(attempt, 20)));
}
