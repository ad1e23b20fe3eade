/** StringMatch: one string matcher of the config over bytes; only regular expressions make a string. */
import { lowerCase } from '../base/ascii.js';
import type { StringMatchRecord } from '../plan/records.js';
import { compileRegex, literalPrefix, matchesWhole, type Regex } from './regex.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');

const EXACT = 0;
const PREFIX = 1;
const SUFFIX = 2;
const CONTAINS = 3;
const REGEX = 4;
const KINDS = { exact: EXACT, prefix: PREFIX, suffix: SUFFIX, contains: CONTAINS, safe_regex: REGEX } as const;

export class StringMatch {
  readonly #kind: number;
  /** For a regular expression: what every match begins with. */
  readonly #value: Uint8Array;
  readonly #ignoresCase: boolean;
  readonly #regex: Regex | null;

  constructor(record: StringMatchRecord) {
    this.#kind = KINDS[record.kind];
    this.#ignoresCase = record.kind !== 'safe_regex' && record.ignoreCase;
    const value = record.kind === 'safe_regex' ? literalPrefix(record.value) : record.value;
    this.#value = encoder.encode(this.#ignoresCase ? value.toLowerCase() : value);
    this.#regex = record.kind === 'safe_regex' ? compileRegex(record.value) : null;
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#value.length;
    if (end - start < length) return false;
    switch (this.#kind) {
      case EXACT:
        return end - start === length && this.#isAt(bytes, start);
      case PREFIX:
        return this.#isAt(bytes, start);
      case SUFFIX:
        return this.#isAt(bytes, end - length);
      case CONTAINS:
        for (let at = start; at + length <= end; at++) if (this.#isAt(bytes, at)) return true;
        return false;
      default:
        return (
          this.#isAt(bytes, start) && matchesWhole(this.#regex as Regex, decoder.decode(bytes.subarray(start, end)))
        );
    }
  }

  #isAt(bytes: Uint8Array, at: number): boolean {
    const value = this.#value;
    for (let i = 0; i < value.length; i++) {
      const byte = bytes[at + i] as number;
      if ((this.#ignoresCase ? lowerCase(byte) : byte) !== value[i]) return false;
    }
    return true;
  }
}
