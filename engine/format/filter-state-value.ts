/** FilterStateValue: %FILTER_STATE(key:form)% of the one state that a filter keeps: what grpc_stats has counted. */
import type { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';
import { MissingValue, ValueWriter } from './value-writer.js';

const GRPC_STATS = 'envoy.filters.http.grpc_stats';

/** Messages of a gRPC call so far, where grpc_stats has emit_filter_state; there is no state before the first. */
export class GrpcMessages {
  requests = 0;
  responses = 0;

  reset(): void {
    this.requests = 0;
    this.responses = 0;
  }
}

/** argument: KEY, KEY:PLAIN or KEY:TYPED, which is the default. A text is what is wrong with it. */
export function filterStateOf(argument: string): ValueWriter | string {
  const [key, form = 'TYPED', ...rest] = argument.split(':');
  if (key === '') return '%FILTER_STATE(key)% needs a key';
  // No other filter writes state, so every other key is missing, as in Envoy without what would write it.
  if (key !== GRPC_STATS) return new MissingValue();
  if (rest.length > 0 || (form !== 'PLAIN' && form !== 'TYPED'))
    return `%FILTER_STATE(${GRPC_STATS})% takes PLAIN or TYPED: it has no fields`;
  return form === 'PLAIN' ? new PlainMessages() : new TypedMessages();
}

/** "2,3" */
class PlainMessages extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(out: ByteOutput, { grpcMessages: { requests, responses } }: ExchangeView): boolean {
    if (requests + responses === 0) return false;
    out.decimal(requests);
    out.byte(0x2c);
    out.decimal(responses);
    return true;
  }
}

/** JSON of the message FilterObject: 64-bit numbers are texts there, and 0 is left out. */
class TypedMessages extends ValueWriter {
  constructor() {
    super(true);
  }

  override write(out: ByteOutput, { grpcMessages: { requests, responses } }: ExchangeView): boolean {
    if (requests + responses === 0) return false;
    out.byte(0x7b);
    if (requests > 0) pair(out, '"requestMessageCount":"', requests);
    if (requests > 0 && responses > 0) out.byte(0x2c);
    if (responses > 0) pair(out, '"responseMessageCount":"', responses);
    out.byte(0x7d);
    return true;
  }
}

function pair(out: ByteOutput, name: string, count: number): void {
  out.text(name);
  out.decimal(count);
  out.byte(0x22);
}
