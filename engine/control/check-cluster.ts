/** Names of clusters where something is sent to: they must be defined. */
import { suggest } from '../fault/problem.js';
import type { DocumentReader, Value } from './document.js';

export interface ClusterNames {
  readonly reader: DocumentReader;
  /** Names that the document defines; '' stands for one that could not be read. */
  readonly clusters: ReadonlySet<string>;
  /** Filled with those that are named. */
  readonly used: Set<string>;
}

/** Names that a message lists at most. */
const CLUSTERS_SHOWN = 10;

/** Reports a name that no cluster of the document has, and notes it as used. */
export function checkCluster(context: ClusterNames, value: Value, field: string, name: string): void {
  context.used.add(name);
  // One that could not be read has been complained of; a cluster without a name may be the one.
  if (name === '') return;
  if (context.clusters.has(name) || context.clusters.has('')) return;
  const near = context.reader.isFull ? null : suggest(name, [...context.clusters]);
  const known = [...context.clusters].slice(0, CLUSTERS_SHOWN).join(', ');
  const others = context.clusters.size - CLUSTERS_SHOWN;
  const defined = known === '' ? 'none' : `${known}${others > 0 ? ` and ${others} more` : ''}`;
  context.reader.report(
    'error',
    value,
    field,
    `there is no cluster ${JSON.stringify(name)}; ${near === null ? `defined: ${defined}` : `did you mean ${near}?`}`,
  );
}
