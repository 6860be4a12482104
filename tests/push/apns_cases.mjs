// SPDX-License-Identifier: Apache-2.0
// apns_cases.mjs: pushes by Apple's service.

import { randomUUID } from 'node:crypto';
import { FakeApns } from '../fakes/apns.mjs';
import { json } from '../fakes/server.mjs';
import { authority, certificate, countClasses, deviceToken, expect, expectClass, job, KEY_ID, keys, onStage, TEAM, TOPIC } from './stage.mjs';

const refuse = (status, reason, headers) => json(status, { reason }, headers);
const bodyOf = (request) => JSON.parse(request.body.toString());
const many = (count, more) => Array.from({ length: count }, () => job.apns(more));

export const apnsCases = [
  ['apns: an alert comes as Apple wants it', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    const expires_ms = Date.now() + 3600_000;
    const sent = job.apns({ priority: 'high', badge: 3, conv: 'lunch', op: 'o1', data: '{"a":[1]}', head: 42, collapse: 'lunch', expires_ms });
    expectClass(await driver.send(sent), 'accepted');
    const [{ headers, path, body }] = apns.requests, payload = JSON.parse(body);
    expect(path === `/3/device/${sent.token}` && headers['apns-topic'] === TOPIC, 'path and topic', path, headers);
    expect(headers['apns-push-type'] === 'alert' && headers['apns-priority'] === '10', 'type and priority', headers);
    expect(headers['apns-id'] === sent.id && headers['apns-collapse-id'] === 'lunch', 'ids', headers);
    expect(headers['apns-expiration'] === String(Math.floor(expires_ms / 1000)), 'expiration in seconds', headers);
    expect(headers['content-type'] === 'application/json' && !headers['user-agent'] && !headers.accept, 'no header of libcurl\'s own', headers);
    expect(payload.aps.alert.title === 'Alice' && payload.aps.alert.body === 'Lunch?' && payload.aps.badge === 3, 'aps', payload);
    expect(payload.aps['thread-id'] === 'lunch' && payload.belfry.head === 42 && payload.belfry.data.a[0] === 1, 'our fields beside aps', payload);
  })],

  ['apns: nothing that shows nothing is sent with priority 10', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expectClass(await driver.send(job.apns({ kind: 'background', priority: 'critical' })), 'accepted');
    expectClass(await driver.send(job.apns({ priority: 'high', title: '', text: '', badge: 0 })), 'accepted');
    expectClass(await driver.send(job.apns({ kind: 'silent', priority: 'high' })), 'accepted');
    expect(apns.requests.every(({ headers }) => headers['apns-priority'] === '5'), 'priority 5', apns.requests.map((r) => r.headers));
    const [background, badge, silent] = apns.requests.map(bodyOf);
    expect(JSON.stringify(background.aps) === '{"content-available":1}', 'content-available alone', background);
    expect(JSON.stringify(badge.aps) === '{"badge":0}', 'badge 0 alone', badge);
    expect(silent.aps.alert && silent.aps.sound === undefined && silent.aps['interruption-level'] === 'passive', 'silent', silent);
  })],

  ['apns: a payload of 4096 bytes passes, a longer text is cut between two characters, more data is refused before it is sent', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expectClass(await driver.send(job.apns({ text: 'ü'.repeat(5000), title: 'ß"\n'.repeat(30) })), 'accepted');
    expectClass(await driver.send(job.apns({ text: '😀"'.repeat(3000) })), 'accepted');
    expectClass(await driver.send(job.apns({ text: 'a'.repeat(5000) })), 'accepted');
    const lengths = apns.requests.map(({ body }) => body.length);
    expect(lengths.every((length) => length <= 4096 && length >= 4096 - 5) && lengths[2] === 4096, 'as long as may be', lengths);
    expect(apns.requests.every((request) => !bodyOf(request).aps.alert.body.includes('\ufffd')), 'whole characters');
    expectClass(await driver.send(job.apns({ data: JSON.stringify('x'.repeat(4100)) })), 'payload_bad', 'PayloadTooLarge');
    expect(apns.requests.length === 3, 'the last was not sent', apns.requests.length);
  })],

  ['apns: fifty at a cold start go over one connection, the first alone until it is accepted', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    let early = 0, together;
    const several = new Promise((resolve) => { together = resolve; });
    apns.plan(async ({ session }) => {
      if (!session.hasAccepted) {
        if (apns.inFlight > 1) early += 1;
        return;
      }
      if (apns.inFlight > 1) together();
      await several; // on a busy machine each could be answered before the next comes
    });
    const outcomes = await driver.sendAll(many(50));
    expect(countClasses(outcomes).accepted === 50, 'all accepted', countClasses(outcomes));
    expect(apns.connections === 1 && early === 0, 'one connection, one stream first', apns.connections, early);
    expect(apns.mostInFlight > 1, 'more at once afterwards', apns.mostInFlight);
  })],

  ['apns: after a connection that ended while idle, the next one begins with one push alone, too', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expect(countClasses(await driver.sendAll(many(50))).accepted === 50, 'the first connection');
    for (const session of apns.sessions) session.destroy();
    let early = 0;
    apns.plan(({ session }) => {
      if (!session.hasAccepted && apns.inFlight > 1) early += 1;
      return undefined;
    });
    const jobs = many(50), outcomes = await driver.sendAll(jobs);
    const again = jobs.filter((_, index) => outcomes[index].class !== 'accepted');
    const retried = await driver.sendAll(again);
    expect(retried.every((o) => o.class === 'accepted') && again.length <= 1, 'all in the end', countClasses(outcomes), countClasses(retried));
    expect(early === 0 && apns.connections === 2, 'one by one first', early, apns.connections);
  })],

  ['apns: all reach a server that never takes more than one stream at a time', () => onStage(async (stage) => {
    const apns = await stage.apns('main', { streams: 1 }), driver = stage.drive();
    const left = new Map(many(40).map((item) => [item.id, item]));
    for (let round = 0; round < 10 && left.size > 0; round++) {
      const jobs = [...left.values()], outcomes = await driver.sendAll(jobs);
      outcomes.forEach((outcome, index) => {
        if (outcome.class === 'accepted') left.delete(jobs[index].id);
        else expect(['transient', 'deferred'].includes(outcome.class), 'lost ones are for later', outcome);
      });
    }
    expect(left.size === 0 && apns.mostInFlight <= 2, 'all arrived', left.size, apns.mostInFlight);
  })],

  ['apns: GOAWAY in the middle of a burst loses nothing, and repeats only with the same id', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    let said = false;
    apns.plan(async (request) => {
      if (said || apns.requests.length < 60) return undefined;
      said = true;
      return { ...(await apns.answer(request)), goaway: 'Shutdown', lastStream: request.stream.id };
    });
    const jobs = many(200), outcomes = await driver.sendAll(jobs);
    const again = jobs.filter((_, index) => outcomes[index].class !== 'accepted');
    expect(outcomes.every(({ class: name }) => ['accepted', 'transient'].includes(name)), 'accepted or for later', countClasses(outcomes));
    const retried = await driver.sendAll(again.map((item) => ({ ...item, attempt: 1 })));
    expect(said && retried.every(({ class: name }) => name === 'accepted'), 'the rest at the second try', countClasses(retried));
    const ids = new Set(apns.requests.map(({ headers }) => headers['apns-id']));
    expect(ids.size === 200 && jobs.every(({ id }) => apns.count(id) >= 1), 'each arrived, with its own id', ids.size);
    expect(apns.connections <= 8, 'new connections, but not one for each push', apns.connections); // libcurl 7.88 takes up to five
  })],

  ['apns: a connection that is cut under load costs a retry with the same ids, and no more', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    apns.plan(() => (apns.requests.length === 40 ? { drop: true } : undefined));
    const jobs = many(120), outcomes = await driver.sendAll(jobs);
    expect(outcomes.every(({ class: name }) => ['accepted', 'transient'].includes(name)), 'accepted or for later', countClasses(outcomes));
    const again = jobs.filter((_, index) => outcomes[index].class !== 'accepted').map((item) => ({ ...item, attempt: 1 }));
    const retried = await driver.sendAll(again);
    expect(retried.every(({ class: name }) => name === 'accepted'), 'all in the end', countClasses(retried));
    expect(new Set(apns.requests.map(({ headers }) => headers['apns-id'])).size === 120, 'no id but ours');
  })],

  ['apns: 410 says since when, and counts as no error of ours', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    const dead = Array.from({ length: 30 }, deviceToken), dead_ms = Date.now() - 86400_000;
    for (const token of dead) apns.tokens.set(token, { dead_ms });
    const outcomes = await driver.sendAll(dead.map((token) => job.apns({ token })));
    expect(outcomes.every((o) => o.class === 'token_dead' && o.reason === 'Unregistered' && o.dead_since_ms === dead_ms), 'dead, with the time', outcomes[0]);
    expectClass(await driver.send(job.apns()), 'accepted');
    apns.tokens.set(dead[0], { dead_ms, expired: true });
    expectClass(await driver.send(job.apns({ token: dead[0] })), 'token_dead', 'ExpiredToken');
  })],

  ['apns: one bad device token among good ones is believed at the second time', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive(), token = deviceToken();
    apns.tokens.set(token, { environment: 'sandbox' });
    expectClass(await driver.send(job.apns()), 'accepted');
    const first = await driver.send(job.apns({ token }));
    expectClass(first, 'unknown', 'BadDeviceToken');
    expect(first.retry_after_ms >= 60_000, 'asked again later', first);
    expectClass(await driver.send(job.apns()), 'accepted');
    expectClass(await driver.send(job.apns({ token, attempt: 1 })), 'token_dead', 'BadDeviceToken');
  })],

  ['apns: when every token is called bad none is given up, and the credential is paused', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expect((await driver.sendAll(many(30))).every((o) => o.class === 'accepted'), 'well at first');
    apns.everyTokenIsBad = true;
    let outcomes = [];
    for (let attempt = 0; attempt < 3; attempt++)
      outcomes = outcomes.concat(await driver.sendAll(many(60, { attempt })));
    const counts = countClasses(outcomes);
    expect(!counts.token_dead, 'none is dead', counts);
    expect(counts.auth_bad > 0 && counts.deferred > 0 && (await driver.wait_ms('apns', 'main')) > 30_000, 'paused', counts);
    expect(apns.requests.length < 100, 'no more were tried', apns.requests.length);
  })],

  ['apns: a few tokens that are all there are, and all called bad, are kept as well', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    apns.everyTokenIsBad = true;
    for (let attempt = 0; attempt < 5; attempt++)
      for (const outcome of await driver.sendAll(many(3, { attempt }))) expectClass(outcome, 'unknown');
  })],

  ['apns: an expired token of ours is made anew once, on a new connection, if it is old enough; a young one is not', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expectClass(await driver.send(job.apns()), 'accepted');
    const real = apns.now_s;
    apns.now_s = () => real() + 3700; // the clocks differ by more than an hour: our token is young, so signing again would not help
    const outcome = await driver.send(job.apns());
    expectClass(outcome, 'auth_bad', 'ExpiredProviderToken');
    expect(new Set(apns.requests.map(({ headers }) => headers.authorization)).size === 1, 'the same token', apns.requests.length);
    const paused = await driver.send(job.apns());
    expectClass(paused, 'deferred');
    expect(paused.retry_after_ms > 10_000, 'paused', paused);
  })],

  ['apns: all requests share one token, and TooManyProviderTokenUpdates makes us wait with it', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    await driver.sendAll(many(30));
    expect(new Set(apns.requests.map(({ headers }) => headers.authorization)).size === 1, 'one token');
    apns.plan(() => refuse(429, 'TooManyProviderTokenUpdates'));
    const outcome = await driver.send(job.apns());
    expectClass(outcome, 'throttled', 'TooManyProviderTokenUpdates');
    expect((await driver.wait_ms('apns', 'main')) > 10_000, 'the credential waits', outcome);
  })],

  ['apns: each reason has its class', () => onStage(async (stage) => {
    const apns = await stage.apns();
    const table = [
      [400, 'BadTopic', 'auth_bad'], [400, 'BadCollapseId', 'payload_bad'], [400, 'IdleTimeout', 'transient'], [403, 'Forbidden', 'auth_bad'],
      [403, 'InvalidProviderToken', 'auth_bad'], [403, 'BadEnvironmentKeyInToken', 'auth_bad'], [404, 'BadPath', 'payload_bad'],
      [405, 'MethodNotAllowed', 'payload_bad'], [413, 'PayloadTooLarge', 'payload_bad'], [429, 'TooManyRequests', 'throttled'],
      [500, 'InternalServerError', 'transient'], [503, 'ServiceUnavailable', 'transient'], [503, 'Shutdown', 'transient'],
      [400, 'SomethingNew', 'unknown'], [418, 'SomethingNew', 'unknown'], [410, 'SomethingNew', 'unknown'],
    ];
    for (const [status, reason, wanted] of table) {
      const driver = stage.drive(); // a new one each time: some pause the credential
      apns.plan(() => refuse(status, reason));
      const outcome = await driver.send(job.apns());
      expectClass(outcome, wanted);
      expect(outcome.reason === (reason === 'SomethingNew' ? 'other' : reason) && outcome.status === status, 'reason and status', outcome);
      await stage.closeDriver();
    }
    const driver = stage.drive();
    for (const body of ['', 'null', '[]', '{"reason":7}', '{"reason":"', '\u0000', '<html>'.repeat(20000)]) {
      apns.plan(() => ({ status: 410, body }));
      expectClass(await driver.send(job.apns()), 'unknown', 'other');
    }
  })],

  ['apns: Retry-After is kept to, as seconds and as a date', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expectClass(await driver.send(job.apns()), 'accepted');
    apns.plan(() => refuse(429, 'TooManyRequests', { 'retry-after': '77' }));
    const seconds = await driver.send(job.apns());
    apns.plan(() => refuse(429, 'TooManyRequests', { 'retry-after': new Date(Date.now() + 90_000).toUTCString() }));
    const date = await driver.send(job.apns());
    apns.plan(() => refuse(429, 'TooManyRequests', { 'retry-after': 'tomorrow' }));
    const neither = await driver.send(job.apns());
    expect(seconds.retry_after_ms === 77_000, 'seconds', seconds);
    expect(date.retry_after_ms > 60_000 && date.retry_after_ms <= 90_000, 'a date', date);
    expect(neither.retry_after_ms >= 30_000, 'neither: our own', neither);
  })],

  ['apns: an outage opens the breaker, what waits comes back at once, and one push alone tries again', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    apns.plan(() => refuse(503, 'ServiceUnavailable'));
    const outcomes = await driver.sendAll(many(200)), counts = countClasses(outcomes);
    expect(counts.transient >= 5 && counts.deferred > 150 && apns.requests.length < 50, 'few tried, the others deferred', counts, apns.requests.length);
    apns.plan(undefined);
    const result = await driver.many(50, job.apns());
    expect(result.classes.accepted === 50, 'well again when its time is over', result);
    expect(driver.log.includes('works again'), 'and said so', driver.log.slice(-500));
  })],

  ['apns: nothing is sent at or after its expiry', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive();
    expectClass(await driver.send(job.apns({ expires_ms: Date.now() - 1 })), 'deferred', 'expired');
    expect(apns.requests.length === 0, 'not sent');
  })],

  ['apns: a server that answers slowly delays its own pushes only', () => onStage(async (stage) => {
    const apns = await stage.apns(), google = await stage.google(), driver = stage.drive();
    const held = [];
    apns.plan(() => new Promise((resolve) => held.push(() => resolve(undefined))));
    const slow = driver.sendAll(many(20));
    await apns.until(() => held.length > 0, 'Apple holds one');
    const quick = await driver.sendAll(Array.from({ length: 100 }, () => job.fcm()));
    expect(quick.every((o) => o.class === 'accepted') && held.length === 1 && google.messages.length === 100, 'Google meanwhile', countClasses(quick));
    apns.plan(undefined);
    for (const go of held) go();
    expect((await slow).every((o) => o.class === 'accepted'), 'Apple afterwards');
  })],

  ['apns: a server with a wrong certificate or without HTTP/2 gets nothing', () => onStage(async (stage) => {
    const stranger = authority.issue('stranger', 'DNS:other.example');
    const apns = await stage.apns('main', { certificate: stranger }), driver = stage.drive();
    expectClass(await driver.send(job.apns()), 'transient', 'TLS');
    await stage.closeDriver();
    const unknown = await stage.apns('main', {}, { ca_file: authority.issue('nobody').file }), second = stage.drive();
    expectClass(await second.send(job.apns()), 'transient', 'TLS');
    await stage.closeDriver();
    const old = await stage.receiver(), third = (stage.sections['apns.main'].url = old.url, stage.sections['apns.main'].ca_file = authority.ca, stage.drive());
    expectClass(await third.send(job.apns()), 'transient');
    expect(apns.requests.length + unknown.requests.length + old.received.length === 0, 'nothing arrived');
  })],

  ['apns: a client certificate serves in place of a token', () => onStage(async (stage) => {
    const ours = authority.issue('client');
    const apns = await stage.start(new FakeApns({ certificate, topics: [TOPIC], clients: (await import('node:fs')).readFileSync(authority.ca) }));
    stage.sections['apns.main'] = { cert_file: ours.file, topic: TOPIC, url: apns.url, ca_file: authority.ca };
    const driver = stage.drive();
    expectClass(await driver.send(job.apns()), 'accepted');
    expect(apns.requests[0].headers.authorization === undefined, 'no token');
    await stage.closeDriver();
    stage.sections['apns.main'] = { key_file: authority.write('k.p8', keys.apns.pem), key_id: KEY_ID, team_id: TEAM, topic: TOPIC, url: apns.url, ca_file: authority.ca };
    expect((await stage.drive().send(job.apns())).class === 'transient', 'without one there is no connection');
  })],

  ['apns: a reload brings a new key into use, and keeps the connections of sections that did not change', () => onStage(async (stage) => {
    const apns = await stage.apns(), second = await stage.apns('second'), driver = stage.drive();
    apns.keys.set('KEY7654321', keys.other.publicKey);
    expect((await driver.sendAll([job.apns(), job.apns({ app: 'second' })])).every((o) => o.class === 'accepted'), 'before');
    Object.assign(stage.sections['apns.main'], { key_file: authority.write('new.p8', keys.other.pem), key_id: 'KEY7654321' });
    stage.configure();
    await driver.reload();
    expect((await driver.sendAll([job.apns(), job.apns({ app: 'second' })])).every((o) => o.class === 'accepted'), 'after');
    const kid = (request) => JSON.parse(Buffer.from(request.headers.authorization.slice(7).split('.')[0], 'base64url')).kid;
    expect(kid(apns.requests[0]) === KEY_ID && kid(apns.requests[1]) === 'KEY7654321', 'the new key', apns.requests.map(kid));
    expect(apns.connections === 2 && second.connections === 1, 'connections', apns.connections, second.connections);
  })],

  ['apns: a section whose key cannot be read makes pushes wait, not die, until a reload', () => onStage(async (stage) => {
    const apns = await stage.apns('main', {}, { key_file: `${authority.folder}/none.p8` }), driver = stage.drive();
    const outcome = await driver.send(job.apns());
    expectClass(outcome, 'auth_bad', 'no credential');
    expect(outcome.retry_after_ms > 0 && (await driver.wait_ms('apns', 'main')) > 0 && driver.log.includes('none.p8'), 'waits and says why', outcome);
    stage.sections['apns.main'].key_file = authority.write('found.p8', keys.apns.pem);
    stage.configure();
    await driver.reload();
    expectClass(await driver.send(job.apns()), 'accepted');
    expect(apns.requests.length === 1, 'arrived');
  })],

  ['apns: no token, key or text gets into the log', () => onStage(async (stage) => {
    const apns = await stage.apns(), driver = stage.drive(), token = deviceToken();
    apns.plan(() => refuse(403, 'Forbidden'));
    await driver.send(job.apns({ token, text: 'a secret text' }));
    expect(driver.log.includes('left alone') && !driver.log.includes(token) && !driver.log.includes('secret text') && !driver.log.includes('eyJ'),
      'the log', driver.log);
  })],

  ['apns: what came back empty is understood, and a server that counts resets loses no push for it', () => onStage(async (stage) => {
    const apns = await stage.apns('main', { says: '' }), driver = stage.drive();
    const result = await driver.many(1500, job.apns({ id: randomUUID() }));
    expect((result.classes.accepted ?? 0) + (result.classes.transient ?? 0) + (result.classes.deferred ?? 0) === 1500 && result.classes.accepted > 1000,
      'accepted, or for later', result, apns.connections);
  })],
];
