/** Clusters of the document to their records: protocol options, balancing, breakers, endpoints. */
import { isIP } from 'node:net';
import type { Address } from '../io/transport.js';
import type { BreakerRecord, ClusterRecord, EndpointRecord } from '../plan/records.js';
import type { CriteriaRecord } from '../plan/subsets-record.js';
import {
  compileAddress,
  compilePipe,
  fieldOf,
  fieldsOf,
  flagOf,
  HOUR_MS,
  keyOf,
  MIB,
  numberOf,
  textOf,
} from './compile-values.js';
import { compileBalancing } from './compile-lb-policy.js';
import { checkLocalityWeights } from './compile-locality.js';
import type { TlsCompileContext } from './compile-secret-bytes.js';
import { compileProxyPreface, socketHolderOf } from './compile-proxy-protocol.js';
import { compileSocketMatches, socketNameOf } from './compile-socket-matches.js';
import { compileUpstreamTls, type TlsSocketContext, tlsSocketOf } from './compile-tls.js';
import { compileUpstreamProtocol, PROTOCOL_OPTIONS } from './compile-upstream-protocol.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';
import type { Runtime } from './runtime.js';

/** What a name of a DNS cluster stands for right now. */
export interface Resolved {
  readonly addresses: readonly string[];
  readonly failed: boolean;
}

/** A name to look up; what discovery needs of a cluster. */
export interface DnsTarget {
  readonly host: string;
  readonly family: 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';
  readonly refreshMs: number;
  readonly respectsTtl: boolean;
  /** Counters of the cluster that asks. */
  readonly counters: number;
}

/** What compiling clusters needs beside them. */
export interface ClusterContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  readonly runtime: Runtime;
  readonly resolved: ReadonlyMap<string, Resolved>;
  /** What routes ask of endpoints' metadata. */
  readonly criteria: readonly CriteriaRecord[];
  /** Filled with the names to look up. */
  readonly dnsTargets: DnsTarget[];
  readonly tls: TlsCompileContext & Pick<TlsSocketContext, 'certificates'>;
}

function statNameOf(cluster: Value): string {
  return textOf(cluster, 'alt_stat_name') || textOf(cluster, 'name');
}

export function compileCluster(context: ClusterContext, cluster: Value): ClusterRecord {
  const { reader, registry, runtime } = context;
  const name = textOf(cluster, 'name');
  const { protocol, http2, common } = compileUpstreamProtocol(context, cluster);
  const { endpoints, hasFailed } = compileEndpoints(context, cluster);
  const record: ClusterRecord = {
    name,
    altStatName: textOf(cluster, 'alt_stat_name'),
    index: registry.cluster(name),
    metrics: registry.metrics('cluster', statNameOf(cluster)),
    type: textOf(cluster, 'type', 'STATIC') as ClusterRecord['type'],
    connectTimeoutMs: numberOf(cluster, 'connect_timeout', 5000),
    bufferLimitBytes: numberOf(cluster, 'per_connection_buffer_limit_bytes', MIB),
    ...compileBalancing(reader, runtime, cluster, context.criteria),
    overprovisioningPercent: numberOf(
      fieldOf(fieldOf(cluster, 'load_assignment') ?? {}, 'policy') ?? {},
      'overprovisioning_factor',
      140,
    ),
    panicPercent: panicPercentOf(runtime, cluster),
    breakers: { default: compileBreaker(runtime, cluster, 'DEFAULT'), high: compileBreaker(runtime, cluster, 'HIGH') },
    protocol,
    http2,
    idleTimeoutMs: numberOf(common, 'idle_timeout', HOUR_MS),
    maxConnectionDurationMs: numberOf(common, 'max_connection_duration', 0),
    maxRequestsPerConnection: numberOf(
      common,
      'max_requests_per_connection',
      numberOf(cluster, 'max_requests_per_connection', 0),
    ),
    maxResponseHeadersBytes: numberOf(common, 'max_response_headers_kb', 80) * 1024,
    maxHttp2ResponseHeadersBytes: numberOf(common, 'max_response_headers_kb', 60) * 1024,
    maxResponseHeadersCount: numberOf(common, 'max_headers_count', 100),
    ...compileSockets(context, cluster),
    proxyProtocol: compileProxyPreface(cluster),
    endpoints,
    dnsFailed: hasFailed && endpoints.length === 0,
  };
  checkLocalityWeights(reader, cluster, record);
  return record;
}

