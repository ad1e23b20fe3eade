/** RequestId: x-request-id, a random UUID where the client's is absent or not to be trusted. */
import type { Prng } from '../base/prng.js';
import type { Head } from './head.js';
import { N } from './names.js';

export interface RequestIdOptions {
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
}

const HEX = new Uint8Array(512);
for (let byte = 0; byte < 256; byte++) {
  const text = byte.toString(16).padStart(2, '0');
  HEX[byte * 2] = text.charCodeAt(0);
  HEX[byte * 2 + 1] = text.charCodeAt(1);
}
const X_REQUEST_ID = N['x-request-id'];
const DASH = 0x2d;

export class RequestId {
  readonly #options: RequestIdOptions;
  readonly #random: Prng;

  constructor(options: RequestIdOptions, random: Prng) {
    this.#options = options;
    this.#random = random;
  }

  /** isEdge: the request came from outside; its own id is overwritten unless preserve_external_request_id says so. */
  apply(head: Head, isEdge: boolean): void {
    if (!this.#options.generateRequestId) return;
    if (head.has(X_REQUEST_ID) && head.find(X_REQUEST_ID) >= 0) {
      if (!isEdge || this.#options.preserveExternalRequestId) return;
      head.removeAll(X_REQUEST_ID);
    }
    const at = head.beginAdd(X_REQUEST_ID, 36);
    head.endAdd(this.#write(head.store, at));
  }

  /** UUID version 4 (RFC 9562 §5.4). */
  #write(bytes: Uint8Array, start: number): number {
    const random = this.#random;
    let at = writeWord(bytes, start, random.next());
    bytes[at++] = DASH;
    const second = (random.next() & 0xffff0fff) | 0x00004000;
    at = writeHalf(bytes, at, second >>> 16);
    bytes[at++] = DASH;
    at = writeHalf(bytes, at, second & 0xffff);
    bytes[at++] = DASH;
    const third = (random.next() & 0x3fffffff) | 0x80000000;
    at = writeHalf(bytes, at, third >>> 16);
    bytes[at++] = DASH;
    at = writeHalf(bytes, at, third & 0xffff);
    return writeWord(bytes, at, random.next());
  }
}

function writeWord(bytes: Uint8Array, at: number, word: number): number {
  return writeHalf(bytes, writeHalf(bytes, at, word >>> 16), word & 0xffff);
}

function writeHalf(bytes: Uint8Array, at: number, half: number): number {
  const high = (half >>> 8) * 2;
  const low = (half & 0xff) * 2;
  bytes[at] = HEX[high] as number;
  bytes[at + 1] = HEX[high + 1] as number;
  bytes[at + 2] = HEX[low] as number;
  bytes[at + 3] = HEX[low + 1] as number;
  return at + 4;
}
