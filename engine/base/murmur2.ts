/** MurmurHash64A of bytes into a Hash64: std::hash of libstdc++, which Envoy's MURMUR_HASH_2 is. */
import type { Hash64 } from './hash64.js';
import { multiplyHigh } from './multiply-high.js';

// Halves instead of BigInt: multiply-high.ts says how.

const MUL_LOW = 0x5bd1e995 | 0;
const MUL_HIGH = 0xc6a4a793 | 0;
/** The seed of std::hash, and of Envoy's rings. */
const STD_HASH_SEED = 0xc70f6907 | 0;

/** Hash of bytes[from, to) under the seed of std::hash. */
export function murmurHash2(into: Hash64, bytes: Uint8Array, from: number, to: number): void {
  const length = to - from;
  // seed ^ length * m
  let low = STD_HASH_SEED ^ Math.imul(length, MUL_LOW);
  let high = (multiplyHigh(length, MUL_LOW) + Math.imul(length, MUL_HIGH)) | 0;
  let at = from;
  for (; to - at >= 8; at += 8) {
    let wordLow = wordAt(bytes, at, 4);
    const wordHigh = timesHigh(wordLow, wordAt(bytes, at + 4, 4));
    wordLow = Math.imul(wordLow, MUL_LOW);
    wordLow ^= wordHigh >>> 15;
    low ^= Math.imul(wordLow, MUL_LOW);
    high ^= timesHigh(wordLow, wordHigh);
    high = timesHigh(low, high);
    low = Math.imul(low, MUL_LOW);
  }
  const rest = to - at;
  if (rest > 0) {
    low ^= wordAt(bytes, at, Math.min(rest, 4));
    high ^= wordAt(bytes, at + 4, rest - 4);
    high = timesHigh(low, high);
    low = Math.imul(low, MUL_LOW);
  }
  // h ^= h >> 47; h *= m; h ^= h >> 47
  low ^= high >>> 15;
  high = timesHigh(low, high);
  low = Math.imul(low, MUL_LOW);
  into.low = low ^ (high >>> 15);
  into.high = high;
}

/** Upper half of (low, high) * m. */
function timesHigh(low: number, high: number): number {
  return (multiplyHigh(low, MUL_LOW) + Math.imul(high, MUL_LOW) + Math.imul(low, MUL_HIGH)) | 0;
}

/** The next count bytes, at most 4, little-endian, signed; none when count is not positive. */
function wordAt(bytes: Uint8Array, at: number, count: number): number {
  let word = 0;
  for (let i = 0; i < count; i++) word |= (bytes[at + i] as number) << (8 * i);
  return word;
}
