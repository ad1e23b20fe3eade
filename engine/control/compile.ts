/** Bootstrap document to plan: pure but for the files that the document names. */
import { isIP } from 'node:net';
import { checkFormat } from '../format/substitution.js';
import type { Address } from '../io/transport.js';
import type {
  AccessLogRecord,
  BreakerRecord,
  ClusterRecord,
  EndpointRecord,
  HttpRecord,
  LbPolicyRecord,
  ListenerRecord,
  SnapshotPlan,
} from '../plan/records.js';
import { compileRouteConfig, compileUpgrades } from './compile-routes.js';
import { compileAddress, flagOf, numberOf, readDataSource, textOf, fieldOf, fieldsOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';

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
}

export interface Compiled {
  readonly plan: SnapshotPlan;
  readonly admin: Address | null;
  readonly dnsTargets: readonly DnsTarget[];
}

const HOUR_MS = 3600000;
const MIB = 1 << 20;

/** Reports its problems to the reader; the plan is good only when the reader has no errors. */
export function compile(
  reader: DocumentReader,
  bootstrap: Value,
  registry: PlanRegistry,
  resolved: ReadonlyMap<string, Resolved>,
  version: number,
): Compiled {
  const resources = fieldOf(bootstrap, 'static_resources') ?? {};
  const node = fieldOf(bootstrap, 'node') ?? {};
  const dnsTargets: DnsTarget[] = [];
  const clusterValues = fieldsOf(resources, 'clusters');
  checkUnique(reader, clusterValues, 'name', 'cluster');
  const names = new Set(clusterValues.map((cluster) => textOf(cluster, 'name')));
  const used = new Set<string>();
  const listenerValues = fieldsOf(resources, 'listeners');
  const listeners = listenerValues.map((listener) => compileListener(reader, listener, registry, names, used));
  const clusters = clusterValues.map((cluster) => compileCluster(reader, cluster, registry, resolved, dnsTargets));
  checkListeners(reader, listenerValues, listeners);
  const usesHeader = JSON.stringify(listeners, (_, value) =>
    value instanceof Uint8Array ? undefined : value,
  ).includes('"cluster_header"');
  if (!usesHeader)
    for (const cluster of clusterValues)
      if (!used.has(textOf(cluster, 'name')))
        reader.report('warning', cluster, 'name', `no route uses cluster ${JSON.stringify(textOf(cluster, 'name'))}`);
  const admin = fieldOf(fieldOf(bootstrap, 'admin') ?? {}, 'address');
  return {
    plan: { version, nodeId: textOf(node, 'id'), nodeCluster: textOf(node, 'cluster'), listeners, clusters },
    admin: admin === undefined ? null : compileAddress(reader, admin),
    dnsTargets,
  };
}

function checkUnique(reader: DocumentReader, values: readonly Value[], field: string, what: string): void {
  const seen = new Set<string>();
  for (const value of values) {
    const name = textOf(value, field);
    if (seen.has(name)) reader.report('error', value, field, `there is another ${what} ${JSON.stringify(name)}`);
    seen.add(name);
  }
}

function checkListeners(reader: DocumentReader, values: readonly Value[], listeners: readonly ListenerRecord[]): void {
  const seen = new Set<string>();
  listeners.forEach((listener, index) => {
    if (listener.address.port !== 0 && seen.has(listener.key))
      reader.report('error', values[index], 'address', `another listener has the address ${listener.key}`);
    seen.add(listener.key);
  });
}

