// SPDX-License-Identifier: Apache-2.0
//
// errors.js: what the client's calls reject with.

// code is the hub's (bad_request, forbidden, …), or ours: offline, lost (the connection, before the reply), no_reply, bug, store
// (the storage adapter failed; see cause), full (the outbox), closed, busy (another tab or process has the store), no_token.
export class BelfryError extends Error {
  constructor(code, message = code, { temporary = false, retry_after_ms, cause } = {}) {
    super(message, { cause });
    this.name = 'BelfryError';
    this.code = code;
    this.temporary = temporary;
    this.retry_after_ms = retry_after_ms;
  }

  // A fault of our own, or of an adapter, as an error with a code.
  static of(error) {
    return error instanceof BelfryError ? error : new BelfryError('bug', String(error?.message), { cause: error });
  }

  // What an adapter threw.
  static ofStore(error) {
    return error instanceof BelfryError ? error : new BelfryError('store', `the store failed: ${error?.message ?? error}`, { cause: error });
  }

  static ofFrame(frame) {
    const code = typeof frame.code === 'string' ? frame.code : 'internal';
    const text = typeof frame.message === 'string' ? frame.message : '';
    const wait = Number.isFinite(frame.retry_after_ms) && frame.retry_after_ms >= 0 ? frame.retry_after_ms : undefined;
    return new BelfryError(code, `${code}: ${text}`, { temporary: frame.temporary === true, retry_after_ms: wait });
  }
}
