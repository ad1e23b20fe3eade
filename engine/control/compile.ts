/** Bootstrap document to plan: pure but for the files that the document names. */
import type { Address } from '../io/transport.js';
import type { HttpRecord, ListenerRecord, SnapshotPlan } from '../plan/records.js';
import { managersOf } from '../plan/managers.js';
import type { CertificateRecord } from '../plan/tls-records.js';
import { askedFacts } from './asked-facts.js';
import { checkHashing } from './check-hashing.js';
import { compileAccessLog } from './compile-access-log.js';
import { type ClusterContext, compileCluster, type DnsTarget, type Resolved } from './compile-clusters.js';
import { checkSubsets } from './check-subsets.js';
import { compileChains } from './compile-chains.js';
import { compileFilters } from './compile-filters.js';
import { withLocalCluster } from './compile-locality.js';
import { compileHttp2 } from './compile-http2.js';
import { compileRouteConfig, compileUpgrades } from './compile-routes.js';
import {
  compileAddress,
  compileCidr,
  fieldOf,
  fieldsOf,
  flagOf,
  HOUR_MS,
  keyOf,
  MIB,
  numberOf,
  textOf,
} from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { TlsCompileContext } from './compile-secret-bytes.js';
import type { TlsSocketContext } from './compile-tls.js';
import type { PlanRegistry } from './registry.js';
import { RouteCriteria } from './compile-criteria.js';
import type { SecretFiles } from './secret-files.js';
import { Runtime } from './runtime.js';

export interface Compiled {
  readonly plan: SnapshotPlan;
  readonly admin: Address | null;
  readonly dnsTargets: readonly DnsTarget[];
  /** Every certificate in use, as often as it is used. */
  readonly certificates: readonly CertificateRecord[];
}

/** Reports its problems to the reader; the plan is good only when the reader has no errors. */
export function compile(
  reader: DocumentReader,
  bootstrap: Value,
  registry: PlanRegistry,
  resolved: ReadonlyMap<string, Resolved>,
  version: number,
  files: SecretFiles,
): Compiled {
  const resources = fieldOf(bootstrap, 'static_resources') ?? {};
  const node = fieldOf(bootstrap, 'node') ?? {};
  const dnsTargets: DnsTarget[] = [];
  const clusterValues = fieldsOf(resources, 'clusters');
  checkUnique(reader, clusterValues, 'name', 'cluster');
  const names = new Set(clusterValues.map((cluster) => textOf(cluster, 'name')));
  // Among clusters that could not be read may be the one that a route names.
  if (reader.lacks(/^static_resources(\.clusters(\[\d+\])?)?$/)) names.add('');
  const used = new Set<string>();
  const listenerValues = fieldsOf(resources, 'listeners');
  const runtime = new Runtime(reader, bootstrap);
  const criteria = new RouteCriteria(reader, registry);
  const secretValues = fieldsOf(resources, 'secrets');
  checkUnique(reader, secretValues, 'name', 'secret');
  const secrets = new Map(secretValues.map((secret) => [textOf(secret, 'name'), secret]));
  const certificates: CertificateRecord[] = [];
  const tls = { reader, files, within: '', secrets, documents: new Map(), wallMs: Date.now(), certificates };
  const listenerContext: ListenerContext = { reader, registry, runtime, clusters: names, used, criteria, tls };
  const listeners = listenerValues.map((listener) => compileListener(listenerContext, listener));
  const context: ClusterContext = { reader, registry, runtime, resolved, criteria: criteria.found, dnsTargets, tls };
  const compiled = clusterValues.map((cluster) => compileCluster(context, cluster));
  const clusters = withLocalCluster(reader, bootstrap, clusterValues, compiled);
  used.add(textOf(fieldOf(bootstrap, 'cluster_manager') ?? {}, 'local_cluster_name'));
  checkListeners(reader, listenerValues, listeners);
  if (listeners.length === 0 && !reader.hasErrors)
    reader.report('warning', bootstrap, 'static_resources', 'there are no listeners: nothing is served');
  checkUse(reader, clusterValues, listeners, used);
  // A route or cluster that could not be read may be the one that reads it.
  if (!reader.hasErrors) runtime.reportUnread(new Set(listeners.map(({ name }) => name)));
  checkHashing(reader, listenerValues, clusterValues, clusters);
  checkSubsets(reader, listenerValues, clusters);
  const admin = fieldOf(fieldOf(bootstrap, 'admin') ?? {}, 'address');
  return {
    plan: {
      version,
      nodeId: textOf(node, 'id'),
      nodeCluster: textOf(node, 'cluster'),
      nodeMetadata: fieldOf(node, 'metadata') ?? {},
      nodeLocality: fieldOf(node, 'locality') ?? {},
      listeners,
      clusters,
    },
    admin: admin === undefined ? null : compileAddress(reader, admin, 'admin listens on one'),
    dnsTargets,
    certificates,
  };
}

