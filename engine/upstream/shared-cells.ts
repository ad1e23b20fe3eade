/** SharedCells: what the whole process knows exactly: requests, connections and positions, shared by every worker. */

// Each endpoint row and each cluster has cache lines of its own (64 B), so two workers only meet where they must.
// What a worker adds to the shared array it also notes in an array of its own, in plain stores: when its thread dies,
// main subtracts exactly that (giveBack).

const LINE_INTS = 16;
/** Rows of endpoints and clusters that fit; memory is committed when touched. */
export const ENDPOINT_ROWS_MAX = 65536;
export const CLUSTERS_MAX = 16384;
const CLUSTER_BASE = ENDPOINT_ROWS_MAX * LINE_INTS;
const CELLS = CLUSTER_BASE + CLUSTERS_MAX * 2 * LINE_INTS;

// Cells of an endpoint row.
export const ENDPOINT_REQUESTS = 0;
export const ENDPOINT_CONNECTIONS = 1;
// Cells of a cluster: four per priority, and the round-robin position in a line of its own.
export const CLUSTER_CONNECTIONS = 0;
export const CLUSTER_PENDING = 1;
export const CLUSTER_REQUESTS = 2;
export const CLUSTER_RETRIES = 3;
/** Distance from a DEFAULT cell to the HIGH one. */
export const HIGH_PRIORITY = 4;
const CLUSTER_POSITION = LINE_INTS;

export function newSharedCellsMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CELLS * 4);
}

export function endpointCell(row: number, cell: number): number {
  return row * LINE_INTS + cell;
}
export function clusterCell(cluster: number, cell: number): number {
  return CLUSTER_BASE + cluster * 2 * LINE_INTS + cell;
}

/** Main: does nothing of any worker count at this endpoint? */
export function isEndpointIdle(shared: Int32Array, row: number): boolean {
  for (const cell of [ENDPOINT_REQUESTS, ENDPOINT_CONNECTIONS])
    if (Atomics.load(shared, endpointCell(row, cell)) !== 0) return false;
  return true;
}

/** Main, before another endpoint gets the row: it shall know nothing of the one before. */
export function clearEndpoint(shared: Int32Array, row: number): void {
  for (let cell = 0; cell < LINE_INTS; cell++) Atomics.store(shared, endpointCell(row, cell), 0);
}

export class SharedCells {
  readonly shared: Int32Array;
  readonly #own: Int32Array;

  constructor(shared: SharedArrayBuffer, own: SharedArrayBuffer) {
    this.shared = new Int32Array(shared);
    this.#own = new Int32Array(own);
  }

  /** Adds and answers the value before. */
  add(cell: number, amount: number): number {
    this.#own[cell] = (this.#own[cell] as number) + amount;
    return Atomics.add(this.shared, cell, amount);
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

  /** The next position of a cluster's rotation, counted over all workers; wraps at 2^32. */
  nextPosition(cluster: number): number {
    return Atomics.add(this.shared, clusterCell(cluster, CLUSTER_POSITION), 1) >>> 0;
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
