/** HpackTable: HPACK's dynamic table (RFC 7541 §2.3.2, §4): entries in insertion order, their lines in a ring. */
import { viewOf } from '../base/words.js';

// An entry is known by its insertion number, which counts from 0 and never changes; index 62 of the wire is the newest
// one's. Lines lie in wire form ("name: value\r\n") and in one piece each: where one would wrap, it begins at 0 instead.
// The ring has twice the room of what it may hold, so that such a gap never costs an entry its bytes.

/** Integers per entry in `facts`. */
export const ENTRY_STRIDE = 8;
export const ENTRY_START = 0;
export const ENTRY_NAME_LENGTH = 1;
export const ENTRY_VALUE_LENGTH = 2;
/** What the name means, see header-rules.ts. */
export const ENTRY_NAME_FACTS = 3;
/** Argument of the line, see header-rules.ts. */
export const ENTRY_ARG = 4;
/** The owner's: the number of an interned line and its serial, or links to other entries. */
export const ENTRY_FIRST = 5;
export const ENTRY_SECOND = 6;
export const ENTRY_THIRD = 7;

/** RFC 7541 §4.1. */
export const ENTRY_OVERHEAD = 32;
/** ": " and CRLF. */
const LINE_OVERHEAD = 4;
const FIRST_RING_BYTES = 1024;
const FIRST_ENTRIES = 16;
const NOTHING = new Uint8Array(0);

export class HpackTable {
  bytes: Uint8Array = NOTHING;
  /** The same. */
  view: DataView = viewOf(NOTHING);
  facts: Int32Array = new Int32Array(0);
  /** Entries are at (number & mask) * ENTRY_STRIDE. */
  mask = -1;
  /** Insertion number of the next entry. */
  inserted = 0;
  /** Insertion number of the oldest entry that is left. */
  oldest = 0;
  /** Sum of the entries' sizes, RFC 7541 §4.1. */
  sizeBytes = 0;
  #maxBytes: number;
  #tail = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get count(): number {
    return this.inserted - this.oldest;
  }

  setMaxBytes(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictDownTo(maxBytes);
  }

  /** Offset in `facts` of an entry that is there. */
  entryAt(number: number): number {
    return (number & this.mask) * ENTRY_STRIDE;
  }

  /**
   * Adds a line; answers the offset of its facts, or -1 when it is larger than the table, which leaves the table empty
   * (RFC 7541 §4.4). The sources are not the table's own array.
   */
  add(
    name: Uint8Array,
    nameStart: number,
    nameLength: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): number {
    const size = nameLength + valueLength + ENTRY_OVERHEAD;
    this.#evictDownTo(this.#maxBytes - size);
    if (size > this.#maxBytes) return -1;
    const length = nameLength + valueLength + LINE_OVERHEAD;
    const to = this.#place(length);
    if (this.inserted - this.oldest > this.mask) this.#growFacts();
    const bytes = this.bytes;
    for (let i = 0; i < nameLength; i++) bytes[to + i] = name[nameStart + i] as number;
    const valueTo = to + nameLength + 2;
    bytes[valueTo - 2] = 0x3a;
    bytes[valueTo - 1] = 0x20;
    for (let i = 0; i < valueLength; i++) bytes[valueTo + i] = value[valueStart + i] as number;
    bytes[to + length - 2] = 0x0d;
    bytes[to + length - 1] = 0x0a;
    const at = (this.inserted & this.mask) * ENTRY_STRIDE;
    const facts = this.facts;
    facts[at + ENTRY_START] = to;
    facts[at + ENTRY_NAME_LENGTH] = nameLength;
    facts[at + ENTRY_VALUE_LENGTH] = valueLength;
    this.inserted++;
    this.sizeBytes += size;
    return at;
  }

  #evictDownTo(sizeBytes: number): void {
    const facts = this.facts;
    while (this.sizeBytes > sizeBytes && this.oldest < this.inserted) {
      const at = (this.oldest & this.mask) * ENTRY_STRIDE;
      this.sizeBytes -=
        (facts[at + ENTRY_NAME_LENGTH] as number) + (facts[at + ENTRY_VALUE_LENGTH] as number) + ENTRY_OVERHEAD;
      this.oldest++;
    }
  }

  /** Offset of a free range of `length` bytes; the entries that are left are of less than maxBytes together. */
  #place(length: number): number {
    if (this.oldest === this.inserted) this.#tail = 0;
    const least = this.sizeBytes + length + ENTRY_OVERHEAD;
    if (least * 2 > this.bytes.length) this.#growRing(least * 2);
    if (this.#tail + length > this.bytes.length) this.#tail = 0;
    const to = this.#tail;
    this.#tail += length;
    return to;
  }

  /** To twice of what the table may hold at most; begins small, because most connections use little. */
  #growRing(leastBytes: number): void {
    const bytes = new Uint8Array(Math.max(FIRST_RING_BYTES, leastBytes, this.bytes.length * 2));
    let to = 0;
    for (let number = this.oldest; number < this.inserted; number++) {
      const at = this.entryAt(number);
      const facts = this.facts;
      const start = facts[at + ENTRY_START] as number;
      const length =
        (facts[at + ENTRY_NAME_LENGTH] as number) + (facts[at + ENTRY_VALUE_LENGTH] as number) + LINE_OVERHEAD;
      bytes.set(this.bytes.subarray(start, start + length), to);
      facts[at + ENTRY_START] = to;
      to += length;
    }
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.#tail = to;
  }

  #growFacts(): void {
    const count = Math.max(FIRST_ENTRIES, (this.mask + 1) * 2);
    const facts = new Int32Array(count * ENTRY_STRIDE);
    for (let number = this.oldest; number < this.inserted; number++) {
      const from = this.entryAt(number);
      const to = (number & (count - 1)) * ENTRY_STRIDE;
      for (let i = 0; i < ENTRY_STRIDE; i++) facts[to + i] = this.facts[from + i] as number;
    }
    this.facts = facts;
    this.mask = count - 1;
  }
}
