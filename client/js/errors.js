// SPDX-License-Identifier: Apache-2.0
//
// errors.js: what the client's calls reject with.

// code is the hub's (bad_request, forbidden, …), or ours: offline, lost (the connection, before the reply), no_reply, store
// (the storage adapter failed; see cause), full (the outbox), closed, busy (another tab or process has the store), no_token.
export class BelfryError extends Error {
  constructor(code, message = code, { temporary = false, retry_after_ms, cause } = {}) {
    super(message, { cause });
    this.name = 'BelfryError';
    this.code = code;
    this.temporary = temporary;
    this.retry_after_ms = retry_after_ms;
  }

  static ofFrame(frame) {
    const { code, message, temporary, retry_after_ms } = frame;
    return new BelfryError(String(code), `${code}: ${message ?? ''}`, { temporary: temporary === true, retry_after_ms });
  }
}
