/** TableFill: the work of building rings and Maglev tables: the addon's, or of upstream/balance/portable-fill.ts. */

/** keys: one behind the other; key i ends at ends[i]. All other arrays are filled, and are zeroed before. */
export interface TableFill {
  /**
   * points[i]: how many points key i has; lows, highs and owners have room for all. Buckets go by the upper half of a
   * hash, shifted by `shift` bits; starts has one more than there are buckets.
   */
  fillRing(
    keys: Uint8Array,
    ends: Uint32Array,
    points: Uint32Array,
    isMurmur: boolean,
    shift: number,
    starts: Uint32Array,
    lows: Uint32Array,
    highs: Uint32Array,
    owners: Uint16Array,
  ): void;
  /** weights: their sum is 1. owners: of a prime number of slots. slots: by key, how many it got. */
  fillMaglev(keys: Uint8Array, ends: Uint32Array, weights: Float64Array, owners: Uint16Array, slots: Uint32Array): void;
}
