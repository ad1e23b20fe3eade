/** ZoneRouting: how much of its requests a proxy sends to endpoints of its own zone, and where the rest goes. */
import type { LocalClusterRecord, ZoneAwareRecord } from '../../plan/locality-record.js';
import type { EndpointRecord } from '../../plan/records.js';
import type { Locality } from './localities.js';

// Envoy's rule, in ten-thousandths: where a zone has as large a share of the endpoints as of the proxies, its proxies
// send everything there. Else they send there what its endpoints can take, and the rest to zones that have more
// endpoints than proxies, in proportion to how much more.

export interface ZoneRouting {
  /** Of 10,000 requests those for the own zone. */
  readonly ownPart: number;
  /** Everything goes there. */
  readonly isDirect: boolean;
  /** Running sums of what each locality has left for others. */
  readonly residual: Int32Array;
}

/** Why zones don't matter. */
export type NoZoneRouting = 'FEW_LOCALITIES' | 'LOCAL_CLUSTER_NOT_OK' | 'CLUSTER_TOO_SMALL';

const WHOLE = 10000;

/** localities: of the highest priority, the own one first; eligible are the healthy ones. */
export function zoneRouting(
  zone: ZoneAwareRecord,
  local: LocalClusterRecord,
  localities: readonly Locality[],
  records: readonly EndpointRecord[],
): ZoneRouting | NoZoneRouting {
  const healthy = localities.reduce((sum, { eligible }) => sum + eligible.length, 0);
  if (localities.length < 2 || (local.localities.length < 2 && zone.forceLocalMinSize === null))
    return 'FEW_LOCALITIES';
  if (!local.localities.includes(local.locality)) return 'LOCAL_CLUSTER_NOT_OK';
  if (healthy < zone.minClusterSize) return 'CLUSTER_TOO_SMALL';
  const there = partsOf(localities.map(({ eligible }) => sizeOf(eligible, records, zone.isByWeight)));
  const counts = zone.isByWeight ? local.healthyWeights : local.healthy;
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  const here = localities.map(({ name, eligible }) =>
    total === 0 || eligible.length === 0 ? 0 : Math.floor((WHOLE * (counts[name] ?? 0)) / total),
  );
  const hasOwn = localities[0]?.name === local.locality;
  const own = hasOwn ? (there[0] as number) : 0;
  const needed = hasOwn ? (here[0] as number) : 0;
  const isForced =
    hasOwn && zone.forceLocalMinSize !== null && (localities[0]?.eligible.length ?? 0) >= zone.forceLocalMinSize;
  const isDirect = (own > 0 && own >= needed) || isForced;
  const ownPart = isDirect ? WHOLE : needed === 0 ? 0 : Math.floor((own * WHOLE) / needed);
  let sum = 0;
  const residual = Int32Array.from(localities, (_, at) => {
    const spare = (there[at] as number) - (here[at] as number);
    if (spare > 0 && !(at === 0 && hasOwn)) sum += spare;
    return sum;
  });
  return { ownPart, isDirect, residual };
}

function sizeOf(indexes: readonly number[], records: readonly EndpointRecord[], isByWeight: boolean): number {
  if (!isByWeight) return indexes.length;
  return indexes.reduce((sum, index) => sum + (records[index] as EndpointRecord).weight, 0);
}

function partsOf(sizes: readonly number[]): number[] {
  const total = sizes.reduce((sum, each) => sum + each, 0);
  return sizes.map((size) => (total === 0 ? 0 : Math.floor((WHOLE * size) / total)));
}
