/** Subsets of a config and what routes ask of them: records, numbers that stay, mistakes and what has no effect. */
import { managersOf } from '../../../engine/plan/managers.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlanRegistry } from '../../../engine/control/registry.js';
import type { ClusterRecord, ForwardRecord } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, yaml } from '../../support/config-problems.js';

const ENVOY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const lb = (fields: string): string => `metadata_match: { filter_metadata: { envoy.lb: ${fields} } }`;
const route = (fields: string): string => `[ { match: { prefix: "/" }, route: { cluster: c, ${lb(fields)} } } ]`;
const config = (fields: string): string => clusterWith(`lb_subset_config: { ${fields} }`);
const SELECTOR = 'subset_selectors: [ { keys: [b, a, b] } ]';

function plan(text: string, registry = new PlanRegistry()) {
  return compiled(text, new Map(), registry).plan;
}
function forwardOf(text: string, registry?: PlanRegistry): ForwardRecord {
  const [listener] = plan(text, registry).listeners;
  return (listener === undefined ? [] : managersOf(listener))[0]?.routeConfig.virtualHosts[0]?.routes[0]
    ?.action as ForwardRecord;
}

test('every field has its place, keys are sorted, values are canonical', () => {
  const fields = `fallback_policy: DEFAULT_SUBSET, default_subset: { v: { y: 1, x: [true, null] } }, locality_weight_aware: true,
      scale_locality_weight: true, panic_mode_any: true, list_as_any: true, metadata_fallback_policy: FALLBACK_LIST,
      subset_selectors: [ { keys: [b, a, b] }, { keys: [c, d], single_host_per_subset: true, fallback_policy: KEYS_SUBSET, fallback_keys_subset: [d] } ]`;
  const text = yaml({ cluster: config(fields), routes: route('{ a: 1, b: x, fallback_list: [ { a: 2 } ] }') });
  assert.deepEqual((plan(text).clusters[0] as ClusterRecord).subsets, {
    selectors: [
      { keys: ['a', 'b'], isSingleHost: false, fallback: 'NOT_DEFINED', fallbackKeys: [] },
      { keys: ['c', 'd'], isSingleHost: true, fallback: 'KEYS_SUBSET', fallbackKeys: ['d'] },
    ],
    fallback: 'DEFAULT_SUBSET',
    defaultSubset: { v: '{"x":[true,null],"y":1}' },
    isLocalityWeightAware: true,
    scalesLocalityWeight: true,
    panicModeAny: true,
    listAsAny: true,
    allowsRedundantKeys: false,
    usesFallbackList: true,
    criteria: [
      {
        number: 1,
        values: { a: '1', b: '"x"', fallback_list: '[{"a":2}]' },
        alternatives: [{ a: '2' }],
      },
    ],
  });
});

test('the policy subset is the same, around another one', () => {
  const inner = `{ policies: [ { typed_extension_config: { name: y, typed_config: { "@type": ${ENVOY}.random.v3.Random } } } ] }`;
  const policy = `{ "@type": ${ENVOY}.subset.v3.Subset, ${SELECTOR}, allow_redundant_keys: true, subset_lb_policy: ${inner} }`;
  const typed = `load_balancing_policy: { policies: [ { typed_extension_config: { name: x, typed_config: ${policy} } } ] }`;
  const record = plan(yaml({ cluster: clusterWith(typed) })).clusters[0] as ClusterRecord;
  assert.deepEqual(record.lbPolicy, { name: 'RANDOM' });
  assert.equal(record.subsets?.allowsRedundantKeys, true);
  const written = plan(yaml({ cluster: config(SELECTOR) })).clusters[0] as ClusterRecord;
  assert.deepEqual(record.subsets, { ...written.subsets, allowsRedundantKeys: true });
});

