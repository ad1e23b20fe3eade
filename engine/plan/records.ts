/** Plain-data records that main compiles from the document and posts to the workers: structured-cloneable, frozen by habit. */
import type { Address } from '../io/transport.js';
import type { FilterChainRecord, InspectionRecord } from './chain-records.js';
import type { UpstreamTlsRecord } from './tls-records.js';
import type { NormalizationOptions } from '../http/normalize.js';
import type { Http2Options } from '../http2/options.js';
import type { ClientCertRecord } from '../tls/client-cert-details.js';
import type { GrpcTimeoutRecord } from './grpc-timeout-record.js';
import type { HashPolicyRecord } from './hash-policy-record.js';
import type { LbPolicyRecord } from './lb-policy-record.js';
import type { LocalityRecord } from './locality-record.js';
import type { SubsetsRecord } from './subsets-record.js';

/** Offsets of one metrics scope: first counter slot and first histogram of metrics/slots.ts. */
export interface MetricsBase {
  readonly counters: number;
  readonly histograms: number;
}

/** Everything a worker runs on. One number, applied whole or not at all. */
export interface SnapshotPlan {
  readonly version: number;
  readonly nodeId: string;
  readonly nodeCluster: string;
  /** For who asks admin. */
  readonly nodeMetadata: Readonly<Record<string, unknown>>;
  readonly nodeLocality: Readonly<Record<string, unknown>>;
  readonly listeners: readonly ListenerRecord[];
  readonly clusters: readonly ClusterRecord[];
}

export interface ListenerRecord {
  readonly name: string;
  /** Stable over reloads: the same key means the same socket. */
  readonly key: string;
  /** Dense number of the key for this process's life: what the acceptor hands over with a descriptor. */
  readonly index: number;
  readonly address: Address;
  readonly reusePort: boolean;
  /** What /drain_listeners?inboundonly goes by. */
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  readonly backlog: number;
  /** High mark of a connection's write queue, bytes. */
  readonly bufferLimitBytes: number;
  /** Never empty. */
  readonly chains: readonly FilterChainRecord[];
  /** For connections that no chain's match fits; null = they are closed. */
  readonly defaultChain: FilterChainRecord | null;
  /** There is one chain, and its match fits every connection. */
  readonly hasOneChainForAll: boolean;
  readonly inspection: InspectionRecord;
  readonly metrics: MetricsBase;
}

/** The HTTP connection manager. 0 ms = off, for every time here. */
export interface HttpRecord extends NormalizationOptions {
  readonly statPrefix: string;
  readonly metrics: MetricsBase;
  readonly codecType: 'AUTO' | 'HTTP1' | 'HTTP2';
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** '' = the scheme is found out: X-Forwarded-Proto of a trusted proxy, or the connection. */
  readonly schemeToOverwrite: '' | 'http' | 'https';
  /** '' = no Via field is written. */
  readonly via: string;
  readonly serverName: string;
  readonly serverHeaderTransformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
  /** CIDR ranges that count as internal; empty = none (Envoy >= 1.33). */
  readonly internalCidrRanges: readonly string[];
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly headersWithUnderscoresAction: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly http2: Http2Record;
  readonly upgrades: readonly UpgradeRecord[];
  readonly accessLogs: readonly AccessLogRecord[];
  /** A log or a header has %UPSTREAM_LOCAL_ADDRESS% or a part of it. */
  readonly asksUpstreamAddress: boolean;
  /** A log or a header has something of TLS. */
  readonly asksTls: boolean;
  /** x-forwarded-client-cert. */
  readonly clientCert: ClientCertRecord;
  /** Filters before the router, in order. */
  readonly filters: readonly FilterRecord[];
  readonly router: RouterRecord;
  readonly routeConfig: RouteConfigRecord;
}

/** What http2_protocol_options says of connections; limits of heads and of a drain stand beside it, for both protocols. */
export interface Http2Record
  extends Omit<Http2Options, 'allowExtendedConnect' | 'maxHeadBytes' | 'maxFields' | 'underscores' | 'drainTimeoutMs'> {
  readonly allowConnect: boolean;
}

export interface UpgradeRecord {
  /** Lower case: "websocket", "connect". */
  readonly type: string;
  readonly enabled: boolean;
}

export interface FilterRecord {
  readonly name: string;
  /** Without "type.googleapis.com/". */
  readonly typeUrl: string;
  /** What the filter's kind builds from. */
  readonly config: unknown;
}

export interface RouterRecord {
  readonly suppressEnvoyHeaders: boolean;
}

