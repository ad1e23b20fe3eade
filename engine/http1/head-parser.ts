/** Head parser: bytes to Head in one pass, for requests and responses; strict, without a leniency. */
import { TARGET, TOKEN, FIELD_VALUE } from '../base/ascii.js';
import {
  BAD_BODY_ON_CONNECT,
  BAD_FIELD_NAME,
  BAD_FIELD_VALUE,
  BAD_HOST_MISSING,
  BAD_LENGTH_AND_CODING,
  BAD_LINE_ENDING,
  BAD_METHOD,
  BAD_OBS_FOLD,
  BAD_REQUEST_LINE,
  BAD_SPACE_BEFORE_COLON,
  BAD_TARGET,
  BAD_TRANSFER_ENCODING_HTTP10,
  BAD_UNDERSCORE,
  BAD_VERSION_HTTP10,
  BAD_VERSION_SYNTAX,
  BAD_VERSION_UNSUPPORTED,
  type FaultCode,
  TOO_BIG_HEAD,
  TOO_LONG_TARGET,
  TOO_MANY_FIELDS,
  UP_BAD_FRAMING,
  UP_BAD_HEADER,
  UP_BAD_STATUS_LINE,
  UP_TOO_BIG_HEAD,
  UP_TOO_MANY_FIELDS,
} from '../fault/faults.js';
import {
  FIELD_ODD,
  FIELD_REMOVED,
  HEAD_CHUNKED,
  HEAD_CLOSE,
  HEAD_HTTP10,
  HEAD_KEEP_ALIVE,
  HEAD_LINE_ODD,
  HEAD_UPGRADE,
  HEAD_UPGRADE_NAMED,
  type Head,
} from '../http/head.js';
import { METHOD_CONNECT, METHOD_OTHER, methodOf } from '../http/methods.js';
import { N, nameId } from '../http/names.js';
import { type UnderscorePolicy, underscoreAction } from '../http/underscores.js';
import { applyRule, RULED_MAX } from './field-rules.js';
import { type LineMemo, REQUEST_LINES, RESPONSE_LINES } from './line-memo.js';
import { parseTarget } from './target.js';

// Read once: N has too many properties for the compiler to see through it.
const HOST = N.host;
const UPGRADE = N.upgrade;

export interface HeadLimits {
  /** Start line and fields together, bytes. Stops a peer from filling memory with a head that never ends. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly acceptHttp10: boolean;
  readonly allowAbsoluteUrl: boolean;
  readonly underscores: UnderscorePolicy;
}

/** Longer than any registered method several times over; keeps a first line without an end from being waited for. */
const METHOD_MAX_BYTES = 64;

const CR = 13;
const LF = 10;
const SP = 32;
const HT = 9;
const COLON = 0x3a;
const SLASH = 0x2f;

/**
 * A request head at bytes[start, end): > 0 is the offset behind it, 0 means that more is needed, < 0 is minus the fault.
 */
export function parseRequestHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  head: Head,
  limits: HeadLimits,
): number {
  let at = start;
  head.method = METHOD_OTHER;
  // One empty line before a request is skipped: some clients end a body with it (RFC 9112 §2.2). No more than one.
  if (at < end && bytes[at] === CR) {
    if (at + 1 < end && bytes[at + 1] !== LF) return -BAD_LINE_ENDING;
    at += 2;
    if (at >= end) return 0;
  }
  const base = at;
  head.begin(bytes, base);
  while (at < end && TOKEN[bytes[at] as number] !== 0) at++;
  if (at - base > METHOD_MAX_BYTES) return -BAD_METHOD;
  if (at >= end) return 0;
  if (bytes[at] !== SP) return at === base && bytes[at] === LF ? -BAD_LINE_ENDING : -BAD_METHOD;
  if (at === base) return -BAD_METHOD;
  head.methodEnd = at - base;
  head.method = methodOf(bytes, base, at);
  const targetStart = ++at;
  for (; at < end; at++) if (TARGET[bytes[at] as number] === 0) break;
  const targetEnd = at;
  if (targetEnd - targetStart > limits.maxHeadBytes) return -TOO_LONG_TARGET;
  if (at >= end) return 0;
  if (bytes[at] !== SP) return bytes[at] === CR || bytes[at] === LF ? -BAD_REQUEST_LINE : -BAD_TARGET;
  if (targetEnd === targetStart) return -BAD_REQUEST_LINE;
  at++;
  const version = parseVersion(bytes, at, end);
  if (version <= 0) return version;
  at += 8;
  if (at >= end) return 0;
  if (bytes[at] !== CR) return bytes[at] === LF ? -BAD_LINE_ENDING : -BAD_VERSION_SYNTAX;
  if (at + 1 >= end) return 0;
  if (bytes[at + 1] !== LF) return -BAD_LINE_ENDING;
  at += 2;
  if (version === 10) {
    if (!limits.acceptHttp10) return -BAD_VERSION_HTTP10;
    head.flags |= HEAD_HTTP10 | HEAD_LINE_ODD;
  }
  if (bytes[targetStart] === SLASH && head.method !== METHOD_CONNECT) {
    head.pathStart = targetStart - base;
    head.pathEnd = targetEnd - base;
  } else {
    const fault = parseTarget(head, targetStart, targetEnd, limits.allowAbsoluteUrl);
    if (fault !== 0) return -fault;
  }
  head.linesStart = at - base;
  const after = parseFields(bytes, at, end, head, limits, true);
  if (after <= 0) return after;
  const fault = finishRequest(head);
  return fault === 0 ? after : -fault;
}

