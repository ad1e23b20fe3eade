/** ROUND_ROBIN: a fair weighted rotation whose position all workers share, so the shares are exact. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { fairRotation } from './rotation.js';

export class RoundRobinPicker implements Picker {
  readonly feedback = null;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #rotation: Int32Array;

  constructor(table: EndpointTable, random: Prng) {
    this.#table = table;
    this.#random = random;
    this.#rotation = fairRotation(table.pickable, table.weights);
  }

  pick(_hash: RequestHash, tried: number): number {
    const rotation = this.#rotation;
    // With one endpoint there is no position to share.
    if (rotation.length <= 1) return rotation.length === 0 ? -1 : (rotation[0] as number);
    const position = this.#table.cells.nextPosition(this.#table.cluster);
    const index = rotation[position % rotation.length] as number;
    if (tried !== 0 && wasTried(tried, index)) return untriedInstead(this.#table.pickable, index, tried, this.#random);
    return index;
  }
}
