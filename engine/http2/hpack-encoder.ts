/** HpackEncoder: a Head of the common form to a header block (RFC 7541 §6), lines that repeat as one byte each. */
import { isNominated, listsTrailers } from '../http/connection-options.js';
import {
  FIELD_ADDED,
  FIELD_INTERNED,
  FIELD_NEVER_INDEXED,
  FIELD_ODD,
  FIELD_REMOVED,
  HEAD_AUTHORITY_FORM,
  HEAD_EXTENDED_CONNECT,
  HEAD_HTTPS,
  HEAD_NEVER_INDEXED,
  HEAD_NOMINATES,
  type Head,
  INTERN_SHIFT,
} from '../http/head.js';
import { CONNECTION_FIELDS_MAX, isForbiddenTrailer } from '../http/hop-by-hop.js';
import { METHOD_BYTES, METHOD_GET, METHOD_POST } from '../http/methods.js';
import { N, NAME_BYTES } from '../http/names.js';
import { keyOf, PSEUDO_ID } from './encoder-table.js';
import type { FieldInterns } from './field-interns.js';
import { LINE_AUTHORITY, LINE_METHOD, LINE_PATH, LINE_PROTOCOL, LINE_STATUS, PSEUDO_NAMES } from './header-rules.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS, type BlockKind } from './hpack-decoder.js';
import { INDEXED, LineEncoder } from './line-encoder.js';
import { STATIC_TABLE } from './hpack-static.js';

const TE = N.te;
const CONTENT_LENGTH = N['content-length'];
const EXPECT = N.expect;
const TRAILER = N.trailer;
const UPGRADE = N.upgrade;

const METHOD_ID = PSEUDO_ID + LINE_METHOD;
const AUTHORITY_ID = PSEUDO_ID + LINE_AUTHORITY;
const PATH_ID = PSEUDO_ID + LINE_PATH;
const STATUS_ID = PSEUDO_ID + LINE_STATUS;
const PROTOCOL_ID = PSEUDO_ID + LINE_PROTOCOL;

/** Static indices of what is written for every request. */
const GET_INDEX = 2;
const POST_INDEX = 3;
const ROOT_INDEX = 4;
const HTTP_INDEX = 6;
const HTTPS_INDEX = 7;

const encoder = new TextEncoder();
const CONNECT = encoder.encode('CONNECT');
const TRAILERS = encoder.encode('trailers');
const statusDigits = new Uint8Array(3);

/** Static entry of each status. */
const STATUS_INDEX = new Uint8Array(1000);
STATIC_TABLE.forEach(([name, value], index) => {
  if (name === ':status') STATUS_INDEX[Number(value)] = index;
});

/** A literal's first byte with the index of its name, and two lengths. */
const LITERAL_OVERHEAD = 15;
/** Two size updates and the pseudo-header fields but for their values. */
const BLOCK_OVERHEAD = 128;

export class HpackEncoder {
  readonly #lines: LineEncoder;
  /** Flag for pseudo-header fields of the head being written. */
  #never = 0;

  /** maxTableBytes: what this side spends on a table, whatever the peer offers. */
  constructor(interns: FieldInterns, maxTableBytes: number) {
    this.#lines = new LineEncoder(interns, maxTableBytes);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins with the size that is taken of it. */
  setPeerMaxTableBytes(maxBytes: number): void {
    this.#lines.setPeerMaxTableBytes(maxBytes);
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
    at = this.#lines.writeSizes(out, at);
    this.#never = 0;
    if (kind === BLOCK_REQUEST) at = this.#request(head, out, at);
    else if (kind === BLOCK_RESPONSE) at = this.#status(head.status, out, at);
    let hasLength = kind === BLOCK_RESPONSE && (head.status < 200 || head.status === 204);
    const nominates = (head.flags & HEAD_NOMINATES) !== 0;
    const lines = this.#lines;
    const slots = head.slots;
    const count = head.fieldCount;
    // A slot: offsets of name and value, id, flags.
    for (let slot = 0, from = head.slotsStart; slot < count; slot++, from += 6) {
      const flags = slots[from + 5] as number;
      if ((flags & FIELD_REMOVED) !== 0) continue;
      const id = slots[from + 4] as number;
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
      const nameStart = slots[from] as number;
      const valueStart = slots[from + 2] as number;
      const valueEnd = slots[from + 3] as number;
      const key = keyOf(id, slot);
      if ((flags & FIELD_INTERNED) !== 0)
        at = lines.interned(flags >>> INTERN_SHIFT, key, id, nameStart, valueStart, valueEnd, out, at);
      else if ((flags & FIELD_ODD) !== 0) at = this.#odd(head, slot, key, flags, out, at);
      else if ((flags & FIELD_ADDED) !== 0) {
        const base = head.storeStart;
        at = lines.line(key, id, head.store, nameStart + base, valueStart + base, valueEnd + base, flags, out, at);
      } else {
        const base = head.base;
        at = lines.line(key, id, head.bytes, nameStart + base, valueStart + base, valueEnd + base, flags, out, at);
      }
    }
    return at;
  }

  /** A line with other white space than one space between name and value. */
  #odd(head: Head, slot: number, key: number, flags: number, out: Uint8Array, at: number): number {
    const bytes = head.fieldBytes(slot);
    return this.#lines.search(
      key,
      head.fieldId(slot),
      bytes,
      head.nameStart(slot),
      head.nameEnd(slot),
      bytes,
      head.valueStart(slot),
      head.valueEnd(slot),
      flags,
      out,
      at,
    );
  }

  #request(head: Head, out: Uint8Array, at: number): number {
    this.#never = (head.flags & HEAD_NEVER_INDEXED) !== 0 ? FIELD_NEVER_INDEXED : 0;
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
    const from = head.authorityFrom;
    const to = head.authorityTo;
    if (number !== 0) return this.#lines.interned(number, AUTHORITY_ID, AUTHORITY_ID, from, from, to, out, at);
    return this.#pseudo(AUTHORITY_ID, head.authorityBytes, from, to, out, at);
  }

  #path(head: Head, out: Uint8Array, at: number): number {
    const bytes = head.pathBytes;
    const from = head.pathFrom;
    const to = head.pathTo;
    if (to - from === 1 && bytes[from] === 0x2f) {
      out[at] = INDEXED | ROOT_INDEX;
      return at + 1;
    }
    const number = head.pathIntern;
    if (number !== 0) return this.#lines.interned(number, PATH_ID, PATH_ID, from, from, to, out, at);
    return this.#pseudo(PATH_ID, bytes, from, to, out, at);
  }

  /** RFC 8441: an upgrade as CONNECT with :protocol. */
  #extended(head: Head, out: Uint8Array, at: number): number {
    at = this.#pseudo(METHOD_ID, CONNECT, 0, CONNECT.length, out, at);
    const slot = head.find(UPGRADE);
    if (slot < 0) return at;
    return this.#pseudo(PROTOCOL_ID, head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot), out, at);
  }

  #pseudo(id: number, value: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    return this.#lines.apart(id, PSEUDO_NAMES[id - PSEUDO_ID] as Uint8Array, value, start, end, this.#never, out, at);
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
    return this.#pseudo(STATUS_ID, statusDigits, 0, 3, out, at);
  }

  #te(out: Uint8Array, at: number): number {
    return this.#lines.apart(TE, NAME_BYTES[TE] as Uint8Array, TRAILERS, 0, TRAILERS.length, 0, out, at);
  }
}

function isNominatedSlot(head: Head, slot: number): boolean {
  return isNominated(head, head.fieldId(slot), head.fieldBytes(slot), head.nameStart(slot), head.nameEnd(slot));
}
