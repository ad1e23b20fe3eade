/** Messages of the PROXY protocol: what clients' connections begin with. */
import { bool, list, type Message } from './schema.js';

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

export const RawBuffer: Message = {
  name: 'RawBuffer',
  typeUrl: 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  fields: {},
};
