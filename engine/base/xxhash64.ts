/** xxHash64 of bytes into a Hash64: what Envoy hashes with (Yann Collet's XXH64; doc/xxhash_spec.md). */
import type { Hash64 } from './hash64.js';
import { carry, multiplyHigh } from './multiply-high.js';

// Halves instead of BigInt (multiply-high.ts says how). Intermediate 64-bit values that a function gives back go
// through `low` and `high` of the Hash64, so nothing is allocated.

const P1_LOW = 0x85ebca87 | 0;
const P1_HIGH = 0x9e3779b1 | 0;
const P2_LOW = 0x27d4eb4f | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P3_LOW = 0x9e3779f9 | 0;
const P3_HIGH = 0x165667b1 | 0;
const P4_LOW = 0xc2b2ae63 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P5_LOW = 0x165667c5 | 0;
const P5_HIGH = 0x27d4eb2f | 0;
const STRIPE_BYTES = 32;

/** Low and high halves of the four lanes of a long input. */
const lanes = new Int32Array(8);

/** Hash of bytes[from, to) under a 64-bit seed given as signed halves. */
export function xxHash64(into: Hash64, bytes: Uint8Array, from: number, to: number, seedLow = 0, seedHigh = 0): void {
  const length = to - from;
  let at = from;
  if (length >= STRIPE_BYTES) at = hashStripes(into, bytes, from, to, seedLow, seedHigh);
  else {
    into.low = (seedLow + P5_LOW) | 0;
    into.high = (seedHigh + P5_HIGH + carry(into.low, P5_LOW)) | 0;
  }
  const low = (into.low + length) | 0;
  into.high = (into.high + carry(low, length)) | 0;
  into.low = low;
  hashRest(into, bytes, at, to);
}

/** Whole stripes of 32 bytes, four lanes of 8 each, merged into one; answers where the rest begins. */
function hashStripes(
  into: Hash64,
  bytes: Uint8Array,
  from: number,
  to: number,
  seedLow: number,
  seedHigh: number,
): number {
  // seed + P1 + P2, seed + P2, seed, seed - P1.
  setLane(1, seedLow, seedHigh, P2_LOW, P2_HIGH);
  setLane(0, lanes[2] as number, lanes[3] as number, P1_LOW, P1_HIGH);
  setLane(2, seedLow, seedHigh, 0, 0);
  setLane(3, seedLow, seedHigh, -P1_LOW | 0, ~P1_HIGH);
  const end = to - ((to - from) % STRIPE_BYTES);
  for (let lane = 0; lane < 4; lane++) runLane(lane, bytes, from + lane * 8, end);
  let low = 0;
  let high = 0;
  for (let lane = 0; lane < 4; lane++) {
    const laneLow = lanes[lane * 2] as number;
    const laneHigh = lanes[lane * 2 + 1] as number;
    const by = LANE_ROTATIONS[lane] as number;
    const turned = (laneLow << by) | (laneHigh >>> (32 - by));
    low = (low + turned) | 0;
    high = (high + ((laneHigh << by) | (laneLow >>> (32 - by))) + carry(low, turned)) | 0;
  }
  for (let lane = 0; lane < 4; lane++) {
    into.low = 0;
    into.high = 0;
    round(into, lanes[lane * 2] as number, lanes[lane * 2 + 1] as number);
    const mixedLow = low ^ into.low;
    const mixedHigh = high ^ into.high;
    const product = Math.imul(mixedLow, P1_LOW);
    low = (product + P4_LOW) | 0;
    high =
      (multiplyHigh(mixedLow, P1_LOW) +
        Math.imul(mixedHigh, P1_LOW) +
        Math.imul(mixedLow, P1_HIGH) +
        P4_HIGH +
        carry(low, product)) |
      0;
  }
  into.low = low;
  into.high = high;
  return end;
}

const LANE_ROTATIONS = new Int32Array([1, 7, 12, 18]);

function setLane(lane: number, low: number, high: number, addLow: number, addHigh: number): void {
  const sum = (low + addLow) | 0;
  lanes[lane * 2] = sum;
  lanes[lane * 2 + 1] = high + addHigh + carry(sum, addLow);
}

/** One lane over all stripes, in local variables: sum = rotl(sum + word * P2, 31) * P1. */
function runLane(lane: number, bytes: Uint8Array, from: number, end: number): void {
  let low = lanes[lane * 2] as number;
  let high = lanes[lane * 2 + 1] as number;
  for (let at = from; at < end; at += STRIPE_BYTES) {
    const wordLow = wordAt(bytes, at);
    const product = Math.imul(wordLow, P2_LOW);
    const sum = (low + product) | 0;
    const sumHigh =
      (high +
        multiplyHigh(wordLow, P2_LOW) +
        Math.imul(wordAt(bytes, at + 4), P2_LOW) +
        Math.imul(wordLow, P2_HIGH) +
        carry(sum, product)) |
      0;
    const turnedLow = (sum << 31) | (sumHigh >>> 1);
    const turnedHigh = (sumHigh << 31) | (sum >>> 1);
    low = Math.imul(turnedLow, P1_LOW);
    high = (multiplyHigh(turnedLow, P1_LOW) + Math.imul(turnedHigh, P1_LOW) + Math.imul(turnedLow, P1_HIGH)) | 0;
  }
  lanes[lane * 2] = low;
  lanes[lane * 2 + 1] = high;
}

