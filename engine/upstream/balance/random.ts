/** RANDOM: every pickable endpoint with the probability of its weight. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

export class RandomPicker implements Picker {
  readonly feedback = null;
  readonly #pickable: Int32Array;
  readonly #random: Prng;
  /** Running sums of the weights; empty when all are equal. */
  readonly #sums: Float64Array;

  constructor(table: EndpointTable, random: Prng) {
    this.#pickable = table.pickable;
    this.#random = random;
    const weights = [...table.pickable].map((index) => table.weights[index] as number);
    const isEqual = weights.every((weight) => weight === weights[0]);
    let sum = 0;
    this.#sums = isEqual ? new Float64Array(0) : Float64Array.from(weights, (weight) => (sum += weight));
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#pickable;
    if (pickable.length === 0) return -1;
    const index = pickable[this.#draw()] as number;
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  #draw(): number {
    const sums = this.#sums;
    if (sums.length === 0) return this.#random.below(this.#pickable.length);
    // Not float(): a fraction that a call answers is garbage wherever the compiler leaves it a call.
    const at = ((this.#random.next() >>> 0) / 4294967296) * (sums[sums.length - 1] as number);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
