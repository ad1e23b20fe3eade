/** StringMatch: one string matcher of the config over bytes; only regular expressions make a string. */
import { lowerCase } from '../base/ascii.js';
import type { StringMatchRecord } from '../plan/records.js';
import { compileRegex, matchesWhole, type Regex } from './regex.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');

export class StringMatch {
  readonly #kind: StringMatchRecord['kind'];
  readonly #value: Uint8Array;
  readonly #ignoreCase: boolean;
  readonly #regex: Regex | null;

  constructor(record: StringMatchRecord) {
    this.#kind = record.kind;
    this.#ignoreCase = record.kind !== 'safe_regex' && record.ignoreCase;
    this.#value = encoder.encode(this.#ignoreCase ? record.value.toLowerCase() : record.value);
    this.#regex = record.kind === 'safe_regex' ? compileRegex(record.value) : null;
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#value.length;
    switch (this.#kind) {
      case 'exact':
        return end - start === length && this.#at(bytes, start);
      case 'prefix':
        return end - start >= length && this.#at(bytes, start);
      case 'suffix':
        return end - start >= length && this.#at(bytes, end - length);
      case 'contains':
        for (let at = start; at + length <= end; at++) if (this.#at(bytes, at)) return true;
        return false;
      default:
        return matchesWhole(this.#regex as Regex, decoder.decode(bytes.subarray(start, end)));
    }
  }

  #at(bytes: Uint8Array, at: number): boolean {
    const value = this.#value;
    for (let i = 0; i < value.length; i++) {
      const byte = bytes[at + i] as number;
      if ((this.#ignoreCase ? lowerCase(byte) : byte) !== value[i]) return false;
    }
    return true;
  }
}
