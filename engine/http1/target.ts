/** The request target's rarer forms: absolute, authority (CONNECT) and asterisk (RFC 9112 §3.2). */
import { equalsIgnoreCase } from '../base/ascii.js';
import { BAD_TARGET, type FaultCode } from '../fault/faults.js';
import { isAuthority, isAuthorityWithPort } from '../http/authority.js';
import {
  HEAD_ABSOLUTE,
  HEAD_ASTERISK,
  HEAD_AUTHORITY_FORM,
  HEAD_HTTPS,
  HEAD_LINE_ODD,
  type Head,
} from '../http/head.js';
import { METHOD_CONNECT, METHOD_OPTIONS } from '../http/methods.js';

const encoder = new TextEncoder();
const HTTP = encoder.encode('http://');
const HTTPS = encoder.encode('https://');
const ROOT = encoder.encode('/');

/** Target at head.bytes[start, end), which does not begin with "/" or belongs to CONNECT. 0 = fine. */
export function parseTarget(head: Head, start: number, end: number, allowAbsoluteUrl: boolean): FaultCode {
  const bytes = head.bytes;
  const base = head.base;
  if (head.method === METHOD_CONNECT) {
    if (!isAuthorityWithPort(bytes, start, end)) return BAD_TARGET;
    head.flags |= HEAD_AUTHORITY_FORM | HEAD_LINE_ODD;
    head.authorityStart = start - base;
    head.authorityEnd = end - base;
    return 0;
  }
  if (end - start === 1 && bytes[start] === 0x2a) {
    if (head.method !== METHOD_OPTIONS) return BAD_TARGET;
    head.flags |= HEAD_ASTERISK;
    head.pathStart = start - base;
    head.pathEnd = end - base;
    return 0;
  }
  return allowAbsoluteUrl ? parseAbsolute(head, start, end) : BAD_TARGET;
}

function parseAbsolute(head: Head, start: number, end: number): FaultCode {
  const bytes = head.bytes;
  const base = head.base;
  let at: number;
  if (end - start > HTTP.length && equalsIgnoreCase(bytes, start, start + HTTP.length, HTTP)) at = start + HTTP.length;
  else if (end - start > HTTPS.length && equalsIgnoreCase(bytes, start, start + HTTPS.length, HTTPS)) {
    at = start + HTTPS.length;
    head.flags |= HEAD_HTTPS;
  } else return BAD_TARGET;
  const authorityStart = at;
  while (at < end && bytes[at] !== 0x2f && bytes[at] !== 0x3f) at++;
  if (!isAuthority(bytes, authorityStart, at)) return BAD_TARGET;
  head.flags |= HEAD_ABSOLUTE | HEAD_LINE_ODD;
  head.authorityStart = authorityStart - base;
  head.authorityEnd = at - base;
  if (at < end && bytes[at] === 0x2f) {
    head.pathStart = at - base;
    head.pathEnd = end - base;
    return 0;
  }
  // "http://host" and "http://host?query" have the path "/" (RFC 9112 §3.2.1).
  const query = bytes.subarray(at, end);
  const path = new Uint8Array(1 + query.length);
  path.set(ROOT);
  path.set(query, 1);
  head.setPath(path, 0, path.length);
  if (head.method === METHOD_OPTIONS && query.length === 0) {
    // RFC 9112 §3.2.4: OPTIONS with an empty path becomes the asterisk form.
    head.setPath(encoder.encode('*'), 0, 1);
    head.flags |= HEAD_ASTERISK;
  }
  return 0;
}
