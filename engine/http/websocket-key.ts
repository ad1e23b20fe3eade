/** WebSocket keys: Sec-WebSocket-Key made and Sec-WebSocket-Accept computed (RFC 6455 §4), where one side has none (RFC 8441 §5). */
import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Of Sec-WebSocket-Key: base64 of 16 bytes. */
export const KEY_BYTES = 24;

/** random: four words of 32 bits. The key is no secret: it only tells a server's answer from a cache's. */
export function websocketKey(random: readonly [number, number, number, number]): Uint8Array {
  const bytes = Buffer.alloc(16);
  for (const [at, word] of random.entries()) bytes.writeUInt32LE(word >>> 0, at * 4);
  return Buffer.from(bytes.toString('base64'), 'latin1');
}

/** What a server that took bytes[start, end) as the key answers with. */
export function websocketAccept(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const hash = createHash('sha1');
  hash.update(bytes.subarray(start, end));
  hash.update(GUID);
  return Buffer.from(hash.digest('base64'), 'latin1');
}
