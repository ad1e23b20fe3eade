/** Predicates of a route beside its path: headers, query parameters, gRPC, runtime fraction. */
import { ByteOutput } from '../base/byte-output.js';
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { isGrpc } from '../http/grpc.js';
import type { Head } from '../http/head.js';
import { METHOD_BYTES } from '../http/methods.js';
import { nameIdOf } from '../http/names.js';
import type { HeaderMatchRecord, QueryMatchRecord, RouteMatchRecord } from '../plan/records.js';
import { QueryParameter } from './query-parameter.js';
import { StringMatch } from '../format/string-match.js';

export interface Predicate {
  matches(x: ExchangeView): boolean;
}

/** One random number per request, however many fractions it is held against: as in Envoy, they share it. */
export class RequestDraw {
  readonly #random: Prng;
  #value = -1;

  constructor(random: Prng) {
    this.#random = random;
  }

  /** Before each request. */
  forget(): void {
    this.#value = -1;
  }

  /** In [0, 2^32). */
  value(): number {
    if (this.#value < 0) this.#value = this.#random.next() >>> 0;
    return this.#value;
  }
}

/** All must hold; the cheap ones first. */
export function compilePredicates(record: RouteMatchRecord, draw: RequestDraw): Predicate[] {
  const predicates: Predicate[] = [];
  if (record.grpc) predicates.push(new GrpcPredicate());
  for (const header of record.headers) predicates.push(new HeaderPredicate(header));
  for (const query of record.queryParameters) predicates.push(new QueryPredicate(query));
  if (record.runtimeFraction !== null) predicates.push(new FractionPredicate(record.runtimeFraction, draw));
  return predicates;
}

const encoder = new TextEncoder();
const EMPTY = new Uint8Array(0);

class GrpcPredicate implements Predicate {
  matches(x: ExchangeView): boolean {
    return isGrpc(x.request);
  }
}

class FractionPredicate implements Predicate {
  readonly #numerator: number;
  readonly #denominator: number;
  readonly #draw: RequestDraw;

  constructor(fraction: { readonly numerator: number; readonly denominator: number }, draw: RequestDraw) {
    this.#numerator = fraction.numerator;
    this.#denominator = fraction.denominator;
    this.#draw = draw;
  }
  matches(): boolean {
    return this.#draw.value() % this.#denominator < this.#numerator;
  }
}

const FIELD = 0;
const METHOD = 1;
const PATH = 2;
const AUTHORITY = 3;
const SCHEME = 4;
const UNKNOWN_PSEUDO = 5;
const PSEUDO: Readonly<Record<string, number | undefined>> = {
  ':method': METHOD,
  ':path': PATH,
  ':authority': AUTHORITY,
  host: AUTHORITY,
  ':scheme': SCHEME,
};

const PRESENT = 0;
const STRING = 1;
const RANGE = 2;
const KINDS = { present: PRESENT, string: STRING, range: RANGE } as const;

/** Repeated fields as one. */
const joined = new ByteOutput();

class HeaderPredicate implements Predicate {
  readonly #source: number;
  readonly #name: Uint8Array;
  readonly #id: number;
  readonly #kind: number;
  readonly #string: StringMatch | null;
  readonly #rangeStart: number;
  readonly #rangeEnd: number;
  /** What "the header is there" has to be, for matches on presence alone. */
  readonly #wantsPresent: boolean;
  readonly #inverts: boolean;
  readonly #missingIsEmpty: boolean;

  constructor(record: HeaderMatchRecord) {
    const { name, match } = record;
    this.#source = PSEUDO[name] ?? (name.startsWith(':') ? UNKNOWN_PSEUDO : FIELD);
    this.#name = encoder.encode(name);
    this.#id = nameIdOf(name);
    this.#kind = KINDS[match.kind];
    this.#string = match.kind === 'string' ? new StringMatch(match.string) : null;
    this.#rangeStart = match.kind === 'range' ? match.start : 0;
    this.#rangeEnd = match.kind === 'range' ? match.end : 0;
    this.#wantsPresent = match.kind === 'present' && match.present !== record.invert;
    this.#inverts = record.invert;
    this.#missingIsEmpty = record.treatMissingAsEmpty;
  }

  matches(x: ExchangeView): boolean {
    const head = x.request;
    switch (this.#source) {
      case FIELD:
        return this.#matchesField(head);
      case METHOD: {
        if (head.method === 0) return this.#value(head.bytes, head.base + head.methodStart, head.base + head.methodEnd);
        const name = METHOD_BYTES[head.method] as Uint8Array;
        return this.#value(name, 0, name.length);
      }
      case PATH:
        return this.#value(head.pathBytes, head.pathFrom, head.pathTo);
      case AUTHORITY:
        return this.#value(head.authorityBytes, head.authorityFrom, head.authorityTo);
      case SCHEME: {
        const scheme = x.scheme === 'https' ? HTTPS : HTTP;
        return this.#value(scheme, 0, scheme.length);
      }
      default:
        return this.#missing();
    }
  }

  #matchesField(head: Head): boolean {
    const id = this.#id;
    const first = id === 0 ? head.findByName(this.#name) : head.find(id);
    if (first < 0) return this.#missing();
    if (this.#kind === PRESENT) return this.#wantsPresent;
    let slot = id === 0 ? head.findByName(this.#name, first + 1) : head.find(id, first + 1);
    if (slot < 0) return this.#value(head.fieldBytes(first), head.valueStart(first), head.valueEnd(first));
    // Repeated fields match as one, joined by commas (RFC 9110 §5.3).
    joined.length = 0;
    joined.range(head.fieldBytes(first), head.valueStart(first), head.valueEnd(first));
    while (slot >= 0) {
      joined.byte(0x2c);
      joined.range(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
      slot = id === 0 ? head.findByName(this.#name, slot + 1) : head.find(id, slot + 1);
    }
    return this.#value(joined.bytes, 0, joined.length);
  }

  /** A missing header matches neither a value nor the opposite of one, unless it counts as empty (Envoy). */
  #missing(): boolean {
    if (this.#missingIsEmpty) return this.#value(EMPTY, 0, 0);
    return this.#kind === PRESENT && !this.#wantsPresent;
  }

  #value(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#kind === PRESENT) return this.#wantsPresent;
    if (this.#kind === STRING) return (this.#string as StringMatch).matches(bytes, start, end) !== this.#inverts;
    const number = integerOf(bytes, start, end);
    return (!Number.isNaN(number) && number >= this.#rangeStart && number < this.#rangeEnd) !== this.#inverts;
  }
}

const HTTP = encoder.encode('http');
const HTTPS = encoder.encode('https');

/** Decimal integer with an optional sign, the whole value; NaN otherwise. */
function integerOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const isNegative = bytes[at] === 0x2d;
  if (isNegative) at++;
  if (at >= end || end - at > 18) return Number.NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

class QueryPredicate implements Predicate {
  readonly #parameter: QueryParameter;
  readonly #string: StringMatch | null;

  constructor(record: QueryMatchRecord) {
    this.#parameter = new QueryParameter(record.name);
    this.#string = record.string === null ? null : new StringMatch(record.string);
  }

  matches(x: ExchangeView): boolean {
    const parameter = this.#parameter;
    if (!parameter.find(x.request)) return false;
    return this.#string === null || this.#string.matches(x.request.pathBytes, parameter.start, parameter.end);
  }
}
