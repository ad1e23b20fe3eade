/** FieldInterns: header lines that come again and again, kept once per worker with all that is known about them. */
import { viewOf } from '../base/words.js';
import { InternedLines } from '../http/interned-lines.js';
import type { Arena } from '../io/transport.js';
import {
  idOf,
  kindOf,
  LINE_AUTHORITY,
  LINE_COOKIE,
  LINE_PATH,
  PSEUDO_NAMES,
  lineArg,
  type NameFacts,
  nameFacts,
} from './header-rules.js';
import { ENTRY_OVERHEAD } from './hpack-table.js';
import { STATIC_COUNT, STATIC_TABLE } from './hpack-static.js';
import { N } from '../http/names.js';

/** Integers per line in `facts`. */
export const LINE_STRIDE = 12;
export const LINE_START = 0;
export const LINE_NAME_END = 1;
export const LINE_VALUE_START = 2;
export const LINE_VALUE_END = 3;
export const LINE_ID = 4;
export const LINE_KIND = 5;
export const LINE_ARG = 6;
/** RFC 7541 §4.1. */
export const LINE_SIZE = 7;
/** Changes when the number is given up, and when it is given to another line. */
export const LINE_SERIAL = 8;
export const LINE_HASH = 9;

// Bounded in bytes and in lines: segments are filled one after the other, and the oldest is given up while the last
// free one fills. Its lines are no longer found from then on; what is still in use is interned anew at its next
// reference. Its bytes are written over when no head that began before has a hold (interned-lines.ts); until then
// nothing more is interned, and lines are copied to the heads that need them.

export interface InternSizes {
  readonly segments: number;
  readonly segmentBytes: number;
  readonly segmentLines: number;
}

const SIZES: InternSizes = { segments: 16, segmentBytes: 16 * 1024, segmentLines: 256 };
const STATIC_BYTES = 2048;
/** Longer ones are seldom repeated by more than one peer. */
const MAX_LINE_BYTES = 512;
const BUCKETS = 4096;
/** A peer that knows the hash makes lookups longer up to here. */
const MAX_CHAIN = 16;
const PATH_NAME = PSEUDO_NAMES[LINE_PATH] as Uint8Array;
const HOST_NAME = new TextEncoder().encode('host');
const SECRETS: ReadonlySet<number> = new Set([N.authorization, N['proxy-authorization'], N['set-cookie']]);

export class FieldInterns {
  readonly lines: InternedLines;
  /** All of lines.bytes: with the arena's, whatever else of a head is in there. */
  readonly view: DataView;
  /** Changes when there is room again: what wasn't interned before may be now. */
  round = 0;
  /** LINE_STRIDE per line; the lines 1 to 61 are the static table's. */
  readonly facts: Int32Array;
  readonly #sizes: InternSizes;
  readonly #buckets = new Int32Array(BUCKETS);
  readonly #next: Int32Array;
  /** Where the first segment begins. */
  readonly #start: number;
  /** The segment being filled: offset of the next line's bytes, the number of the next line, and what ends both. */
  #used: number;
  #number = 1;
  #endBytes: number;
  #endNumber = STATIC_COUNT + 1;
  #segment = -1;
  /** How many segments were ever opened. */
  #opened = 0;
  /** By segment: the number behind its last line. */
  readonly #ends: Int32Array;
  /** The segment that was given up, to be written over; -1 = none. */
  #given = -1;

