/** HashTable: a circle of slots, each owned by one endpoint, on which a hash has its place; a ring or Maglev's table. */
import { addressText } from '../../format/address-text.js';
import type { EndpointRecord } from '../../plan/records.js';
import type { EndpointTable } from '../endpoint-table.js';

// A table is built over all endpoints of a priority, healthy or not: one that is down is passed over (the next slot's
// owner serves), so nobody else's keys move. Owners are numbers in the members' own order, by key, so a list that
// comes in another order gives the same table.

export interface HashTable {
  /** By slot: number of a member (16 bits: there are ENDPOINT_ROWS_MAX at most). A hash whose owner can't serve goes on to the next slot, around the circle. */
  readonly owners: Uint16Array;
  /** By member: slots that it owns; 0 for one whose weight is too small for the table. */
  readonly slots: Uint32Array;
  /** Where a hash begins; halves as in RequestHash. */
  slotOf(low: number, high: number): number;
}

export interface HashMember {
  /** What is hashed: an address, a hostname or a hash_key. */
  readonly key: string;
  readonly weight: number;
  /** Index in the endpoint table. */
  readonly index: number;
}

/**
 * The endpoints of the priorities that are in use, by key. A key is the metadata's envoy.lb hash_key, or the hostname
 * where that is asked for, or the address (Envoy's order).
 */
export function membersOf(table: EndpointTable, useHostname: boolean): HashMember[] {
  const inUse = new Set(Array.from(table.pickable, (index) => (table.records[index] as EndpointRecord).priority));
  const members: HashMember[] = [];
  for (const index of table.members) {
    const record = table.records[index] as EndpointRecord;
    const weight = table.weights[index] as number;
    if (inUse.has(record.priority) && weight > 0) members.push({ key: keyOf(record, useHostname), weight, index });
  }
  return members.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.index - b.index));
}

/** The keys one behind the other, and where each ends. */
export function keysOf(members: readonly HashMember[]): { readonly bytes: Uint8Array; readonly ends: Uint32Array } {
  const keys = members.map((member) => Buffer.from(member.key));
  let end = 0;
  return { bytes: new Uint8Array(Buffer.concat(keys)), ends: Uint32Array.from(keys, (key) => (end += key.length)) };
}

function keyOf(record: EndpointRecord, useHostname: boolean): string {
  const balancing = record.metadata['envoy.lb'] as Readonly<Record<string, unknown>> | undefined;
  const key = balancing?.['hash_key'];
  if (typeof key === 'string' && key !== '') return key;
  return useHostname && record.hostname !== '' ? record.hostname : addressText(record.address);
}
