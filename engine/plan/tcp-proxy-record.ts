/** TcpProxyRecord: a filter chain that carries bytes to a cluster as they are. */
import type { AccessLogRecord, MetricsBase } from './records.js';

export interface TcpProxyRecord {
  readonly statPrefix: string;
  readonly metrics: MetricsBase;
  /** One at least; one alone takes all, whatever its weight. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  /** Without a byte in either direction; 0 = off. */
  readonly idleTimeoutMs: number;
  /** 0 = off. */
  readonly maxDownstreamConnectionDurationMs: number;
  /** Endpoints that are tried before the client is let down. */
  readonly maxConnectAttempts: number;
  /** Connections of one client address go to the same endpoint, where the cluster's policy hashes. */
  readonly hashesSourceAddress: boolean;
  readonly accessLogs: readonly AccessLogRecord[];
}
