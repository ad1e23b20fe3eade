/** Runtime: keys of the static layers are in force where something reads them, and complained of where nothing does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SnapshotPlan } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, managerOf, yaml } from '../../support/config-problems.js';

const LAYERS = 'layered_runtime.layers';

function layers(...values: string[]): string {
  const list = values.map((each, at) => `{ name: l${at}, static_layer: ${each} }`);
  return `layered_runtime: { layers: [ ${list.join(', ')} ] }\n`;
}
function plan(pieces: Parameters<typeof yaml>[0], ...values: string[]): SnapshotPlan {
  return compiled(layers(...values) + yaml(pieces)).plan;
}
function firstMatch(found: SnapshotPlan): { readonly runtimeFraction: unknown } {
  return managerOf({ plan: found }).routeConfig.virtualHosts[0]?.routes[0]?.match as never;
}
const FRACTION = {
  routes:
    '[ { match: { prefix: "/", runtime_fraction: { runtime_key: a.b, default_value: { numerator: 7 } } }, route: { cluster: c } } ]',
};

test('a fraction: as percentage or in parts, with nested or dotted keys, the last layer wins', () => {
  const fraction = (...values: string[]): unknown => firstMatch(plan(FRACTION, ...values)).runtimeFraction;
  assert.deepEqual(fraction('{}'), { numerator: 7, denominator: 100 });
  assert.deepEqual(fraction('{ a: { b: 20 } }'), { numerator: 20, denominator: 100 });
  assert.deepEqual(fraction('{ "a.b": 250 }'), { numerator: 100, denominator: 100 });
  assert.deepEqual(fraction('{ a.b: { numerator: 3, denominator: MILLION } }'), { numerator: 3, denominator: 1000000 });
  assert.deepEqual(fraction('{ a.b: 20 }', '{ a: { b: 30 } }'), { numerator: 30, denominator: 100 });
});

test('weights of clusters, breakers and the bias of least_request', () => {
  const clusters = {
    routes:
      '[ { match: { prefix: "/" }, route: { weighted_clusters: { runtime_key_prefix: w, total_weight: 4, clusters: [ { name: c, weight: 1 }, { name: d, weight: 3 } ] } } } ]',
    clusters: [`{ name: d, ${clusterWith('connect_timeout: 1s')} }`],
    cluster: clusterWith(
      'lb_policy: LEAST_REQUEST, least_request_lb_config: { active_request_bias: { default_value: 1, runtime_key: bias } }',
    ),
  };
  const found = plan(
    clusters,
    '{ w: { c: 9 }, bias: 0.5, circuit_breakers: { d: { high: { max_requests: 5 }, default: { max_retries: 0 } } } }',
  );
  const action = managerOf({ plan: found }).routeConfig.virtualHosts[0]?.routes[0]?.action;
  assert.ok(action?.kind === 'forward' && action.cluster.kind === 'weighted');
  assert.deepEqual([action.cluster.totalWeight, ...action.cluster.clusters.map(({ weight }) => weight)], [12, 9, 3]);
  const [c, d] = found.clusters;
  assert.ok(c?.lbPolicy.name === 'LEAST_REQUEST');
  assert.equal(c.lbPolicy.activeRequestBias, 0.5);
  assert.deepEqual([d?.breakers.high.maxRequests, d?.breakers.default.maxRequests], [5, 1024]);
  assert.deepEqual([d?.breakers.default.maxRetries, c.breakers.default.maxRetries], [0, 3]);
});

test('a key that nothing reads is a warning; a limit that is not kept is an error', () => {
  const said = (value: string): string[] => briefly(layers(value) + yaml());
  assert.deepEqual(said('{ envoy.reloadable_features.x: true }'), [
    `warning ${LAYERS}[0].static_layer: envoy.reloadable_features.x has no effect: nothing here reads it`,
  ]);
  assert.deepEqual(said('{ overload: { global_downstream_max_connections: 50000 } }'), [
    `error ${LAYERS}[0].static_layer: overload.global_downstream_max_connections is known to Envoy but not supported here yet`,
  ]);
  const limit = (name: string): string =>
    `{ envoy: { resource_limits: { listener: { ${name}: { connection_limit: 9 } } } } }`;
  assert.deepEqual(said(limit('nobody')), [
    `warning ${LAYERS}[0].static_layer: envoy.resource_limits.listener.nobody.connection_limit: there is no listener "nobody"`,
  ]);
  assert.deepEqual(said(limit('l')), [
    `error ${LAYERS}[0].static_layer: envoy.resource_limits.listener.l.connection_limit is known to Envoy but not supported here yet`,
  ]);
});

test('values of the wrong kind, two layers of a name, and layers that are not static', () => {
  const said = (text: string): string[] => briefly(text + yaml(FRACTION));
  assert.deepEqual(said(layers('{ a.b: often }')), [
    `error ${LAYERS}[0].static_layer: a.b must be a percentage, or a map of numerator and denominator`,
  ]);
  assert.deepEqual(said(layers('{ a.b: { numerator: 1, denominator: DOZEN } }')).length, 1);
  assert.deepEqual(said(layers('{ a.b: -1 }')).length, 1);
  assert.deepEqual(
    said('layered_runtime: { layers: [ { name: x, static_layer: {} }, { name: x, static_layer: {} } ] }\n'),
    [`error ${LAYERS}[1].name: there is another layer "x"`],
  );
  assert.deepEqual(said('layered_runtime: { layers: [ { name: x, disk_layer: { symlink_root: /x } } ] }\n'), [
    `error ${LAYERS}[0].disk_layer: disk_layer of RuntimeLayer is known to Envoy but not supported here yet`,
  ]);
});
