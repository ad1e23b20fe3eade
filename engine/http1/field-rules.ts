/** What the fields that decide about framing and connection mean, checked as they are parsed. */
import { equalsIgnoreCase, parseDecimal, TOKEN } from '../base/ascii.js';
import {
  BAD_CONNECTION_FIELD,
  BAD_CONTENT_LENGTH,
  BAD_CONTENT_LENGTH_DUPLICATE,
  BAD_EXPECT,
  BAD_HOST,
  BAD_HOST_DUPLICATE,
  BAD_TRANSFER_CODING_UNKNOWN,
  BAD_TRANSFER_ENCODING,
  BAD_UPGRADE,
  type FaultCode,
  UP_BAD_FRAMING,
  UP_BAD_HEADER,
} from '../fault/faults.js';
import { isAuthority } from '../http/authority.js';
import {
  HEAD_CHUNKED,
  HEAD_CLOSE,
  HEAD_EXPECT_CONTINUE,
  HEAD_KEEP_ALIVE,
  HEAD_NOMINATES,
  HEAD_UPGRADE_NAMED,
  type Head,
} from '../http/head.js';
import { CONNECTION_FIELDS_MAX } from '../http/hop-by-hop.js';
import { N } from '../http/names.js';

const encoder = new TextEncoder();
const CHUNKED = encoder.encode('chunked');
const IDENTITY = encoder.encode('identity');
const CLOSE = encoder.encode('close');
const KEEP_ALIVE = encoder.encode('keep-alive');
const UPGRADE = encoder.encode('upgrade');
const CONTINUE = encoder.encode('100-continue');

const HOST_ID = N.host;
const CONTENT_LENGTH = N['content-length'];
const TRANSFER_ENCODING = N['transfer-encoding'];
const CONNECTION = N.connection;
const UPGRADE_ID = N.upgrade;
const EXPECT = N.expect;
/** Ids up to this one have rules. */
export const RULED_MAX = CONNECTION_FIELDS_MAX;

/**
 * Every field is looked up among the nominated names: without these bounds a few kilobytes of names cost milliseconds.
 */
const CONNECTION_VALUE_MAX_BYTES = 512;
const CONNECTION_LINES_MAX = 4;

/** A field with an id up to RULED_MAX; value at bytes[start, end), called before the field is pushed. 0 = fine. */
export function applyRule(
  head: Head,
  id: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  isRequest: boolean,
): FaultCode {
  if (id === HOST_ID) return isRequest ? applyHost(head, bytes, start, end) : 0;
  if (id === CONTENT_LENGTH) {
    // Two lengths, equal or not, are how one request becomes two (RFC 9112 §6.3 item 5).
    if (head.has(CONTENT_LENGTH)) return isRequest ? BAD_CONTENT_LENGTH_DUPLICATE : UP_BAD_FRAMING;
    const length = parseDecimal(bytes, start, end);
    // A leading zero is octal to somebody: no sender needs it.
    if (length < 0 || (bytes[start] === 0x30 && end - start > 1))
      return isRequest ? BAD_CONTENT_LENGTH : UP_BAD_FRAMING;
    head.contentLength = length;
    return 0;
  }
  if (id === TRANSFER_ENCODING) return applyTransferEncoding(head, bytes, start, end, isRequest);
  if (id === CONNECTION) {
    if (isTooLong(head, end - start)) return isRequest ? BAD_CONNECTION_FIELD : UP_BAD_HEADER;
    return applyConnection(head, bytes, start, end) || !isRequest ? 0 : BAD_CONNECTION_FIELD;
  }
  if (id === UPGRADE_ID && isRequest) return isTokenList(bytes, start, end) ? 0 : BAD_UPGRADE;
  if (id === EXPECT && isRequest) {
    // RFC 9110 §10.1.1: 417 for an expectation that is not known.
    if (!equalsIgnoreCase(bytes, start, end, CONTINUE)) return BAD_EXPECT;
    head.flags |= HEAD_EXPECT_CONTINUE;
  }
  return 0;
}

