/** Chunked coding: a resumable reader that lends data ranges, and the writer of chunk frames (RFC 9112 §7.1). */
import { FIELD_VALUE, hexValue, TOKEN, writeHex } from '../base/ascii.js';
import { BAD_CHUNK_END, BAD_CHUNK_EXTENSION, BAD_CHUNK_SIZE, type FaultCode } from '../fault/faults.js';
import type { Arena, Conn } from '../io/transport.js';

/** Extension bytes per message. They carry nothing that we pass on; without a bound they feed a connection for free. */
const EXTENSIONS_MAX_BYTES = 16 * 1024;
/** Hex digits that fit 2^53 - 1. */
const DIGITS_MAX = 13;

// What next() answers.
export const CHUNK_MORE = 0;
/** [dataStart, dataEnd) is data. */
export const CHUNK_DATA = 1;
/** The last chunk's line is over: trailers or the empty line follow at `at`. */
export const CHUNK_LAST = 2;
export const CHUNK_FAULT = 3;

// Where the reader stands; RFC 9112 §7.1 and §7.1.1, to the letter:
//   SIZE digits [BWS] (";" [BWS] NAME [[BWS] "=" [BWS] (token | quoted)] [BWS])* CRLF data CRLF
// with BWS only where another ";" or "=" follows.
const SIZE = 0;
const SIZE_DIGITS = 1;
/** White space behind the size or an extension: only ";" may follow. */
const GAP = 2;
const NAME_START = 3;
const NAME = 4;
/** White space behind a name: "=" or ";" may follow. */
const NAME_GAP = 5;
const VALUE_START = 6;
const VALUE = 7;
const QUOTED = 8;
const QUOTED_PAIR = 9;
/** Behind a closing quote. */
const VALUE_END = 10;
const SIZE_LF = 11;
const DATA = 12;
const DATA_CR = 13;
const DATA_LF = 14;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class ChunkedReader {
  /** Offset behind what was read. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  fault: FaultCode = 0;
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;

  reset(): void {
    this.at = 0;
    this.dataStart = 0;
    this.dataEnd = 0;
    this.fault = 0;
    this.#state = SIZE;
    this.#size = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
  }

  /** Reads from bytes[at, end) to the next thing worth telling. */
  next(bytes: Uint8Array, at: number, end: number): number {
    if (this.#state === DATA && at < end) return this.#takeData(at, end);
    while (at < end) {
      const fault = this.#step(bytes[at] as number);
      if (fault !== 0) {
        this.fault = fault;
        this.at = at;
        return CHUNK_FAULT;
      }
      at++;
      if (this.#state === DATA) {
        if (this.#size === 0) {
          this.at = at;
          this.#state = SIZE;
          return CHUNK_LAST;
        }
        if (at < end) return this.#takeData(at, end);
      }
    }
    this.at = at;
    return CHUNK_MORE;
  }

  #takeData(at: number, end: number): number {
    const length = Math.min(this.#size, end - at);
    this.dataStart = at;
    this.dataEnd = at + length;
    this.at = at + length;
    this.#size -= length;
    if (this.#size === 0) this.#state = DATA_CR;
    return CHUNK_DATA;
  }

  /** One byte outside of data; 0 = fine. */
  #step(byte: number): FaultCode {
    switch (this.#state) {
      case SIZE:
      case SIZE_DIGITS:
        return this.#stepSize(byte);
      case SIZE_LF:
        this.#state = DATA;
        return byte === LF ? 0 : BAD_CHUNK_SIZE;
      case DATA_CR:
        this.#state = DATA_LF;
        return byte === CR ? 0 : BAD_CHUNK_END;
      case DATA_LF:
        this.#state = SIZE;
        this.#size = 0;
        this.#digits = 0;
        return byte === LF ? 0 : BAD_CHUNK_END;
      default:
        if (++this.#extensionBytes > EXTENSIONS_MAX_BYTES) return BAD_CHUNK_EXTENSION;
        return this.#stepExtension(byte) ? 0 : BAD_CHUNK_EXTENSION;
    }
  }

  #stepSize(byte: number): FaultCode {
    const value = hexValue(byte);
    if (value >= 0) {
      this.#state = SIZE_DIGITS;
      // A size that wraps around in some other reader is the attack; leading zeros beyond any use are too.
      if (++this.#digits > DIGITS_MAX) return BAD_CHUNK_SIZE;
      this.#size = this.#size * 16 + value;
      return 0;
    }
    if (this.#state === SIZE) return BAD_CHUNK_SIZE;
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === SEMICOLON) this.#state = NAME_START;
    else if (isBlank(byte)) this.#state = GAP;
    else return BAD_CHUNK_SIZE;
    return 0;
  }

  /** One byte behind the size; false = not allowed here. */
  #stepExtension(byte: number): boolean {
    switch (this.#state) {
      case GAP:
        if (byte === SEMICOLON) this.#state = NAME_START;
        else return isBlank(byte);
        return true;
      case NAME_START:
      case VALUE_START:
        if (isBlank(byte)) return true;
        if (byte === QUOTE && this.#state === VALUE_START) this.#state = QUOTED;
        else if (TOKEN[byte] !== 0) this.#state = this.#state === NAME_START ? NAME : VALUE;
        else return false;
        return true;
      case NAME:
      case NAME_GAP:
        if (byte === EQUALS) this.#state = VALUE_START;
        else if (isBlank(byte)) this.#state = NAME_GAP;
        else if (TOKEN[byte] === 0 || this.#state === NAME_GAP) return this.#endExtension(byte, this.#state === NAME);
        return true;
      case VALUE:
        if (isBlank(byte)) this.#state = GAP;
        else if (TOKEN[byte] === 0) return this.#endExtension(byte, true);
        return true;
      case QUOTED:
        if (byte === QUOTE) this.#state = VALUE_END;
        else if (byte === BACKSLASH) this.#state = QUOTED_PAIR;
        return FIELD_VALUE[byte] !== 0;
      case QUOTED_PAIR:
        this.#state = QUOTED;
        return FIELD_VALUE[byte] !== 0;
      default:
        if (isBlank(byte)) this.#state = GAP;
        else return this.#endExtension(byte, true);
        return true;
    }
  }

  #endExtension(byte: number, mayEndLine: boolean): boolean {
    if (byte === SEMICOLON) this.#state = NAME_START;
    else if (byte === CR && mayEndLine) this.#state = SIZE_LF;
    else return false;
    return true;
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

const LAST_CHUNK = new TextEncoder().encode('0\r\n');

/** "size CRLF data CRLF", and with `last` the last chunk and the empty line; true = the connection is full. */
export function writeChunk(
  conn: Conn,
  arena: Arena,
  bytes: Uint8Array,
  start: number,
  end: number,
  last: boolean,
): boolean {
  const target = arena.bytes;
  if (end > start) {
    const from = arena.reserve(18);
    let at = writeHex(target, from, end - start);
    target[at++] = 0x0d;
    target[at++] = 0x0a;
    arena.commit(at);
    conn.write(target, from, at);
    conn.write(bytes, start, end);
  }
  const from = arena.reserve(7);
  let at = from;
  if (end > start) at = writeLineEnd(target, at);
  if (last) at = writeLineEnd(target, writeLastChunk(target, at));
  arena.commit(at);
  return conn.write(target, from, at);
}

export function writeLastChunk(target: Uint8Array, at: number): number {
  for (let i = 0; i < LAST_CHUNK.length; i++) target[at + i] = LAST_CHUNK[i] as number;
  return at + LAST_CHUNK.length;
}

export function writeLineEnd(target: Uint8Array, at: number): number {
  target[at] = 0x0d;
  target[at + 1] = 0x0a;
  return at + 2;
}
