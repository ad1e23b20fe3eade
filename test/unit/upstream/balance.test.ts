/** Pickers and shared cells: exact shares over workers, weights, retries elsewhere, and nothing left by the dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import type { LbPolicyRecord } from '../../../engine/plan/lb-policy-record.js';
import type { EndpointRecord } from '../../../engine/plan/records.js';
import { buildPicker } from '../../../engine/upstream/balance/build-picker.js';
import type { Picker } from '../../../engine/upstream/balance/picker.js';
import { NO_HASH } from '../../../engine/upstream/balance/request-hash.js';
import { TaggedLatencies } from '../../../engine/upstream/balance/tagged-latencies.js';
import { EndpointTable } from '../../../engine/upstream/endpoint-table.js';
import {
  AVERAGE_LATENCY,
  averageCell,
  clearEndpoint,
  ENDPOINT_REQUESTS,
  endpointCell,
  giveBack,
  newSharedCellsMemory,
  REPORT_WEIGHT,
  reportCell,
  SharedCells,
} from '../../../engine/upstream/shared-cells.js';

function endpoints(weights: readonly number[], health: readonly EndpointRecord['health'][] = []): EndpointRecord[] {
  return weights.map((weight, row) => ({
    key: `c|${row}`,
    row,
    address: { family: 4, host: '127.0.0.1', port: 1 + row },
    hostname: '',
    weight,
    priority: 0,
    region: '',
    zone: '',
    subZone: '',
    localityWeight: 0,
    health: health[row] ?? 'HEALTHY',
    metadata: {},
    transportSocket: '',
    metrics: { counters: -1, histograms: -1 },
  }));
}

const POLICIES: LbPolicyRecord[] = [
  { name: 'ROUND_ROBIN' },
  { name: 'RANDOM' },
  { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1 },
  { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: true, activeRequestBias: 1 },
];

const shared = newSharedCellsMemory();
const table = (records: EndpointRecord[], own = newSharedCellsMemory()): EndpointTable =>
  new EndpointTable(records, 0, new SharedCells(shared, own));

test('round robin over four workers: every share within one', () => {
  const records = endpoints([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  const pickers = [0, 1, 2, 3].map((seed) => buildPicker({ name: 'ROUND_ROBIN' }, table(records), Prng.fromSeed(seed)));
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 100003; i++) counts[(pickers[i % 4] as (typeof pickers)[0]).pick(NO_HASH, 0)]++;
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
});

test('round robin: processes begin in different places, the workers of one in the same', () => {
  const records = endpoints(new Array<number>(64).fill(1));
  const firsts = [1, 2, 3, 4, 5, 6].map((seed) => {
    const memory = newSharedCellsMemory();
    const [first, second] = [seed, seed + 100].map((worker) => {
      const cells = new SharedCells(memory, newSharedCellsMemory());
      return buildPicker({ name: 'ROUND_ROBIN' }, new EndpointTable(records, 0, cells), Prng.fromSeed(worker));
    }) as [Picker, Picker];
    const start = first.pick(NO_HASH, 0);
    assert.equal(second.pick(NO_HASH, 0), (start + 1) % 64);
    assert.equal(first.pick(NO_HASH, 0), (start + 2) % 64);
    return start;
  });
  assert.ok(new Set(firsts).size > 3, firsts.join());
  assert.ok(firsts.some((start) => start % 2 === 0) && firsts.some((start) => start % 2 === 1), firsts.join());
});

test('weights are kept: exactly by round robin, within two percent by the others', () => {
  for (const policy of POLICIES) {
    const picker = buildPicker(policy, table(endpoints([5, 1, 4])), Prng.fromSeed(7));
    const counts = [0, 0, 0];
    for (let i = 0; i < 100000; i++) {
      const index = picker.pick(NO_HASH, 0);
      counts[index] = (counts[index] as number) + 1;
    }
    const tolerance = policy.name === 'ROUND_ROBIN' ? 0 : 2000;
    [50000, 10000, 40000].forEach((want, index) => {
      assert.ok(Math.abs((counts[index] as number) - want) <= tolerance, `${policy.name}: ${counts.join()}`);
    });
  }
});

test('least request sees what other workers have in flight; the dead give back exactly that', () => {
  const records = endpoints([1, 1]);
  const mine = newSharedCellsMemory();
  const other = newSharedCellsMemory();
  const dead = new SharedCells(shared, other);
  for (let i = 0; i < 5; i++) dead.add(endpointCell(0, ENDPOINT_REQUESTS), 1);
  const picker = buildPicker(
    { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: true, activeRequestBias: 1 },
    table(records, mine),
    Prng.fromSeed(1),
  );
  for (let i = 0; i < 50; i++) assert.equal(picker.pick(NO_HASH, 0), 1);
  new SharedCells(shared, mine).add(endpointCell(0, ENDPOINT_REQUESTS), 2);
  giveBack(shared, other);
  assert.equal(new SharedCells(shared, mine).load(endpointCell(0, ENDPOINT_REQUESTS)), 2);
  giveBack(shared, mine);
  assert.equal(new SharedCells(shared, mine).load(endpointCell(0, ENDPOINT_REQUESTS)), 0);
});

test('a worker that is alone counts the same, and gives back the same', () => {
  const counts = [false, true].map((isAlone) => {
    const all = newSharedCellsMemory();
    const own = newSharedCellsMemory();
    const cells = new SharedCells(all, own, undefined, isAlone);
    const cell = endpointCell(7, ENDPOINT_REQUESTS);
    const seen = [cells.add(cell, 3), cells.add(cell, -1), cells.load(cell)];
    const taken = [0, 1, 2].map(() => cells.tryTake(cell, 4));
    const positions = [cells.nextPosition(2), cells.nextPosition(2)];
    giveBack(all, own);
    return { seen, taken, positions, left: cells.load(cell) };
  });
  assert.deepEqual(counts[0], { seen: [0, 3, 2], taken: [true, true, false], positions: [0, 1], left: 0 });
  assert.deepEqual(counts[1], counts[0]);
});

test('an endpoint that gets the row of another knows nothing of it', () => {
  const all = newSharedCellsMemory();
  const cells = new SharedCells(all, newSharedCellsMemory());
  for (const row of [3, 4, 5]) {
    cells.add(endpointCell(row, ENDPOINT_REQUESTS), 1);
    cells.floats[averageCell(row, AVERAGE_LATENCY)] = 9;
    cells.reports[reportCell(row) + REPORT_WEIGHT] = 9;
    new TaggedLatencies(cells.samples, 1e6).record(row, 1, 500, 1);
  }
  const estimate = (row: number): number => new TaggedLatencies(cells.samples, 1e6).estimate(row, 1, 1);
  clearEndpoint(new Int32Array(all), 4);
  for (const row of [3, 4, 5]) {
    const expected = row === 4 ? [0, 0, 0, 0] : [1, 9, 9, 500];
    const { floats, reports } = cells;
    assert.deepEqual(
      [
        cells.load(endpointCell(row, ENDPOINT_REQUESTS)),
        floats[averageCell(row, AVERAGE_LATENCY)],
        reports[reportCell(row) + REPORT_WEIGHT],
        estimate(row),
      ],
      expected,
    );
  }
});
