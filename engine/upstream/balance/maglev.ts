/** MAGLEV: a table of prime size in which endpoints take turns at claiming slots, each in an order of its own. */
import { Hash64 } from '../../base/hash64.js';
import { xxHash64 } from '../../base/xxhash64.js';
import { DeadlineHeap } from './deadline-heap.js';
import type { HashMember, HashTable } from './hash-table.js';

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

/** (high, low) % by, unsigned; by below 2^23, so that no product leaves the whole numbers of a double. */
export function remainder(low: number, high: number, by: number): number {
  const value = ((high >>> 0) % by) * (4294967296 % by) + (low >>> 0);
  // Cheaper than % of doubles, and off by one at most.
  const rest = value - Math.floor(value / by) * by;
  return rest < 0 ? rest + by : rest >= by ? rest - by : rest;
}

/** tableSize: a prime. Every endpoint gets a slot, as long as there are no more endpoints than slots. */
export function buildMaglev(members: readonly HashMember[], tableSize: number): MaglevTable {
  const turns = new Turns(members);
  const walks = new Permutations(members, tableSize);
  const owners = new Uint16Array(tableSize);
  const slots = new Uint32Array(members.length);
  const isTaken = new Uint8Array(tableSize);
  for (let claimed = 0; claimed < tableSize; claimed++) {
    const member = turns.next();
    let slot = walks.next(member);
    while (isTaken[slot] === 1) slot = walks.next(member);
    isTaken[slot] = 1;
    owners[slot] = member;
    slots[member] = (slots[member] as number) + 1;
  }
  return new MaglevTable(owners, slots);
}

/**
 * Whose turn it is. The heaviest has one in every round, one of half its weight in every second, and so on; within a
 * round they go in order. A heap of due rounds, because rounds in which one of a thousand is due can be millions.
 */
class Turns {
  readonly #weights: Float64Array;
  /** Envoy's sums: a member is due when round * weight has reached its target. */
  readonly #targets: Float64Array;
  readonly #heaviest: number;
  readonly #due: DeadlineHeap;

  constructor(members: readonly HashMember[]) {
    const sum = members.reduce((total, member) => total + member.weight, 0);
    this.#weights = Float64Array.from(members, (member) => member.weight / sum);
    this.#heaviest = this.#weights.reduce((heaviest, weight) => Math.max(heaviest, weight), 0);
    this.#targets = new Float64Array(members.length);
    this.#due = new DeadlineHeap(members.length);
    for (let member = 0; member < members.length; member++) this.#due.push(member, members.length + member);
  }

  next(): number {
    const count = this.#weights.length;
    const member = this.#due.top;
    const round = Math.floor(this.#due.topDeadline / count);
    const target = (this.#targets[member] as number) + this.#heaviest;
    this.#targets[member] = target;
    this.#due.moveTop(this.#roundOf(member, target, round + 1) * count + member);
    return member;
  }

  /** The first round, from one on, in which round * weight, as it is rounded, has reached the target. */
  #roundOf(member: number, target: number, from: number): number {
    const weight = this.#weights[member] as number;
    if (from * weight >= target) return from;
    let round = Math.max(from, Math.floor(target / weight) - 1);
    while (round * weight < target) round++;
    return round;
  }
}

/** The order in which each member wants the slots. */
class Permutations {
  readonly #wants: Int32Array;
  readonly #skips: Int32Array;
  readonly #tableSize: number;

  constructor(members: readonly HashMember[], tableSize: number) {
    this.#tableSize = tableSize;
    this.#wants = new Int32Array(members.length);
    this.#skips = new Int32Array(members.length);
    const hash = new Hash64();
    const encoder = new TextEncoder();
    members.forEach((member, at) => {
      const key = encoder.encode(member.key);
      xxHash64(hash, key, 0, key.length, 0);
      this.#wants[at] = remainder(hash.low, hash.high, tableSize);
      xxHash64(hash, key, 0, key.length, 1);
      this.#skips[at] = remainder(hash.low, hash.high, tableSize - 1) + 1;
    });
  }

  next(member: number): number {
    const slot = this.#wants[member] as number;
    const after = slot + (this.#skips[member] as number);
    this.#wants[member] = after >= this.#tableSize ? after - this.#tableSize : after;
    return slot;
  }
}
