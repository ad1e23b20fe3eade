/** Messages of a cluster: endpoints, balancing, breakers, protocol options. */
import { Address, Locality, Metadata, RuntimeDouble, UpstreamProtocolOptions } from './schema-core.js';
import { CommonLbConfig, MaglevLbConfig, RingHashLbConfig } from './schema-hashing.js';
import { Http2ProtocolOptions } from './schema-http2.js';
import { LoadBalancingPolicy } from './schema-lb-policy.js';
import { SlowStartConfig } from './schema-slow-start.js';
import { LbSubsetConfig } from './schema-subsets.js';
import { TransportSocketMatch, UpstreamTransportSocket } from './schema-upstream-socket.js';
import { bool, list, type Message, message, oneOf, only, string, struct, text, uint } from './schema.js';

const Endpoint: Message = {
  name: 'Endpoint',
  fields: { address: message(() => Address), hostname: string },
  unsupported: ['health_check_config', 'additional_addresses'],
  required: ['address'],
};
const LbEndpoint: Message = {
  name: 'LbEndpoint',
  fields: {
    endpoint: message(() => Endpoint),
    health_status: oneOf('UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'),
    metadata: message(() => Metadata),
    load_balancing_weight: { kind: 'uint', min: 1 },
  },
  unsupported: ['endpoint_name'],
  required: ['endpoint'],
};
const BY_ENDPOINT = 'metadata of localities picks transport sockets; for the rest it stands at the endpoints';
const LocalityMetadata: Message = {
  name: 'Metadata',
  fields: {
    filter_metadata: message(() => ({
      name: 'filter_metadata',
      fields: { 'envoy.transport_socket_match': struct, 'envoy.lb': only(BY_ENDPOINT) },
    })),
  },
  unsupported: ['typed_filter_metadata'],
};
const LocalityLbEndpoints: Message = {
  name: 'LocalityLbEndpoints',
  fields: {
    locality: message(() => Locality),
    lb_endpoints: list(message(() => LbEndpoint)),
    priority: { kind: 'uint', max: 128 },
    load_balancing_weight: { kind: 'uint', min: 1 },
    metadata: message(() => LocalityMetadata),
  },
  unsupported: ['proximity', 'load_balancer_endpoints', 'leds_cluster_locality_config'],
};
const LoadAssignmentPolicy: Message = {
  name: 'Policy',
  fields: { overprovisioning_factor: { kind: 'uint', min: 1 } },
  unsupported: ['drop_overloads', 'endpoint_stale_after', 'weighted_priority_health'],
};
export const ClusterLoadAssignment: Message = {
  name: 'ClusterLoadAssignment',
  typeUrl: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  fields: {
    cluster_name: string,
    endpoints: list(message(() => LocalityLbEndpoints)),
    policy: message(() => LoadAssignmentPolicy),
  },
  unsupported: ['named_endpoints'],
};

const Thresholds: Message = {
  name: 'Thresholds',
  fields: {
    priority: oneOf('DEFAULT', 'HIGH'),
    max_connections: uint,
    max_pending_requests: uint,
    max_requests: uint,
    max_retries: uint,
  },
  unsupported: ['retry_budget', 'track_remaining', 'max_connection_pools'],
};
const CircuitBreakers: Message = {
  name: 'CircuitBreakers',
  fields: { thresholds: list(message(() => Thresholds)) },
  unsupported: ['per_host_thresholds'],
};

const LeastRequestLbConfig: Message = {
  name: 'LeastRequestLbConfig',
  fields: {
    choice_count: { kind: 'uint', min: 2 },
    active_request_bias: message(() => RuntimeDouble),
    slow_start_config: message(() => SlowStartConfig),
  },
};
const RoundRobinLbConfig: Message = {
  name: 'RoundRobinLbConfig',
  fields: { slow_start_config: message(() => SlowStartConfig) },
};
const OF_REQUESTS = 'it is for requests of clients: write it in the connection manager';
const UpstreamHttp1Options: Message = {
  name: 'Http1ProtocolOptions',
  fields: {
    allow_absolute_url: { kind: 'only', values: [], why: OF_REQUESTS },
    accept_http_10: { kind: 'only', values: [], why: OF_REQUESTS },
    default_host_for_http_10: { kind: 'only', values: [], why: OF_REQUESTS },
    ignore_http_11_upgrade: { kind: 'only', values: [], why: OF_REQUESTS },
    enable_trailers: only('trailers are always passed on', true),
    allow_chunked_length: only('Content-Length with Transfer-Encoding is always refused', false),
    override_stream_error_on_invalid_http_message: only(
      'nothing behind an answer that can not be read is an answer: such connections are always closed',
      false,
    ),
    send_fully_qualified_url: only('origins are asked for paths; absolute URLs are for proxies', false),
    use_balsa_parser: only('there is one parser', false),
    allow_custom_methods: { kind: 'only', values: [], why: OF_REQUESTS },
  },
  unsupported: ['header_key_format'],
};
const ExplicitHttpConfig: Message = {
  name: 'ExplicitHttpConfig',
  fields: {
    http_protocol_options: message(() => UpstreamHttp1Options),
    http2_protocol_options: message(() => Http2ProtocolOptions),
  },
  unsupported: ['http3_protocol_options'],
  oneof: [['http_protocol_options', 'http2_protocol_options', 'http3_protocol_options']],
};
const UseDownstreamHttpConfig: Message = {
  name: 'UseDownstreamHttpConfig',
  fields: {
    http_protocol_options: message(() => UpstreamHttp1Options),
    http2_protocol_options: message(() => Http2ProtocolOptions),
  },
  unsupported: ['http3_protocol_options'],
};
const AutoHttpConfig: Message = {
  name: 'AutoHttpConfig',
  fields: {
    http_protocol_options: message(() => UpstreamHttp1Options),
    http2_protocol_options: message(() => Http2ProtocolOptions),
  },
  unsupported: ['http3_protocol_options', 'alternate_protocols_cache_options'],
};
/** Envoy's UpstreamHttpProtocolOptions: the request's host as SNI, and in the server's certificate. */
const UpstreamTlsNames: Message = {
  name: 'UpstreamHttpProtocolOptions',
  fields: { auto_sni: bool, auto_san_validation: bool, override_auto_sni_header: text },
};
export const UpstreamHttpProtocolOptions: Message = {
  name: 'HttpProtocolOptions',
  typeUrl: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  fields: {
    common_http_protocol_options: message(() => UpstreamProtocolOptions),
    explicit_http_config: message(() => ExplicitHttpConfig),
    use_downstream_protocol_config: message(() => UseDownstreamHttpConfig),
    auto_config: message(() => AutoHttpConfig),
    upstream_http_protocol_options: message(() => UpstreamTlsNames),
  },
  unsupported: [
    'http_filters',
    'header_validation_config',
    'outlier_detection',
    'request_mirror_policies',
    'hash_policy',
    'retry_policy',
  ],
  oneof: [['explicit_http_config', 'use_downstream_protocol_config', 'auto_config']],
};

