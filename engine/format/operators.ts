/** The operators of formats by name, each with the form of its argument. */
import { type AddressLike, portText } from './address-text.js';
import type { ExchangeView } from './exchange-view.js';
import { EitherValue, fieldValue, type FieldSource, PathValue, QueryValue, WithoutQueryValue } from './field-values.js';
import { filterStateOf } from './filter-state-value.js';
import { flagNames } from './flag-names.js';
import { AddressValue, DurationValue, GrpcStatusValue, type Point, POINTS, UNITS_US } from './stream-values.js';
import { TimeValue } from './time-value.js';
import { certificateTimeOf, TLS_OPERATORS } from './tls-operators.js';
import { MissingValue, NumberValue, TextValue, type ValueWriter } from './value-writer.js';

/** A text is what is wrong with the argument. */
type Made = ValueWriter | string;

/** argument: null without parentheses. */
export function operatorOf(name: string, argument: string | null): Made {
  const plain = PLAIN[name];
  if (plain !== undefined) return argument === null ? plain() : `%${name}% takes no argument`;
  const make = WITH_ARGUMENT[name] ?? CERTIFICATE_TIMES[name];
  if (make !== undefined) return make(argument ?? '', argument !== null);
  if (UNSUPPORTED.has(name)) return `%${name}% is not supported yet`;
  return `unknown operator %${name}%`;
}

const text = (read: (x: ExchangeView) => string | null) => (): ValueWriter => new TextValue(read);
const number = (read: (x: ExchangeView) => number) => (): ValueWriter => new NumberValue(read);
const missing = (): ValueWriter => new MissingValue();

type ReadAddress = (x: ExchangeView) => AddressLike | null;
const upstream: ReadAddress = (x) => x.upstreamAddress;
const upstreamLocal: ReadAddress = (x) => x.upstreamLocalAddress;
const remote: ReadAddress = (x) => x.remoteAddress;
const direct: ReadAddress = (x) => x.directRemoteAddress;
const local: ReadAddress = (x) => x.localAddress;

const address = (read: ReadAddress) => (): ValueWriter => new AddressValue(read, true);
const host = (read: ReadAddress) => (): ValueWriter => new AddressValue(read, false);
const port = (read: ReadAddress) =>
  number((x) => {
    const found = read(x);
    return found === null ? -1 : (portText(found) ?? -1);
  });

const start: Point = (x) => x.startUs;
const milliseconds = (from: Point, to: Point) => (): ValueWriter => new DurationValue(from, to, 1000);
const requestId = (): ValueWriter => fieldValue('request', 'x-request-id');

