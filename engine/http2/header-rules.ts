/** Header rules: what a field of HTTP/2 is and whether it may be so (RFC 9113 §8.2, §8.3), told once per table entry. */
import { equalsIgnoreCase, FIELD_VALUE, parseDecimal, TARGET, TOKEN } from '../base/ascii.js';
import { isAuthority, isAuthorityWithPort } from '../http/authority.js';
import { methodOf } from '../http/methods.js';
import { N, nameId } from '../http/names.js';

// A line has a kind, which its name alone decides, and an argument, which its value decides. Both are kept with every table entry and every interned line, so a repeated line is never looked at again.

/** What a line is. Kinds up to LINE_PROTOCOL are pseudo-header fields. */
export type LineKind = number;
export const LINE_METHOD = 1;
export const LINE_SCHEME = 2;
export const LINE_AUTHORITY = 3;
export const LINE_PATH = 4;
export const LINE_STATUS = 5;
export const LINE_PROTOCOL = 6;
/** Nothing but its syntax is to be checked. */
export const LINE_PLAIN = 8;
/** Plain, but the name holds '_': a listener's policy decides. */
export const LINE_UNDERSCORE = 9;
export const LINE_HOST = 10;
export const LINE_CONTENT_LENGTH = 11;
export const LINE_COOKIE = 12;
export const LINE_TE = 13;
export const LINE_EXPECT = 14;
/** Belongs to one HTTP/1.1 connection: malformed here (RFC 9113 §8.2.2). */
export const LINE_CONNECTION = 15;
/** A name that is no lower-case token, or a pseudo-header field that nobody defined. */
export const LINE_BAD_NAME = 16;
export const LINE_BAD_PSEUDO = 17;

/** Of a set of kinds. */
export function bit(kind: LineKind): number {
  return 1 << kind;
}

/** Argument of a value that no field may have, and of a pseudo-header field's that is not allowed. */
export const ARG_BAD = -1;
/** Argument of a well-formed value that this field may not have. */
export const ARG_REFUSED = -2;
/** Argument of LINE_PATH. */
export const PATH_SLASH = 1;
export const PATH_ASTERISK = 2;
/** Argument of LINE_AUTHORITY. */
export const AUTHORITY_PLAIN = 1;
export const AUTHORITY_WITH_PORT = 2;
/** Argument of LINE_CONTENT_LENGTH when the value has to be read anew: lengths above it don't fit. */
export const LENGTH_BIG = 0x7fffffff;

const encoder = new TextEncoder();
/** By kind. */
export const PSEUDO_NAMES: readonly Uint8Array[] = [
  '',
  ':method',
  ':scheme',
  ':authority',
  ':path',
  ':status',
  ':protocol',
].map((name) => encoder.encode(name));
const HTTP = encoder.encode('http');
const HTTPS = encoder.encode('https');
const TRAILERS = encoder.encode('trailers');
const CONTINUE = encoder.encode('100-continue');

/** Longer than any registered method several times over, as in HTTP/1.1. */
const METHOD_MAX_BYTES = 64;
const COLON = 0x3a;

const KIND_OF_ID = new Uint8Array(256).fill(LINE_PLAIN);
KIND_OF_ID[N.host] = LINE_HOST;
KIND_OF_ID[N['content-length']] = LINE_CONTENT_LENGTH;
KIND_OF_ID[N.cookie] = LINE_COOKIE;
KIND_OF_ID[N.te] = LINE_TE;
KIND_OF_ID[N.expect] = LINE_EXPECT;
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const)
  KIND_OF_ID[N[name]] = LINE_CONNECTION;

/** A kind and the id of a well-known name, in one number: what a name means. */
export type NameFacts = number;

export function kindOf(facts: NameFacts): LineKind {
  return facts >> 8;
}
export function idOf(facts: NameFacts): number {
  return facts & 0xff;
}

/** What the name in bytes[start, end) means. */
export function nameFacts(bytes: Uint8Array, start: number, end: number): NameFacts {
  if (start < end && bytes[start] === COLON) return pseudoFacts(bytes, start, end);
  let seen = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const kind = TOKEN[byte] as number;
    // RFC 9113 §8.2.1: an upper-case letter makes the message malformed.
    if (kind === 0 || (byte >= 0x41 && byte <= 0x5a)) return LINE_BAD_NAME << 8;
    seen |= kind;
  }
  if (start === end) return LINE_BAD_NAME << 8;
  const id = nameId(bytes, start, end);
  if (id === 0 && (seen & 2) !== 0) return LINE_UNDERSCORE << 8;
  return ((KIND_OF_ID[id] as number) << 8) | id;
}

