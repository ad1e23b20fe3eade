/** Clusters whose connections begin with a PROXY preface: they are for one client each, which requests' connections are not. */
import type { ClusterRecord } from '../plan/records.js';
import type { DocumentReader, Value } from './document.js';
import { clustersOf, routeActionsOf } from './route-actions.js';

export function checkProxyProtocol(
  reader: DocumentReader,
  listeners: readonly Value[],
  clusters: readonly ClusterRecord[],
): void {
  const named = new Set(clusters.filter(({ proxyProtocol }) => proxyProtocol !== 0).map(({ name }) => name));
  if (named.size === 0) return;
  for (const action of routeActionsOf(listeners))
    for (const name of clustersOf(action))
      if (named.has(name))
        reader.report(
          'error',
          action,
          '',
          `cluster ${JSON.stringify(name)} has upstream_proxy_protocol, which only tcp_proxy supports yet: requests of many clients share its connections`,
        );
}
