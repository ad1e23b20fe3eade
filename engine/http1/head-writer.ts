/** Head writer: Head to ranges on a connection, both roles; untouched received lines leave as they came. */
import { writeBytes } from '../base/ascii.js';
import { isNominated, listsTrailers } from '../http/connection-options.js';
import {
  FIELD_ADDED,
  FIELD_INTERNED,
  FIELD_ODD,
  FIELD_REMOVED,
  HEAD_ABSOLUTE,
  HEAD_AUTHORITY_FORM,
  HEAD_HTTP10,
  HEAD_LINE_ODD,
  HEAD_NOMINATES,
  type Head,
} from '../http/head.js';
import { isForbiddenTrailer } from '../http/hop-by-hop.js';
import { METHOD_BYTES } from '../http/methods.js';
import { N } from '../http/names.js';
import { statusLine } from '../http/statuses.js';
import type { Arena, Conn } from '../io/transport.js';
import { RULED_MAX } from './field-rules.js';
import { writeLineEnd } from './chunked.js';

// What is written behind the fields.
/** Transfer-Encoding: chunked; the received field of that name may serve. */
export const WRITE_CHUNKED = 1;
export const WRITE_CLOSE = 2;
export const WRITE_KEEP_ALIVE = 4;
/** Connection: upgrade, and the Upgrade field stays. */
export const WRITE_UPGRADE = 8;
/** No body follows: the empty line may be put behind the added fields. */
export const WRITE_END = 16;
/** Nothing may say how long a body is: 204, 1xx, a 2xx to CONNECT, a body until close (RFC 9110 §8.6, §9.3.6). */
export const WRITE_NO_LENGTH = 32;
/** There is no body, and the other side is told so: Content-Length: 0. */
export const WRITE_EMPTY = 128;
/** TE: trailers of the request goes on, as the one thing of TE that we can keep our word on. */
const WRITE_TE = 64;

const encoder = new TextEncoder();
const CHUNKED_LINE = encoder.encode('transfer-encoding: chunked\r\n');
const EMPTY_LINE = encoder.encode('content-length: 0\r\n');
const CLOSE_LINE = encoder.encode('connection: close\r\n');
const KEEP_ALIVE_LINE = encoder.encode('connection: keep-alive\r\n');
const UPGRADE_LINE = encoder.encode('connection: upgrade\r\n');
const TE_LINES = encoder.encode('te: trailers\r\nconnection: te\r\n');
const HOST_NAME = encoder.encode('host: ');
const VERSION = encoder.encode(' HTTP/1.1\r\n');
/** The target says for whom the request is, and Host only repeats it, or contradicts it (RFC 9112 §3.2.2). */
const TARGET_HAS_AUTHORITY = HEAD_ABSOLUTE | HEAD_AUTHORITY_FORM;
/** Field flags that say which bytes a line is in; none = the received ones. */
const SOURCES = FIELD_ADDED | FIELD_INTERNED;
const RECEIVED = 0;
const TAIL_LINES = WRITE_CHUNKED | WRITE_EMPTY | WRITE_CLOSE | WRITE_KEEP_ALIVE | WRITE_UPGRADE | WRITE_TE;
/** All of the lines above together. */
const TAIL_MAX_BYTES = 128;

const HOST = N.host;
const TE = N.te;
const TRANSFER_ENCODING = N['transfer-encoding'];
const CONTENT_LENGTH = N['content-length'];
const TRAILER = N.trailer;
const UPGRADE = N.upgrade;
const EXPECT = N.expect;

/** Writes a request head; true = the connection is full. */
export function writeRequestHead(conn: Conn, head: Head, arena: Arena, what: number): boolean {
  if ((head.flags & HEAD_LINE_ODD) !== 0 || head.authorityAdded || head.length === 0) {
    writeRequestLine(conn, head, arena);
    return writeFields(conn, head, arena, what, head.linesStart);
  }
  return writeFields(conn, head, arena, what, 0);
}

/** Writes a response head; true = the connection is full. */
export function writeResponseHead(conn: Conn, head: Head, arena: Arena, what: number): boolean {
  if ((head.flags & HEAD_LINE_ODD) === 0 && head.length > 0) return writeFields(conn, head, arena, what, 0);
  const line = statusLine(head.status);
  conn.write(line, 0, line.length);
  return writeFields(conn, head, arena, what, head.linesStart);
}

