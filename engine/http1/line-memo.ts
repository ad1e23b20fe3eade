/** LineMemo: field lines that were read before are recognised by comparing words, not scanned byte by byte again. */
import { N } from '../http/names.js';

// Clients and servers repeat themselves: of a request's fields most were in the request before, byte for byte. Only
// lines that passed every check are remembered, so an equal one passes too. Fields whose meaning depends on the others
// of their head (lengths, codings) are not remembered: the parser looks at them each time.

const SLOTS = 256;
const LINE_WORDS = 64;
const LINE_MAX_BYTES = LINE_WORDS * 4;
const LINE_MIN_BYTES = 8;
/** So many bytes, be they of one line or of two, choose the slot; a shorter rest is scanned. */
const LINE_KEY_BYTES = 16;
/** A line that was not met so many times in a row makes room for the one that came. */
const MISSES_MAX = 4;

// Facts of a remembered line: its length, then these; offsets relative to its first byte.
const STRIDE = 8;
const NAME_END = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ID = 4;
const FLAGS = 5;
/** Last four bytes: they overlap the word before when the length is no multiple of four. */
const TAIL = 6;
const MISSES = 7;

/** Credentials are never remembered: how long a comparison takes must tell nobody anything about them. */
const SECRETS: ReadonlySet<number> = new Set([N.authorization, N['proxy-authorization'], N.cookie, N['set-cookie']]);

export class LineMemo {
  /** The array whose lines are looked at: a worker's arena. Lines elsewhere are rare, and scanned. */
  bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #words = new Int32Array(SLOTS * LINE_WORDS);
  readonly #facts = new Int32Array(SLOTS * STRIDE);

  watch(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Handle of the remembered line that bytes[at, end) begin with; -1 = none. */
  find(at: number, end: number): number {
    if (end - at < LINE_KEY_BYTES) return -1;
    const slot = this.#slotAt(at);
    const facts = this.#facts;
    const handle = slot * STRIDE;
    const length = facts[handle] as number;
    if (length === 0 || length > end - at) return -1;
    const view = this.#view;
    const words = this.#words;
    const last = at + length - 4;
    let word = slot * LINE_WORDS;
    for (let from = at; from < last; from += 4) if (view.getInt32(from, true) !== words[word++]) return -1;
    if (view.getInt32(last, true) !== facts[handle + TAIL]) return -1;
    if (facts[handle + MISSES] !== 0) facts[handle + MISSES] = 0;
    return handle;
  }

  /** Passes over printable ASCII in bytes[at, end), four at a time; stops at or before the first byte that is not. */
  skipText(at: number, end: number): number {
    const view = this.#view;
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at, true);
      // The high bit of a byte is set where it is below 0x20, above 0x7e, or next to one that is.
      if (((word - 0x20202020) | (word + 0x01010101) | word) & 0x80808080) break;
    }
    return at;
  }

  length(handle: number): number {
    return this.#facts[handle] as number;
  }
  nameEnd(handle: number): number {
    return this.#facts[handle + NAME_END] as number;
  }
  valueStart(handle: number): number {
    return this.#facts[handle + VALUE_START] as number;
  }
  valueEnd(handle: number): number {
    return this.#facts[handle + VALUE_END] as number;
  }
  id(handle: number): number {
    return this.#facts[handle + ID] as number;
  }
  flags(handle: number): number {
    return this.#facts[handle + FLAGS] as number;
  }

  /** A line that was scanned: bytes[start, end) with its CRLF, received up to `received`; all offsets are into bytes. */
  learn(
    start: number,
    end: number,
    received: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    id: number,
    flags: number,
  ): void {
    const length = end - start;
    if (length < LINE_MIN_BYTES || length > LINE_MAX_BYTES || received - start < LINE_KEY_BYTES) return;
    const slot = this.#slotAt(start);
    const facts = this.#facts;
    const handle = slot * STRIDE;
    if (facts[handle] !== 0 && ++(facts[handle + MISSES] as number) < MISSES_MAX) return;
    if (SECRETS.has(id)) return;
    const view = this.#view;
    let word = slot * LINE_WORDS;
    for (let from = start; from < end - 4; from += 4) this.#words[word++] = view.getInt32(from, true);
    facts[handle] = length;
    facts[handle + NAME_END] = nameEnd - start;
    facts[handle + VALUE_START] = valueStart - start;
    facts[handle + VALUE_END] = valueEnd - start;
    facts[handle + ID] = id;
    facts[handle + FLAGS] = flags;
    facts[handle + TAIL] = view.getInt32(end - 4, true);
    facts[handle + MISSES] = 0;
  }

  #slotAt(at: number): number {
    const view = this.#view;
    const mixed =
      Math.imul(view.getInt32(at, true), 0x9e3779b1) ^
      Math.imul(view.getInt32(at + 8, true), 0x85ebca6b) ^
      Math.imul(view.getInt32(at + 12, true), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
  }
}

/** One per role, since requests and responses have rules of their own, and per thread, as every module is. */
export const REQUEST_LINES = new LineMemo();
export const RESPONSE_LINES = new LineMemo();

/** Lines in these bytes are remembered from now on. */
export function rememberLines(arena: Uint8Array): void {
  REQUEST_LINES.watch(arena);
  RESPONSE_LINES.watch(arena);
}
