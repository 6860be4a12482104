// SPDX-License-Identifier: Apache-2.0
//
// limits.js: the numbers. Everything that grows has a limit, everything that waits has a time. What the hub says in
// welcome (window, max_frame, ping_ms, retry) goes before what stands here.

export const LIMIT = {
  outbox: 1000,        // items that wait, or failed and wait for the app
  inFlight: 16,        // conversations with a send under way
  attempts: 10,        // temporary refusals of one item; lost connections are not counted
  entries: 5000,       // kept of one conversation; older ones come back by history
  reactions: 64,       // of one message: what history gives, too
  notices: 200,        // notifications kept
  page: 200,           // one page of history or conversations: the most the protocol allows
  ops: 100,            // one background sync: the same
  watch: 200,          // users in one watch: the same
  depth: 30,           // nesting of a body; a frame adds one, and the hub takes 32
  frameBytes: 65536,   // until the hub says max_frame
  opBytes: 64,
  idBytes: 128,
  samples: 256,        // of a duration, for its percentiles
  reportSamples: 32,   // of a duration in one report: the hub takes no more
  reportCount: 10000,  // of anything: the hub counts more as so many
  reportSpan: 604800000, // ms: likewise
  slots: 32,           // tabs of one user at a time
};

// In ms.
export const TIME = {
  open: 10000,         // from the dial to welcome
  reply: 10000,        // then a send is sent again
  pong: 10000,         // after a ping
  quiet: 5000,         // silence after which a hint asks for a ping
  stuck: 5000,         // so long without a welcome, and the network has changed: dialled anew
  report: 60000,       // the least between two reports; the hub takes one in 30 s
  timer: 2147483647,   // the longest that setTimeout() knows
  ack: 200,            // acks are coalesced; the hub coalesces, too
  expires: 518400000,  // 6 days: the hub knows an op for 7, so what is sent is never stored twice
  hintMax: 3600000,    // the longest delay that we let the hub ask for
  again: 1000,         // until a request is asked again that the hub refused for now, if it named no delay
  reload: 1000,        // for the lock of a tab that is loaded anew
};

export const QUIET_TIMES = 4; // in the background the hub is asked so much more rarely: each ping wakes a phone's radio

export const RETRY = { base_ms: 500, max_ms: 30000, reset_ms: 30000 };