function keyOf(address: Address): string {
  if (address.family === 'unix') return `unix:${address.host}`;
  return address.family === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

// ---- listeners ----------------------------------------------------------------------------------------------

function compileListener(
  reader: DocumentReader,
  listener: Value,
  registry: PlanRegistry,
  clusters: ReadonlySet<string>,
  used: Set<string>,
): ListenerRecord {
  const address = compileAddress(reader, fieldOf(listener, 'address') ?? {});
  const chains = fieldsOf(listener, 'filter_chains');
  if (chains.length > 1) reader.report('error', listener, 'filter_chains', 'only one filter chain is supported yet');
  const filters = fieldsOf(chains[0] ?? {}, 'filters');
  const manager = fieldOf(filters[filters.length - 1] ?? {}, 'typed_config');
  if (filters.length > 1)
    reader.report('error', chains[0], 'filters', 'only the HTTP connection manager is supported yet');
  const name = textOf(listener, 'name');
  const key = address.port === 0 && address.family !== 'unix' ? `${keyOf(address)}#${name}` : keyOf(address);
  return {
    name,
    key,
    index: registry.listener(key),
    address,
    reusePort: flagOf(listener, 'enable_reuse_port'),
    backlog: numberOf(listener, 'tcp_backlog_size', 4096),
    bufferLimitBytes: numberOf(listener, 'per_connection_buffer_limit_bytes', MIB),
    http: compileHttp(reader, manager ?? {}, registry, clusters, used),
    metrics: registry.metrics('listener', textOf(listener, 'stat_prefix', keyOf(address).replaceAll(':', '_'))),
  };
}

function compileHttp(
  reader: DocumentReader,
  http: Value,
  registry: PlanRegistry,
  clusters: ReadonlySet<string>,
  used: Set<string>,
): HttpRecord {
  const common = fieldOf(http, 'common_http_protocol_options') ?? {};
  const http1 = fieldOf(http, 'http_protocol_options') ?? {};
  const statPrefix = textOf(http, 'stat_prefix');
  const router = checkFilters(reader, http);
  const escaped = textOf(http, 'path_with_escaped_slashes_action', 'KEEP_UNCHANGED');
  const ranges = fieldsOf(fieldOf(http, 'internal_address_config') ?? {}, 'cidr_ranges');
  return {
    statPrefix,
    metrics: registry.metrics('http', statPrefix),
    codecType: textOf(http, 'codec_type', 'AUTO') as HttpRecord['codecType'],
    useRemoteAddress: flagOf(http, 'use_remote_address'),
    xffNumTrustedHops: numberOf(http, 'xff_num_trusted_hops', 0),
    skipXffAppend: flagOf(http, 'skip_xff_append'),
    via: textOf(http, 'via'),
    serverName: textOf(http, 'server_name', 'envoy'),
    serverHeaderTransformation: textOf(
      http,
      'server_header_transformation',
      'OVERWRITE',
    ) as HttpRecord['serverHeaderTransformation'],
    internalCidrRanges: ranges.map((range) => compileCidr(reader, range)),
    idleTimeoutMs: numberOf(common, 'idle_timeout', numberOf(http, 'idle_timeout', HOUR_MS)),
    streamIdleTimeoutMs: numberOf(http, 'stream_idle_timeout', 300000),
    requestTimeoutMs: numberOf(http, 'request_timeout', 0),
    requestHeadersTimeoutMs: numberOf(http, 'request_headers_timeout', 0),
    drainTimeoutMs: numberOf(http, 'drain_timeout', 5000),
    delayedCloseTimeoutMs: numberOf(http, 'delayed_close_timeout', 1000),
    maxConnectionDurationMs: numberOf(common, 'max_connection_duration', 0),
    maxStreamDurationMs: numberOf(common, 'max_stream_duration', 0),
    maxRequestsPerConnection: numberOf(common, 'max_requests_per_connection', 0),
    maxRequestHeadersBytes: numberOf(http, 'max_request_headers_kb', 60) * 1024,
    maxHeadersCount: numberOf(common, 'max_headers_count', 100),
    headersWithUnderscoresAction: textOf(
      common,
      'headers_with_underscores_action',
      'ALLOW',
    ) as HttpRecord['headersWithUnderscoresAction'],
    normalizePath: flagOf(http, 'normalize_path'),
    mergeSlashes: flagOf(http, 'merge_slashes'),
    pathWithEscapedSlashesAction: (escaped === 'IMPLEMENTATION_SPECIFIC_DEFAULT'
      ? 'KEEP_UNCHANGED'
      : escaped) as HttpRecord['pathWithEscapedSlashesAction'],
    stripMatchingHostPort: flagOf(http, 'strip_matching_host_port'),
    stripAnyHostPort: flagOf(http, 'strip_any_host_port'),
    stripTrailingHostDot: flagOf(http, 'strip_trailing_host_dot'),
    generateRequestId: flagOf(http, 'generate_request_id', true),
    preserveExternalRequestId: flagOf(http, 'preserve_external_request_id'),
    alwaysSetRequestIdInResponse: flagOf(http, 'always_set_request_id_in_response'),
    acceptHttp10: flagOf(http1, 'accept_http_10'),
    defaultHostForHttp10: textOf(http1, 'default_host_for_http_10'),
    allowAbsoluteUrl: flagOf(http1, 'allow_absolute_url', true),
    allowChunkedLength: false,
    proxy100Continue: true,
    upgrades: compileUpgrades(fieldsOf(http, 'upgrade_configs')),
    accessLogs: fieldsOf(http, 'access_log').map((log) => compileAccessLog(reader, fieldOf(log, 'typed_config') ?? {})),
    filters: [],
    router: {
      suppressEnvoyHeaders: flagOf(router, 'suppress_envoy_headers'),
      startChildSpan: false,
      respectExpectedRqTimeout: false,
    },
    routeConfig: compileRouteConfig({ reader, clusters, used }, fieldOf(http, 'route_config') ?? {}),
  };
}

/** The router comes last, once. Answers its config. */
function checkFilters(reader: DocumentReader, http: Value): Value {
  const filters = fieldsOf(http, 'http_filters');
  const last = filters[filters.length - 1];
  if (last === undefined) {
    reader.report(
      'error',
      http,
      'http_filters',
      'the router filter is missing: add envoy.filters.http.router as the last one',
    );
    return {};
  }
  if (filters.length > 1)
    reader.report('error', http, 'http_filters', 'the router filter is terminal: it comes once, as the last one');
  const config = fieldOf(last, 'typed_config');
  if (config === undefined && !/router$/.test(textOf(last, 'name')))
    reader.report('error', last, 'name', `filter ${textOf(last, 'name')} has no typed_config`);
  return config ?? {};
}

function compileCidr(reader: DocumentReader, range: Value): string {
  const address = textOf(range, 'address_prefix');
  const family = isIP(address);
  const length = numberOf(range, 'prefix_len', 0);
  if (family === 0) reader.report('error', range, 'address_prefix', `${JSON.stringify(address)} is not an IP address`);
  else if (family === 4 && length > 32)
    reader.report('error', range, 'prefix_len', 'an IPv4 prefix has at most 32 bits');
  return `${address}/${length}`;
}

function compileAccessLog(reader: DocumentReader, log: Value): AccessLogRecord {
  const type = String(log['@type'] ?? '');
  const path = type.endsWith('StdoutAccessLog') ? '-' : type.endsWith('StderrAccessLog') ? '=' : textOf(log, 'path');
  const format = fieldOf(log, 'log_format') ?? {};
  const omitEmptyValues = flagOf(format, 'omit_empty_values');
  const json = format['json_format'] ?? log['json_format'] ?? log['typed_json_format'];
  if (json !== undefined) {
    checkJsonFormat(reader, log, json);
    return { path: standardStream(path), format: { kind: 'json', json, omitEmptyValues } };
  }
  const source = fieldOf(format, 'text_format_source');
  const bytes = source === undefined ? null : readDataSource(reader, source);
  const text =
    bytes !== null ? Buffer.from(bytes).toString('utf8') : textOf(format, 'text_format', textOf(log, 'format'));
  const wrong = checkFormat(text);
  if (wrong !== null)
    reader.report('error', log, source === undefined && log['format'] === undefined ? 'log_format' : 'format', wrong);
  return { path: standardStream(path), format: { kind: 'text', text, omitEmptyValues } };
}

function standardStream(path: string): string {
  return path === '/dev/stdout' ? '-' : path === '/dev/stderr' ? '=' : path;
}

function checkJsonFormat(reader: DocumentReader, log: Value, json: unknown): void {
  if (typeof json === 'string') {
    const wrong = checkFormat(json);
    if (wrong !== null) reader.report('error', log, 'log_format', wrong);
  } else if (typeof json === 'object' && json !== null)
    for (const value of Object.values(json)) checkJsonFormat(reader, log, value);
}

// ---- clusters -----------------------------------------------------------------------------------------------

function compileCluster(
  reader: DocumentReader,
  cluster: Value,
  registry: PlanRegistry,
  resolved: ReadonlyMap<string, Resolved>,
  dnsTargets: DnsTarget[],
): ClusterRecord {
  const name = textOf(cluster, 'name');
  const typed = fieldOf(
    fieldOf(cluster, 'typed_extension_protocol_options') ?? {},
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  );
  const common =
    fieldOf(typed ?? {}, 'common_http_protocol_options') ?? fieldOf(cluster, 'common_http_protocol_options') ?? {};
  const statName = textOf(cluster, 'alt_stat_name', name);
  const state = { failed: false };
  const endpoints = compileEndpoints(reader, cluster, name, statName, registry, resolved, dnsTargets, state);
  return {
    name,
    altStatName: textOf(cluster, 'alt_stat_name'),
    index: registry.cluster(name),
    metrics: registry.metrics('cluster', statName),
    type: textOf(cluster, 'type', 'STATIC') as ClusterRecord['type'],
    connectTimeoutMs: numberOf(cluster, 'connect_timeout', 5000),
    bufferLimitBytes: numberOf(cluster, 'per_connection_buffer_limit_bytes', MIB),
    lbPolicy: compileLbPolicy(cluster),
    breakers: { default: compileBreaker(cluster, 'DEFAULT'), high: compileBreaker(cluster, 'HIGH') },
    protocol: 'HTTP1',
    idleTimeoutMs: numberOf(common, 'idle_timeout', HOUR_MS),
    maxConnectionDurationMs: numberOf(common, 'max_connection_duration', 0),
    maxRequestsPerConnection: numberOf(
      common,
      'max_requests_per_connection',
      numberOf(cluster, 'max_requests_per_connection', 0),
    ),
    maxResponseHeadersBytes: numberOf(common, 'max_response_headers_kb', 80) * 1024,
    maxResponseHeadersCount: numberOf(common, 'max_headers_count', 100),
    endpoints,
    dnsFailed: state.failed && endpoints.length === 0,
  };
}

function compileBreaker(cluster: Value, priority: string): BreakerRecord {
  const thresholds = fieldsOf(fieldOf(cluster, 'circuit_breakers') ?? {}, 'thresholds');
  // The first entry of a priority counts (Envoy).
  const entry = thresholds.find((each) => textOf(each, 'priority', 'DEFAULT') === priority) ?? {};
  return {
    maxConnections: numberOf(entry, 'max_connections', 1024),
    maxPendingRequests: numberOf(entry, 'max_pending_requests', 1024),
    maxRequests: numberOf(entry, 'max_requests', 1024),
    maxRetries: numberOf(entry, 'max_retries', 3),
  };
}

function compileLbPolicy(cluster: Value): LbPolicyRecord {
  const policies = fieldsOf(fieldOf(cluster, 'load_balancing_policy') ?? {}, 'policies');
  const typed =
    policies.length === 0
      ? undefined
      : fieldOf(fieldOf(policies[0] as Value, 'typed_extension_config') ?? {}, 'typed_config');
  const type = typed === undefined ? '' : String(typed['@type']);
  const name = typed === undefined ? textOf(cluster, 'lb_policy', 'ROUND_ROBIN') : '';
  if (name === 'RANDOM' || type.endsWith('.Random')) return { name: 'RANDOM' };
  if (name !== 'LEAST_REQUEST' && !type.endsWith('.LeastRequest')) return { name: 'ROUND_ROBIN' };
  const config = typed ?? fieldOf(cluster, 'least_request_lb_config') ?? {};
  return {
    name: 'LEAST_REQUEST',
    choiceCount: numberOf(config, 'choice_count', 2),
    fullScan: textOf(config, 'selection_method') === 'FULL_SCAN' || flagOf(config, 'enable_full_scan'),
    activeRequestBias: numberOf(fieldOf(config, 'active_request_bias') ?? {}, 'default_value', 1),
  };
}

function compileEndpoints(
  reader: DocumentReader,
  cluster: Value,
  name: string,
  statName: string,
  registry: PlanRegistry,
  resolved: ReadonlyMap<string, Resolved>,
  dnsTargets: DnsTarget[],
  state: { failed: boolean },
): EndpointRecord[] {
  const type = textOf(cluster, 'type', 'STATIC');
  const endpoints: EndpointRecord[] = [];
  const hosts = fieldsOf(cluster, 'hosts');
  if (hosts.length > 0)
    reader.report(
      'warning',
      cluster,
      'hosts',
      '"hosts" is v2\'s spelling; in v3: load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: ... } } ] } ] }',
    );
  const localities: Value[] = [
    ...(hosts.length > 0 ? [{ lb_endpoints: hosts.map((address) => ({ endpoint: { address } })) }] : []),
    ...fieldsOf(fieldOf(cluster, 'load_assignment') ?? {}, 'endpoints'),
  ];
  for (const locality of localities)
    for (const lbEndpoint of fieldsOf(locality, 'lb_endpoints')) {
      const endpoint = fieldOf(lbEndpoint, 'endpoint') ?? {};
      const address = fieldOf(endpoint, 'address') ?? {};
      const addresses =
        type === 'STATIC'
          ? [compileAddress(reader, address)]
          : resolveAddress(cluster, address, resolved, dnsTargets, state);
      for (const each of type === 'LOGICAL_DNS' ? addresses.slice(0, 1) : addresses)
        endpoints.push(endpointRecord(registry, name, statName, locality, lbEndpoint, each));
    }
  return endpoints;
}

function resolveAddress(
  cluster: Value,
  address: Value,
  resolved: ReadonlyMap<string, Resolved>,
  dnsTargets: DnsTarget[],
  state: { failed: boolean },
): Address[] {
  const pipe = fieldOf(address, 'pipe');
  if (pipe !== undefined) return [{ family: 'unix', host: textOf(pipe, 'path'), port: 0 }];
  const socket = fieldOf(address, 'socket_address') ?? {};
  const host = textOf(socket, 'address');
  const port = numberOf(socket, 'port_value', 0);
  const literal = isIP(host);
  if (literal !== 0) return [{ family: literal === 6 ? 6 : 4, host, port }];
  const target: DnsTarget = {
    host,
    family: textOf(cluster, 'dns_lookup_family', 'AUTO') as DnsTarget['family'],
    refreshMs: numberOf(cluster, 'dns_refresh_rate', 5000),
    respectsTtl: flagOf(cluster, 'respect_dns_ttl'),
  };
  dnsTargets.push(target);
  const found = resolved.get(dnsKey(target));
  if (found?.failed === true) state.failed = true;
  return (found?.addresses ?? []).map((text) => ({ family: isIP(text) === 6 ? 6 : 4, host: text, port }));
}

/** Under what a name is looked up once, however many clusters use it. */
export function dnsKey(target: DnsTarget): string {
  return `${target.host} ${target.family}`;
}

function endpointRecord(
  registry: PlanRegistry,
  cluster: string,
  statName: string,
  locality: Value,
  lbEndpoint: Value,
  address: Address,
): EndpointRecord {
  const endpoint = fieldOf(lbEndpoint, 'endpoint') ?? {};
  const where = fieldOf(locality, 'locality') ?? {};
  const status = textOf(lbEndpoint, 'health_status', 'UNKNOWN');
  const socket = fieldOf(fieldOf(endpoint, 'address') ?? {}, 'socket_address') ?? {};
  const key = `${cluster}|${keyOf(address)}`;
  return {
    key,
    row: registry.endpoint(key),
    address,
    hostname: textOf(endpoint, 'hostname', isIP(textOf(socket, 'address')) === 0 ? textOf(socket, 'address') : ''),
    weight: numberOf(lbEndpoint, 'load_balancing_weight', 1),
    priority: numberOf(locality, 'priority', 0),
    region: textOf(where, 'region'),
    zone: textOf(where, 'zone'),
    subZone: textOf(where, 'sub_zone'),
    health: status === 'DEGRADED' ? 'DEGRADED' : status === 'UNKNOWN' || status === 'HEALTHY' ? 'HEALTHY' : 'UNHEALTHY',
    metadata: (fieldOf(lbEndpoint, 'metadata')?.['filter_metadata'] as Record<string, unknown> | undefined) ?? {},
    metrics: registry.metrics('endpoint', `${statName}|${keyOf(address)}`),
  };
}