/** into = rotl(into + word * P2, 31) * P1. */
function round(into: Hash64, wordLow: number, wordHigh: number): void {
  const product = Math.imul(wordLow, P2_LOW);
  const low = (into.low + product) | 0;
  const high =
    (into.high +
      multiplyHigh(wordLow, P2_LOW) +
      Math.imul(wordHigh, P2_LOW) +
      Math.imul(wordLow, P2_HIGH) +
      carry(low, product)) |
    0;
  const turnedLow = (low << 31) | (high >>> 1);
  const turnedHigh = (high << 31) | (low >>> 1);
  into.low = Math.imul(turnedLow, P1_LOW);
  into.high = (multiplyHigh(turnedLow, P1_LOW) + Math.imul(turnedHigh, P1_LOW) + Math.imul(turnedLow, P1_HIGH)) | 0;
}

/** The last 0 to 31 bytes and the final mix. */
function hashRest(into: Hash64, bytes: Uint8Array, from: number, to: number): void {
  let low = into.low;
  let high = into.high;
  let at = from;
  for (; to - at >= 8; at += 8) {
    into.low = 0;
    into.high = 0;
    round(into, wordAt(bytes, at), wordAt(bytes, at + 4));
    const mixedLow = low ^ into.low;
    const mixedHigh = high ^ into.high;
    // rotl(27) * P1 + P4
    const turnedLow = (mixedLow << 27) | (mixedHigh >>> 5);
    const turnedHigh = (mixedHigh << 27) | (mixedLow >>> 5);
    const product = Math.imul(turnedLow, P1_LOW);
    low = (product + P4_LOW) | 0;
    high =
      (multiplyHigh(turnedLow, P1_LOW) +
        Math.imul(turnedHigh, P1_LOW) +
        Math.imul(turnedLow, P1_HIGH) +
        P4_HIGH +
        carry(low, product)) |
      0;
  }
  if (to - at >= 4) {
    const word = wordAt(bytes, at);
    at += 4;
    const mixedLow = low ^ Math.imul(word, P1_LOW);
    const mixedHigh = high ^ ((multiplyHigh(word, P1_LOW) + Math.imul(word, P1_HIGH)) | 0);
    // rotl(23) * P2 + P3
    const turnedLow = (mixedLow << 23) | (mixedHigh >>> 9);
    const turnedHigh = (mixedHigh << 23) | (mixedLow >>> 9);
    const product = Math.imul(turnedLow, P2_LOW);
    low = (product + P3_LOW) | 0;
    high =
      (multiplyHigh(turnedLow, P2_LOW) +
        Math.imul(turnedHigh, P2_LOW) +
        Math.imul(turnedLow, P2_HIGH) +
        P3_HIGH +
        carry(low, product)) |
      0;
  }
  for (; at < to; at++) {
    const byte = bytes[at] as number;
    const mixedLow = low ^ Math.imul(byte, P5_LOW);
    const mixedHigh = high ^ ((multiplyHigh(byte, P5_LOW) + Math.imul(byte, P5_HIGH)) | 0);
    // rotl(11) * P1
    const turnedLow = (mixedLow << 11) | (mixedHigh >>> 21);
    const turnedHigh = (mixedHigh << 11) | (mixedLow >>> 21);
    low = Math.imul(turnedLow, P1_LOW);
    high = (multiplyHigh(turnedLow, P1_LOW) + Math.imul(turnedHigh, P1_LOW) + Math.imul(turnedLow, P1_HIGH)) | 0;
  }
  avalanche(into, low, high);
}

/** h ^= h >> 33; h *= P2; h ^= h >> 29; h *= P3; h ^= h >> 32. */
function avalanche(into: Hash64, fromLow: number, fromHigh: number): void {
  let low = fromLow ^ (fromHigh >>> 1);
  let high = (multiplyHigh(low, P2_LOW) + Math.imul(fromHigh, P2_LOW) + Math.imul(low, P2_HIGH)) | 0;
  low = Math.imul(low, P2_LOW);
  low ^= (low >>> 29) | (high << 3);
  high ^= high >>> 29;
  high = (multiplyHigh(low, P3_LOW) + Math.imul(high, P3_LOW) + Math.imul(low, P3_HIGH)) | 0;
  low = Math.imul(low, P3_LOW);
  into.low = low ^ high;
  into.high = high;
}

/** Four bytes, little-endian, signed. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
