// SPDX-License-Identifier: Apache-2.0
//
// check.js: whether the hub would take a frame. Some faults end the session and not only the request (text that is no
// UTF-8, nesting, size: close 4400 and 4413, after which a client must not come back), so they may not even leave.
import { BelfryError } from './errors.js';
import { byteLength, isId, isOp } from './ids.js';
import { LIMIT } from './limits.js';

const KINDS = new Set(['message', 'edit', 'delete', 'react']);
const ENVELOPE_BYTES = 64; // the id, and what a later version may add

// Half of a surrogate pair: JSON.stringify writes it as an escape that is no Unicode text.
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

function depthOf(text) {
  let depth = 0;
  let most = 0;
  for (const c of text.replace(/"(?:\\.|[^"\\])*"/g, '')) {
    if (c === '{' || c === '[') most = Math.max(most, ++depth);
    else if (c === '}' || c === ']') depth--;
  }
  return most;
}

const refuse = (code, message) => { throw new BelfryError(code, message); };

// An item of the outbox, before it is kept. maxFrame: bytes. Answers with its body as JSON has it.
export function checkItem({ conv, op, kind, ref, body, push }, maxFrame) {
  if (!isId(conv)) refuse('bad_request', 'conv is no id: 1 to 128 bytes without controls, spaces or "/"');
  if (!isOp(op)) refuse('bad_request', 'op must be 1 to 64 printable ASCII bytes');
  if (!KINDS.has(kind)) refuse('bad_request', `there is no kind ${kind}`);
  if (ref !== undefined && !(Number.isSafeInteger(ref) && ref > 0)) refuse('bad_request', 'ref must be the seq of a message');
  let text;
  try {
    text = JSON.stringify({ conv, op, kind, ref, body, push });
  } catch (cause) {
    throw new BelfryError('bad_request', `the body cannot be written as JSON: ${cause.message}`, { cause });
  }
  if (body === undefined && kind !== 'delete') refuse('bad_request', 'a body is needed: any JSON value');
  if (/\\u[dD][89a-fA-F]/.test(text) || LONE.test(text)) refuse('bad_request', 'the text is no Unicode: it has half of a surrogate pair');
  if (depthOf(text) > LIMIT.depth + 1) refuse('bad_request', `nested deeper than ${LIMIT.depth}`);
  if (byteLength(text) + ENVELOPE_BYTES > maxFrame) refuse('too_large', `larger than the hub takes: ${maxFrame} bytes`);
  return JSON.parse(text).body;
}

// What the hub sends is no more to be trusted than what a user types.
export const listOf = (value) => (Array.isArray(value) ? value.filter((each) => each !== null && typeof each === 'object') : []);

export const textOf = (value, otherwise = '') => (typeof value === 'string' ? value : otherwise);

export const isPlace = (value) => Number.isSafeInteger(value) && value >= 0;

export function isEntry({ conv, seq, from, op }) {
  return isId(conv) && isPlace(seq) && seq > 0 && typeof from === 'string' && (op === undefined || typeof op === 'string');
}
