// SPDX-License-Identifier: Apache-2.0
// other_cases.mjs: pushes by Google, by browsers' services, by webhooks.

import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { fcmError } from '../fakes/google.mjs';
import { authority, countClasses, expect, expectClass, job, keys, onStage, OTHER_SECRET, SECRET, vapidPoint } from './stage.mjs';
import { point } from '../fakes/certificate.mjs';
import { eventually } from '../lib/until.mjs';

const manyFcm = (count, more) => Array.from({ length: count }, () => job.fcm(more));

// The last letter holds four bits of the point's Y: with others of them it is on no curve.
const offCurve = (point) => point.slice(0, -1) + (point.endsWith('A') ? 'E' : 'A');

export const otherCases = [
  ['fcm: what is shown, what is not, and how urgent it is, come as Google wants them', () => onStage(async (stage) => {
    const google = await stage.google(), driver = stage.drive();
    const sent = [
      job.fcm({ priority: 'high', badge: 2, conv: 'lunch', data: '{"a":1}', collapse: 'lunch', ttl_ms: 3600_000 }),
      job.fcm({ kind: 'background', priority: 'critical' }),
      job.fcm({ kind: 'silent', priority: 'high' }),
    ];
    for (const item of sent) expectClass(await driver.send(item), 'accepted');
    const [alert, background, silent] = google.messages;
    expect(alert.token === sent[0].token && alert.notification.title === 'Alice' && alert.notification.body === 'Lunch?', 'shown', alert);
    expect(alert.android.priority === 'high' && /^35(9\d|8\d)s$|^3600s$/.test(alert.android.ttl) && alert.android.collapse_key === 'lunch', 'android', alert);
    expect(alert.data.conv === 'lunch' && alert.data.data === '{"a":1}' && alert.data.id === sent[0].id, 'data of strings', alert);
    expect(!background.notification && background.android.priority === 'normal' && background.apns.payload.aps['content-available'] === 1, 'background', background);
    expect(silent.android.priority === 'normal' && silent.android.notification.default_sound === false, 'silent', silent);
  })],

  ['fcm: a hundred at once ask for one access token, which is renewed before it ends', () => onStage(async (stage) => {
    const google = await stage.google({ lives_s: 304 }), driver = stage.drive();
    let calls;
    google.plan(({ path }) => {
      if (path !== '/token') calls ??= google.tokenCalls; // all hundred had been waiting for it
    });
    const started = Date.now();
    expect((await driver.sendAll(manyFcm(100))).every((o) => o.class === 'accepted'), 'all accepted');
    expect(calls === 1, 'one call', calls);
    // Of 304 s it serves for four, and then is asked for ahead while the old one goes on serving.
    let refused = 0;
    while (google.tokenCalls < 2 && Date.now() - started < 20_000)
      refused += (await driver.sendAll(manyFcm(5))).filter((o) => o.class !== 'accepted').length;
    const most = 2 + (Date.now() - started) / 4000; // more only where the machine takes longer than one serves
    expect(google.tokenCalls >= 2 && google.tokenCalls <= most && refused === 0, 'renewed ahead', google.tokenCalls, refused);
  })],

  ['fcm: a token that Google forgot is renewed once for all, and each push sent once more', () => onStage(async (stage) => {
    const google = await stage.google(), driver = stage.drive();
    expectClass(await driver.send(job.fcm()), 'accepted');
    const started = Date.now();
    while (Date.now() - started < 1500) expectClass(await driver.send(job.fcm()), 'accepted'); // one that is younger is not renewed
    google.revokeAll();
    const outcomes = await driver.sendAll(manyFcm(50));
    expect(outcomes.every((o) => o.class === 'accepted') && google.tokenCalls === 2, 'all accepted', countClasses(outcomes), google.tokenCalls);
  })],

  ['fcm: a token that is refused at once is no reason to ask for another', () => onStage(async (stage) => {
    const google = await stage.google(), driver = stage.drive();
    google.plan(({ path }) => (path === '/token' ? undefined : fcmError(401, 'UNAUTHENTICATED')));
    const outcomes = await driver.sendAll(manyFcm(20)), counts = countClasses(outcomes);
    expect(counts.auth_bad >= 1 && counts.auth_bad + (counts.deferred ?? 0) === 20 && google.tokenCalls === 1, 'paused', counts, google.tokenCalls);
  })],

  ['fcm: what the token server does wrong makes pushes wait, and is asked again later', () => onStage(async (stage) => {
    const google = await stage.google();
    for (const [does, wanted, reason] of [
      [{ status: 400, body: '{"error":"invalid_grant"}' }, 'auth_bad', 'service account refused'],
      [{ status: 500, body: 'oh' }, 'deferred', 'no access token'],
      [{ status: 200, body: '{"access_token":"a b","expires_in":5}' }, 'auth_bad', 'service account refused'],
      [{ drop: true }, 'deferred', 'no access token'],
    ]) {
      const driver = stage.drive();
      google.plan(({ path }) => (path === '/token' ? does : undefined));
      const outcomes = await driver.sendAll(manyFcm(20));
      for (const outcome of outcomes) expectClass(outcome, wanted, reason);
      expect(outcomes.every((o) => o.retry_after_ms >= 0), 'later', outcomes[0]);
      await stage.closeDriver();
    }
    expect(google.messages.length === 0, 'none was sent');
  })],

  ['fcm: tokens end by Google\'s word, and not by a project that is not found', () => onStage(async (stage) => {
    const google = await stage.google(), driver = stage.drive();
    google.tokens.set('gone', 'unregistered');
    google.tokens.set('garbage', 'invalid');
    google.tokens.set('foreign', 'mismatch');
    expectClass(await driver.send(job.fcm({ token: 'gone' })), 'token_dead', 'UNREGISTERED');
    expectClass(await driver.send(job.fcm({ token: 'garbage' })), 'token_dead', 'INVALID_TOKEN');
    expectClass(await driver.send(job.fcm()), 'accepted');
    expectClass(await driver.send(job.fcm({ token: 'foreign' })), 'unknown', 'SENDER_ID_MISMATCH');
    expectClass(await driver.send(job.fcm()), 'accepted');
    expectClass(await driver.send(job.fcm({ token: 'foreign', attempt: 1 })), 'token_dead', 'SENDER_ID_MISMATCH');
    google.plan(({ path }) => (path === '/token' ? undefined : fcmError(404, 'NOT_FOUND')));
    expectClass(await driver.send(job.fcm()), 'auth_bad', 'NOT_FOUND');
  })],

  ['fcm: 429 waits as long as it says, or a minute', () => onStage(async (stage) => {
    const google = await stage.google();
    for (const [headers, least, most] of [
      [{ 'retry-after': '30' }, 30_000, 30_000],
      [{ 'retry-after': new Date(Date.now() + 3600_000).toUTCString() }, 3500_000, 3600_000],
      [{}, 60_000, 120_000],
    ]) {
      const driver = stage.drive();
      google.plan(({ path }) => (path === '/token' ? undefined : fcmError(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED', [], headers)));
      const outcome = await driver.send(job.fcm());
      expectClass(outcome, 'throttled', 'QUOTA_EXCEEDED');
      expect(outcome.retry_after_ms >= least && outcome.retry_after_ms <= most, 'how long', outcome, least, most);
      await stage.closeDriver();
    }
  })],

  ['fcm: a message of 4096 bytes passes, a longer text is cut, more data is refused before it is sent', () => onStage(async (stage) => {
    const google = await stage.google(), driver = stage.drive();
    expectClass(await driver.send(job.fcm({ text: '€"'.repeat(3000), collapse: 'ü'.repeat(100) })), 'accepted');
    expect(google.messages[0].notification.body.length > 500 && !google.messages[0].notification.body.includes('\ufffd'), 'cut between characters');
    expectClass(await driver.send(job.fcm({ data: JSON.stringify('x'.repeat(4100)) })), 'payload_bad', 'PayloadTooLarge');
    expect(google.messages.length === 1, 'not sent');
  })],

  ['webpush: browsers can read it, and only they', () => onStage(async (stage) => {
    const web = await stage.browsers(), driver = stage.drive(), browser = web.subscribe(vapidPoint);
    const sent = [
      job.webpush(browser, { priority: 'high', badge: 2, conv: 'lunch', data: '{"a":1}', collapse: 'lunch', ttl_ms: 3600_000 }),
      job.webpush(browser, { kind: 'background' }),
      job.webpush(browser, { ttl_ms: 90 * 86400_000, collapse: 'other' }),
    ];
    for (const item of sent) expectClass(await driver.send(item), 'accepted');
    const [alert, background, long] = web.delivered;
    const message = JSON.parse(alert.message);
    expect(message.title === 'Alice' && message.text === 'Lunch?' && message.data.a === 1 && message.badge === 2 && message.id === sent[0].id, 'plain', message);
    expect(alert.headers.urgency === 'high' && alert.headers.topic.length === 32 && alert.headers.ttl > 3580 && alert.headers.ttl <= 3600, 'headers', alert.headers);
    expect(background.headers.urgency === 'low' && background.headers.topic === undefined && JSON.parse(background.message).title === undefined, 'background', background);
    expect(long.headers.ttl === '2419200' && long.headers.topic !== alert.headers.topic, '28 days at most; topics differ', long.headers);
    expect(new Set(web.requests.map(({ headers }) => headers.authorization)).size === 1, 'one VAPID token for the origin');
    expect(!web.requests.some(({ body }) => body.includes('Alice')), 'encrypted');
  })],

  ['webpush: a body of 4096 bytes passes, a longer text is cut, more data is refused before it is sent', () => onStage(async (stage) => {
    const web = await stage.browsers(), driver = stage.drive(), browser = web.subscribe(vapidPoint);
    expectClass(await driver.send(job.webpush(browser, { text: 'a'.repeat(9000) })), 'accepted');
    expectClass(await driver.send(job.webpush(browser, { text: '😀'.repeat(3000) })), 'accepted');
    expect(web.delivered[0].body_bytes === 4096 && web.delivered[0].plain_bytes === 3993, 'just full', web.delivered[0].body_bytes);
    expect(web.delivered[1].body_bytes > 4090 && !web.delivered[1].message.includes('\ufffd'), 'whole characters');
    expectClass(await driver.send(job.webpush(browser, { data: JSON.stringify('x'.repeat(4000)) })), 'payload_bad', 'PayloadTooLarge');
    expect(web.requests.length === 2, 'not sent');
  })],

  ['webpush: a key as the usual tools print it serves like a PEM file', () => onStage(async (stage) => {
    const { createPrivateKey } = await import('node:crypto');
    const scalar = createPrivateKey(keys.vapid.pem).export({ format: 'jwk' }).d;
    const web = await stage.browsers({ vapid_key: authority.write('vapid.txt', `${scalar}\n`) }), driver = stage.drive();
    expectClass(await driver.send(job.webpush(web.subscribe(vapidPoint))), 'accepted');
  })],

  ['webpush: subscriptions end by 404 and 410; one made with another key is doubted first', () => onStage(async (stage) => {
    const web = await stage.browsers(), driver = stage.drive();
    const [good, gone, lost] = [1, 2, 3].map(() => web.subscribe(vapidPoint)), old = web.subscribe(point(keys.vapid2.pem));
    web.browsers.get(gone.path).gone = 410;
    web.browsers.get(lost.path).gone = 404;
    expectClass(await driver.send(job.webpush(gone)), 'token_dead', '410');
    expectClass(await driver.send(job.webpush(lost)), 'token_dead', '404');
    expectClass(await driver.send(job.webpush(good)), 'accepted');
    expectClass(await driver.send(job.webpush(old)), 'unknown', '403');
    expectClass(await driver.send(job.webpush(good)), 'accepted');
    expectClass(await driver.send(job.webpush(old, { attempt: 1 })), 'token_dead', '403');
  })],

  ['webpush: when our key is wrong for all, none is given up', () => onStage(async (stage) => {
    const web = await stage.browsers({ vapid_key: authority.write('vapid2.pem', keys.vapid2.pem) }), driver = stage.drive();
    const browsers = Array.from({ length: 30 }, () => web.subscribe(vapidPoint));
    const outcomes = [];
    for (let attempt = 0; attempt < 2; attempt++)
      outcomes.push(...await driver.sendAll(browsers.map((browser) => job.webpush(browser, { attempt }))));
    const counts = countClasses(outcomes);
    expect(!counts.token_dead && !counts.payload_bad && counts.auth_bad > 0, 'kept', counts);
  })],

  ['webpush: redirects are not followed, and bodies that never end are cut off', () => onStage(async (stage) => {
    const web = await stage.browsers(), driver = stage.drive(), browser = web.subscribe(vapidPoint);
    for (const [does, wanted] of [
      [{ status: 301, headers: { location: `${web.url}/elsewhere` } }, 'unknown'],
      [{ status: 307, headers: { location: 'http://169.254.169.254/' } }, 'unknown'],
      [{ status: 201, endless: true }, 'accepted'],
      [{ status: 410, endless: true }, 'token_dead'],
      [{ status: 500, body: 'x'.repeat(1000000) }, 'transient'],
      [{ status: 413 }, 'payload_bad'],
      [{ status: 429, headers: { 'retry-after': '5' } }, 'throttled'],
    ]) {
      web.plan(() => does);
      expectClass(await driver.send(job.webpush(browser)), wanted);
    }
    expect(web.requests.every(({ path }) => path === browser.path), 'nowhere else', web.requests.map((r) => r.path));
  })],

  ['webpush: one host that is slow or throttles delays no other', () => onStage(async (stage) => {
    const web = await stage.browsers(), other = await stage.browsers(), driver = stage.drive();
    const slow = web.subscribe(vapidPoint), quick = other.subscribe(vapidPoint), held = [];
    web.plan(() => new Promise((resolve) => held.push(() => resolve({ status: 429, headers: { 'retry-after': '120' } }))));
    const waiting = driver.sendAll(Array.from({ length: 50 }, () => job.webpush(slow)));
    await web.until(() => held.length > 0, 'one is held');
    const outcomes = await driver.sendAll(Array.from({ length: 50 }, () => job.webpush(quick)));
    expect(outcomes.every((o) => o.class === 'accepted'), 'the other host', countClasses(outcomes));
    for (const go of held) go();
    const counts = countClasses(await waiting);
    expect(counts.throttled >= 1 && counts.deferred >= 40, 'the slow one says wait, and the rest waits', counts);
    expectClass(await driver.send(job.webpush(quick)), 'accepted');
  })],

  ['webpush: nothing goes to where a stranger should not make us go', () => onStage(async (stage) => {
    const web = await stage.browsers({ allow_private: 'no' }), browser = web.subscribe(vapidPoint);
    let knocks = 0;
    const inside = createServer(() => { knocks += 1; });
    inside.on('connection', () => { knocks += 1; });
    await new Promise((resolve) => inside.listen(0, '127.0.0.1', resolve));
    const { port } = inside.address(), driver = stage.drive();
    const endpoints = [
      `https://127.0.0.1:${port}/`, `http://127.0.0.1:${port}/`, 'https://127.0.0.1/', 'https://[::1]/', 'https://[::ffff:10.0.0.1]/',
      'https://169.254.169.254/latest/meta-data', 'https://2130706433/', 'https://0177.0.0.1/', 'https://0x7f.1/', 'https://localhost/',
      `https://localhost:${port}/`, 'https://user@localhost/', 'file:///etc/passwd', 'https://example.org\\@localhost/', `${web.url}/push/x`,
      'gopher://localhost/', 'https://localhost./', 'https://ip6-localhost/', '',
    ];
    for (const endpoint of endpoints) {
      const outcome = await driver.send(job.webpush({ subscription: { ...browser.subscription, endpoint } }));
      // A name is looked at when it is resolved; here it may also not resolve at all.
      expect(outcome.class === 'payload_bad' || (outcome.class === 'transient' && outcome.reason === 'no connection' && endpoint.includes('localhost')),
        `refused: ${endpoint}`, outcome);
    }
    expectClass(await driver.send(job.webpush({ subscription: { ...browser.subscription, endpoint: 'https://localhost/' } })), 'payload_bad', 'forbidden address');
    expect(knocks === 0 && web.connections === 0, 'nobody knocked', knocks);
    inside.close();
  })],

  ['webpush: what is no subscription is refused, and kept', () => onStage(async (stage) => {
    const web = await stage.browsers(), driver = stage.drive(), { subscription } = web.subscribe(vapidPoint);
    for (const token of ['', 'null', '{}', '[]', '{"endpoint":7}', JSON.stringify({ ...subscription, keys: undefined }),
      JSON.stringify({ ...subscription, keys: { ...subscription.keys, auth: 'AAAA' } }),
      JSON.stringify({ ...subscription, keys: { ...subscription.keys, p256dh: offCurve(subscription.keys.p256dh) } }),
      JSON.stringify({ ...subscription, endpoint: `${subscription.endpoint}\u0000` })])
      expectClass(await driver.send({ ...job.webpush({ subscription }), token }), 'payload_bad');
    expect(web.requests.length === 0, 'nothing sent');
  })],

  ['webhook: the receiver can verify it, and ids stay while time goes on', () => onStage(async (stage) => {
    const hook = await stage.receiver(), driver = stage.drive();
    const sent = job.webhook({ title: 'Ü "x"', data: '{"a":1}', badge: 1, conv: 'lunch', op: 'o1', at_ms: 1732150000123 });
    expectClass(await driver.send(sent), 'accepted');
    expectClass(await driver.send({ ...sent, attempt: 1 }), 'accepted');
    const [first, second] = hook.received;
    expect(first.id === sent.id && second.id === sent.id, 'the same id');
    expect(Math.abs(first.timestamp - Date.now() / 1000) < 60 && second.timestamp >= first.timestamp, 'time of the attempt', first.timestamp);
    expect(first.event.type === 'notification.requested' && first.event.timestamp === '2024-11-21T00:46:40.123Z', 'event', first.event);
    expect(first.event.data.title === 'Ü "x"' && first.event.data.data.a === 1 && first.event.data.user === 'bob', 'data', first.event);
  })],

  ['webhook: while a secret changes, receivers with the old one and with the new one verify it', () => onStage(async (stage) => {
    const hook = await stage.receiver({ secret: `${OTHER_SECRET} ${SECRET}` }), driver = stage.drive();
    expectClass(await driver.send(job.webhook()), 'accepted');
    const { headers, body } = hook.requests[0];
    new Webhook(OTHER_SECRET).verify(body.toString(), headers);
    new Webhook(SECRET).verify(body.toString(), headers);
    expect(headers['webhook-signature'].split(' ').length === 2, 'two signatures', headers);
  })],

  ['webhook: only 2xx is success; 410 pauses it, Retry-After is kept to', () => onStage(async (stage) => {
    const hook = await stage.receiver();
    for (const [does, wanted, least] of [
      [{ status: 200 }, 'accepted', -1], [{ status: 204 }, 'accepted', -1], [{ status: 302, headers: { location: `${hook.url}/x` } }, 'unknown', 60_000],
      [{ status: 400 }, 'unknown', 60_000], [{ status: 401 }, 'unknown', 60_000], [{ status: 410 }, 'auth_bad', 60_000],
      [{ status: 429, headers: { 'retry-after': '9' } }, 'throttled', 9000], [{ status: 500 }, 'transient', 5000], [{ status: 503 }, 'transient', 5000],
      [{ status: 502 }, 'throttled', 30_000], [{ drop: true }, 'transient', 5000],
    ]) {
      const driver = stage.drive();
      hook.plan(() => does);
      const outcome = await driver.send(job.webhook());
      expectClass(outcome, wanted);
      expect(outcome.retry_after_ms >= least, 'when again', outcome, least);
      await stage.closeDriver();
    }
    expect(hook.requests.every(({ path }) => path === '/hook'), 'redirects are not followed');
  })],

  ['webhook: failures follow the schedule of the specification, and then succeed', () => onStage(async (stage) => {
    const hook = await stage.receiver(), driver = stage.drive(), sent = job.webhook();
    hook.plan(() => (hook.requests.length <= 3 ? { status: 500 } : undefined));
    for (const [attempt, least, most] of [[0, 5000, 6000], [1, 300_000, 360_000], [2, 1800_000, 2160_000]]) {
      const outcome = await driver.send({ ...sent, attempt });
      expectClass(outcome, 'transient', '5xx');
      expect(outcome.retry_after_ms >= least && outcome.retry_after_ms <= most, 'the schedule', outcome);
    }
    expectClass(await driver.send({ ...sent, attempt: 3 }), 'accepted');
    expect(hook.received.length === 1 && hook.received[0].id === sent.id, 'once, with its id');
  })],

  ['webhook: a private address needs allow_private', () => onStage(async (stage) => {
    const hook = await stage.receiver({ allow_private: 'no', url: 'https://localhost/hook' }), driver = stage.drive();
    const outcome = await driver.send(job.webhook());
    expectClass(outcome, 'auth_bad', 'forbidden address');
    await stage.closeDriver();
    stage.sections['webhook.main'].url = `${hook.url}/hook`; // an address and a port: refused when it is read
    expectClass(await stage.drive().send(job.webhook()), 'auth_bad', 'no credential');
    expect(hook.connections === 0, 'nothing arrived');
  })],

  ['all: there is no app of that name', () => onStage(async (stage) => {
    await stage.receiver();
    expectClass(await stage.drive().send(job.webhook({ app: 'other' })), 'unknown', 'no such app');
  })],

  ['all: past the queue of a credential pushes are deferred, and memory is bounded', () => onStage(async (stage) => {
    const hook = await stage.receiver(), driver = stage.drive();
    const held = [];
    hook.plan(() => new Promise((resolve) => held.push(() => resolve({ status: 200 }))));
    let deferred = 0;
    const sending = Promise.all(Array.from({ length: 1500 }, async () => {
      const outcome = await driver.send(job.webhook());
      deferred += outcome.class === 'deferred';
      return outcome;
    }));
    await eventually(() => held.length > 0 && deferred > 0, 'while one is held the queue is full');
    hook.plan(() => ({ status: 200 }));
    for (const go of held) go();
    const counts = countClasses(await sending);
    expect(counts.accepted + counts.deferred === 1500 && counts.deferred >= 1 && counts.accepted >= 1000, 'the queue and the rest', counts);
  })],

  ['all: closing lets go of what waits, and ends', () => onStage(async (stage) => {
    const hook = await stage.receiver(), apns = await stage.apns(), driver = stage.drive();
    hook.plan(() => ({ hang: true }));
    apns.plan(() => ({ hang: true }));
    const sending = driver.sendAll([...Array.from({ length: 50 }, () => job.webhook()), ...Array.from({ length: 50 }, () => job.apns())]);
    await hook.until(() => hook.requests.length >= 1, 'a webhook hangs');
    await apns.until(() => apns.requests.length >= 1, 'an alert hangs');
    await stage.closeDriver();
    const outcomes = await sending;
    expect(outcomes.every((o) => o.class === 'deferred' && o.reason === 'closing'), 'all deferred', countClasses(outcomes), outcomes[0]);
    stage.driver = undefined;
  })],
];
