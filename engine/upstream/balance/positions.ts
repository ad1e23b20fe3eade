/** Positions: gives each rotation of a cluster a shared cell of its own, the same one on every worker. */
import {
  clusterPositionCell,
  ENDPOINT_POSITION,
  endpointCell,
  furtherPositionCell,
  POSITIONS_MAX,
} from '../shared-cells.js';

// A rotation is exact over workers as long as nobody else moves its position. The first ones of a cluster have cells of
// the cluster, further ones the cell of one of the endpoints that they are about. Only when each of those has been given
// away (endpoints in many subsets at once) do two rotations share one, and are then fair on average.

export class Positions {
  readonly #cluster: number;
  readonly #rows: Int32Array;
  readonly #taken = new Set<number>();
  #given = 0;

  /** rows: of the cluster's endpoints, by index. */
  constructor(cluster: number, rows: Int32Array) {
    this.#cluster = cluster;
    this.#rows = rows;
  }

  /** indexes: the endpoints that the rotation is about. */
  take(indexes: readonly number[]): number {
    const given = this.#given++;
    if (given === 0) return clusterPositionCell(this.#cluster);
    if (given <= POSITIONS_MAX) return furtherPositionCell(this.#cluster, given - 1);
    const free = indexes.find((index) => !this.#taken.has(index));
    if (free === undefined) return furtherPositionCell(this.#cluster, given % POSITIONS_MAX);
    this.#taken.add(free);
    return endpointCell(this.#rows[free] as number, ENDPOINT_POSITION);
  }
}
