/** Shared averages: the published figures of peak EWMA, one clock for all, and no sample lost between two threads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedAverage } from '../../../engine/upstream/shared-average.js';
import {
  AVERAGE_FAILURES,
  AVERAGE_LATENCY,
  clearEndpoint,
  giveBack,
  newOwnCellsMemory,
  newSharedCellsMemory,
  REPORT_WEIGHT,
  reportCell,
  SharedCells,
} from '../../../engine/upstream/shared-cells.js';
import { TaggedLatencies } from '../../../engine/upstream/balance/tagged-latencies.js';
import { Fleet } from '../../support/balancing.js';

const SECOND_US = 1e6;
const near = (value: number, want: number): void =>
  assert.ok(Math.abs(value - want) <= 1, `${value} instead of ${want}`);

test("tower's figures: 10 ms fade to 9.05 and 8.19 ms after 100 and 200 ms of a second", () => {
  const { cells, clock } = Fleet.of(1);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.seed(0, 10_000);
  near(average.read(0), 10_000);
  clock.passMs(100);
  near(average.read(0), 10_000 * Math.exp(-0.1));
  near(average.read(0), 9048.4);
  clock.passMs(100);
  near(average.read(0), 8187.3);
});

test('a peak counts at once and is 1/e of it after the decay; lower samples take their share by time', () => {
  const { cells, clock } = Fleet.of(1);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.mixPeak(0, 10_000);
  average.mixPeak(0, 400_000);
  near(average.read(0), 400_000);
  clock.passMs(1000);
  near(average.read(0), 400_000 / Math.E);
  average.mixPeak(0, 10_000);
  near(average.read(0), 400_000 / Math.E + 10_000 * (1 - 1 / Math.E));
  // In the same moment nothing has faded, so a lower one says nothing.
  average.mixPeak(0, 0);
  near(average.read(0), 400_000 / Math.E + 10_000 * (1 - 1 / Math.E));
});

test('a mixed sample never jumps, and takes the place of nothing at all', () => {
  const { cells, clock } = Fleet.of(2);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.mixPeak(0, 1000);
  clock.passMs(10);
  average.mix(0, 5_000_000);
  near(average.read(0), 1000 * Math.exp(-0.01) + 5_000_000 * (1 - Math.exp(-0.01)));
  average.mix(1, 7);
  assert.equal(average.read(1), 7);
});

test('a negative seed stays apart until the first sample, and is set once', () => {
  const { cells, clock } = Fleet.of(1);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.seed(0, -10_000);
  average.seed(0, -99_000);
  clock.passMs(1000);
  near(average.read(0), -10_000 / Math.E);
  average.mixPeak(0, 3000);
  assert.equal(average.read(0), 3000);
  average.seed(0, -10_000);
  assert.equal(average.read(0), 3000);
});

test('what has faded is very little, never nothing', () => {
  const { cells, clock } = Fleet.of(2);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.mixPeak(0, 1000);
  clock.passMs(60_000);
  assert.equal(average.read(0), 1);
  assert.equal(average.read(1), 0);
});

test('a clock that is behind makes nothing grow', () => {
  const { cells, clock } = Fleet.of(1);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  average.mixPeak(0, 5000);
  clock.us -= 500_000;
  assert.equal(average.read(0), 5000);
  average.mixPeak(0, 100);
  assert.equal(average.read(0), 5000);
  clock.us += 500_000;
  assert.equal(average.read(0), 5000);
});

test('a sum fades; rows and averages are apart', () => {
  const { cells, clock } = Fleet.of(2);
  const failures = new SharedAverage(cells, AVERAGE_FAILURES, SECOND_US);
  failures.add(0, 1000);
  failures.add(0, 1000);
  clock.passMs(1000);
  failures.add(0, 1000);
  near(failures.read(0), 1000 + 2000 / Math.E);
  assert.equal(failures.read(1), 0);
  assert.equal(new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US).read(0), 0);
});

test('two threads at one row: no sample that was taken is lost', async () => {
  const shared = newSharedCellsMemory();
  const each = 200_000;
  const engine = new URL('../../../engine/upstream/', import.meta.url).href;
  const source = `
    const { workerData } = require('node:worker_threads');
    (async () => {
      const { SharedCells, AVERAGE_FAILURES } = await import(workerData.engine + 'shared-cells.js');
      const { SharedAverage } = await import(workerData.engine + 'shared-average.js');
      const cells = new SharedCells(workerData.shared, new SharedArrayBuffer(workerData.shared.byteLength));
      const sum = new SharedAverage(cells, AVERAGE_FAILURES, 1);
      for (let i = 0; i < workerData.each; ) if (sum.add(3, 1)) i++;
    })();`;
  const threads = [0, 1].map(() => new Worker(source, { eval: true, workerData: { shared, each, engine } }));
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
  // Without a clock no time passes, so nothing fades.
  const { cells } = new Fleet([], undefined, shared);
  assert.equal(cells.floats[3 * 8 + AVERAGE_FAILURES], 2 * each);
});

test('a row that a sleeping worker holds takes no samples; when it dies it is given back', () => {
  const shared = newSharedCellsMemory();
  const own = newOwnCellsMemory();
  new SharedCells(shared, own).claim(2);
  const { cells } = new Fleet([], undefined, shared);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  assert.equal(average.mixPeak(2, 100), false);
  assert.equal(average.mixPeak(1, 100), true);
  giveBack(shared, own);
  assert.equal(average.mixPeak(2, 100), true);
  assert.equal(average.read(2), 100);
});

test('a row that goes to another endpoint knows nothing of the one before, and its neighbours lose nothing', () => {
  const { cells } = Fleet.of(3);
  const average = new SharedAverage(cells, AVERAGE_LATENCY, SECOND_US);
  const latencies = new TaggedLatencies(cells.samples, SECOND_US);
  for (const row of [0, 1, 2]) {
    average.mixPeak(row, 500);
    latencies.record(row, 2, 700, SECOND_US);
    cells.reports[reportCell(row) + REPORT_WEIGHT] = 9;
  }
  clearEndpoint(cells.shared, 1);
  const known = (row: number): readonly number[] => [
    average.read(row),
    latencies.estimate(row, 2, SECOND_US),
    cells.reports[reportCell(row) + REPORT_WEIGHT] as number,
  ];
  assert.deepEqual([0, 1, 2].map(known), [
    [500, 700, 9],
    [0, 0, 0],
    [500, 700, 9],
  ]);
});
