/** Messages of a listener: filter chains, the HTTP connection manager, access logs. */
import { AccessLogMessage } from './schema-access-log.js';
import { Address, CidrRange, DownstreamProtocolOptions } from './schema-core.js';
import { DownstreamTransportSocket, ListenerFilter } from './schema-tls.js';
import { Http2ProtocolOptions } from './schema-http2.js';
import { HTTP_FILTERS, Router } from './schema-filters.js';
import { RouteConfiguration } from './schema-route.js';
import { TcpProxy } from './schema-tcp.js';
import { bool, duration, fieldValue, list, type Message, message, oneOf, only, string, text, uint } from './schema.js';

const HttpFilter: Message = {
  name: 'HttpFilter',
  fields: {
    name: text,
    typed_config: {
      kind: 'any',
      types: () => HTTP_FILTERS,
    },
    config: { kind: 'named', types: () => ({ 'envoy.router': Router, 'envoy.filters.http.router': Router }) },
    is_optional: bool,
    disabled: only('remove the filter instead', false),
  },
  unsupported: ['config_discovery'],
  required: ['name'],
};

const InternalAddressConfig: Message = {
  name: 'InternalAddressConfig',
  fields: { unix_sockets: only('unix sockets are not internal', false), cidr_ranges: list(message(() => CidrRange)) },
};

const UpgradeConfig: Message = {
  name: 'UpgradeConfig',
  fields: { upgrade_type: text, enabled: bool },
  unsupported: ['filters'],
  required: ['upgrade_type'],
};

const SchemeHeaderTransformation: Message = {
  name: 'SchemeHeaderTransformation',
  fields: {
    scheme_to_overwrite: oneOf('http', 'https'),
    match_upstream: only('the scheme is what the client used; x-forwarded-proto says the same', false),
  },
};

const Http1ProtocolOptions: Message = {
  name: 'Http1ProtocolOptions',
  fields: {
    allow_absolute_url: bool,
    accept_http_10: bool,
    default_host_for_http_10: string,
    enable_trailers: only('trailers are always passed on', true),
    allow_chunked_length: only('Content-Length with Transfer-Encoding is always refused', false),
  },
  unsupported: [
    'header_key_format',
    'override_stream_error_on_invalid_http_message',
    'send_fully_qualified_url',
    'use_balsa_parser',
    'allow_custom_methods',
    'ignore_http_11_upgrade',
  ],
};

const SetCurrentClientCertDetails: Message = {
  name: 'SetCurrentClientCertDetails',
  fields: { subject: bool, cert: bool, chain: bool, dns: bool, uri: bool },
};

export const HttpConnectionManager: Message = {
  name: 'HttpConnectionManager',
  typeUrl: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  fields: {
    codec_type: {
      kind: 'enum',
      values: ['AUTO', 'HTTP1', 'HTTP2'],
      unsupported: ['HTTP3'],
      numbers: ['AUTO', 'HTTP1', 'HTTP2', 'HTTP3'],
    },
    stat_prefix: text,
    route_config: message(() => RouteConfiguration),
    http_filters: list(message(() => HttpFilter)),
    add_user_agent: only('the user agent is passed on as it is', false),
    common_http_protocol_options: message(() => DownstreamProtocolOptions),
    http_protocol_options: message(() => Http1ProtocolOptions),
    http2_protocol_options: message(() => Http2ProtocolOptions),
    server_name: fieldValue,
    server_header_transformation: oneOf('OVERWRITE', 'APPEND_IF_ABSENT', 'PASS_THROUGH'),
    max_request_headers_kb: { kind: 'uint', min: 1, max: 8192 },
    scheme_header_transformation: message(() => SchemeHeaderTransformation),
    stream_idle_timeout: duration,
    stream_flush_timeout: duration,
    request_timeout: duration,
    request_headers_timeout: duration,
    drain_timeout: duration,
    delayed_close_timeout: duration,
    access_log: list(message(() => AccessLogMessage)),
    use_remote_address: bool,
    xff_num_trusted_hops: uint,
    skip_xff_append: bool,
    internal_address_config: message(() => InternalAddressConfig),
    via: fieldValue,
    generate_request_id: bool,
    preserve_external_request_id: bool,
    always_set_request_id_in_response: bool,
    proxy_100_continue: only('100-continue is always passed through (RFC 9110 §10.1.1)', true),
    upgrade_configs: list(message(() => UpgradeConfig)),
    normalize_path: bool,
    merge_slashes: bool,
    path_with_escaped_slashes_action: oneOf(
      'IMPLEMENTATION_SPECIFIC_DEFAULT',
      'KEEP_UNCHANGED',
      'REJECT_REQUEST',
      'UNESCAPE_AND_REDIRECT',
      'UNESCAPE_AND_FORWARD',
    ),
    strip_matching_host_port: bool,
    strip_any_host_port: bool,
    strip_trailing_host_dot: bool,
    forward_client_cert_details: oneOf(
      'SANITIZE',
      'FORWARD_ONLY',
      'APPEND_FORWARD',
      'SANITIZE_SET',
      'ALWAYS_FORWARD_ONLY',
    ),
    set_current_client_cert_details: message(() => SetCurrentClientCertDetails),
    idle_timeout: duration,
  },
  unsupported: [
    'rds',
    'scoped_routes',
    'tracing',
    'http3_protocol_options',
    'access_log_flush_interval',
    'flush_access_log_on_new_request',
    'access_log_options',
    'original_ip_detection_extensions',
    'early_header_mutation_extensions',
    'represent_ipv4_remote_address_as_ipv4_mapped_ipv6',
    'local_reply_config',
    'stream_error_on_invalid_http_message',
    'path_normalization_options',
    'request_id_extension',
    'typed_header_validation_config',
    'append_x_forwarded_port',
    'append_local_overload',
    'add_proxy_protocol_connection_state',
    'proxy_status_config',
    'http1_safe_max_connection_duration',
    'forward_client_cert_matcher',
    'forward_proto_config',
  ],
  required: ['stat_prefix'],
  oneof: [
    ['route_config', 'rds', 'scoped_routes'],
    ['?', 'strip_matching_host_port', 'strip_any_host_port'],
  ],
};

