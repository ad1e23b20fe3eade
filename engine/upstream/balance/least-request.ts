/** LEAST_REQUEST: fewest requests in flight in the whole process, of a few drawn at random or of all. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Picker, untriedInstead, wasTried } from './picker.js';

export interface LeastRequestConfig {
  /** How many are drawn, with replacement (Envoy's choice_count). */
  readonly choiceCount: number;
  readonly fullScan: boolean;
  /** Exponent of the load against the weight when weights differ; 0 = weights only. */
  readonly activeRequestBias: number;
}

export class LeastRequestPicker implements Picker {
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: LeastRequestConfig;
  readonly #isWeighted: boolean;

  constructor(table: EndpointTable, random: Prng, config: LeastRequestConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    const weights = [...table.pickable].map((index) => table.weights[index]);
    this.#isWeighted = weights.some((weight) => weight !== weights[0]);
  }

  pick(_hash: number, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    // Unequal weights: drawn in proportion to weight per load, the shares that Envoy's schedule approaches.
    const index = this.#isWeighted ? this.#scanWeighted() : this.#config.fullScan ? this.#scan() : this.#draw();
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  #draw(): number {
    const table = this.#table;
    const pickable = table.pickable;
    let best = pickable[this.#random.below(pickable.length)] as number;
    let least = table.active(best);
    for (let i = 1; i < this.#config.choiceCount; i++) {
      const other = pickable[this.#random.below(pickable.length)] as number;
      const active = table.active(other);
      if (active < least) {
        best = other;
        least = active;
      }
    }
    return best;
  }

  /** Ties go to a random one of the least: reservoir sampling. */
  #scan(): number {
    const table = this.#table;
    const pickable = table.pickable;
    let best = -1;
    let least = Number.MAX_SAFE_INTEGER;
    let ties = 0;
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[i] as number;
      const active = table.active(index);
      if (active < least) {
        best = index;
        least = active;
        ties = 1;
      } else if (active === least && this.#random.below(++ties) === 0) best = index;
    }
    return best;
  }

  #scanWeighted(): number {
    const table = this.#table;
    const pickable = table.pickable;
    const bias = this.#config.activeRequestBias;
    let total = 0;
    for (let i = 0; i < pickable.length; i++) total += this.#effective(pickable[i] as number, bias);
    let at = this.#random.float() * total;
    for (let i = 0; i < pickable.length; i++) {
      at -= this.#effective(pickable[i] as number, bias);
      if (at < 0) return pickable[i] as number;
    }
    return pickable[pickable.length - 1] as number;
  }

  /** weight / (active + 1)^bias. */
  #effective(index: number, bias: number): number {
    const weight = this.#table.weights[index] as number;
    const load = this.#table.active(index) + 1;
    return bias === 1 ? weight / load : bias === 0 ? weight : weight / load ** bias;
  }
}
