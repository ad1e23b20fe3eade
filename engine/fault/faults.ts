/** THE fault table: the only place that says what an error means, for retry, status, flag, log and metric. */

/** Index into the fault table; 0 is "no fault". */
export type FaultCode = number;

export type FaultSource = 'none' | 'downstream' | 'upstream' | 'local';
/** never: no retry; fresh: nothing was processed, always safe; reused: only when the connection was a reused one. */
export type FaultRetry = 'never' | 'fresh' | 'reused' | 'policy';

export interface Fault {
  readonly code: FaultCode;
  /** Stable name: body of the local reply, log, metric. */
  readonly reason: string;
  readonly source: FaultSource;
  readonly retry: FaultRetry;
  /** Status of the local reply; 0 = none is sent. */
  readonly status: number;
  readonly grpcStatus: number;
  /** Envoy's response flag (envoy-semantics 3.4); '' = none. */
  readonly flag: string;
  /** %RESPONSE_CODE_DETAILS%: Envoy's, where it has one. */
  readonly details: string;
  /** The same of a request of HTTP/2: Envoy's codecs have names of their own. */
  readonly http2Details: string;
  /** Body of the local reply; null = the reason with the status text. */
  readonly body: string | null;
  readonly level: 'debug' | 'info' | 'warn';
}

const table: Fault[] = [
  {
    code: 0,
    reason: '',
    source: 'none',
    retry: 'never',
    status: 0,
    grpcStatus: 0,
    flag: '',
    details: '',
    http2Details: '',
    body: null,
    level: 'debug',
  },
];

function row(
  reason: string,
  source: FaultSource,
  retry: FaultRetry,
  status: number,
  grpcStatus: number,
  flag: string,
  details: string,
  level: Fault['level'],
  body: string | null = null,
  http2Details = details,
): FaultCode {
  const code = table.length;
  table.push({ code, reason, source, retry, status, grpcStatus, flag, details, http2Details, body, level });
  return code;
}

/** What nghttp2 tells Envoy of a malformed message: one field is wrong, or the message as a whole is. */
const INVALID_FIELD = 'http2.invalid.header.field';
const MESSAGING_RULE = 'http2.violation.of.messaging.rule';
/** Of bytes or of lines. */
const TOO_MANY_HEADERS = 'http2.too_many_headers';
/** How a connection that died is called in bodies and details. */
const TERMINATION = 'connection termination';
const NORMALIZATION = 'path_normalization_failed';

/** A malformed request: HTTP/1.1 answers 400 unless said otherwise and closes, HTTP/2 resets the stream. */
function badRequest(
  reason: string,
  http2Details = INVALID_FIELD,
  status = 400,
  details = `http1.${reason}`,
): FaultCode {
  return row(reason, 'downstream', 'never', status, 13, 'DPE', details, 'debug', null, http2Details);
}

/** status: of what is answered in case it still listens. */
function clientLeft(reason: string, flag: string, details: string, http2Details = details, status = 0): FaultCode {
  return row(reason, 'downstream', 'never', status, 1, flag, details, 'debug', null, http2Details);
}

function badResponse(reason: string): FaultCode {
  const body = 'upstream connect error or disconnect/reset before headers. reset reason: protocol error';
  const details = `upstream_reset_before_response_started{protocol_error}`;
  return row(reason, 'upstream', 'policy', 502, 14, 'UPE', details, 'info', body);
}

/** The client broke a rule of HTTP/2: its connection ends, or one of its streams. */
function badHttp2(reason: string, details = reason.replace('http2_', 'http2.')): FaultCode {
  return row(reason, 'downstream', 'never', 0, 13, 'DPE', details, 'debug');
}

function upstream(reason: string, retry: FaultRetry, status: number, flag: string, cause: string): FaultCode {
  const body = `upstream connect error or disconnect/reset before headers. reset reason: ${cause}`;
  const details = `upstream_reset_before_response_started{${cause.replaceAll(' ', '_')}}`;
  return row(reason, 'upstream', retry, status, 14, flag, details, 'info', body);
}

