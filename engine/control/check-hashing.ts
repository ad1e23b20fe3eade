/** Hash policies of routes beside the policies of clusters: each does nothing without the other. */
import type { ClusterRecord } from '../plan/records.js';
import { fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { clustersOf, routeActionsOf } from './route-actions.js';

/** records: what the cluster values became, in their order. Says nothing while there are errors. */
export function checkHashing(
  reader: DocumentReader,
  listeners: readonly Value[],
  clusters: readonly Value[],
  records: readonly ClusterRecord[],
): void {
  if (reader.hasErrors) return;
  const policies = new Map(records.map((record) => [record.name, record.lbPolicy.name]));
  const forwards = routeActionsOf(listeners);
  const hashed = new Set<string>();
  let hashesAny = false;
  for (const forward of forwards) {
    if (fieldsOf(forward, 'hash_policy').length === 0) continue;
    const names = clustersOf(forward);
    if (names.length === 0) hashesAny = true;
    for (const name of names) hashed.add(name);
    const found = names.map((name) => policies.get(name)).filter((policy) => policy !== undefined);
    if (found.length > 0 && !found.some(isHashing))
      reader.report(
        'warning',
        forward,
        'hash_policy',
        `has no effect: ${names.join(' and ')} balances by ${found[0]}; RING_HASH and MAGLEV go by hashes`,
      );
  }
  if (hashesAny) return;
  clusters.forEach((cluster, at) => {
    const name = textOf(cluster, 'name');
    const isUsed = forwards.some((forward) => clustersOf(forward).includes(name));
    if (!isHashing(records[at]?.lbPolicy.name) || !isUsed || hashed.has(name)) return;
    const field = cluster['load_balancing_policy'] === undefined ? 'lb_policy' : 'load_balancing_policy';
    reader.report(
      'warning',
      cluster,
      field,
      'no route to it has a hash_policy: every request goes to a random endpoint',
    );
  });
}

function isHashing(policy: string | undefined): boolean {
  return policy === 'RING_HASH' || policy === 'MAGLEV';
}
