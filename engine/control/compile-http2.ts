/** http2_protocol_options to their record: Envoy's defaults where nothing is said. */
import {
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_FRAME_SIZE,
  SETTING_MAX_HEADER_LIST_SIZE,
} from '../http2/frames.js';
import { HTTP2_DEFAULTS as DEFAULTS } from '../http2/options.js';
import type { Http2Record } from '../plan/records.js';
import { fieldOf, fieldsOf, flagOf, numberOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** role: on a listener's connections, or a cluster's; options: {} = none; counters: the first of a scope of HTTP/2. */
export function compileHttp2(
  reader: DocumentReader,
  role: 'server' | 'client',
  options: Value,
  counters: number,
  streamFlushTimeoutMs: number,
): Http2Record {
  const keepalive = fieldOf(options, 'connection_keepalive') ?? {};
  checkRole(reader, role, options, keepalive);
  const deprecated = 'stream_error_on_invalid_http_messaging';
  if (options[deprecated] !== undefined && options['override_stream_error_on_invalid_http_message'] !== undefined)
    reader.report('error', options, deprecated, 'is the old name of override_stream_error_on_invalid_http_message');
  return {
    hpackTableSizeBytes: numberOf(options, 'hpack_table_size', DEFAULTS.hpackTableSizeBytes),
    maxConcurrentStreams: numberOf(options, 'max_concurrent_streams', DEFAULTS.maxConcurrentStreams),
    initialStreamWindowBytes: numberOf(options, 'initial_stream_window_size', DEFAULTS.initialStreamWindowBytes),
    initialConnectionWindowBytes: numberOf(
      options,
      'initial_connection_window_size',
      DEFAULTS.initialConnectionWindowBytes,
    ),
    customSettings: compileCustomSettings(reader, options),
    allowConnect: flagOf(options, 'allow_connect'),
    maxOutboundFrames: numberOf(options, 'max_outbound_frames', DEFAULTS.maxOutboundFrames),
    maxOutboundControlFrames: numberOf(options, 'max_outbound_control_frames', DEFAULTS.maxOutboundControlFrames),
    maxConsecutiveInboundFramesWithEmptyPayload: numberOf(
      options,
      'max_consecutive_inbound_frames_with_empty_payload',
      DEFAULTS.maxConsecutiveInboundFramesWithEmptyPayload,
    ),
    maxInboundPriorityFramesPerStream: numberOf(
      options,
      'max_inbound_priority_frames_per_stream',
      DEFAULTS.maxInboundPriorityFramesPerStream,
    ),
    maxInboundWindowUpdateFramesPerDataFrameSent: numberOf(
      options,
      'max_inbound_window_update_frames_per_data_frame_sent',
      DEFAULTS.maxInboundWindowUpdateFramesPerDataFrameSent,
    ),
    overrideStreamErrorOnInvalidHttpMessage: flagOf(
      options,
      'override_stream_error_on_invalid_http_message',
      flagOf(options, deprecated, DEFAULTS.overrideStreamErrorOnInvalidHttpMessage),
    ),
    streamFlushTimeoutMs,
    counters,
    connectionKeepalive: {
      intervalMs: numberOf(keepalive, 'interval', 0),
      timeoutMs: numberOf(keepalive, 'timeout', 0),
      jitterPercent: numberOf(
        fieldOf(keepalive, 'interval_jitter') ?? {},
        'value',
        DEFAULTS.connectionKeepalive.jitterPercent,
      ),
      connectionIdleIntervalMs: numberOf(keepalive, 'connection_idle_interval', 0),
    },
  };
}

/** What only the other side has a use for. */
function checkRole(reader: DocumentReader, role: 'server' | 'client', options: Value, keepalive: Value): void {
  if (role === 'server' && keepalive['connection_idle_interval'] !== undefined)
    reader.report(
      'error',
      keepalive,
      'connection_idle_interval',
      'is for clusters: its PING goes ahead of streams that we open; for clients write interval',
    );
  // Envoy takes it there, and so do configs that were written for it.
  if (role === 'client' && flagOf(options, 'allow_connect'))
    reader.report(
      'warning',
      options,
      'allow_connect',
      'has no effect here: whether an origin takes extended CONNECT is what its SETTINGS say (RFC 8441 §3)',
    );
}

/** Identifiers that say what we do ourselves: announcing something else would not be true. */
const OWN_SETTINGS: ReadonlyMap<number, string> = new Map([
  [SETTING_HEADER_TABLE_SIZE, 'write hpack_table_size'],
  [SETTING_MAX_CONCURRENT_STREAMS, 'write max_concurrent_streams'],
  [SETTING_INITIAL_WINDOW_SIZE, 'write initial_stream_window_size'],
  [SETTING_MAX_FRAME_SIZE, 'frames of 16,384 bytes are taken at most'],
  [SETTING_MAX_HEADER_LIST_SIZE, 'write max_request_headers_kb, or max_response_headers_kb of a cluster'],
  [SETTING_ENABLE_CONNECT_PROTOCOL, 'write allow_connect'],
]);

/** Pairs of identifier and value. */
function compileCustomSettings(reader: DocumentReader, options: Value): number[] {
  const pairs: number[] = [];
  const seen = new Set<number>();
  for (const parameter of fieldsOf(options, 'custom_settings_parameters')) {
    const identifier = numberOf(parameter, 'identifier', 0);
    const value = numberOf(parameter, 'value', 0);
    const own = OWN_SETTINGS.get(identifier);
    if (own !== undefined)
      reader.report('error', parameter, 'identifier', `${identifier} is what is announced anyway; ${own}`);
    if (identifier === SETTING_ENABLE_PUSH && value !== 0)
      reader.report('error', parameter, 'value', 'server push is not spoken, so it can not be enabled');
    if (seen.has(identifier)) reader.report('error', parameter, 'identifier', `${identifier} is here twice`);
    seen.add(identifier);
    pairs.push(identifier, value);
  }
  return pairs;
}
