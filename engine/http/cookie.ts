/** Cookie: a cookie's value in a request, and the field that gives a client one (RFC 6265). */
import { type FieldLine, fieldLine } from './field-line.js';
import type { Head } from './head.js';
import { N } from './names.js';

export interface CookieConfig {
  readonly name: string;
  /** 0 = until the browser ends; null = the cookie is only read. */
  readonly maxAgeSeconds: number | null;
  /** '' = none. */
  readonly path: string;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

const COOKIE = N.cookie;
const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
/** Digits of the values that are given out: 64 bits in hexadecimal. */
export const GIVEN_DIGITS = 16;

export class Cookie {
  /** Of the value, after a find() that was true. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Set-Cookie with a value of GIVEN_DIGITS at line.bytes[valueAt]; null for a cookie that is only read. */
  readonly line: FieldLine | null;
  readonly valueAt: number;
  readonly #name: Uint8Array;

  constructor(config: CookieConfig) {
    this.#name = new TextEncoder().encode(config.name);
    this.line = config.maxAgeSeconds === null ? null : setCookieLine(config);
    // "set-cookie: name=", and the quote.
    this.valueAt = this.line === null ? 0 : this.line.nameLength + 2 + this.#name.length + 2;
  }

  /** The first cookie of the name that is not empty, without the quotes around it. */
  find(head: Head): boolean {
    if (!head.has(COOKIE)) return false;
    for (let slot = head.find(COOKIE); slot >= 0; slot = head.find(COOKIE, slot + 1)) {
      this.bytes = head.fieldBytes(slot);
      const end = head.valueEnd(slot);
      for (let at = head.valueStart(slot); at < end; at++) {
        const from = at;
        while (at < end && this.bytes[at] !== SEMICOLON) at++;
        if (this.#isPair(from, at) && this.start < this.end) return true;
      }
    }
    return false;
  }

  /** Is this "name=value"? Sets the range of the value. */
  #isPair(from: number, to: number): boolean {
    const bytes = this.bytes;
    let start = from;
    while (start < to && isBlank(bytes[start] as number)) start++;
    const name = this.#name;
    if (to - start <= name.length || bytes[start + name.length] !== EQUALS) return false;
    for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
    start += name.length + 1;
    let end = to;
    while (end > start && isBlank(bytes[end - 1] as number)) end--;
    if (end - start >= 2 && bytes[start] === QUOTE && bytes[end - 1] === QUOTE) {
      start++;
      end--;
    }
    this.start = start;
    this.end = end;
    return true;
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function setCookieLine(config: CookieConfig): FieldLine {
  return fieldLine(N['set-cookie'], setCookieText(config, '0'.repeat(GIVEN_DIGITS)));
}

/** The value of Set-Cookie as Envoy writes it: always HttpOnly. */
export function setCookieText(config: CookieConfig, value: string): string {
  let text = `${config.name}="${value}"`;
  if (config.maxAgeSeconds !== null && config.maxAgeSeconds !== 0) text += `; Max-Age=${config.maxAgeSeconds}`;
  if (config.path !== '') text += `; Path=${config.path}`;
  for (const attribute of config.attributes)
    text += attribute.value === '' ? `; ${attribute.name}` : `; ${attribute.name}=${attribute.value}`;
  return `${text}; HttpOnly`;
}
