/** HostTable: authority to virtual host: exact, then longest suffix wildcard, longest prefix wildcard, "*". */
import { lowerCase } from '../base/ascii.js';

// One hash table per kind. A wildcard table is asked once for each length that some wildcard of its kind has, with the
// hash taken on the way over the bytes: the cost depends on the length of the host, not on the number of domains.

const encoder = new TextEncoder();
const HASH_START = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

class Entry<V> {
  readonly hash: number;
  readonly text: Uint8Array;
  readonly value: V;
  readonly next: Entry<V> | null;

  constructor(hash: number, text: Uint8Array, value: V, next: Entry<V> | null) {
    this.hash = hash;
    this.text = text;
    this.value = value;
    this.next = next;
  }
}

class ByteTable<V> {
  #heads: (Entry<V> | null)[] = [null];
  #entries: { readonly hash: number; readonly text: Uint8Array; readonly value: V }[] = [];
  #mask = 0;
  /** 1 at every length that an entry has. */
  lengths = new Uint8Array(0);

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Built anew when it gets full: only while the table is made. */
  add(hash: number, text: Uint8Array, value: V): void {
    this.#entries.push({ hash, text, value });
    if (text.length >= this.lengths.length) {
      const longer = new Uint8Array(text.length + 1);
      longer.set(this.lengths);
      this.lengths = longer;
    }
    this.lengths[text.length] = 1;
    if (this.#entries.length > this.#heads.length / 2) {
      this.#heads = new Array(this.#heads.length * 4).fill(null);
      this.#mask = this.#heads.length - 1;
      for (const entry of this.#entries) this.#link(entry.hash, entry.text, entry.value);
    } else this.#link(hash, text, value);
  }

  #link(hash: number, text: Uint8Array, value: V): void {
    const at = slotOf(hash, this.#mask);
    this.#heads[at] = new Entry(hash, text, value, this.#heads[at] as Entry<V> | null);
  }

  /** The entry found last, compared before any hash is taken: most clients name one host. */
  #last: Entry<V> | null = null;

  findLast(bytes: Uint8Array, start: number, end: number): V | null {
    const last = this.#last;
    if (last === null || last.text.length !== end - start || !isAt(bytes, start, last.text)) return null;
    return last.value;
  }

  /** The entry whose text is bytes[start, end) in any case. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): V | null {
    let entry = this.#heads[slotOf(hash, this.#mask)] as Entry<V> | null;
    for (; entry !== null; entry = entry.next)
      if (entry.hash === hash && entry.text.length === end - start && isAt(bytes, start, entry.text)) {
        this.#last = entry;
        return entry.value;
      }
    return null;
  }
}

/** FNV's low bits are its weakest. */
function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}

export class HostTable<V> {
  readonly #exact = new ByteTable<V>();
  readonly #suffixes = new ByteTable<V>();
  readonly #prefixes = new ByteTable<V>();
  #any: V | null = null;
  /** Only "*": nothing has to be read. */
  #isSimple = true;

  /** domain as configured, lower case. */
  add(domain: string, value: V): void {
    if (domain === '*') {
      this.#any = value;
      return;
    }
    this.#isSimple = false;
    if (domain.startsWith('*')) {
      const text = encoder.encode(domain.slice(1));
      this.#suffixes.add(hashBackward(text), text, value);
    } else if (domain.endsWith('*')) {
      const text = encoder.encode(domain.slice(0, -1));
      this.#prefixes.add(hashForward(text), text, value);
    } else {
      const text = encoder.encode(domain);
      this.#exact.add(hashForward(text), text, value);
    }
  }

  find(bytes: Uint8Array, start: number, end: number): V | null {
    if (this.#isSimple) return this.#any;
    const again = this.#exact.findLast(bytes, start, end);
    if (again !== null) return again;
    const prefixes = this.#prefixes;
    let byPrefix: V | null = null;
    let hash = HASH_START;
    if (prefixes.isEmpty)
      for (let at = start; at < end; at++) hash = Math.imul(hash ^ lowerCase(bytes[at] as number), HASH_PRIME);
    else {
      const lengths = prefixes.lengths;
      for (let at = start; at < end; at++) {
        // Asked before the last byte is taken: a wildcard never stands for nothing. The longest comes last.
        if (lengths[at - start] === 1) byPrefix = prefixes.find(hash, bytes, start, at) ?? byPrefix;
        hash = Math.imul(hash ^ lowerCase(bytes[at] as number), HASH_PRIME);
      }
    }
    const exact = this.#exact.find(hash, bytes, start, end);
    if (exact !== null) return exact;
    return this.#bySuffix(bytes, start, end) ?? byPrefix ?? this.#any;
  }

  #bySuffix(bytes: Uint8Array, start: number, end: number): V | null {
    const suffixes = this.#suffixes;
    if (suffixes.isEmpty) return null;
    const lengths = suffixes.lengths;
    let found: V | null = null;
    let hash = HASH_START;
    const first = Math.max(start, end - lengths.length);
    for (let at = end; at > first; at--) {
      if (lengths[end - at] === 1) found = suffixes.find(hash, bytes, at, end) ?? found;
      hash = Math.imul(hash ^ lowerCase(bytes[at - 1] as number), HASH_PRIME);
    }
    return found;
  }
}

function hashForward(text: Uint8Array): number {
  let hash = HASH_START;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ (text[at] as number), HASH_PRIME);
  return hash;
}

function hashBackward(text: Uint8Array): number {
  let hash = HASH_START;
  for (let at = text.length - 1; at >= 0; at--) hash = Math.imul(hash ^ (text[at] as number), HASH_PRIME);
  return hash;
}

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[at + i] as number;
    if (byte !== text[i] && lowerCase(byte) !== text[i]) return false;
  }
  return true;
}
