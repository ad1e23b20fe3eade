/** Syntax of an authority: host [":" port] with reg-name, IPv4 or [IPv6]; nothing that two readers could read in two ways. */
import { HOST, hexValue, isDigit } from '../base/ascii.js';

const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;
const PERCENT = 0x25;

/** RFC 3986 §3.2.2 without userinfo and without an empty host; a port, where there is one, is 1 to 5 digits. */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (at < end && bytes[at] === 0x5b) {
    while (at < end && bytes[at] !== 0x5d) at++;
    if (at >= end || !isIpv6(bytes, start + 1, at)) return false;
    at++;
  } else {
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (HOST[byte] === 0) break;
      if (byte === PERCENT && !isEscape(bytes, at, end)) return false;
    }
    if (at === start) return false;
  }
  if (at === end) return true;
  return bytes[at] === COLON && isPort(bytes, at + 1, end);
}

/** host ":" port, as CONNECT needs it (RFC 9112 §3.2.3). */
export function isAuthorityWithPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (!isAuthority(bytes, start, end)) return false;
  let at = end;
  while (at > start && isDigit(bytes[at - 1] as number)) at--;
  return at < end && at > start && bytes[at - 1] === COLON;
}

function isEscape(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 2 < end && hexValue(bytes[at + 1] as number) >= 0 && hexValue(bytes[at + 2] as number) >= 0;
}

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  return decimal(bytes, start, end, 5) <= 65535;
}

/** 1 to digitsMax digits as a number; Infinity for anything else. */
function decimal(bytes: Uint8Array, start: number, end: number, digitsMax: number): number {
  if (end <= start || end - start > digitsMax) return Infinity;
  let value = 0;
  for (let at = start; at < end; at++) {
    if (!isDigit(bytes[at] as number)) return Infinity;
    value = value * 10 + (bytes[at] as number) - 0x30;
  }
  return value;
}

/** Eight groups of 1 to 4 hex digits, "::" at most once for one group or more, the last two perhaps as IPv4. */
function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let isShort = false;
  let at = start;
  while (at < end) {
    if (bytes[at] === COLON) {
      // A colon stands between groups; "::" also at either end.
      if (at + 1 < end && bytes[at + 1] === COLON) {
        if (isShort) return false;
        isShort = true;
        at += 2;
        continue;
      }
      if (at === start || at + 1 === end || bytes[at - 1] === COLON) return false;
      at++;
    }
    const from = at;
    while (at < end && hexValue(bytes[at] as number) >= 0) at++;
    if (at < end && bytes[at] === DOT) return isIpv4(bytes, from, end) && isFull(groups + 2, isShort);
    if (at === from || at - from > 4) return false;
    groups++;
  }
  return isFull(groups, isShort);
}

function isFull(groups: number, isShort: boolean): boolean {
  return isShort ? groups < 8 : groups === 8;
}

function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let parts = 0;
  let from = start;
  for (let at = start; at <= end; at++)
    if (at === end || bytes[at] === DOT) {
      if (decimal(bytes, from, at, 3) > 255) return false;
      // Some read a leading zero as octal; RFC 3986 §3.2.2 has none.
      if (bytes[from] === ZERO && at > from + 1) return false;
      parts++;
      from = at + 1;
    }
  return parts === 4;
}
