// SPDX-License-Identifier: Apache-2.0
// contract.mjs: docs/asyncapi.yaml and docs/openapi.yaml as judges: holds frames and HTTP answers to them, and remembers what was seen.
//
// 1. Every frame and every answer of the hub must fit exactly one of its schemas, which allow no other field than those they name.
// 2. What a well-behaved client sends must fit too; whoever sends rubbish on purpose does not ask.
// 3. What was seen is kept by name, `reply.sent` or `putConversation 201`, so that a walk can tell what it left out.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import { parse } from 'yaml';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const read = (name) => parse(readFileSync(join(root, 'docs', name), 'utf8'));

export const asyncapi = read('asyncapi.yaml');
export const openapi = read('openapi.yaml');

const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: false, validateSchema: false });
ajv.addVocabulary(['components', 'channels', 'operations', 'servers', 'info', 'asyncapi', 'openapi', 'paths', 'tags', 'defaultContentType']);
ajv.addSchema(asyncapi, 'asyncapi.yaml');
ajv.addSchema(openapi, 'openapi.yaml');

const validators = new Map();
function validatorOf(ref) {
  if (!validators.has(ref)) validators.set(ref, ajv.compile({ $ref: ref }));
  return validators.get(ref);
}

const inAsyncapi = (ref) => `asyncapi.yaml${ref}`;
const schemaOf = (ref) => asyncapi.components.schemas[ref.split('/').pop()];

// The types that a message may have: those of its payload's `type`.
function typesOf(message) {
  const { type } = schemaOf(message.payload.$ref).properties;
  return type.const ? [type.const] : schemaOf(type.$ref).enum;
}

const sent = new Map(); // type -> [{ name, ref }] of what the hub sends
const requests = new Map(); // type -> { name, ref }
for (const [name, message] of Object.entries(asyncapi.components.messages)) {
  const row = { name, ref: inAsyncapi(message.payload.$ref) };
  for (const type of typesOf(message)) {
    if (name.startsWith('request.')) requests.set(type, row);
    else sent.set(type, [...(sent.get(type) ?? []), row]);
  }
}

const operations = []; // { method, parts, id, responses, request }
for (const [path, item] of Object.entries(openapi.paths)) {
  for (const [method, operation] of Object.entries(item)) {
    if (method === 'parameters') continue;
    operations.push({ method: method.toUpperCase(), parts: path.split('/'), id: operation.operationId, responses: operation.responses, request: operation.requestBody });
  }
}

const schemaAt = (content) => content?.['application/json']?.schema?.$ref;
const inOpenapi = (ref) => (ref.startsWith('#') ? `openapi.yaml${ref}` : ref);

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export function operationOf(method, target) {
  const parts = decoded(target.split('?')[0]).split('/'); // an escaped slash parts too, as in the hub
  const wanted = method === 'HEAD' ? 'GET' : method;
  // An op is all that is left, slashes too.
  const fits = (each) => each.method === wanted && each.parts.every((part, i) => (part.startsWith('{') ? parts[i] : part === parts[i])) && (each.parts.length === parts.length || (each.parts.at(-1) === '{op}' && parts.length > each.parts.length));
  return operations.find(fits);
}

export class Contract {
  seen = new Set();
  codes = new Set(); // of errors
  closes = new Set();

  #judge(ref, value, what) {
    const validate = validatorOf(ref);
    return validate(value) ? undefined : `${what} does not fit ${ref.split('/').pop()}: ${ajv.errorsText(validate.errors, { dataVar: '' })}: ${JSON.stringify(value).slice(0, 400)}`;
  }

  // Is it a schema, and nothing but one?
  compiles(ref) {
    try {
      validatorOf(ref);
      return undefined;
    } catch (error) {
      return error.message;
    }
  }

  // Each gives a sentence that says what is wrong, or undefined.

  request(frame) {
    const row = requests.get(frame.type);
    if (!row) return `asyncapi.yaml knows no request ${JSON.stringify(frame.type)}`;
    this.seen.add(row.name);
    return this.#judge(row.ref, frame, 'a request');
  }

  frame(frame) {
    const rows = sent.get(frame?.type) ?? [];
    const wrongs = rows.map(({ ref }) => this.#judge(ref, frame, 'a frame'));
    const fitting = rows.filter((_, i) => wrongs[i] === undefined);
    if (fitting.length !== 1) return wrongs.find(Boolean) ?? `${fitting.length} messages of asyncapi.yaml fit a frame: ${JSON.stringify(frame).slice(0, 400)}`;
    this.seen.add(fitting[0].name);
    if (frame.type === 'error') this.codes.add(frame.code);
    return undefined;
  }

  close(code) {
    if (code >= 4000) this.closes.add(code);
    return code < 4000 || asyncapi.components.schemas.CloseCode.enum.includes(code) ? undefined : `close ${code} is in no table`;
  }

  httpRequest(method, target, body) {
    const operation = operationOf(method, target);
    if (!operation) return `openapi.yaml knows no ${method} ${target}`;
    const ref = schemaAt(operation.request?.content);
    if (!ref) return body === undefined ? undefined : `${operation.id} takes no body`;
    if (body === undefined) return operation.request.required ? `${operation.id} needs a body` : undefined;
    const wrong = this.#judge(inOpenapi(ref), body, `a body of ${operation.id}`);
    if (wrong || operation.id !== 'sync') return wrong;
    return (body.ops ?? []).map((op) => this.request(op)).find(Boolean);
  }

  // The answer to what was no operation must be an error all the same.
  httpAnswer(method, target, { status, json, headers, text }) {
    const operation = operationOf(method, target);
    const declared = operation?.responses[status];
    if (!operation && !json) return undefined; // a page, or what is no call at all
    if (operation && !declared) return `${operation.id} is not said to answer ${status}: ${text.slice(0, 300)}`;
    if (operation) this.seen.add(`${operation.id} ${status}`);
    this.seen.add(`status ${status}`);
    const response = declared?.$ref ? openapi.components.responses[status] : declared;
    if (response?.content?.['text/plain']) return /^text\/plain/.test(headers['content-type']) ? undefined : `${operation.id} is not text/plain`;
    if (method === 'HEAD') return text === '' ? undefined : 'HEAD has a body';
    if (json?.error?.code) this.codes.add(json.error.code);
    const ref = response ? schemaAt(response.content) : '#/components/schemas/Failure';
    if (!ref) return undefined;
    if (!/^application\/json/.test(headers['content-type'])) return `${method} ${target} gives ${headers['content-type']}`;
    return this.#judge(inOpenapi(ref), json, `the answer ${status} to ${method} ${target}`);
  }

  // What the files describe and nobody has seen: messages, and each success and refusal of each operation that `counts`.
  unseen(counts = (id, status) => Number(status) < 300) {
    const wanted = [...Object.keys(asyncapi.components.messages)];
    for (const { id, responses } of operations) for (const status of Object.keys(responses)) if (counts(id, status)) wanted.push(`${id} ${status}`);
    for (const status of Object.keys(openapi.components.responses)) wanted.push(`status ${status}`);
    return wanted.filter((each) => !this.seen.has(each));
  }
}
