/** Messages of the gRPC filters. */
import { bool, list, type Message, message, text } from './schema.js';

export const GrpcWeb: Message = {
  name: 'GrpcWeb',
  typeUrl: 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb',
  fields: {},
};

const GrpcService: Message = {
  name: 'Service',
  fields: { name: text, method_names: { kind: 'list', of: text, notEmpty: true } },
  required: ['name', 'method_names'],
};
const GrpcMethodList: Message = { name: 'GrpcMethodList', fields: { services: list(message(() => GrpcService)) } };

export const GrpcStats: Message = {
  name: 'FilterConfig',
  typeUrl: 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  fields: {
    emit_filter_state: bool,
    individual_method_stats_allowlist: message(() => GrpcMethodList),
    stats_for_all_methods: bool,
    enable_upstream_stats: bool,
    replace_dots_in_grpc_service_name: bool,
  },
  oneof: [['?', 'individual_method_stats_allowlist', 'stats_for_all_methods']],
};

export const GrpcHttp1Bridge: Message = {
  name: 'Config',
  typeUrl: 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
  fields: { upgrade_protobuf_to_grpc: bool, ignore_query_parameters: bool },
};
