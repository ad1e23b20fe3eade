/** Hash64: the 64 bits that a hash function gave, in two halves, because a BigInt would be garbage. */
export class Hash64 {
  /** Bits 0 to 31, signed. */
  low = 0;
  /** Bits 32 to 63, signed. */
  high = 0;
}
