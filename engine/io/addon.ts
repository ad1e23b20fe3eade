/** The native addon: its shape, and how it is found (a prebuilt binary or the one built in this checkout). */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TableFill } from '../base/table-fill.js';
import type { RateCells } from '../limit/rate-cells.js';
import { LAYOUT_VERSION } from './event-layout.js';
import type { TlsContextOptions } from './tls.js';

/** family 4, 6 or 1 (unix); numbers below zero are -errno. */
export interface AddonPoller {
  execute(count: number): void;
  dial(
    family: number,
    host: string,
    port: number,
    timeoutMs: number,
    context: AddonTlsContext | null,
    serverName: string,
    sessionKey: string,
    alpn: readonly string[] | null,
    preface: Uint8Array | null,
  ): number;
  /** False: the connection is gone. */
  startTls(
    slot: number,
    context: AddonTlsContext,
    bytes: Uint8Array,
    start: number,
    end: number,
    timeoutMs: number,
  ): boolean;
  /** Null without TLS; the kinds: tls-native.ts. */
  tlsFact(slot: number, kind: number): unknown;
  listen(family: number, host: string, port: number, backlog: number, reusePort: boolean, listener: number): number;
  /** Accepts from a socket that main keeps open: a descriptor to close, or -errno. */
  shareListener(descriptor: number, listener: number): number;
  closeListener(descriptor: number): void;
  address(slot: number, isPeer: boolean): [family: number, host: string, port: number] | null;
  adopt(descriptor: number): number;
  tick(): void;
  close(): void;
}

export interface AddonTlsContext {
  setTicketKeys(keys: Uint8Array): void;
  close(): void;
}

export interface AddonAcceptor {
  listen(
    family: number,
    host: string,
    port: number,
    backlog: number,
    reusePort: boolean,
    onAccepted: (descriptor: number) => void,
  ): number;
  close(descriptor: number): void;
}

export interface Addon extends TableFill {
  readonly layoutVersion: number;
  readonly Poller: new (
    worker: number,
    arena: ArrayBuffer,
    slabBytes: number,
    events: ArrayBuffer,
    ops: ArrayBuffer,
    clock: ArrayBuffer,
    turn: (count: number) => number,
    /** False: the peer is refused. */
    judge: (slot: number, certificate: Uint8Array) => boolean,
  ) => AddonPoller;
  readonly Acceptor: new () => AddonAcceptor;
  readonly TlsContext: new (options: TlsContextOptions) => AddonTlsContext;
  readonly RateCells: new (words: BigInt64Array) => RateCells;
  /** Halves: low and high of the seed of xxHash64, then of the hash. */
  hash64(bytes: Uint8Array, from: number, to: number, halves: Int32Array, isMurmur: boolean): void;
  handOff(worker: number, descriptor: number, listener: number): boolean;
  /** -errno on failure; nobody accepts from it yet. */
  openListener(family: number, host: string, port: number, backlog: number): number;
  closeDescriptor(descriptor: number): void;
  addressOf(descriptor: number): [family: number, host: string, port: number] | null;
}

/** The directory of package.json, wherever the compiled file lies below it. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('package.json of millrace not found');
    directory = parent;
  }
  return directory;
}

/** The addon, or why there is none. */
export function loadAddon(): { addon: Addon; reason: string } | { addon: null; reason: string } {
  if (process.platform !== 'linux') return { addon: null, reason: `${process.platform} has no epoll` };
  try {
    const require = createRequire(import.meta.url);
    const addon = require('node-gyp-build')(packageRoot()) as Addon;
    if (addon.layoutVersion !== LAYOUT_VERSION)
      return { addon: null, reason: 'the addon is of another version: run npm rebuild' };
    return { addon, reason: 'addon loaded' };
  } catch (error) {
    const first = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
    return { addon: null, reason: `addon not loaded: ${first}` };
  }
}
