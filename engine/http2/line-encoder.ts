/** LineEncoder: one line after the other to its shortest representation (RFC 7541 §6), over a table of its own. */
import { N, nameIdOf } from '../http/names.js';
import { EncoderTable, hashOfLine, hashOfName, lineSize, PSEUDO_ID } from './encoder-table.js';
import { FIELD_NEVER_INDEXED } from '../http/head.js';
import { type FieldInterns, LINE_SERIAL, LINE_STRIDE } from './field-interns.js';
import { PSEUDO_NAMES } from './header-rules.js';
import { STATIC_COUNT, STATIC_TABLE } from './hpack-static.js';
import { writeInteger, writeName, writeString } from './hpack-strings.js';

const COOKIE = N.cookie;

/** First bytes (RFC 7541 §6) and the bits of their integers. */
export const INDEXED = 0x80;
const INDEXED_BITS = 0x7f;
const WITH_INDEXING = 0x40;
const WITH_INDEXING_BITS = 0x3f;
const WITHOUT_INDEXING = 0;
const NEVER_INDEXED = 0x10;
const LITERAL_BITS = 0x0f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_BITS = 0x1f;

const encoder = new TextEncoder();
const STATIC_VALUES = STATIC_TABLE.map(([, value]) => encoder.encode(value));
/** First static entry of each name. */
const STATIC_NAMES = new Uint8Array(128);
/** How many static entries have the name of this one, which is the first with it. */
const STATIC_RUNS = new Uint8Array(STATIC_COUNT + 1);
for (let index = STATIC_COUNT; index > 0; index--) {
  const id = idOfName((STATIC_TABLE[index] as readonly [string, string])[0]);
  STATIC_RUNS[index] = STATIC_NAMES[id] === index + 1 ? (STATIC_RUNS[index + 1] as number) + 1 : 1;
  STATIC_NAMES[id] = index;
}

/** RFC 7541 §7.1.3: what an attacker would guess piece by piece, or nobody sends again. */
const SECRETS = new Uint8Array(128);
for (const id of [N.authorization, N['proxy-authorization'], N['set-cookie']]) SECRETS[id] = 1;
/** Shorter cookies are guessed too easily (as in nghttp2). */
const COOKIE_MIN_BYTES = 20;

/** SETTINGS_HEADER_TABLE_SIZE until the peer says another. */
const DEFAULT_TABLE_BYTES = 4096;

/** Id of a lower-case name, pseudo-header fields' too; 0 = none. */
export function idOfName(lowercase: string): number {
  if (!lowercase.startsWith(':')) return nameIdOf(lowercase);
  const kind = PSEUDO_NAMES.findIndex((bytes) => String.fromCharCode(...bytes) === lowercase);
  return kind < 0 ? 0 : PSEUDO_ID + kind;
}

export class LineEncoder {
  readonly #interns: FieldInterns;
  readonly #table: EncoderTable;
  readonly #maxTableBytes: number;
  /** Smallest and last size since the last block (RFC 7541 §4.2); -1 = neither changed. */
  #leastBytes = -1;
  #nextBytes = -1;
  /** Entry of the last line; -1 = it is not in the table. */
  #entry = -1;

  /** maxTableBytes: what this side spends on a table, whatever the peer offers. */
  constructor(interns: FieldInterns, maxTableBytes: number) {
    this.#interns = interns;
    this.#maxTableBytes = maxTableBytes;
    this.#table = new EncoderTable(Math.min(DEFAULT_TABLE_BYTES, maxTableBytes), interns.lines.bytes, interns.view);
    if (maxTableBytes < DEFAULT_TABLE_BYTES) this.#resize(maxTableBytes);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins with the size that is taken of it. */
  setPeerMaxTableBytes(maxBytes: number): void {
    this.#resize(Math.min(maxBytes, this.#maxTableBytes));
  }

  #resize(maxBytes: number): void {
    this.#leastBytes = this.#leastBytes < 0 ? maxBytes : Math.min(this.#leastBytes, maxBytes);
    this.#nextBytes = maxBytes;
  }

