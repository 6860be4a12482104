// SPDX-License-Identifier: Apache-2.0
//
// index.d.ts: the types of what index.js exports. tests/client-js holds it against the code.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How an own message stands; of others: received. */
export type MessageState = 'pending' | 'sending' | 'synced' | 'failed' | 'conflicted' | 'expired' | 'received';

/** What happened to a message. */
export type MessageChange = MessageState | 'cancelled' | 'edited' | 'deleted' | 'reacted';

export type Kind = 'message' | 'edit' | 'delete' | 'react';

/** off: not started. waiting: to connect again. stopped: told not to come back, until start(). */
export type ConnectionState = 'off' | 'connecting' | 'online' | 'waiting' | 'stopped';

/** A frame of the hub, as docs/protocol.md has it. */
export interface Frame {
  type: string;
  id?: number;
  [field: string]: any;
}

/** What the app has sent and the hub is not known to have stored. */
export interface Item {
  readonly op: string;
  readonly conv: string;
  readonly kind: Kind;
  readonly body?: Json;
  readonly ref?: number;
  readonly ref_op?: string;
  readonly push?: Json;
  readonly state: MessageState;
  readonly reason?: string;
  readonly message?: string;
  readonly retryable?: boolean;
  readonly attempts: number;
  /** The hub may have it. */
  readonly tried: boolean;
  readonly at: number;
  readonly expires: number;
  readonly due: number;
  readonly order: number;
}

export interface Reaction {
  seq?: number;
  from: string;
  at?: number;
  body: Json;
  state?: MessageState;
}

/** A message as the app shows it: stored, or waiting (then without seq). */
export interface Message {
  conv: string;
  seq?: number;
  op: string;
  from: string;
  device?: string;
  at: number;
  body?: Json;
  n?: number;
  state: MessageState;
  reason?: string;
  message?: string;
  retryable?: boolean;
  edited: boolean;
  deleted: boolean;
  reactions: Reaction[];
  /** A change of it that waits in the outbox; it is shown already. */
  change?: { op: string; kind: Kind; state: MessageState };
}

/** An entry of the log, as it is stored. */
export interface Entry {
  type: Kind;
  conv: string;
  seq: number;
  ref?: number;
  from: string;
  device?: string;
  op: string;
  at: number;
  body?: Json;
  n?: number;
  version?: number;
  edited_at?: number;
  edited_by?: string;
  deleted?: boolean;
  deleted_at?: number;
  deleted_by?: string;
  reactions?: Reaction[];
}

export interface Member {
  user: string;
  role: string;
  /** The last seq before they joined, if we saw them join. */
  since: number;
}

export interface Conversation {
  conv: string;
  kind?: 'direct' | 'group' | 'channel';
  epoch?: string;
  /** The latest seq, when the list was loaded last. */
  seq?: number;
  unread?: number;
  latest?: Json;
  /** What is stored here without a hole; 0: nothing. */
  first: number;
  last: number;
  ahead: number[];
  members?: Member[];
  removed?: boolean;
  reading?: number;
}

export interface Receipt {
  delivered: number;
  read: number;
}

export interface Percentiles {
  count: number;
  p50: number;
  p95: number;
}

export interface Metrics {
  synced: number;
  failed: number;
  conflicted: number;
  expired: number;
  retries: number;
  duplicates: number;
  events: number;
  repeats: number;
  malformed: number;
  gaps: number;
  resets: number;
  connects: number;
  welcomes: number;
  losses: number;
  catch_up_events: number;
  wakes: number;
  empty_wakes: number;
  success_rate: number;
  outbox_depth: number;
  outbox_oldest_ms: number;
  op_to_synced_ms: Percentiles;
  catch_up_ms: Percentiles;
  /** Events, not ms. */
  catch_up_size: Percentiles;
}

export interface SyncResult {
  ok: boolean;
  sent: number;
  events: number;
  more: boolean;
  reason?: string;
}

