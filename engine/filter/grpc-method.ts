/** GrpcMethod: the name of one call's method, and the number of its counters where methods of any name have some. */
import { NAME_BYTES_MAX, type NameTable } from '../metrics/name-table.js';
import type { Head } from '../http/head.js';

const SLASH = 0x2f;
const DOT = 0x2e;
const UNDERSCORE = 0x5f;
const QUESTION = 0x3f;
const MINUS = 0x2d;

/** "cluster/service/method": what numbers are given to. */
const key = new Uint8Array(NAME_BYTES_MAX);

/** Letters and what else names in protobuf have: nothing that a reader of statistics could take for anything else. */
function isNameByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (
    (letter >= 0x61 && letter <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === UNDERSCORE ||
    byte === DOT ||
    byte === MINUS
  );
}

export class GrpcMethod {
  /** "/service/method", as counters show it. */
  readonly #name = new Uint8Array(NAME_BYTES_MAX);
  #length = 0;
  /** -1 = it has none yet. */
  number = -1;

  reset(): void {
    this.#length = 0;
    this.number = -1;
  }

  /** Of a path "/service/method" or one that begins so; a name that is none stays without a number. */
  take(head: Head, replacesDots: boolean): void {
    const bytes = head.pathBytes;
    let slashes = 0;
    let at = 0;
    for (let i = head.pathFrom; i < head.pathTo && bytes[i] !== QUESTION; i++) {
      const byte = bytes[i] as number;
      if (byte === SLASH) slashes++;
      else if (!isNameByte(byte)) return;
      if (at === NAME_BYTES_MAX) return;
      this.#name[at++] = byte === DOT && slashes === 1 && replacesDots ? UNDERSCORE : byte;
    }
    this.#length = at;
  }

  /** Whether it has a number now; isKnown: a server knows the method, so it may get one. */
  find(table: NameTable, cluster: Uint8Array, isKnown: boolean): boolean {
    if (this.number >= 0) return true;
    const length = cluster.length + this.#length;
    if (this.#length === 0 || length > NAME_BYTES_MAX) return false;
    key.set(cluster);
    for (let i = 0; i < this.#length; i++) key[cluster.length + i] = this.#name[i] as number;
    this.number = table.numberOf(key, length, isKnown);
    return this.number >= 0;
  }
}
