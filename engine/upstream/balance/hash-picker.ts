/** HashPicker: the owner of a hash in a table (RING_HASH, MAGLEV), or the next around it that can serve. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { BoundedLoad } from './bounded-load.js';
import { type HashTable, membersOf } from './hash-table.js';
import type { HashPolicyRecord, HashTables } from './hash-tables.js';
import { type Picker, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

export class HashPicker implements Picker {
  readonly feedback = null;
  readonly #random: Prng;
  readonly #pickable: Int32Array;
  /** Those of them that own slots. */
  readonly #reachable: Int32Array;
  /** Null: none of them does. */
  readonly #hashTable: HashTable | null;
  /** By member: its index, or -1 when it must not be picked. */
  readonly #targets: Int32Array;
  readonly #bound: BoundedLoad | null;

  constructor(table: EndpointTable, random: Prng, policy: HashPolicyRecord, tables: HashTables) {
    this.#random = random;
    this.#pickable = table.pickable;
    const members = membersOf(table, policy.useHostname);
    const hashTable = members.length === 0 ? null : tables.get(policy, members);
    const isPickable = new Set(table.pickable);
    this.#targets = Int32Array.from(members, ({ index }) => (isPickable.has(index) ? index : -1));
    this.#reachable = this.#targets.filter((index, at) => index >= 0 && (hashTable?.slots[at] as number) > 0);
    this.#hashTable = this.#reachable.length === 0 ? null : hashTable;
    this.#bound = policy.balanceFactor === 0 ? null : new BoundedLoad(table, this.#reachable, policy.balanceFactor);
  }

  /** Without a hash the request gets a random one: each endpoint with the probability of its slots. */
  pick(hash: RequestHash, tried: number): number {
    const pickable = this.#pickable;
    if (pickable.length <= 1) return pickable.length === 0 ? -1 : (pickable[0] as number);
    const low = hash.isSet ? hash.low : this.#random.next();
    const high = hash.isSet ? hash.high : this.#random.next();
    const hashTable = this.#hashTable;
    if (hashTable === null || (tried !== 0 && !this.#hasUntried(tried))) return this.#anyUntried(low >>> 0, tried);
    const slot = hashTable.slotOf(low, high);
    const bound = this.#bound;
    const index = this.#targets[hashTable.owners[slot] as number] as number;
    if (index >= 0 && (tried === 0 || !wasTried(tried, index)) && (bound === null || bound.isIdle(index))) return index;
    return this.#walk(hashTable.owners, slot, tried, bound?.measure(tried) === true ? bound : null);
  }

  /** From the slot around the circle to the first that may be picked, was not tried, and has room: there is one. */
  #walk(owners: Uint16Array, from: number, tried: number, bound: BoundedLoad | null): number {
    const targets = this.#targets;
    const end = owners.length;
    for (let step = 0, slot = from; step < end; step++) {
      const index = targets[owners[slot] as number] as number;
      if (index >= 0 && !wasTried(tried, index) && (bound === null || bound.hasRoom(index))) return index;
      slot = slot + 1 === end ? 0 : slot + 1;
    }
    return -1;
  }

  #hasUntried(tried: number): boolean {
    for (let i = 0; i < this.#reachable.length; i++) if (!wasTried(tried, this.#reachable[i] as number)) return true;
    return false;
  }

  /** Where no table tells: the first from some place on that was not tried, else the one there. */
  #anyUntried(from: number, tried: number): number {
    const pickable = this.#pickable;
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[(from + i) % pickable.length] as number;
      if (!wasTried(tried, index)) return index;
    }
    return pickable[from % pickable.length] as number;
  }
}