/** What the client tells, by type. */
export interface Events {
  message: { what: MessageChange; conv: string; op: string; seq?: number; item?: Item; message?: Entry };
  state: { state: ConnectionState; code?: number; reason?: string; delay_ms?: number; until?: number; welcome?: Frame };
  receipt: { conv: string; user: string } & Receipt;
  member: Frame;
  notification: Frame;
  typing: Frame;
  signal: Frame;
  presence: Frame;
  caught_up: Frame;
  gap: Frame;
  reset: Frame;
  reloaded: object;
  /** Entries of a channel are lost to us: go on behind seq. */
  recovered: { conv: string; recovered: false; seq: number };
  /** A channel is not for us any more. */
  ended: { conv: string; code: string };
  problem: BelfryError;
  /** Any event that this version does not know. */
  event: Frame;
  /** Each frame, for those who want to look. The token is in hello and auth. */
  frame: { dir: 'in' | 'out'; frame: Frame };
}

export type Table = 'meta' | 'outbox' | 'entries' | 'conversations' | 'receipts' | 'channels' | 'notices';

export interface Change {
  table: Table;
  key?: string;
  /** undefined: delete. */
  value?: unknown;
  /** All rows of the table; goes before the other changes. */
  clear?: boolean;
}

export interface RangeOptions {
  from?: string;
  to?: string;
  limit?: number;
  reverse?: boolean;
}

/** A storage adapter. */
export interface Store {
  /** Before all else; rejects if it is corrupt or in use. */
  open(): Promise<void>;
  close(): Promise<void>;
  get(table: Table, key: string): Promise<any>;
  /** Values of from <= key < to, in the order of keys. */
  range(table: Table, options?: RangeOptions): Promise<any[]>;
  /** All of them, in order, or none; on disk when it resolves. */
  commit(changes: Change[]): Promise<void>;
}

export interface TransportHandlers {
  url: string;
  protocol: string;
  onOpen(): void;
  onText(text: string): void;
  onClose(end: { code: number; reason: string; status?: number; hint_ms?: number }): void;
}

export interface Transport {
  send(text: string): void;
  close(): void;
}

export interface Clock {
  now(): number;
  setTimeout(work: () => void, ms: number): any;
  clearTimeout(timer: any): void;
}

export interface Options {
  /** wss://…/v1/ws, or https://… of the hub alone; ws:// and http:// without TLS */
  url: string;
  user: string;
  /** Else one is made and kept. */
  device?: string;
  /** A fresh token. An error with retry_after_ms delays the next attempt, one with final: true stops. */
  token(who: { user: string; device: string }): string | Promise<string>;
  /** Else the browser's, a slot for each tab. */
  store?: Store;
  /** This slot or none (error busy), as a service worker wants it. */
  slot?: number;
  /** How the client calls itself in hello. */
  name?: string;
  /** Else the global one. Node 18 and 20 have none: npm's ws fits. */
  WebSocket?: unknown;
  dial?(handlers: TransportHandlers): Transport;
  fetch?(url: string, request: any): Promise<{ status: number; json(): Promise<any> }>;
  /** Else the url with http and /v1/sync. */
  syncUrl?: string;
  /** How long an item may wait; 6 days. */
  expires_ms?: number;
  /** Reports sync metrics to the hub, at most so often: 60000 or more. 0, as without it: never. */
  report_ms?: number;
  clock?: Clock;
  /** A uniform integer. */
  chance?(): number;
  /** Random bytes, where there is no crypto.getRandomValues. */
  random?(count: number): Uint8Array;
}

/** A message, by its op while it waits, or by its place once it is stored. */
export type Target = { op: string; conv?: undefined; seq?: undefined } | { conv: string; seq: number; op?: undefined };

export class BelfryError extends Error {
  constructor(code: string, message?: string, more?: { temporary?: boolean; retry_after_ms?: number; cause?: unknown });
  static of(error: unknown): BelfryError;
  static ofFrame(frame: Frame): BelfryError;
  code: string;
  temporary: boolean;
  retry_after_ms?: number;
}

export class Client {
  static open(options: Options & { store: Store }): Promise<Client>;
  readonly user: string;
  readonly device: string;
  readonly cursor: { epoch: string; n: number } | null;
  readonly state: ConnectionState;

