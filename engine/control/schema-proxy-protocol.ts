/** Messages of the PROXY protocol: what clients' connections begin with, and what those to endpoints do. */
import { bool, list, type Message, message, only, oneOf } from './schema.js';

/** Listener filter: connections begin with a PROXY preface. */
export const ProxyProtocol: Message = {
  name: 'ProxyProtocol',
  typeUrl: 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
  fields: {
    allow_requests_without_proxy_protocol: bool,
    disallowed_versions: list({ kind: 'enum', values: ['V1', 'V2'] }),
  },
  unsupported: ['rules', 'pass_through_tlvs', 'stat_prefix', 'tlv_location'],
};

const ProxyProtocolConfig: Message = {
  name: 'ProxyProtocolConfig',
  fields: { version: oneOf('V1', 'V2') },
  unsupported: ['pass_through_tlvs', 'added_tlvs'],
};
const PlainSocket: Message = {
  name: 'TransportSocket',
  fields: {
    name: only('TLS behind a PROXY preface is not supported yet', 'envoy.transport_sockets.raw_buffer', 'raw_buffer'),
    typed_config: {
      kind: 'any',
      types: () => ({ [RawBuffer.typeUrl as string]: RawBuffer }),
    },
  },
  required: ['name'],
};

export const RawBuffer: Message = {
  name: 'RawBuffer',
  typeUrl: 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  fields: {},
};

/** Transport socket of a cluster: its connections begin with a PROXY preface that names the client. */
export const ProxyProtocolUpstreamTransport: Message = {
  name: 'ProxyProtocolUpstreamTransport',
  typeUrl: 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
  fields: { config: message(() => ProxyProtocolConfig), transport_socket: message(() => PlainSocket) },
  unsupported: ['allow_unspecified_address', 'tlv_as_pool_key'],
  required: ['transport_socket'],
};