function pseudoFacts(bytes: Uint8Array, start: number, end: number): NameFacts {
  for (let kind = LINE_METHOD; kind <= LINE_PROTOCOL; kind++) {
    const name = PSEUDO_NAMES[kind] as Uint8Array;
    if (name.length !== end - start) continue;
    let i = 1;
    while (i < name.length && name[i] === bytes[start + i]) i++;
    if (i === name.length) return (kind << 8) | (kind === LINE_AUTHORITY ? N.host : 0);
  }
  return LINE_BAD_PSEUDO << 8;
}

/** Argument of a line with this kind and the value bytes[start, end). */
export function lineArg(kind: LineKind, bytes: Uint8Array, start: number, end: number): number {
  if (kind > LINE_PROTOCOL && !isValue(bytes, start, end)) return ARG_BAD;
  switch (kind) {
    case LINE_METHOD:
      return methodArg(bytes, start, end);
    case LINE_SCHEME:
      return schemeArg(bytes, start, end);
    case LINE_AUTHORITY:
      return authorityArg(bytes, start, end);
    case LINE_PATH:
      return pathArg(bytes, start, end);
    case LINE_STATUS:
      return statusArg(bytes, start, end);
    case LINE_PROTOCOL:
      return isToken(bytes, start, end) ? 0 : ARG_BAD;
    case LINE_HOST:
      return isAuthority(bytes, start, end) ? 0 : ARG_REFUSED;
    case LINE_CONTENT_LENGTH:
      return lengthArg(bytes, start, end);
    case LINE_TE:
      return equalsIgnoreCase(bytes, start, end, TRAILERS) ? 0 : ARG_REFUSED;
    case LINE_EXPECT:
      return equalsIgnoreCase(bytes, start, end, CONTINUE) ? 0 : ARG_REFUSED;
    default:
      return 0;
  }
}

/** RFC 9113 §8.2.1, and no other control byte either (RFC 9110 §5.5), nor white space at an end. */
function isValue(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (FIELD_VALUE[bytes[at] as number] === 0) return false;
  return start === end || !(isSpace(bytes[start] as number) || isSpace(bytes[end - 1] as number));
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 9;
}

function isToken(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (TOKEN[bytes[at] as number] === 0) return false;
  return start < end;
}

function methodArg(bytes: Uint8Array, start: number, end: number): number {
  return end - start <= METHOD_MAX_BYTES && isToken(bytes, start, end) ? methodOf(bytes, start, end) : ARG_BAD;
}

/** 0 = http, 1 = https. Others are not ours to forward: what they mean to an HTTP/1.1 server can't be said. */
function schemeArg(bytes: Uint8Array, start: number, end: number): number {
  if (equalsIgnoreCase(bytes, start, end, HTTP)) return 0;
  return equalsIgnoreCase(bytes, start, end, HTTPS) ? 1 : ARG_BAD;
}

function authorityArg(bytes: Uint8Array, start: number, end: number): number {
  if (isAuthorityWithPort(bytes, start, end)) return AUTHORITY_WITH_PORT;
  return isAuthority(bytes, start, end) ? AUTHORITY_PLAIN : ARG_BAD;
}

function pathArg(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return ARG_BAD;
  for (let at = start; at < end; at++) if (TARGET[bytes[at] as number] === 0) return ARG_BAD;
  if (bytes[start] === 0x2f) return PATH_SLASH;
  return end - start === 1 && bytes[start] === 0x2a ? PATH_ASTERISK : ARG_BAD;
}

/** Three digits; 101 does not exist in HTTP/2 (RFC 9113 §8.6). */
function statusArg(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 3) return ARG_BAD;
  const status = parseDecimal(bytes, start, end);
  return status >= 100 && status !== 101 ? status : ARG_BAD;
}

function lengthArg(bytes: Uint8Array, start: number, end: number): number {
  const length = parseDecimal(bytes, start, end);
  // A leading zero is octal to somebody: no sender needs it.
  if (length < 0 || (bytes[start] === 0x30 && end - start > 1)) return ARG_REFUSED;
  return Math.min(length, LENGTH_BIG);
}
