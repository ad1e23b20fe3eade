/** PortableFill: rings and Maglev tables in TypeScript, where the addon is not there. */
import { Hash64, remainder } from '../../base/hash64.js';
import { murmurHash2 } from '../../base/murmur2.js';
import type { TableFill } from '../../base/table-fill.js';
import { xxHash64 } from '../../base/xxhash64.js';
import { DeadlineHeap } from './deadline-heap.js';

// native/hashing.cc is the twin: the same arrays, bit for bit. It wins by two to three times, and a worker serves nobody
// while it builds. (A single hash is cheaper here: calling the addon costs more than hashing a header does.)

export const PORTABLE_FILL: TableFill = { fillRing, fillMaglev };

// ---- ring -----------------------------------------------------------------------------------------------------

function fillRing(
  keys: Uint8Array,
  ends: Uint32Array,
  points: Uint32Array,
  isMurmur: boolean,
  shift: number,
  starts: Uint32Array,
  lows: Uint32Array,
  highs: Uint32Array,
  owners: Uint16Array,
): void {
  const hash = isMurmur ? murmurHash2 : xxHash64;
  const count = owners.length;
  const unsorted: Points = [new Uint32Array(count), new Uint32Array(count), new Uint16Array(count)];
  const into = new Hash64();
  let at = 0;
  for (let key = 0; key < ends.length; key++) {
    const text = new PointText(keys.subarray(key === 0 ? 0 : ends[key - 1], ends[key]));
    for (let i = 0; i < (points[key] as number); i++) {
      hash(into, text.bytes, 0, text.write(i));
      put(unsorted, at++, into.low, into.high, key);
    }
  }
  sortPoints(unsorted, shift, starts, [lows, highs, owners]);
}

type Points = readonly [lows: Uint32Array, highs: Uint32Array, owners: Uint16Array];

function put(points: Points, slot: number, low: number, high: number, owner: number): void {
  points[0][slot] = low;
  points[1][slot] = high;
  points[2][slot] = owner;
}

/** Hashes are spread evenly, so a bucket holds about one: into buckets, then by insertion. Linear in the points. */
function sortPoints(from: Points, shift: number, starts: Uint32Array, to: Points): void {
  const [lows, highs, owners] = from;
  for (let i = 0; i < owners.length; i++) {
    const after = ((highs[i] as number) >>> shift) + 1;
    starts[after] = (starts[after] as number) + 1;
  }
  for (let bucket = 1; bucket < starts.length; bucket++)
    starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
  const filled = starts.slice();
  for (let i = 0; i < owners.length; i++) {
    const low = lows[i] as number;
    const high = highs[i] as number;
    const bucket = high >>> shift;
    let at = filled[bucket] as number;
    filled[bucket] = at + 1;
    for (; at > (starts[bucket] as number) && isAfter(to, at - 1, low, high); at--)
      put(to, at, to[0][at - 1] as number, to[1][at - 1] as number, to[2][at - 1] as number);
    put(to, at, low, high, owners[i] as number);
  }
}

function isAfter(points: Points, slot: number, low: number, high: number): boolean {
  const other = points[1][slot] as number;
  return other > high || (other === high && (points[0][slot] as number) > low);
}

/** "key_17": rewritten in place, because a large ring has millions of them. */
class PointText {
  readonly bytes: Uint8Array;
  readonly #from: number;

  constructor(key: Uint8Array) {
    this.bytes = new Uint8Array(key.length + 11);
    this.bytes.set(key);
    this.bytes[key.length] = 0x5f;
    this.#from = key.length + 1;
  }

  /** Answers the length in bytes. */
  write(number: number): number {
    let digits = 1;
    for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = number;
    for (let at = this.#from + digits - 1; at >= this.#from; at--) {
      this.bytes[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.#from + digits;
  }
}

// ---- Maglev ---------------------------------------------------------------------------------------------------

function fillMaglev(
  keys: Uint8Array,
  ends: Uint32Array,
  weights: Float64Array,
  owners: Uint16Array,
  slots: Uint32Array,
): void {
  const turns = new Turns(weights);
  const walks = new Permutations(keys, ends, owners.length);
  const isTaken = new Uint8Array(owners.length);
  for (let claimed = 0; claimed < owners.length; claimed++) {
    const key = turns.next();
    let slot = walks.next(key);
    while (isTaken[slot] === 1) slot = walks.next(key);
    isTaken[slot] = 1;
    owners[slot] = key;
    slots[key] = (slots[key] as number) + 1;
  }
}

/**
 * Whose turn it is. The heaviest has one in every round, one of half its weight in every second, and so on; within a
 * round they go in order. A heap of due rounds, because rounds in which one of a thousand is due can be millions.
 */
class Turns {
  readonly #weights: Float64Array;
  /** Envoy's sums: a key is due when round * weight has reached its target. */
  readonly #targets: Float64Array;
  readonly #heaviest: number;
  readonly #due: DeadlineHeap;

  constructor(weights: Float64Array) {
    this.#weights = weights;
    this.#heaviest = weights.reduce((heaviest, weight) => Math.max(heaviest, weight), 0);
    this.#targets = new Float64Array(weights.length);
    this.#due = new DeadlineHeap(weights.length);
    for (let key = 0; key < weights.length; key++) this.#due.push(key, weights.length + key);
  }

  next(): number {
    const count = this.#weights.length;
    const key = this.#due.top;
    const round = Math.floor(this.#due.topDeadline / count);
    const target = (this.#targets[key] as number) + this.#heaviest;
    this.#targets[key] = target;
    this.#due.next[0] = this.#roundOf(key, target, round + 1) * count + key;
    this.#due.moveTop();
    return key;
  }

  /** The first round, from one on, in which round * weight, as it is rounded, has reached the target. */
  #roundOf(key: number, target: number, from: number): number {
    const weight = this.#weights[key] as number;
    if (from * weight >= target) return from;
    let round = Math.max(from, Math.floor(target / weight) - 1);
    while (round * weight < target) round++;
    return round;
  }
}

/** The order in which each key wants the slots. */
class Permutations {
  readonly #wants: Int32Array;
  readonly #skips: Int32Array;
  readonly #tableSize: number;

  constructor(keys: Uint8Array, ends: Uint32Array, tableSize: number) {
    this.#tableSize = tableSize;
    this.#wants = new Int32Array(ends.length);
    this.#skips = new Int32Array(ends.length);
    const hash = new Hash64();
    let start = 0;
    ends.forEach((end, key) => {
      xxHash64(hash, keys, start, end, 0);
      this.#wants[key] = remainder(hash.low, hash.high, tableSize);
      xxHash64(hash, keys, start, end, 1);
      this.#skips[key] = remainder(hash.low, hash.high, tableSize - 1) + 1;
      start = end;
    });
  }

  next(key: number): number {
    const slot = this.#wants[key] as number;
    const after = slot + (this.#skips[key] as number);
    this.#wants[key] = after >= this.#tableSize ? after - this.#tableSize : after;
    return slot;
  }
}
