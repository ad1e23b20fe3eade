/** http_filters and typed_per_filter_config to records. */
import type { BufferRecord } from '../plan/buffer-record.js';
import type { CorsRecord } from '../plan/cors-record.js';
import type { GrpcHttp1BridgeRecord } from '../plan/grpc-http1-bridge-record.js';
import type { FilterRecord } from '../plan/records.js';
import type { StatefulSessionRecord } from '../plan/stateful-session-record.js';
import { compileCookie, TOKEN } from './compile-cookie.js';
import { compileCors, type CorsContext } from './compile-cors.js';
import { compileGrpcStats, type GrpcStatsContext } from './compile-grpc-stats.js';
import { fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import { compileRateLimit, type RateLimitContext } from './compile-rate-limit.js';
import type { DocumentReader, Value } from './document.js';

/** What compiling a filter needs beside it. */
export type FilterSurroundings = CorsContext &
  GrpcStatsContext &
  RateLimitContext & {
    /** The listener's per_connection_buffer_limit_bytes. */
    readonly bufferLimitBytes: number;
  };

/** How one kind of filter is read. */
interface FilterCompiler {
  /** typed_config of the filter, to what its kind builds from; null = nothing is done. */
  compile(context: FilterSurroundings, config: Value): unknown;
  /**
   * What a route gives, to the same, or null where it switches the filter off; by type of message. outer: what holds
   * around it.
   */
  readonly perRoute: Readonly<Record<string, (context: FilterSurroundings, config: Value, outer: unknown) => unknown>>;
  /** A second one in the same list could only contradict the first. */
  readonly isSingle: boolean;
}

const BUFFER = 'envoy.extensions.filters.http.buffer.v3.Buffer';
const CORS = 'envoy.extensions.filters.http.cors.v3.Cors';
const GRPC_HTTP1_BRIDGE = 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config';
const GRPC_STATS = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const GRPC_WEB = 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb';
const LOCAL_RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const STATEFUL_SESSION = 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';
const FILTER_CONFIG = 'envoy.config.route.v3.FilterConfig';

const COMPILERS: Readonly<Record<string, FilterCompiler>> = {
  [BUFFER]: {
    compile: compileBuffer,
    perRoute: {
      [`${BUFFER}PerRoute`]: (context, config) =>
        config['disabled'] === true ? null : compileBuffer(context, fieldOf(config, 'buffer') ?? {}),
    },
    isSingle: false,
  },
  [CORS]: {
    // The filter itself allows nothing: policies are those of routes.
    compile: () => null,
    perRoute: {
      [`${CORS}Policy`]: (context, policy, outer) => compileCors(context, policy, outer as CorsRecord | null),
    },
    isSingle: true,
  },
  [GRPC_HTTP1_BRIDGE]: { compile: compileBridge, perRoute: {}, isSingle: true },
  [GRPC_STATS]: { compile: compileGrpcStats, perRoute: {}, isSingle: true },
  [GRPC_WEB]: { compile: () => ({}), perRoute: {}, isSingle: true },
  [LOCAL_RATE_LIMIT]: {
    compile: compileRateLimit,
    perRoute: { [LOCAL_RATE_LIMIT]: compileRateLimit },
    isSingle: false,
  },
  [STATEFUL_SESSION]: {
    compile: compileSession,
    perRoute: { [`${STATEFUL_SESSION}PerRoute`]: compileRouteSession },
    isSingle: true,
  },
};

/** Each filter has a bit of a signed number, see FilterContext.marks. */
const FILTERS_MAX = 31;

export interface Filters {
  readonly filters: readonly FilterRecord[];
  /** typed_config of the router. */
  readonly router: Value;
}

export function compileFilters(context: FilterSurroundings, http: Value): Filters {
  const { reader } = context;
  const values = fieldsOf(http, 'http_filters');
  const last = values[values.length - 1];
  const isRouter = (filter: Value): boolean => {
    const config = fieldOf(filter, 'typed_config');
    return config === undefined ? /router$/.test(textOf(filter, 'name')) : config['@type'] === ROUTER;
  };
  for (const filter of values)
    if (filter['typed_config'] === undefined && !isRouter(filter))
      reader.report('error', filter, 'typed_config', `is required: filter ${textOf(filter, 'name')} has none`);
  const before = values.slice(0, -1);
  if (before.some(isRouter))
    reader.report('error', http, 'http_filters', 'the router filter is terminal: it comes once, as the last one');
  // One that could not be read may be the router.
  else if (last === undefined || (!isRouter(last) && last['typed_config'] !== undefined))
    reader.report(
      'error',
      http,
      'http_filters',
      'the router filter is missing: add envoy.filters.http.router as the last one',
    );
  if (before.length > FILTERS_MAX)
    reader.report('error', http, 'http_filters', `${before.length} before the router; there can be ${FILTERS_MAX}`);
  checkNames(reader, http, before);
  const filters = before.filter((filter) => !isRouter(filter)).map((filter) => compileFilter(context, filter));
  return { filters: filters.filter((filter) => filter !== null), router: fieldOf(last ?? {}, 'typed_config') ?? {} };
}

/** Routes find them by name; of some kinds a second one could only contradict the first. */
function checkNames(reader: DocumentReader, http: Value, values: readonly Value[]): void {
  const names = new Set<string>();
  const kinds = new Set<string>();
  values.forEach((filter, index) => {
    const name = textOf(filter, 'name');
    const kind = String(fieldOf(filter, 'typed_config')?.['@type'] ?? '');
    const at = `http_filters[${index}]`;
    if (names.has(name)) reader.report('error', http, at, `there is another filter ${JSON.stringify(name)}`);
    else if (kinds.has(kind) && COMPILERS[kind]?.isSingle === true)
      reader.report(
        'error',
        http,
        at,
        `there is another ${kind.slice(kind.lastIndexOf('.') + 1)}; one is all there can be`,
      );
    names.add(name);
    kinds.add(kind);
  });
}

function compileFilter(context: FilterSurroundings, filter: Value): FilterRecord | null {
  const config = fieldOf(filter, 'typed_config');
  const typeUrl = String(config?.['@type'] ?? '');
  const compiler = COMPILERS[typeUrl];
  if (config === undefined || compiler === undefined) return null;
  return { name: textOf(filter, 'name'), typeUrl, config: compiler.compile(context, config) };
}

/**
 * What a message (route, virtual host, table) says of filters, upon what the message around it says. By filter name;
 * null = off.
 */
export function compilePerFilter(
  context: FilterSurroundings,
  filters: readonly FilterRecord[],
  value: Value,
  outer: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { reader } = context;
  const configs = { ...outer };
  for (const [name, config] of Object.entries(fieldOf(value, 'typed_per_filter_config') ?? {})) {
    const filter = filters.find((each) => each.name === name);
    const type = String((config as Value)['@type']);
    const compile = COMPILERS[filter?.typeUrl ?? '']?.perRoute[type];
    const problem = (severity: 'error' | 'warning', text: string): void =>
      reader.report(severity, value, 'typed_per_filter_config', text);
    const shown = JSON.stringify(name);
    if (filter === undefined) problem('warning', `has no effect: there is no filter ${shown} in http_filters`);
    else if (type === FILTER_CONFIG) configs[name] = null;
    else if (compile === undefined) problem('error', `${type} is not for filter ${shown}, a ${filter.typeUrl}`);
    else configs[name] = compile(context, config as Value, outer[name] ?? null);
  }
  return withOlderCors(context, filters, value, configs, outer);
}

/** `cors` beside a route or in a virtual host: holds where no typed_per_filter_config says anything. */
function withOlderCors(
  context: FilterSurroundings,
  filters: readonly FilterRecord[],
  value: Value,
  configs: Record<string, unknown>,
  outer: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const policy = fieldOf(fieldOf(value, 'route') ?? value, 'cors');
  if (policy === undefined) return configs;
  const name = filters.find(({ typeUrl }) => typeUrl === CORS)?.name;
  if (name === undefined)
    context.reader.report('warning', policy, '', 'has no effect: there is no cors filter in http_filters');
  else if (configs[name] === outer[name])
    configs[name] = compileCors(context, policy, (outer[name] as CorsRecord | undefined) ?? null);
  else context.reader.report('warning', policy, '', 'has no effect beside the policy in typed_per_filter_config');
  return configs;
}

function compileBuffer(_context: FilterSurroundings, buffer: Value): BufferRecord {
  return { maxRequestBytes: numberOf(buffer, 'max_request_bytes', 0) };
}

function compileBridge({ bufferLimitBytes }: FilterSurroundings, bridge: Value): GrpcHttp1BridgeRecord {
  return {
    upgradeProtobuf: flagOf(bridge, 'upgrade_protobuf_to_grpc'),
    ignoreQuery: flagOf(bridge, 'ignore_query_parameters'),
    maxBytes: bufferLimitBytes,
  };
}

// ---- stateful_session ---------------------------------------------------------------------------------------

function compileSession({ reader }: FilterSurroundings, session: Value): StatefulSessionRecord {
  const state = fieldOf(fieldOf(session, 'session_state') ?? {}, 'typed_config') ?? {};
  const strict = flagOf(session, 'strict');
  const cookie = fieldOf(state, 'cookie');
  if (cookie !== undefined) {
    const fields = compileCookie(reader, cookie);
    return { strict, state: { kind: 'cookie', ...fields, maxAgeSeconds: fields.maxAgeSeconds ?? 0 } };
  }
  const name = textOf(state, 'name').toLowerCase();
  if (name !== '' && !TOKEN.test(name))
    reader.report('error', state, 'name', `${JSON.stringify(name)} is not a header name`);
  return { strict, state: { kind: 'header', name } };
}

function compileRouteSession(context: FilterSurroundings, config: Value): StatefulSessionRecord | null {
  return config['disabled'] === true ? null : compileSession(context, fieldOf(config, 'stateful_session') ?? {});
}
