// SPDX-License-Identifier: Apache-2.0
// contract.test.mjs: docs/asyncapi.yaml and docs/openapi.yaml are what they say they are, say what the tables in contract/ and the routes
// in hub/api.c say, and their judge (contract.mjs) finds each fault that is planted.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import { Contract, asyncapi, openapi, operationOf } from './contract.mjs';
import { Tap } from './tap.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const require = createRequire(import.meta.url);
const text = (path) => readFileSync(join(root, path), 'utf8');
const tap = new Tap('the contract in two files, against the tables and the code');
const same = (sentence, found, wanted) => tap.ok(String([...found].sort()) === String([...wanted].sort()), sentence, `it has ${[...found].sort()}\ninstead of ${[...wanted].sort()}`);

// ---- the files are what they say they are -----------------------------------------------------------------------------

const formats = { uri: true, 'uri-reference': true, 'uri-template': true, email: true, regex: true, 'media-range': true };
function valid(ajv, schema, value, sentence) {
  const validate = ajv.compile(schema);
  tap.ok(validate(value), sentence, ajv.errorsText(validate.errors?.slice(0, 5)));
}
valid(new Ajv({ strict: false, formats }), require('@asyncapi/specs/schemas/3.0.0-without-$id.json'), asyncapi, 'asyncapi.yaml is AsyncAPI 3.0.0, by the schema of that specification');
const of31 = JSON.parse(readFileSync(join(dirname(require.resolve('@seriousme/openapi-schema-validator')), 'schemas', 'v3.1', 'schema.json'), 'utf8'));
valid(new Ajv2020({ strict: false, formats }), of31, openapi, 'openapi.yaml is OpenAPI 3.1, by the schema of that specification');

// Everything below a schema, by reference too, once.
function* reached(value, base, seen = new Set()) {
  if (value === null || typeof value !== 'object' || seen.has(value)) return;
  seen.add(value);
  if (typeof value.$ref === 'string') {
    const [file, path] = value.$ref.split('#');
    const document = file ? asyncapi : base;
    const found = path.split('/').slice(1).reduce((at, part) => at?.[part.replaceAll('~1', '/')], document);
    if (found === undefined) throw new Error(`${value.$ref} is not there`);
    yield* reached(found, document, seen);
  }
  if (value.type === 'object' || value.properties) yield value;
  for (const [key, each] of Object.entries(value)) if (!['if', 'then', 'else', 'not', 'oneOf', 'anyOf'].includes(key) || Array.isArray(each)) yield* reached(each, base, seen);
}
const sentByHub = Object.entries(asyncapi.components.messages).filter(([name]) => !name.startsWith('request.'));
// Of what is stored as the app gave it the hub says nothing.
const free = new Set([asyncapi.components.schemas.Push]);
const open = (name, value, base) => [...reached(value, base)].filter((each) => each.properties && each.additionalProperties !== false && !free.has(each)).map((each) => `${name}: ${Object.keys(each.properties)}`);
const left = [...sentByHub.flatMap(([name, { payload }]) => open(name, payload, asyncapi)), ...Object.values(openapi.paths).flatMap((item) => Object.values(item)).flatMap((operation) => (operation.operationId ? open(operation.operationId, operation.responses, openapi) : []))];
tap.ok(left.length === 0, 'objects that the hub sends have no other fields than those named', left.join('\n'));

const compiled = [];
for (const [file, { components }] of [['asyncapi.yaml', asyncapi], ['openapi.yaml', openapi]]) {
  for (const name of Object.keys(components.schemas)) {
    const wrong = new Contract().compiles(`${file}#/components/schemas/${name}`);
    if (wrong) compiled.push(`${file} ${name}: ${wrong}`);
  }
}
tap.ok(compiled.length === 0, 'each schema holds only words of JSON Schema', compiled.join('\n'));

// ---- they say what the tables say -------------------------------------------------------------------------------------

