/** upstream_proxy_protocol: the transport socket of a cluster whose connections begin with a PROXY preface. */
import type { ProxyPrefaceRecord } from '../plan/records.js';
import { fieldOf, textOf } from './compile-values.js';
import type { Value } from './document.js';
import { ProxyProtocolUpstreamTransport } from './schema-upstream-socket.js';

/** The message of that socket; undefined where the cluster has another one. */
function proxySocketOf(cluster: Value): Value | undefined {
  const socket = fieldOf(fieldOf(cluster, 'transport_socket') ?? {}, 'typed_config');
  return socket?.['@type'] === ProxyProtocolUpstreamTransport.typeUrl ? socket : undefined;
}

/** What has the transport_socket that comes behind a preface, or in the place of one. */
export function socketHolderOf(cluster: Value): Value {
  return proxySocketOf(cluster) ?? cluster;
}

export function compileProxyPreface(cluster: Value): ProxyPrefaceRecord | null {
  const socket = proxySocketOf(cluster);
  if (socket === undefined) return null;
  const config = fieldOf(socket, 'config') ?? {};
  return { version: textOf(config, 'version', 'V1') === 'V2' ? 2 : 1 };
}
