/** Types that Envoy knows where a typed message stands: tells "not supported here yet" from a slip of the pen. */
import { suggest } from '../fault/problem.js';

const HTTP_FILTERS = `adaptive_concurrency admission_control alternate_protocols_cache api_key_auth aws_lambda
  aws_request_signing bandwidth_limit basic_auth buffer cache cache_v2 cdn_loop composite compressor
  connect_grpc_bridge cors credential_injector csrf custom_response decompressor dynamic_forward_proxy
  dynamic_modules ext_authz ext_proc fault file_system_buffer gcp_authn geoip golang grpc_field_extraction
  grpc_http1_bridge grpc_http1_reverse_bridge grpc_json_reverse_transcoder grpc_json_transcoder grpc_stats grpc_web
  gzip header_mutation header_to_metadata health_check ip_tagging json_to_metadata jwt_authn kill_request
  local_ratelimit lua mcp mcp_router oauth2 on_demand original_src proto_api_scrubber proto_message_extraction
  rate_limit_quota ratelimit rbac router set_filter_state set_metadata stateful_session tap thrift_to_metadata
  transform upstream_codec wasm`;
const NETWORK_FILTERS = `client_ssl_auth connection_limit direct_response dubbo_proxy dynamic_modules echo ext_authz
  ext_proc generic_proxy geoip golang http_connection_manager kafka_broker kafka_mesh local_ratelimit mongo_proxy
  mysql_proxy postgres_proxy ratelimit rbac redis_proxy reverse_tunnel rocketmq_proxy set_filter_state sip_proxy
  sni_cluster sni_dynamic_forward_proxy tcp_proxy thrift_proxy wasm zookeeper_proxy`;
const ACCESS_LOGGERS = 'dynamic_modules file fluentd grpc open_telemetry stats stream wasm';
const POLICIES = `client_side_weighted_round_robin cluster_provided least_request maglev override_host peak_ewma pick_first random
  random_subsetting ring_hash round_robin subset wrr_locality`;

function known(prefix: string, names: string): string[] {
  return names.split(/\s+/).map((name) => `${prefix}.${name}.`);
}

const PREFIXES: readonly string[] = [
  ...known('envoy.extensions.filters.http', HTTP_FILTERS),
  ...known('envoy.extensions.filters.network', NETWORK_FILTERS),
  ...known('envoy.extensions.access_loggers', ACCESS_LOGGERS),
  ...known('envoy.extensions.load_balancing_policies', POLICIES),
  ...known('envoy.extensions.http.stateful_session', 'cookie envelope header'),
  ...known(
    'envoy.extensions.filters.listener',
    'dynamic_modules http_inspector local_ratelimit original_dst original_src proxy_protocol set_filter_state tls_inspector',
  ),
  ...known(
    'envoy.extensions.transport_sockets',
    'alts http_11_proxy internal_upstream proxy_protocol quic raw_buffer s2a starttls tap tcp_stats tls',
  ),
  ...known('envoy.extensions.upstreams', 'http tcp'),
  'envoy.config.filter.',
  'envoy.config.accesslog.v2.',
  'xds.type.v3.TypedStruct',
  'udpa.type.v1.TypedStruct',
];

/** name: without "type.googleapis.com/". */
function isKnownToEnvoy(name: string): boolean {
  return PREFIXES.some((prefix) => name.startsWith(prefix)) && /(\.v\d\w*\.|^udpa|^xds)\w*/.test(name);
}

/** What to say of a type that is none of the supported ones. */
export function refusalOfType(name: string, supported: readonly string[]): string {
  const packageOf = (type: string): string => type.slice(0, type.lastIndexOf('.'));
  const sibling = supported.find((type) => packageOf(type) === packageOf(name));
  const list = `supported: ${supported.join(', ')}`;
  if (sibling !== undefined) return `there is no type ${name}: did you mean ${sibling}?`;
  if (isKnownToEnvoy(name)) return `${name} is known to Envoy but not supported here yet; ${list}`;
  const near = suggest(name, supported);
  return `${name} is not supported here; ${near === null ? list : `did you mean ${near}?`}`;
}
