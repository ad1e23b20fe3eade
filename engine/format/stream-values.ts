/** Operators about the exchange itself: durations, addresses, gRPC status. */
import type { ByteOutput } from '../base/byte-output.js';
import type { AddressLike } from './address-text.js';
import type { ExchangeView } from './exchange-view.js';
import { grpcStatusOf } from './field-values.js';
import { ValueWriter } from './value-writer.js';

/** Microseconds of a point in the exchange's life; 0 = it did not come to that. */
export type Point = (x: ExchangeView) => number;

/** From one point to another, in whole units. */
export class DurationValue extends ValueWriter {
  readonly #from: Point;
  readonly #to: Point;
  readonly #unitUs: number;

  /** unitUs: microseconds per unit: 1000, 1, or 0.001 for nanoseconds. */
  constructor(from: Point, to: Point, unitUs: number) {
    super(true);
    this.#from = from;
    this.#to = to;
    this.#unitUs = unitUs;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const from = this.#from(x);
    const to = this.#to(x);
    if (from === 0 || to === 0 || to < from) return false;
    out.decimal(Math.floor((to - from) / this.#unitUs));
    return true;
  }
}

/** Names of COMMON_DURATION's points that are measured here. */
export const POINTS: Readonly<Record<string, Point | undefined>> = {
  DS_RX_BEG: (x) => x.startUs,
  DS_RX_END: (x) => x.requestEndUs,
  US_TX_BEG: (x) => x.upstreamStartUs,
  US_TX_END: (x) => x.upstreamRequestEndUs,
  US_RX_BEG: (x) => x.upstreamHeadUs,
  US_RX_END: (x) => x.upstreamEndUs,
  DS_TX_BEG: (x) => x.responseStartUs,
  DS_TX_END: (x) => x.endUs,
};
export const UNITS_US: Readonly<Record<string, number | undefined>> = { ms: 1000, us: 1, ns: 0.001 };

/** host:port, [v6]:port, or the path of a unix socket. */
export class AddressValue extends ValueWriter {
  readonly #read: (x: ExchangeView) => AddressLike | null;
  readonly #hasPort: boolean;

  constructor(read: (x: ExchangeView) => AddressLike | null, hasPort: boolean) {
    super(false);
    this.#read = read;
    this.#hasPort = hasPort;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const address = this.#read(x);
    if (address === null) return false;
    const isBracketed = this.#hasPort && address.family === 6;
    if (isBracketed) out.byte(0x5b);
    out.text(address.host);
    if (isBracketed) out.byte(0x5d);
    if (this.#hasPort && address.family !== 'unix') {
      out.byte(0x3a);
      out.decimal(address.port);
    }
    return true;
  }
}

/** Codes 0 to 16 (the gRPC project's statuscodes.md). */
const GRPC_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

function camelCase(name: string): string {
  // Envoy's spelling has one l.
  if (name === 'CANCELLED') return 'Canceled';
  if (name === 'OK') return 'OK';
  return name
    .toLowerCase()
    .split('_')
    .map((word) => (word[0] as string).toUpperCase() + word.slice(1))
    .join('');
}

export class GrpcStatusValue extends ValueWriter {
  readonly #names: readonly string[] | null;

  constructor(form: 'CAMEL_STRING' | 'SNAKE_STRING' | 'NUMBER') {
    super(form === 'NUMBER');
    this.#names = form === 'NUMBER' ? null : form === 'SNAKE_STRING' ? GRPC_NAMES : GRPC_NAMES.map(camelCase);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const status = grpcStatusOf(x);
    if (status < 0) return false;
    if (this.#names === null) out.decimal(status);
    else out.text(this.#names[status] ?? String(status));
    return true;
  }
}
