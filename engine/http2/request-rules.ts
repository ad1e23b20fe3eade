/** Request rules: what only the whole header block of a request shows (RFC 9113 §8.3.1, §8.5, RFC 8441). */
import { equalsIgnoreCase, lowerCase, parseDecimal, writeDecimal } from '../base/ascii.js';
import {
  BAD_BODY_ON_CONNECT,
  BAD_CONTENT_LENGTH,
  BAD_HOST_MISSING,
  BAD_PSEUDO_FIELD,
  BAD_TARGET,
  type FaultCode,
  UP_BAD_FRAMING,
} from '../fault/faults.js';
import { HEAD_ASTERISK, HEAD_AUTHORITY_FORM, HEAD_LINE_ODD, type Head, INTERN_SHIFT } from '../http/head.js';
import { METHOD_CONNECT, METHOD_OPTIONS } from '../http/methods.js';
import { N } from '../http/names.js';
import {
  ARG_REFUSED,
  AUTHORITY_WITH_PORT,
  bit,
  LINE_AUTHORITY,
  LINE_METHOD,
  LINE_PATH,
  LINE_PROTOCOL,
  LINE_SCHEME,
  PATH_ASTERISK,
} from './header-rules.js';

const HOST = N.host;
const CONTENT_LENGTH = N['content-length'];

const COLON = 0x3a;
const PORT_OF_HTTP = new TextEncoder().encode(':80');
const PORT_OF_HTTPS = new TextEncoder().encode(':443');

/** Where an authority ends without a port that its scheme implies (RFC 3986 §6.2.3). */
function normalEnd(bytes: Uint8Array, start: number, end: number, isHttps: boolean): number {
  const port = isHttps ? PORT_OF_HTTPS : PORT_OF_HTTP;
  if (end - start > port.length && equalsIgnoreCase(bytes, end - port.length, end, port)) return end - port.length;
  return bytes[end - 1] === COLON ? end - 1 : end;
}

/** Two authorities mean the same server: by scheme-based normalization, as RFC 9113 §8.3.1 asks of intermediaries. */
export function isSameAuthority(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
  isHttps: boolean,
): boolean {
  const length = normalEnd(a, aStart, aEnd, isHttps) - aStart;
  if (normalEnd(b, bStart, bEnd, isHttps) - bStart !== length) return false;
  for (let i = 0; i < length; i++)
    if (lowerCase(a[aStart + i] as number) !== lowerCase(b[bStart + i] as number)) return false;
  return true;
}

/** Content-Length too big for its argument, or with leading zeros, which are octal to somebody: written down anew then. */
export function takeOddLength(
  head: Head,
  arg: number,
  isRequest: boolean,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let from = start;
  while (from < end - 1 && bytes[from] === 0x30) from++;
  const length = parseDecimal(bytes, from, end);
  if (length < 0 || (arg === ARG_REFUSED && !isRequest)) return isRequest ? BAD_CONTENT_LENGTH : UP_BAD_FRAMING;
  head.contentLength = length;
  return arg === ARG_REFUSED ? -1 : 0;
}

function addLength(head: Head): void {
  const at = head.beginAdd(CONTENT_LENGTH, 16);
  if (head.contentLength >= 10) {
    head.endAdd(writeDecimal(head.store, at, head.contentLength));
    return;
  }
  head.store[at] = 0x30 + head.contentLength;
  head.endAdd(at + 1);
}

/** seen: a bit for each kind of line that has come; the arguments are of :path and :authority. 0 = fine. */
export function finishRequest(head: Head, seen: number, pathArg: number, authorityArg: number): FaultCode {
  head.flags |= HEAD_LINE_ODD;
  if (head.contentLength >= 0 && head.find(CONTENT_LENGTH) < 0) addLength(head);
  if ((seen & bit(LINE_METHOD)) === 0) return BAD_PSEUDO_FIELD;
  const isConnect = head.method === METHOD_CONNECT;
  const isExtended = (seen & bit(LINE_PROTOCOL)) !== 0;
  if (isExtended && !isConnect) return BAD_PSEUDO_FIELD;
  if (isConnect && !isExtended) return finishConnect(head, seen, authorityArg);
  if ((seen & bit(LINE_SCHEME)) === 0 || (seen & bit(LINE_PATH)) === 0) return BAD_PSEUDO_FIELD;
  if (isExtended && (seen & bit(LINE_AUTHORITY)) === 0) return BAD_PSEUDO_FIELD;
  if (pathArg === PATH_ASTERISK) {
    if (head.method !== METHOD_OPTIONS) return BAD_TARGET;
    head.flags |= HEAD_ASTERISK;
  }
  return (seen & bit(LINE_AUTHORITY)) !== 0 ? 0 : authorityFromHost(head);
}

/** A request without :authority, as one that was HTTP/1.1 may be (RFC 9113 §8.3.1). */
function authorityFromHost(head: Head): FaultCode {
  const slot = head.find(HOST);
  if (slot < 0) return BAD_HOST_MISSING;
  head.authorityIntern = head.fieldFlags(slot) >>> INTERN_SHIFT;
  const base = head.authorityIntern !== 0 ? 0 : head.base;
  head.authorityStart = head.valueStart(slot) - base;
  head.authorityEnd = head.valueEnd(slot) - base;
  return 0;
}

/** RFC 9113 §8.5. */
function finishConnect(head: Head, seen: number, authorityArg: number): FaultCode {
  if ((seen & (bit(LINE_SCHEME) | bit(LINE_PATH))) !== 0) return BAD_PSEUDO_FIELD;
  if ((seen & bit(LINE_AUTHORITY)) === 0 || authorityArg !== AUTHORITY_WITH_PORT) return BAD_TARGET;
  if (head.contentLength > 0) return BAD_BODY_ON_CONNECT;
  head.flags |= HEAD_AUTHORITY_FORM;
  return 0;
}
