/** PICK_FIRST: all requests to one endpoint, the next one when it can't be connected to. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Feedback, type Picker, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

// As gRPC has it: the first in the list that connects, and that one for as long as it does; with
// shuffle_address_list the list is in an order of this process's own. Which one it is all workers share, and it stays
// when a new list still has it. Whoever finds that it can't be connected to moves all on to the next in order.

export interface PickFirstConfig {
  readonly shuffle: boolean;
}

export class PickFirstPicker implements Picker, Feedback {
  readonly feedback: Feedback = this;
  readonly #table: EndpointTable;
  /** Pickable indexes in the order in which they are tried. */
  readonly #order: Int32Array;

  constructor(table: EndpointTable, random: Prng, config: PickFirstConfig) {
    this.#table = table;
    this.#order = Int32Array.from(table.pickable);
    if (!config.shuffle) return;
    // By row, so that a new list changes nothing between those that stay.
    const seed = table.cells.clusterSeed(table.cluster, random.next());
    const rankOf = (index: number): number => scramble((table.rows[index] as number) ^ seed);
    this.#order.sort((a, b) => rankOf(a) - rankOf(b));
  }

  pick(_hash: RequestHash, tried: number): number {
    const order = this.#order;
    if (order.length === 0) return -1;
    const at = this.#current();
    for (let i = 0; i < order.length; i++) {
      const index = order[(at + i) % order.length] as number;
      if (tried === 0 || !wasTried(tried, index)) return index;
    }
    return order[at] as number;
  }

  /** Place of the one in use; the first when it is not in this list. */
  #current(): number {
    const row = this.#table.cells.chosenRow(this.#table.cluster);
    return row < 0 ? 0 : Math.max(0, this.#placeOf(row));
  }

  #placeOf(row: number): number {
    const rows = this.#table.rows;
    for (let at = 0; at < this.#order.length; at++) if (rows[this.#order[at] as number] === row) return at;
    return -1;
  }

  /** A failure without any latency is one to connect. */
  requestEnded(row: number, latencyUs: number, _activeAtStart: number, isFailure: boolean): void {
    const order = this.#order;
    if (!isFailure || latencyUs > 0 || order.length < 2) return;
    const { cells, cluster, rows } = this.#table;
    const at = this.#current();
    // Another request has moved on already.
    if (rows[order[at] as number] !== row) return;
    cells.chooseRow(cluster, cells.chosenRow(cluster), rows[order[(at + 1) % order.length] as number] as number);
  }
}

/** Finalizer of MurmurHash3: neighbours come out far apart. */
function scramble(value: number): number {
  let z = value;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}