  /** Size updates that are due at the beginning of a block. */
  writeSizes(out: Uint8Array, at: number): number {
    if (this.#nextBytes < 0) return at;
    if (this.#leastBytes < this.#nextBytes) {
      this.#table.setMaxBytes(this.#leastBytes);
      at = writeInteger(out, at, SIZE_UPDATE, SIZE_UPDATE_BITS, this.#leastBytes);
    }
    this.#table.setMaxBytes(this.#nextBytes);
    at = writeInteger(out, at, SIZE_UPDATE, SIZE_UPDATE_BITS, this.#nextBytes);
    this.#leastBytes = -1;
    this.#nextBytes = -1;
    return at;
  }

  /**
   * A line with a number of FieldInterns, at [nameStart, valueEnd) of their bytes; of :authority and :path the value
   * alone. key: keyOf(), id: as in encoder-table.ts.
   */
  interned(
    number: number,
    key: number,
    id: number,
    nameStart: number,
    valueStart: number,
    valueEnd: number,
    out: Uint8Array,
    at: number,
  ): number {
    if (number <= STATIC_COUNT) {
      out[at] = INDEXED | number;
      return at + 1;
    }
    const table = this.#table;
    const interns = this.#interns;
    const serial = interns.facts[number * LINE_STRIDE + LINE_SERIAL] as number;
    const known = table.findInterned(number, serial);
    if (known >= 0) return this.#index(known, out, at);
    const bytes = interns.lines.bytes;
    const end =
      id >= PSEUDO_ID
        ? this.apart(id, PSEUDO_NAMES[id - PSEUDO_ID] as Uint8Array, bytes, valueStart, valueEnd, 0, out, at)
        : this.line(key, id, bytes, nameStart, valueStart, valueEnd, 0, out, at);
    if (this.#entry >= 0) table.noteInterned(number, serial, this.#entry);
    return end;
  }

  /** A line at [nameStart, valueEnd), with two bytes between name and value; flags: FIELD_NEVER_INDEXED. */
  line(
    key: number,
    id: number,
    bytes: Uint8Array,
    nameStart: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
    out: Uint8Array,
    at: number,
  ): number {
    if ((flags & FIELD_NEVER_INDEXED) === 0) {
      const entry = this.#table.findRecent(key, id, bytes, nameStart, valueStart, valueEnd);
      if (entry >= 0) {
        this.#entry = entry;
        return this.#index(entry, out, at);
      }
    }
    return this.search(key, id, bytes, nameStart, valueStart - 2, bytes, valueStart, valueEnd, flags, out, at);
  }

  /** A line of an id whose name and value lie apart; flags: FIELD_NEVER_INDEXED. */
  apart(
    id: number,
    name: Uint8Array,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    flags: number,
    out: Uint8Array,
    at: number,
  ): number {
    if (flags === 0) {
      const entry = this.#table.findRecent(id, id, value, 0, valueStart, valueEnd);
      if (entry >= 0) {
        this.#entry = entry;
        return this.#index(entry, out, at);
      }
    }
    return this.search(id, id, name, 0, name.length, value, valueStart, valueEnd, flags, out, at);
  }

  #index(entry: number, out: Uint8Array, at: number): number {
    const index = STATIC_COUNT + this.#table.inserted - entry;
    if (index < INDEXED_BITS) {
      out[at] = INDEXED | index;
      return at + 1;
    }
    return writeInteger(out, at, INDEXED, INDEXED_BITS, index);
  }

  /** A line that is not the last one of its key, or whose name and value lie apart. */
  search(
    key: number,
    id: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    flags: number,
    out: Uint8Array,
    at: number,
  ): number {
    const table = this.#table;
    this.#entry = -1;
    const nameHash = hashOfName(id, name, nameStart, nameEnd);
    const staticName = STATIC_NAMES[id] as number;
    if ((flags & FIELD_NEVER_INDEXED) === 0 && !isSecret(id, valueEnd - valueStart)) {
      const index = staticName === 0 ? 0 : staticIndex(staticName, value, valueStart, valueEnd);
      if (index !== 0) {
        out[at] = INDEXED | index;
        return at + 1;
      }
      const hash = hashOfLine(nameHash, value, valueStart, valueEnd);
      this.#entry = table.find(key, id, name, nameStart, nameEnd, value, valueStart, valueEnd, hash);
      if (this.#entry >= 0) return this.#index(this.#entry, out, at);
      // The index of the name is the one before the line goes in (RFC 7541 §2.3.3).
      const nameIndex = this.#nameIndex(id, staticName, name, nameStart, nameEnd, nameHash);
      if (table.isWorthIt(id, lineSize(nameEnd - nameStart, valueEnd - valueStart), hash, nameHash, nameIndex !== 0)) {
        this.#entry = table.add(key, id, name, nameStart, nameEnd, value, valueStart, valueEnd, hash, nameHash);
        at = writeName(out, at, WITH_INDEXING, WITH_INDEXING_BITS, nameIndex, name, nameStart, nameEnd);
        return writeString(out, at, value, valueStart, valueEnd);
      }
      at = writeName(out, at, WITHOUT_INDEXING, LITERAL_BITS, nameIndex, name, nameStart, nameEnd);
      return writeString(out, at, value, valueStart, valueEnd);
    }
    const nameIndex = this.#nameIndex(id, staticName, name, nameStart, nameEnd, nameHash);
    at = writeName(out, at, NEVER_INDEXED, LITERAL_BITS, nameIndex, name, nameStart, nameEnd);
    return writeString(out, at, value, valueStart, valueEnd);
  }

  #nameIndex(
    id: number,
    staticName: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    nameHash: number,
  ): number {
    if (staticName !== 0) return staticName;
    const entry = this.#table.findName(id, name, nameStart, nameEnd, nameHash);
    return entry < 0 ? 0 : STATIC_COUNT + this.#table.inserted - entry;
  }
}

function isSecret(id: number, valueLength: number): boolean {
  return SECRETS[id] === 1 || (id === COOKIE && valueLength < COOKIE_MIN_BYTES);
}

/** Index of the static entry that has the value too; 0 = there is none. */
function staticIndex(first: number, value: Uint8Array, start: number, end: number): number {
  for (let index = first; index < first + (STATIC_RUNS[first] as number); index++) {
    const other = STATIC_VALUES[index] as Uint8Array;
    if (other.length !== end - start) continue;
    let i = 0;
    while (i < other.length && other[i] === value[start + i]) i++;
    if (i === other.length) return index;
  }
  return 0;
}