function writeRequestLine(conn: Conn, head: Head, arena: Arena): void {
  const isAuthorityForm = (head.flags & HEAD_AUTHORITY_FORM) !== 0;
  const target = isAuthorityForm ? head.authorityBytes : head.pathBytes;
  const from = isAuthorityForm ? head.authorityFrom : head.pathFrom;
  const to = isAuthorityForm ? head.authorityTo : head.pathTo;
  const methodLength = head.methodEnd - head.methodStart;
  const start = arena.reserve(methodLength + (to - from) + 64);
  const bytes = arena.bytes;
  let at = start;
  if (head.method !== 0) at = writeBytes(bytes, at, METHOD_BYTES[head.method] as Uint8Array);
  else for (let i = 0; i < methodLength; i++) bytes[at++] = head.bytes[head.base + head.methodStart + i] as number;
  bytes[at++] = 0x20;
  for (let i = from; i < to; i++) bytes[at++] = target[i] as number;
  at = writeBytes(bytes, at, VERSION);
  arena.commit(at);
  conn.write(bytes, start, at);
  // Host comes first, where RFC 9110 §7.2 wants it, when the target or a rewrite decides it.
  if (head.authorityAdded || (head.flags & TARGET_HAS_AUTHORITY) !== 0) writeHost(conn, head, arena);
}

function writeHost(conn: Conn, head: Head, arena: Arena): void {
  const from = head.authorityFrom;
  const length = head.authorityTo - from;
  const start = arena.reserve(length + 16);
  const bytes = arena.bytes;
  const authority = head.authorityBytes;
  let at = writeBytes(bytes, start, HOST_NAME);
  for (let i = 0; i < length; i++) bytes[at++] = authority[from + i] as number;
  at = writeLineEnd(bytes, at);
  arena.commit(at);
  conn.write(bytes, start, at);
}

/**
 * Field lines in order, in runs as long as possible, then the tail. runStart: where the first run begins in the received
 * bytes: 0 takes the start line with it.
 */
function writeFields(conn: Conn, head: Head, arena: Arena, what: number, runStart: number): boolean {
  const base = head.base;
  const storeStart = head.storeStart;
  const nominates = (head.flags & HEAD_NOMINATES) !== 0;
  let run = RECEIVED;
  let from = runStart;
  let to = head.linesStart;
  let needsChunked = (what & WRITE_CHUNKED) !== 0;
  const count = head.fieldCount;
  const slots = head.slots;
  for (let slot = 0, at = head.slotsStart; slot < count; slot++, at += 6) {
    const flags = slots[at + 5] as number;
    if ((flags & FIELD_REMOVED) !== 0) continue;
    const id = slots[at + 4] as number;
    const source = flags & SOURCES;
    const isAdded = source === FIELD_ADDED;
    if (id !== 0 && id <= RULED_MAX) {
      if (id === TE && head.status === 0 && listsTrailers(head, slot)) what |= WRITE_TE;
      if (isHopByHop(head, id, what, isAdded)) continue;
      if (id === TRANSFER_ENCODING) needsChunked = false;
      // One length and no more, whatever was added.
      if (id === CONTENT_LENGTH) what |= WRITE_NO_LENGTH;
    }
    // What we added is ours: no peer can nominate it away.
    if (nominates && !isAdded && isNominated(head, id, head.fieldBytes(slot), head.nameStart(slot), head.nameEnd(slot)))
      continue;
    const lineStart = slots[at] as number;
    const lineEnd = (slots[at + 3] as number) + 2;
    if (source === run && lineStart === to && (flags & FIELD_ODD) === 0) {
      to = lineEnd;
      continue;
    }
    if (to > from) writeRun(conn, head, run, from, to);
    if ((flags & FIELD_ODD) !== 0) {
      writeLine(conn, head, arena, slot);
      from = to = lineEnd;
      run = source;
      continue;
    }
    run = source;
    from = lineStart;
    to = lineEnd;
  }
  return writeTail(conn, head, arena, needsChunked ? what : what & ~WRITE_CHUNKED, run, from, to, base, storeStart);
}

