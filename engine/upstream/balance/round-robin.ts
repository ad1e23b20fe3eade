/** ROUND_ROBIN: a smooth weighted rotation whose position all workers share, so the shares are exact. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Picker, untriedInstead, wasTried } from './picker.js';

/** Longest rotation. Weights whose sum (over their greatest common divisor) is larger are scaled down to it. */
const ROTATION_MAX = 16384;

export class RoundRobinPicker implements Picker {
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #rotation: Int32Array;

  constructor(table: EndpointTable, random: Prng) {
    this.#table = table;
    this.#random = random;
    this.#rotation = smoothRotation(table);
  }

  pick(_hash: number, tried: number): number {
    const rotation = this.#rotation;
    // With one endpoint there is no position to share.
    if (rotation.length <= 1) return rotation.length === 0 ? -1 : (rotation[0] as number);
    const position = this.#table.cells.nextPosition(this.#table.cluster);
    const index = rotation[position % rotation.length] as number;
    if (tried !== 0 && wasTried(tried, index)) return untriedInstead(this.#table.pickable, index, tried, this.#random);
    return index;
  }
}

/** Each index as often as its weight, spread as evenly as possible (smooth weighted round robin). */
function smoothRotation(table: EndpointTable): Int32Array {
  const indexes = [...table.pickable];
  let weights = indexes.map((index) => Math.max(1, Math.round(table.weights[index] as number)));
  const divisor = weights.reduce(greatestCommonDivisor, 0);
  weights = weights.map((weight) => weight / divisor);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum > ROTATION_MAX) weights = weights.map((weight) => Math.max(1, Math.round((weight * ROTATION_MAX) / sum)));
  const length = weights.reduce((total, weight) => total + weight, 0);
  if (weights.every((weight) => weight === 1)) return Int32Array.from(indexes);
  const rotation = new Int32Array(length);
  const current = weights.map(() => 0);
  for (let at = 0; at < length; at++) {
    let best = 0;
    for (let i = 0; i < weights.length; i++) {
      current[i] = (current[i] as number) + (weights[i] as number);
      if ((current[i] as number) > (current[best] as number)) best = i;
    }
    current[best] = (current[best] as number) - length;
    rotation[at] = indexes[best] as number;
  }
  return rotation;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