/** A response head, in the same way. */
export function parseResponseHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  head: Head,
  limits: HeadLimits,
): number {
  head.begin(bytes, start);
  if (end - start < 13) return couldBeStatusLine(bytes, start, end) ? 0 : -UP_BAD_STATUS_LINE;
  let at = start;
  const version = parseVersion(bytes, at, end);
  if (version < 0) return -UP_BAD_STATUS_LINE;
  if (version === 10) head.flags |= HEAD_HTTP10 | HEAD_LINE_ODD;
  at += 8;
  if (bytes[at] !== SP) return -UP_BAD_STATUS_LINE;
  const a = (bytes[at + 1] as number) - 0x30;
  const b = (bytes[at + 2] as number) - 0x30;
  const c = (bytes[at + 3] as number) - 0x30;
  if (a < 1 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return -UP_BAD_STATUS_LINE;
  head.status = a * 100 + b * 10 + c;
  at += 4;
  // The space before an empty reason is often left out; what we write has it.
  if (bytes[at] === CR) head.flags |= HEAD_LINE_ODD;
  else if (bytes[at++] !== SP) return -UP_BAD_STATUS_LINE;
  while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at++;
  if (at + 1 >= end) return end - start > limits.maxHeadBytes ? -UP_TOO_BIG_HEAD : 0;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return -UP_BAD_STATUS_LINE;
  at += 2;
  head.linesStart = at - start;
  const after = parseFields(bytes, at, end, head, limits, false);
  if (after <= 0) return after;
  if ((head.flags & HEAD_CHUNKED) !== 0 && (head.contentLength >= 0 || version === 10)) return -UP_BAD_FRAMING;
  setPersistence(head);
  return after;
}

/** 10 or 11; 0 = more needed; < 0 minus the fault. "HTTP/" is case-sensitive (RFC 9112 §2.3). */
function parseVersion(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 8) return couldBeVersion(bytes, at, end) ? 0 : -BAD_VERSION_SYNTAX;
  if (
    bytes[at] !== 0x48 ||
    bytes[at + 1] !== 0x54 ||
    bytes[at + 2] !== 0x54 ||
    bytes[at + 3] !== 0x50 ||
    bytes[at + 4] !== SLASH ||
    bytes[at + 6] !== 0x2e
  )
    return -BAD_VERSION_SYNTAX;
  const major = (bytes[at + 5] as number) - 0x30;
  const minor = (bytes[at + 7] as number) - 0x30;
  if (major < 0 || major > 9 || minor < 0 || minor > 9) return -BAD_VERSION_SYNTAX;
  if (major === 1 && minor === 1) return 11;
  if (major === 1 && minor === 0) return 10;
  return -BAD_VERSION_UNSUPPORTED;
}