  constructor(arena: Arena, sizes: InternSizes = SIZES) {
    const byteCount = STATIC_BYTES + sizes.segments * sizes.segmentBytes;
    const start = arena.carve(byteCount);
    this.lines = new InternedLines(start >= 0 ? arena.bytes : new Uint8Array(byteCount));
    this.view = viewOf(this.lines.bytes);
    const lineCount = STATIC_COUNT + 1 + sizes.segments * sizes.segmentLines;
    this.facts = new Int32Array(lineCount * LINE_STRIDE);
    this.#next = new Int32Array(lineCount);
    this.#ends = new Int32Array(sizes.segments);
    this.#sizes = sizes;
    this.#used = Math.max(0, start);
    this.#start = this.#used + STATIC_BYTES;
    this.#endBytes = this.#start;
    const encoder = new TextEncoder();
    for (let index = 1; index <= STATIC_COUNT; index++) {
      const [name, value] = STATIC_TABLE[index] as readonly [string, string];
      const line = encoder.encode(`${name}: ${value}`);
      const known = nameFacts(line, 0, name.length);
      const arg = lineArg(kindOf(known), line, name.length + 2, line.length);
      this.#put(line, 0, name.length, value.length, known, arg, hashOf(line, 0, name.length, value.length));
    }
  }

