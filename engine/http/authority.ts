/** Syntax of an authority: host [":" port] with reg-name, IPv4 or [IPv6]; nothing that two readers could read in two ways. */
import { HOST, hexValue, isDigit } from '../base/ascii.js';

const COLON = 0x3a;

/** RFC 3986 §3.2.2 without userinfo and without an empty host; a port, where there is one, is 1 to 5 digits. */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false;
  let at = start;
  if (bytes[at] === 0x5b) {
    at++;
    let colons = 0;
    while (at < end && bytes[at] !== 0x5d) {
      const byte = bytes[at] as number;
      if (byte === COLON) colons++;
      else if (hexValue(byte) < 0 && byte !== 0x2e) return false;
      at++;
    }
    if (at >= end || colons < 2) return false;
    at++;
  } else {
    while (at < end && bytes[at] !== COLON) {
      if (HOST[bytes[at] as number] === 0) return false;
      at++;
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

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 1 || end - start > 5) return false;
  let port = 0;
  for (let at = start; at < end; at++) {
    if (!isDigit(bytes[at] as number)) return false;
    port = port * 10 + (bytes[at] as number) - 0x30;
  }
  return port <= 65535;
}