const NETWORK_FILTERS: Readonly<Record<string, Message>> = {
  [HttpConnectionManager.typeUrl as string]: HttpConnectionManager,
  'envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager': HttpConnectionManager,
  [TcpProxy.typeUrl as string]: TcpProxy,
  'envoy.config.filter.network.tcp_proxy.v2.TcpProxy': TcpProxy,
};

const Filter: Message = {
  name: 'Filter',
  fields: {
    name: text,
    typed_config: { kind: 'any', types: () => NETWORK_FILTERS },
    config: {
      kind: 'named',
      types: () => ({
        'envoy.http_connection_manager': HttpConnectionManager,
        'envoy.filters.network.http_connection_manager': HttpConnectionManager,
        'envoy.tcp_proxy': TcpProxy,
        'envoy.filters.network.tcp_proxy': TcpProxy,
      }),
    },
  },
  unsupported: ['config_discovery'],
  required: ['name', 'typed_config'],
};

const FilterChainMatch: Message = {
  name: 'FilterChainMatch',
  fields: {
    destination_port: { kind: 'uint', min: 1, max: 65535 },
    prefix_ranges: list(message(() => CidrRange)),
    server_names: list(text),
    transport_protocol: oneOf('tls', 'raw_buffer'),
    application_protocols: list(text),
    direct_source_prefix_ranges: list(message(() => CidrRange)),
    source_type: oneOf('ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL'),
    source_prefix_ranges: list(message(() => CidrRange)),
    source_ports: list({ kind: 'uint', min: 1, max: 65535 }),
  },
  unsupported: ['address_suffix', 'suffix_len'],
};

const FilterChain: Message = {
  name: 'FilterChain',
  fields: {
    filters: { kind: 'list', of: message(() => Filter), notEmpty: true },
    name: string,
    filter_chain_match: message(() => FilterChainMatch),
    transport_socket: message(() => DownstreamTransportSocket),
    transport_socket_connect_timeout: duration,
  },
  unsupported: ['use_proxy_proto', 'metadata', 'tls_context'],
  required: ['filters'],
};

export const Listener: Message = {
  name: 'Listener',
  typeUrl: 'envoy.config.listener.v3.Listener',
  fields: {
    name: string,
    address: message(() => Address),
    stat_prefix: string,
    filter_chains: list(message(() => FilterChain)),
    default_filter_chain: message(() => FilterChain),
    listener_filters: list(message(() => ListenerFilter)),
    listener_filters_timeout: duration,
    continue_on_listener_filters_timeout: bool,
    per_connection_buffer_limit_bytes: uint,
    enable_reuse_port: bool,
    tcp_backlog_size: uint,
    traffic_direction: oneOf('UNSPECIFIED', 'INBOUND', 'OUTBOUND'),
    bind_to_port: only('every listener is bound', true),
    connection_balance_config: only(
      'connections go to the worker with the fewest; enable_reuse_port leaves it to the kernel',
      { exact_balance: {} },
    ),
  },
  unsupported: [
    'additional_addresses',
    'filter_chain_matcher',
    'use_original_dst',
    'metadata',
    'deprecated_v1',
    'drain_type',
    'transparent',
    'freebind',
    'socket_options',
    'tcp_fast_open_queue_length',
    'udp_listener_config',
    'api_listener',
    'reuse_port',
    'access_log',
    'max_connections_to_accept_per_socket_event',
    'enable_mptcp',
    'ignore_global_conn_limit',
    'bypass_overload_manager',
    'internal_listener',
    'fcds_config',
    'tcp_keepalive',
  ],
  required: ['address'],
};
