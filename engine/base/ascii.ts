/** Byte tables and decimal/hex arithmetic over bytes: token, field value, digits. */

/** Bit 0 for tchar (RFC 9110 §5.6.2); bit 1 too for '_', so that a scan learns in passing whether there was one. */
export const TOKEN = table((byte) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)));
TOKEN[0x5f] = 3;
/** 1 for bytes that a field value may hold: VCHAR, obs-text, SP, HTAB (RFC 9110 §5.5). */
export const FIELD_VALUE = table((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f));
/** 1 for bytes that we take in a request target: visible ASCII without '#' (RFC 9112 §3.2, RFC 3986). */
export const TARGET = table((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23);
/** 1 for bytes of a host (RFC 3986 reg-name, IPv4): unreserved, sub-delims, percent. */
export const HOST = table((byte) => /[A-Za-z0-9\-._~!$&'()*+,;=%]/.test(String.fromCharCode(byte)));

function table(isIn: (byte: number) => boolean): Uint8Array {
  const bits = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) bits[byte] = isIn(byte) ? 1 : 0;
  return bits;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Value of a hex digit, or -1. */
export function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** 1*DIGIT as a whole number up to 2^53 - 1; -1 for anything else, empty included. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 16) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

/** ASCII case-insensitive comparison with a lower-case text. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lowercase: Uint8Array): boolean {
  if (end - start !== lowercase.length) return false;
  for (let i = 0; i < lowercase.length; i++) if (lowerCase(bytes[start + i] as number) !== lowercase[i]) return false;
  return true;
}

/** Writes a whole number in decimal at `at`; answers the offset behind it. */
export function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let i = digits - 1; i >= 0; i--) {
    bytes[at + i] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

/** Writes a whole number in lower-case hex at `at`; answers the offset behind it. */
export function writeHex(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 16; rest = Math.floor(rest / 16)) digits++;
  let rest = value;
  for (let i = digits - 1; i >= 0; i--) {
    const digit = rest % 16;
    bytes[at + i] = digit < 10 ? 0x30 + digit : 0x57 + digit;
    rest = Math.floor(rest / 16);
  }
  return at + digits;
}

/** Copies text made of constants; answers the offset behind it. */
export function writeBytes(bytes: Uint8Array, at: number, source: Uint8Array): number {
  for (let i = 0; i < source.length; i++) bytes[at + i] = source[i] as number;
  return at + source.length;
}
