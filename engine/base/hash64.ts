/** Hash64: the 64 bits that a hash function gave, in two halves, because a BigInt would be garbage. */
export class Hash64 {
  /** Bits 0 to 31, signed. */
  low = 0;
  /** Bits 32 to 63, signed. */
  high = 0;
}

/** (high, low) % by, unsigned; by below 2^23, so that no product leaves the whole numbers of a double. */
export function remainder(low: number, high: number, by: number): number {
  const value = ((high >>> 0) % by) * (4294967296 % by) + (low >>> 0);
  // Cheaper than % of doubles, and off by one at most.
  const rest = value - Math.floor(value / by) * by;
  return rest < 0 ? rest + by : rest >= by ? rest - by : rest;
}
