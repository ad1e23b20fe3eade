/** NameTable: names that requests bring, each with a number that all workers agree on; in shared memory, and bounded. */

/**
 * Names in the life of a process. Whoever sends requests can invent more: without a bound, counters of names that mean
 * nothing would fill the memory and whatever collects them. What comes later is not found, and counts with the rest.
 */
export const NAMES_MAX = 512;
const PROBES_MAX = 64;
/** Words of an entry: what it is, its hash, its length; then the bytes. */
const STATE = 0;
const HASH = 1;
const LENGTH = 2;
const HEAD_WORDS = 3;
const ENTRY_BYTES = 256;
const ENTRY_WORDS = ENTRY_BYTES / 4;
export const NAME_BYTES_MAX = ENTRY_BYTES - HEAD_WORDS * 4;
/** States. */
const FREE = 0;
const WRITING = 1;
const THERE = 2;

export function newNameMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(NAMES_MAX * ENTRY_BYTES);
}

export class NameTable {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /** Number of the name in bytes[0, length), below NAMES_MAX; -1 = it has none, and gets none unless isNew. */
  numberOf(bytes: Uint8Array, length: number, isNew: boolean): number {
    if (length > NAME_BYTES_MAX) return -1;
    const hash = hashOf(bytes, length);
    const words = this.#words;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const number = (hash + probe) & (NAMES_MAX - 1);
      const at = number * ENTRY_WORDS;
      let state = Atomics.load(words, at + STATE);
      if (state === FREE) {
        if (!isNew) return -1;
        state = Atomics.compareExchange(words, at + STATE, FREE, WRITING);
        if (state === FREE) {
          words[at + HASH] = hash;
          words[at + LENGTH] = length;
          for (let i = 0; i < length; i++) this.#bytes[(at + HEAD_WORDS) * 4 + i] = bytes[i] as number;
          Atomics.store(words, at + STATE, THERE);
          return number;
        }
      }
      // Another worker writes one, maybe this: the next request will know.
      if (state === WRITING) return -1;
      if (words[at + HASH] === hash && this.#is(at, bytes, length)) return number;
    }
    return -1;
  }

  /** Of main: every name that is there, with its number. */
  *names(): Iterable<readonly [number, string]> {
    for (let number = 0; number < NAMES_MAX; number++) {
      const at = number * ENTRY_WORDS;
      if (Atomics.load(this.#words, at + STATE) !== THERE) continue;
      const start = (at + HEAD_WORDS) * 4;
      const bytes = Buffer.from(this.#bytes.subarray(start, start + (this.#words[at + LENGTH] as number)));
      yield [number, bytes.toString('utf8')];
    }
  }

  #is(at: number, bytes: Uint8Array, length: number): boolean {
    if (this.#words[at + LENGTH] !== length) return false;
    const start = (at + HEAD_WORDS) * 4;
    let i = 0;
    while (i < length && this.#bytes[start + i] === bytes[i]) i++;
    return i === length;
  }
}

/** FNV-1a, 32 bits, stirred: the low bits say where to look. */
function hashOf(bytes: Uint8Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return hash ^ (hash >>> 16);
}
