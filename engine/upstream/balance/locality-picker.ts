/** LocalityPicker: localities take turns by their weights, endpoints within one by the cluster's policy. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { fairRotation } from './rotation.js';
import { type View, ViewPicker } from './view-picker.js';

// The rotation of the localities has a position that all workers share, like that of ROUND_ROBIN: their shares are
// exact in the whole process, and with ROUND_ROBIN those of the endpoints are too.

export class LocalityPicker extends ViewPicker {
  readonly #table: EndpointTable;
  readonly #positionCell: number;
  readonly #rotation: Int32Array;
  readonly #offset: number;

  /** views: at least one; weights: of each, above 0. table: of all of them. */
  constructor(
    views: readonly View[],
    weights: readonly number[],
    table: EndpointTable,
    positionCell: number,
    random: Prng,
  ) {
    super(views);
    this.#table = table;
    this.#positionCell = positionCell;
    this.#rotation = fairRotation(
      Int32Array.from(views, (_, at) => at),
      Float64Array.from(weights),
    );
    const seed = table.cells.clusterSeed(table.cluster, random.next()) >>> 1;
    this.#offset = this.#rotation.length > 1 ? seed % this.#rotation.length : 0;
  }

  protected draw(): number {
    const rotation = this.#rotation;
    if (rotation.length === 1) return rotation[0] as number;
    const position = this.#table.cells.nextPosition(this.#positionCell);
    return rotation[((position + this.#offset) >>> 0) % rotation.length] as number;
  }
}