export interface AccessLogRecord {
  /** File path, or '-' for stdout, '=' for stderr. */
  readonly path: string;
  readonly format: AccessLogFormat;
}
export type AccessLogFormat =
  | { readonly kind: 'text'; readonly text: string; readonly omitEmptyValues: boolean }
  /** Leaves are format strings (or numbers, booleans, null as they are). */
  | { readonly kind: 'json'; readonly json: unknown; readonly omitEmptyValues: boolean };

// ---- routes ---------------------------------------------------------------------------------------

export interface RouteConfigRecord {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostRecord[];
  readonly mutations: HeaderMutationsRecord;
  readonly internalOnlyHeaders: readonly string[];
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly ignorePortInHostMatching: boolean;
}

export interface VirtualHostRecord {
  readonly name: string;
  /** As configured, lower-cased: exact, "*.suffix", "prefix.*", "*". */
  readonly domains: readonly string[];
  readonly requireTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  readonly mutations: HeaderMutationsRecord;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly routes: readonly RouteRecord[];
}

export interface HeaderMutationsRecord {
  readonly requestAdd: readonly HeaderAddRecord[];
  readonly requestRemove: readonly string[];
  readonly responseAdd: readonly HeaderAddRecord[];
  readonly responseRemove: readonly string[];
}
export interface HeaderAddRecord {
  /** Lower case. */
  readonly name: string;
  /** Format string with %OPERATOR%s. */
  readonly value: string;
  readonly action: 'APPEND_IF_EXISTS_OR_ADD' | 'ADD_IF_ABSENT' | 'OVERWRITE_IF_EXISTS_OR_ADD' | 'OVERWRITE_IF_EXISTS';
  readonly keepEmptyValue: boolean;
}

export interface RouteRecord {
  /** Dense number within the plan: what a router answers. */
  readonly name: string;
  readonly match: RouteMatchRecord;
  readonly action: RouteActionRecord;
  readonly mutations: HeaderMutationsRecord;
  /** By filter name, the most specific of route, virtual host and table; null = the filter is off for this route. */
  readonly typedPerFilterConfig: Readonly<Record<string, unknown>>;
  readonly statPrefix: string;
}

export type PathMatchRecord =
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'path'; readonly value: string }
  /** RE2 syntax, full match of the path without query. */
  | { readonly kind: 'safe_regex'; readonly value: string }
  | { readonly kind: 'path_separated_prefix'; readonly value: string }
  /** CONNECT requests only. */
  | { readonly kind: 'connect' };

export interface RouteMatchRecord {
  readonly path: PathMatchRecord;
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatchRecord[];
  readonly queryParameters: readonly QueryMatchRecord[];
  readonly grpc: boolean;
  /** Null = always. The route matches when random in [0, denominator) < numerator. */
  readonly runtimeFraction: { readonly numerator: number; readonly denominator: number } | null;
}

export type StringMatchRecord =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'safe_regex'; readonly value: string };

export interface HeaderMatchRecord {
  /** Lower case; ":method", ":authority", ":path", ":scheme" name the pseudo-fields. */
  readonly name: string;
  readonly match:
    | { readonly kind: 'present'; readonly present: boolean }
    | { readonly kind: 'string'; readonly string: StringMatchRecord }
    /** Half-open. */
    | { readonly kind: 'range'; readonly start: number; readonly end: number };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

export interface QueryMatchRecord {
  readonly name: string;
  /** Null = present. */
  readonly string: StringMatchRecord | null;
}

export type RouteActionRecord = ForwardRecord | RedirectRecord | DirectResponseRecord;

export interface ForwardRecord {
  readonly kind: 'forward';
  readonly cluster: ClusterChoiceRecord;
  /** Number of what is asked of endpoints' metadata, 0 = nothing; weighted clusters have their own. */
  readonly criteria: number;
  readonly clusterNotFoundStatus: number;
  readonly prefixRewrite: string | null;
  readonly regexRewrite: RegexRewriteRecord | null;
  readonly hostRewrite:
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'auto' }
    | { readonly kind: 'header'; readonly name: string }
    | { readonly kind: 'path_regex'; readonly rewrite: RegexRewriteRecord }
    | null;
  readonly appendXForwardedHost: boolean;
  /** 0 = off. */
  readonly timeoutMs: number;
  /** Null = the connection manager's stream_idle_timeout; 0 = off. */
  readonly idleTimeoutMs: number | null;
  readonly maxStreamDurationMs: number | null;
  /** Null: what a gRPC client says of its deadline is passed on, and that is all. */
  readonly grpcTimeout: GrpcTimeoutRecord | null;
  /** Null = the connection manager's list. */
  readonly upgrades: readonly UpgradeRecord[] | null;
  readonly priority: 'DEFAULT' | 'HIGH';
  /** HASH_POLICIES_MAX at most. */
  readonly hashPolicies: readonly HashPolicyRecord[];
}
export type ClusterChoiceRecord =
  | { readonly kind: 'cluster'; readonly name: string }
  | { readonly kind: 'weighted'; readonly clusters: readonly WeightedClusterRecord[]; readonly totalWeight: number }
  | { readonly kind: 'cluster_header'; readonly header: string };
