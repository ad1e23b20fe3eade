/** Normalization: path and host in one form before anything is decided by them; what stays ambiguous is refused. */
import { hexValue, isDigit } from '../base/ascii.js';
import { BAD_PATH, type FaultCode } from '../fault/faults.js';
import { HEAD_ASTERISK, HEAD_AUTHORITY_FORM, type Head } from './head.js';

export interface NormalizationOptions {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    | 'KEEP_UNCHANGED'
    | 'REJECT_REQUEST'
    | 'UNESCAPE_AND_REDIRECT'
    | 'UNESCAPE_AND_FORWARD';
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
}

/** The path was unescaped and the client is to be sent there (UNESCAPE_AND_REDIRECT): 307 to the new path. */
export const REDIRECT_TO_PATH = -1;

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const QUESTION = 0x3f;
const BACKSLASH = 0x5c;
/** Answers of the steps: nothing of that kind was there, something was done, or the path can't be read in one way. */
const UNCHANGED = 0;
const CHANGED = 1;
const REFUSED = 2;

/** RFC 3986 §2.3. */
const UNRESERVED = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')
  UNRESERVED[char.charCodeAt(0)] = 1;

/** Where paths are worked on; `used` bytes of it are the path. Steps only ever shorten it. */
let work = new Uint8Array(4096);
let used = 0;

export class Normalization {
  readonly #options: NormalizationOptions;
  readonly #isPathOn: boolean;
  readonly #isHostOn: boolean;
  readonly #port: number;

  /** port: of the listener, for strip_matching_host_port. */
  constructor(options: NormalizationOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.#isPathOn =
      options.normalizePath || options.mergeSlashes || options.pathWithEscapedSlashesAction !== 'KEEP_UNCHANGED';
    this.#isHostOn = options.stripMatchingHostPort || options.stripAnyHostPort || options.stripTrailingHostDot;
  }

  /** 0 = fine, REDIRECT_TO_PATH, or the fault that refuses the request. */
  apply(head: Head): FaultCode {
    if ((head.flags & HEAD_AUTHORITY_FORM) !== 0) return 0;
    if (this.#isHostOn) this.#applyHost(head);
    return this.#isPathOn && (head.flags & HEAD_ASTERISK) === 0 ? this.#applyPath(head) : 0;
  }

  #applyPath(head: Head): FaultCode {
    const bytes = head.pathBytes;
    const start = head.pathFrom;
    const end = head.pathTo;
    const pathEnd = cleanEnd(bytes, start, end);
    return pathEnd < 0 ? this.#rework(head, bytes, start, end) : 0;
  }

  /** Envoy's order: escaped slashes, then RFC 3986, then double slashes; the query is left alone. */
  #rework(head: Head, bytes: Uint8Array, start: number, end: number): FaultCode {
    const options = this.#options;
    let pathEnd = start;
    while (pathEnd < end && bytes[pathEnd] !== QUESTION) pathEnd++;
    load(bytes, start, pathEnd, end - start);
    let code: FaultCode = 0;
    let isChanged = false;
    if (options.pathWithEscapedSlashesAction !== 'KEEP_UNCHANGED' && unescapeSlashes() === CHANGED) {
      if (options.pathWithEscapedSlashesAction === 'REJECT_REQUEST') return BAD_PATH;
      if (options.pathWithEscapedSlashesAction === 'UNESCAPE_AND_REDIRECT') code = REDIRECT_TO_PATH;
      isChanged = true;
    }
    if (options.normalizePath) {
      const decoded = decodeUnreserved();
      if (decoded === REFUSED) return BAD_PATH;
      if (removeDotSegments() === CHANGED || decoded === CHANGED) isChanged = true;
    }
    if (options.mergeSlashes && mergeSlashes() === CHANGED) isChanged = true;
    if (!isChanged) return 0;
    for (let at = pathEnd; at < end; at++) work[used++] = bytes[at] as number;
    head.setPath(work, 0, used);
    return code;
  }

  #applyHost(head: Head): void {
    const bytes = head.authorityBytes;
    const start = head.authorityFrom;
    const end = head.authorityTo;
    let at = end;
    while (at > start && isDigit(bytes[at - 1] as number)) at--;
    const hasPort = at < end && at > start && bytes[at - 1] === COLON;
    const hostEnd = hasPort ? at - 1 : end;
    const keepsPort = hasPort && !this.#stripsPort(bytes, at, end);
    const hasDot = this.#options.stripTrailingHostDot && hostEnd - start > 1 && bytes[hostEnd - 1] === DOT;
    if (!hasDot) {
      if (hasPort && !keepsPort) head.setAuthority(bytes, start, hostEnd);
      return;
    }
    load(bytes, start, hostEnd - 1, end - start);
    if (keepsPort) for (let from = hostEnd; from < end; from++) work[used++] = bytes[from] as number;
    head.setAuthority(work, 0, used);
  }

  #stripsPort(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#options.stripAnyHostPort) return true;
    if (!this.#options.stripMatchingHostPort) return false;
    let port = 0;
    for (let at = start; at < end; at++) port = port * 10 + (bytes[at] as number) - 0x30;
    return port === this.#port;
  }
}

