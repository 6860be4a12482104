// SPDX-License-Identifier: Apache-2.0
// fill.mjs: commits to a file until it may not grow any more; says how many commits held, the error's code, and whether what
// was refused is absent. Run under `ulimit -f` by stores.mjs.

import { FileStore } from '../../client/js/store-file.js';

process.on('SIGXFSZ', () => {}); // then the write fails with EFBIG
const store = new FileStore(process.argv[2]);
await store.open();
let held = 0;
for (;;) {
  try {
    await store.commit([{ table: 'meta', key: `k${held}`, value: 'x'.repeat(100) }]);
    held += 1;
  } catch (error) {
    console.log(`${held} ${error.code} ${await store.get('meta', `k${held}`) === undefined}`);
    await store.close();
    break;
  }
}
