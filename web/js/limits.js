// SPDX-License-Identifier: Apache-2.0
//
// limits.js: the numbers. Everything that grows has a limit, everything that waits has a time.

export const LIMIT = {
  entries: 1000, // in memory and on the page; older ones come back by history
  kept: 200,     // entries kept in sessionStorage
  lines: 100,    // "carol joined"
  journal: 300,
  outbox: 200,
  page: 50,      // one history request
  watch: 200,    // users in one watch: what the protocol allows
};

// In ms.
export const TIME = {
  ack: 200,          // acks are coalesced; the hub itself coalesces for up to 1 s
  read: 150,
  typingAgain: 2100, // the hub spreads typing at most every 2 s; a little more, as the way there takes its time
  typingStop: 4000,
  reply: 10000,      // then the same op is sent again
  open: 10000,       // from the first byte to welcome
  cutBriefly: 5000,
  awayAfter: 60000,  // a hidden tab is away
  sameGroup: 300000, // messages of one author within 5 minutes stand together
};

// What we do before the first welcome tells us better.
export const RETRY = { base_ms: 500, max_ms: 30000, reset_ms: 30000 };
