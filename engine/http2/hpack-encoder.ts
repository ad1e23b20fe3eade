/** HpackEncoder: a Head of the common form to a header block (RFC 7541 §6), lines that repeat as one byte each. */
import { isNominated, listsTrailers } from '../http/connection-options.js';
import {
  FIELD_ADDED,
  FIELD_INTERNED,
  FIELD_NEVER_INDEXED,
  FIELD_REMOVED,
  HEAD_AUTHORITY_FORM,
  HEAD_EXTENDED_CONNECT,
  HEAD_HTTPS,
  HEAD_NOMINATES,
  type Head,
  INTERN_SHIFT,
} from '../http/head.js';
import { CONNECTION_FIELDS_MAX, isForbiddenTrailer } from '../http/hop-by-hop.js';
import { METHOD_BYTES, METHOD_GET, METHOD_POST } from '../http/methods.js';
import { N, NAME_BYTES, nameIdOf } from '../http/names.js';
import { EncoderTable, hashOfLine, hashOfName, lineSize, PSEUDO_ID } from './encoder-table.js';
import { type FieldInterns, LINE_SERIAL, LINE_STRIDE } from './field-interns.js';
import { LINE_AUTHORITY, LINE_METHOD, LINE_PATH, LINE_PROTOCOL, LINE_STATUS, PSEUDO_NAMES } from './header-rules.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS, type BlockKind } from './hpack-decoder.js';
import { writeInteger, writeName, writeString } from './hpack-strings.js';
import { STATIC_COUNT, STATIC_TABLE } from './hpack-static.js';

const TE = N.te;
const CONTENT_LENGTH = N['content-length'];
const EXPECT = N.expect;
const TRAILER = N.trailer;
const UPGRADE = N.upgrade;
const COOKIE = N.cookie;
const ACCEPT_ENCODING = N['accept-encoding'];

const METHOD_ID = PSEUDO_ID + LINE_METHOD;
const AUTHORITY_ID = PSEUDO_ID + LINE_AUTHORITY;
const PATH_ID = PSEUDO_ID + LINE_PATH;
const STATUS_ID = PSEUDO_ID + LINE_STATUS;
const PROTOCOL_ID = PSEUDO_ID + LINE_PROTOCOL;

/** First bytes (RFC 7541 §6) and the bits of their integers. */
const INDEXED = 0x80;
const INDEXED_BITS = 0x7f;
const WITH_INDEXING = 0x40;
const WITH_INDEXING_BITS = 0x3f;
const WITHOUT_INDEXING = 0;
const NEVER_INDEXED = 0x10;
const LITERAL_BITS = 0x0f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_BITS = 0x1f;

/** Static indices of what is written for every request. */
const GET_INDEX = 2;
const POST_INDEX = 3;
const ROOT_INDEX = 4;
const HTTP_INDEX = 6;
const HTTPS_INDEX = 7;
const GZIP_INDEX = 16;

const encoder = new TextEncoder();
const CONNECT = encoder.encode('CONNECT');
const TRAILERS = encoder.encode('trailers');
const GZIP_DEFLATE = encoder.encode('gzip, deflate');
const statusDigits = new Uint8Array(3);
const STATUS_NAME = PSEUDO_NAMES[LINE_STATUS] as Uint8Array;

/** First static entry of each name, and the entry of each status. */
const STATIC_NAMES = new Uint8Array(128);
const STATUS_INDEX = new Uint8Array(1000);
for (let index = STATIC_COUNT; index > 0; index--) {
  const [name, value] = STATIC_TABLE[index] as readonly [string, string];
  if (name === ':status') STATUS_INDEX[Number(value)] = index;
  STATIC_NAMES[name.startsWith(':') ? PSEUDO_ID + pseudoKind(name) : nameIdOf(name)] = index;
}

/** RFC 7541 §7.1.3: what an attacker would guess piece by piece, or nobody sends again. */
const SECRETS = new Uint8Array(128);
for (const id of [N.authorization, N['proxy-authorization'], N['set-cookie']]) SECRETS[id] = 1;
/** Shorter cookies are guessed too easily (as in nghttp2). */
const COOKIE_MIN_BYTES = 20;

