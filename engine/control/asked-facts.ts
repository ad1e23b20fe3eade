/** What logs and headers of a connection manager ask for that costs something to find out. */
import type { AccessLogRecord, HeaderAddRecord, RouteConfigRecord } from '../plan/records.js';

const UPSTREAM_ADDRESS = /%UPSTREAM_LOCAL_(ADDRESS|PORT)/;
const TLS = /%(REQUESTED_SERVER_NAME|(DOWNSTREAM|UPSTREAM)_(TLS|PEER)_)/;

export interface AskedFacts {
  readonly asksUpstreamAddress: boolean;
  readonly asksTls: boolean;
}

export function askedFacts(logs: readonly AccessLogRecord[], routes: RouteConfigRecord): AskedFacts {
  const mutations = [routes.mutations];
  for (const host of routes.virtualHosts) {
    mutations.push(host.mutations);
    for (const { mutations: own, action } of host.routes) {
      mutations.push(own);
      if (action.kind === 'forward' && action.cluster.kind === 'weighted')
        mutations.push(...action.cluster.clusters.map((cluster) => cluster.mutations));
    }
  }
  const texts = [JSON.stringify(logs)];
  const add = ({ value }: HeaderAddRecord): unknown => texts.push(value);
  for (const { requestAdd, responseAdd } of mutations) for (const each of [...requestAdd, ...responseAdd]) add(each);
  return {
    asksUpstreamAddress: texts.some((text) => UPSTREAM_ADDRESS.test(text)),
    asksTls: texts.some((text) => TLS.test(text)),
  };
}
