/** Substitution formats: text with %OPERATOR(argument):length% compiled once, read from an exchange per use. */
import { addressText, type AddressLike, hostText, portText } from './address-text.js';
import type { ExchangeView } from './exchange-view.js';
import { flagNames } from './flag-names.js';
import { formatTime } from './time-format.js';

/** Null: there is no such value. */
type Value = string | number | null;
type Reader = (x: ExchangeView) => Value;

/** A compiled format. */
export class Format {
  /** The whole text when it has no operator. */
  readonly constant: string | null;
  readonly #parts: readonly (string | Reader)[];

  constructor(parts: readonly (string | Reader)[]) {
    this.#parts = parts;
    this.constant = parts.every((part) => typeof part === 'string') ? parts.join('') : null;
  }

  /** For a log: a missing value is `missing`. */
  text(x: ExchangeView, missing: string): string {
    let text = '';
    for (const part of this.#parts) {
      if (typeof part === 'string') text += part;
      else text += part(x) ?? missing;
    }
    return text;
  }

  /** For a header: a missing value is nothing. */
  valueForHeader(x: ExchangeView): string {
    return this.text(x, '');
  }

  /** For JSON: a number stays one when the operator is the whole value. */
  json(x: ExchangeView): Value {
    const only = this.#parts[0];
    return this.#parts.length === 1 && typeof only === 'function' ? only(x) : this.text(x, '-');
  }
}

/** offset: where in the text the mistake begins. */
export type CompiledFormat = { readonly format: Format } | { readonly error: string; readonly offset: number };

const OPERATOR = /^%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%/;

export function compileFormat(text: string): CompiledFormat {
  const parts: (string | Reader)[] = [];
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    if (percent < 0) {
      parts.push(text.slice(at));
      break;
    }
    if (percent > at) parts.push(text.slice(at, percent));
    if (text[percent + 1] === '%') {
      parts.push('%');
      at = percent + 2;
      continue;
    }
    const found = OPERATOR.exec(text.slice(percent));
    if (found === null) return { error: `not an operator: ${text.slice(percent, percent + 24)}`, offset: percent };
    const [whole, name, argument, length] = found as unknown as [
      string,
      string,
      string | undefined,
      string | undefined,
    ];
    const reader = readerOf(name, argument);
    if (reader === null) return { error: `unknown operator %${name}%`, offset: percent };
    parts.push(length === undefined ? reader : truncated(reader, Number(length)));
    at = percent + whole.length;
  }
  return { format: new Format(parts) };
}

/** Null when the format is good, else what is wrong with it. */
export function checkFormat(text: string): string | null {
  const compiled = compileFormat(text);
  return 'error' in compiled ? compiled.error : null;
}

function truncated(reader: Reader, length: number): Reader {
  return (x) => {
    const value = reader(x);
    return value === null ? null : String(value).slice(0, length);
  };
}

function readerOf(name: string, argument: string | undefined): Reader | null {
  const plain = PLAIN[name];
  if (plain !== undefined) return plain;
  const make = WITH_ARGUMENT[name];
  return make === undefined ? null : make(argument ?? '');
}

/** Whole milliseconds between two points of the exchange, null when either did not happen. */
function milliseconds(from: number, to: number): number | null {
  return from === 0 || to === 0 ? null : Math.floor((to - from) / 1000);
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}

function address(
  read: (x: ExchangeView) => AddressLike | null,
  text: (address: AddressLike) => string | number | null,
): Reader {
  return (x) => {
    const found = read(x);
    return found === null ? null : text(found);
  };
}

function pathOf(x: ExchangeView): string {
  return x.request.pathString();
}

