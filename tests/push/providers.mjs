// SPDX-License-Identifier: Apache-2.0
// providers.mjs: the providers of push against faithful fakes of theirs.
//
//      node tests/push/providers.mjs [word…]     only the cases whose sentence has all the words

import { Tap } from '../lib/tap.mjs';
import { apnsCases } from './apns_cases.mjs';
import { otherCases } from './other_cases.mjs';
import { authority } from './stage.mjs';

const words = process.argv.slice(2);
const tap = new Tap('the providers of push');
try {
  for (const [sentence, work] of [...apnsCases, ...otherCases])
    if (words.every((word) => sentence.includes(word))) await tap.run(sentence, work);
} finally {
  authority.remove();
}
tap.finish();