export const Cluster: Message = {
  name: 'Cluster',
  typeUrl: 'envoy.config.cluster.v3.Cluster',
  fields: {
    name: text,
    alt_stat_name: string,
    type: {
      kind: 'enum',
      values: ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS'],
      unsupported: ['EDS', 'ORIGINAL_DST'],
      numbers: ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS', 'EDS', 'ORIGINAL_DST'],
    },
    connect_timeout: { kind: 'duration', min: 1 },
    per_connection_buffer_limit_bytes: uint,
    lb_policy: {
      kind: 'enum',
      values: ['ROUND_ROBIN', 'LEAST_REQUEST', 'RING_HASH', 'RANDOM', 'MAGLEV', 'LOAD_BALANCING_POLICY_CONFIG'],
      unsupported: ['CLUSTER_PROVIDED'],
      numbers: [
        'ROUND_ROBIN',
        'LEAST_REQUEST',
        'RING_HASH',
        'RANDOM',
        '',
        'MAGLEV',
        'CLUSTER_PROVIDED',
        'LOAD_BALANCING_POLICY_CONFIG',
      ],
    },
    load_balancing_policy: message(() => LoadBalancingPolicy),
    least_request_lb_config: message(() => LeastRequestLbConfig),
    round_robin_lb_config: message(() => RoundRobinLbConfig),
    ring_hash_lb_config: message(() => RingHashLbConfig),
    maglev_lb_config: message(() => MaglevLbConfig),
    common_lb_config: message(() => CommonLbConfig),
    lb_subset_config: message(() => LbSubsetConfig),
    load_assignment: message(() => ClusterLoadAssignment),
    hosts: list(message(() => Address)),
    circuit_breakers: message(() => CircuitBreakers),
    common_http_protocol_options: message(() => UpstreamProtocolOptions),
    http_protocol_options: message(() => UpstreamHttp1Options),
    http2_protocol_options: message(() => Http2ProtocolOptions),
    protocol_selection: oneOf('USE_CONFIGURED_PROTOCOL', 'USE_DOWNSTREAM_PROTOCOL'),
    typed_extension_protocol_options: {
      kind: 'map',
      of: {
        kind: 'any',
        types: () => ({ [UpstreamHttpProtocolOptions.typeUrl as string]: UpstreamHttpProtocolOptions }),
      },
    },
    dns_refresh_rate: { kind: 'duration', min: 1 },
    respect_dns_ttl: bool,
    dns_lookup_family: oneOf('AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL'),
    max_requests_per_connection: uint,
    metadata: message(() => Metadata),
    transport_socket: message(() => UpstreamTransportSocket),
    transport_socket_matches: list(message(() => TransportSocketMatch)),
    wait_for_warm_on_init: only('clusters are used as soon as they have endpoints', true),
    ignore_health_on_host_removal: only('there are no health checks yet', false),
  },
  unsupported: [
    'transport_socket_matcher',
    'cluster_type',
    'eds_cluster_config',
    'health_checks',
    'upstream_http_protocol_options',
    'dns_failure_refresh_rate',
    'dns_resolvers',
    'dns_jitter',
    'use_tcp_for_dns_lookups',
    'dns_resolution_config',
    'typed_dns_resolver_config',
    'outlier_detection',
    'cleanup_interval',
    'upstream_bind_config',
    'original_dst_lb_config',
    'upstream_connection_options',
    'close_connections_on_host_health_failure',
    'filters',
    'lrs_server',
    'track_timeout_budgets',
    'upstream_config',
    'track_cluster_stats',
    'preconnect_policy',
    'connection_pool_per_downstream_connection',
    'tls_context',
    'extension_protocol_options',
    'lrs_report_endpoint_metrics',
    'drain_connections_on_host_removal',
  ],
  required: ['name'],
  oneof: [['?', 'hosts', 'load_assignment']],
};
