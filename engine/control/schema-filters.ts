/** Messages of HTTP filters, and of what routes say of them. */
import { Buffer, BufferPerRoute } from './schema-buffer.js';
import { LocalRateLimit } from './schema-rate-limit.js';
import { Cookie } from './schema-hash-policy.js';
import { Cors, CorsPolicy } from './schema-cors.js';
import { GrpcHttp1Bridge, GrpcStats, GrpcWeb } from './schema-grpc.js';
import { bool, type Field, type Message, message, only, string, text } from './schema.js';

export const Router: Message = {
  name: 'Router',
  typeUrl: 'envoy.extensions.filters.http.router.v3.Router',
  fields: {
    suppress_envoy_headers: bool,
    dynamic_stats: only('statistics are always kept', true),
    start_child_span: only('there is no tracing yet', false),
  },
  unsupported: [
    'upstream_log',
    'upstream_log_options',
    'strict_check_headers',
    'respect_expected_rq_timeout',
    'suppress_grpc_request_failure_code_stats',
    'upstream_http_filters',
    'reject_connect_request_early_data',
  ],
};

const CookieBasedSessionState: Message = {
  name: 'CookieBasedSessionState',
  typeUrl: 'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
  fields: { cookie: message(() => Cookie) },
  required: ['cookie'],
};
const HeaderBasedSessionState: Message = {
  name: 'HeaderBasedSessionState',
  typeUrl: 'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
  fields: { name: text },
  required: ['name'],
};
const SessionState: Message = {
  name: 'TypedExtensionConfig',
  fields: {
    name: string,
    typed_config: {
      kind: 'any',
      types: () => ({
        [CookieBasedSessionState.typeUrl as string]: CookieBasedSessionState,
        [HeaderBasedSessionState.typeUrl as string]: HeaderBasedSessionState,
      }),
    },
  },
  required: ['typed_config'],
};
const StatefulSession: Message = {
  name: 'StatefulSession',
  typeUrl: 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
  fields: { session_state: message(() => SessionState), strict: bool },
  unsupported: ['stat_prefix'],
  required: ['session_state'],
};
const StatefulSessionPerRoute: Message = {
  name: 'StatefulSessionPerRoute',
  typeUrl: 'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
  fields: { disabled: only('leave it out instead', true), stateful_session: message(() => StatefulSession) },
  oneof: [['disabled', 'stateful_session']],
};

/** Switches any filter off. */
const FilterConfig: Message = {
  name: 'FilterConfig',
  typeUrl: 'envoy.config.route.v3.FilterConfig',
  fields: { disabled: only('leave it out instead', true) },
  unsupported: ['config', 'is_optional'],
  required: ['disabled'],
};

/** By type. */
export const HTTP_FILTERS: Readonly<Record<string, Message>> = {
  [Router.typeUrl as string]: Router,
  'envoy.config.filter.http.router.v2.Router': Router,
  [Buffer.typeUrl as string]: Buffer,
  [Cors.typeUrl as string]: Cors,
  [GrpcHttp1Bridge.typeUrl as string]: GrpcHttp1Bridge,
  [GrpcStats.typeUrl as string]: GrpcStats,
  [GrpcWeb.typeUrl as string]: GrpcWeb,
  [LocalRateLimit.typeUrl as string]: LocalRateLimit,
  [StatefulSession.typeUrl as string]: StatefulSession,
};

/** typed_per_filter_config: by filter name. */
export const PER_FILTER_CONFIG: Field = {
  kind: 'map',
  of: {
    kind: 'any',
    types: () => ({
      [BufferPerRoute.typeUrl as string]: BufferPerRoute,
      [CorsPolicy.typeUrl as string]: CorsPolicy,
      [FilterConfig.typeUrl as string]: FilterConfig,
      [LocalRateLimit.typeUrl as string]: LocalRateLimit,
      [StatefulSessionPerRoute.typeUrl as string]: StatefulSessionPerRoute,
    }),
  },
};
