/** Slow start: the part of the weight by time, who is in it, and what becomes of round robin and least request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import type { LbPolicyRecord } from '../../../../engine/plan/lb-policy-record.js';
import type { ClusterRecord, EndpointRecord } from '../../../../engine/plan/records.js';
import type { Balancer } from '../../../../engine/upstream/balance/balancer.js';
import { buildBalancer } from '../../../../engine/upstream/balance/build-balancer.js';
import { buildPicker } from '../../../../engine/upstream/balance/build-picker.js';
import { HashTables } from '../../../../engine/upstream/balance/hash-tables.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { SlowStart, type SlowStartConfig } from '../../../../engine/upstream/balance/slow-start.js';
import { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { newSharedCellsMemory, SharedCells } from '../../../../engine/upstream/shared-cells.js';
import { Fleet, ManualClock, tally } from '../../../support/balancing.js';
import { clusterRecord, endpointRecord } from '../../../support/upstream-harness.js';

const CONFIG: SlowStartConfig = { windowUs: 60_000_000, aggression: 1, minWeight: 0.1 };

/** Three endpoints that have been there for long, and row 3, which joins now. */
function withNewcomer(newcomer: Partial<EndpointRecord> = {}): Fleet {
  const fleet = Fleet.of(3);
  new SlowStart(fleet.table, CONFIG);
  fleet.clock.passMs(100_000);
  fleet.table = new EndpointTable([...fleet.table.records, endpointRecord(3, newcomer)], 0, fleet.cells);
  return fleet;
}

test('weight grows with time, from the least part on, as the aggression says', () => {
  for (const [aggression, afterS, want] of [
    [1, 0, 0.1],
    [1, 6, 0.1],
    [1, 30, 0.5],
    [1, 59, 59 / 60],
    [1, 60, 1],
    [1, 1000, 1],
    [2, 15, 0.5],
    [0.5, 30, 0.25],
    [0.5, 6, 0.1],
  ] as const) {
    const fleet = withNewcomer();
    const slowStart = new SlowStart(fleet.table, { ...CONFIG, aggression });
    fleet.clock.passMs(afterS * 1000);
    assert.ok(Math.abs(slowStart.factor(3) - want) < 1e-9, `${slowStart.factor(3)} after ${afterS} s, ${aggression}`);
    assert.equal(slowStart.factor(0), 1);
    assert.equal(slowStart.isActive(), afterS < 60);
  }
});

test('the time counts as a second at least', () => {
  const fleet = withNewcomer();
  assert.equal(new SlowStart(fleet.table, { ...CONFIG, windowUs: 4_000_000, minWeight: 0 }).factor(3), 0.25);
});

test('a new list or another worker does not begin it anew; coming back to health does', () => {
  const fleet = withNewcomer();
  new SlowStart(fleet.table, CONFIG);
  fleet.clock.passMs(30_000);
  assert.equal(new SlowStart(fleet.table, CONFIG).factor(3), 0.5);
  const records = fleet.table.records;
  const sick = records.map((record) => (record.row === 3 ? { ...record, health: 'UNHEALTHY' as const } : record));
  new SlowStart(new EndpointTable(sick, 0, fleet.cells), CONFIG);
  fleet.clock.passMs(30_000);
  assert.equal(new SlowStart(new EndpointTable(records, 0, fleet.cells), CONFIG).factor(3), 0.1);
});

for (const policy of [
  { name: 'ROUND_ROBIN', slowStart: CONFIG },
  { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1, slowStart: CONFIG },
] satisfies LbPolicyRecord[])
  test(`${policy.name}: a newcomer has its part, then its whole share`, () => {
    const fleet = withNewcomer();
    const picker = buildPicker(policy, fleet.table, Prng.fromSeed(1));
    const share = (): number => (tally(4, 3100, () => picker.pick(NO_HASH, 0))[3] as number) / 3100;
    assert.ok(Math.abs(share() - 0.1 / 3.1) < 0.005);
    fleet.clock.passMs(30_000);
    assert.ok(Math.abs(share() - 0.5 / 3.5) < 0.005);
    fleet.clock.passMs(31_000);
    assert.ok(Math.abs(share() - 0.25) < 0.03);
  });

