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
    // One look tells whether there is anything to do: no escape, no "//", no "/.".
    let at = start;
    let isClean = true;
    for (; at < end && bytes[at] !== 0x3f; at++) {
      const byte = bytes[at] as number;
      if (byte === 0x25 || byte === 0x5c) isClean = false;
      else if (byte === 0x2f && at + 1 < end && (bytes[at + 1] === 0x2e || bytes[at + 1] === 0x2f)) isClean = false;
    }
    if (isClean) return 0;
    const query = head.pathString().slice(at - start);
    const before = head.pathString().slice(0, at - start);
    const after = this.#normalized(before);
    if (after === null) return BAD_PATH;
    if (after.path === before) return 0;
    const whole = Buffer.from(after.path + query, 'latin1');
    head.setPath(whole, 0, whole.length);
    return after.isRedirect ? REDIRECT_TO_PATH : 0;
  }

  #normalized(path: string): { path: string; isRedirect: boolean } | null {
    const options = this.#options;
    let isRedirect = false;
    if (options.pathWithEscapedSlashesAction !== 'KEEP_UNCHANGED' && /%2f|%5c/i.test(path)) {
      if (options.pathWithEscapedSlashesAction === 'REJECT_REQUEST') return null;
      path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
      isRedirect = options.pathWithEscapedSlashesAction === 'UNESCAPE_AND_REDIRECT';
    }
    if (options.normalizePath) {
      const decoded = decodeUnreserved(path);
      if (decoded === null) return null;
      const resolved = removeDotSegments(decoded.replaceAll('\\', '/'));
      if (resolved === null) return null;
      path = resolved;
    }
    if (options.mergeSlashes) path = path.replace(/\/{2,}/g, '/');
    return { path, isRedirect };
  }

  #applyHost(head: Head): void {
    const bytes = head.authorityBytes;
    const start = head.authorityFrom;
    let end = head.authorityTo;
    let colon = end;
    while (colon > start && isDigit(bytes[colon - 1] as number)) colon--;
    let portStart = end;
    if (colon > start && bytes[colon - 1] === 0x3a && colon < end) {
      let port = 0;
      for (let at = colon; at < end; at++) port = port * 10 + (bytes[at] as number) - 0x30;
      if (this.#options.stripAnyHostPort || (this.#options.stripMatchingHostPort && port === this.#port))
        end = colon - 1;
      portStart = colon - 1;
    }
    if (this.#options.stripTrailingHostDot) {
      const hostEnd = Math.min(portStart, end);
      if (hostEnd > start && bytes[hostEnd - 1] === 0x2e) {
        const host = Buffer.from(bytes.subarray(start, hostEnd - 1));
        const whole = Buffer.concat([host, bytes.subarray(hostEnd, end)]);
        head.setAuthority(whole, 0, whole.length);
        return;
      }
    }
    if (end !== head.authorityTo) head.setAuthority(bytes, start, end);
  }
}

/** %41 becomes A, %2f becomes %2F; null for an escape that is none, or one that hides NUL. */
function decodeUnreserved(path: string): string | null {
  let decoded = '';
  for (let at = 0; at < path.length; at++) {
    const char = path[at] as string;
    if (char !== '%') {
      decoded += char;
      continue;
    }
    const high = hexValue(path.charCodeAt(at + 1));
    const low = hexValue(path.charCodeAt(at + 2));
    if (at + 2 >= path.length || high < 0 || low < 0) return null;
    const byte = high * 16 + low;
    if (byte === 0) return null;
    const text = String.fromCharCode(byte);
    decoded += /[A-Za-z0-9\-._~]/.test(text) ? text : path.slice(at, at + 3).toUpperCase();
    at += 2;
  }
  return decoded;
}

/** RFC 3986 §5.2.4; null when the path climbs above its root. */
function removeDotSegments(path: string): string | null {
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const isLast = i === segments.length - 1;
    if (segment === '.') {
      if (isLast) out.push('');
    } else if (segment === '..') {
      if (out.length === 0) return null;
      out.pop();
      if (isLast) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}
