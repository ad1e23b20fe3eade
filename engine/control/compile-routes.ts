/** Route table of the document to its record, with the mistakes that only the whole table shows. */
import type { GrpcTimeoutRecord } from '../plan/grpc-timeout-record.js';
import type {
  ClusterChoiceRecord,
  FilterRecord,
  ForwardRecord,
  PathMatchRecord,
  RedirectRecord,
  RouteActionRecord,
  RouteConfigRecord,
  RouteRecord,
  UpgradeRecord,
  VirtualHostRecord,
} from '../plan/records.js';
import {
  compileMutations,
  compileRewrite,
  flagOf,
  numberOf,
  readDataSource,
  textOf,
  fieldOf,
  fieldsOf,
} from './compile-values.js';
import { checkCluster } from './check-cluster.js';
import { compilePerFilter, type FilterSurroundings } from './compile-filters.js';
import { compileMatch } from './compile-match.js';
import { compileHashPolicies } from './compile-hash-policies.js';
import type { DocumentReader, Value } from './document.js';
import type { RouteCriteria } from './compile-criteria.js';

/** clusters: names that the document defines; used: filled with those that routes name. */
export interface RouteContext extends FilterSurroundings {
  readonly clusters: ReadonlySet<string>;
  readonly used: Set<string>;
  /** Those of the connection manager: what typed_per_filter_config may be for. */
  readonly filters: readonly FilterRecord[];
  readonly criteria: RouteCriteria;
}

/** perFilter: what the message around says of filters. */
type InnerContext = RouteContext & { readonly perFilter: Readonly<Record<string, unknown>> };

/** Envoy's default for direct response bodies. */
const DIRECT_BODY_MAX_BYTES = 4096;

export function compileRouteConfig(outer: RouteContext, config: Value): RouteConfigRecord {
  const { reader } = outer;
  // Without validation a cluster that is not there is found out by the request, as with Envoy.
  const isLoose = config['validate_clusters'] === false;
  const context = isLoose ? { ...outer, clusters: new AnyName() } : outer;
  const perFilter = compilePerFilter(outer, outer.filters, config, {});
  const domains = new Map<string, string>();
  const maxBody = numberOf(config, 'max_direct_response_body_size_bytes', DIRECT_BODY_MAX_BYTES);
  return {
    name: textOf(config, 'name'),
    virtualHosts: fieldsOf(config, 'virtual_hosts').map((host) =>
      compileHost({ ...context, perFilter }, host, domains, maxBody),
    ),
    mutations: compileMutations(reader, config),
    internalOnlyHeaders: ((config['internal_only_headers'] as string[] | undefined) ?? []).map((name) =>
      name.toLowerCase(),
    ),
    mostSpecificHeaderMutationsWins: flagOf(config, 'most_specific_header_mutations_wins'),
    ignorePortInHostMatching: flagOf(config, 'ignore_port_in_host_matching'),
  };
}

/** Every name is in it. */
class AnyName extends Set<string> {
  override has(): boolean {
    return true;
  }
}

function compileHost(
  context: InnerContext,
  host: Value,
  seen: Map<string, string>,
  maxBody: number,
): VirtualHostRecord {
  const { reader } = context;
  const name = textOf(host, 'name');
  const domains = ((host['domains'] as string[] | undefined) ?? []).map((domain) => domain.toLowerCase());
  domains.forEach((domain, index) => {
    const at = `domains[${index}]`;
    const other = seen.get(domain);
    if (other !== undefined)
      reader.report(
        'error',
        host,
        at,
        `${JSON.stringify(domain)} is taken by virtual host ${other} already: a domain belongs to one`,
      );
    seen.set(domain, name);
    checkDomain(reader, host, at, domain);
  });
  const perFilter = compilePerFilter(context, context.filters, host, context.perFilter);
  const routes = fieldsOf(host, 'routes').map((route) => compileRoute({ ...context, perFilter }, route, maxBody));
  warnOfShadows(context, fieldsOf(host, 'routes'), routes);
  return {
    name,
    domains,
    requireTls: textOf(host, 'require_tls', 'NONE') as VirtualHostRecord['requireTls'],
    mutations: compileMutations(reader, host),
    includeRequestAttemptCount: flagOf(host, 'include_request_attempt_count'),
    includeAttemptCountInResponse: flagOf(host, 'include_attempt_count_in_response'),
    routes,
  };
}