  /** Connects, and stays connected. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops, and closes the store. */
  close(): Promise<void>;
  /**
   * Tells what the system says of network and app; in a page, openClient() does. online and foreground end a wait and probe the line,
   * offline gives it up at once, background acknowledges what is on disk and asks and dials more rarely.
   */
  hint(what: 'online' | 'offline' | 'foreground' | 'background'): Promise<void>;
  followPage(): void;
  /** What the user may do has changed: a fresh token, for this session and the next. */
  renewToken(): Promise<void>;
  /** Answers with a function that ends it. */
  on<T extends keyof Events>(type: T, listener: (news: Events[T]) => void): () => void;
  /** When all that was begun is done, replies of the hub excepted. */
  idle(): Promise<void>;

  /** Resolves when the message is on disk; it is shown by then, and is sent when it can be. */
  send(conv: string, body: Json, more?: { kind?: Kind; ref?: number; push?: Json; op?: string }): Promise<Item>;
  edit(target: Target, body: Json): Promise<Item>;
  /** Undefined if it never left: then it is gone. */
  remove(target: Target): Promise<Item | undefined>;
  react(target: Target, body: Json): Promise<Item>;
  /** False if the hub may have it. */
  cancel(op: string): Promise<boolean>;
  /** Of what failed, conflicted or expired. */
  retry(op: string): Promise<boolean>;
  read(conv: string, seq: number): Promise<void>;

  /** Any request with a reply; rejects if we are not connected. */
  request(type: string, fields?: object): Promise<Frame>;
  tell(type: string, fields?: object): Promise<void>;
  typing(conv: string, active?: boolean): Promise<void>;
  signal(conv: string, body: Json): Promise<Frame>;
  /** Resolves with whether there are more. */
  loadOlder(conv: string, limit?: number): Promise<boolean>;
  loadLatest(conv: string, limit?: number): Promise<boolean>;
  members(conv: string): Promise<Array<{ user: string; role: string } & Receipt>>;
  subscribe(conv: string): Promise<Frame>;
  unsubscribe(conv: string): Promise<void>;
  watch(users: string[]): Promise<Frame[]>;
  unwatch(users: string[]): Promise<void>;
  setStatus(status: 'online' | 'away' | 'invisible'): Promise<void>;
  /** Outbox out, events in, acknowledged: one background sync, without a connection. */
  syncOnce(deadline_ms?: number): Promise<SyncResult>;

  /** The newest `limit` below `before`, oldest first, then what waits. */
  messages(conv: string, options?: { before?: number; limit?: number }): Promise<Message[]>;
  conversation(conv: string): Promise<Conversation>;
  conversations(): Promise<Conversation[]>;
  receipts(conv: string): Promise<{ [user: string]: Receipt }>;
  notifications(): Promise<Frame[]>;
  /** The outbox. */
  pending(): Item[];
  measure(): Metrics;
}

/** A client with its store open; start() connects it. */
export function openClient(options: Options): Promise<Client>;

export class MemoryStore implements Store {
  open(): Promise<void>;
  close(): Promise<void>;
  get(table: Table, key: string): Promise<any>;
  range(table: Table, options?: RangeOptions): Promise<any[]>;
  commit(changes: Change[]): Promise<void>;
}

export class IndexedDbStore implements Store {
  constructor(name: string);
  readonly name: string;
  open(): Promise<void>;
  close(): Promise<void>;
  get(table: Table, key: string): Promise<any>;
  range(table: Table, options?: RangeOptions): Promise<any[]>;
  commit(changes: Change[]): Promise<void>;
}

export const TABLES: readonly Table[];

export function uuidv7(now: number, random?: (count: number) => Uint8Array): string;

export interface Retry {
  attempt: number;
  hasty: boolean;
  base_ms: number;
  max_ms: number;
  reset_ms: number;
}

export interface RetryPlan {
  stop: boolean;
  delay_ms: number;
  need: '' | 'token' | 'reload';
  told: boolean;
}

export function newRetry(): Retry;
export function backoff(attempt: number, retry: { base_ms: number; max_ms: number }, chance: number): number;
export function stepRetry(
  before: Retry, end: { code?: number; status?: number; hint_ms?: number; alive_ms?: number }, chance: number,
): { retry: Retry; plan: RetryPlan };
