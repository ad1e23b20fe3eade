/** SharedCells: what the whole process knows exactly: requests, connections, positions and averages, for every worker. */

// Each endpoint row and each cluster has cache lines of its own (64 B), so two workers only meet where they must. Only
// the first 48 bytes of a line are used: allocators put 16 bytes before a buffer, so that a line of ours may begin 16
// bytes into one of the CPU's. What is learned of an endpoint stands beside its requests in flight, because whoever
// counts a request has the line already, and whoever picks reads both.
// What a worker adds to the shared array it also notes in an array of its own, in plain stores: when its thread dies,
// main subtracts exactly that (giveBack). Averages belong to nobody and stay.

import { TAGGED_INTS } from './balance/tagged-latencies.js';

const LINE_INTS = 16;
/** Rows of endpoints and clusters that fit; memory is committed when touched. */
export const ENDPOINT_ROWS_MAX = 65536;
export const CLUSTERS_MAX = 16384;
const CLUSTER_BASE = ENDPOINT_ROWS_MAX * LINE_INTS;
const CELLS = CLUSTER_BASE + CLUSTERS_MAX * 2 * LINE_INTS;

// Cells of an endpoint row.
export const ENDPOINT_REQUESTS = 0;
export const ENDPOINT_CONNECTIONS = 1;
/** 1 while a worker changes the row's averages or samples. */
const ENDPOINT_CLAIM = 2;
/** Position of a rotation that has no cell of its cluster, see balance/positions.ts. */
export const ENDPOINT_POSITION = 3;
// Averages of an endpoint row, each two Float64: the value, and when it held (0 = never).
/** Latency until the response head, microseconds. */
export const AVERAGE_LATENCY = 2;
/** Failures, each counted as a request that is still in flight for a while. */
export const AVERAGE_FAILURES = 4;
// Cells of a cluster: four per priority, and the round-robin position in a line of its own.
export const CLUSTER_CONNECTIONS = 0;
export const CLUSTER_PENDING = 1;
export const CLUSTER_REQUESTS = 2;
export const CLUSTER_RETRIES = 3;
/** Distance from a DEFAULT cell to the HIGH one. */
export const HIGH_PRIORITY = 4;
const CLUSTER_POSITION = LINE_INTS;
/** What the process's own order of a cluster's endpoints is made from; 0 = not drawn yet. */
const CLUSTER_SEED = LINE_INTS + 1;
/** Row of the endpoint that all requests go to (pick_first), and 1; 0 = none yet. */
const CLUSTER_CHOSEN = LINE_INTS + 2;
/** Positions of further rotations: of priorities, localities and subsets. */
const CLUSTER_POSITIONS = LINE_INTS + 3;
export const POSITIONS_MAX = 9;

// What an endpoint has last reported of its load, Float64s by row. Many workers write and none waits for another: each
// report is whole in itself, and of two in the same moment either will do.
const REPORTS_BASE = CELLS;
const REPORT_INTS = 16;
export const REPORT_WEIGHT = 0;
/** Microseconds of the process's clock, 0 = never. */
export const REPORT_UPDATED = 1;
/** When the reports began that have come ever since. */
export const REPORT_SINCE = 2;
/** When the endpoint joined or came back to health, for slow start. */
export const REPORT_JOINED = 3;
/** Requests in flight there that others have sent, as of the last report of them. */
export const REPORT_OTHERS = 4;
/** Latency by that report, microseconds; 0 = it said nothing of it. */
export const REPORT_LATENCY = 5;
/** When it came, 0 = never. */
export const REPORT_HEARD = 6;
const SAMPLES_BASE = REPORTS_BASE + ENDPOINT_ROWS_MAX * REPORT_INTS;

/** What all workers share; behind the cells, for each endpoint row, its load report and the latencies that Prequal keeps. */
export function newSharedCellsMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((SAMPLES_BASE + ENDPOINT_ROWS_MAX * TAGGED_INTS) * 4);
}

/** For what one worker has added to the cells. */
export function newOwnCellsMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CELLS * 4);
}

export function endpointCell(row: number, cell: number): number {
  return row * LINE_INTS + cell;
}
/** Index into `floats` of an average's value; the next one is when it held. */
export function averageCell(row: number, average: number): number {
  return row * (LINE_INTS / 2) + average;
}
/** Index into `reports`. */
export function reportCell(row: number): number {
  return row * (REPORT_INTS / 2);
}
export function clusterCell(cluster: number, cell: number): number {
  return CLUSTER_BASE + cluster * 2 * LINE_INTS + cell;
}

/** Of a cluster's first rotation. */
export function clusterPositionCell(cluster: number): number {
  return clusterCell(cluster, CLUSTER_POSITION);
}
/** number: below POSITIONS_MAX. */
export function furtherPositionCell(cluster: number, number: number): number {
  return clusterCell(cluster, CLUSTER_POSITIONS + number);
}

/** Main: does nothing of any worker count at this endpoint? */
export function isEndpointIdle(shared: Int32Array, row: number): boolean {
  for (const cell of [ENDPOINT_REQUESTS, ENDPOINT_CONNECTIONS])
    if (Atomics.load(shared, endpointCell(row, cell)) !== 0) return false;
  return true;
}

