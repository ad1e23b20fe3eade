/** Sharing requests between localities: of common_lb_config or of a typed policy, to its record. */
import { type LocalClusterRecord, type LocalityRecord, localityOf } from '../plan/locality-record.js';
import type { ClusterRecord, EndpointRecord } from '../plan/records.js';
import { fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { Runtime } from './runtime.js';

/** Envoy's. */
const MIN_CLUSTER_SIZE = 6;

/** config: what holds the two messages; isHashed: weights alone can count. */
export function compileLocality(
  reader: DocumentReader,
  runtime: Runtime,
  config: Value,
  isHashed: boolean,
): LocalityRecord {
  const zone = fieldOf(config, 'zone_aware_lb_config');
  const weighted = fieldOf(config, 'locality_weighted_lb_config');
  if (weighted !== undefined) return { kind: 'WEIGHTED' };
  if (isHashed && zone !== undefined)
    reader.report('warning', config, 'zone_aware_lb_config', 'has no effect: hashes decide, wherever an endpoint is');
  if (isHashed) return { kind: 'NONE' };
  return zoneAware(runtime, zone ?? {});
}

function zoneAware(runtime: Runtime, zone: Value): LocalityRecord {
  const percent = numberOf(fieldOf(zone, 'routing_enabled') ?? {}, 'value', 100);
  const forced = fieldOf(zone, 'force_local_zone');
  const isForced = forced !== undefined || flagOf(zone, 'force_locality_direct_routing');
  return {
    kind: 'ZONE_AWARE',
    routingPercent: Math.min(100, Math.round(runtime.number('upstream.zone_routing.enabled', percent))),
    minClusterSize: runtime.integer(
      'upstream.zone_routing.min_cluster_size',
      numberOf(zone, 'min_cluster_size', MIN_CLUSTER_SIZE),
    ),
    failsOnPanic: flagOf(zone, 'fail_traffic_on_panic'),
    forceLocalMinSize: isForced ? numberOf(forced ?? {}, 'min_size', 1) : null,
    isByWeight: textOf(zone, 'locality_basis') === 'HEALTHY_HOSTS_WEIGHT',
    local: null,
  };
}

/** Envoy has one weight for all endpoints of a priority in a locality. */
export function checkLocalityWeights(reader: DocumentReader, cluster: Value, record: ClusterRecord): void {
  const localities = fieldsOf(fieldOf(cluster, 'load_assignment') ?? {}, 'endpoints');
  const weights = new Map<string, number>();
  for (const each of localities) {
    const weight = numberOf(each, 'load_balancing_weight', 0);
    const key = `${numberOf(each, 'priority', 0)} ${JSON.stringify(each['locality'] ?? {})}`;
    const other = weights.get(key);
    if (other !== undefined && other !== weight)
      reader.report('error', each, 'load_balancing_weight', `the same locality has the weight ${other} further up`);
    weights.set(key, weight);
  }
  const first = localities.find((each) => each['load_balancing_weight'] !== undefined);
  if (record.locality.kind !== 'WEIGHTED') {
    if (first !== undefined)
      reader.report(
        'warning',
        first,
        'load_balancing_weight',
        'has no effect: common_lb_config has no locality_weighted_lb_config',
      );
    return;
  }
  if (first === undefined && localities.length > 0)
    reader.report(
      'warning',
      cluster,
      'load_assignment',
      'no locality has a load_balancing_weight: all endpoints are alike',
    );
  else
    for (const each of localities)
      if (each['load_balancing_weight'] === undefined)
        reader.report('warning', each, '', 'without load_balancing_weight this locality gets no requests');
}

/** Clusters that go by zones learn where the proxies are. */
export function withLocalCluster(
  reader: DocumentReader,
  bootstrap: Value,
  values: readonly Value[],
  clusters: readonly ClusterRecord[],
): ClusterRecord[] {
  const manager = fieldOf(bootstrap, 'cluster_manager') ?? {};
  const name = textOf(manager, 'local_cluster_name');
  const where = fieldOf(fieldOf(bootstrap, 'node') ?? {}, 'locality') ?? {};
  const locality = localityOf({
    region: textOf(where, 'region'),
    zone: textOf(where, 'zone'),
    subZone: textOf(where, 'sub_zone'),
  });
  const local = clusters.find((cluster) => cluster.name === name);
  if (name !== '' && local === undefined && !reader.hasErrors)
    reader.report('error', manager, 'local_cluster_name', `there is no cluster ${JSON.stringify(name)}`);
  if (local?.endpoints.some(({ priority }) => priority > 0))
    reader.report(
      'error',
      manager,
      'local_cluster_name',
      `${JSON.stringify(name)} has endpoints of a priority above 0`,
    );
  const isKnown = local !== undefined && locality !== '';
  return clusters.map((cluster, at) => {
    const config = zoneConfigOf(values[at] as Value);
    if (!isKnown && config !== null)
      reader.report(
        'warning',
        config,
        'zone_aware_lb_config',
        'requests go by zone only when node.locality says where this proxy is and cluster_manager.local_cluster_name which cluster it is of',
      );
    if (cluster.locality.kind !== 'ZONE_AWARE') return cluster;
    if (!isKnown) return cluster.locality.failsOnPanic ? cluster : { ...cluster, locality: { kind: 'NONE' } };
    return {
      ...cluster,
      locality: { ...cluster.locality, local: localCluster(local, locality, cluster.panicPercent) },
    };
  });
}

function zoneConfigOf(cluster: Value): Value | null {
  const common = fieldOf(cluster, 'common_lb_config') ?? {};
  return common['zone_aware_lb_config'] === undefined ? null : common;
}

/** panicPercent: of the cluster that requests go to, as in Envoy. */
function localCluster({ endpoints }: ClusterRecord, locality: string, panicPercent: number): LocalClusterRecord {
  const healthy: Record<string, number> = {};
  const healthyWeights: Record<string, number> = {};
  for (const endpoint of endpoints.filter(({ health }) => health === 'HEALTHY')) {
    const name = localityOf(endpoint);
    healthy[name] = (healthy[name] ?? 0) + 1;
    healthyWeights[name] = (healthyWeights[name] ?? 0) + endpoint.weight;
  }
  const well = endpoints.filter(({ health }: EndpointRecord) => health !== 'UNHEALTHY').length;
  return {
    locality,
    localities: [...new Set(endpoints.map(localityOf))],
    healthy,
    healthyWeights,
    isPanic: endpoints.length === 0 ? panicPercent > 0 : (100 * well) / endpoints.length < panicPercent,
  };
}