test('a combination keeps its number while the process lives; weighted clusters put their values over those of the route', () => {
  const registry = new PlanRegistry();
  const numberOf = (fields: string): number =>
    forwardOf(yaml({ cluster: config(SELECTOR), routes: route(fields) }), registry).criteria;
  assert.equal(numberOf('{ a: x, b: y }'), 1);
  assert.equal(numberOf('{ a: x, b: z }'), 2);
  assert.equal(numberOf('{ b: y, a: x }'), 1);
  assert.equal(forwardOf(yaml(), registry).criteria, 0);
  const weighted = `weighted_clusters: { clusters: [ { name: c, weight: 1, ${lb('{ b: z }')} }, { name: c, weight: 1 } ] }`;
  const routes = `[ { match: { prefix: "/" }, route: { ${lb('{ a: x, b: y }')}, ${weighted} } } ]`;
  const { cluster } = forwardOf(yaml({ cluster: config(SELECTOR), routes }), registry);
  assert.deepEqual(cluster.kind === 'weighted' && cluster.clusters.map(({ criteria }) => criteria), [2, 1]);
});

const AT = 'static_resources.clusters[0].lb_subset_config';
const MISTAKES: readonly (readonly [string, string])[] = [
  [
    'subset_selectors: []',
    `warning ${AT}.subset_selectors: is empty: the cluster has no subsets, and nothing here has an effect`,
  ],
  ['subset_selectors: [ { keys: [] } ]', `error ${AT}.subset_selectors[0].keys: must not be empty`],
  [
    'subset_selectors: [ { keys: [a], fallback_policy: KEYS_SUBSET } ]',
    `error ${AT}.subset_selectors[0].fallback_policy: KEYS_SUBSET needs fallback_keys_subset`,
  ],
  [
    'subset_selectors: [ { keys: [a], fallback_keys_subset: [a] } ]',
    `error ${AT}.subset_selectors[0].fallback_keys_subset: is for fallback_policy KEYS_SUBSET alone`,
  ],
  [
    'subset_selectors: [ { keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b] } ]',
    `error ${AT}.subset_selectors[0].fallback_keys_subset: "b" is none of keys`,
  ],
  [
    'subset_selectors: [ { keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a] } ]',
    `error ${AT}.subset_selectors[0].fallback_keys_subset: must leave out some of keys`,
  ],
  [
    `${SELECTOR}, default_subset: { a: 1 }`,
    `warning ${AT}.default_subset: has no effect: no fallback_policy is DEFAULT_SUBSET`,
  ],
  [`${SELECTOR}, panic_mode_any: true`, `warning ${AT}.panic_mode_any: has no effect: fallback_policy is NO_FALLBACK`],
  [
    `${SELECTOR}, scale_locality_weight: true`,
    `warning ${AT}.scale_locality_weight: has no effect without locality_weight_aware`,
  ],
];

test('mistakes of a cluster', () => {
  for (const [fields, expected] of MISTAKES)
    assert.ok(
      briefly(yaml({ cluster: config(fields) })).includes(expected),
      `${fields}: ${briefly(yaml({ cluster: config(fields) }))}`,
    );
});

test('what a route asks for in vain', () => {
  const routes =
    'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.metadata_match';
  const ask = (fields: string, cluster?: string): string[] =>
    briefly(yaml(cluster === undefined ? { routes: route(fields) } : { cluster, routes: route(fields) }));
  assert.deepEqual(ask('{ a: 1 }'), [`warning ${routes}: has no effect: c has no lb_subset_config`]);
  assert.deepEqual(ask('{ a: 1 }', config(SELECTOR)), [
    `warning ${routes}: selects nothing: c has no subset selector with exactly the keys a`,
  ]);
  assert.deepEqual(ask('{ a: 1, b: 2 }', config(SELECTOR)), []);
  assert.deepEqual(ask('[]', config(SELECTOR)), [`error ${routes}: envoy.lb must be a map`]);
  assert.deepEqual(ask('{ fallback_list: { a: 1 } }', config(SELECTOR)), [
    `error ${routes}: fallback_list must be a list of maps`,
  ]);
});
