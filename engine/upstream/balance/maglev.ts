/** MAGLEV: a table of prime size in which endpoints take turns at claiming slots, each in an order of its own. */
import { remainder } from '../../base/hash64.js';
import { type HashMember, type HashTable, keysOf } from './hash-table.js';
import type { TableFill } from '../../base/table-fill.js';
import { PORTABLE_FILL } from './portable-fill.js';

// Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), listing 1. Hashes, weights
// and the order of turns are Envoy's, so the table is too.

export class MaglevTable implements HashTable {
  readonly owners: Uint16Array;
  readonly slots: Uint32Array;

  constructor(owners: Uint16Array, slots: Uint32Array) {
    this.owners = owners;
    this.slots = slots;
  }

  slotOf(low: number, high: number): number {
    return remainder(low, high, this.owners.length);
  }
}

/**
 * members: at least one. tableSize: a prime. Every endpoint gets a slot, as long as there are no more endpoints than
 * slots.
 */
export function buildMaglev(
  members: readonly HashMember[],
  tableSize: number,
  fill: TableFill = PORTABLE_FILL,
): MaglevTable {
  const table = new MaglevTable(new Uint16Array(tableSize), new Uint32Array(members.length));
  const sum = members.reduce((total, member) => total + member.weight, 0);
  const weights = Float64Array.from(members, (member) => member.weight / sum);
  const { bytes, ends } = keysOf(members);
  fill.fillMaglev(bytes, ends, weights, table.owners, table.slots);
  return table;
}
