/** Records of a listener's filter chains: what chooses one, and what it does with a connection. */
import type { HttpRecord } from './records.js';
import type { TcpProxyRecord } from './tcp-proxy-record.js';
import type { DownstreamTlsRecord } from './tls-records.js';

/** Empty lists, '' and 0 match everything. */
export interface FilterChainMatchRecord {
  readonly destinationPort: number;
  /** CIDR ranges of the address that the client connected to. */
  readonly prefixRanges: readonly string[];
  /** Lower case; "*.example.com" for everything below it. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: '' | 'tls' | 'raw_buffer';
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly string[];
  readonly sourceType: 'ANY' | 'SAME_IP_OR_LOOPBACK' | 'EXTERNAL';
  readonly sourcePrefixRanges: readonly string[];
  readonly sourcePorts: readonly number[];
}

/** What the last network filter makes of the connection's bytes. */
export type NetworkFilterRecord =
  | { readonly kind: 'http'; readonly http: HttpRecord }
  /** As they are, to a cluster. */
  | { readonly kind: 'tcp_proxy'; readonly tcp: TcpProxyRecord };

/** Connections begin with a PROXY preface. */
export interface ProxyProtocolRecord {
  /** A connection that begins with something else is a client's own. */
  readonly allowsOthers: boolean;
  readonly versions: readonly (1 | 2)[];
}

export interface FilterChainRecord {
  /** Dense number of listener and name (or match) for this process's life: over reloads the same chain has the same. */
  readonly index: number;
  readonly name: string;
  readonly match: FilterChainMatchRecord;
  /** Null = bytes as they come. */
  readonly tls: DownstreamTlsRecord | null;
  /** Whole handshake; 0 = no limit. */
  readonly handshakeTimeoutMs: number;
  readonly filter: NetworkFilterRecord;
}

/** What must be known of a connection before a chain can be chosen. */
export interface InspectionRecord {
  /** Null = none is expected. */
  readonly proxyProtocol: ProxyProtocolRecord | null;
  /** The first bytes are looked at: they may be a ClientHello. */
  readonly isNeeded: boolean;
  /** 0 = no limit. */
  readonly timeoutMs: number;
  /** After that time the connection goes on as far as it is known; else it is closed. */
  readonly continuesOnTimeout: boolean;
}