/** A response had begun. */
function cutOff(reason: string, flag: string, cause: string): FaultCode {
  const details = `upstream_reset_after_response_started{${cause}}`;
  return row(reason, 'upstream', 'never', 502, 14, flag, details, 'info');
}

/** What a filter must have whole is more than may be kept. */
function tooLarge(reason: string, status: number, body: string): FaultCode {
  return row(reason, 'local', 'never', status, 2, '', reason, 'debug', body);
}

/** Nothing is answered: there is no session to answer over. */
function downstreamTls(reason: string): FaultCode {
  return row(reason, 'downstream', 'never', 0, 1, '', reason, 'debug');
}

// ---- request framing and syntax (RFC 9112; each closes one smuggling or parser-difference hole) ----
export const BAD_METHOD = badRequest('invalid_method');
export const BAD_TARGET = badRequest('invalid_target');
export const BAD_VERSION_SYNTAX = badRequest('invalid_version');
/** HTTP/2.0 and so on, well formed but not ours: 505. */
export const BAD_VERSION_UNSUPPORTED = badRequest('unsupported_version', INVALID_FIELD, 505);
/** HTTP/1.0 where the config does not accept it: 426, as Envoy. */
export const BAD_VERSION_HTTP10 = badRequest('http10_not_accepted', '', 426, 'low_version');
export const BAD_REQUEST_LINE = badRequest('invalid_request_line');
export const BAD_LINE_ENDING = badRequest('bare_cr_or_lf');
export const BAD_FIELD_NAME = badRequest('invalid_field_name');
export const BAD_FIELD_VALUE = badRequest('invalid_field_value');
export const BAD_SPACE_BEFORE_COLON = badRequest('space_before_colon');
export const BAD_OBS_FOLD = badRequest('obs_fold');
export const BAD_HOST = badRequest('invalid_host');
export const BAD_HOST_MISSING = badRequest('missing_host', MESSAGING_RULE, 400, 'missing_host_header');
export const BAD_HOST_DUPLICATE = badRequest('duplicate_host');
export const BAD_CONTENT_LENGTH = badRequest('invalid_content_length');
export const BAD_CONTENT_LENGTH_DUPLICATE = badRequest('duplicate_content_length');
export const BAD_LENGTH_AND_CODING = badRequest('content_length_with_transfer_encoding');
export const BAD_TRANSFER_ENCODING = badRequest('invalid_transfer_encoding');
/** Transfer codings that we don't implement ("gzip", "gzip, chunked"): 501, RFC 9112 §6.1. */
export const BAD_TRANSFER_CODING_UNKNOWN = badRequest('unsupported_transfer_coding', INVALID_FIELD, 501);
export const BAD_TRANSFER_ENCODING_HTTP10 = badRequest('transfer_encoding_in_http10');
export const BAD_CHUNK_SIZE = badRequest('invalid_chunk_size');
export const BAD_CHUNK_EXTENSION = badRequest('invalid_chunk_extension');
export const BAD_CHUNK_END = badRequest('invalid_chunk_end');
export const BAD_TRAILER = badRequest('invalid_trailer');
export const BAD_CONNECTION_FIELD = badRequest('invalid_connection_field');
export const BAD_UPGRADE = badRequest('invalid_upgrade');
export const BAD_EXPECT = badRequest('unsupported_expectation', INVALID_FIELD, 417);
export const BAD_BODY_ON_CONNECT = badRequest('body_with_connect', MESSAGING_RULE);
export const BAD_PATH = badRequest(NORMALIZATION, NORMALIZATION, 400, NORMALIZATION);
export const BAD_UNDERSCORE = badRequest('unexpected_underscore', 'http2.unexpected_underscore');
export const TOO_LONG_TARGET = badRequest('target_too_long', TOO_MANY_HEADERS, 414);
export const TOO_MANY_FIELDS = badRequest('too_many_headers', TOO_MANY_HEADERS, 431);
export const TOO_BIG_HEAD = badRequest('headers_too_large', TOO_MANY_HEADERS, 431);
export const TOO_BIG_TRAILERS = badRequest('trailers_too_large', TOO_MANY_HEADERS, 431);
/** Pseudo-header fields of HTTP/2: unknown, twice, missing, behind others, of the other direction, or in trailers. */
export const BAD_PSEUDO_FIELD = badRequest('invalid_pseudo_header');
export const BAD_SCHEME = badRequest('invalid_scheme');
/** Host and :authority differ, RFC 9113 §8.3.1: two readers would take the request to two places. */
export const BAD_HOST_MISMATCH = badRequest('host_differs_from_authority');
/** The client ended its side in the middle of a request. */
export const DOWN_TRUNCATED = clientLeft('incomplete_request', 'DC', 'downstream_remote_disconnect', undefined, 400);

