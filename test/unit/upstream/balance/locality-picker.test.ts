/** LocalityPicker: shares of localities that are exact over workers, under every policy, beside priorities and panic. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LbPolicyRecord } from '../../../../engine/plan/lb-policy-record.js';
import type { ClusterRecord, EndpointRecord } from '../../../../engine/plan/records.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { newSharedCellsMemory } from '../../../../engine/upstream/shared-cells.js';
import { tally } from '../../../support/balancing.js';
import { keys } from '../../../support/hashing.js';
import { endpointRecord, UpstreamHarness } from '../../../support/upstream-harness.js';

const WEIGHTED = { kind: 'WEIGHTED' } as const;
const UNHEALTHY = { health: 'UNHEALTHY' } as const;

/** Zones of so many endpoints with such weights. */
function zones(...each: (readonly [count: number, localityWeight: number, more?: Partial<EndpointRecord>])[]) {
  const records: EndpointRecord[] = [];
  each.forEach(([count, localityWeight, more], zone) => {
    for (let i = 0; i < count; i++)
      records.push(endpointRecord(records.length, { zone: `z${zone}`, localityWeight, ...more }));
  });
  return records;
}

function harness(endpoints: readonly EndpointRecord[], more: Partial<ClusterRecord> = {}): UpstreamHarness {
  return new UpstreamHarness({ endpoints, locality: WEIGHTED, ...more });
}
const sums = (counts: readonly number[], ...sizes: number[]): number[] => {
  let from = 0;
  return sizes.map((size) => counts.slice(from, (from += size)).reduce((sum, count) => sum + count, 0));
};

test('round robin: localities and endpoints get their share to within two, over four workers that take turns as they please', () => {
  const memory = newSharedCellsMemory();
  const endpoints = zones([1, 1], [3, 2], [2, 4]).map((record) =>
    record.row === 5 ? { ...record, weight: 3 } : record,
  );
  const workers = [0, 1, 2, 3].map(() => new UpstreamHarness({ endpoints, locality: WEIGHTED }, memory));
  let turn = 7;
  const counts = tally(6, 70_000, () => {
    turn = (turn * 1103515245 + 12345) & 0x7fffffff;
    return (workers[(turn >> 16) & 3] as UpstreamHarness).cluster.pick(NO_HASH, 0);
  });
  const shares = [1 / 7, 2 / 21, 2 / 21, 2 / 21, 1 / 7, 3 / 7];
  shares.forEach((share, at) => {
    assert.ok(Math.abs((counts[at] as number) - share * 70_000) <= 2, counts.join());
  });
});

test('a locality of which half is down keeps 1.4 halves of its weight', () => {
  const endpoints = zones([2, 1], [2, 2]).map((record) => (record.row === 3 ? { ...record, ...UNHEALTHY } : record));
  const { cluster } = harness(endpoints, { panicPercent: 0 });
  assert.deepEqual(
    tally(4, 12_000, () => cluster.pick(NO_HASH, 0)),
    [2500, 2500, 7000, 0],
  );
});

test('a locality without a weight gets nothing, unless none has one', () => {
  const some = harness(zones([1, 0], [1, 5]));
  assert.deepEqual(
    tally(2, 100, () => some.cluster.pick(NO_HASH, 0)),
    [0, 100],
  );
  const none = harness(zones([1, 0], [3, 0]));
  assert.deepEqual(
    tally(4, 100, () => none.cluster.pick(NO_HASH, 0)),
    [25, 25, 25, 25],
  );
});

const DRAWN: readonly LbPolicyRecord[] = [
  { name: 'RANDOM' },
  { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1 },
  { name: 'PREQUAL', quantile: 0.6, choiceCount: 3, failurePenaltyUs: 5e6, expiryUs: 6e7 },
  { name: 'PEAK_EWMA', decayUs: 1e7, defaultRttUs: 1e4, penaltyUs: 1e9, failurePenaltyUs: 5e6, fullScan: false },
];
for (const lbPolicy of DRAWN)
  test(`${lbPolicy.name} picks within a locality, whose share is exact`, () => {
    const { cluster } = harness(zones([2, 3], [4, 1]), { lbPolicy });
    const counts = tally(6, 40_000, () => cluster.pick(NO_HASH, 0));
    assert.deepEqual(sums(counts, 2, 4), [30_000, 10_000]);
    assert.ok(
      counts.every((count) => count > 1000),
      counts.join(),
    );
  });

const HASHED: readonly LbPolicyRecord[] = [
  {
    name: 'RING_HASH',
    minimumRingSize: 100_000,
    maximumRingSize: 1e6,
    hashFunction: 'XX_HASH',
    useHostname: false,
    balanceFactor: 0,
  },
  { name: 'MAGLEV', tableSize: 65537, useHostname: false, balanceFactor: 0 },
];
for (const lbPolicy of HASHED)
  test(`${lbPolicy.name}: slots by the locality's weight times the endpoint's share of it`, () => {
    const { cluster } = harness(zones([2, 3], [4, 1], [1, 0]), { lbPolicy });
    const hashes = keys(40_000);
    let at = 0;
    const counts = tally(7, hashes.length, () => cluster.pick(hashes[at++] as (typeof hashes)[number], 0));
    counts.forEach((count, index) => {
      const share = index < 2 ? 15_000 : index < 6 ? 2500 : 0;
      assert.ok(Math.abs(count - share) <= share * 0.08, counts.join());
    });
  });

test('within each priority, whose loads come first; in panic localities do not count', () => {
  const spilling = [
    ...zones([2, 1], [2, 3]).map((record) => (record.row % 2 === 1 ? { ...record, ...UNHEALTHY } : record)),
    endpointRecord(4, { zone: 'z0', localityWeight: 9, priority: 1 }),
    endpointRecord(5, { zone: 'z1', localityWeight: 1, priority: 1 }),
  ];
  const { cluster } = harness(spilling);
  const counts = tally(6, 40_000, () => cluster.pick(NO_HASH, 0));
  // Half of priority 0 is well: 70 of 100.
  const [first, second] = sums(counts, 4, 2) as [number, number];
  assert.ok(Math.abs(first - 28_000) < 500, counts.join());
  assert.ok(Math.abs((counts[0] as number) - first / 4) <= 2 && Math.abs((counts[4] as number) - second * 0.9) <= 2);
  const panic = harness(zones([1, 9], [3, 1, UNHEALTHY]));
  assert.deepEqual(
    tally(4, 400, () => panic.cluster.pick(NO_HASH, 0)),
    [100, 100, 100, 100],
  );
  assert.equal(panic.count('lb_healthy_panic'), 400);
});

test('what was tried is not picked again while another locality has one', () => {
  const { cluster } = harness(zones([1, 1000], [2, 1]));
  for (let i = 0; i < 50; i++) assert.ok(cluster.pick(NO_HASH, 0b001) > 0);
  for (let i = 0; i < 50; i++) assert.equal(cluster.pick(NO_HASH, 0b101), 1);
});