const VERSION_START = new TextEncoder().encode('HTTP/1.');

function couldBeVersion(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = 0; i < 5 && at + i < end; i++) if (bytes[at + i] !== VERSION_START[i]) return false;
  return true;
}

function couldBeStatusLine(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = 0; i < 7 && at + i < end; i++) if (bytes[at + i] !== VERSION_START[i]) return false;
  return true;
}

/** Field lines from `at` up to and with the empty line; also used for trailers. */
export function parseFields(
  bytes: Uint8Array,
  at: number,
  end: number,
  head: Head,
  limits: HeadLimits,
  isRequest: boolean,
): number {
  const base = head.base;
  const limit = base + limits.maxHeadBytes;
  const memo = isRequest ? REQUEST_LINES : RESPONSE_LINES;
  const remembers = memo.bytes === bytes;
  for (;;) {
    if (at + 1 >= end) return at > limit ? tooBig(isRequest) : 0;
    if (bytes[at] === CR) break;
    const known = remembers ? memo.find(at, end) : -1;
    const next = known >= 0 ? takeKnown(head, memo, known, at, limits) : -1;
    at = next >= 0 ? next : parseLine(bytes, at, end, head, limits, isRequest);
    if (at <= 0) return at === 0 && end > limit ? tooBig(isRequest) : at;
  }
  if (bytes[at + 1] !== LF) return isRequest ? -BAD_LINE_ENDING : -UP_BAD_HEADER;
  head.linesEnd = at - base;
  head.length = at + 2 - base;
  return at + 2 > limit ? tooBig(isRequest) : at + 2;
}

/** A line that was checked when it first came, and does not depend on others; -1 = it must be scanned. */
function takeKnown(head: Head, memo: LineMemo, known: number, at: number, limits: HeadLimits): number {
  const id = memo.id(known);
  if (head.fieldCount >= limits.maxFields || (id === HOST && head.has(HOST))) return -1;
  const start = at - head.base;
  head.push(
    start,
    start + memo.nameEnd(known),
    start + memo.valueStart(known),
    start + memo.valueEnd(known),
    id,
    memo.flags(known),
  );
  return at + memo.length(known);
}

/** One field line: the offset behind it, 0 = more needed, < 0 minus the fault. */
function parseLine(
  bytes: Uint8Array,
  lineStart: number,
  end: number,
  head: Head,
  limits: HeadLimits,
  isRequest: boolean,
): number {
  let at = lineStart;
  let byte = 0;
  let seen = 0;
  // These two loops see most bytes of what is new; in this form they compile to the least per byte.
  for (; at < end; at++) {
    byte = bytes[at] as number;
    const kind = TOKEN[byte] as number;
    if (kind === 0) break;
    seen |= kind;
  }
  if (at >= end) return 0;
  if (byte !== COLON || at === lineStart) return -badName(byte, at === lineStart, isRequest);
  const nameEnd = at;
  at++;
  if (at < end && bytes[at] === SP) at++;
  while (at < end && (bytes[at] === SP || bytes[at] === HT)) at++;
  const valueStart = at;
  const memo = isRequest ? REQUEST_LINES : RESPONSE_LINES;
  if (memo.bytes === bytes) at = memo.skipText(at, end);
  // FIELD_VALUE without the table.
  for (; at < end; at++) {
    byte = bytes[at] as number;
    if ((byte < SP && byte !== HT) || byte === 0x7f) break;
  }
  if (at + 1 >= end) return at < end && bytes[at] !== CR ? -badValue(bytes[at] as number, isRequest) : 0;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return -badValue(bytes[at] as number, isRequest);
  let valueEnd = at;
  while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HT)) valueEnd--;
  at += 2;
  let flags = valueStart - nameEnd === 2 && bytes[nameEnd + 1] === SP && valueEnd === at - 2 ? 0 : FIELD_ODD;
  const id = nameId(bytes, lineStart, nameEnd);
  if (id !== 0 && id <= RULED_MAX) {
    const fault = applyRule(head, id, bytes, valueStart, valueEnd, isRequest);
    if (fault !== 0) return -fault;
  } else if ((seen & 2) !== 0 && isRequest) {
    const action = underscoreAction(bytes, lineStart, nameEnd, limits.underscores);
    if (action < 0) return -BAD_UNDERSCORE;
    if (action > 0) flags |= FIELD_REMOVED;
  }
  if (head.fieldCount >= limits.maxFields) return isRequest ? -TOO_MANY_FIELDS : -UP_TOO_MANY_FIELDS;
  const base = head.base;
  head.push(lineStart - base, nameEnd - base, valueStart - base, valueEnd - base, id, flags);
  // Fields that decide about framing are looked at anew each time, and what becomes of names with an underscore is a
  // listener's choice.
  if (memo.bytes === bytes && (seen & 2) === 0 && (id > RULED_MAX || id === 0 || id === HOST))
    memo.learn(lineStart, at, end, nameEnd, valueStart, valueEnd, id, flags);
  return at;
}

