/** Predicates of a route beside its path: headers, query parameters, gRPC, runtime fraction. */
import { equalsIgnoreCase } from '../base/ascii.js';
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { Head } from '../http/head.js';
import { METHOD_BYTES } from '../http/methods.js';
import { N, nameIdOf } from '../http/names.js';
import type { HeaderMatchRecord, QueryMatchRecord, RouteMatchRecord } from '../plan/records.js';
import { StringMatch } from './string-match.js';

export interface Predicate {
  matches(x: ExchangeView): boolean;
}

/** All must hold; the cheap ones first. */
export function compilePredicates(record: RouteMatchRecord, random: Prng): Predicate[] {
  const predicates: Predicate[] = [];
  if (record.grpc) predicates.push(new GrpcPredicate());
  for (const header of record.headers) predicates.push(new HeaderPredicate(header));
  for (const query of record.queryParameters) predicates.push(new QueryPredicate(query));
  if (record.runtimeFraction !== null) predicates.push(new FractionPredicate(record.runtimeFraction, random));
  return predicates;
}

const encoder = new TextEncoder();
const GRPC = encoder.encode('application/grpc');
const EMPTY = new Uint8Array(0);

/** content-type application/grpc or application/grpc+... */
class GrpcPredicate implements Predicate {
  matches(x: ExchangeView): boolean {
    const head = x.request;
    const slot = head.find(N['content-type']);
    if (slot < 0) return false;
    const start = head.valueStart(slot);
    const end = head.valueEnd(slot);
    const bytes = head.fieldBytes(slot);
    if (end - start < GRPC.length || !equalsIgnoreCase(bytes, start, start + GRPC.length, GRPC)) return false;
    return end - start === GRPC.length || bytes[start + GRPC.length] === 0x2b;
  }
}

class FractionPredicate implements Predicate {
  readonly #numerator: number;
  readonly #denominator: number;
  readonly #random: Prng;

  constructor(fraction: { readonly numerator: number; readonly denominator: number }, random: Prng) {
    this.#numerator = fraction.numerator;
    this.#denominator = fraction.denominator;
    this.#random = random;
  }
  matches(): boolean {
    return this.#random.below(this.#denominator) < this.#numerator;
  }
}

class HeaderPredicate implements Predicate {
  readonly #record: HeaderMatchRecord;
  readonly #name: Uint8Array;
  readonly #id: number;
  readonly #string: StringMatch | null;

  constructor(record: HeaderMatchRecord) {
    this.#record = record;
    this.#name = encoder.encode(record.name);
    this.#id = nameIdOf(record.name);
    this.#string = record.match.kind === 'string' ? new StringMatch(record.match.string) : null;
  }

  matches(x: ExchangeView): boolean {
    const found = this.#record.name.startsWith(':') ? this.#matchesPseudo(x) : this.#matchesField(x.request);
    return found !== this.#record.invert;
  }

  #matchesField(head: Head): boolean {
    const slot = this.#id === 0 ? head.findByName(this.#name) : head.find(this.#id);
    if (slot < 0) return this.#missing();
    const next = this.#id === 0 ? head.findByName(this.#name, slot + 1) : head.find(this.#id, slot + 1);
    if (next >= 0 && this.#record.match.kind !== 'present') {
      // Repeated fields match as one, joined by commas (RFC 9110 §5.3).
      const joined = encoder.encode((head.joinedString(this.#record.name) as string).replaceAll(', ', ','));
      return this.#value(joined, 0, joined.length);
    }
    return this.#value(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
  }

  #missing(): boolean {
    const match = this.#record.match;
    if (match.kind === 'present') return !match.present;
    // A missing header never matches, inverted or not, unless it counts as empty (Envoy).
    if (!this.#record.treatMissingAsEmpty) return this.#record.invert;
    return this.#value(EMPTY, 0, 0);
  }

  #value(bytes: Uint8Array, start: number, end: number): boolean {
    const match = this.#record.match;
    if (match.kind === 'present') return match.present;
    if (match.kind === 'string') return (this.#string as StringMatch).matches(bytes, start, end);
    const number = integerOf(bytes, start, end);
    return number !== null && number >= match.start && number < match.end;
  }

  #matchesPseudo(x: ExchangeView): boolean {
    const head = x.request;
    switch (this.#record.name) {
      case ':method': {
        if (head.method === 0) return this.#value(head.bytes, head.base + head.methodStart, head.base + head.methodEnd);
        const name = METHOD_BYTES[head.method] as Uint8Array;
        return this.#value(name, 0, name.length);
      }
      case ':path':
        return this.#value(head.pathBytes, head.pathFrom, head.pathTo);
      case ':authority':
        return this.#value(head.authorityBytes, head.authorityFrom, head.authorityTo);
      case ':scheme': {
        const scheme = x.scheme === 'https' ? HTTPS : HTTP;
        return this.#value(scheme, 0, scheme.length);
      }
      default:
        return this.#missing();
    }
  }
}

const HTTP = encoder.encode('http');
const HTTPS = encoder.encode('https');

/** Decimal integer with an optional sign, the whole value; null otherwise. */
function integerOf(bytes: Uint8Array, start: number, end: number): number | null {
  let at = start;
  const isNegative = bytes[at] === 0x2d;
  if (isNegative) at++;
  if (at >= end || end - at > 18) return null;
  let value = 0;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

class QueryPredicate implements Predicate {
  readonly #name: Uint8Array;
  readonly #string: StringMatch | null;

  constructor(record: QueryMatchRecord) {
    this.#name = encoder.encode(record.name);
    this.#string = record.string === null ? null : new StringMatch(record.string);
  }

  /** The first parameter of that name decides. */
  matches(x: ExchangeView): boolean {
    const bytes = x.request.pathBytes;
    const end = x.request.pathTo;
    let at = x.request.pathFrom;
    while (at < end && bytes[at] !== 0x3f) at++;
    while (at < end) {
      at++;
      const nameStart = at;
      while (at < end && bytes[at] !== 0x3d && bytes[at] !== 0x26) at++;
      const nameEnd = at;
      let valueStart = at;
      if (bytes[at] === 0x3d && at < end) {
        valueStart = ++at;
        while (at < end && bytes[at] !== 0x26) at++;
      }
      if (!this.#isName(bytes, nameStart, nameEnd)) continue;
      return this.#string === null || this.#string.matches(bytes, valueStart, at);
    }
    return false;
  }

  #isName(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#name.length) return false;
    for (let i = 0; i < this.#name.length; i++) if (bytes[start + i] !== this.#name[i]) return false;
    return true;
  }
}
