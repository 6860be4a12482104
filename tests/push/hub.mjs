// SPDX-License-Identifier: Apache-2.0
// hub.mjs: all four providers behind one real hub, at the same time: what reaches them, and what the hub makes of their answers.
//
//      node tests/push/hub.mjs [word…]     only the cases whose sentence has all the words
//
// When which push comes is the business of wake.mjs; what each looks like on the wire, of providers.mjs.

import { writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { request } from '../lib/api.mjs';
import { findProgram, Hub } from '../lib/hub.mjs';
import { Tap } from '../lib/tap.mjs';
import { eventually } from '../lib/until.mjs';
import { sections } from './driver.mjs';
import { authority, deviceToken, expect, keys, onStage, vapidPoint } from './stage.mjs';

const DELAY_MS = 1000;
const words = process.argv.slice(2);
const tap = new Tap('pushes of a whole hub by all providers');
const run = (sentence, work) => (words.every((word) => sentence.includes(word)) ? tap.run(sentence, work) : undefined);

await onStage(async (stage) => {
  const apns = await stage.apns(), google = await stage.google(), web = await stage.browsers(), hook = await stage.receiver({ critical: true });
  const configure = () => writeFileSync(stage.configure(), `[push]\ndelay_ms = ${DELAY_MS}\n${sections(stage.sections)}`);
  configure();
  const hub = await new Hub({ workers: 1, args: ['--config', stage.file], env: { BELFRY_DRAIN: '4s' } }).start();
  const { api } = hub;
  let users = 0;

  // What the fakes got of an op, whatever the provider: { provider, id, … }.
  const seen = () => [
    ...apns.requests.map((each) => ({ provider: 'apns', at_ms: each.at_ms, id: each.headers['apns-id'], token: each.path.slice(10), headers: each.headers, status: each.answered?.status, ...JSON.parse(each.body) })),
    ...google.messages.map((message) => ({ provider: 'fcm', id: message.data.id, token: message.token, belfry: message.data, message })),
    ...web.delivered.map(({ path, message, headers }) => ({ provider: 'webpush', id: JSON.parse(message).id, token: path, belfry: JSON.parse(message), headers })),
    ...hook.received.map(({ id, event }) => ({ provider: 'webhook', id, belfry: event.data })),
  ];
  const of = (op, provider) => seen().filter((push) => push.belfry?.op === op && (!provider || push.provider === provider));
  const arrived = (op, provider, count = 1) => eventually(() => of(op, provider).length >= count && of(op, provider), () => `${count} of ${op} by ${provider ?? 'any'}: ${JSON.stringify(of(op))}`);
  const register = (user, device, provider, token) => api.call('PUT', `/v1/users/${user}/devices/${device}/push`, { provider, app: 'main', ...(provider === 'webpush' ? { subscription: token } : { token }) });
  const notify = (user, op, more) => api.call('POST', `/v1/users/${user}/notifications`, { op, title: `title of ${op}`, ...more });
  const registered = async (user, device) => (await api.devices(user)).find((each) => each.device === device)?.push;
  const sync = async (user, device, body = {}) => (await request(hub.url, 'POST', '/v1/sync', { key: hub.token(user, device), body: { device, ...body } })).json;
  const metric = async (name) => Object.values((await api.metrics())[name]).reduce((sum, value) => sum + value, 0);
  const pushPid = () => hub.children().find(({ comm }) => comm === 'belfry-push')?.pid;

  async function someone(provider = 'apns', token = deviceToken()) {
    const user = `user${(users += 1)}`;
    await register(user, 'phone', provider, token);
    return { user, token };
  }
  // All that is due by now has been looked at, and sent if it was to be.
  async function settled() {
    const { user } = await someone('webhook', '');
    await notify(user, `settled${user}`);
    await arrived(`settled${user}`);
    await eventually(async () => (await metric('belfry_push_users')) === 0, 'the push worker has nothing to do');
  }

  await run('one notification reaches four devices by four providers, each with an id of its own, and a slow one delays no other', async () => {
    const { user } = await someone();
    await register(user, 'tablet', 'fcm', deviceToken());
    await register(user, 'browser', 'webpush', web.subscribe(vapidPoint).subscription);
    await register(user, 'pager', 'webhook', 'a');
    let go;
    apns.plan(() => new Promise((resolve) => { go = resolve; }));
    await notify(user, 'four', { text: 'h\u00e9 "you"', priority: 'high' });
    for (const provider of ['fcm', 'webpush', 'webhook']) await arrived('four', provider);
    await eventually(() => go, 'Apple was asked');
    expect(of('four', 'apns')[0].status === undefined, 'Apple has not answered');
    apns.plan(undefined);
    go();
    await eventually(() => of('four', 'apns')[0].status === 200, 'Apple accepts it');
    const all = of('four');
    const { text } = await api.raw('GET', '/metrics');
    for (const provider of ['apns', 'fcm', 'webpush', 'webhook'])
      expect(new RegExp(`^belfry_push_outcomes_total\\{process="push",provider="${provider}",app="main",class="accepted"\\} [1-9]`, 'm').test(text) &&
        new RegExp(`^belfry_push_latency_milliseconds_count\\{process="push",provider="${provider}",app="main"\\} [1-9]`, 'm').test(text), 'each is counted', provider);
    expect(all.length === 4 && new Set(all.map(({ id }) => id)).size === 4, 'four ids', all);
    expect(all.every(({ belfry }) => Number(belfry.head) === 1), 'each tells the head', all);
    await settled();
    expect(of('four').length === 4, 'and no more', of('four'));
  });

  await run('the circle of a silent push: it shows nothing, the device syncs until it has caught up, and is not woken for that again', async () => {
    const { user, token } = await someone();
    await api.conversation(user, [user, 'sender']);
    for (let i = 0; i < 3; i += 1) await api.send(user, { op: `circle${i}`, from: 'sender', body: { text: 'secret' } });
    const [wake] = await eventually(() => seen().some((push) => push.token === token) && seen().filter((push) => push.token === token), 'it is woken');
    expect(wake.headers['apns-push-type'] === 'background' && wake.headers['apns-priority'] === '5' && JSON.stringify(wake.aps) === '{"content-available":1}', 'nothing is shown', wake);
    expect(Object.keys(wake.belfry).sort().join() === 'head,id', 'nothing is told but the head', wake);
    const got = [];
    const { epoch } = await sync(user, 'phone');
    for (let n = 0, more = true, ack; more; ack = n) {
      const page = await sync(user, 'phone', { cursor: { epoch, n }, limit: 2, ...(ack === undefined ? {} : { ack }) });
      got.push(...page.events);
      ({ cursor: n, more } = page);
    }
    await sync(user, 'phone', { ack: got.at(-1).n });
    expect(JSON.stringify(got.filter((event) => event.type === 'message').map((event) => event.op)) === '["circle0","circle1","circle2"]', 'all came', got);
    expect(got.at(-1).n >= wake.belfry.head, 'as far as the push said', got);
    await settled();
    expect(seen().filter((push) => push.token === token).length === 1, 'one push', seen());
  });

  await run('a message of which its sender says nothing is pushed as the template of its conversation says', async () => {
    const { user, token } = await someone('fcm');
    const template = (push) => api.call('PUT', `/v1/conversations/${user}`, { members: [user, 'sender'], push });
    await template({ title: '{from}', text: '{body.text}', priority: 'high' });
    expect((await api.call('GET', `/v1/conversations/${user}`)).push.title === '{from}', 'it is kept');
    await api.send(user, { op: 'templated', from: 'sender', body: { text: 'h\u00e9 {from}' } });
    const [{ message }] = await arrived('templated');
    expect(message.notification.title === 'sender' && message.notification.body === 'h\u00e9 {from}' && message.android.priority === 'high', 'as it says', message);
    expect(message.data.badge === '1', 'with the badge', message);
    await api.send(user, { op: 'own', from: 'sender', body: {}, push: { title: 'own' } });
    expect((await arrived('own'))[0].message.notification.title === 'own', 'a sender\'s own goes first');
    await template(null);
    await api.send(user, { op: 'no template', from: 'sender', body: {} });
    await eventually(() => seen().some((push) => push.token === token && push.belfry.kind === 'background' && !push.message.notification), 'it wakes again');
  });

  await run('in quiet hours what is normal waits until they end or are ended, what is high makes no sound, what is critical does as its app may, and a wake-up goes on', async () => {
    const { user, token } = await someone();
    await register(user, 'pager', 'webhook', ''); // critical = yes
    const clock = (hours) => new Date(Date.now() + hours * 3600_000).toISOString().slice(11, 16);
    await sync(user, 'phone', { ops: [{ type: 'prefs', id: 1, quiet_hours: { from: clock(-2), to: clock(2), zone: 'Etc/UTC' } }] });
    for (const priority of ['normal', 'high', 'critical']) await notify(user, `quiet-${priority}`, { priority });
    const [high] = await arrived('quiet-high', 'apns'), [critical] = await arrived('quiet-critical', 'apns'), [loud] = await arrived('quiet-critical', 'webhook');
    for (const push of [high, critical]) expect(push.aps.sound === undefined && push.aps['interruption-level'] === 'passive' && push.headers['apns-priority'] === '5', 'no sound', push);
    expect(loud.belfry.kind === 'alert' && (await arrived('quiet-high', 'webhook'))[0].belfry.kind === 'silent', 'critical is loud where it may be', loud);
    await api.conversation(user, [user, 'sender']);
    await api.send(user, { op: 'quiet-wake', from: 'sender', body: 1 });
    await eventually(() => seen().some((push) => push.token === token && push.aps['content-available']), 'it is woken');
    await settled();
    expect(of('quiet-normal').length === 0, 'the normal one waits', of('quiet-normal'));
    const told = execFileSync(findProgram(), ['push-test', '--user', user, '--config', stage.file, '--data', hub.data]).toString();
    expect(/Etc\/UTC, now/.test(told) && /quiet-normal: again in \d+/.test(told), 'and an operator is told so', told);
    await sync(user, 'phone', { ops: [{ type: 'prefs', id: 2, quiet_hours: { from: clock(-3), to: clock(1), zone: 'Etc/UTC' } }] });
    await settled();
    expect(of('quiet-normal').length === 0, 'it waits for an earlier end', of('quiet-normal'));
    await sync(user, 'phone', { ops: [{ type: 'prefs', id: 3, quiet_hours: null }] });
    const [loud_now] = await arrived('quiet-normal', 'apns');
    expect(loud_now.aps.sound !== undefined && (await arrived('quiet-normal', 'webhook')).length === 1, 'once they are ended, it comes', loud_now);
  });

  await run('what is muted is pushed to no provider, and comes with the next sync', async () => {
    const { user } = await someone('fcm');
    await register(user, 'browser', 'webpush', web.subscribe(vapidPoint).subscription);
    await api.conversation(user, [user, 'sender']);
    await sync(user, 'phone', { ops: [{ type: 'prefs', id: 1, mute: { conv: user, until_ms: Date.now() + 600_000 } }] });
    await api.send(user, { op: 'muted', from: 'sender', body: 1, push: { title: 't', priority: 'high' } });
    await settled();
    expect(of('muted').length === 0, 'not pushed', of('muted'));
    expect((await sync(user, 'phone')).events.some((event) => event.op === 'muted'), 'but there');
  });

  await run('a device is shown ten, then the next waits for its budget, and a critical one does not', async () => {
    const { user } = await someone('fcm');
    for (let i = 0; i < 10; i += 1) {
      await notify(user, `budget${i}`);
      await arrived(`budget${i}`);
    }
    await notify(user, 'budget-over');
    await notify(user, 'budget-critical', { priority: 'critical' });
    await arrived('budget-critical');
    expect(of('budget-over').length === 0, 'over the budget', of('budget-over'));
    const told = execFileSync(findProgram(), ['push-test', '--user', user, '--config', stage.file, '--data', hub.data]).toString();
    expect(/budget-over: again in \d+/.test(told), 'and an operator is told so', told);
  });

  await run('what comes while a push to the device is under way, and is looked at then, is pushed when that has ended', async () => {
    const { user } = await someone('fcm');
    let go;
    google.plan(() => new Promise((resolve) => { go = resolve; }));
    await notify(user, 'first');
    await eventually(() => go, 'the first is under way');
    const looks = await metric('belfry_push_looks_total');
    await notify(user, 'second');
    await eventually(async () => (await metric('belfry_push_looks_total')) > looks, 'the second is looked at');
    google.plan(undefined);
    go();
    await arrived('second');
    expect(of('first').length === 1 && of('second').length === 1, 'each once', seen());
  });

  await run('410 ends a registration that is older, and not one that is newer; 404 of a browser and UNREGISTERED of Google end theirs', async () => {
    const dead = await someone(), renewed = await someone(), { subscription, path } = web.subscribe(vapidPoint);
    apns.tokens.set(dead.token, { dead_ms: Date.now() + 1 });
    apns.tokens.set(renewed.token, { dead_ms: Date.now() - 3600_000 }); // before it was registered
    web.browsers.get(path).gone = 404;
    google.tokens.set('gone', 'unregistered');
    await register(dead.user, 'browser', 'webpush', subscription);
    await register(dead.user, 'tablet', 'fcm', 'gone');
    await register(dead.user, 'pager', 'webhook', '');
    await notify(dead.user, 'gone');
    await notify(renewed.user, 'renewed');
    for (const device of ['phone', 'browser', 'tablet']) await eventually(async () => !(await registered(dead.user, device)), `${device} is registered no more`);
    await arrived('renewed');
    await settled();
    expect((await registered(renewed.user, 'phone'))?.provider === 'apns' && (await registered(dead.user, 'pager'))?.provider === 'webhook', 'the others are');
    apns.tokens.delete(renewed.token);
    await notify(renewed.user, 'renewed again');
    expect((await arrived('renewed again'))[0].token === renewed.token, 'and is pushed to');
  });

  await run('a token that another user registers is his from then on, and so is one of another device', async () => {
    const former = await someone('fcm', `shared-${deviceToken()}`), latter = await someone('fcm', former.token);
    await register(former.user, 'pager', 'webhook', '');
    await notify(former.user, 'for the former');
    await notify(latter.user, 'for the latter');
    await arrived('for the latter', 'fcm');
    await arrived('for the former', 'webhook');
    await settled();
    expect(of('for the former', 'fcm').length === 0 && !(await registered(former.user, 'phone')), 'the former user is not shown there', of('for the former'));
    await register(latter.user, 'reinstalled', 'fcm', former.token);
    expect(!(await registered(latter.user, 'phone')) && (await registered(latter.user, 'reinstalled'))?.provider === 'fcm', 'one device has it');
    await register(former.user, 'phone', 'fcm', former.token);
    await notify(former.user, 'back again');
    await arrived('back again', 'fcm');
    expect(!(await registered(latter.user, 'reinstalled')), 'and it goes back');
  });

  await run('a token is the same however it is spelt', async () => {
    const former = await someone('apns'), latter = await someone('apns', former.token.toUpperCase());
    expect(!(await registered(former.user, 'phone')) && (await registered(latter.user, 'phone'))?.provider === 'apns', 'in letters large or small');
    const first = await someone(), second = await someone(), { subscription } = web.subscribe(vapidPoint);
    await register(first.user, 'browser', 'webpush', subscription);
    await register(second.user, 'browser', 'webpush', { expirationTime: null, keys: { auth: subscription.keys.auth, p256dh: subscription.keys.p256dh }, endpoint: subscription.endpoint });
    expect(!(await registered(first.user, 'browser')) && (await registered(second.user, 'browser'))?.provider === 'webpush', 'as a browser gives it, or an app backend');
  });

  await run('SIGHUP under load: a new key works at once, what is under way by the old section ends there, nothing is lost or sent twice', async () => {
    const refused = await someone(), after = await someone(), all = await Promise.all(Array.from({ length: 60 }, () => someone('fcm')));
    const reload = async () => {
      const times = () => hub.log(Infinity).split('The configuration was loaded again. apps=4').length;
      const before = times();
      configure();
      hub.child.kill('SIGHUP');
      await eventually(() => times() > before, 'it is loaded again');
    };
    apns.keys = new Map([['KEY7654321', keys.other.publicKey]]); // Apple's side of a key that was changed
    apns.verified.clear();
    await notify(refused.user, 'refused');
    await eventually(() => of('refused').some(({ status }) => status === 403), 'Apple refuses the old key');
    await eventually(async () => (await metric('belfry_push_breakers_open')) === 1, 'and is left alone');
    let begun = 0, reloading;
    google.plan(() => {
      begun += 1;
      if (begun === 20) {
        stage.sections['fcm.main'].critical = true; // so that its account is made anew
        stage.sections['apns.main'].key_file = authority.write('new.p8', keys.other.pem);
        stage.sections['apns.main'].key_id = 'KEY7654321';
        reloading = reload();
      }
      return undefined;
    });
    await Promise.all(all.map(({ user }) => notify(user, 'reload')));
    await arrived('reload', 'fcm', all.length);
    await reloading;
    google.plan(undefined);
    await notify(after.user, 'after');
    await eventually(() => of('after').some(({ status }) => status === 200), 'the new key works');
    await settled();
    expect(of('reload').length === all.length && new Set(of('reload').map(({ id }) => id)).size === all.length, 'each once', of('reload').length);
    expect((await registered(refused.user, 'phone'))?.provider === 'apns', 'nobody lost a registration for a key of ours');
    for (const secret of [after.token, all[0].token, 'KEY7654321']) expect(!hub.log(Infinity).includes(secret), 'no token is in the log');
  });

  await run('SIGTERM while pushes are under way: what is answered is not sent again, what is not is, with its id, by who comes next', async () => {
    const all = await Promise.all(Array.from({ length: 30 }, () => someone()));
    const held = [];
    await Promise.all(all.map(({ user }) => notify(user, 'warm'))); // one at a time goes over a connection at first
    await arrived('warm', 'apns', all.length);
    await settled();
    let begun = 0; // after a rest the first goes alone until it is answered
    apns.plan(() => (begun++ === 0 ? undefined : new Promise((resolve) => held.push(resolve))));
    await Promise.all(all.map(({ user }) => notify(user, 'drain')));
    await eventually(() => held.length === all.length - 1, () => `all others are under way: ${held.length}`);
    const ended = hub.stop();
    await eventually(() => /push worker drains/.test(hub.log(Infinity)), 'it drains');
    apns.plan(() => ({ hang: true }));
    const answered = new Set(of('drain').slice(0, 20).map(({ token }) => token));
    held.slice(0, 19).forEach((go) => go());
    held.slice(19).forEach((go) => go({ hang: true }));
    const { code } = await ended;
    expect(code === 0 && /The push worker has ended/.test(hub.log()), 'it ends well', code, hub.log());
    apns.plan(undefined);
    await hub.start();
    const lacking = () => all.filter(({ token }) => !of('drain').some((push) => push.token === token && push.status === 200));
    const told = ({ user }) => execFileSync(findProgram(), ['push-test', '--user', user, '--config', stage.file, '--data', hub.data]).toString();
    await eventually(() => lacking().length === 0, () => `the rest is accepted: ${told(lacking()[0])} ${hub.log(10)}`);
    await settled();
    for (const { token } of all) {
      const pushes = of('drain').filter((push) => push.token === token);
      expect(pushes.length === (answered.has(token) ? 1 : 2) && new Set(pushes.map(({ id }) => id)).size === 1, 'once, or again with its id', pushes);
    }
  });

  expect(hub.complaint() === undefined, 'no complaint', hub.complaint());
  await hub.stop();
});
authority.remove();
tap.finish();
