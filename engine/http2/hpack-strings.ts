/** What header blocks are made of on their way out: integers and strings (RFC 7541 §5). */
import { lowerCase } from '../base/ascii.js';
import { huffmanEncode, huffmanLength } from './hpack-huffman.js';

const HUFFMAN = 0x80;
const LENGTH_BITS = 0x7f;

/** Lower-case names on their way out; grows to the longest that came. */
let scratch = new Uint8Array(256);

/** First byte of a literal with the index of its name, or the name in lower case where that is 0. */
export function writeName(
  out: Uint8Array,
  at: number,
  first: number,
  bits: number,
  index: number,
  name: Uint8Array,
  start: number,
  end: number,
): number {
  at = writeInteger(out, at, first, bits, index);
  if (index !== 0) return at;
  const length = end - start;
  if (length > scratch.length) scratch = new Uint8Array(length * 2);
  for (let i = 0; i < length; i++) scratch[i] = lowerCase(name[start + i] as number);
  return writeString(out, at, scratch, 0, length);
}

/** RFC 7541 §5.2, coded when that is shorter. */
export function writeString(out: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const coded = huffmanLength(bytes, start, end);
  if (coded < length) {
    at = writeInteger(out, at, HUFFMAN, LENGTH_BITS, coded);
    return huffmanEncode(bytes, start, end, out, at);
  }
  at = writeInteger(out, at, 0, LENGTH_BITS, length);
  for (let i = 0; i < length; i++) out[at + i] = bytes[start + i] as number;
  return at + length;
}

/** RFC 7541 §5.1: behind the bits of `first`, with a prefix of the bits of mask. */
export function writeInteger(out: Uint8Array, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at] = rest;
  return at + 1;
}