/** SETTINGS_HEADER_TABLE_SIZE until the peer says another. */
const DEFAULT_TABLE_BYTES = 4096;
/** A literal's first byte with the index of its name, and two lengths. */
const LITERAL_OVERHEAD = 15;
/** Two size updates and the pseudo-header fields but for their values. */
const BLOCK_OVERHEAD = 128;

function pseudoKind(name: string): number {
  return PSEUDO_NAMES.findIndex((bytes) => String.fromCharCode(...bytes) === name);
}

export class HpackEncoder {
  readonly #interns: FieldInterns;
  readonly #table: EncoderTable;
  readonly #maxTableBytes: number;
  /** Smallest and last size since the last block (RFC 7541 §4.2); -1 = neither changed. */
  #leastBytes = -1;
  #nextBytes = -1;

  /** maxTableBytes: what this side spends on a table, whatever the peer offers. */
  constructor(interns: FieldInterns, maxTableBytes: number) {
    this.#interns = interns;
    this.#maxTableBytes = maxTableBytes;
    this.#table = new EncoderTable(Math.min(DEFAULT_TABLE_BYTES, maxTableBytes));
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

  /** Upper bound of the bytes that encode() may write for this head. */
  sizeBound(head: Head): number {
    let bound = BLOCK_OVERHEAD + head.pathEnd - head.pathStart + head.authorityEnd - head.authorityStart;
    bound += head.methodEnd - head.methodStart;
    const slots = head.slots;
    const count = head.fieldCount;
    // Names and values of a slot: offsets 0 to 3, relative to the same place.
    for (let slot = 0, at = head.slotsStart; slot < count; slot++, at += 6)
      bound += (slots[at + 3] as number) - (slots[at] as number) + LITERAL_OVERHEAD;
    return bound;
  }

  /**
   * Writes the block to out[at...]; answers its end. Hop-by-hop fields and those that Connection nominates are left out
   * ("te: trailers" of a request stays), and so is a length where none may be (RFC 9110 §8.6).
   */
  encode(head: Head, kind: BlockKind, out: Uint8Array, at: number): number {
    if (this.#nextBytes >= 0) at = this.#writeSizes(out, at);
    if (kind === BLOCK_REQUEST) at = this.#request(head, out, at);
    else if (kind === BLOCK_RESPONSE) at = this.#status(head.status, out, at);
    let hasLength = kind === BLOCK_RESPONSE && (head.status < 200 || head.status === 204);
    const nominates = (head.flags & HEAD_NOMINATES) !== 0;
    const count = head.fieldCount;
    for (let slot = 0; slot < count; slot++) {
      const flags = head.fieldFlags(slot);
      if ((flags & FIELD_REMOVED) !== 0) continue;
      const id = head.fieldId(slot);
      if (id !== 0 && id <= CONNECTION_FIELDS_MAX) {
        if (id === TE && kind === BLOCK_REQUEST && listsTrailers(head, slot)) at = this.#te(out, at);
        if (id === CONTENT_LENGTH) {
          if (hasLength) continue;
          hasLength = true;
        } else if (id !== EXPECT && id !== TRAILER) continue;
      }
      if (kind === BLOCK_TRAILERS && isForbiddenTrailer(id)) continue;
      // What we added is ours: no peer can nominate it away.
      if (nominates && (flags & FIELD_ADDED) === 0 && isNominatedSlot(head, slot)) continue;
      at = this.#field(head, slot, id, flags, out, at);
    }
    return at;
  }

  #writeSizes(out: Uint8Array, at: number): number {
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

  #request(head: Head, out: Uint8Array, at: number): number {
    const isExtended = (head.flags & HEAD_EXTENDED_CONNECT) !== 0;
    if (isExtended) at = this.#extended(head, out, at);
    else if (head.method === METHOD_GET) out[at++] = INDEXED | GET_INDEX;
    else if (head.method === METHOD_POST) out[at++] = INDEXED | POST_INDEX;
    else if (head.method !== 0) {
      const method = METHOD_BYTES[head.method] as Uint8Array;
      at = this.#pseudo(METHOD_ID, method, 0, method.length, out, at);
    } else at = this.#pseudo(METHOD_ID, head.bytes, head.base + head.methodStart, head.base + head.methodEnd, out, at);
    if ((head.flags & HEAD_AUTHORITY_FORM) === 0) {
      out[at++] = INDEXED | ((head.flags & HEAD_HTTPS) !== 0 ? HTTPS_INDEX : HTTP_INDEX);
      at = this.#path(head, out, at);
    }
    if (head.authorityEnd === head.authorityStart) return at;
    const number = head.authorityIntern;
    const bytes = head.authorityBytes;
    const from = head.authorityFrom;
    const to = head.authorityTo;
    const name = PSEUDO_NAMES[LINE_AUTHORITY] as Uint8Array;
    if (number === 0) return this.#line(AUTHORITY_ID, name, 0, name.length, bytes, from, to, 0, out, at);
    return this.#interned(number, AUTHORITY_ID, name, 0, name.length, bytes, from, to, out, at);
  }

  #path(head: Head, out: Uint8Array, at: number): number {
    const bytes = head.pathBytes;
    const from = head.pathFrom;
    const to = head.pathTo;
    if (to - from === 1 && bytes[from] === 0x2f) {
      out[at] = INDEXED | ROOT_INDEX;
      return at + 1;
    }
    const name = PSEUDO_NAMES[LINE_PATH] as Uint8Array;
    const number = head.pathIntern;
    if (number === 0) return this.#line(PATH_ID, name, 0, name.length, bytes, from, to, 0, out, at);
    return this.#interned(number, PATH_ID, name, 0, name.length, bytes, from, to, out, at);
  }

