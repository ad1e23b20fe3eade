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

const SIZE = 0;
const SIZE_DIGITS = 1;
const SIZE_SPACE = 2;
const EXTENSION_START = 3;
const EXTENSION = 4;
const SIZE_LF = 5;
const DATA = 6;
const DATA_CR = 7;
const DATA_LF = 8;
const QUOTED = 9;
const QUOTED_PAIR = 10;

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
      case SIZE_SPACE:
        if (byte === 0x20 || byte === 9) return 0;
        if (byte !== 0x3b) return BAD_CHUNK_SIZE;
        this.#state = EXTENSION_START;
        return 0;
      case EXTENSION_START:
        if (byte === 0x20 || byte === 9) return this.#countExtension();
        if (TOKEN[byte] === 0) return BAD_CHUNK_EXTENSION;
        this.#state = EXTENSION;
        return this.#countExtension();
      case EXTENSION:
        return this.#stepExtension(byte);
      case QUOTED:
        if (byte === 0x22) this.#state = EXTENSION;
        else if (byte === 0x5c) this.#state = QUOTED_PAIR;
        return FIELD_VALUE[byte] === 0 ? BAD_CHUNK_EXTENSION : this.#countExtension();
      case QUOTED_PAIR:
        this.#state = QUOTED;
        return FIELD_VALUE[byte] === 0 ? BAD_CHUNK_EXTENSION : this.#countExtension();
      case SIZE_LF:
        this.#state = DATA;
        return byte === 0x0a ? 0 : BAD_CHUNK_SIZE;
      case DATA_CR:
        this.#state = DATA_LF;
        return byte === 0x0d ? 0 : BAD_CHUNK_END;
      default:
        this.#state = SIZE;
        this.#size = 0;
        this.#digits = 0;
        return byte === 0x0a ? 0 : BAD_CHUNK_END;
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
    if (byte === 0x0d) this.#state = SIZE_LF;
    else if (byte === 0x3b) this.#state = EXTENSION_START;
    else if (byte === 0x20 || byte === 9) this.#state = SIZE_SPACE;
    else return BAD_CHUNK_SIZE;
    return 0;
  }

  /** Behind the first byte of a name: token, "=", token or quoted string, the next ";", or the line's end. */
  #stepExtension(byte: number): FaultCode {
    if (byte === 0x0d) this.#state = SIZE_LF;
    else if (byte === 0x3b) this.#state = EXTENSION_START;
    else if (byte === 0x22) this.#state = QUOTED;
    else if (TOKEN[byte] === 0 && byte !== 0x3d && byte !== 0x20 && byte !== 9) return BAD_CHUNK_EXTENSION;
    return this.#countExtension();
  }

  #countExtension(): FaultCode {
    return ++this.#extensionBytes > EXTENSIONS_MAX_BYTES ? BAD_CHUNK_EXTENSION : 0;
  }
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
