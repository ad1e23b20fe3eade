/** Localities of a config: weights, zones with Envoy's defaults, the local cluster, and what has no effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRecord } from '../../../engine/plan/records.js';
import { localityOf } from '../../../engine/plan/locality-record.js';
import { briefly, compiled, yaml } from '../../support/config-problems.js';

const ENVOY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const NODE = 'node: { id: n, locality: { region: r, zone: a } }\n';
const LOCAL = 'cluster_manager: { local_cluster_name: proxies }\n';

interface Zone {
  readonly zone: string;
  readonly ports: readonly number[];
  readonly more?: string;
}
function assignment(...zones: readonly Zone[]): string {
  const endpoint = (port: number): string =>
    `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`;
  const localities = zones.map(
    ({ zone, ports, more = '' }) =>
      `{ locality: { region: r, zone: ${zone} }, lb_endpoints: [ ${ports.map(endpoint).join(', ')} ]${more} }`,
  );
  return `load_assignment: { endpoints: [ ${localities.join(', ')} ] }`;
}
const TWO = assignment({ zone: 'a', ports: [1], more: ', load_balancing_weight: 3' }, { zone: 'b', ports: [2, 3] });
const WEIGHTED = 'common_lb_config: { locality_weighted_lb_config: {} }';
const typed = (text: string): string =>
  `load_balancing_policy: { policies: [ { typed_extension_config: { name: x, typed_config: ${text} } } ] }`;
const roundRobin = (more = ''): string => `{ "@type": ${ENVOY}.round_robin.v3.RoundRobin${more} }`;

function cluster(text: string, at = 0): ClusterRecord {
  return compiled(text).plan.clusters[at] as ClusterRecord;
}

test('weights are the localities', () => {
  const record = cluster(yaml({ cluster: `${TWO}, ${WEIGHTED}` }));
  assert.deepEqual(record.locality, { kind: 'WEIGHTED' });
  assert.deepEqual(
    record.endpoints.map(({ localityWeight }) => localityWeight),
    [3, 0, 0],
  );
  assert.deepEqual(briefly(yaml({ cluster: `${TWO}, ${WEIGHTED}` })), [
    'warning static_resources.clusters[0].load_assignment.endpoints[1]: without load_balancing_weight this locality gets no requests',
  ]);
});

test('the typed spellings: locality_lb_config, and wrr_locality around a policy', () => {
  const config = ', locality_lb_config: { locality_weighted_lb_config: {} }';
  const wrr = `{ "@type": ${ENVOY}.wrr_locality.v3.WrrLocality, endpoint_picking_policy: { policies: [ { typed_extension_config: { name: y, typed_config: ${roundRobin()} } } ] } }`;
  for (const policy of [
    roundRobin(config),
    wrr,
    `{ "@type": ${ENVOY}.ring_hash.v3.RingHash, locality_weighted_lb_config: {} }`,
    `{ "@type": ${ENVOY}.maglev.v3.Maglev, locality_weighted_lb_config: {} }`,
  ])
    assert.deepEqual(cluster(yaml({ cluster: `${TWO}, ${typed(policy)}` })).locality, { kind: 'WEIGHTED' }, policy);
  assert.deepEqual(cluster(yaml({ cluster: `${TWO}, ${typed(wrr)}` })).lbPolicy, { name: 'ROUND_ROBIN' });
  assert.deepEqual(cluster(yaml({ cluster: `${TWO}, ${typed(roundRobin())}` })).locality, { kind: 'NONE' });
});

const PROXIES = `{ name: proxies, ${assignment({ zone: 'a', ports: [11, 12] }, { zone: 'b', ports: [13] })} }`;

test('zones need to know where this proxy is; then they count by default, as in Envoy', () => {
  const text = yaml({ cluster: TWO, clusters: [PROXIES] });
  assert.deepEqual(cluster(NODE + text).locality, { kind: 'NONE' });
  assert.deepEqual(cluster(LOCAL + text).locality, { kind: 'NONE' });
  const [a, b] = ['a', 'b'].map((zone) => localityOf({ region: 'r', zone, subZone: '' })) as [string, string];
  const expected = {
    kind: 'ZONE_AWARE',
    routingPercent: 100,
    minClusterSize: 6,
    failsOnPanic: false,
    forceLocalMinSize: null,
    isByWeight: false,
    local: {
      locality: a,
      localities: [a, b],
      healthy: { [a]: 2, [b]: 1 },
      healthyWeights: { [a]: 2, [b]: 1 },
      isPanic: false,
    },
  };
  assert.deepEqual(cluster(NODE + LOCAL + text).locality, expected);
  const zones =
    'common_lb_config: { zone_aware_lb_config: { routing_enabled: { value: 40 }, min_cluster_size: 2, fail_traffic_on_panic: true } }';
  assert.deepEqual(cluster(NODE + LOCAL + yaml({ cluster: `${TWO}, ${zones}`, clusters: [PROXIES] })).locality, {
    ...expected,
    routingPercent: 40,
    minClusterSize: 2,
    failsOnPanic: true,
  });
  const forced =
    ', locality_lb_config: { zone_aware_lb_config: { force_local_zone: { min_size: 3 }, locality_basis: HEALTHY_HOSTS_WEIGHT } }';
  const more = cluster(NODE + LOCAL + yaml({ cluster: `${TWO}, ${typed(roundRobin(forced))}`, clusters: [PROXIES] }));
  assert.deepEqual(more.locality, { ...expected, forceLocalMinSize: 3, isByWeight: true });
  const runtime =
    'layered_runtime: { layers: [ { name: l, static_layer: { upstream: { zone_routing: { enabled: 10, min_cluster_size: 1 } } } } ] }\n';
  assert.deepEqual(cluster(runtime + NODE + LOCAL + text).locality, {
    ...expected,
    routingPercent: 10,
    minClusterSize: 1,
  });
});

test('mistakes and what has no effect', () => {
  const at = 'static_resources.clusters[0]';
  const both = 'common_lb_config: { locality_weighted_lb_config: {}, zone_aware_lb_config: {} }';
  const exclusive = `error ${at}.common_lb_config: only one of zone_aware_lb_config, locality_weighted_lb_config can be set`;
  assert.ok(briefly(yaml({ cluster: `${TWO}, ${both}` })).includes(exclusive));
  assert.deepEqual(briefly(yaml({ cluster: TWO })), [
    `warning ${at}.load_assignment.endpoints[0].load_balancing_weight: has no effect: common_lb_config has no locality_weighted_lb_config`,
  ]);
  const twice = assignment(
    { zone: 'a', ports: [1], more: ', load_balancing_weight: 3' },
    { zone: 'a', ports: [2], more: ', load_balancing_weight: 4' },
  );
  assert.deepEqual(briefly(yaml({ cluster: `${twice}, ${WEIGHTED}` })), [
    `error ${at}.load_assignment.endpoints[1].load_balancing_weight: the same locality has the weight 3 further up`,
  ]);
  const plain = assignment({ zone: 'a', ports: [1] });
  assert.deepEqual(briefly(yaml({ cluster: `${plain}, ${WEIGHTED}` })), [
    `warning ${at}.load_assignment: no locality has a load_balancing_weight: all endpoints are alike`,
  ]);
  assert.deepEqual(briefly(yaml({ cluster: `${plain}, ${WEIGHTED}, ${typed(roundRobin())}` })), [
    `warning ${at}.common_lb_config.locality_weighted_lb_config: has no effect: load_balancing_policy comes before it, and has locality_lb_config or wrr_locality for it`,
  ]);
  const zones = 'common_lb_config: { zone_aware_lb_config: {} }';
  assert.deepEqual(briefly(yaml({ cluster: `${plain}, ${zones}` })), [
    `warning ${at}.common_lb_config.zone_aware_lb_config: requests go by zone only when node.locality says where this proxy is and cluster_manager.local_cluster_name which cluster it is of`,
  ]);
  assert.deepEqual(briefly(`${NODE}${LOCAL}${yaml({ cluster: plain })}`), [
    'error cluster_manager.local_cluster_name: there is no cluster "proxies"',
  ]);
  const later = `{ name: proxies, ${assignment({ zone: 'a', ports: [1], more: ', priority: 1' })} }`;
  assert.deepEqual(briefly(`${NODE}${LOCAL}${yaml({ cluster: plain, clusters: [later] })}`), [
    'error cluster_manager.local_cluster_name: "proxies" has endpoints of a priority above 0',
  ]);
});