/** Main, before another endpoint gets the row: it shall know nothing of the one before. */
export function clearEndpoint(shared: Int32Array, row: number): void {
  shared.fill(0, row * LINE_INTS, (row + 1) * LINE_INTS);
  shared.fill(0, REPORTS_BASE + row * REPORT_INTS, REPORTS_BASE + (row + 1) * REPORT_INTS);
  shared.fill(0, SAMPLES_BASE + row * TAGGED_INTS, SAMPLES_BASE + (row + 1) * TAGGED_INTS);
}

/** One clock for all workers, so that one may say when and another how long ago. */
export interface ProcessClock {
  /** Microseconds, monotonic, above 0. */
  nowUs(): number;
}

const STILL: ProcessClock = { nowUs: () => 1 };
/** Whoever has claimed a row needs less than a microsecond, unless its thread was put to sleep just then. */
const CLAIM_TRIES = 500;

export class SharedCells {
  readonly shared: Int32Array;
  /** Averages: see averageCell(). */
  readonly floats: Float64Array;
  /** Load reports: see reportCell(). */
  readonly reports: Float64Array;
  /** Of tagged-latencies.ts, by endpoint row; changed under claim(). */
  readonly samples: Int32Array;
  readonly clock: ProcessClock;
  readonly #own: Int32Array;
  readonly #isAlone: boolean;

  /**
   * clock: the same for all who share; without one time stands still. isAlone: nobody else writes while this one lives,
   * so plain additions are exact, at a fifth of the price (four per request).
   */
  constructor(shared: SharedArrayBuffer, own: SharedArrayBuffer, clock: ProcessClock = STILL, isAlone = false) {
    this.#isAlone = isAlone;
    this.shared = new Int32Array(shared);
    this.floats = new Float64Array(shared, 0, CELLS / 2);
    this.reports = new Float64Array(shared, REPORTS_BASE * 4, (ENDPOINT_ROWS_MAX * REPORT_INTS) / 2);
    this.samples = new Int32Array(shared, SAMPLES_BASE * 4);
    this.#own = new Int32Array(own);
    this.clock = clock;
  }

  /**
   * Only one worker at a time changes what is learned of a row. False: somebody else does, and seems to sleep; a request
   * doesn't wait for that, what it had to say is dropped. Between claim and release nothing may throw or take long; what
   * a dead worker has claimed is given back like the rest.
   */
  claim(row: number): boolean {
    if (this.#isAlone) return true;
    const cell = row * LINE_INTS + ENDPOINT_CLAIM;
    for (let tries = 0; tries < CLAIM_TRIES; tries++)
      if (Atomics.compareExchange(this.shared, cell, 0, 1) === 0) {
        this.#own[cell] = 1;
        return true;
      }
    return false;
  }

  release(row: number): void {
    if (this.#isAlone) return;
    const cell = row * LINE_INTS + ENDPOINT_CLAIM;
    this.#own[cell] = 0;
    Atomics.store(this.shared, cell, 0);
  }

  /** Adds and answers the value before. */
  add(cell: number, amount: number): number {
    this.#own[cell] = (this.#own[cell] as number) + amount;
    return this.#add(cell, amount);
  }

  #add(cell: number, amount: number): number {
    if (!this.#isAlone) return Atomics.add(this.shared, cell, amount);
    const before = this.shared[cell] as number;
    this.shared[cell] = before + amount;
    return before;
  }

  load(cell: number): number {
    return Atomics.load(this.shared, cell);
  }

  /**
   * Takes one if fewer than max are taken in the whole process. Compare and swap: adding first and taking it back would
   * let one worker's refused attempt refuse another's good one for a moment.
   */
  tryTake(cell: number, max: number): boolean {
    const shared = this.shared;
    let taken = Atomics.load(shared, cell);
    if (this.#isAlone) {
      if (taken >= max) return false;
      this.add(cell, 1);
      return true;
    }
    while (taken < max) {
      const seen = Atomics.compareExchange(shared, cell, taken, taken + 1);
      if (seen === taken) {
        this.#own[cell] = (this.#own[cell] as number) + 1;
        return true;
      }
      taken = seen;
    }
    return false;
  }

  /** The next position of a rotation, counted over all workers; wraps at 2^32. */
  nextPosition(cell: number): number {
    return this.#add(cell, 1) >>> 0;
  }

  /** The same for every worker: the first one's proposal (not 0). */
  clusterSeed(cluster: number, proposal: number): number {
    const cell = clusterCell(cluster, CLUSTER_SEED);
    return Atomics.compareExchange(this.shared, cell, 0, proposal | 1) || proposal | 1;
  }

  /** Row of the endpoint that all requests of a cluster go to, -1 = none was chosen yet. */
  chosenRow(cluster: number): number {
    return Atomics.load(this.shared, clusterCell(cluster, CLUSTER_CHOSEN)) - 1;
  }

  /** Does nothing when it is not `from` any more: somebody else has chosen. */
  chooseRow(cluster: number, from: number, to: number): void {
    Atomics.compareExchange(this.shared, clusterCell(cluster, CLUSTER_CHOSEN), from + 1, to + 1);
  }
}

/** Main, when a worker has died: takes back what it held and clears its notes. */
export function giveBack(shared: SharedArrayBuffer, own: SharedArrayBuffer): void {
  const all = new Int32Array(shared);
  const held = new Int32Array(own);
  for (let cell = 0; cell < CELLS; cell++) {
    const amount = held[cell] as number;
    if (amount === 0) continue;
    Atomics.sub(all, cell, amount);
    held[cell] = 0;
  }
}
