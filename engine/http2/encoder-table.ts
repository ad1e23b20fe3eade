/** EncoderTable: the dynamic table of an encoder, with the ways to find a line in it, and what is worth a place there. */
import { lowerCase } from '../base/ascii.js';
import { sameWords } from '../base/words.js';
import { N } from '../http/names.js';
import { LINE_PATH, LINE_PROTOCOL } from './header-rules.js';
import {
  ENTRY_ARG,
  ENTRY_FIRST,
  ENTRY_NAME_FACTS,
  ENTRY_NAME_LENGTH,
  ENTRY_OVERHEAD,
  ENTRY_SECOND,
  ENTRY_START,
  ENTRY_THIRD,
  ENTRY_VALUE_LENGTH,
  HpackTable,
} from './hpack-table.js';

// Lines are found by the number of an interned one, by being the same as the last one of that name, or by their hash.
// What was evicted needs no unlinking: chains lead from newer entries to older ones, and end at the first that is gone.

/** Ids of pseudo-header fields, above those of names.ts: this and their kind. */
export const PSEUDO_ID = 112;
const IDS = PSEUDO_ID + LINE_PROTOCOL + 1;
/** Lines without an id are remembered by their place in the head. */
const PLACES = 16;
const KEYS = IDS + PLACES;
const PATH_ID = PSEUDO_ID + LINE_PATH;

const LINE_PREVIOUS = ENTRY_FIRST;
const NAME_PREVIOUS = ENTRY_SECOND;
const HASH = ENTRY_THIRD;
const ID = ENTRY_NAME_FACTS;
const NAME_HASH = ENTRY_ARG;

const BUCKETS = 64;
/** Per interned line: its number, its serial, the entry, the turn of its name. */
const INTERN_SLOTS = 64;
const INTERN_STRIDE = 4;
/** A name of which so many lines in a row went in for nothing waits until one is seen twice. */
const WASTED_MAX = 4;
/** Of the table; larger lines would push out too much (as in nghttp2). */
const LARGEST_SHARE = 0.75;

/** Their values seldom repeat, so they are put into the table when one has come twice in a row. */
const VOLATILE = new Uint8Array(IDS);
for (const id of [
  PATH_ID,
  N['content-length'],
  N.age,
  N.etag,
  N['if-modified-since'],
  N['if-none-match'],
  N.location,
  N['x-request-id'],
  N.traceparent,
])
  VOLATILE[id] = 1;

const NONE = new Int32Array(0);
const NOTHING_RECENT = new Int32Array(KEYS);

export class EncoderTable {
  readonly #table: HpackTable;
  /** Where most lines are, to compare faster there. */
  readonly #arena: Uint8Array;
  readonly #arenaView: DataView;
  // Made with the first entry: most connections that are idle have sent little. Entries are kept as number + 1.
  #lines = NONE;
  #names = NONE;
  #recent = NOTHING_RECENT;
  #interned = NONE;
  /** By name: the hash of the line that was last left out, and how many went in without being found again. */
  #leftOut = NONE;
  #wasted = NONE;

  constructor(maxBytes: number, arena: Uint8Array, arenaView: DataView) {
    this.#table = new HpackTable(maxBytes);
    this.#arena = arena;
    this.#arenaView = arenaView;
  }

  get maxBytes(): number {
    return this.#table.maxBytes;
  }

  setMaxBytes(maxBytes: number): void {
    this.#table.setMaxBytes(maxBytes);
  }

  /** What is added to minus an entry's number to get its index, less the static table's. */
  get inserted(): number {
    return this.#table.inserted;
  }

