/** Messages of a cluster's transport_socket: TLS, a PROXY preface that names the client, both, or none. */
import { RawBuffer } from './schema-proxy-protocol.js';
import { transportSocket, UpstreamTlsContext } from './schema-tls.js';
import { type Message, message, oneOf, struct, text } from './schema.js';

const ProxyProtocolConfig: Message = {
  name: 'ProxyProtocolConfig',
  fields: { version: oneOf('V1', 'V2') },
  unsupported: ['pass_through_tlvs', 'added_tlvs'],
};
/** What is behind the preface. */
const InnerSocket = transportSocket({
  [UpstreamTlsContext.typeUrl as string]: UpstreamTlsContext,
  [RawBuffer.typeUrl as string]: RawBuffer,
});

/** Transport socket of a cluster: its connections begin with a PROXY preface that names the client. */
export const ProxyProtocolUpstreamTransport: Message = {
  name: 'ProxyProtocolUpstreamTransport',
  typeUrl: 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
  fields: { config: message(() => ProxyProtocolConfig), transport_socket: message(() => InnerSocket) },
  unsupported: ['allow_unspecified_address', 'tlv_as_pool_key'],
  required: ['transport_socket'],
};

export const UpstreamTransportSocket = transportSocket({
  [UpstreamTlsContext.typeUrl as string]: UpstreamTlsContext,
  'envoy.api.v2.auth.UpstreamTlsContext': UpstreamTlsContext,
  [ProxyProtocolUpstreamTransport.typeUrl as string]: ProxyProtocolUpstreamTransport,
  [RawBuffer.typeUrl as string]: RawBuffer,
});

/** A transport socket for the endpoints whose metadata fits. */
export const TransportSocketMatch: Message = {
  name: 'TransportSocketMatch',
  fields: { name: text, match: struct, transport_socket: message(() => InnerSocket) },
  required: ['name', 'transport_socket'],
};