function checkDomain(reader: DocumentReader, host: Value, at: string, domain: string): void {
  if (domain === '*') return;
  const shown = JSON.stringify(domain);
  const stars = domain.split('*').length - 1;
  if (domain === '.*' || /[\\^$()|+?]/.test(domain))
    reader.report(
      'warning',
      host,
      at,
      `${shown} is taken literally: domains are no regular expressions; "*" matches every host`,
    );
  else if (stars > 1 || (stars === 1 && !domain.startsWith('*') && !domain.endsWith('*')))
    reader.report('error', host, at, `${shown}: a wildcard is the first or the last character, once`);
  else if (domain.includes('/'))
    reader.report('warning', host, at, `${shown} matches nothing: a domain has no scheme and no path`);
}

// ---- one route ----------------------------------------------------------------------------------------------

function compileRoute(context: InnerContext, route: Value, maxBody: number): RouteRecord {
  const match = compileMatch(context, fieldOf(route, 'match') ?? {});
  const perFilter = compilePerFilter(context, context.filters, route, context.perFilter);
  return {
    name: textOf(route, 'name'),
    match,
    action: compileAction({ ...context, perFilter }, route, match.path, maxBody),
    mutations: compileMutations(context.reader, route),
    typedPerFilterConfig: perFilter,
    statPrefix: textOf(route, 'stat_prefix'),
  };
}

function compileAction(context: InnerContext, route: Value, path: PathMatchRecord, maxBody: number): RouteActionRecord {
  const { reader } = context;
  const redirect = fieldOf(route, 'redirect');
  if (redirect !== undefined) return compileRedirect(reader, redirect, path);
  const direct = fieldOf(route, 'direct_response');
  if (direct !== undefined) {
    const source = fieldOf(direct, 'body');
    const body = (source === undefined ? null : readDataSource(reader, source)) ?? new Uint8Array(0);
    if (body.length > maxBody)
      reader.report(
        'error',
        direct,
        'body',
        `${body.length} bytes, more than max_direct_response_body_size_bytes (${maxBody})`,
      );
    return { kind: 'direct_response', status: numberOf(direct, 'status', 200), body: new Uint8Array(body) };
  }
  return compileForward(context, fieldOf(route, 'route') ?? {}, path);
}

const REDIRECT_STATUS = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
} as const;

function compileRedirect(reader: DocumentReader, redirect: Value, path: PathMatchRecord): RedirectRecord {
  checkPrefixRewrite(reader, redirect, path);
  const optional = (field: string): string | null => (redirect[field] as string | undefined) ?? null;
  return {
    kind: 'redirect',
    httpsRedirect: flagOf(redirect, 'https_redirect'),
    schemeRedirect: optional('scheme_redirect'),
    hostRedirect: optional('host_redirect'),
    portRedirect: (redirect['port_redirect'] as number | undefined) ?? null,
    pathRedirect: optional('path_redirect'),
    prefixRewrite: optional('prefix_rewrite'),
    regexRewrite: compileRewrite(reader, fieldOf(redirect, 'regex_rewrite')),
    status: REDIRECT_STATUS[textOf(redirect, 'response_code', 'MOVED_PERMANENTLY') as keyof typeof REDIRECT_STATUS],
    stripQuery: flagOf(redirect, 'strip_query'),
  };
}

