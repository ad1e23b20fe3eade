/** metadata_match of routes beside the subsets of clusters: what can't select anything is said. */
import type { ClusterRecord } from '../plan/records.js';
import { fieldOf, fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { clustersOf, routeActionsOf } from './route-actions.js';

/** Says nothing while there are errors. */
export function checkSubsets(
  reader: DocumentReader,
  listeners: readonly Value[],
  clusters: readonly ClusterRecord[],
): void {
  if (reader.hasErrors) return;
  const known = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  for (const action of routeActionsOf(listeners)) {
    const weighted = fieldsOf(fieldOf(action, 'weighted_clusters') ?? {}, 'clusters');
    check(reader, action, keysOf(action), targetsOf(clustersOf(action), known));
    for (const each of weighted) check(reader, each, keysOf(each, action), targetsOf([textOf(each, 'name')], known));
  }
}

function targetsOf(names: readonly string[], known: ReadonlyMap<string, ClusterRecord>): ClusterRecord[] {
  return names.map((name) => known.get(name)).filter((cluster) => cluster !== undefined);
}

function keysOf(value: Value, outer: Value = {}): string[] {
  const ofOne = (each: Value): object => {
    const filters = fieldOf(fieldOf(each, 'metadata_match') ?? {}, 'filter_metadata') ?? {};
    return (filters['envoy.lb'] as object | undefined) ?? {};
  };
  return Object.keys({ ...ofOne(outer), ...ofOne(value) }).sort();
}

/** keys: what a request asks for; clusters: where it may go. */
function check(
  reader: DocumentReader,
  value: Value,
  keys: readonly string[],
  clusters: readonly ClusterRecord[],
): void {
  if (value['metadata_match'] === undefined || keys.length === 0 || clusters.length === 0) return;
  const names = clusters.map(({ name }) => name).join(' and ');
  const records = clusters.map(({ subsets }) => subsets).filter((subsets) => subsets !== null);
  if (records.length === 0) {
    reader.report('warning', value, 'metadata_match', `has no effect: ${names} has no lb_subset_config`);
    return;
  }
  const isUsed = records.some(({ selectors, allowsRedundantKeys, usesFallbackList }) => {
    if (usesFallbackList) return true;
    const has = (each: { readonly keys: readonly string[] }): boolean => each.keys.every((key) => keys.includes(key));
    return selectors.some((each) => has(each) && (allowsRedundantKeys || each.keys.length === keys.length));
  });
  if (!isUsed)
    reader.report(
      'warning',
      value,
      'metadata_match',
      `selects nothing: ${names} has no subset selector with exactly the keys ${keys.join(', ')}`,
    );
}
