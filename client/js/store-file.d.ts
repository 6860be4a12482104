// SPDX-License-Identifier: Apache-2.0
import type { Change, RangeOptions, Store, Table } from './index.js';

/** A store in one file, for Node: a log of transactions. One process has it at a time. */
export class FileStore implements Store {
  /** sync: false survives the end of the process, but perhaps not that of the machine. */
  constructor(path: string, options?: { sync?: boolean });
  open(): Promise<void>;
  close(): Promise<void>;
  get(table: Table, key: string): Promise<unknown>;
  range(table: Table, options?: RangeOptions): Promise<unknown[]>;
  commit(changes: Change[]): Promise<void>;
}