export interface WeightedClusterRecord {
  readonly name: string;
  readonly weight: number;
  readonly criteria: number;
  readonly mutations: HeaderMutationsRecord;
  readonly hostRewriteLiteral: string | null;
  /** As RouteRecord's, with what the cluster says of filters on top. */
  readonly typedPerFilterConfig: Readonly<Record<string, unknown>>;
}
export interface RegexRewriteRecord {
  readonly pattern: string;
  /** RE2 substitution: \0 to \9. */
  readonly substitution: string;
}
/** Carried for the resilience work; the engine does the connect-failure and keep-alive-race retries on its own. */
export interface RedirectRecord {
  readonly kind: 'redirect';
  readonly httpsRedirect: boolean;
  readonly schemeRedirect: string | null;
  readonly hostRedirect: string | null;
  readonly portRedirect: number | null;
  readonly pathRedirect: string | null;
  readonly prefixRewrite: string | null;
  readonly regexRewrite: RegexRewriteRecord | null;
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly stripQuery: boolean;
}
export interface DirectResponseRecord {
  readonly kind: 'direct_response';
  readonly status: number;
  /** UTF-8, read from the file on main when the document names one. */
  readonly body: Uint8Array;
}

// ---- clusters -------------------------------------------------------------------------------------

/** DOWNSTREAM: the one that the request came by; AUTO: what TLS negotiates. */
export type SpokenProtocol = 'HTTP1' | 'HTTP2' | 'DOWNSTREAM' | 'AUTO';

export interface ClusterRecord {
  readonly name: string;
  readonly altStatName: string;
  /** Dense number for this process's life, by name: row of the cluster's shared cells. */
  readonly index: number;
  readonly metrics: MetricsBase;
  readonly type: 'STATIC' | 'STRICT_DNS' | 'LOGICAL_DNS';
  readonly connectTimeoutMs: number;
  /** High mark of an upstream connection's write queue, bytes. */
  readonly bufferLimitBytes: number;
  readonly lbPolicy: LbPolicyRecord;
  readonly locality: LocalityRecord;
  /** Null = the endpoints' metadata doesn't matter. */
  readonly subsets: SubsetsRecord | null;
  /** A priority takes all while so many percent of its healthy endpoints are at least as many as it has: 140 = 1.4. */
  readonly overprovisioningPercent: number;
  /** With fewer percent of its endpoints well a priority uses all of them; 0 = never. */
  readonly panicPercent: number;
  readonly breakers: { readonly default: BreakerRecord; readonly high: BreakerRecord };
  readonly protocol: SpokenProtocol;
  readonly http2: Http2Record;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxResponseHeadersBytes: number;
  /** The same over HTTP/2, where Envoy's default is another. */
  readonly maxHttp2ResponseHeadersBytes: number;
  readonly maxResponseHeadersCount: number;
  /** Null = bytes as they come. */
  readonly tls: UpstreamTlsRecord | null;
  /** Transport sockets of endpoints that name one. */
  readonly socketMatches: readonly SocketMatchRecord[];
  /** The newest full list; DNS clusters begin empty and get theirs with the next plan. */
  readonly endpoints: readonly EndpointRecord[];
  /** The PROXY preface that connections begin with; null = none. */
  readonly proxyProtocol: ProxyPrefaceRecord | null;
  /** Not resolved yet, or failed: tells DF from UH. */
  readonly dnsFailed: boolean;
}

export interface SocketMatchRecord {
  readonly name: string;
  /** Null = bytes as they come. */
  readonly tls: UpstreamTlsRecord | null;
}

export interface ProxyPrefaceRecord {
  readonly version: 1 | 2;
}

export interface BreakerRecord {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

export interface EndpointRecord {
  /** Identity over updates: "cluster|address". */
  readonly key: string;
  /** Dense number of the key for this process's life: row of the shared columns. */
  readonly row: number;
  readonly address: Address;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** Of its locality, 0 = none was given. */
  readonly localityWeight: number;
  /** Static status from the document: UNHEALTHY and DRAINING endpoints are not picked. */
  readonly health: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Name of one of the cluster's socketMatches; '' = the cluster's own. */
  readonly transportSocket: string;
  readonly metrics: MetricsBase;
}
