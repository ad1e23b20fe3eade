/** Messages of tcp_proxy: bytes carried as they are. */
import { AccessLogMessage } from './schema-access-log.js';
import { duration, list, type Message, message, text } from './schema.js';

const ClusterWeight: Message = {
  name: 'ClusterWeight',
  fields: { name: text, weight: { kind: 'uint', min: 1 } },
  unsupported: ['metadata_match'],
  required: ['name', 'weight'],
};
const WeightedCluster: Message = {
  name: 'WeightedCluster',
  fields: { clusters: { kind: 'list', of: message(() => ClusterWeight), notEmpty: true } },
  required: ['clusters'],
};
const SourceIp: Message = { name: 'SourceIp', fields: {} };
const HashPolicy: Message = {
  name: 'HashPolicy',
  fields: { source_ip: message(() => SourceIp) },
  unsupported: ['filter_state'],
  required: ['source_ip'],
};

export const TcpProxy: Message = {
  name: 'TcpProxy',
  typeUrl: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  fields: {
    stat_prefix: text,
    cluster: text,
    weighted_clusters: message(() => WeightedCluster),
    idle_timeout: duration,
    max_downstream_connection_duration: duration,
    max_connect_attempts: { kind: 'uint', min: 1 },
    access_log: list(message(() => AccessLogMessage)),
    hash_policy: list(message(() => HashPolicy)),
  },
  unsupported: [
    'metadata_match',
    'on_demand',
    'downstream_idle_timeout',
    'upstream_idle_timeout',
    'tunneling_config',
    'access_log_flush_interval',
    'flush_access_log_on_connected',
    'access_log_options',
    'proxy_protocol_tlvs',
    'proxy_protocol_tlv_merge_policy',
    'backoff_options',
    'upstream_connect_mode',
    'max_early_data_bytes',
    'max_downstream_connection_duration_jitter_percentage',
  ],
  required: ['stat_prefix'],
  oneof: [['cluster', 'weighted_clusters']],
};
