/** HashPolicies: what of a request a route hashes, so that equal requests go to the same endpoint. */
import { ByteOutput } from '../base/byte-output.js';
import type { Hash64 } from '../base/hash64.js';
import type { Prng } from '../base/prng.js';
import { xxHash64 } from '../base/xxhash64.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { Cookie, GIVEN_DIGITS } from '../http/cookie.js';
import type { Head } from '../http/head.js';
import { METHOD_BYTES } from '../http/methods.js';
import { nameIdOf } from '../http/names.js';
import type { HashPolicyRecord } from '../plan/hash-policy-record.js';
import { QueryParameter } from './query-parameter.js';
import { RegexRewrite } from '../format/regex.js';

// Envoy's rules and hashes, bit for bit, but for the value of a cookie that is given out: 64 random bits, where Envoy
// takes a hash of the connection's addresses (behind another proxy its clients would share few of them).

/** What an exchange keeps between the hash and the answer. */
export interface HashedRequest extends ExchangeView {
  /** Bits of the cookie policies whose cookie the client has yet to get, and the value that they all have. */
  newCookies: number;
  cookieLow: number;
  cookieHigh: number;
}

/** One part: false when the request has nothing to hash for it. */
interface Part {
  hash(x: HashedRequest, into: Hash64, random: Prng): boolean;
}

export class HashPolicies {
  readonly #parts: readonly Part[];
  readonly #isTerminal: readonly boolean[];
  readonly #cookies: readonly CookiePart[];

  /** records: at least one, and at most HASH_POLICIES_MAX. */
  constructor(records: readonly HashPolicyRecord[]) {
    this.#parts = records.map(partOf);
    this.#isTerminal = records.map((record) => record.terminal);
    this.#cookies = this.#parts.filter((part) => part instanceof CookiePart);
  }