const rows = (file, pattern) => [...text(`contract/${file}`).matchAll(pattern)].map((found) => found.slice(1));
const requests = rows('frames.def', /^REQUEST_ROW\(\w+, "(\w+)", "([^"]*)", "(\w*)"/gm);
const events = rows('frames.def', /^EVENT_ROW\(\w+, "(\w+)", "([^"]*)"/gm);
const ephemera = rows('frames.def', /^EPHEMERAL_ROW\(\w+, "(\w+)", "([^"]*)"/gm);
const replies = new Set(requests.map(([, , reply]) => reply).filter(Boolean));
const messages = [...requests.map(([type]) => `request.${type}`), ...[...replies, 'error'].map((type) => `reply.${type}`), ...events.map(([type]) => `event.${type}`), ...ephemera.map(([type]) => `ephemeral.${type}`), 'caught_up', 'entry'];
same('the messages of asyncapi.yaml are the rows of contract/frames.def', Object.keys(asyncapi.components.messages), messages);
same('all of them may travel in the channel', Object.keys(asyncapi.channels.session.messages), messages);
const fields = (list) => list.split(/[,|]/).map((field) => field.trim()).filter(Boolean);
for (const [kind, table] of [['request', requests], ['event', events], ['ephemeral', ephemera]]) {
  for (const [type, list] of table) {
    const schema = asyncapi.components.schemas[asyncapi.components.messages[`${kind}.${type}`].payload.$ref.split('/').pop()];
    same(`${kind}.${type} has the fields of its row`, Object.keys(schema.properties).filter((field) => field !== 'type' && field !== 'id'), fields(list));
  }
}
const last = (ref) => ref.$ref.split('/').pop();
const received = Object.entries(asyncapi.operations).filter(([, { action }]) => action === 'receive');
same('each request is an operation, with its reply', received.map(([name, { messages: [message], reply }]) => `${name} ${last(message)} ${reply ? last(reply.messages[0]) : ''}`), requests.map(([type, , reply]) => `${type} request.${type} ${reply && `reply.${reply}`}`));
const errors = rows('errors.def', /^ERROR_ROW\(\w+, "(\w+)", (\d+)/gm);
same('the codes of errors are those of contract/errors.def', asyncapi.components.schemas.ErrorCode.enum, errors.map(([code]) => code));
const statuses = Object.keys(openapi.components.responses);
same('each of their statuses is a response of openapi.yaml', errors.map(([, status]) => status).filter((status) => !statuses.includes(status)), []);
same('the codes of closes are those of contract/closes.def', asyncapi.components.schemas.CloseCode.enum, rows('closes.def', /^CLOSE_ROW\(\w+, (\d+)/gm).map(([code]) => Number(code)));

const limits = new Map(rows('limits.def', /^LIMIT_ROW\((\w+), (\d+)/gm).map(([name, value]) => [name, Number(value)]));
const { schemas } = asyncapi.components;
for (const [name, value] of [
  ['ID_BYTES', schemas.Id.maxLength],
  ['OP_BYTES', Number(/\{1,(\d+)\}/.exec(schemas.Op.pattern)[1])],
  ['LIST_ITEMS', schemas.UserList.maxItems],
  ['LIST_ITEMS', schemas.HistoryRequest.properties.limit.maximum],
  ['LIST_ITEMS', schemas.ConversationsRequest.properties.limit.maximum],
  ['VERSIONS', schemas.Entry.properties.versions.maxItems],
  ['REACTIONS', schemas.Entry.properties.reactions.maxItems],
  ['MEMBERS', openapi.components.schemas.ConversationChange.properties.members.maxItems],
  ['PRESENCE_USERS', openapi.components.schemas.Users.properties.users.maxItems],
  ['BATCH_OPERATIONS', openapi.components.schemas.Batch.properties.operations.maxItems],
  ['SYNC_OPERATIONS', openapi.components.schemas.Sync.properties.ops.maxItems],
  ['ESCALATION_STEPS', openapi.components.schemas.Notification.properties.escalate.maxItems],
  ['NOTICE_AGE_S', openapi.components.schemas.Notification.properties.ttl_s.maximum],
])
  tap.ok(value === limits.get(name), `the limit ${name} is that of contract/limits.def`, `it is ${value} instead of ${limits.get(name)}`);

const names = { c: '{conv}', u: '{user}', o: '{op}', d: '{device}', l: '{letter}' };
const routes = [...text('hub/api.c').matchAll(/\{ HTTP_(\w+), "([^"]+)", API_/g)].map(([, method, path]) => `${method} ${path.replace(/\{(\w)\}/g, (_, letter) => names[letter])}`);
const described = Object.entries(openapi.paths).flatMap(([path, item]) => Object.keys(item).filter((key) => key !== 'parameters').map((method) => `${method.toUpperCase()} ${path}`));
same('the calls of openapi.yaml are the routes of hub/api.c', described, routes);
const ids = Object.values(openapi.paths).flatMap((item) => Object.values(item).map((each) => each.operationId).filter(Boolean));
tap.ok(new Set(ids).size === ids.length, 'each call has a name of its own');

// ---- the judge finds what is planted ----------------------------------------------------------------------------------

const judge = new Contract();
const welcome = { type: 'welcome', id: 1, session: '0123456789abcdef', user: 'a', device: 'd', epoch: 'e', cursor: 0, head: 0, server_time: 1, ping_ms: 1, window: 1, max_frame: 1, retry: { base_ms: 1, max_ms: 1, reset_ms: 1 } };
const message = { type: 'message', n: 1, conv: 'c', seq: 1, from: 'a', op: 'o', at: 1, body: null };
// [sentence, frame, is it right]
for (const [sentence, frame, right] of [
  ['a welcome', welcome, true],
  ['a welcome with a field more', { ...welcome, colour: 'red' }, false],
  ['a welcome with a field more within', { ...welcome, retry: { ...welcome.retry, more: 1 } }, false],
  ['a welcome without its head', { ...welcome, head: undefined }, false],
  ['a welcome that is not fresh', { ...welcome, fresh: false }, false],
  ['a message', message, true],
  ['a message for the session that sent it', { ...message, body: undefined }, true],
  ['a message with an id', { ...message, id: 1 }, false],
  ['a message with a body and deleted', { ...message, deleted: true }, false],
  ['an entry of a channel', { ...message, n: undefined }, true],
  ['an entry of a channel without its body', { ...message, n: undefined, body: undefined }, false],
  ['a message whose n is a text', { ...message, n: '1' }, false],
  ['a message whose seq is 0', { ...message, seq: 0 }, false],
  ['an error that may pass', { type: 'error', code: 'unavailable', message: 'm', temporary: true, retry_after_ms: 1 }, true],
  ['an error that may pass, and does not say when', { type: 'error', code: 'unavailable', message: 'm', temporary: true }, false],
  ['an error that stays, and says when', { type: 'error', code: 'conflict', message: 'm', temporary: false, retry_after_ms: 1 }, false],
  ['an error of an unknown code', { type: 'error', code: 'sorry', message: 'm', temporary: false }, false],
  ['a frame of an unknown type', { type: 'dance' }, false],
  ['a frame without a type', {}, false],
])
  tap.ok((judge.frame(JSON.parse(JSON.stringify(frame))) === undefined) === right, `${sentence} is ${right ? 'right' : 'found to be wrong'}`);
tap.ok(judge.request({ type: 'send', conv: 'c', op: 'o', more: 1 }) === undefined, 'a request may have fields nobody knows');
tap.ok(judge.request({ type: 'send', conv: 'c' }) !== undefined, 'a send without an op is found');
tap.ok(judge.close(4409) === undefined && judge.close(1000) === undefined && judge.close(4999) !== undefined, 'a close code of no table is found');
const answer = (status, json) => ({ status, json, text: JSON.stringify(json), headers: { 'content-type': 'application/json' } });
tap.ok(judge.httpAnswer('GET', '/v1/users/a/presence', answer(200, { user: 'a', status: 'online', last_seen: 1, devices: [] })) === undefined, 'an answer is right');
tap.ok(judge.httpAnswer('GET', '/v1/users/a/presence', answer(200, { user: 'a', status: 'here', last_seen: 1, devices: [] })) !== undefined, 'a wrong word in an answer is found');
tap.ok(judge.httpAnswer('GET', '/v1/users/a/presence', answer(204, {})) !== undefined, 'a status that no call may have is found');
tap.ok(judge.httpAnswer('GET', '/v1/nothing', answer(404, { error: 'gone' })) !== undefined, 'an error of another shape is found, also where no call is');
tap.ok(operationOf('GET', '/v1/users/a/notifications/order 17/a?x=1').id === 'getNotification' && operationOf('GET', '/v1/users/a') === undefined, 'a path finds its call');
tap.ok(judge.unseen().includes('reply.sent') && !judge.unseen().includes('reply.welcome') && judge.unseen().includes('sync 200'), 'what was not seen is told');
tap.finish();