const PLAIN: Readonly<Record<string, Reader | undefined>> = {
  PROTOCOL: (x) => x.protocol,
  UPSTREAM_PROTOCOL: (x) => orNull(x.upstreamProtocol),
  RESPONSE_CODE: (x) => x.responseStatus,
  RESPONSE_CODE_DETAILS: (x) => orNull(x.responseCodeDetails),
  RESPONSE_FLAGS: (x) => orNull(x.responseFlags),
  RESPONSE_FLAGS_LONG: (x) => orNull(flagNames(x.responseFlags)),
  BYTES_RECEIVED: (x) => x.bytesReceived,
  BYTES_SENT: (x) => x.bytesSent,
  REQUEST_HEADERS_BYTES: (x) => x.requestHeadBytes,
  RESPONSE_HEADERS_BYTES: (x) => x.responseHeadBytes,
  DURATION: (x) => milliseconds(x.startUs, x.endUs === 0 ? x.nowUs : x.endUs),
  REQUEST_DURATION: (x) => milliseconds(x.startUs, x.requestEndUs),
  REQUEST_TX_DURATION: (x) => milliseconds(x.startUs, x.upstreamRequestEndUs),
  RESPONSE_DURATION: (x) => milliseconds(x.startUs, x.upstreamHeadUs),
  RESPONSE_TX_DURATION: (x) => milliseconds(x.upstreamHeadUs, x.endUs),
  ROUNDTRIP_DURATION: (x) => milliseconds(x.startUs, x.endUs),
  UPSTREAM_HOST: address((x) => x.upstreamAddress, addressText),
  UPSTREAM_HOST_NAME: (x) => orNull(x.upstreamHostname),
  UPSTREAM_CLUSTER: (x) => orNull(x.clusterName),
  UPSTREAM_CLUSTER_RAW: (x) => orNull(x.clusterName),
  UPSTREAM_REMOTE_ADDRESS: address((x) => x.upstreamAddress, addressText),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: address((x) => x.upstreamAddress, hostText),
  UPSTREAM_REMOTE_PORT: address((x) => x.upstreamAddress, portText),
  UPSTREAM_LOCAL_ADDRESS: address((x) => x.upstreamLocalAddress, addressText),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: address((x) => x.upstreamLocalAddress, hostText),
  UPSTREAM_LOCAL_PORT: address((x) => x.upstreamLocalAddress, portText),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (x) => x.attemptCount,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (x) => orNull(x.transportFailureReason),
  DOWNSTREAM_REMOTE_ADDRESS: address((x) => x.remoteAddress, addressText),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: address((x) => x.remoteAddress, hostText),
  DOWNSTREAM_REMOTE_PORT: address((x) => x.remoteAddress, portText),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: address((x) => x.directRemoteAddress, addressText),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: address((x) => x.directRemoteAddress, hostText),
  DOWNSTREAM_DIRECT_REMOTE_PORT: address((x) => x.directRemoteAddress, portText),
  DOWNSTREAM_LOCAL_ADDRESS: address((x) => x.localAddress, addressText),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: address((x) => x.localAddress, hostText),
  DOWNSTREAM_LOCAL_PORT: address((x) => x.localAddress, portText),
  CONNECTION_ID: (x) => x.connectionId,
  ROUTE_NAME: (x) => orNull(x.routeName),
  HOSTNAME: (x) => x.hostname,
  UNIQUE_ID: (x) => x.request.joinedString('x-request-id'),
};

const WITH_ARGUMENT: Readonly<Record<string, ((argument: string) => Reader) | undefined>> = {
  START_TIME: (format) => (x) => formatTime(x.startWallMs, format, true),
  START_TIME_LOCAL: (format) => (x) => formatTime(x.startWallMs, format, false),
  EMIT_TIME: (format) => (x) => formatTime(x.startWallMs + (x.nowUs - x.startUs) / 1000, format, true),
  EMIT_TIME_LOCAL: (format) => (x) => formatTime(x.startWallMs + (x.nowUs - x.startUs) / 1000, format, false),
  REQ: (argument) => field(argument, requestField),
  REQUEST_HEADER: (argument) => field(argument, requestField),
  RESP: (argument) => field(argument, responseField),
  RESPONSE_HEADER: (argument) => field(argument, responseField),
  TRAILER: (argument) => field(argument, trailerField),
  RESPONSE_TRAILER: (argument) => field(argument, trailerField),
  QUERY_PARAM: (name) => (x) => new URLSearchParams(pathOf(x).split('?')[1] ?? '').get(name),
  PATH: (argument) => pathReader(argument),
};

/** NAME?ALTERNATIVE */
function field(argument: string, read: (x: ExchangeView, name: string) => string | null): Reader {
  const [name, alternative] = argument.toLowerCase().split('?') as [string, string | undefined];
  if (alternative === undefined) return (x) => read(x, name);
  return (x) => read(x, name) ?? read(x, alternative);
}

function requestField(x: ExchangeView, name: string): string | null {
  switch (name) {
    case ':method':
      return orNull(x.methodName);
    case ':path':
      return orNull(pathOf(x));
    case ':authority':
    case 'host':
      return orNull(x.request.authorityString());
    case ':scheme':
      return x.scheme;
    default:
      return x.request.joinedString(name);
  }
}

function responseField(x: ExchangeView, name: string): string | null {
  if (name === ':status') return x.responseStatus === 0 ? null : String(x.responseStatus);
  return x.response.joinedString(name);
}

function trailerField(x: ExchangeView, name: string): string | null {
  return x.responseTrailers === null ? null : x.responseTrailers.joinedString(name);
}

/** PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH) */
function pathReader(argument: string): Reader {
  const [query, which] = argument.split(':') as [string, string | undefined];
  return (x) => {
    const original = x.request.joinedString('x-envoy-original-path');
    const path = which === 'ORIG' ? original : which === 'PATH' ? pathOf(x) : (original ?? pathOf(x));
    return path === null ? null : query === 'NQ' ? (path.split('?')[0] as string) : path;
  };
}