// ---- the client's side ------------------------------------------------------------------------
export const DOWN_GONE = clientLeft('downstream_disconnect', 'DC', 'downstream_remote_disconnect');
export const DOWN_RESET = clientLeft('downstream_reset', 'DR', 'downstream_remote_reset', 'http2.remote_reset');
/** Before a filter chain was chosen: none fits, nothing came in time, or what began as TLS is none. */
export const NO_FILTER_CHAIN = downstreamTls('no_filter_chain_match');
export const LISTENER_FILTER_TIMEOUT = downstreamTls('listener_filter_timeout');
export const BAD_CLIENT_HELLO = downstreamTls('invalid_client_hello');
export const BAD_PROXY_PREFACE = downstreamTls('invalid_proxy_preface');
export const DOWN_TLS_HANDSHAKE = downstreamTls('downstream_tls_handshake');
/** The client's certificate, by its chain or by the policy. */
export const DOWN_TLS_VERIFY = downstreamTls('downstream_tls_certificate');
export const DOWN_TLS_TIMEOUT = downstreamTls('downstream_tls_timeout');
/** A record that does not decrypt, an alert: after the handshake. */
export const DOWN_TLS_BROKEN = downstreamTls('downstream_tls_broken');
export const REQUEST_HEADERS_TIMEOUT = row(
  'request_headers_timeout',
  'downstream',
  'never',
  408,
  4,
  'DT',
  'request_header_timeout',
  'debug',
  'request header timeout',
);
export const REQUEST_TIMEOUT = row(
  'request_timeout',
  'downstream',
  'never',
  408,
  4,
  'DT',
  'request_overall_timeout',
  'debug',
  'request timeout',
);
/** Stream idle before the response began: 408 while the request is not whole, else 504. */
export const STREAM_IDLE_REQUEST = row(
  'stream_idle_timeout',
  'downstream',
  'never',
  408,
  4,
  'SI',
  'stream_idle_timeout',
  'debug',
  'stream timeout',
);
export const STREAM_IDLE_RESPONSE = row(
  'stream_idle_timeout',
  'upstream',
  'never',
  504,
  4,
  'SI',
  'stream_idle_timeout',
  'info',
  'stream timeout',
);
export const MAX_STREAM_DURATION = row(
  'max_stream_duration',
  'local',
  'never',
  408,
  4,
  'UMSDR',
  'max_duration_timeout',
  'info',
  'downstream duration timeout',
);

// ---- routing ------------------------------------------------------------------------------------
export const NO_ROUTE = row('no_route', 'local', 'never', 404, 12, 'NR', 'route_not_found', 'debug', '');
export const NO_CLUSTER = row('no_cluster', 'local', 'never', 503, 14, 'NC', 'cluster_not_found', 'info', '');
export const NO_UPGRADE = row('upgrade_not_allowed', 'local', 'never', 403, 7, '', 'upgrade_failed', 'debug', '');

