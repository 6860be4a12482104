// SPDX-License-Identifier: Apache-2.0
//
// limits.js: the page's numbers. The client has its own.

export const LIMIT = {
  messages: 1000, // on the page
  page: 50,       // more of them at a time
  lines: 100,     // "carol joined"
  journal: 300,
};

// In ms.
export const TIME = {
  read: 150,
  typingAgain: 2100, // the hub spreads typing at most every 2 s; a little more, as the way there takes its time
  typingStop: 4000,
  open: 10000,       // for a token
  cutBriefly: 5000,
  awayAfter: 60000,  // a hidden tab is away
  sameGroup: 300000, // messages of one author within 5 minutes stand together
};
