/** LocalityRecord: how the requests of a cluster are shared between the localities of its endpoints. */

export type LocalityRecord =
  /** They don't matter. */
  | { readonly kind: 'NONE' }
  /** By the localities' weights, and by how many of their endpoints are well. */
  | { readonly kind: 'WEIGHTED' }
  | ZoneAwareRecord;

/** The own zone first, as far as its endpoints can take what the proxies of that zone send. */
export interface ZoneAwareRecord {
  readonly kind: 'ZONE_AWARE';
  /** Of 100 requests those that go by zone. */
  readonly routingPercent: number;
  /** With fewer healthy endpoints zones don't matter. */
  readonly minClusterSize: number;
  /** In panic nobody is picked. */
  readonly failsOnPanic: boolean;
  /** The own zone takes all when it has so many healthy endpoints; null = its share decides. */
  readonly forceLocalMinSize: number | null;
  /** Shares are sums of weights, not numbers of endpoints. */
  readonly isByWeight: boolean;
  /** Null: this proxy doesn't know where it is, or which cluster it is of; zones don't matter then. */
  readonly local: LocalClusterRecord | null;
}

/** The proxies that this one is one of (cluster_manager.local_cluster_name), by locality. */
export interface LocalClusterRecord {
  /** Of this proxy, as localityOf() has it. */
  readonly locality: string;
  /** Every locality of the cluster that has a member, well or not. */
  readonly localities: readonly string[];
  /** Its healthy members in each locality; those with none may be absent. */
  readonly healthy: Readonly<Record<string, number>>;
  readonly healthyWeights: Readonly<Record<string, number>>;
  readonly isPanic: boolean;
}

/** What two endpoints of one locality have in common; '' = they have none. */
export function localityOf(place: {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}): string {
  const { region, zone, subZone } = place;
  return region === '' && zone === '' && subZone === '' ? '' : JSON.stringify([region, zone, subZone]);
}