  /** Hashes of all policies that hit, each turned by a bit before the next is mixed in; false when none did. */
  hash(x: HashedRequest, into: Hash64, random: Prng): boolean {
    let isSet = false;
    let low = 0;
    let high = 0;
    for (let i = 0; i < this.#parts.length; i++) {
      if ((this.#parts[i] as Part).hash(x, into, random)) {
        const turnedLow = (low << 1) | (high >>> 31);
        high = ((high << 1) | (low >>> 31)) ^ into.high;
        low = turnedLow ^ into.low;
        isSet = true;
      }
      if (isSet && this.#isTerminal[i] === true) break;
    }
    into.low = low;
    into.high = high;
    return isSet;
  }

  /** Set-Cookie for what hash() made up. */
  addCookies(x: HashedRequest): void {
    for (let i = 0; i < this.#cookies.length; i++) (this.#cookies[i] as CookiePart).give(x);
  }
}

function partOf(record: HashPolicyRecord, at: number): Part {
  switch (record.kind) {
    case 'header':
      if (record.rewrite !== null) return new RewrittenHeaderPart(record.name, new RegexRewrite(record.rewrite));
      return record.name.startsWith(':') || record.name === 'host'
        ? new PseudoHeaderPart(record.name)
        : new HeaderPart(record.name);
    case 'cookie':
      return new CookiePart(new Cookie(record), 1 << at);
    case 'source_ip':
      return new SourceAddressPart();
    case 'query_parameter':
      return new QueryParameterPart(record.name);
  }
}

const encoder = new TextEncoder();
const scratch = new ByteOutput();
/** Slots of a repeated field, by value. */
let sorted = new Int32Array(16);

/** All values of a field, in the order of their bytes, so that the order in which they come makes no difference. */
class HeaderPart implements Part {
  readonly #name: Uint8Array;
  readonly #id: number;

  constructor(name: string) {
    this.#name = encoder.encode(name);
    this.#id = nameIdOf(name);
  }

  hash(x: HashedRequest, into: Hash64): boolean {
    const head = x.request;
    let slot = this.#find(head, 0);
    if (slot < 0) return false;
    let count = 0;
    for (; slot >= 0; slot = this.#find(head, slot + 1)) insert(head, slot, count++);
    into.low = 0;
    into.high = 0;
    for (let i = 0; i < count; i++) {
      const each = sorted[i] as number;
      xxHash64(into, head.fieldBytes(each), head.valueStart(each), head.valueEnd(each), into.low, into.high);
    }
    return true;
  }

  #find(head: Head, from: number): number {
    return this.#id === 0 ? head.findByName(this.#name, from) : head.find(this.#id, from);
  }
}

/** Insertion: fields are hardly ever repeated, and their number is limited. */
function insert(head: Head, slot: number, count: number): void {
  if (count === sorted.length) {
    const bigger = new Int32Array(count * 2);
    bigger.set(sorted);
    sorted = bigger;
  }
  let at = count;
  for (; at > 0 && isBefore(head, slot, sorted[at - 1] as number); at--) sorted[at] = sorted[at - 1] as number;
  sorted[at] = slot;
}

function isBefore(head: Head, slot: number, other: number): boolean {
  const bytes = head.fieldBytes(slot);
  const start = head.valueStart(slot);
  const length = head.valueEnd(slot) - start;
  const otherBytes = head.fieldBytes(other);
  const otherStart = head.valueStart(other);
  const otherLength = head.valueEnd(other) - otherStart;
  for (let i = 0; i < length && i < otherLength; i++) {
    const difference = (bytes[start + i] as number) - (otherBytes[otherStart + i] as number);
    if (difference !== 0) return difference < 0;
  }
  return length < otherLength;
}

/** Values as an expression leaves them: strings, for those who ask for it. */
class RewrittenHeaderPart implements Part {
  readonly #name: string;
  readonly #rewrite: RegexRewrite;

  constructor(name: string, rewrite: RegexRewrite) {
    this.#name = name;
    this.#rewrite = rewrite;
  }

  hash(x: HashedRequest, into: Hash64): boolean {
    const values = valuesOf(x.request, this.#name);
    if (values.length === 0) return false;
    const rewritten = values.map((value) => Buffer.from(this.#rewrite.apply(value))).sort(Buffer.compare);
    into.low = 0;
    into.high = 0;
    for (const value of rewritten) xxHash64(into, value, 0, value.length, into.low, into.high);
    return true;
  }
}

function valuesOf(head: Head, name: string): string[] {
  if (name === 'host' || name === ':authority') return [head.authorityString()];
  if (name === ':path') return [head.pathString()];
  const bytes = encoder.encode(name);
  const values: string[] = [];
  for (let slot = head.findByName(bytes); slot >= 0; slot = head.findByName(bytes, slot + 1))
    values.push(Buffer.from(head.fieldBytes(slot).subarray(head.valueStart(slot), head.valueEnd(slot))).toString());
  return values;
}

/** :method, :path (with the query) or :authority, which is Host. */
class PseudoHeaderPart implements Part {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  hash(x: HashedRequest, into: Hash64): boolean {
    const head = x.request;
    if (this.#name === ':path') xxHash64(into, head.pathBytes, head.pathFrom, head.pathTo);
    else if (this.#name !== ':method') xxHash64(into, head.authorityBytes, head.authorityFrom, head.authorityTo);
    else if (head.method === 0) xxHash64(into, head.bytes, head.base + head.methodStart, head.base + head.methodEnd);
    else {
      const method = METHOD_BYTES[head.method] as Uint8Array;
      xxHash64(into, method, 0, method.length);
    }
    return true;
  }
}

const HEX = encoder.encode('0123456789abcdef');

class CookiePart implements Part {
  readonly #cookie: Cookie;
  readonly #bit: number;

  constructor(cookie: Cookie, bit: number) {
    this.#cookie = cookie;
    this.#bit = bit;
  }

  /** A client without the cookie gets one, if the policy gives any, and is hashed as if it had it already. */
  hash(x: HashedRequest, into: Hash64, random: Prng): boolean {
    const cookie = this.#cookie;
    if (cookie.find(x.request)) {
      xxHash64(into, cookie.bytes, cookie.start, cookie.end);
      return true;
    }
    if (cookie.line === null) return false;
    if (x.newCookies === 0) {
      x.cookieLow = random.next();
      x.cookieHigh = random.next();
    }
    x.newCookies |= this.#bit;
    scratch.length = 0;
    scratch.reserve(GIVEN_DIGITS);
    writeHex(scratch.bytes, 0, x);
    xxHash64(into, scratch.bytes, 0, GIVEN_DIGITS);
    return true;
  }

  give(x: HashedRequest): void {
    const { line, valueAt } = this.#cookie;
    if (line === null || (x.newCookies & this.#bit) === 0) return;
    writeHex(line.bytes, valueAt, x);
    x.response.addLine(line);
  }
}

function writeHex(bytes: Uint8Array, at: number, x: HashedRequest): void {
  for (let digit = 0; digit < 8; digit++) {
    bytes[at + digit] = HEX[(x.cookieHigh >>> (28 - digit * 4)) & 15] as number;
    bytes[at + 8 + digit] = HEX[(x.cookieLow >>> (28 - digit * 4)) & 15] as number;
  }
}

/** The client's address as far as it can be trusted; a unix socket has none. */
class SourceAddressPart implements Part {
  hash(x: HashedRequest, into: Hash64): boolean {
    const address = x.remoteAddress;
    if (address.family === 'unix') return false;
    scratch.length = 0;
    scratch.text(address.host);
    xxHash64(into, scratch.bytes, 0, scratch.length);
    return true;
  }
}

class QueryParameterPart implements Part {
  readonly #parameter: QueryParameter;

  constructor(name: string) {
    this.#parameter = new QueryParameter(name);
  }

  hash(x: HashedRequest, into: Hash64): boolean {
    const parameter = this.#parameter;
    if (!parameter.find(x.request)) return false;
    xxHash64(into, x.request.pathBytes, parameter.start, parameter.end);
    return true;
  }
}
