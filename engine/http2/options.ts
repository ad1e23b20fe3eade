/** Http2Options: what a config decides about HTTP/2 connections, per listener or per cluster; Envoy's names. */

/** PING frames that find out whether the peer still lives (connection_keepalive). */
export interface KeepaliveOptions {
  /** Between PINGs; 0 = none. */
  readonly intervalMs: number;
  /** From a PING to the end of the connection when nothing at all came; 0 = forever. */
  readonly timeoutMs: number;
  /** Up to so much is added to each interval, so that connections of one moment don't ping at one moment. */
  readonly jitterPercent: number;
  /** Client role: after so long without a frame a PING goes ahead of the next stream; 0 = none. */
  readonly connectionIdleIntervalMs: number;
}

export interface Http2Options {
  /** SETTINGS_HEADER_TABLE_SIZE of ours, and the most of the peer's that our encoder uses. */
  readonly hpackTableSizeBytes: number;
  /** Announced besides: identifier and value of each. */
  readonly customSettings: readonly number[];
  /** Server role: announced. Client role: what we open at most, whatever the peer allows. */
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowBytes: number;
  /** At least 65,535: the protocol can't announce less. */
  readonly initialConnectionWindowBytes: number;
  /** allow_connect: extended CONNECT is announced and taken (RFC 8441). */
  readonly allowExtendedConnect: boolean;
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** A malformed message resets its stream; false: it ends the connection. */
  readonly overrideStreamErrorOnInvalidHttpMessage: boolean;
  readonly connectionKeepalive: KeepaliveOptions;
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** headers_with_underscores_action. */
  readonly underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** A stream that has bytes to send and gets no window for so long is reset; 0 = never. */
  readonly streamFlushTimeoutMs: number;
  /** Between the two GOAWAYs of a drain at most; a PING that comes back ends the wait earlier. */
  readonly drainTimeoutMs: number;
  /** First of the counters of scope HTTP2; -1 = unmetered. */
  readonly counters: number;
}

/** Envoy's defaults (config.core.v3.Http2ProtocolOptions). */
export const HTTP2_DEFAULTS: Http2Options = {
  hpackTableSizeBytes: 4096,
  customSettings: [],
  maxConcurrentStreams: 1024,
  initialStreamWindowBytes: 16 * 1024 * 1024,
  initialConnectionWindowBytes: 24 * 1024 * 1024,
  allowExtendedConnect: false,
  maxOutboundFrames: 10000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  overrideStreamErrorOnInvalidHttpMessage: true,
  connectionKeepalive: { intervalMs: 0, timeoutMs: 0, jitterPercent: 15, connectionIdleIntervalMs: 0 },
  maxHeadBytes: 60 * 1024,
  maxFields: 100,
  underscores: 'ALLOW',
  streamFlushTimeoutMs: 300000,
  drainTimeoutMs: 5000,
  counters: -1,
};