const PLAIN: Readonly<Record<string, (() => ValueWriter) | undefined>> = {
  PROTOCOL: text((x) => x.protocol),
  UPSTREAM_PROTOCOL: text((x) => x.upstreamProtocol),
  RESPONSE_CODE: number((x) => x.responseStatus),
  RESPONSE_CODE_DETAILS: text((x) => x.responseCodeDetails),
  // A dash, not a missing value: Envoy's own spelling of "no flag".
  RESPONSE_FLAGS: text((x) => (x.responseFlags === '' ? '-' : x.responseFlags)),
  RESPONSE_FLAGS_LONG: text((x) => (x.responseFlags === '' ? '-' : flagNames(x.responseFlags))),
  BYTES_RECEIVED: number((x) => x.bytesReceived),
  BYTES_SENT: number((x) => x.bytesSent),
  REQUEST_HEADERS_BYTES: number((x) => x.requestHeadBytes),
  RESPONSE_HEADERS_BYTES: number((x) => x.responseHeadBytes),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: number((x) => x.requestHeadBytes),
  UPSTREAM_HEADER_BYTES_RECEIVED: number((x) => x.responseHeadBytes),
  DURATION: milliseconds(start, (x) => (x.endUs === 0 ? x.nowUs : x.endUs)),
  REQUEST_DURATION: milliseconds(start, (x) => x.requestEndUs),
  REQUEST_TX_DURATION: milliseconds(start, (x) => x.upstreamRequestEndUs),
  RESPONSE_DURATION: milliseconds(start, (x) => x.upstreamHeadUs),
  RESPONSE_TX_DURATION: milliseconds(
    (x) => x.upstreamHeadUs,
    (x) => x.endUs,
  ),
  UPSTREAM_CONNECTION_POOL_READY_DURATION: milliseconds(start, (x) => x.upstreamStartUs),
  UPSTREAM_HOST: address(upstream),
  UPSTREAM_HOST_NAME: text((x) => x.upstreamHostname),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: text((x) => x.upstreamHostname.replace(/:\d+$/, '')),
  UPSTREAM_CLUSTER: text((x) => x.clusterName),
  UPSTREAM_CLUSTER_RAW: text((x) => x.clusterName),
  UPSTREAM_REMOTE_ADDRESS: address(upstream),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: host(upstream),
  UPSTREAM_REMOTE_PORT: port(upstream),
  UPSTREAM_LOCAL_ADDRESS: address(upstreamLocal),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: host(upstreamLocal),
  UPSTREAM_LOCAL_PORT: port(upstreamLocal),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: number((x) => x.attemptCount),
  UPSTREAM_CONNECTION_ID: number((x) => (x.upstreamConnectionId === 0 ? -1 : x.upstreamConnectionId)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: text((x) => x.transportFailureReason),
  DOWNSTREAM_REMOTE_ADDRESS: address(remote),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: host(remote),
  DOWNSTREAM_REMOTE_PORT: port(remote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: address(direct),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: host(direct),
  DOWNSTREAM_DIRECT_REMOTE_PORT: port(direct),
  DOWNSTREAM_LOCAL_ADDRESS: address(local),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: host(local),
  DOWNSTREAM_LOCAL_PORT: port(local),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: address(local),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: host(local),
  DOWNSTREAM_DIRECT_LOCAL_PORT: port(local),
  CONNECTION_ID: number((x) => x.connectionId),
  ROUTE_NAME: text((x) => x.routeName),
  // There are no virtual clusters: no request belongs to one.
  VIRTUAL_CLUSTER_NAME: missing,
  HOSTNAME: text((x) => x.hostname),
  ACCESS_LOG_TYPE: text((x) => x.accessLogType ?? 'DownstreamEnd'),
  UNIQUE_ID: requestId,
  STREAM_ID: requestId,
  GRPC_STATUS_NUMBER: () => new GrpcStatusValue('NUMBER'),
  ...TLS_OPERATORS,
  // Fingerprints are off in Envoy too, unless its inspector is told.
  TLS_JA3_FINGERPRINT: missing,
  TLS_JA4_FINGERPRINT: missing,
  // HTTP/3 only; tunnels and filters only; tracing only.
  ROUNDTRIP_DURATION: missing,
  CONNECTION_TERMINATION_DETAILS: missing,
  TRACE_ID: missing,
};

/** Envoy has them; a line that silently lacked them would mislead. */
const UNSUPPORTED = new Set([
  'BYTES_RETRANSMITTED',
  'CEL',
  'CLUSTER_METADATA',
  'COALESCE',
  'CUSTOM_FLAGS',
  'DOWNSTREAM_DETECTED_CLOSE_TYPE',
  'DOWNSTREAM_HEADER_BYTES_SENT',
  'DOWNSTREAM_LOCAL_CLOSE_REASON',
  'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'DOWNSTREAM_WIRE_BYTES_SENT',
  'FILTER_CHAIN_NAME',
  'LOCAL_REPLY_BODY',
  'METADATA',
  'PACKETS_RETRANSMITTED',
  'RESPONSE_TRAILERS_BYTES',
  'TYPED_CEL',
  'UPSTREAM_FILTER_STATE',
  'UPSTREAM_HEADER_BYTES_SENT',
  'UPSTREAM_METADATA',
  'UPSTREAM_WIRE_BYTES_RECEIVED',
  'UPSTREAM_WIRE_BYTES_SENT',
]);

type Make = (argument: string, isGiven: boolean) => Made;

const WITH_ARGUMENT: Readonly<Record<string, Make | undefined>> = {
  START_TIME: time((x) => x.startWallMs, true),
  START_TIME_LOCAL: time((x) => x.startWallMs, false),
  EMIT_TIME: time((x) => x.startWallMs + (x.nowUs - x.startUs) / 1000, true),
  EMIT_TIME_LOCAL: time((x) => x.startWallMs + (x.nowUs - x.startUs) / 1000, false),
  REQ: field('request'),
  REQUEST_HEADER: field('request'),
  RESP: field('response'),
  RESPONSE_HEADER: field('response'),
  TRAILER: field('trailers'),
  RESPONSE_TRAILER: field('trailers'),
  REQ_WITHOUT_QUERY: (argument) => {
    const of = field('request')(argument, true);
    return typeof of === 'string' ? of : new WithoutQueryValue(of);
  },
  QUERY_PARAM: (name) => (name === '' ? '%QUERY_PARAM(name)% needs a name' : new QueryValue(name)),
  PATH: path,
  GRPC_STATUS: (form) =>
    form === '' || form === 'CAMEL_STRING'
      ? new GrpcStatusValue('CAMEL_STRING')
      : form === 'SNAKE_STRING' || form === 'NUMBER'
        ? new GrpcStatusValue(form)
        : 'GRPC_STATUS takes CAMEL_STRING, SNAKE_STRING or NUMBER',
  COMMON_DURATION: commonDuration,
  // Main has put the value in their place; see expandEnvironment().
  ENVIRONMENT: (name) => (name === '' ? '%ENVIRONMENT(name)% needs a name' : new MissingValue()),
  // No filter writes metadata yet, so every key is missing, as in Envoy.
  DYNAMIC_METADATA: (key) => (key === '' ? '%DYNAMIC_METADATA(namespace)% needs a namespace' : new MissingValue()),
  FILTER_STATE: filterStateOf,
};

const CERTIFICATE_TIMES = Object.fromEntries(
  ['DOWNSTREAM', 'UPSTREAM'].flatMap((side) =>
    ['PEER', 'LOCAL'].flatMap((whose) =>
      ['START', 'END'].map((end): [string, Make] => {
        const name = `${side}_${whose}_CERT_V_${end}`;
        return [name, (format) => wrongTime(format) ?? (certificateTimeOf(name, format) as ValueWriter)];
      }),
    ),
  ),
);

function wrongTime(format: string): string | null {
  return /[\r\n]|%[-_0^#]*[1-9]*[EO]?n/.test(format) ? 'a time must not hold line breaks' : null;
}

function time(readMs: (x: ExchangeView) => number, isUtc: boolean): Make {
  return (format) => wrongTime(format) ?? new TimeValue(readMs, format, isUtc);
}

/** NAME?ALTERNATIVE */
function field(source: FieldSource): Make {
  return (argument) => {
    const names = argument.split('?');
    if (names.length > 2) return `more than one alternative: ${argument}`;
    for (const name of names)
      if (!/^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return `not a header name: ${JSON.stringify(name)}`;
    const first = fieldValue(source, names[0] as string);
    return names.length === 1 ? first : new EitherValue(first, fieldValue(source, names[1] as string));
  };
}

/** WQ|NQ : ORIG|PATH|ORIG_OR_PATH; with query and the original path are the default. */
function path(argument: string): Made {
  const [query = '', which = '', ...rest] = argument.split(':');
  if (rest.length > 0 || !['', 'WQ', 'NQ'].includes(query) || !['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(which))
    return 'PATH takes WQ or NQ, then ORIG, PATH or ORIG_OR_PATH';
  const keepsQuery = query !== 'NQ';
  const current = new PathValue(keepsQuery);
  if (which === 'PATH') return current;
  const field = fieldValue('request', 'x-envoy-original-path');
  const original = keepsQuery ? field : new WithoutQueryValue(field);
  return which === 'ORIG' ? original : new EitherValue(original, current);
}

/** START:END:ms|us|ns */
function commonDuration(argument: string): Made {
  const [from = '', to = '', unit = '', ...rest] = argument.split(':');
  const unitUs = UNITS_US[unit];
  const begin = POINTS[from];
  const end = POINTS[to];
  if (rest.length > 0 || unitUs === undefined) return 'COMMON_DURATION takes START:END:ms, us or ns';
  if (begin === undefined || end === undefined)
    return `COMMON_DURATION knows ${Object.keys(POINTS).join(', ')}; not ${begin === undefined ? from : to}`;
  return new DurationValue(begin, end, unitUs);
}
