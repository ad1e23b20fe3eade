/** BoundedLoad: no endpoint takes a request above its share of all that are in flight, times a factor. */
import type { EndpointTable } from '../endpoint-table.js';
import { wasTried } from './picker.js';

// Mirrokni, Thorup, Zadimoghaddam: "Consistent Hashing with Bounded Loads" (arXiv 1608.01350). Law: with the request
// that it takes an endpoint has at most ceil(factor * (in flight + 1) * weight / all weights). The factor is at least
// 1, so there is always one with room. (Envoy lets each have one more.) Counts are of the whole process; two workers
// that pick in the same instant may both take the last place. Requests end where they please: the bound holds when a
// request is placed, nothing moves afterwards.

export class BoundedLoad {
  readonly #table: EndpointTable;
  readonly #indexes: Int32Array;
  /** Their requests in flight. */
  readonly #cells: Int32Array;
  readonly #percent: number;
  readonly #weightSum: number;
  /** Of the last measure(), with the request that is to be placed. */
  #total = 0;

  /** indexes: of the endpoints that share the load; percent: at least 100. */
  constructor(table: EndpointTable, indexes: Int32Array, percent: number) {
    this.#table = table;
    this.#indexes = indexes;
    this.#cells = indexes.map((index) => table.requestCells[index] as number);
    this.#percent = percent;
    this.#weightSum = indexes.reduce((sum, index) => sum + (table.weights[index] as number), 0);
  }

  /** One without requests always has room: nothing needs to be measured. */
  isIdle(index: number): boolean {
    return this.#table.active(index) === 0;
  }

  /**
   * Before the hasRoom() of one pick: counts what is in flight, at a cost that grows with the endpoints. False: only
   * endpoints that were tried have room, so the bound has to give way.
   */
  measure(tried: number): boolean {
    this.#total = 1 + sumOf(this.#table.cells.shared, this.#cells);
    if (tried === 0) return true;
    const indexes = this.#indexes;
    for (let i = 0; i < indexes.length; i++) {
      const index = indexes[i] as number;
      if (!wasTried(tried, index) && this.hasRoom(index)) return true;
    }
    return false;
  }

  /** active < ceil(x) is active < x, so nothing is divided and nothing rounded. */
  hasRoom(index: number): boolean {
    const table = this.#table;
    const share = this.#total * this.#percent * (table.weights[index] as number);
    return table.active(index) * 100 * this.#weightSum < share;
  }
}

function sumOf(shared: Int32Array, cells: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < cells.length; i++) sum += Atomics.load(shared, cells[i] as number);
  return sum;
}
