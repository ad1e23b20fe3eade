/** RING_HASH: points of every endpoint on a ring of 64-bit hashes; a key belongs to the first point at or after it. */
import { Hash64 } from '../../base/hash64.js';
import { murmurHash2 } from '../../base/murmur2.js';
import { xxHash64 } from '../../base/xxhash64.js';
import type { HashMember, HashTable } from './hash-table.js';

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
  /** First slot of each bucket of hashes with equal upper bits: there are as many buckets as points, about. */
  readonly #starts: Uint32Array;
  readonly #shift: number;

  constructor(points: Points, memberCount: number) {
    const count = points.owners.length;
    const bucketBits = Math.max(1, Math.ceil(Math.log2(count)));
    this.#shift = 32 - bucketBits;
    this.#starts = new Uint32Array(2 ** bucketBits + 1);
    this.lows = new Uint32Array(count);
    this.highs = new Uint32Array(count);
    this.owners = new Uint16Array(count);
    this.slots = new Uint32Array(memberCount);
    this.#sort(points);
  }

  slotOf(low: number, high: number): number {
    const wantedHigh = high >>> 0;
    const wantedLow = low >>> 0;
    const highs = this.highs;
    const count = highs.length;
    let slot = this.#starts[wantedHigh >>> this.#shift] as number;
    for (; slot < count; slot++) {
      const pointHigh = highs[slot] as number;
      if (pointHigh > wantedHigh || (pointHigh === wantedHigh && (this.lows[slot] as number) >= wantedLow)) return slot;
    }
    return 0;
  }

  /** Hashes are spread evenly, so a bucket holds about one: into buckets, then by insertion. Linear in the points. */
  #sort(points: Points): void {
    const { lows, highs, owners } = points;
    const starts = this.#starts;
    for (let i = 0; i < owners.length; i++) {
      const after = ((highs[i] as number) >>> this.#shift) + 1;
      starts[after] = (starts[after] as number) + 1;
      const owner = owners[i] as number;
      this.slots[owner] = (this.slots[owner] as number) + 1;
    }
    for (let bucket = 1; bucket < starts.length; bucket++)
      starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
    const filled = starts.slice();
    for (let i = 0; i < owners.length; i++) {
      const bucket = (highs[i] as number) >>> this.#shift;
      let at = filled[bucket] as number;
      filled[bucket] = at + 1;
      for (; at > (starts[bucket] as number) && this.#isAfter(at - 1, lows[i] as number, highs[i] as number); at--)
        this.#put(at, this.lows[at - 1] as number, this.highs[at - 1] as number, this.owners[at - 1] as number);
      this.#put(at, lows[i] as number, highs[i] as number, owners[i] as number);
    }
  }

  #isAfter(slot: number, low: number, high: number): boolean {
    const other = this.highs[slot] as number;
    return other > high || (other === high && (this.lows[slot] as number) > low);
  }

  #put(slot: number, low: number, high: number, owner: number): void {
    this.lows[slot] = low;
    this.highs[slot] = high;
    this.owners[slot] = owner;
  }
}

/** Not sorted. */
interface Points {
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
  readonly owners: Uint16Array;
}

export function buildRing(members: readonly HashMember[], config: RingConfig): Ring {
  const sum = members.reduce((total, member) => total + member.weight, 0);
  const weights = members.map((member) => member.weight / sum);
  const least = weights.reduce((lowest, weight) => Math.min(lowest, weight), 1);
  // Grown so that the lightest endpoint gets a whole number of points, unless that is more than the maximum.
  const scale = Math.min(Math.ceil(least * config.minimumRingSize) / least, config.maximumRingSize);
  const hash = config.hashFunction === 'MURMUR_HASH_2' ? murmurHash2 : xxHash64;
  const room = Math.ceil(scale) + 1;
  const points = { lows: new Uint32Array(room), highs: new Uint32Array(room), owners: new Uint16Array(room) };
  const into = new Hash64();
  let current = 0;
  let target = 0;
  // The running sums, not each endpoint's share, are rounded: so the ring has the size that it should have.
  members.forEach((member, owner) => {
    target += scale * (weights[owner] as number);
    const text = new PointText(member.key);
    for (let i = 0; current < target && current < room; i++, current++) {
      hash(into, text.bytes, 0, text.write(i));
      points.lows[current] = into.low;
      points.highs[current] = into.high;
      points.owners[current] = owner;
    }
  });
  const { lows, highs, owners } = points;
  return new Ring(
    { lows: lows.subarray(0, current), highs: highs.subarray(0, current), owners: owners.subarray(0, current) },
    members.length,
  );
}

/** "key_17": rewritten in place, because a large ring has millions of them. */
class PointText {
  readonly bytes: Uint8Array;
  readonly #from: number;

  constructor(key: string) {
    const prefix = new TextEncoder().encode(`${key}_`);
    this.bytes = new Uint8Array(prefix.length + 10);
    this.bytes.set(prefix);
    this.#from = prefix.length;
  }

  /** Answers the length in bytes. */
  write(number: number): number {
    let digits = 1;
    for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = number;
    for (let at = this.#from + digits - 1; at >= this.#from; at--) {
      this.bytes[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.#from + digits;
  }
}