// ---- upstream -----------------------------------------------------------------------------------
export const NO_ENDPOINT = row(
  'no_healthy_upstream',
  'upstream',
  'never',
  503,
  14,
  'UH',
  'no_healthy_upstream',
  'info',
  'no healthy upstream',
);
export const DNS_FAILED = row(
  'dns_resolution_failed',
  'upstream',
  'never',
  503,
  14,
  'UH,DF',
  'no_healthy_upstream',
  'info',
  'no healthy upstream',
);
export const UP_OVERFLOW = row(
  'upstream_overflow',
  'local',
  'never',
  503,
  14,
  'UO',
  'upstream_reset_before_response_started{overflow}',
  'info',
  'upstream connect error or disconnect/reset before headers. reset reason: overflow',
);
export const UP_CONNECT_REFUSED = upstream('upstream_connect_refused', 'fresh', 503, 'UF', 'connection failure');
export const UP_CONNECT_UNREACHABLE = upstream(
  'upstream_connect_unreachable',
  'fresh',
  503,
  'UF',
  'connection failure',
);
export const UP_TLS_HANDSHAKE = upstream('upstream_tls_handshake', 'fresh', 503, 'UF', 'connection failure');
/** The server's certificate, by its chain or by the policy. */
export const UP_TLS_VERIFY = upstream('upstream_tls_certificate', 'fresh', 503, 'UF', 'connection failure');
/** A record that does not decrypt, an alert: after the handshake. */
export const UP_TLS_BROKEN = upstream('upstream_tls_broken', 'reused', 503, 'UC', TERMINATION);
export const UP_CONNECT_TIMEOUT = upstream('upstream_connect_timeout', 'fresh', 503, 'UF', 'connection timeout');
/** RST while a request was under way. */
export const UP_RESET = upstream('upstream_reset', 'reused', 503, 'UC', TERMINATION);
/** FIN while a request was under way. */
export const UP_CLOSED = upstream('upstream_closed', 'reused', 503, 'UC', TERMINATION);
/** FIN or RST in the middle of a response that had begun. */
export const UP_TRUNCATED = cutOff('upstream_response_truncated', 'UC', 'connection_termination');
/** RST_STREAM in the middle of one. */
export const UP_RESET_MIDWAY = cutOff('upstream_response_reset', 'UR', 'remote_reset');
/** The rest of it breaks the rules: framing, lengths, trailers. */
export const UP_BROKEN_OFF = cutOff('upstream_response_invalid', 'UPE', 'protocol_error');
export const UP_TIMEOUT = row(
  'upstream_timeout',
  'upstream',
  'policy',
  504,
  4,
  'UT',
  'response_timeout',
  'info',
  'upstream request timeout',
);
export const UP_BAD_STATUS_LINE = badResponse('upstream_invalid_status_line');
export const UP_BAD_HEADER = badResponse('upstream_invalid_header');
export const UP_BAD_FRAMING = badResponse('upstream_invalid_framing');
export const UP_BAD_CHUNK = badResponse('upstream_invalid_chunk');
export const UP_TOO_BIG_HEAD = badResponse('upstream_headers_too_large');
export const UP_TOO_MANY_FIELDS = badResponse('upstream_too_many_headers');
export const UP_TOO_MANY_INTERIMS = badResponse('upstream_too_many_interim_responses');
/** What answers an upgrade of HTTP/2 is neither a refusal nor the switch that was asked for. */
export const UP_NO_SWITCH = badResponse('upstream_invalid_switch');
/** Bytes from an upstream connection that carries no request. */
export const UP_UNSOLICITED = row('upstream_unsolicited_bytes', 'upstream', 'never', 0, 0, 'UPE', '', 'info');
export const UP_DRAINED = row('upstream_drained', 'local', 'never', 0, 0, '', '', 'debug');