/** End of the path when one look finds nothing to do: no escape, no backslash, no "//", no "/."; else -1. */
function cleanEnd(bytes: Uint8Array, start: number, end: number): number {
  let before = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === QUESTION) return at;
    if (byte === PERCENT || byte === BACKSLASH) return -1;
    if (before === SLASH && (byte === DOT || byte === SLASH)) return -1;
    before = byte;
  }
  return end;
}

/** Takes bytes[start, end) to work on; byteCount: room for the query too. */
function load(bytes: Uint8Array, start: number, end: number, byteCount: number): void {
  if (work.length < byteCount) work = new Uint8Array(byteCount * 2);
  used = 0;
  for (let at = start; at < end; at++) work[used++] = bytes[at] as number;
}

/** %2F and %5C become what they stand for. */
function unescapeSlashes(): number {
  let to = 0;
  for (let at = 0; at < used; at++) {
    const byte = work[at] as number;
    const value = byte === PERCENT && at + 2 < used ? escaped(at) : -1;
    if (value === SLASH || value === BACKSLASH) {
      work[to++] = value;
      at += 2;
    } else work[to++] = byte;
  }
  if (to === used) return UNCHANGED;
  used = to;
  return CHANGED;
}

/** Value of the escape whose "%" is at `at`; -1 when two hex digits don't follow. */
function escaped(at: number): number {
  const high = hexValue(work[at + 1] as number);
  const low = hexValue(work[at + 2] as number);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/**
 * RFC 3986 §6.2.2: %41 becomes A, %2f becomes %2F, and "\" is a slash. What is no escape is refused, because decoding
 * beside it could make a new one ("%%32e"); so is NUL, where C programs stop reading.
 */
function decodeUnreserved(): number {
  let to = 0;
  let isChanged = false;
  for (let at = 0; at < used; at++) {
    const byte = work[at] as number;
    if (byte !== PERCENT) {
      if (byte === BACKSLASH) isChanged = true;
      work[to++] = byte === BACKSLASH ? SLASH : byte;
      continue;
    }
    const value = at + 2 < used ? escaped(at) : -1;
    if (value <= 0) return REFUSED;
    if (UNRESERVED[value] === 1) {
      work[to++] = value;
      isChanged = true;
    } else {
      for (let i = 0; i < 3; i++) {
        const digit = work[at + i] as number;
        const upper = digit >= 0x61 && digit <= 0x66 ? digit - 0x20 : digit;
        if (upper !== digit) isChanged = true;
        work[to++] = upper;
      }
    }
    at += 2;
  }
  used = to;
  return isChanged ? CHANGED : UNCHANGED;
}

/** RFC 3986 §5.2.4, in place; ".." at the root stays at the root. */
function removeDotSegments(): number {
  if (used === 0 || work[0] !== SLASH) return UNCHANGED;
  const before = used;
  // `to` is behind the "/" that ends the last segment kept.
  let to = 1;
  let at = 1;
  while (at <= before) {
    let end = at;
    while (end < before && work[end] !== SLASH) end++;
    const length = end - at;
    const isDot = length === 1 && work[at] === DOT;
    const isDotDot = length === 2 && work[at] === DOT && work[at + 1] === DOT;
    if (isDotDot && to > 1) {
      to--;
      while (to > 1 && work[to - 1] !== SLASH) to--;
    } else if (!isDot && !isDotDot) {
      for (let from = at; from < end; from++) work[to++] = work[from] as number;
      if (end < before) work[to++] = SLASH;
    }
    at = end + 1;
  }
  used = to;
  return used === before ? UNCHANGED : CHANGED;
}

function mergeSlashes(): number {
  let to = 0;
  for (let at = 0; at < used; at++) {
    const byte = work[at] as number;
    if (byte === SLASH && to > 0 && work[to - 1] === SLASH) continue;
    work[to++] = byte;
  }
  if (to === used) return UNCHANGED;
  used = to;
  return CHANGED;
}