function tooBig(isRequest: boolean): number {
  return isRequest ? -TOO_BIG_HEAD : -UP_TOO_BIG_HEAD;
}

function badName(byte: number, isFirst: boolean, isRequest: boolean): FaultCode {
  if (!isRequest) return UP_BAD_HEADER;
  if (byte === SP || byte === HT) return isFirst ? BAD_OBS_FOLD : BAD_SPACE_BEFORE_COLON;
  if (byte === LF) return BAD_LINE_ENDING;
  return BAD_FIELD_NAME;
}

function badValue(byte: number, isRequest: boolean): FaultCode {
  if (!isRequest) return UP_BAD_HEADER;
  return byte === CR || byte === LF ? BAD_LINE_ENDING : BAD_FIELD_VALUE;
}

/** Rules that need the whole head. */
function finishRequest(head: Head): FaultCode {
  const isHttp10 = (head.flags & HEAD_HTTP10) !== 0;
  if ((head.flags & HEAD_CHUNKED) !== 0) {
    // RFC 9112 §6.1: either combination is an attempt at smuggling or a broken peer; we don't pick a reading.
    if (head.contentLength >= 0) return BAD_LENGTH_AND_CODING;
    if (isHttp10) return BAD_TRANSFER_ENCODING_HTTP10;
  }
  // A CONNECT request has no body (RFC 9110 §9.3.6): its bytes would be read as the tunnel's by one side only.
  if (head.method === METHOD_CONNECT && ((head.flags & HEAD_CHUNKED) !== 0 || head.contentLength > 0))
    return BAD_BODY_ON_CONNECT;
  const slot = head.find(HOST);
  if (slot < 0) {
    if (!isHttp10) return BAD_HOST_MISSING;
  } else if (head.authorityEnd === 0 && !head.authorityAdded) {
    head.authorityStart = head.valueStart(slot) - head.base;
    head.authorityEnd = head.valueEnd(slot) - head.base;
  }
  setPersistence(head);
  // Upgrade without "Connection: upgrade" is not for this hop (RFC 9110 §7.8). With a body it is passed over, as a server
  // may: where the tunnel's bytes begin would depend on who has read how much of the body.
  const hasBody = (head.flags & HEAD_CHUNKED) !== 0 || head.contentLength > 0;
  if ((head.flags & HEAD_UPGRADE_NAMED) !== 0 && head.has(UPGRADE) && !isHttp10 && !hasBody) head.flags |= HEAD_UPGRADE;
  return 0;
}

/** RFC 9112 §9.3. */
function setPersistence(head: Head): void {
  if ((head.flags & HEAD_HTTP10) !== 0 && (head.flags & HEAD_KEEP_ALIVE) === 0) head.flags |= HEAD_CLOSE;
}