test('round robin is exact again afterwards', () => {
  const fleet = withNewcomer();
  const picker = buildPicker({ name: 'ROUND_ROBIN', slowStart: CONFIG }, fleet.table, Prng.fromSeed(1));
  tally(4, 100, () => picker.pick(NO_HASH, 0));
  fleet.clock.passMs(61_000);
  assert.deepEqual(
    tally(4, 4000, () => picker.pick(NO_HASH, 0)),
    [1000, 1000, 1000, 1000],
  );
});

test('who joins a priority, a locality or a subset starts slowly, and nobody else anew', () => {
  const lb = (v: string): Pick<EndpointRecord, 'metadata'> => ({ metadata: { 'envoy.lb': { v } } });
  const old = [0, 1, 2, 3].map((row) =>
    endpointRecord(row, { ...lb(row % 2 === 0 ? 'a' : 'b'), zone: row < 2 ? 'x' : 'y', localityWeight: 1 }),
  );
  const spilled = old.map((record) => ({ ...record, priority: record.row % 2 }));
  // Of priority 0 every second one is down, so both priorities are in use.
  const down = [10, 11].map((row) => endpointRecord(row, { health: 'UNHEALTHY', zone: 'x', localityWeight: 1 }));
  const subsets = {
    selectors: [{ keys: ['v'], isSingleHost: false, fallback: 'NOT_DEFINED', fallbackKeys: [] }],
    fallback: 'NO_FALLBACK',
    defaultSubset: {},
    isLocalityWeightAware: false,
    scalesLocalityWeight: false,
    panicModeAny: false,
    listAsAny: false,
    allowsRedundantKeys: false,
    usesFallbackList: false,
    criteria: [
      { number: 1, values: { v: '"a"' }, alternatives: null },
      { number: 2, values: { v: '"b"' }, alternatives: null },
    ],
  } as const;
  const forms: readonly (readonly [EndpointRecord[], Partial<ClusterRecord>])[] = [
    [[...spilled, ...down], {}],
    [old, { locality: { kind: 'WEIGHTED' } }],
    [old, { subsets }],
  ];
  for (const [endpoints, more] of forms) {
    const clock = new ManualClock();
    const cells = new SharedCells(newSharedCellsMemory(), newSharedCellsMemory(), clock);
    const build = (list: EndpointRecord[]): Balancer => {
      const record = clusterRecord({ lbPolicy: { name: 'ROUND_ROBIN', slowStart: CONFIG }, ...more, endpoints: list });
      return buildBalancer(record, cells, Prng.fromSeed(1), new HashTables(), { count: () => {} });
    };
    const share = (balancer: Balancer, size: number): number[] =>
      tally(size, 12_000, () => balancer.pick(NO_HASH, 0, more.subsets == null ? 0 : 1)).map((count) => count / 12_000);
    build(endpoints);
    clock.passMs(1000 * 1000);
    const beside = endpoints[0] as EndpointRecord;
    const joined = [...endpoints, { ...beside, ...endpointRecord(20), ...whereabouts(beside), key: 'c|20', row: 20 }];
    const grown = share(build(joined), joined.length);
    const newcomer = grown[endpoints.length] as number;
    assert.ok(Math.abs(newcomer / (grown[0] as number) - 0.1) < 0.03, grown.join());
    const now = new SlowStart(new EndpointTable(joined, 0, cells), CONFIG);
    const healthy = joined.flatMap(({ health }, index) => (health === 'HEALTHY' ? [index] : []));
    assert.deepEqual(
      healthy.map((index) => now.factor(index)),
      healthy.map((index) => (index === endpoints.length ? 0.1 : 1)),
    );
  }
});

/** Where an endpoint is, and of which subset. */
function whereabouts({ priority, zone, localityWeight, metadata }: EndpointRecord): Partial<EndpointRecord> {
  return { priority, zone, localityWeight, metadata };
}
