/** RateCells: token buckets and sliding windows in memory that all workers share; exact over all of them. */

// A bucket is one 64-bit number: the time at which it will be full again (GCRA's theoretical arrival time), so taking a
// token is one compare-and-swap and nothing has to be refilled. A window is one number too: 24 bits of the window's
// number, 20 bits of the count in the window before, 20 bits of the count in it.
// native/rate_cells.cc is the twin over the same memory: same answers, no garbage. This one makes BigInts, and is the
// one that the engine uses (worker.ts): calling the addon costs more than it saves.

export interface RateCells {
  /**
   * Admits one request: 0, or in how many nanoseconds one would be admitted. capacityNs: burst x intervalNs. All times
   * are whole numbers below 2^53, nowNs from the same clock in all workers.
   */
  takeToken(cell: number, nowNs: number, intervalNs: number, capacityNs: number): number;
  /** At most limit (below 2^20) per window; the past window counts for the part of it that is still in sight. */
  takeWindow(cell: number, nowNs: number, windowNs: number, limit: number): number;
  /**
   * A token of the key's own bucket in a table of `sets` (a power of two) times 8 keys, at the start of the memory. The
   * key is 64 bits, a hash. NO_ROOM: it is new, and every bucket that would have to make place refuses requests now.
   */
  takeKeyed(sets: number, low: number, high: number, nowNs: number, intervalNs: number, capacityNs: number): number;
}

export const NO_ROOM = -1;
const COUNT_BITS = 20n;
const COUNT_MASK = (1n << COUNT_BITS) - 1n;
const NUMBER_MASK = (1n << 24n) - 1n;
export const WINDOW_LIMIT_MAX = 2 ** 20 - 1;
const WAYS = 8;
const LOCK_AT = 16;
export const SET_WORDS = 24;
const LOCK_TRIES = 10000;
const KEY_CHANGED = -2;

export class PortableRateCells implements RateCells {
  readonly #words: BigInt64Array;

  constructor(words: BigInt64Array) {
    this.#words = words;
  }

  takeToken(cell: number, nowNs: number, intervalNs: number, capacityNs: number): number {
    for (;;) {
      const fullAt = Atomics.load(this.#words, cell);
      const next = Math.max(Number(fullAt), nowNs) + intervalNs;
      const waitNs = next - nowNs - capacityNs;
      if (waitNs > 0) return waitNs;
      if (this.#swap(cell, fullAt, BigInt(next))) return 0;
    }
  }

  takeWindow(cell: number, nowNs: number, windowNs: number, limit: number): number {
    const window = BigInt(windowNs);
    const number = (BigInt(nowNs) / window) & NUMBER_MASK;
    const left = window - (BigInt(nowNs) % window);
    const most = BigInt(limit);
    for (;;) {
      const seen = Atomics.load(this.#words, cell);
      const age = (number - (seen >> (2n * COUNT_BITS))) & NUMBER_MASK;
      const current = age === 0n ? seen & COUNT_MASK : 0n;
      const before = age === 0n ? (seen >> COUNT_BITS) & COUNT_MASK : age === 1n ? seen & COUNT_MASK : 0n;
      if (current >= most) return Number(left);
      if ((before * left) / window + current >= most) {
        // Until the part of the count before that still weighs is below what is missing.
        const below = ((most - current) * window + before - 1n) / before;
        return Number(left - below + 1n);
      }
      if (this.#swap(cell, seen, (number << (2n * COUNT_BITS)) | (before << COUNT_BITS) | (current + 1n))) return 0;
    }
  }

  takeKeyed(sets: number, low: number, high: number, nowNs: number, intervalNs: number, capacityNs: number): number {
    const key = keyOf(low, high);
    const set = (low & (sets - 1)) * SET_WORDS;
    for (;;) {
      let way = 0;
      while (way < WAYS && Atomics.load(this.#words, set + way) !== key) way++;
      const answer =
        way < WAYS
          ? this.#takeFound(set + way, key, nowNs, intervalNs, capacityNs)
          : this.#insert(set, key, nowNs, intervalNs, capacityNs);
      if (answer !== KEY_CHANGED) return answer;
    }
  }

  #takeFound(at: number, key: bigint, nowNs: number, intervalNs: number, capacityNs: number): number {
    const words = this.#words;
    for (;;) {
      const fullAt = Atomics.load(words, at + WAYS);
      // After the load: who replaces the key changes the bucket too, and then the swap below fails.
      if (Atomics.load(words, at) !== key) return KEY_CHANGED;
      const next = Math.max(Number(fullAt), nowNs) + intervalNs;
      const waitNs = next - nowNs - capacityNs;
      if (waitNs > 0) return waitNs;
      if (this.#swap(at + WAYS, fullAt, BigInt(next))) return 0;
    }
  }

  #insert(set: number, key: bigint, nowNs: number, intervalNs: number, capacityNs: number): number {
    const words = this.#words;
    // Nobody waits longer for the lock than this: its holder is a thread that was ended meanwhile.
    for (let tries = 0; tries < LOCK_TRIES; tries++) if (this.#swap(set + LOCK_AT, 0n, 1n)) break;
    // The bucket that is full again soonest loses least; one that refuses now must not be forgotten.
    let victim = -1;
    let soonest = nowNs + capacityNs - intervalNs + 1;
    let isThere = false;
    for (let way = 0; way < WAYS; way++) {
      const holder = Atomics.load(words, set + way);
      if (holder === key) isThere = true;
      const fullAt = holder === 0n ? 0 : Number(Atomics.load(words, set + WAYS + way));
      if (fullAt >= soonest) continue;
      soonest = fullAt;
      victim = way;
    }
    // Another thread was faster with the same key: look again.
    let answer = KEY_CHANGED;
    if (!isThere && victim < 0) answer = NO_ROOM;
    if (!isThere && victim >= 0) {
      Atomics.store(words, set + victim, 0n);
      Atomics.store(words, set + WAYS + victim, BigInt(nowNs + intervalNs));
      Atomics.store(words, set + victim, key);
      answer = 0;
    }
    Atomics.store(words, set + LOCK_AT, 0n);
    return answer;
  }

  #swap(at: number, expected: bigint, value: bigint): boolean {
    return Atomics.compareExchange(this.#words, at, expected, value) === expected;
  }
}

/** Signed 64 bits; 0 marks an empty place, so that key becomes 1. */
function keyOf(low: number, high: number): bigint {
  const key = BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
  return key === 0n ? 1n : key;
}
