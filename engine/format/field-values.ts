/** Operators that read fields and the request target: REQ, RESP, TRAILER, PATH, QUERY_PARAM. */
import type { ByteOutput } from '../base/byte-output.js';
import { grpcStatusOfHttp, isGrpc, readGrpcStatus } from '../http/grpc.js';
import type { Head } from '../http/head.js';
import { METHOD_BYTES } from '../http/methods.js';
import { N, type NameId, nameIdOf } from '../http/names.js';
import type { ExchangeView } from './exchange-view.js';
import { ValueWriter } from './value-writer.js';

const encoder = new TextEncoder();
const GRPC_STATUS = N['grpc-status'];
const COMMA = 0x2c;
const QUESTION = 0x3f;
const AMPERSAND = 0x26;
const EQUALS = 0x3d;

export type FieldSource = 'request' | 'response' | 'trailers';

function headOf(x: ExchangeView, source: FieldSource): Head | null {
  if (source === 'request') return x.request;
  return source === 'response' ? x.response : x.responseTrailers;
}

/** Every value of one name, joined by commas as Envoy joins them. */
export class FieldValue extends ValueWriter {
  readonly #source: FieldSource;
  readonly #id: NameId;
  readonly #name: Uint8Array;

  constructor(source: FieldSource, lowercase: string) {
    super(false);
    this.#source = source;
    this.#id = nameIdOf(lowercase);
    this.#name = encoder.encode(lowercase);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const head = headOf(x, this.#source);
    if (head === null) return false;
    const id = this.#id;
    const first = id === 0 ? head.findByName(this.#name) : head.find(id);
    if (first < 0) return false;
    for (let slot = first; slot >= 0; ) {
      if (slot !== first) out.byte(COMMA);
      out.range(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
      slot = id === 0 ? head.findByName(this.#name, slot + 1) : head.find(id, slot + 1);
    }
    return true;
  }
}

export class MethodValue extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const head = x.request;
    if (head.method !== 0) out.all(METHOD_BYTES[head.method] as Uint8Array);
    else if (head.methodEnd > head.methodStart)
      out.range(head.bytes, head.base + head.methodStart, head.base + head.methodEnd);
    else return false;
    return true;
  }
}

export class AuthorityValue extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const head = x.request;
    const from = head.authorityFrom;
    const to = head.authorityTo;
    if (to <= from) return false;
    out.range(head.authorityBytes, from, to);
    return true;
  }
}

export class SchemeValue extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    out.text(x.scheme);
    return true;
  }
}

/** The path as it is now, after rewrites. */
export class PathValue extends ValueWriter {
  readonly #keepsQuery: boolean;

  constructor(keepsQuery: boolean) {
    super(false);
    this.#keepsQuery = keepsQuery;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const head = x.request;
    const from = head.pathFrom;
    const to = head.pathTo;
    if (to <= from) return false;
    const start = out.length;
    out.range(head.pathBytes, from, to);
    if (!this.#keepsQuery) cutQuery(out, start);
    return true;
  }
}

/** The status as the response head has it. */
export class StatusValue extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    if (x.responseStatus === 0) return false;
    out.decimal(x.responseStatus);
    return true;
  }
}

/** The first that there is. */
export class EitherValue extends ValueWriter {
  readonly #first: ValueWriter;
  readonly #second: ValueWriter;

  constructor(first: ValueWriter, second: ValueWriter) {
    super(false);
    this.#first = first;
    this.#second = second;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    return this.#first.write(out, x) || this.#second.write(out, x);
  }
}

/** A path from a field, without its query. */
export class WithoutQueryValue extends ValueWriter {
  readonly #of: ValueWriter;

  constructor(of: ValueWriter) {
    super(false);
    this.#of = of;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const start = out.length;
    if (!this.#of.write(out, x)) return false;
    cutQuery(out, start);
    return true;
  }
}

/** The first query parameter of that name, as it came: decoding %0A here would let a client forge lines of a log. */
export class QueryValue extends ValueWriter {
  readonly #name: Uint8Array;

  constructor(name: string) {
    super(false);
    this.#name = encoder.encode(name);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const bytes = x.request.pathBytes;
    const end = x.request.pathTo;
    const name = this.#name;
    let at = x.request.pathFrom;
    while (at < end && bytes[at] !== QUESTION) at++;
    while (at < end) {
      const start = ++at;
      while (at < end && bytes[at] !== EQUALS && bytes[at] !== AMPERSAND) at++;
      const nameEnd = at;
      if (at < end && bytes[at] === EQUALS) while (at < end && bytes[at] !== AMPERSAND) at++;
      if (nameEnd - start !== name.length) continue;
      let i = 0;
      while (i < name.length && bytes[start + i] === name[i]) i++;
      if (i < name.length) continue;
      out.range(bytes, Math.min(nameEnd + 1, at), at);
      return true;
    }
    return false;
  }
}

function cutQuery(out: ByteOutput, start: number): void {
  for (let at = start; at < out.length; at++)
    if (out.bytes[at] === QUESTION) {
      out.length = at;
      return;
    }
}

/**
 * grpc-status of a gRPC exchange, from the trailers or the head (a response of trailers only), else what the HTTP status
 * means; -1 = there is none.
 */
export function grpcStatusOf(x: ExchangeView): number {
  if (!isGrpc(x.request)) return -1;
  const trailers = x.responseTrailers;
  if (trailers !== null && trailers.find(GRPC_STATUS) >= 0) return readGrpcStatus(trailers);
  if (x.response.find(GRPC_STATUS) >= 0) return readGrpcStatus(x.response);
  return x.responseStatus === 0 ? -1 : grpcStatusOfHttp(x.responseStatus);
}

/** One field or pseudo-field by the name that a format uses. */
export function fieldValue(source: FieldSource, name: string): ValueWriter {
  const lowercase = name.toLowerCase();
  if (source === 'request') {
    switch (lowercase) {
      case ':method':
        return new MethodValue();
      case ':path':
        return new PathValue(true);
      case ':authority':
      case 'host':
        return new AuthorityValue();
      case ':scheme':
        return new SchemeValue();
    }
  } else if (source === 'response' && lowercase === ':status') return new StatusValue();
  return new FieldValue(source, lowercase);
}