  /** Entry of an interned line; -1 = it is not known by that. */
  findInterned(number: number, serial: number): number {
    const interned = this.#interned;
    if (interned.length === 0) return -1;
    const at = (number & (INTERN_SLOTS - 1)) * INTERN_STRIDE;
    if (interned[at] !== number || interned[at + 1] !== serial) return -1;
    const entry = interned[at + 2] as number;
    if (entry < this.#table.oldest) return -1;
    this.#keepOn(interned[at + 3] as number);
    return entry;
  }

  /** Remembers that an interned line is in this entry, and that names of this turn are worth their places. */
  noteInterned(number: number, serial: number, entry: number): void {
    const interned = this.#interned;
    const at = (number & (INTERN_SLOTS - 1)) * INTERN_STRIDE;
    const facts = this.#table.facts;
    const of = this.#table.entryAt(entry);
    interned[at] = number;
    interned[at + 1] = serial;
    interned[at + 2] = entry;
    interned[at + 3] = turnOf(facts[of + ID] as number, facts[of + NAME_HASH] as number);
  }

  /**
   * The entry that was last found under this key, if it is this line; -1 otherwise. Name and value are in one array,
   * with two bytes between. keyOf() says what the key is.
   */
  findRecent(
    key: number,
    id: number,
    bytes: Uint8Array,
    nameStart: number,
    valueStart: number,
    valueEnd: number,
  ): number {
    const entry = (this.#recent[key] as number) - 1;
    const table = this.#table;
    if (entry < table.oldest) return -1;
    const facts = table.facts;
    const at = table.entryAt(entry);
    if (facts[at + ENTRY_VALUE_LENGTH] !== valueEnd - valueStart || facts[at + ID] !== id) return -1;
    const nameLength = facts[at + ENTRY_NAME_LENGTH] as number;
    let to = facts[at + ENTRY_START] as number;
    let from = nameStart;
    // A name with an id is the same by that.
    if (id !== 0) {
      to += nameLength + 2;
      from = valueStart;
    } else if (nameLength !== valueStart - 2 - nameStart) return -1;
    if (bytes === this.#arena) {
      if (!sameWords(this.#arenaView, from, table.view, to, valueEnd - from)) return -1;
    } else {
      const own = table.bytes;
      // From the end: values that share a beginning are more frequent than those that share an end.
      for (let i = valueEnd - from - 1; i >= 0; i--) if (own[to + i] !== bytes[from + i]) return -1;
    }
    this.#keepOn(turnOf(id, facts[at + NAME_HASH] as number));
    return entry;
  }

  #hasValue(entry: number, value: Uint8Array, start: number, end: number): boolean {
    const table = this.#table;
    const facts = table.facts;
    const at = table.entryAt(entry);
    const length = facts[at + ENTRY_VALUE_LENGTH] as number;
    if (length !== end - start) return false;
    const bytes = table.bytes;
    const from = (facts[at + ENTRY_START] as number) + (facts[at + ENTRY_NAME_LENGTH] as number) + 2;
    for (let i = 0; i < length; i++) if (bytes[from + i] !== value[start + i]) return false;
    return true;
  }

  #hasName(entry: number, name: Uint8Array, start: number, end: number): boolean {
    const table = this.#table;
    const at = table.entryAt(entry);
    if (table.facts[at + ENTRY_NAME_LENGTH] !== end - start) return false;
    const from = table.facts[at + ENTRY_START] as number;
    for (let i = 0; i < end - start; i++)
      if (table.bytes[from + i] !== lowerCase(name[start + i] as number)) return false;
    return true;
  }

  /** Entry of the line with this hash; -1 = there is none. */
  find(
    key: number,
    id: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    hash: number,
  ): number {
    if (this.#lines.length === 0) return -1;
    const table = this.#table;
    const facts = table.facts;
    let entry = (this.#lines[hash & (BUCKETS - 1)] as number) - 1;
    while (entry >= table.oldest) {
      const at = table.entryAt(entry);
      if (
        table.facts[at + HASH] === hash &&
        table.facts[at + ID] === id &&
        this.#hasValue(entry, value, valueStart, valueEnd) &&
        (id !== 0 || this.#hasName(entry, name, nameStart, nameEnd))
      ) {
        this.#recent[key] = entry + 1;
        this.#keepOn(turnOf(id, facts[at + NAME_HASH] as number));
        return entry;
      }
      entry = table.facts[at + LINE_PREVIOUS] as number;
    }
    return -1;
  }

  /** Newest entry with this name; -1 = there is none. */
  findName(id: number, name: Uint8Array, nameStart: number, nameEnd: number, nameHash: number): number {
    if (this.#names.length === 0) return -1;
    const table = this.#table;
    let entry = (this.#names[nameHash & (BUCKETS - 1)] as number) - 1;
    while (entry >= table.oldest) {
      const at = table.entryAt(entry);
      if (
        table.facts[at + NAME_HASH] === nameHash &&
        table.facts[at + ID] === id &&
        (id !== 0 || this.#hasName(entry, name, nameStart, nameEnd))
      )
        return entry;
      entry = table.facts[at + NAME_PREVIOUS] as number;
    }
    return -1;
  }

  /** A line of this name was found: it pays to keep them. */
  #keepOn(turn: number): void {
    if (this.#wasted[turn] !== 0) this.#wasted[turn] = 0;
  }

  /** Is a line that was not found worth a place? Asked once per line. hasName: a table has an entry with its name. */
  isWorthIt(id: number, sizeBytes: number, hash: number, nameHash: number, hasName: boolean): boolean {
    if (sizeBytes > this.#table.maxBytes * LARGEST_SHARE) return false;
    if (this.#lines.length === 0) this.#make();
    // The lines behind it say the name in a byte or two, whatever their values are.
    if (id !== 0 && !hasName) return true;
    const at = turnOf(id, nameHash);
    if ((VOLATILE[id] === 1 || (this.#wasted[at] as number) >= WASTED_MAX) && this.#leftOut[at] !== hash) {
      this.#leftOut[at] = hash;
      return false;
    }
    (this.#wasted[at] as number)++;
    return true;
  }

  #make(): void {
    this.#lines = new Int32Array(BUCKETS);
    this.#names = new Int32Array(BUCKETS);
    this.#recent = new Int32Array(KEYS);
    this.#interned = new Int32Array(INTERN_SLOTS * INTERN_STRIDE);
    this.#leftOut = new Int32Array(IDS + 128);
    this.#wasted = new Int32Array(IDS + 128);
  }

  /** Adds a line that isWorthIt(), and so fits; answers its entry. */
  add(
    key: number,
    id: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    hash: number,
    nameHash: number,
  ): number {
    const table = this.#table;
    const nameLength = nameEnd - nameStart;
    const at = table.add(name, nameStart, nameLength, value, valueStart, valueEnd - valueStart);
    const entry = table.inserted - 1;
    const facts = table.facts;
    const start = facts[at + ENTRY_START] as number;
    for (let i = start; i < start + nameLength; i++) table.bytes[i] = lowerCase(table.bytes[i] as number);
    facts[at + ID] = id;
    facts[at + HASH] = hash;
    facts[at + NAME_HASH] = nameHash;
    facts[at + LINE_PREVIOUS] = (this.#lines[hash & (BUCKETS - 1)] as number) - 1;
    facts[at + NAME_PREVIOUS] = (this.#names[nameHash & (BUCKETS - 1)] as number) - 1;
    this.#lines[hash & (BUCKETS - 1)] = entry + 1;
    this.#names[nameHash & (BUCKETS - 1)] = entry + 1;
    this.#recent[key] = entry + 1;
    return entry;
  }
}

/** What lines of this id, at this place of a head, are remembered under. */
export function keyOf(id: number, slot: number): number {
  return id !== 0 ? id : IDS + (slot & (PLACES - 1));
}

/** Names take turns at the table by id; those without one share some places. */
function turnOf(id: number, nameHash: number): number {
  return id !== 0 ? id : IDS + (nameHash & 127);
}

/** Hash of a name: of its id where it has one, else of its bytes in lower case. */
export function hashOfName(id: number, name: Uint8Array, start: number, end: number): number {
  if (id !== 0) return Math.imul(id, 0x9e3779b1);
  let hash = 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ lowerCase(name[at] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Hash of a line whose name has this hash. */
export function hashOfLine(nameHash: number, value: Uint8Array, start: number, end: number): number {
  let hash = nameHash;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (value[at] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** RFC 7541 §4.1. */
export function lineSize(nameLength: number, valueLength: number): number {
  return nameLength + valueLength + ENTRY_OVERHEAD;
}
