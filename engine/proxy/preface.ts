/** Preface: tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes of a connection (RFC 9113 §3.4). */

/** The method of the preface's request line. No request of HTTP/1 has it (RFC 9113 §11.6). The rest is the codec's to check. */
const METHOD = new TextEncoder().encode('PRI ');
const SP = 0x20;
const UPPER_H = 0x48;

/** Longer first words are HTTP/1's to refuse. */
const WORDS_BYTES_MAX = 64;

/** Bytes that a request line has before its version: in its target, or where it ends too early. */
const inHttp1 = new Uint8Array(256).fill(1, 0, SP);
for (const byte of new TextEncoder().encode('/:*')) inHttp1[byte] = 1;

/** What has come is too little to tell. */
export const UNDECIDED = 0;

/** The protocol of a connection whose first bytes these are: 1, 2 or UNDECIDED. */
export function protocolOf(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 {
  // A frame without a preface before it; no method begins with NUL.
  if (start < end && bytes[start] === 0) return 2;
  const length = Math.min(end - start, METHOD.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== METHOD[i]) return byWords(bytes, start, end);
  return length < METHOD.length ? UNDECIDED : 2;
}

/**
 * Three words, the second no target and the third no version of HTTP/1: a broken preface, which is an error of HTTP/2
 * rather than a request to answer with 400. "GET index.html HTTP/1.1" and "GET /a b HTTP/1.1" are requests.
 */
function byWords(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 {
  const stop = Math.min(end, start + WORDS_BYTES_MAX);
  let spaces = 0;
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] as number;
    if (spaces === 2) return byte === UPPER_H || inHttp1[byte] !== 0 ? 1 : 2;
    if (byte === SP) spaces++;
    else if (inHttp1[byte] !== 0) return 1;
  }
  return stop < end || stop - start === WORDS_BYTES_MAX ? 1 : UNDECIDED;
}
