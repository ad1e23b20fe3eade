/** HpackEncoder: a Head of the common form to a header block (RFC 7541 §6). */
import { lowerCase } from '../base/ascii.js';
import { isNominated, listsTrailers } from '../http/connection-options.js';
import {
  FIELD_NEVER_INDEXED,
  FIELD_REMOVED,
  FIELD_ADDED,
  HEAD_AUTHORITY_FORM,
  HEAD_EXTENDED_CONNECT,
  HEAD_HTTPS,
  HEAD_NOMINATES,
  type Head,
} from '../http/head.js';
import { CONNECTION_FIELDS_MAX, isForbiddenTrailer } from '../http/hop-by-hop.js';
import { METHOD_BYTES } from '../http/methods.js';
import { N, NAME_BYTES } from '../http/names.js';
import type { FieldInterns } from './field-interns.js';
import { PSEUDO_NAMES } from './header-rules.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS, type BlockKind } from './hpack-decoder.js';

const TE = N.te;
const CONTENT_LENGTH = N['content-length'];
const EXPECT = N.expect;
const TRAILER = N.trailer;
const UPGRADE = N.upgrade;

const encoder = new TextEncoder();
const HTTP = encoder.encode('http');
const HTTPS = encoder.encode('https');
const CONNECT = encoder.encode('CONNECT');
const TRAILERS = encoder.encode('trailers');
const METHOD = PSEUDO_NAMES[1] as Uint8Array;
const SCHEME = PSEUDO_NAMES[2] as Uint8Array;
const AUTHORITY = PSEUDO_NAMES[3] as Uint8Array;
const PATH = PSEUDO_NAMES[4] as Uint8Array;
const STATUS = PSEUDO_NAMES[5] as Uint8Array;
const PROTOCOL = PSEUDO_NAMES[6] as Uint8Array;
const status = new Uint8Array(3);

/** First byte and two integers of at most 5 bytes each, and the Huffman bits. */
const LITERAL_OVERHEAD = 12;

export class HpackEncoder {
  #maxTableBytes: number;
  /** The size update to write at the beginning of the next block; -1 = none. */
  #update = -1;

  constructor(_interns: FieldInterns, maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes;
  }

  setPeerMaxTableBytes(maxBytes: number): void {
    this.#update = Math.min(maxBytes, this.#maxTableBytes);
  }

  sizeBound(head: Head): number {
    let bound =
      256 + (head.pathTo - head.pathFrom) + (head.authorityTo - head.authorityFrom) + head.methodEnd - head.methodStart;
    for (let slot = 0; slot < head.fieldCount; slot++)
      bound += head.valueEnd(slot) - head.nameStart(slot) + LITERAL_OVERHEAD;
    return bound;
  }

  encode(head: Head, kind: BlockKind, out: Uint8Array, at: number): number {
    if (this.#update >= 0) {
      at = writeInteger(out, at, 0x20, 0x1f, this.#update);
      this.#update = -1;
    }
    if (kind === BLOCK_REQUEST) at = this.#request(head, out, at);
    else if (kind === BLOCK_RESPONSE) {
      status[0] = 0x30 + Math.floor(head.status / 100);
      status[1] = 0x30 + (Math.floor(head.status / 10) % 10);
      status[2] = 0x30 + (head.status % 10);
      at = this.#line(STATUS, 0, STATUS.length, status, 0, 3, false, out, at);
    }
    let hasLength = kind === BLOCK_RESPONSE && (head.status < 200 || head.status === 204);
    for (let slot = 0; slot < head.fieldCount; slot++) {
      const flags = head.fieldFlags(slot);
      if ((flags & FIELD_REMOVED) !== 0) continue;
      const id = head.fieldId(slot);
      if (kind === BLOCK_TRAILERS && isForbiddenTrailer(id)) continue;
      if (id !== 0 && id <= CONNECTION_FIELDS_MAX) {
        if (id === TE && kind === BLOCK_REQUEST && listsTrailers(head, slot))
          at = this.#line(NAME_BYTES[TE] as Uint8Array, 0, 2, TRAILERS, 0, TRAILERS.length, false, out, at);
        if (id !== CONTENT_LENGTH && id !== EXPECT && id !== TRAILER) continue;
        if (id === CONTENT_LENGTH) {
          if (hasLength) continue;
          hasLength = true;
        }
      }
      const bytes = head.fieldBytes(slot);
      const nameStart = head.nameStart(slot);
      const nameEnd = head.nameEnd(slot);
      if (
        (head.flags & HEAD_NOMINATES) !== 0 &&
        (flags & FIELD_ADDED) === 0 &&
        isNominated(head, id, bytes, nameStart, nameEnd)
      )
        continue;
      const isNever = (flags & FIELD_NEVER_INDEXED) !== 0;
      at = this.#line(bytes, nameStart, nameEnd, bytes, head.valueStart(slot), head.valueEnd(slot), isNever, out, at);
    }
    return at;
  }

  #request(head: Head, out: Uint8Array, at: number): number {
    const isExtended = (head.flags & HEAD_EXTENDED_CONNECT) !== 0;
    if (isExtended) at = this.#pseudo(METHOD, CONNECT, 0, CONNECT.length, out, at);
    else if (head.method !== 0) {
      const method = METHOD_BYTES[head.method] as Uint8Array;
      at = this.#pseudo(METHOD, method, 0, method.length, out, at);
    } else at = this.#pseudo(METHOD, head.bytes, head.base + head.methodStart, head.base + head.methodEnd, out, at);
    if (isExtended) {
      const slot = head.find(UPGRADE);
      if (slot >= 0)
        at = this.#pseudo(PROTOCOL, head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot), out, at);
    }
    if ((head.flags & HEAD_AUTHORITY_FORM) === 0) {
      const scheme = (head.flags & HEAD_HTTPS) !== 0 ? HTTPS : HTTP;
      at = this.#pseudo(SCHEME, scheme, 0, scheme.length, out, at);
      at = this.#pseudo(PATH, head.pathBytes, head.pathFrom, head.pathTo, out, at);
    }
    if (head.authorityEnd > head.authorityStart)
      at = this.#pseudo(AUTHORITY, head.authorityBytes, head.authorityFrom, head.authorityTo, out, at);
    return at;
  }

  #pseudo(name: Uint8Array, value: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    return this.#line(name, 0, name.length, value, start, end, false, out, at);
  }

  #line(
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    isNever: boolean,
    out: Uint8Array,
    at: number,
  ): number {
    out[at++] = isNever ? 0x10 : 0;
    at = writeInteger(out, at, 0, 0x7f, nameEnd - nameStart);
    for (let from = nameStart; from < nameEnd; from++) out[at++] = lowerCase(name[from] as number);
    at = writeInteger(out, at, 0, 0x7f, valueEnd - valueStart);
    for (let from = valueStart; from < valueEnd; from++) out[at++] = value[from] as number;
    return at;
  }
}

/** RFC 7541 §5.1, with a prefix of the bits of mask behind the bits of `first`. */
function writeInteger(out: Uint8Array, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at] = rest;
  return at + 1;
}