  /**
   * Number of the line source[start...], name and value with ": " between; 0 = it is not, and will not be, interned.
   */
  intern(
    source: Uint8Array,
    start: number,
    nameLength: number,
    valueLength: number,
    known: NameFacts,
    arg: number,
  ): number {
    const length = nameLength + valueLength + 4;
    if (length > MAX_LINE_BYTES || kindOf(known) === LINE_COOKIE || SECRETS.has(idOf(known))) return 0;
    const hash = hashOf(source, start, nameLength, valueLength);
    let number = this.#buckets[hash & (BUCKETS - 1)] as number;
    let steps = 0;
    for (; number !== 0 && steps < MAX_CHAIN; number = this.#next[number] as number, steps++)
      if (this.#isLine(number, source, start, nameLength, valueLength, known, hash)) return number;
    if (steps === MAX_CHAIN) return 0;
    if ((this.#number === this.#endNumber || this.#used + length > this.#endBytes) && !this.#openNext()) return 0;
    return this.#put(source, start, nameLength, valueLength, known, arg, hash);
  }

  /** The line ":path: value" at source[start...], which passed the rules; 0 = it is not interned. */
  internPath(source: Uint8Array, start: number, valueLength: number): number {
    const nameLength = PATH_NAME.length;
    const valueStart = start + nameLength + 2;
    const arg = lineArg(LINE_PATH, source, valueStart, valueStart + valueLength);
    return this.intern(source, start, nameLength, valueLength, LINE_PATH << 8, arg);
  }

  /** Begins another segment; false when there is none to write to now. */
  #openNext(): boolean {
    const { segments, segmentBytes, segmentLines } = this.#sizes;
    if (this.#segment >= 0) this.#ends[this.#segment] = this.#number;
    if (this.#opened < segments) this.#segment = this.#opened++;
    else {
      if (this.#given < 0 || !this.lines.isOver()) return false;
      this.#segment = this.#given;
      this.#given = -1;
    }
    this.#used = this.#start + this.#segment * segmentBytes;
    this.#endBytes = this.#used + segmentBytes;
    this.#number = STATIC_COUNT + 1 + this.#segment * segmentLines;
    this.#endNumber = this.#number + segmentLines;
    this.round++;
    if (this.#opened === segments) this.#giveUp((this.#segment + 1) % segments);
    return true;
  }

  #giveUp(segment: number): void {
    const first = STATIC_COUNT + 1 + segment * this.#sizes.segmentLines;
    const end = this.#ends[segment] as number;
    for (let number = first; number < end; number++) this.#unlink(number);
    this.#given = segment;
    this.lines.turn();
  }

  #unlink(number: number): void {
    const at = number * LINE_STRIDE;
    (this.facts[at + LINE_SERIAL] as number)++;
    const bucket = (this.facts[at + LINE_HASH] as number) & (BUCKETS - 1);
    let before = this.#buckets[bucket] as number;
    if (before === number) {
      this.#buckets[bucket] = this.#next[number] as number;
      return;
    }
    while (this.#next[before] !== number) before = this.#next[before] as number;
    this.#next[before] = this.#next[number] as number;
  }

  nameFactsOf(number: number): NameFacts {
    const at = number * LINE_STRIDE;
    return ((this.facts[at + LINE_KIND] as number) << 8) | (this.facts[at + LINE_ID] as number);
  }
  valueStart(number: number): number {
    return this.facts[number * LINE_STRIDE + LINE_VALUE_START] as number;
  }
  valueEnd(number: number): number {
    return this.facts[number * LINE_STRIDE + LINE_VALUE_END] as number;
  }
  nameStart(number: number): number {
    return this.facts[number * LINE_STRIDE + LINE_START] as number;
  }
  nameLength(number: number): number {
    return (this.facts[number * LINE_STRIDE + LINE_NAME_END] as number) - this.nameStart(number);
  }

  #isLine(
    number: number,
    source: Uint8Array,
    start: number,
    nameLength: number,
    valueLength: number,
    known: NameFacts,
    hash: number,
  ): boolean {
    const facts = this.facts;
    const at = number * LINE_STRIDE;
    if (facts[at + LINE_HASH] !== hash || facts[at + LINE_KIND] !== kindOf(known)) return false;
    const bytes = this.lines.bytes;
    const valueStart = facts[at + LINE_VALUE_START] as number;
    if ((facts[at + LINE_VALUE_END] as number) - valueStart !== valueLength) return false;
    for (let i = 0; i < valueLength; i++)
      if (bytes[valueStart + i] !== source[start + nameLength + 2 + i]) return false;
    // :authority is the only one of its kind, and is kept as Host.
    if (kindOf(known) === LINE_AUTHORITY) return true;
    const nameStart = facts[at + LINE_START] as number;
    if ((facts[at + LINE_NAME_END] as number) - nameStart !== nameLength) return false;
    for (let i = 0; i < nameLength; i++) if (bytes[nameStart + i] !== source[start + i]) return false;
    return true;
  }

  #put(
    source: Uint8Array,
    start: number,
    nameLength: number,
    valueLength: number,
    known: NameFacts,
    arg: number,
    hash: number,
  ): number {
    const number = this.#number++;
    const bytes = this.lines.bytes;
    const nameStart = this.#used;
    const isAuthority = kindOf(known) === LINE_AUTHORITY;
    const nameFrom = isAuthority ? HOST_NAME : source;
    const from = isAuthority ? 0 : start;
    const nameEnd = nameStart + (isAuthority ? HOST_NAME.length : nameLength);
    for (let at = nameStart; at < nameEnd; at++) bytes[at] = nameFrom[from + at - nameStart] as number;
    bytes[nameEnd] = 0x3a;
    bytes[nameEnd + 1] = 0x20;
    const valueStart = nameEnd + 2;
    const valueEnd = valueStart + valueLength;
    for (let i = 0; i < valueLength; i++) bytes[valueStart + i] = source[start + nameLength + 2 + i] as number;
    bytes[valueEnd] = 0x0d;
    bytes[valueEnd + 1] = 0x0a;
    this.#used = valueEnd + 2;
    const facts = this.facts;
    const at = number * LINE_STRIDE;
    facts[at + LINE_START] = nameStart;
    facts[at + LINE_NAME_END] = nameEnd;
    facts[at + LINE_VALUE_START] = valueStart;
    facts[at + LINE_VALUE_END] = valueEnd;
    facts[at + LINE_ID] = idOf(known);
    facts[at + LINE_KIND] = kindOf(known);
    facts[at + LINE_ARG] = arg;
    facts[at + LINE_SIZE] = nameLength + valueLength + ENTRY_OVERHEAD;
    (facts[at + LINE_SERIAL] as number)++;
    facts[at + LINE_HASH] = hash;
    this.#next[number] = this.#buckets[hash & (BUCKETS - 1)] as number;
    this.#buckets[hash & (BUCKETS - 1)] = number;
    return number;
  }
}

function hashOf(source: Uint8Array, start: number, nameLength: number, valueLength: number): number {
  let hash = nameLength;
  for (let i = 0; i < nameLength + 2 + valueLength; i++)
    hash = Math.imul(hash ^ (source[start + i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}
