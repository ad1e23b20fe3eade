/** Messages of the route table. */
import {
  DataSource,
  HeaderMatcher,
  LIST_OF_HEADERS,
  Metadata,
  QueryParameterMatcher,
  RegexMatchAndSubstitute,
  RegexMatcher,
  RuntimeFractionalPercent,
} from './schema-core.js';
import { RouteCorsPolicy } from './schema-cors.js';
import { PER_FILTER_CONFIG } from './schema-filters.js';
import { HashPolicy } from './schema-hash-policy.js';
import { bool, duration, fieldValue, list, type Message, message, oneOf, only, string, text, uint } from './schema.js';

const ConnectMatcher: Message = { name: 'ConnectMatcher', fields: {} };
const GrpcRouteMatchOptions: Message = { name: 'GrpcRouteMatchOptions', fields: {} };

const RouteMatch: Message = {
  name: 'RouteMatch',
  fields: {
    prefix: string,
    path: text,
    safe_regex: message(() => RegexMatcher),
    path_separated_prefix: text,
    connect_matcher: message(() => ConnectMatcher),
    case_sensitive: bool,
    runtime_fraction: message(() => RuntimeFractionalPercent),
    headers: list(message(() => HeaderMatcher)),
    query_parameters: list(message(() => QueryParameterMatcher)),
    grpc: message(() => GrpcRouteMatchOptions),
  },
  unsupported: ['path_match_policy', 'cookies', 'tls_context', 'dynamic_metadata', 'filter_state'],
  oneof: [['prefix', 'path', 'safe_regex', 'path_separated_prefix', 'connect_matcher', 'path_match_policy']],
};

const ClusterWeight: Message = {
  name: 'ClusterWeight',
  fields: {
    name: text,
    weight: uint,
    metadata_match: message(() => Metadata),
    request_headers_to_add: LIST_OF_HEADERS,
    request_headers_to_remove: list(text),
    response_headers_to_add: LIST_OF_HEADERS,
    response_headers_to_remove: list(text),
    host_rewrite_literal: { ...text, isFieldValue: true },
    typed_per_filter_config: PER_FILTER_CONFIG,
  },
  unsupported: ['cluster_header'],
  required: ['name', 'weight'],
};

const WeightedCluster: Message = {
  name: 'WeightedCluster',
  fields: {
    clusters: { kind: 'list', of: message(() => ClusterWeight), notEmpty: true },
    total_weight: uint,
    runtime_key_prefix: string,
  },
  unsupported: ['header_name', 'use_hash_policy'],
  required: ['clusters'],
};

const UpgradeConfig: Message = {
  name: 'UpgradeConfig',
  fields: { upgrade_type: text, enabled: bool },
  unsupported: ['connect_config'],
  required: ['upgrade_type'],
};

const MaxStreamDuration: Message = {
  name: 'MaxStreamDuration',
  fields: {
    max_stream_duration: duration,
    grpc_timeout_header_max: duration,
    grpc_timeout_header_offset: duration,
  },
};

const RouteAction: Message = {
  name: 'RouteAction',
  fields: {
    cluster: text,
    cluster_header: { ...text, isFieldValue: true },
    weighted_clusters: message(() => WeightedCluster),
    metadata_match: message(() => Metadata),
    cluster_not_found_response_code: oneOf('SERVICE_UNAVAILABLE', 'NOT_FOUND', 'INTERNAL_SERVER_ERROR'),
    prefix_rewrite: fieldValue,
    regex_rewrite: message(() => RegexMatchAndSubstitute),
    host_rewrite_literal: { ...text, isFieldValue: true },
    auto_host_rewrite: bool,
    host_rewrite_header: { ...text, isFieldValue: true },
    host_rewrite_path_regex: message(() => RegexMatchAndSubstitute),
    append_x_forwarded_host: bool,
    timeout: duration,
    idle_timeout: duration,
    max_stream_duration: message(() => MaxStreamDuration),
    max_grpc_timeout: duration,
    cors: message(() => RouteCorsPolicy),
    grpc_timeout_offset: duration,
    priority: oneOf('DEFAULT', 'HIGH'),
    hash_policy: list(message(() => HashPolicy)),
    upgrade_configs: list(message(() => UpgradeConfig)),
  },
  unsupported: [
    'retry_policy',
    'hedge_policy',
    'request_mirror_policies',
    'rate_limits',
    'include_vh_rate_limits',
    'internal_redirect_policy',
    'internal_redirect_action',
    'max_internal_redirects',
    'cluster_specifier_plugin',
    'inline_cluster_specifier_plugin',
    'path_rewrite_policy',
    'early_data_policy',
    'flush_timeout',
    'path_rewrite',
    'host_rewrite',
    'retry_policy_typed_config',
  ],
  oneof: [
    ['cluster', 'cluster_header', 'weighted_clusters', 'cluster_specifier_plugin', 'inline_cluster_specifier_plugin'],
    ['?', 'host_rewrite_literal', 'auto_host_rewrite', 'host_rewrite_header', 'host_rewrite_path_regex'],
    ['?', 'prefix_rewrite', 'regex_rewrite'],
  ],
};

