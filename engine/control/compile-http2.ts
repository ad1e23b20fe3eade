/** http2_protocol_options to their record: Envoy's defaults where nothing is said. */
import { HTTP2_DEFAULTS as DEFAULTS } from '../http2/options.js';
import type { Http2Record } from '../plan/records.js';
import { fieldOf, flagOf, numberOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** options: {} where there are none; counters: the first of a scope of HTTP/2. */
export function compileHttp2(
  reader: DocumentReader,
  options: Value,
  counters: number,
  streamFlushTimeoutMs: number,
): Http2Record {
  const keepalive = fieldOf(options, 'connection_keepalive') ?? {};
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
