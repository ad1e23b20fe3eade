/** Rotation: a sequence that names every index as often as its weight and is fair at each of its places. */
import { DeadlineHeap } from './deadline-heap.js';

/**
 * Longest rotation. Weights whose sum (over their greatest common divisor) is larger are scaled down to it, so a share
 * is then off by half of 1/65536 at most. Longer costs memory per cluster and worker, and cache misses.
 */
const ROTATION_MAX = 65536;

/**
 * Law: after any number of places from the beginning every index has been named less than once more or less than its
 * share. (Always taking the one that is furthest behind, smooth weighted round robin, does not keep to that.)
 */
export function fairRotation(indexes: Int32Array, weights: Float64Array): Int32Array {
  const counts = turnsOf(indexes, weights);
  let length = 0;
  let isEqual = true;
  for (let i = 0; i < counts.length; i++) {
    length += counts[i] as number;
    if (counts[i] !== 1) isEqual = false;
  }
  if (isEqual) return Int32Array.from(indexes);
  const places = schedule(counts, length);
  return places.map((at) => indexes[at] as number);
}

/** How often each index comes in one rotation. */
function turnsOf(indexes: Int32Array, weights: Float64Array): number[] {
  let counts = Array.from(indexes, (index) => Math.max(1, Math.round(weights[index] as number)));
  const divisor = counts.reduce(greatestCommonDivisor, 0);
  counts = counts.map((count) => count / divisor);
  const sum = counts.reduce((total, count) => total + count, 0);
  return sum <= ROTATION_MAX ? counts : counts.map((count) => Math.max(1, Math.round((count * ROTATION_MAX) / sum)));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Turn k of an item with c of the `length` places falls into its window [floor(k * length / c), ceil((k + 1) * length
 * / c)): earliest deadline first always finds a place in every window (proportionate fairness, Baruah et al. 1996).
 */
function schedule(counts: readonly number[], length: number): Int32Array {
  const places = new Int32Array(length);
  const done = new Int32Array(counts.length);
  const next = new Int32Array(counts.length);
  /** First item whose window opens at a place, or -1; the others by `next`. */
  const opening = new Int32Array(length).fill(-1);
  const open = new DeadlineHeap(counts.length);
  const wait = (item: number, place: number): void => {
    next[item] = opening[place] as number;
    opening[place] = item;
  };
  for (let item = counts.length - 1; item >= 0; item--) wait(item, 0);
  for (let place = 0; place < length; place++) {
    for (let item = opening[place] as number; item >= 0; item = next[item] as number)
      open.push(item, Math.ceil((((done[item] as number) + 1) * length) / (counts[item] as number)));
    const item = open.pop();
    places[place] = item;
    const turn = (done[item] as number) + 1;
    done[item] = turn;
    const count = counts[item] as number;
    if (turn < count) wait(item, Math.max(place + 1, Math.floor((turn * length) / count)));
  }
  return places;
}