  /** RFC 8441: an upgrade as CONNECT with :protocol. */
  #extended(head: Head, out: Uint8Array, at: number): number {
    at = this.#pseudo(METHOD_ID, CONNECT, 0, CONNECT.length, out, at);
    const slot = head.find(UPGRADE);
    if (slot < 0) return at;
    return this.#pseudo(PROTOCOL_ID, head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot), out, at);
  }

  #pseudo(id: number, value: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    const name = PSEUDO_NAMES[id - PSEUDO_ID] as Uint8Array;
    return this.#line(id, name, 0, name.length, value, start, end, 0, out, at);
  }

  #status(status: number, out: Uint8Array, at: number): number {
    const index = STATUS_INDEX[status] as number;
    if (index !== 0) {
      out[at] = INDEXED | index;
      return at + 1;
    }
    statusDigits[0] = 0x30 + ((status / 100) | 0);
    statusDigits[1] = 0x30 + (((status / 10) | 0) % 10);
    statusDigits[2] = 0x30 + (status % 10);
    return this.#line(STATUS_ID, STATUS_NAME, 0, STATUS_NAME.length, statusDigits, 0, 3, 0, out, at);
  }

  #te(out: Uint8Array, at: number): number {
    return this.#line(TE, NAME_BYTES[TE] as Uint8Array, 0, 2, TRAILERS, 0, TRAILERS.length, 0, out, at);
  }

  #field(head: Head, slot: number, id: number, flags: number, out: Uint8Array, at: number): number {
    const bytes = head.fieldBytes(slot);
    const nameStart = head.nameStart(slot);
    const nameEnd = head.nameEnd(slot);
    const valueStart = head.valueStart(slot);
    const valueEnd = head.valueEnd(slot);
    if ((flags & FIELD_INTERNED) !== 0)
      return this.#interned(
        flags >>> INTERN_SHIFT,
        id,
        bytes,
        nameStart,
        nameEnd,
        bytes,
        valueStart,
        valueEnd,
        out,
        at,
      );
    return this.#line(id, bytes, nameStart, nameEnd, bytes, valueStart, valueEnd, flags, out, at);
  }

  #interned(
    number: number,
    id: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    value: Uint8Array,
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
    const serial = this.#interns.facts[number * LINE_STRIDE + LINE_SERIAL] as number;
    const entry = table.findInterned(number, serial);
    if (entry >= 0) return this.#index(entry, out, at);
    const before = table.inserted;
    const end = this.#line(id, name, nameStart, nameEnd, value, valueStart, valueEnd, 0, out, at);
    const now = table.inserted > before ? table.inserted - 1 : this.#found;
    if (now >= 0) table.noteInterned(number, serial, now);
    return end;
  }

  /** Entry of the line that #line() just wrote as an index; -1 = it wrote a literal. */
  #found = -1;

  #index(entry: number, out: Uint8Array, at: number): number {
    const index = STATIC_COUNT + this.#table.inserted - entry;
    if (index < INDEXED_BITS) {
      out[at] = INDEXED | index;
      return at + 1;
    }
    return writeInteger(out, at, INDEXED, INDEXED_BITS, index);
  }

  #line(
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
    this.#found = -1;
    if ((flags & FIELD_NEVER_INDEXED) === 0 && id !== 0) {
      const entry = this.#table.findRecent(id, value, valueStart, valueEnd);
      if (entry >= 0) {
        this.#found = entry;
        this.#table.foundAgain(id, 0);
        return this.#index(entry, out, at);
      }
    }
    return this.#search(id, name, nameStart, nameEnd, value, valueStart, valueEnd, flags, out, at);
  }

  /** A line that is not the last one of its name. */
  #search(
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
    const nameHash = hashOfName(id, name, nameStart, nameEnd);
    const staticName = STATIC_NAMES[id] as number;
    let first = NEVER_INDEXED;
    let bits = LITERAL_BITS;
    if ((flags & FIELD_NEVER_INDEXED) === 0 && !isSecret(id, valueEnd - valueStart)) {
      const index = staticIndex(id, staticName, value, valueStart, valueEnd);
      if (index !== 0) {
        out[at] = INDEXED | index;
        return at + 1;
      }
      const hash = hashOfLine(nameHash, value, valueStart, valueEnd);
      const entry = table.find(id, name, nameStart, nameEnd, value, valueStart, valueEnd, hash);
      if (entry >= 0) {
        this.#found = entry;
        table.foundAgain(id, nameHash);
        return this.#index(entry, out, at);
      }
      if (table.isWorthIt(id, lineSize(nameEnd - nameStart, valueEnd - valueStart), hash, nameHash)) {
        // The index of the name is the one before the line goes in (RFC 7541 §2.3.3).
        const nameIndex = this.#nameIndex(id, staticName, name, nameStart, nameEnd, nameHash);
        table.add(id, name, nameStart, nameEnd, value, valueStart, valueEnd, hash, nameHash);
        at = writeName(out, at, WITH_INDEXING, WITH_INDEXING_BITS, nameIndex, name, nameStart, nameEnd);
        return writeString(out, at, value, valueStart, valueEnd);
      }
      first = WITHOUT_INDEXING;
      bits = LITERAL_BITS;
    }
    const nameIndex = this.#nameIndex(id, staticName, name, nameStart, nameEnd, nameHash);
    at = writeName(out, at, first, bits, nameIndex, name, nameStart, nameEnd);
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

function isNominatedSlot(head: Head, slot: number): boolean {
  return isNominated(head, head.fieldId(slot), head.fieldBytes(slot), head.nameStart(slot), head.nameEnd(slot));
}

function isSecret(id: number, valueLength: number): boolean {
  return SECRETS[id] === 1 || (id === COOKIE && valueLength < COOKIE_MIN_BYTES);
}

/** Index of a static entry that has the value too: all but pseudo-header fields and one have an empty one. 0 = none. */
function staticIndex(id: number, staticName: number, value: Uint8Array, start: number, end: number): number {
  if (staticName === 0 || id >= PSEUDO_ID) return 0;
  if (id !== ACCEPT_ENCODING) return start === end ? staticName : 0;
  if (end - start !== GZIP_DEFLATE.length) return 0;
  for (let i = 0; i < GZIP_DEFLATE.length; i++) if (value[start + i] !== GZIP_DEFLATE[i]) return 0;
  return GZIP_INDEX;
}
