/** The bootstrap message: what a config file holds at its top. */
import { Listener } from './schema-listener.js';
import { Cluster } from './schema-cluster.js';
import { Secret } from './schema-tls.js';
import { Address, Locality } from './schema-core.js';
import { list, type Message, message, only, string, struct, text } from './schema.js';

const Node: Message = {
  name: 'Node',
  fields: { id: string, cluster: string, metadata: struct, locality: message(() => Locality) },
  unsupported: [
    'dynamic_parameters',
    'user_agent_name',
    'user_agent_version',
    'user_agent_build_version',
    'extensions',
    'client_features',
    'listening_addresses',
  ],
};

/** Requests to admin are not logged: /dev/null says the same. */
const NOWHERE = only('requests to admin are not logged', '/dev/null');

const AdminFileAccessLog: Message = {
  name: 'FileAccessLog',
  typeUrl: 'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  fields: { path: NOWHERE },
  unsupported: ['format', 'json_format', 'typed_json_format', 'log_format'],
  required: ['path'],
};
const AdminAccessLog: Message = {
  name: 'AccessLog',
  fields: {
    name: text,
    typed_config: {
      kind: 'any',
      types: () => ({
        [AdminFileAccessLog.typeUrl as string]: AdminFileAccessLog,
        'envoy.config.accesslog.v2.FileAccessLog': AdminFileAccessLog,
      }),
    },
  },
  unsupported: ['filter'],
  required: ['typed_config'],
};

const Admin: Message = {
  name: 'Admin',
  fields: {
    address: message(() => Address),
    access_log: list(message(() => AdminAccessLog)),
    access_log_path: NOWHERE,
  },
  unsupported: ['profile_path', 'socket_options', 'ignore_global_conn_limit', 'allow_paths'],
  required: ['address'],
};

const StaticResources: Message = {
  name: 'StaticResources',
  fields: {
    listeners: list(message(() => Listener)),
    clusters: list(message(() => Cluster)),
    secrets: list(message(() => Secret)),
  },
};

const RuntimeLayer: Message = {
  name: 'RuntimeLayer',
  fields: { name: text, static_layer: struct },
  unsupported: ['disk_layer', 'admin_layer', 'rtds_layer'],
  required: ['name'],
  oneof: [['static_layer', 'disk_layer', 'admin_layer', 'rtds_layer']],
};
const LayeredRuntime: Message = {
  name: 'LayeredRuntime',
  fields: { layers: list(message(() => RuntimeLayer)) },
};

const ClusterManager: Message = {
  name: 'ClusterManager',
  fields: { local_cluster_name: string },
  unsupported: ['outlier_detection', 'upstream_bind_config', 'load_stats_config', 'enable_deferred_cluster_creation'],
};

export const Bootstrap: Message = {
  name: 'Bootstrap',
  typeUrl: 'envoy.config.bootstrap.v3.Bootstrap',
  fields: {
    node: message(() => Node),
    static_resources: message(() => StaticResources),
    admin: message(() => Admin),
    layered_runtime: message(() => LayeredRuntime),
    cluster_manager: message(() => ClusterManager),
  },
  unsupported: [
    'dynamic_resources',
    'hds_config',
    'flags_path',
    'stats_sinks',
    'stats_config',
    'stats_flush_interval',
    'watchdog',
    'watchdogs',
    'tracing',
    'runtime',
    'overload_manager',
    'enable_dispatcher_stats',
    'header_prefix',
    'stats_server_version_override',
    'use_tcp_for_dns_lookups',
    'dns_resolution_config',
    'typed_dns_resolver_config',
    'bootstrap_extensions',
    'fatal_actions',
    'config_sources',
    'default_config_source',
    'default_socket_interface',
    'certificate_provider_instances',
    'inline_headers',
    'perf_tracing_file_path',
    'default_regex_engine',
    'xds_delegate_extension',
    'xds_config_tracker_extension',
    'listener_manager',
    'application_log_config',
    'grpc_async_client_manager_config',
    'node_context_params',
    'deferred_stat_options',
    'memory_allocator_manager',
    'stats_flush_on_admin',
    'stats_eviction_interval',
  ],
};