/** A cluster nobody can reach is most likely a slip; with cluster_header anybody can. */
function checkUse(
  reader: DocumentReader,
  clusters: readonly Value[],
  listeners: readonly ListenerRecord[],
  used: ReadonlySet<string>,
): void {
  const choosesByHeader = listeners
    .flatMap(managersOf)
    .some((http) =>
      http.routeConfig.virtualHosts.some(({ routes }) =>
        routes.some(({ action }) => action.kind === 'forward' && action.cluster.kind === 'cluster_header'),
      ),
    );
  // A route that could not be read may be the one that uses it.
  if (choosesByHeader || reader.hasErrors) return;
  for (const cluster of clusters)
    if (!used.has(textOf(cluster, 'name')))
      reader.report('warning', cluster, 'name', `no route uses cluster ${JSON.stringify(textOf(cluster, 'name'))}`);
}

function checkUnique(reader: DocumentReader, values: readonly Value[], field: string, what: string): void {
  const seen = new Set<string>();
  for (const value of values) {
    const name = textOf(value, field);
    if (name !== '' && seen.has(name))
      reader.report('error', value, field, `there is another ${what} ${JSON.stringify(name)}`);
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

// ---- listeners ----------------------------------------------------------------------------------------------

/** What compiling listeners needs beside them. */
interface ListenerContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  readonly runtime: Runtime;
  /** Names that the document defines. */
  readonly clusters: ReadonlySet<string>;
  /** Filled with those that routes name. */
  readonly used: Set<string>;
  readonly criteria: RouteCriteria;
  readonly tls: TlsCompileContext & Pick<TlsSocketContext, 'certificates'>;
}

function compileListener(context: ListenerContext, listener: Value): ListenerRecord {
  const { reader, registry } = context;
  const address = compileAddress(reader, fieldOf(listener, 'address') ?? {}, 'a listener has one');
  const name = textOf(listener, 'name');
  const key = address.port === 0 && address.family !== 'unix' ? `${keyOf(address)}#${name}` : keyOf(address);
  const statName = textOf(listener, 'stat_prefix', keyOf(address).replaceAll(':', '_'));
  const tls: TlsSocketContext = { ...context.tls, scope: { kind: 'listener', name: statName } };
  const bufferLimitBytes = numberOf(listener, 'per_connection_buffer_limit_bytes', MIB);
  return {
    name,
    key,
    index: registry.listener(key),
    address,
    reusePort: flagOf(listener, 'enable_reuse_port'),
    trafficDirection: textOf(listener, 'traffic_direction', 'UNSPECIFIED') as ListenerRecord['trafficDirection'],
    backlog: numberOf(listener, 'tcp_backlog_size', 4096),
    bufferLimitBytes,
    ...compileChains(
      {
        reader,
        registry,
        tls,
        listenerKey: key,
        compileHttp: (manager) => compileHttp({ ...context, bufferLimitBytes }, manager),
        names: context,
      },
      listener,
    ),
    metrics: registry.metrics('listener', statName),
  };
}

function compileHttp(context: ListenerContext & { readonly bufferLimitBytes: number }, http: Value): HttpRecord {
  const { reader, registry } = context;
  const accessLogs = fieldsOf(http, 'access_log').map((log) =>
    compileAccessLog(reader, fieldOf(log, 'typed_config') ?? {}),
  );
  const statPrefix = textOf(http, 'stat_prefix');
  const surroundings = { ...context, statPrefix };
  const { filters, router } = compileFilters(surroundings, http);
  const routeConfig = compileRouteConfig({ ...surroundings, filters }, fieldOf(http, 'route_config') ?? {});
  const ranges = fieldsOf(fieldOf(http, 'internal_address_config') ?? {}, 'cidr_ranges');
  return {
    statPrefix,
    metrics: registry.metrics('http', statPrefix),
    codecType: textOf(http, 'codec_type', 'AUTO') as HttpRecord['codecType'],
    useRemoteAddress: flagOf(http, 'use_remote_address'),
    xffNumTrustedHops: numberOf(http, 'xff_num_trusted_hops', 0),
    skipXffAppend: flagOf(http, 'skip_xff_append'),
    schemeToOverwrite: textOf(
      fieldOf(http, 'scheme_header_transformation') ?? {},
      'scheme_to_overwrite',
    ) as HttpRecord['schemeToOverwrite'],
    via: textOf(http, 'via'),
    serverName: textOf(http, 'server_name', 'envoy'),
    serverHeaderTransformation: textOf(
      http,
      'server_header_transformation',
      'OVERWRITE',
    ) as HttpRecord['serverHeaderTransformation'],
    internalCidrRanges: ranges.map((range) => compileCidr(reader, range)),
    ...compileTimes(http),
    ...compileProtocol(context, http),
    ...compilePaths(http),
    generateRequestId: flagOf(http, 'generate_request_id', true),
    preserveExternalRequestId: flagOf(http, 'preserve_external_request_id'),
    alwaysSetRequestIdInResponse: flagOf(http, 'always_set_request_id_in_response'),
    upgrades: compileUpgrades(fieldsOf(http, 'upgrade_configs')),
    accessLogs,
    ...askedFacts(accessLogs, routeConfig),
    clientCert: compileClientCert(http),
    filters,
    router: {
      suppressEnvoyHeaders: flagOf(router, 'suppress_envoy_headers'),
    },
    routeConfig,
  };
}

function compileClientCert(http: Value): HttpRecord['clientCert'] {
  const details = fieldOf(http, 'set_current_client_cert_details') ?? {};
  return {
    forward: textOf(http, 'forward_client_cert_details', 'SANITIZE') as HttpRecord['clientCert']['forward'],
    cert: flagOf(details, 'cert'),
    chain: flagOf(details, 'chain'),
    subject: flagOf(details, 'subject'),
    uri: flagOf(details, 'uri'),
    dns: flagOf(details, 'dns'),
  };
}

type Times = Pick<
  HttpRecord,
  | 'idleTimeoutMs'
  | 'streamIdleTimeoutMs'
  | 'requestTimeoutMs'
  | 'requestHeadersTimeoutMs'
  | 'drainTimeoutMs'
  | 'delayedCloseTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'maxStreamDurationMs'
>;

const STREAM_IDLE_MS = 300000;

function compileTimes(http: Value): Times {
  const common = fieldOf(http, 'common_http_protocol_options') ?? {};
  return {
    idleTimeoutMs: numberOf(common, 'idle_timeout', numberOf(http, 'idle_timeout', HOUR_MS)),
    streamIdleTimeoutMs: numberOf(http, 'stream_idle_timeout', STREAM_IDLE_MS),
    requestTimeoutMs: numberOf(http, 'request_timeout', 0),
    requestHeadersTimeoutMs: numberOf(http, 'request_headers_timeout', 0),
    drainTimeoutMs: numberOf(http, 'drain_timeout', 5000),
    delayedCloseTimeoutMs: numberOf(http, 'delayed_close_timeout', 1000),
    maxConnectionDurationMs: numberOf(common, 'max_connection_duration', 0),
    maxStreamDurationMs: numberOf(common, 'max_stream_duration', 0),
  };
}

type Protocol = Pick<
  HttpRecord,
  | 'maxRequestsPerConnection'
  | 'maxRequestHeadersBytes'
  | 'maxHeadersCount'
  | 'headersWithUnderscoresAction'
  | 'acceptHttp10'
  | 'defaultHostForHttp10'
  | 'allowAbsoluteUrl'
  | 'http2'
>;

function compileProtocol({ reader, registry }: ListenerContext, http: Value): Protocol {
  const common = fieldOf(http, 'common_http_protocol_options') ?? {};
  const http1 = fieldOf(http, 'http_protocol_options') ?? {};
  for (const [codec, other] of [
    ['HTTP1', 'http2_protocol_options'],
    ['HTTP2', 'http_protocol_options'],
  ] as const)
    if (http['codec_type'] === codec && http[other] !== undefined)
      reader.report('warning', http, other, `has no effect with codec_type: ${codec}`);
  return {
    maxRequestsPerConnection: numberOf(common, 'max_requests_per_connection', 0),
    maxRequestHeadersBytes: numberOf(http, 'max_request_headers_kb', 60) * 1024,
    maxHeadersCount: numberOf(common, 'max_headers_count', 100),
    headersWithUnderscoresAction: textOf(
      common,
      'headers_with_underscores_action',
      'ALLOW',
    ) as HttpRecord['headersWithUnderscoresAction'],
    acceptHttp10: flagOf(http1, 'accept_http_10'),
    defaultHostForHttp10: textOf(http1, 'default_host_for_http_10'),
    allowAbsoluteUrl: flagOf(http1, 'allow_absolute_url', true),
    http2: compileHttp2(
      reader,
      'server',
      fieldOf(http, 'http2_protocol_options') ?? {},
      registry.metrics('http2', `http.${textOf(http, 'stat_prefix')}`).counters,
      numberOf(http, 'stream_flush_timeout', numberOf(http, 'stream_idle_timeout', STREAM_IDLE_MS)),
    ),
  };
}

type Paths = Pick<
  HttpRecord,
  | 'normalizePath'
  | 'mergeSlashes'
  | 'pathWithEscapedSlashesAction'
  | 'stripMatchingHostPort'
  | 'stripAnyHostPort'
  | 'stripTrailingHostDot'
>;

function compilePaths(http: Value): Paths {
  const escaped = textOf(http, 'path_with_escaped_slashes_action', 'KEEP_UNCHANGED');
  return {
    normalizePath: flagOf(http, 'normalize_path'),
    mergeSlashes: flagOf(http, 'merge_slashes'),
    pathWithEscapedSlashesAction: (escaped === 'IMPLEMENTATION_SPECIFIC_DEFAULT'
      ? 'KEEP_UNCHANGED'
      : escaped) as HttpRecord['pathWithEscapedSlashesAction'],
    stripMatchingHostPort: flagOf(http, 'strip_matching_host_port'),
    stripAnyHostPort: flagOf(http, 'strip_any_host_port'),
    stripTrailingHostDot: flagOf(http, 'strip_trailing_host_dot'),
  };
}
