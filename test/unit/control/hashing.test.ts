/** RING_HASH and MAGLEV from the document: both spellings, defaults, and what is wrong or has no effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRecord } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, yaml } from '../../support/config-problems.js';

const policy = (more: string): unknown =>
  (compiled(yaml({ cluster: clusterWith(more) })).plan.clusters[0] as ClusterRecord).lbPolicy;
const typed = (name: string, more = ''): string =>
  `load_balancing_policy: { policies: [ { typed_extension_config: { name: x, typed_config: { "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.${name}${more} } } } ] }`;
const RING = {
  name: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 8388608,
  hashFunction: 'XX_HASH',
  useHostname: false,
  balanceFactor: 0,
};
const MAGLEV = { name: 'MAGLEV', tableSize: 65537, useHostname: false, balanceFactor: 0 };
const CONSISTENT = 'consistent_hashing_lb_config: { use_hostname_for_hashing: true, hash_balance_factor: 125 }';

test("the defaults are Envoy's, under both spellings", () => {
  assert.deepEqual(policy('lb_policy: RING_HASH'), RING);
  assert.deepEqual(policy(typed('ring_hash.v3.RingHash')), RING);
  assert.deepEqual(policy('lb_policy: MAGLEV'), MAGLEV);
  assert.deepEqual(policy(typed('maglev.v3.Maglev')), MAGLEV);
});

test('every field is read, under both spellings', () => {
  const fields = 'minimum_ring_size: 7, maximum_ring_size: 9, hash_function: MURMUR_HASH_2';
  const ring = {
    ...RING,
    minimumRingSize: 7,
    maximumRingSize: 9,
    hashFunction: 'MURMUR_HASH_2',
    useHostname: true,
    balanceFactor: 125,
  };
  const common = `common_lb_config: { ${CONSISTENT} }`;
  assert.deepEqual(policy(`lb_policy: RING_HASH, ring_hash_lb_config: { ${fields} }, ${common}`), ring);
  assert.deepEqual(policy(typed('ring_hash.v3.RingHash', `, ${fields}, ${CONSISTENT}`)), ring);
  const older = 'use_hostname_for_hashing: true, hash_balance_factor: 125';
  assert.deepEqual(policy(typed('ring_hash.v3.RingHash', `, ${fields}, ${older}`)), ring);
  assert.deepEqual(policy(typed('ring_hash.v3.RingHash', ', hash_function: DEFAULT_HASH')), RING);
  const maglev = { ...MAGLEV, tableSize: 13, useHostname: true, balanceFactor: 125 };
  assert.deepEqual(policy(`lb_policy: MAGLEV, maglev_lb_config: { table_size: 13 }, ${common}`), maglev);
  assert.deepEqual(policy(typed('maglev.v3.Maglev', `, table_size: 13, ${CONSISTENT}`)), maglev);
});

test('a maximum below the default minimum makes a smaller ring', () => {
  assert.deepEqual(policy('lb_policy: RING_HASH, ring_hash_lb_config: { maximum_ring_size: 100 }'), {
    ...RING,
    minimumRingSize: 100,
    maximumRingSize: 100,
  });
});

/** So that policies that hash have something to. */
const ROUTES =
  '[ { match: { prefix: "/" }, route: { cluster: c, hash_policy: [ { query_parameter: { name: a } } ] } } ]';
const problems = (more: string): string[] =>
  briefly(yaml({ cluster: clusterWith(more), routes: ROUTES }))
    .filter((line) => !line.includes('hash_policy: has no effect'))
    .map((line) => line.replace('static_resources.clusters[0].', ''));

test('what is wrong is said at its place, with what would be right', () => {
  assert.deepEqual(
    problems('lb_policy: RING_HASH, ring_hash_lb_config: { minimum_ring_size: 9, maximum_ring_size: 7 }'),
    ['error ring_hash_lb_config.minimum_ring_size: is more than maximum_ring_size (7)'],
  );
  assert.deepEqual(problems('lb_policy: MAGLEV, maglev_lb_config: { table_size: 65536 }'), [
    'error maglev_lb_config.table_size: 65536 is not a prime; 65521 is',
  ]);
  for (const wrong of [
    'lb_policy: MAGLEV, maglev_lb_config: { table_size: 5000017 }',
    'lb_policy: MAGLEV, maglev_lb_config: { table_size: 1 }',
    'lb_policy: RING_HASH, ring_hash_lb_config: { maximum_ring_size: 8388609 }',
    'lb_policy: RING_HASH, common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 99 } }',
    'lb_policy: RING_HASH, ring_hash_lb_config: { hash_function: MD5 }',
  ])
    assert.match(problems(wrong).join('\n'), /^error [^\n]*$/, wrong);
});

test('what has no effect is said', () => {
  assert.deepEqual(
    problems(`ring_hash_lb_config: {}, maglev_lb_config: {}, common_lb_config: { ${CONSISTENT} }, lb_policy: RANDOM`),
    [
      'warning ring_hash_lb_config: has no effect: lb_policy is not RING_HASH',
      'warning maglev_lb_config: has no effect: lb_policy is not MAGLEV',
      'warning common_lb_config.consistent_hashing_lb_config: has no effect: lb_policy is neither RING_HASH nor MAGLEV',
    ],
  );
  assert.deepEqual(problems('lb_policy: MAGLEV, least_request_lb_config: {}'), [
    'warning least_request_lb_config: has no effect: lb_policy is not LEAST_REQUEST',
  ]);
  assert.deepEqual(problems(`${typed('maglev.v3.Maglev')}, maglev_lb_config: { table_size: 7 }`), [
    'warning maglev_lb_config: has no effect: lb_policy is not MAGLEV',
  ]);
});
