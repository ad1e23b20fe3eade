/** The messages between main and a worker: one union per direction. */
import type { MessagePort } from 'node:worker_threads';
import type { MetricsMemory } from '../metrics/slots.js';
import type { SnapshotPlan } from '../plan/records.js';

/** What a worker thread starts with. */
export interface WorkerInit {
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
  readonly transport: 'native' | 'node';
  readonly ingress: 'native' | 'uws';
  readonly port: MessagePort;
  readonly metrics: MetricsMemory;
  readonly sharedCells: SharedArrayBuffer;
  readonly ownCells: SharedArrayBuffer;
  /** See limit/rate-memory.ts. */
  readonly rateMemory: SharedArrayBuffer;
  readonly workerBase: number;
  readonly seed: readonly [number, number, number, number];
  readonly hostname: string;
}

/** A listener that a worker accepts from itself: enable_reuse_port, every one of the node transport, all of a sole worker. */
export interface WorkerListener {
  readonly index: number;
  /** Main's socket, to be shared; null = the worker opens one. */
  readonly shared: number | null;
}

/** Bytes of one thread: its JavaScript heap, and buffers outside of it. */
export interface WorkerMemory {
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
}

export type ToWorker =
  /** Build the plan; answered by `prepared`. */
  | { readonly kind: 'prepare'; readonly plan: SnapshotPlan; readonly ticketKeys: Uint8Array }
  /** For TLS contexts without keys of their own; see TlsContext.setTicketKeys(). */
  | { readonly kind: 'ticketKeys'; readonly ticketKeys: Uint8Array }
  /** Put the prepared plan in force, and listen on exactly these; answered by `committed`. */
  | { readonly kind: 'commit'; readonly version: number; readonly listeners: readonly WorkerListener[] }
  | { readonly kind: 'drain' }
  /** only: numbers of the listeners to close; null = all. */
  | { readonly kind: 'stopListening'; readonly only: readonly number[] | null }
  | { readonly kind: 'reopenLogs' }
  /** Answered by `memory`. */
  | { readonly kind: 'memory' }
  /** End the thread: logs are flushed, what is left is cut. */
  | { readonly kind: 'stop' }
  /** No socket is given to this thread's apps of uWebSockets.js any more: it may die. */
  | { readonly kind: 'dead' }
  /** Test hook: die of an exception. */
  | { readonly kind: 'die' };

export type ToMain =
  | { readonly kind: 'ready' }
  | { readonly kind: 'prepared'; readonly version: number; readonly problem: string | null }
  | { readonly kind: 'committed'; readonly version: number; readonly problem: string | null }
  | { readonly kind: 'memory'; readonly memory: WorkerMemory }
  /** Said by main to itself when the thread has ended. */
  | { readonly kind: 'gone' }
  /** A worker's app for a listener, for the acceptor of uWebSockets.js; said before `committed`. */
  | { readonly kind: 'ingress'; readonly listener: number; readonly descriptor: number }
  /** An exception ends the thread once its apps are taken out of the acceptor; answered by `dead`. */
  | { readonly kind: 'dying' }
  /** No connection is left after `drain`. */
  | { readonly kind: 'drained' }
  | { readonly kind: 'log'; readonly level: string; readonly component: string; readonly message: string };
