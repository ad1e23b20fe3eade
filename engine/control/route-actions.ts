/** RouteActions: those of a document, and the clusters that they name. */
import { fieldOf, fieldsOf, textOf } from './compile-values.js';
import type { Value } from './document.js';

/** Every RouteAction of the listeners, wherever it stands. */
export function routeActionsOf(listeners: readonly Value[]): Value[] {
  const found: Value[] = [];
  gather(listeners, found);
  return found;
}

/** Names of the clusters; none: the request names one. */
export function clustersOf(forward: Value): string[] {
  const weighted = fieldOf(forward, 'weighted_clusters');
  if (weighted !== undefined) return fieldsOf(weighted, 'clusters').map((cluster) => textOf(cluster, 'name'));
  const name = textOf(forward, 'cluster');
  return name === '' ? [] : [name];
}

function gather(value: unknown, found: Value[]): void {
  if (Array.isArray(value)) for (const each of value) gather(each, found);
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array))
    for (const [name, each] of Object.entries(value)) {
      if (name === 'route' && typeof each === 'object' && each !== null) found.push(each as Value);
      gather(each, found);
    }
}