function checkPrefixRewrite(reader: DocumentReader, action: Value, path: PathMatchRecord): void {
  if (action['prefix_rewrite'] !== undefined && (path.kind === 'safe_regex' || path.kind === 'connect'))
    reader.report('error', action, 'prefix_rewrite', `a route with ${path.kind} has no prefix: use regex_rewrite`);
}

/** A route's time that is longer than this is more likely one in the wrong unit. */
const TIMEOUT_DOUBTFUL_MS = 24 * 3600000;

function checkTimes(reader: DocumentReader, action: Value): void {
  const timeoutMs = numberOf(action, 'timeout', 0);
  const streamMs = numberOf(fieldOf(action, 'max_stream_duration') ?? {}, 'max_stream_duration', 0);
  if (timeoutMs > TIMEOUT_DOUBTFUL_MS)
    reader.report('warning', action, 'timeout', 'is more than a day; "0s" is no timeout, and 15000 ms are "15s"');
  else if (streamMs > 0 && timeoutMs > streamMs)
    reader.report('warning', action, 'timeout', 'never comes: max_stream_duration ends the request before it');
}

function compileForward(context: InnerContext, action: Value, path: PathMatchRecord): ForwardRecord {
  const { reader } = context;
  checkPrefixRewrite(reader, action, path);
  checkTimes(reader, action);
  const statuses = { SERVICE_UNAVAILABLE: 503, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const;
  const upgrades =
    action['upgrade_configs'] === undefined ? null : compileUpgrades(fieldsOf(action, 'upgrade_configs'));
  return {
    kind: 'forward',
    cluster: compileClusterChoice(context, action),
    criteria: context.criteria.of(action),
    clusterNotFoundStatus:
      statuses[textOf(action, 'cluster_not_found_response_code', 'SERVICE_UNAVAILABLE') as keyof typeof statuses],
    prefixRewrite: (action['prefix_rewrite'] as string | undefined) || null,
    regexRewrite: compileRewrite(reader, fieldOf(action, 'regex_rewrite')),
    hostRewrite: compileHostRewrite(reader, action),
    appendXForwardedHost: flagOf(action, 'append_x_forwarded_host'),
    timeoutMs: numberOf(action, 'timeout', 15000),
    idleTimeoutMs: (action['idle_timeout'] as number | undefined) ?? null,
    maxStreamDurationMs:
      (fieldOf(action, 'max_stream_duration')?.['max_stream_duration'] as number | undefined) ?? null,
    grpcTimeout: compileGrpcTimeout(reader, action),
    upgrades,
    priority: textOf(action, 'priority', 'DEFAULT') as ForwardRecord['priority'],
    hashPolicies: compileHashPolicies(reader, action),
  };
}

function compileGrpcTimeout(reader: DocumentReader, action: Value): GrpcTimeoutRecord | null {
  const duration = fieldOf(action, 'max_stream_duration') ?? {};
  const headerMaxMs = (duration['grpc_timeout_header_max'] as number | undefined) ?? null;
  const maxMs = (action['max_grpc_timeout'] as number | undefined) ?? null;
  if (headerMaxMs === null && duration['grpc_timeout_header_offset'] !== undefined)
    reader.report('error', duration, 'grpc_timeout_header_offset', 'has no effect without grpc_timeout_header_max');
  if (maxMs === null && action['grpc_timeout_offset'] !== undefined)
    reader.report('error', action, 'grpc_timeout_offset', 'has no effect without max_grpc_timeout');
  if (headerMaxMs === null && maxMs === null) return null;
  return {
    headerMaxMs,
    headerOffsetMs: numberOf(duration, 'grpc_timeout_header_offset', 0),
    maxMs,
    offsetMs: numberOf(action, 'grpc_timeout_offset', 0),
  };
}

export function compileUpgrades(upgrades: readonly Value[]): UpgradeRecord[] {
  return upgrades.map((upgrade) => ({
    type: textOf(upgrade, 'upgrade_type').toLowerCase(),
    enabled: flagOf(upgrade, 'enabled', true),
  }));
}

function compileHostRewrite(reader: DocumentReader, action: Value): ForwardRecord['hostRewrite'] {
  if (action['host_rewrite_literal'] !== undefined)
    return { kind: 'literal', value: textOf(action, 'host_rewrite_literal') };
  if (flagOf(action, 'auto_host_rewrite')) return { kind: 'auto' };
  if (action['host_rewrite_header'] !== undefined)
    return { kind: 'header', name: textOf(action, 'host_rewrite_header').toLowerCase() };
  const rewrite = compileRewrite(reader, fieldOf(action, 'host_rewrite_path_regex'));
  return rewrite === null ? null : { kind: 'path_regex', rewrite };
}

/** Under what the runtime may have another weight; '' = nothing. */
function weightKey(weighted: Value, cluster: Value): string {
  const prefix = textOf(weighted, 'runtime_key_prefix');
  return prefix === '' ? '' : `${prefix}.${textOf(cluster, 'name')}`;
}

function compileClusterChoice(context: InnerContext, action: Value): ClusterChoiceRecord {
  if (action['cluster_header'] !== undefined)
    return { kind: 'cluster_header', header: textOf(action, 'cluster_header').toLowerCase() };
  const weighted = fieldOf(action, 'weighted_clusters');
  if (weighted === undefined) {
    const name = textOf(action, 'cluster');
    checkCluster(context, action, 'cluster', name);
    return { kind: 'cluster', name };
  }
  const clusters = fieldsOf(weighted, 'clusters').map((cluster) => {
    checkCluster(context, cluster, 'name', textOf(cluster, 'name'));
    return {
      name: textOf(cluster, 'name'),
      weight: context.runtime.integer(weightKey(weighted, cluster), numberOf(cluster, 'weight', 0)),
      criteria: context.criteria.of(cluster, action),
      mutations: compileMutations(context.reader, cluster),
      hostRewriteLiteral: (cluster['host_rewrite_literal'] as string | undefined) ?? null,
      typedPerFilterConfig: compilePerFilter(context, context.filters, cluster, context.perFilter),
    };
  });
  const sum = clusters.reduce((total, cluster) => total + cluster.weight, 0);
  const written = fieldsOf(weighted, 'clusters').reduce((total, each) => total + numberOf(each, 'weight', 0), 0);
  const total = numberOf(weighted, 'total_weight', written);
  if (sum === 0) context.reader.report('error', weighted, 'clusters', 'the weights must not all be 0');
  else if (total !== written)
    context.reader.report('error', weighted, 'total_weight', `is ${total}, but the weights add up to ${written}`);
  return { kind: 'weighted', clusters, totalWeight: sum };
}

/** A route that can never be reached, because one before it takes everything that it would. */
function warnOfShadows(context: RouteContext, values: readonly Value[], routes: readonly RouteRecord[]): void {
  // Only unconditional prefixes shadow for sure; a table of thousands is not compared pair by pair.
  const taken: { readonly index: number; readonly prefix: string }[] = [];
  // Of routes that could be read in part only, nobody knows what they take.
  if (context.reader.hasErrors) return;
  routes.forEach((route, index) => {
    const { path, headers, queryParameters, grpc, runtimeFraction, caseSensitive } = route.match;
    if (path.kind !== 'prefix' && path.kind !== 'path' && path.kind !== 'path_separated_prefix') return;
    const by = taken.find((each) => path.value.startsWith(each.prefix));
    if (by !== undefined)
      context.reader.report(
        'warning',
        values[index],
        'match',
        `is never reached: route ${by.index} (prefix ${JSON.stringify(by.prefix)}) comes first and takes it`,
      );
    const isOpen =
      headers.length === 0 && queryParameters.length === 0 && !grpc && runtimeFraction === null && caseSensitive;
    if (path.kind === 'prefix' && isOpen && taken.length < 100) taken.push({ index, prefix: path.value });
  });
}
