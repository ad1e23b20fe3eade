/** RING_HASH: points of every endpoint on a ring of 64-bit hashes; a key belongs to the first point at or after it. */
import { type HashMember, type HashTable, keysOf } from './hash-table.js';
import type { TableFill } from '../../base/table-fill.js';
import { PORTABLE_FILL } from './portable-fill.js';

// The points are Envoy's, bit for bit: hash of "key_0", "key_1", ... as many as the weight asks for.

export interface RingConfig {
  readonly minimumRingSize: number;
  readonly maximumRingSize: number;
  readonly hashFunction: 'XX_HASH' | 'MURMUR_HASH_2';
}

export class Ring implements HashTable {
  readonly owners: Uint16Array;
  readonly slots: Uint32Array;
  /** Halves of the points, ascending. */
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
  /** First slot of each bucket of hashes with equal upper bits, and the end: as many buckets as points, about. */
  readonly starts: Uint32Array;
  /** How far the upper half is shifted for the bucket. */
  readonly shift: number;

  /** slots: points of each member. */
  constructor(slots: Uint32Array) {
    const count = slots.reduce((sum, each) => sum + each, 0);
    const bucketBits = Math.max(1, Math.ceil(Math.log2(count)));
    this.slots = slots;
    this.shift = 32 - bucketBits;
    this.starts = new Uint32Array(2 ** bucketBits + 1);
    this.lows = new Uint32Array(count);
    this.highs = new Uint32Array(count);
    this.owners = new Uint16Array(count);
  }

  slotOf(low: number, high: number): number {
    const wantedHigh = high >>> 0;
    const wantedLow = low >>> 0;
    const highs = this.highs;
    const count = highs.length;
    let slot = this.starts[wantedHigh >>> this.shift] as number;
    for (; slot < count; slot++) {
      const pointHigh = highs[slot] as number;
      if (pointHigh > wantedHigh || (pointHigh === wantedHigh && (this.lows[slot] as number) >= wantedLow)) return slot;
    }
    return 0;
  }
}

/** members: at least one. */
export function buildRing(members: readonly HashMember[], config: RingConfig, fill: TableFill = PORTABLE_FILL): Ring {
  const ring = new Ring(pointsOf(members, config));
  const { bytes, ends } = keysOf(members);
  const isMurmur = config.hashFunction === 'MURMUR_HASH_2';
  fill.fillRing(bytes, ends, ring.slots, isMurmur, ring.shift, ring.starts, ring.lows, ring.highs, ring.owners);
  return ring;
}

/** How many points each member has. */
function pointsOf(members: readonly HashMember[], config: RingConfig): Uint32Array {
  const sum = members.reduce((total, member) => total + member.weight, 0);
  const weights = members.map((member) => member.weight / sum);
  const least = weights.reduce((lowest, weight) => Math.min(lowest, weight), 1);
  // Grown so that the lightest endpoint gets a whole number of points, unless that is more than the maximum.
  const scale = Math.min(Math.ceil(least * config.minimumRingSize) / least, config.maximumRingSize);
  const points = new Uint32Array(members.length);
  let current = 0;
  let target = 0;
  // The running sums, not each endpoint's share, are rounded: so the ring has the size that it should have.
  weights.forEach((weight, member) => {
    target += scale * weight;
    const reached = Math.max(current, Math.ceil(target));
    points[member] = reached - current;
    current = reached;
  });
  return points;
}