// ---- HTTP/2: engine/http2/error-codes.ts says which code each is on the wire -------------------------
/** RFC 7541: the tables of the two sides no longer agree, so the connection is over (RFC 9113 §4.3). */
export const H2_COMPRESSION = badHttp2('http2_compression_error');
export const H2_PROTOCOL = badHttp2('http2_protocol_error');
export const H2_FLOW_CONTROL = badHttp2('http2_flow_control_error');
export const H2_SETTINGS_TIMEOUT = badHttp2('http2_settings_timeout');
export const H2_STREAM_CLOSED = badHttp2('http2_stream_closed');
export const H2_FRAME_SIZE = badHttp2('http2_frame_size_error');
export const H2_FLOOD = badHttp2('http2_flood');
/** A client that fell silent broke no rule: it is gone, and it was we who ended its connection. */
export const H2_PING_TIMEOUT = clientLeft(
  'http2_ping_timeout',
  'DC',
  'downstream_local_disconnect(http2_ping_timeout)',
);
/** The client gives a stream no window: a slow reader, or one that holds our memory on purpose. */
export const H2_FLUSH_TIMEOUT = badHttp2('http2_flush_timeout');
/** DATA does not add up to Content-Length (RFC 9113 §8.1.1). */
export const H2_BODY_LENGTH = badHttp2('http2_content_length_mismatch', MESSAGING_RULE);
export const UP_H2_PROTOCOL = badResponse('upstream_http2_protocol_error');
export const UP_H2_FLOW_CONTROL = badResponse('upstream_http2_flow_control_error');
export const UP_H2_SETTINGS_TIMEOUT = badResponse('upstream_http2_settings_timeout');
export const UP_H2_STREAM_CLOSED = badResponse('upstream_http2_stream_closed');
export const UP_H2_FRAME_SIZE = badResponse('upstream_http2_frame_size_error');
export const UP_H2_COMPRESSION = badResponse('upstream_http2_compression_error');
export const UP_H2_FLOOD = badResponse('upstream_http2_flood');
export const UP_H2_PING_TIMEOUT = upstream('upstream_http2_ping_timeout', 'reused', 503, 'UC', TERMINATION);
export const UP_H2_FLUSH_TIMEOUT = upstream('upstream_http2_flush_timeout', 'never', 504, 'UT', 'local reset');
/** REFUSED_STREAM, or a GOAWAY that doesn't cover the stream: nothing was processed (RFC 9113 §8.7). */
export const UP_STREAM_REFUSED = upstream('upstream_stream_refused', 'fresh', 503, 'UR', 'remote refused stream reset');
export const UP_STREAM_RESET = upstream('upstream_stream_reset', 'policy', 503, 'UR', 'remote reset');
/** Extended CONNECT for an upstream that did not announce it (RFC 8441 §3). */
export const UP_NO_EXTENDED_CONNECT = badResponse('upstream_no_extended_connect');

// ---- this process -------------------------------------------------------------------------------
export const NO_DESCRIPTORS = row(
  'no_descriptors',
  'local',
  'never',
  503,
  14,
  'UF',
  'upstream_reset_before_response_started{local_connection_failure}',
  'warn',
  'upstream connect error or disconnect/reset before headers. reset reason: local connection failure',
);
/** local_ratelimit: no token is left. */
export const RATE_LIMITED = row('local_rate_limited', 'local', 'never', 429, 14, 'RL', 'local_rate_limited', 'debug');
/** The same, where gRPC calls are to be told RESOURCE_EXHAUSTED. */
export const RATE_LIMITED_EXHAUSTED = row(
  'local_rate_limited_exhausted',
  'local',
  'never',
  429,
  8,
  'RL',
  'local_rate_limited',
  'debug',
);
export const GRPC_WEB_BAD_BASE64 = row(
  'grpc_web_invalid_base64',
  'local',
  'never',
  400,
  13,
  '',
  'grpc_base_64_decode_failed',
  'debug',
  'Bad gRPC-web request, invalid base64 data.',
);
export const REQUEST_TOO_LARGE = tooLarge('request_payload_too_large', 413, 'Payload Too Large');
export const RESPONSE_TOO_LARGE = tooLarge('response_payload_too_large', 500, 'Internal Server Error');
export const SHUT_DOWN = row('shut_down', 'local', 'never', 0, 0, 'DT', 'shutdown', 'debug');

export const FAULTS: readonly Fault[] = table;
