/** Preface: tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes of a connection (RFC 9113 §3.4). */

/** The request line of the preface. No request of HTTP/1 has it: PRI is reserved (RFC 9113 §11.6). The rest is the codec's. */
const LINE = new TextEncoder().encode('PRI * HTTP/2.0\r\n');
const SP = 0x20;
const UPPER_H = 0x48;

/** Longer first words are HTTP/1's to refuse. */
const WORDS_BYTES_MAX = 64;

/** Bytes that tell a request line before its version comes: in its target, or where it ends too early. */
const inRequestLine = new Uint8Array(256).fill(1, 0, SP);
for (const byte of new TextEncoder().encode('/:*')) inRequestLine[byte] = 1;

/** What has come is too little to tell. */
export const UNDECIDED = 0;
/** It is not HTTP: whatever we answered would be read as something else. */
export const NEITHER = 3;

/** The protocol of a connection whose first bytes these are: 1, 2, UNDECIDED or NEITHER. */
export function protocolOf(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 | 3 {
  // A frame without a preface before it; no method begins with NUL.
  if (start < end && bytes[start] === 0) return NEITHER;
  const length = Math.min(end - start, LINE.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== LINE[i]) return byWords(bytes, start, end);
  return length < LINE.length ? UNDECIDED : 2;
}

/**
 * Three words, the second no target and the third no version of HTTP/1: a broken preface, which ends the connection
 * without an answer of HTTP/1. "GET index.html HTTP/1.1" and "GET /a b HTTP/1.1" are requests, and get their 400.
 */
function byWords(bytes: Uint8Array, start: number, end: number): 0 | 1 | 3 {
  const stop = Math.min(end, start + WORDS_BYTES_MAX);
  let spaces = 0;
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] as number;
    if (byte === SP) {
      if (at === start || bytes[at - 1] === SP) return 1;
      spaces++;
    } else if (spaces === 2) return byte === UPPER_H || inRequestLine[byte] !== 0 ? 1 : NEITHER;
    else if (inRequestLine[byte] !== 0) return 1;
  }
  return stop < end || stop - start === WORDS_BYTES_MAX ? 1 : UNDECIDED;
}