function applyHost(head: Head, bytes: Uint8Array, start: number, end: number): FaultCode {
  if (head.has(HOST_ID)) return BAD_HOST_DUPLICATE;
  if (!isAuthority(bytes, start, end)) return BAD_HOST;
  return 0;
}

/** Exactly one "chunked", alone: else there is a coding that we would have to decode, or an attack (RFC 9112 §6.1). */
function applyTransferEncoding(
  head: Head,
  bytes: Uint8Array,
  start: number,
  end: number,
  isRequest: boolean,
): FaultCode {
  if (!isRequest && (head.has(TRANSFER_ENCODING) || !equalsIgnoreCase(bytes, start, end, CHUNKED)))
    return UP_BAD_FRAMING;
  if (head.has(TRANSFER_ENCODING)) return BAD_TRANSFER_ENCODING;
  if (equalsIgnoreCase(bytes, start, end, CHUNKED)) {
    head.flags |= HEAD_CHUNKED;
    return 0;
  }
  // A well-formed list of other codings, chunked once and last if at all, is not implemented (501); the rest is malformed.
  if (!isTokenList(bytes, start, end) || equalsIgnoreCase(bytes, start, end, IDENTITY)) return BAD_TRANSFER_ENCODING;
  return containsChunked(bytes, start, endOfOthers(bytes, start, end))
    ? BAD_TRANSFER_ENCODING
    : BAD_TRANSFER_CODING_UNKNOWN;
}

/** Where the list ends without its last coding, if that is chunked. */
function endOfOthers(bytes: Uint8Array, start: number, end: number): number {
  const last = end - CHUNKED.length;
  if (last <= start || !equalsIgnoreCase(bytes, last, end, CHUNKED)) return end;
  let at = last;
  while (at > start && (bytes[at - 1] === 0x20 || bytes[at - 1] === 9)) at--;
  // Another token may end like it: that is no chunked at all.
  return at > start && bytes[at - 1] === 0x2c ? at : end;
}

function containsChunked(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at + CHUNKED.length <= end; at++)
    if (equalsIgnoreCase(bytes, at, at + CHUNKED.length, CHUNKED)) return true;
  return false;
}

/** 1#token, where a token may be followed by "/" token (Upgrade: websocket, TLS/1.0). Not empty. */
function isTokenList(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  let isExpected = true;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === 0x20 || byte === 9) at++;
    else if (byte === 0x2c) {
      isExpected = true;
      at++;
    } else if (TOKEN[byte] !== 0 && isExpected) {
      while (at < end && (TOKEN[bytes[at] as number] !== 0 || bytes[at] === 0x2f)) at++;
      isExpected = false;
    } else return false;
  }
  return !isExpected;
}

/** Connection lines beyond what any peer needs; called before the newest is pushed. */
function isTooLong(head: Head, byteCount: number): boolean {
  let lines = 1;
  for (let slot = head.find(CONNECTION); slot >= 0; slot = head.find(CONNECTION, slot + 1)) lines++;
  return byteCount > CONNECTION_VALUE_MAX_BYTES || lines > CONNECTION_LINES_MAX;
}

/** Reads the options into flags; false when one is not a token. */
function applyConnection(head: Head, bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    while (at < end && (bytes[at] === 0x20 || bytes[at] === 9 || bytes[at] === 0x2c)) at++;
    const from = at;
    while (at < end && TOKEN[bytes[at] as number] !== 0) at++;
    if (at > from) applyOption(head, bytes, from, at);
    else if (at < end) return false;
    while (at < end && (bytes[at] === 0x20 || bytes[at] === 9)) at++;
    if (at < end && bytes[at] !== 0x2c) return false;
  }
  return true;
}

function applyOption(head: Head, bytes: Uint8Array, start: number, end: number): void {
  if (equalsIgnoreCase(bytes, start, end, KEEP_ALIVE)) head.flags |= HEAD_KEEP_ALIVE;
  else if (equalsIgnoreCase(bytes, start, end, CLOSE)) head.flags |= HEAD_CLOSE;
  else if (equalsIgnoreCase(bytes, start, end, UPGRADE)) head.flags |= HEAD_UPGRADE_NAMED;
  else head.flags |= HEAD_NOMINATES;
}
