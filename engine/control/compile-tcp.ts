/** tcp_proxy to its record. */
import type { TcpProxyRecord } from '../plan/tcp-proxy-record.js';
import { checkCluster, type ClusterNames } from './check-cluster.js';
import { compileAccessLog } from './compile-access-log.js';
import { fieldOf, fieldsOf, HOUR_MS, numberOf, textOf } from './compile-values.js';
import type { Value } from './document.js';
import type { PlanRegistry } from './registry.js';

export function compileTcpProxy(
  context: ClusterNames & { readonly registry: PlanRegistry },
  proxy: Value,
): TcpProxyRecord {
  const statPrefix = textOf(proxy, 'stat_prefix');
  return {
    statPrefix,
    metrics: context.registry.metrics('tcp', statPrefix),
    clusters: compileClusters(context, proxy),
    idleTimeoutMs: numberOf(proxy, 'idle_timeout', HOUR_MS),
    maxDownstreamConnectionDurationMs: numberOf(proxy, 'max_downstream_connection_duration', 0),
    maxConnectAttempts: numberOf(proxy, 'max_connect_attempts', 1),
    hashesSourceAddress: fieldsOf(proxy, 'hash_policy').some((policy) => policy['source_ip'] !== undefined),
    accessLogs: fieldsOf(proxy, 'access_log').map((log) =>
      compileAccessLog(context.reader, fieldOf(log, 'typed_config') ?? {}),
    ),
  };
}

function compileClusters(context: ClusterNames, proxy: Value): TcpProxyRecord['clusters'] {
  const weighted = fieldOf(proxy, 'weighted_clusters');
  if (weighted === undefined) {
    checkCluster(context, proxy, 'cluster', textOf(proxy, 'cluster'));
    return [{ name: textOf(proxy, 'cluster'), weight: 1 }];
  }
  return fieldsOf(weighted, 'clusters').map((cluster) => {
    checkCluster(context, cluster, 'name', textOf(cluster, 'name'));
    return { name: textOf(cluster, 'name'), weight: numberOf(cluster, 'weight', 0) };
  });
}
