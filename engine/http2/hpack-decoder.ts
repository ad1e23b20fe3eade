/** HpackDecoder: a header block to a Head (RFC 7541 §3), checked as HTTP/2 asks (RFC 9113 §8). */
import { type FaultCode, H2_COMPRESSION, H2_FLOOD } from '../fault/faults.js';
import type { Head } from '../http/head.js';
import type { UnderscorePolicy } from '../http/underscores.js';
import { BlockMemo } from './block-memo.js';
import type { FieldInterns } from './field-interns.js';
import { LINE_SERIAL, LINE_STRIDE } from './field-interns.js';
import { HeadBuilder } from './head-builder.js';
import { kindOf, lineArg, type NameFacts, nameFacts, PSEUDO_NAMES } from './header-rules.js';
import { decodedMax, huffmanDecode } from './hpack-huffman.js';
import { STATIC_COUNT } from './hpack-static.js';
import {
  ENTRY_ARG,
  ENTRY_FIRST,
  ENTRY_NAME_FACTS,
  ENTRY_NAME_LENGTH,
  ENTRY_SECOND,
  ENTRY_START,
  ENTRY_VALUE_LENGTH,
  HpackTable,
} from './hpack-table.js';

export type BlockKind = 0 | 1 | 2;
export const BLOCK_REQUEST = 0;
export const BLOCK_RESPONSE = 1;
export const BLOCK_TRAILERS = 2;

export interface HeaderLimits {
  /** Of a decoded head as RFC 9113 §6.5.2 counts: names, values and 32 for each field. Every reference counts. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly underscores: UnderscorePolicy;
  /** RFC 8441. */
  readonly allowExtendedConnect: boolean;
}

/** SETTINGS_HEADER_TABLE_SIZE until another is acknowledged (RFC 9113 §6.5.2). */
const DEFAULT_TABLE_BYTES = 4096;

/** What takes the lines of a block: HeadBuilder, but in tests of HPACK alone. */
export interface LineSink {
  begin(head: Head, kind: BlockKind): void;
  takeInterned(number: number): void;
  takeLine(
    start: number,
    nameLength: number,
    valueLength: number,
    known: NameFacts,
    arg: number,
    isNeverIndexed: 0 | 1,
  ): void;
  finish(): FaultCode;
  /** It takes no more lines: those that are only referred to need not be read. */
  readonly isOver: boolean;
  /** Of all literals, also of those that it did not take, and of what it took. */
  readonly sizeBytes: number;
}

const INTERN = ENTRY_FIRST;
const SERIAL = ENTRY_SECOND;
// In the place of the number, when it is not above 0: minus the references that are to come before the line is interned.
// What nobody refers to again takes no place, and with more lines in use than there is room for, the busiest have it.
const TURNS_NEW = -1;
const TURNS_GIVEN_UP = -8;
/** It can't be, for now or for ever: tried again after as many, down to TURNS_GIVEN_UP. */
const TURNS_REFUSED = -64;

const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const HUFFMAN = 0x80;

/**
 * Literals of a block are read on when its head is too big already: the table depends on them. Names of theirs may be
 * references, so a few kilobytes can stand for many megabytes: from so many heads of the largest size on, it is a bomb.
 */
const MAX_HEADS_PER_BLOCK = 4;

/**
 * A block of so many times the lines that are allowed is no mistake: it ends the connection. Each costs the peer a byte or
 * three, so the rest of the block would keep us busy for nothing, and the stream's 431 would not stop the next one.
 */
const LINES_PER_FIELD = 8;
/** A low limit is for what is passed on, not for what is sent. */
const FIELDS_MIN = 100;

export class HpackDecoder {
  readonly #interns: FieldInterns;
  readonly #builder: LineSink;
  readonly #memo: BlockMemo | null;
  readonly #linesMax: number;
  readonly #table = new HpackTable(DEFAULT_TABLE_BYTES);
  readonly #maxBlockBytes: number;
  /** What the peer may choose; the setting's default until it has acknowledged another. */
  #maxTableBytes = DEFAULT_TABLE_BYTES;
  /** The allowance was cut below what the peer uses: the next block has to begin with less (RFC 9113 §4.3.1). */
  #mustShrink = false;
  /** No line of this block is about to be interned, so it will be the same the next time. */
  #isSettled = true;
  /** What the last integer or string left behind: the offset after it. */
  #at = 0;
  /** Of the line being decoded, in the head's store. */
  #nameLength = 0;
  #valueLength = 0;
  #nameFacts: NameFacts = 0;