function compileSockets(context: ClusterContext, cluster: Value): Pick<ClusterRecord, 'tls' | 'socketMatches'> {
  const { reader } = context;
  const options = fieldOf(cluster, 'typed_extension_protocol_options') ?? {};
  const names = fieldOf(fieldOf(options, PROTOCOL_OPTIONS) ?? {}, 'upstream_http_protocol_options');
  const tls: TlsSocketContext = { ...context.tls, scope: { kind: 'cluster', name: statNameOf(cluster) } };
  const compileTls = (holder: Value): ClusterRecord['tls'] => {
    const socket = tlsSocketOf(holder);
    return socket === null ? null : compileUpstreamTls(tls, socket, names ?? {});
  };
  const own = compileTls(socketHolderOf(cluster));
  const socketMatches = compileSocketMatches(reader, cluster, compileTls);
  if (names !== undefined && own === null && socketMatches.every((match) => match.tls === null))
    reader.report('error', names, '', 'is of TLS: it needs a transport_socket with UpstreamTlsContext');
  return { tls: own, socketMatches };
}

/** Whole percent, as Envoy has it. */
function panicPercentOf(runtime: Runtime, cluster: Value): number {
  const threshold = fieldOf(fieldOf(cluster, 'common_lb_config') ?? {}, 'healthy_panic_threshold') ?? {};
  const percent = runtime.number('upstream.healthy_panic_threshold', numberOf(threshold, 'value', 50));
  return Math.min(100, Math.max(0, Math.floor(percent)));
}

function compileBreaker(runtime: Runtime, cluster: Value, priority: string): BreakerRecord {
  const thresholds = fieldsOf(fieldOf(cluster, 'circuit_breakers') ?? {}, 'thresholds');
  // The first entry of a priority counts (Envoy).
  const entry = thresholds.find((each) => textOf(each, 'priority', 'DEFAULT') === priority) ?? {};
  const prefix = `circuit_breakers.${textOf(cluster, 'name')}.${priority.toLowerCase()}`;
  const limit = (field: string, otherwise: number): number =>
    runtime.integer(`${prefix}.${field}`, numberOf(entry, field, otherwise));
  return {
    maxConnections: limit('max_connections', 1024),
    maxPendingRequests: limit('max_pending_requests', 1024),
    maxRequests: limit('max_requests', 1024),
    maxRetries: limit('max_retries', 3),
  };
}

// ---- endpoints ------------------------------------------------------------------------------------------------

function compileEndpoints(
  context: ClusterContext,
  cluster: Value,
): { readonly endpoints: readonly EndpointRecord[]; readonly hasFailed: boolean } {
  const { reader } = context;
  const type = textOf(cluster, 'type', 'STATIC');
  const found = new Map<string, EndpointRecord>();
  let hasFailed = false;
  let written = 0;
  for (const locality of localitiesOf(reader, cluster))
    for (const lbEndpoint of fieldsOf(locality, 'lb_endpoints')) {
      written++;
      const address = fieldOf(fieldOf(lbEndpoint, 'endpoint') ?? {}, 'address') ?? {};
      const { addresses, failed } = type === 'STATIC' ? fixed(reader, address) : lookedUp(context, cluster, address);
      hasFailed ||= failed;
      for (const each of type === 'LOGICAL_DNS' ? addresses.slice(0, 1) : addresses) {
        const record = endpointRecord(context.registry, cluster, locality, lbEndpoint, each);
        const same = found.get(record.key);
        if (same === undefined) found.set(record.key, record);
        else {
          // The share of two, in one row: a row is what pools and counts go by. Names may overlap (Envoy: the first).
          if (type !== 'STATIC') continue;
          found.set(record.key, { ...same, weight: same.weight + record.weight });
          reader.report('warning', address, '', `${keyOf(each)} is in this cluster twice; its weights are added`);
        }
      }
    }
  if (type === 'LOGICAL_DNS' && written !== 1)
    reader.report('error', cluster, 'load_assignment', `LOGICAL_DNS has exactly one endpoint, not ${written}`);
  else if (written === 0 && !reader.hasErrors)
    reader.report('warning', cluster, 'load_assignment', 'has no endpoints: every request is answered with 503');
  return { endpoints: [...found.values()], hasFailed };
}

