/** multiplyHigh: the upper half of a 32 x 32 bit product, which Math.imul throws away; for 64-bit arithmetic in halves. */

// A 64-bit number is two signed halves here, low and high: no BigInt, which would be garbage per operation.
// a * b (mod 2^64):  low = imul(aLow, bLow)
//                    high = multiplyHigh(aLow, bLow) + imul(aHigh, bLow) + imul(aLow, bHigh) | 0
// a + b:             low = aLow + bLow | 0;  high = aHigh + bHigh + carry(low, aLow) | 0

/** Bits 32 to 63 of the unsigned product, signed. */
export function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Each of these sums fits in 32 bits: (2^16 - 1)^2 + 2 * (2^16 - 1) = 2^32 - 1.
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const other = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (other >>> 16)) | 0;
}

/** 1 when the sum of two low halves passed 2^32: it is then less than either of them. */
export function carry(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}
