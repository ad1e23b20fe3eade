/** SubsetPicker: criteria by number, beside priorities, panic, locality weights and what policies learn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_CONNECT_REFUSED } from '../../../../engine/fault/faults.js';
import type { ClusterRecord, EndpointRecord } from '../../../../engine/plan/records.js';
import type { CriteriaRecord, SubsetsRecord } from '../../../../engine/plan/subsets-record.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { tally } from '../../../support/balancing.js';
import { clusterRecord, endpointRecord, UpstreamHarness } from '../../../support/upstream-harness.js';

function asking(number: number, v: string): CriteriaRecord {
  return { number, values: { v: JSON.stringify(v) }, alternatives: null };
}
const SUBSETS: SubsetsRecord = {
  selectors: [{ keys: ['v'], isSingleHost: false, fallback: 'NOT_DEFINED', fallbackKeys: [] }],
  fallback: 'NO_FALLBACK',
  defaultSubset: {},
  isLocalityWeightAware: false,
  scalesLocalityWeight: false,
  panicModeAny: false,
  listAsAny: false,
  allowsRedundantKeys: false,
  usesFallbackList: false,
  // Numbers of a process that has had other plans before.
  criteria: [asking(3, '1'), asking(7, '2'), asking(8, 'none')],
};
/** One letter each: the endpoint's v. */
function fleet(versions: string, more: (row: number) => Partial<EndpointRecord> = () => ({})): EndpointRecord[] {
  return [...versions].map((v, row) => endpointRecord(row, { metadata: { 'envoy.lb': { v } }, ...more(row) }));
}
function harness(
  endpoints: EndpointRecord[],
  subsets: Partial<SubsetsRecord> = {},
  more: Partial<ClusterRecord> = {},
): UpstreamHarness {
  return new UpstreamHarness({ endpoints, subsets: { ...SUBSETS, ...subsets }, ...more });
}
const spread = ({ cluster }: UpstreamHarness, picks: number, criteria: number): number[] =>
  tally(cluster.record.endpoints.length, picks, () => cluster.pick(NO_HASH, 0, criteria));

test('requests stay in their subset, in turns of their own; others are refused', () => {
  const proxy = harness(fleet('12121'));
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(spread(proxy, 300, 3), [100, 0, 100, 0, 100]);
    assert.deepEqual(spread(proxy, 300, 7), [0, 150, 0, 150, 0]);
  }
  assert.equal(proxy.count('lb_subsets_selected'), 1800);
  for (const criteria of [0, 8, 99]) assert.equal(proxy.cluster.pick(NO_HASH, 0, criteria), -1);
  assert.equal(proxy.count('upstream_cx_none_healthy'), 3);
});

test('fallbacks are counted when they find somebody', () => {
  const any = harness(fleet('112'), { fallback: 'ANY_ENDPOINT' });
  assert.deepEqual(spread(any, 300, 8), [100, 100, 100]);
  assert.deepEqual([any.count('lb_subsets_fallback'), any.count('lb_subsets_selected')], [300, 0]);
  const empty = { fallback: 'DEFAULT_SUBSET', defaultSubset: { v: '"none"' } } as const;
  const none = harness(fleet('112'), empty);
  assert.equal(none.cluster.pick(NO_HASH, 0, 0), -1);
  assert.equal(none.count('lb_subsets_fallback'), 0);
  const panic = harness(fleet('112'), { ...empty, panicModeAny: true });
  assert.deepEqual(spread(panic, 30, 0), [10, 10, 10]);
  assert.deepEqual([panic.count('lb_subsets_fallback'), panic.count('lb_subsets_fallback_panic')], [0, 30]);
});

test('each subset has its own priorities and its own panic', () => {
  const endpoints = fleet('11112222', (row) => ({
    priority: row % 4 < 2 ? 0 : 1,
    health: row === 0 || row === 4 || row === 5 ? 'UNHEALTHY' : 'HEALTHY',
  }));
  const proxy = harness(endpoints);
  // Half of the first subset's priority 0 is well, 70 of 100; nobody of the second one's.
  const first = spread(proxy, 20_000, 3);
  assert.ok(Math.abs((first[1] as number) - 14_000) < 300 && first[0] === 0, first.join());
  assert.deepEqual(spread(proxy, 200, 7), [0, 0, 0, 0, 0, 0, 100, 100]);
  assert.equal(proxy.count('lb_healthy_panic'), 0);
  const sick = harness(fleet('1112', (row) => (row < 2 ? { health: 'UNHEALTHY' } : {})));
  assert.deepEqual(spread(sick, 300, 3), [100, 100, 100, 0]);
  assert.equal(sick.count('lb_healthy_panic'), 300);
  assert.deepEqual(spread(sick, 300, 7), [0, 0, 0, 300]);
  assert.equal(sick.count('lb_healthy_panic'), 300);
});

test('a retry stays in the subset', () => {
  const { cluster } = harness(fleet('1212'));
  for (let i = 0; i < 20; i++) assert.equal(cluster.pick(NO_HASH, 0b0001, 3), 2);
  assert.ok(cluster.hasOther(0b0001, 0, 3));
  assert.ok(!cluster.hasOther(0b0101, 0, 3), 'all of it were tried, though the other subset is there');
  assert.ok(!cluster.hasOther(0, 0, 8));
});

test('locality weights count within subsets only if they are to, and then by the share that a subset has', () => {
  // Zone x: four endpoints, one of version 1; zone y: two, both of version 1.
  const endpoints = fleet('122211', (row) => ({ zone: row < 4 ? 'x' : 'y', localityWeight: row < 4 ? 8 : 2 }));
  const locality = { kind: 'WEIGHTED' } as const;
  assert.deepEqual(spread(harness(endpoints, {}, { locality }), 300, 3), [100, 0, 0, 0, 100, 100]);
  const aware = harness(endpoints, { isLocalityWeightAware: true }, { locality });
  assert.deepEqual(spread(aware, 1000, 3), [800, 0, 0, 0, 100, 100]);
  const scaled = harness(endpoints, { isLocalityWeightAware: true, scalesLocalityWeight: true }, { locality });
  assert.deepEqual(spread(scaled, 1000, 3), [500, 0, 0, 0, 250, 250]);
});

test('hashes have a table for each subset; a new list keeps the numbers', () => {
  const lbPolicy = { name: 'MAGLEV', tableSize: 101, useHostname: false, balanceFactor: 0 } as const;
  const proxy = harness(fleet('111222'), {}, { lbPolicy });
  for (const criteria of [3, 7]) {
    const counts = spread(proxy, 3000, criteria);
    assert.deepEqual(
      counts.map((count) => count > 0),
      criteria === 3 ? [true, true, true, false, false, false] : [false, false, false, true, true, true],
    );
  }
  proxy.cluster.update(clusterRecord({ endpoints: fleet('21'), subsets: SUBSETS }));
  assert.deepEqual(spread(proxy, 10, 3), [0, 10]);
  assert.deepEqual(spread(proxy, 10, 7), [10, 0]);
});

test('what a policy learns reaches the subset that has the endpoint', () => {
  const { cluster, cells } = harness(fleet('1122'), {}, { lbPolicy: { name: 'PICK_FIRST', shuffle: false } });
  const pool = cluster.pool(2);
  cluster.requestStarted(pool, false);
  cluster.requestFinished(pool, false, 0, UP_CONNECT_REFUSED, 0, 0, 0);
  assert.equal(cells.chosenRow(0), 3);
});
