// SPDX-License-Identifier: Apache-2.0
// types.ts: an app's code as TypeScript sees it. Never run: `tsc --noEmit` reads it with client/js/index.d.ts.
import { BelfryError, Client, MemoryStore, backoff, newRetry, openClient, stepRetry, uuidv7 } from '../../client/js/index.js';
import type { Events, Item, Message, Options, Store } from '../../client/js/index.js';
import { FileStore } from '../../client/js/store-file.js';

const stores: Store[] = [new MemoryStore(), new FileStore('chat.belfry', { sync: false })];
const options: Options = {
  url: 'wss://hub.example/v1/ws', user: 'alice', store: stores[0],
  token: async ({ user, device }) => `${user} ${device}`,
};

export async function app(): Promise<Message[]> {
  const client: Client = await openClient(options);
  const off = client.on('message', ({ what, conv, op }: Events['message']) => {
    if (what === 'received') void client.read(conv, 1);
    // @ts-expect-error there is no such change
    if (what === 'arrived') void op;
  });
  client.on('problem', (problem) => { if (problem.temporary) off(); });
  // @ts-expect-error there is no such event
  client.on('nothing', () => {});
  await client.start();
  const item: Item = await client.send('room', { text: 'hello' }, { push: { title: 'hello' } });
  // @ts-expect-error an item is never changed
  item.op = 'x';
  // @ts-expect-error a function is no JSON
  await client.send('room', () => {});
  await client.edit({ op: item.op }, { text: 'hello!' });
  // @ts-expect-error a place needs both
  await client.remove({ conv: 'room' });
  const gone: Item | undefined = await client.remove({ conv: 'room', seq: 4 });
  const { ok, sent } = await client.syncOnce(20000);
  if (!ok || gone) throw new BelfryError('offline', `${sent} sent`);
  const { plan } = stepRetry(newRetry(), { code: 1006 }, backoff(0, newRetry(), 4711));
  return plan.stop ? [] : client.messages(uuidv7(Date.now()), { limit: 50 });
}
