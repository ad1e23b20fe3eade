/** PathRewrite: prefix_rewrite and regex_rewrite of a route. */
import type { ByteOutput } from '../base/byte-output.js';
import type { Head } from '../http/head.js';
import type { PathMatchRecord, RegexRewriteRecord } from '../plan/records.js';
import { RegexRewrite } from '../format/regex.js';

const encoder = new TextEncoder();
const SLASH = 0x2f;
const SPACE = 0x20;

interface Rewrites {
  readonly prefixRewrite: string | null;
  readonly regexRewrite: RegexRewriteRecord | null;
}

export class PathRewrite {
  readonly #prefix: Uint8Array;
  /** Bytes of the path that the route matched and the prefix replaces. */
  readonly #matchedLength: number;
  readonly #regex: RegexRewrite | null;

  private constructor(prefix: Uint8Array, matchedLength: number, regex: RegexRewrite | null) {
    this.#prefix = prefix;
    this.#matchedLength = matchedLength;
    this.#regex = regex;
  }

  /** Null when the action rewrites nothing. */
  static of(match: PathMatchRecord, action: Rewrites): PathRewrite | null {
    if (action.regexRewrite !== null)
      return new PathRewrite(new Uint8Array(0), 0, new RegexRewrite(action.regexRewrite));
    if (action.prefixRewrite === null) return null;
    const hasPrefix = match.kind !== 'connect' && match.kind !== 'safe_regex';
    return new PathRewrite(
      encoder.encode(action.prefixRewrite),
      hasPrefix ? encoder.encode(match.value).length : 0,
      null,
    );
  }

  /** The new path with the query: prefix_rewrite replaces what was matched, regex_rewrite acts on all but the query. */
  write(out: ByteOutput, head: Head): void {
    const start = out.length;
    if (this.#regex === null) {
      out.all(this.#prefix);
      out.range(head.pathBytes, Math.min(head.pathFrom + this.#matchedLength, head.pathTo), head.pathTo);
    } else {
      const whole = head.pathString();
      const query = whole.indexOf('?');
      out.text(this.#regex.apply(query < 0 ? whole : whole.slice(0, query)));
      if (query >= 0) out.range(head.pathBytes, head.pathFrom + query, head.pathTo);
    }
    makeOriginForm(out, start);
  }
}

/** What a rewrite made must still be a request target: it begins with "/" and holds visible ASCII only. */
function makeOriginForm(out: ByteOutput, start: number): void {
  if (out.length === start || out.bytes[start] !== SLASH) {
    out.byte(0);
    out.bytes.copyWithin(start + 1, start, out.length - 1);
    out.bytes[start] = SLASH;
  }
  const end = out.length;
  for (let at = start; at < end; at++) {
    const byte = out.bytes[at] as number;
    if (byte <= SPACE || byte >= 0x7f) {
      escapeFrom(out, at);
      return;
    }
  }
}

const HEX = encoder.encode('0123456789ABCDEF');

/** Percent-encodes from `at` on what can't stand in a request target: only what a config writes there can be such. */
function escapeFrom(out: ByteOutput, at: number): void {
  const rest = out.bytes.slice(at, out.length);
  out.length = at;
  for (const byte of rest) {
    if (byte > SPACE && byte < 0x7f) {
      out.byte(byte);
      continue;
    }
    out.byte(0x25);
    out.byte(HEX[byte >> 4] as number);
    out.byte(HEX[byte & 15] as number);
  }
}