const RedirectAction: Message = {
  name: 'RedirectAction',
  fields: {
    https_redirect: bool,
    scheme_redirect: { ...text, isFieldValue: true },
    host_redirect: { ...text, isFieldValue: true },
    port_redirect: { kind: 'uint', min: 1, max: 65535 },
    path_redirect: { ...text, isFieldValue: true },
    prefix_rewrite: fieldValue,
    regex_rewrite: message(() => RegexMatchAndSubstitute),
    response_code: oneOf('MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'),
    strip_query: bool,
  },
  oneof: [
    ['?', 'https_redirect', 'scheme_redirect'],
    ['?', 'path_redirect', 'prefix_rewrite', 'regex_rewrite'],
  ],
};

const DirectResponseAction: Message = {
  name: 'DirectResponseAction',
  fields: { status: { kind: 'uint', min: 200, max: 599 }, body: message(() => DataSource) },
  unsupported: ['body_format'],
  required: ['status'],
};

const Route: Message = {
  name: 'Route',
  fields: {
    name: string,
    match: message(() => RouteMatch),
    route: message(() => RouteAction),
    redirect: message(() => RedirectAction),
    direct_response: message(() => DirectResponseAction),
    metadata: message(() => Metadata),
    decorator: only('there is no tracing yet'),
    typed_per_filter_config: PER_FILTER_CONFIG,
    request_headers_to_add: LIST_OF_HEADERS,
    request_headers_to_remove: list(text),
    response_headers_to_add: LIST_OF_HEADERS,
    response_headers_to_remove: list(text),
  },
  unsupported: [
    'stat_prefix',
    'filter_action',
    'non_forwarding_action',
    'tracing',
    'per_request_buffer_limit_bytes',
    'request_body_buffer_limit',
  ],
  required: ['match'],
  oneof: [['route', 'redirect', 'direct_response', 'filter_action', 'non_forwarding_action']],
};

const VirtualHost: Message = {
  name: 'VirtualHost',
  fields: {
    name: text,
    domains: { kind: 'list', of: text, notEmpty: true },
    routes: list(message(() => Route)),
    require_tls: oneOf('NONE', 'EXTERNAL_ONLY', 'ALL'),
    request_headers_to_add: LIST_OF_HEADERS,
    request_headers_to_remove: list(text),
    response_headers_to_add: LIST_OF_HEADERS,
    response_headers_to_remove: list(text),
    typed_per_filter_config: PER_FILTER_CONFIG,
    cors: message(() => RouteCorsPolicy),
    include_request_attempt_count: bool,
    include_attempt_count_in_response: bool,
  },
  unsupported: [
    'matcher',
    'virtual_clusters',
    'rate_limits',
    'retry_policy',
    'retry_policy_typed_config',
    'hedge_policy',
    'include_is_timeout_retry_header',
    'per_request_buffer_limit_bytes',
    'request_mirror_policies',
    'metadata',
    'request_body_buffer_limit',
  ],
  required: ['name', 'domains'],
};

export const RouteConfiguration: Message = {
  name: 'RouteConfiguration',
  typeUrl: 'envoy.config.route.v3.RouteConfiguration',
  fields: {
    name: string,
    virtual_hosts: list(message(() => VirtualHost)),
    internal_only_headers: list(text),
    request_headers_to_add: LIST_OF_HEADERS,
    request_headers_to_remove: list(text),
    response_headers_to_add: LIST_OF_HEADERS,
    response_headers_to_remove: list(text),
    most_specific_header_mutations_wins: bool,
    validate_clusters: bool,
    max_direct_response_body_size_bytes: uint,
    ignore_port_in_host_matching: bool,
    typed_per_filter_config: PER_FILTER_CONFIG,
  },
  unsupported: [
    'vhds',
    'cluster_specifier_plugins',
    'request_mirror_policies',
    'ignore_path_parameters_in_path_matching',
    'metadata',
    'vhost_header',
  ],
};
