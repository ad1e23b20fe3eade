/** Preface: tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes of a connection (RFC 9113 §3.4). */

/** The request line of the preface. No request of HTTP/1 has it: PRI is reserved (RFC 9113 §11.6). The rest is the codec's. */
const LINE = new TextEncoder().encode('PRI * HTTP/2.0\r\n');

/** What has come agrees with the preface, and is too little to tell. */
export const UNDECIDED = 0;

/** The protocol of a connection whose first bytes these are: 1, 2 or UNDECIDED. */
export function protocolOf(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 {
  const length = Math.min(end - start, LINE.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== LINE[i]) return 1;
  return length < LINE.length ? UNDECIDED : 2;
}