function localitiesOf(reader: DocumentReader, cluster: Value): readonly Value[] {
  const hosts = fieldsOf(cluster, 'hosts');
  if (hosts.length === 0) return fieldsOf(fieldOf(cluster, 'load_assignment') ?? {}, 'endpoints');
  reader.report(
    'warning',
    cluster,
    'hosts',
    '"hosts" is v2\'s spelling; in v3: load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: ... } } ] } ] }',
  );
  return [{ lb_endpoints: hosts.map((address) => ({ endpoint: { address } })) }];
}

interface Addresses {
  readonly addresses: readonly Address[];
  readonly failed: boolean;
}

function fixed(reader: DocumentReader, address: Value): Addresses {
  checkPort(reader, address);
  const hint = 'a name needs a cluster of type STRICT_DNS or LOGICAL_DNS';
  return { addresses: [compileAddress(reader, address, hint)], failed: false };
}

function lookedUp(context: ClusterContext, cluster: Value, address: Value): Addresses {
  const { reader, resolved, dnsTargets } = context;
  checkPort(reader, address);
  const pipe = fieldOf(address, 'pipe');
  if (pipe !== undefined) return { addresses: [compilePipe(reader, pipe)], failed: false };
  const socket = fieldOf(address, 'socket_address') ?? {};
  const host = textOf(socket, 'address');
  const port = numberOf(socket, 'port_value', 0);
  const literal = isIP(host);
  if (literal !== 0) return { addresses: [{ family: literal === 6 ? 6 : 4, host, port }], failed: false };
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$/.test(host))
    reader.report('error', socket, 'address', `${JSON.stringify(host)} is neither an IP address nor a host name`);
  const target: DnsTarget = {
    host,
    family: textOf(cluster, 'dns_lookup_family', 'AUTO') as DnsTarget['family'],
    refreshMs: numberOf(cluster, 'dns_refresh_rate', 5000),
    respectsTtl: flagOf(cluster, 'respect_dns_ttl'),
    counters: context.registry.metrics('cluster', statNameOf(cluster)).counters,
  };
  dnsTargets.push(target);
  const found = resolved.get(dnsKey(target));
  const addresses = (found?.addresses ?? []).map(
    (text): Address => ({ family: isIP(text) === 6 ? 6 : 4, host: text, port }),
  );
  return { addresses, failed: found?.failed === true };
}

function checkPort(reader: DocumentReader, address: Value): void {
  const socket = fieldOf(address, 'socket_address');
  if (socket !== undefined && numberOf(socket, 'port_value', 0) === 0)
    reader.report('error', socket, 'port_value', 'nothing can be connected to on port 0');
}

/** Under what a name is looked up once, however many clusters use it. */
export function dnsKey(target: Pick<DnsTarget, 'host' | 'family' | 'respectsTtl'>): string {
  return `${target.host} ${target.family}${target.respectsTtl ? ' ttl' : ''}`;
}

function endpointRecord(
  registry: PlanRegistry,
  cluster: Value,
  locality: Value,
  lbEndpoint: Value,
  address: Address,
): EndpointRecord {
  const endpoint = fieldOf(lbEndpoint, 'endpoint') ?? {};
  const where = fieldOf(locality, 'locality') ?? {};
  const status = textOf(lbEndpoint, 'health_status', 'UNKNOWN');
  const socket = fieldOf(fieldOf(endpoint, 'address') ?? {}, 'socket_address') ?? {};
  const key = `${textOf(cluster, 'name')}|${keyOf(address)}`;
  return {
    key,
    ...registry.endpoint(key),
    address,
    hostname: textOf(endpoint, 'hostname', isIP(textOf(socket, 'address')) === 0 ? textOf(socket, 'address') : ''),
    weight: numberOf(lbEndpoint, 'load_balancing_weight', 1),
    priority: numberOf(locality, 'priority', 0),
    region: textOf(where, 'region'),
    zone: textOf(where, 'zone'),
    subZone: textOf(where, 'sub_zone'),
    localityWeight: numberOf(locality, 'load_balancing_weight', 0),
    health: status === 'DEGRADED' ? 'DEGRADED' : status === 'UNKNOWN' || status === 'HEALTHY' ? 'HEALTHY' : 'UNHEALTHY',
    transportSocket: socketNameOf(cluster, locality, lbEndpoint),
    metadata: (fieldOf(lbEndpoint, 'metadata')?.['filter_metadata'] as Record<string, unknown> | undefined) ?? {},
  };
}