  constructor(interns: FieldInterns, limits: HeaderLimits, sink: LineSink | null = null) {
    this.#interns = interns;
    this.#maxBlockBytes = limits.maxHeadBytes * MAX_HEADS_PER_BLOCK;
    this.#builder = sink ?? new HeadBuilder(interns, limits);
    this.#memo = sink === null ? new BlockMemo(interns) : null;
    this.#linesMax = LINES_PER_FIELD * Math.max(limits.maxFields, FIELDS_MIN);
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it; 4096 until then. */
  setMaxTableBytes(maxBytes: number): void {
    this.#maxTableBytes = maxBytes;
    this.#mustShrink = this.#table.maxBytes > maxBytes;
  }

  /**
   * Decodes the whole block bytes[start, end) into a head that was reset. 0 or a fault: H2_COMPRESSION and H2_FLOOD end
   * the connection, any other the stream alone: the dynamic table has been kept in step all the same.
   */
  decode(bytes: Uint8Array, start: number, end: number, head: Head, kind: BlockKind): FaultCode {
    const builder = this.#builder;
    const table = this.#table;
    const memo = this.#memo;
    if (memo?.isFor(bytes, start, end, kind, table.inserted, table.oldest) === true && !this.#mustShrink) {
      memo.fill(head);
      return 0;
    }
    const { inserted, oldest } = table;
    builder.begin(head, kind);
    this.#isSettled = true;
    let at = start;
    while (at < end && ((bytes[at] as number) & 0xe0) === SIZE_UPDATE) {
      const maxBytes = this.#integer(bytes, at, end, 0x1f);
      if (maxBytes < 0 || maxBytes > this.#maxTableBytes) return H2_COMPRESSION;
      table.setMaxBytes(maxBytes);
      this.#mustShrink = false;
      at = this.#at;
    }
    if (this.#mustShrink) return H2_COMPRESSION;
    const isResized = at > start;
    let left = this.#linesMax;
    while (at < end) {
      if (--left < 0) return H2_FLOOD;
      const byte = bytes[at] as number;
      if ((byte & INDEXED) !== 0) {
        let index = byte & 0x7f;
        at++;
        if (index === 0x7f) {
          index = this.#integer(bytes, at - 1, end, 0x7f);
          at = this.#at;
        }
        if (index <= 0) return H2_COMPRESSION;
        if (index <= STATIC_COUNT) builder.takeInterned(index);
        else if (!this.#takeEntry(head, index - STATIC_COUNT)) return H2_COMPRESSION;
      } else {
        // A size update is allowed at the beginning only (RFC 7541 §4.2).
        if ((byte & 0xe0) === SIZE_UPDATE) return H2_COMPRESSION;
        if (!this.#literal(bytes, at, end, head, byte)) return H2_COMPRESSION;
        if (builder.sizeBytes > this.#maxBlockBytes) return H2_FLOOD;
        at = this.#at;
      }
    }
    const fault = builder.finish();
    if (
      fault === 0 &&
      table.inserted === inserted &&
      table.oldest === oldest &&
      memo !== null &&
      !isResized &&
      this.#isSettled
    )
      memo.consider(bytes, start, end, kind, inserted, oldest, head);
    return fault;
  }

  /** back: 1 for the newest entry. */
  #takeEntry(head: Head, back: number): boolean {
    const table = this.#table;
    const number = table.inserted - back;
    if (number < table.oldest) return false;
    // A block that refers to a long entry thousands of times costs no more than its own bytes.
    if (this.#builder.isOver) return true;
    const at = table.entryAt(number);
    const facts = table.facts;
    const intern = facts[at + INTERN] as number;
    const interns = this.#interns;
    if (intern > 0 && interns.facts[intern * LINE_STRIDE + LINE_SERIAL] === facts[at + SERIAL]) {
      this.#builder.takeInterned(intern);
      return true;
    }
    this.#takeUnknown(head, at);
    return true;
  }

  /** An entry that is not, or no longer, interned: now it is its turn, or its line is copied. */
  #takeUnknown(head: Head, at: number): void {
    const { bytes, facts } = this.#table;
    const start = facts[at + ENTRY_START] as number;
    const nameLength = facts[at + ENTRY_NAME_LENGTH] as number;
    const valueLength = facts[at + ENTRY_VALUE_LENGTH] as number;
    const known = facts[at + ENTRY_NAME_FACTS] as number;
    const arg = facts[at + ENTRY_ARG] as number;
    const turn = facts[at + INTERN] as number;
    if (turn < TURNS_GIVEN_UP) facts[at + INTERN] = turn + 1 === TURNS_GIVEN_UP ? 0 : turn + 1;
    else if (turn !== 0) {
      facts[at + INTERN] = turn > 0 ? TURNS_GIVEN_UP : turn + 1;
      this.#isSettled = false;
    } else {
      const interns = this.#interns;
      const intern = interns.intern(bytes, start, nameLength, valueLength, known, arg);
      facts[at + INTERN] = intern > 0 ? intern : TURNS_REFUSED;
      if (intern > 0) {
        facts[at + SERIAL] = interns.facts[intern * LINE_STRIDE + LINE_SERIAL] as number;
        this.#builder.takeInterned(intern);
        return;
      }
    }
    const to = head.room(nameLength + valueLength + 4);
    const store = head.store;
    for (let i = 0; i < nameLength + valueLength + 2; i++) store[to + i] = bytes[start + i] as number;
    this.#builder.takeLine(to, nameLength, valueLength, known, arg, 0);
  }

  /** RFC 7541 §6.2: leaves #at behind it; false on an error. */
  #literal(bytes: Uint8Array, at: number, end: number, head: Head, byte: number): boolean {
    const index = this.#integer(bytes, at, end, (byte & WITH_INDEXING) !== 0 ? 0x3f : 0x0f);
    if (index < 0) return false;
    if (!(index === 0 ? this.#newName(bytes, end, head) : this.#knownName(head, index))) return false;
    const nameLength = this.#nameLength;
    // Used for now: should the store have to grow for the value, the name moves with it.
    head.storeUsed += nameLength + 2;
    const isValue = this.#string(bytes, end, head);
    const start = head.storeUsed - (nameLength + 2);
    head.storeUsed = start;
    if (!isValue) return false;
    const valueLength = this.#valueLength;
    const store = head.store;
    store[start + nameLength] = 0x3a;
    store[start + nameLength + 1] = 0x20;
    const known = this.#nameFacts;
    const valueStart = start + nameLength + 2;
    const arg = lineArg(kindOf(known), store, valueStart, valueStart + valueLength);
    if ((byte & WITH_INDEXING) !== 0) this.#add(store, start, known, arg);
    this.#builder.takeLine(
      start,
      nameLength,
      valueLength,
      known,
      arg,
      (byte & (WITH_INDEXING | NEVER_INDEXED)) === NEVER_INDEXED ? 1 : 0,
    );
    return true;
  }

  #add(store: Uint8Array, start: number, known: NameFacts, arg: number): void {
    const table = this.#table;
    const nameLength = this.#nameLength;
    const at = table.add(store, start, nameLength, store, start + nameLength + 2, this.#valueLength);
    if (at < 0) return;
    const facts = table.facts;
    facts[at + ENTRY_NAME_FACTS] = known;
    facts[at + ENTRY_ARG] = arg;
    facts[at + INTERN] = TURNS_NEW;
  }

  #newName(bytes: Uint8Array, end: number, head: Head): boolean {
    if (!this.#string(bytes, end, head)) return false;
    const length = this.#valueLength;
    this.#nameLength = length;
    this.#nameFacts = nameFacts(head.store, head.storeUsed, head.storeUsed + length);
    return true;
  }

  /** Copies the name of an entry to the head's store. */
  #knownName(head: Head, index: number): boolean {
    if (index <= STATIC_COUNT) {
      const interns = this.#interns;
      this.#nameFacts = interns.nameFactsOf(index);
      const kind = kindOf(this.#nameFacts);
      const name = PSEUDO_NAMES[kind];
      if (name !== undefined) this.#copyName(head, name, 0, name.length);
      else this.#copyName(head, interns.lines.bytes, interns.nameStart(index), interns.nameLength(index));
      return true;
    }
    const table = this.#table;
    const number = table.inserted - (index - STATIC_COUNT);
    if (number < table.oldest) return false;
    const at = table.entryAt(number);
    this.#nameFacts = table.facts[at + ENTRY_NAME_FACTS] as number;
    this.#copyName(
      head,
      table.bytes,
      table.facts[at + ENTRY_START] as number,
      table.facts[at + ENTRY_NAME_LENGTH] as number,
    );
    return true;
  }

  #copyName(head: Head, source: Uint8Array, start: number, length: number): void {
    const to = head.room(length + 2);
    const store = head.store;
    for (let i = 0; i < length; i++) store[to + i] = source[start + i] as number;
    this.#nameLength = length;
  }

  /** The string at #at to storeUsed: #valueLength, and #at behind it; false on an error. */
  #string(bytes: Uint8Array, end: number, head: Head): boolean {
    const start = this.#at;
    if (start >= end) return false;
    const isCoded = ((bytes[start] as number) & HUFFMAN) !== 0;
    const length = this.#integer(bytes, start, end, 0x7f);
    const from = this.#at;
    if (length < 0 || length > end - from) return false;
    const need = isCoded ? decodedMax(length) : length;
    // ": " or CRLF, and the one byte that the decoder may touch behind what it decodes.
    const to = head.room(need + 4);
    const store = head.store;
    this.#at = from + length;
    if (isCoded) {
      const decodedEnd = huffmanDecode(bytes, from, from + length, store, to);
      this.#valueLength = decodedEnd - to;
      return decodedEnd >= 0;
    }
    for (let i = 0; i < length; i++) store[to + i] = bytes[from + i] as number;
    this.#valueLength = length;
    return true;
  }

  /** RFC 7541 §5.1, the prefix being the bits of mask; -1 = cut off, or above 2^28. */
  #integer(bytes: Uint8Array, at: number, end: number, mask: number): number {
    let value = (bytes[at++] as number) & mask;
    if (value === mask) {
      let shift = 0;
      for (;;) {
        // Four more bytes are enough for anything that we allow; longer is an attack, zeros or not.
        if (at >= end || shift > 21) return -1;
        const byte = bytes[at++] as number;
        value += (byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) === 0) break;
      }
    }
    this.#at = at;
    return value;
  }
}