function writeTail(
  conn: Conn,
  head: Head,
  arena: Arena,
  what: number,
  run: number,
  from: number,
  to: number,
  base: number,
  storeStart: number,
): boolean {
  if ((what & TAIL_LINES) === 0 && head.length > 0) {
    // Only the empty line is missing.
    if (
      run === FIELD_ADDED &&
      (what & WRITE_END) !== 0 &&
      storeStart + to === head.storeUsed &&
      head.storeUsed + 2 <= head.storeEnd
    ) {
      writeLineEnd(head.store, head.storeUsed);
      head.storeUsed += 2;
      return conn.write(head.store, storeStart + from, storeStart + to + 2);
    }
    if (run === RECEIVED && to === head.linesEnd) return conn.write(head.bytes, base + from, base + to + 2);
    if (to > from) writeRun(conn, head, run, from, to);
    return conn.write(head.bytes, base + head.linesEnd, base + head.linesEnd + 2);
  }
  if (to > from) writeRun(conn, head, run, from, to);
  const start = arena.reserve(TAIL_MAX_BYTES);
  const bytes = arena.bytes;
  let at = start;
  if ((what & WRITE_CHUNKED) !== 0) at = writeBytes(bytes, at, CHUNKED_LINE);
  if ((what & WRITE_EMPTY) !== 0) at = writeBytes(bytes, at, EMPTY_LINE);
  if ((what & WRITE_TE) !== 0) at = writeBytes(bytes, at, TE_LINES);
  if ((what & WRITE_UPGRADE) !== 0) at = writeBytes(bytes, at, UPGRADE_LINE);
  else if ((what & WRITE_CLOSE) !== 0) at = writeBytes(bytes, at, CLOSE_LINE);
  else if ((what & WRITE_KEEP_ALIVE) !== 0) at = writeBytes(bytes, at, KEEP_ALIVE_LINE);
  at = writeLineEnd(bytes, at);
  arena.commit(at);
  return conn.write(bytes, start, at);
}

function writeRun(conn: Conn, head: Head, run: number, from: number, to: number): void {
  if (run === FIELD_INTERNED) conn.write(head.interned.bytes, from, to);
  else if (run === FIELD_ADDED) conn.write(head.store, head.storeStart + from, head.storeStart + to);
  else conn.write(head.bytes, head.base + from, head.base + to);
}

/** A line that was not in canonical form: name, colon, space, value. */
function writeLine(conn: Conn, head: Head, arena: Arena, slot: number): void {
  const source = head.fieldBytes(slot);
  const nameStart = head.nameStart(slot);
  const nameEnd = head.nameEnd(slot);
  const valueStart = head.valueStart(slot);
  const valueEnd = head.valueEnd(slot);
  const start = arena.reserve(nameEnd - nameStart + (valueEnd - valueStart) + 4);
  const bytes = arena.bytes;
  let at = start;
  for (let i = nameStart; i < nameEnd; i++) bytes[at++] = source[i] as number;
  bytes[at++] = 0x3a;
  bytes[at++] = 0x20;
  for (let i = valueStart; i < valueEnd; i++) bytes[at++] = source[i] as number;
  at = writeLineEnd(bytes, at);
  arena.commit(at);
  conn.write(bytes, start, at);
}

/** Is this one of the fields that belong to one connection (RFC 9110 §7.6.1), or that the writer itself decides? */
function isHopByHop(head: Head, id: number, what: number, isAdded: boolean): boolean {
  if (id === CONTENT_LENGTH) return (what & (WRITE_CHUNKED | WRITE_NO_LENGTH)) !== 0;
  if (id === TRANSFER_ENCODING) return (what & WRITE_CHUNKED) === 0 || isAdded;
  if (id === HOST) return head.authorityAdded || (head.flags & TARGET_HAS_AUTHORITY) !== 0;
  if (id === UPGRADE) return (what & WRITE_UPGRADE) === 0;
  // An expectation means nothing in HTTP/1.0 (RFC 9110 §10.1.1), and we send HTTP/1.1.
  if (id === EXPECT) return (head.flags & HEAD_HTTP10) !== 0;
  // connection, keep-alive, te, proxy-connection, http2-settings.
  return id !== TRAILER;
}

/** Trailer fields, composed; the section's empty line too. */
export function writeTrailers(conn: Conn, trailers: Head, arena: Arena): boolean {
  for (let slot = 0; slot < trailers.fieldCount; slot++) {
    if (trailers.isRemoved(slot) || isForbiddenTrailer(trailers.fieldId(slot))) continue;
    writeLine(conn, trailers, arena, slot);
  }
  const start = arena.reserve(2);
  writeLineEnd(arena.bytes, start);
  arena.commit(start + 2);
  return conn.write(arena.bytes, start, start + 2);
}
