/** Loads of priorities: Envoy's own tables, panic, and what rounding leaves over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointRecord } from '../../../engine/plan/records.js';
import { priorityLoads } from '../../../engine/upstream/priority-loads.js';
import { endpointRecord } from '../../support/upstream-harness.js';

/** For each priority: healthy, degraded and unhealthy endpoints. */
type Counts = readonly (readonly [number, number, number])[];

function records(counts: Counts): EndpointRecord[] {
  const healths = ['HEALTHY', 'DEGRADED', 'UNHEALTHY'] as const;
  return counts
    .flatMap((level, priority) =>
      level.flatMap((count, kind) => Array.from({ length: count }, () => ({ priority, health: healths[kind] }))),
    )
    .map((overrides, row) => endpointRecord(row, overrides as Partial<EndpointRecord>));
}

/** "P0 72, P1 28"; ! = panic, ~ = degraded endpoints. */
function loads(counts: Counts, panicPercent = 0, overprovisioning = 140): string {
  const all = records(counts);
  return priorityLoads(all, overprovisioning, panicPercent)
    .map(({ priority, load, isPanic, indexes }) => {
      const isDegraded = !isPanic && indexes.every((index) => all[index]?.health === 'DEGRADED');
      return `P${priority} ${load}${isPanic ? '!' : ''}${isDegraded ? '~' : ''}`;
    })
    .join(', ');
}
const percent = (...healthy: readonly number[]): Counts => healthy.map((each) => [each, 0, 100 - each] as const);

test("two priorities, the second one well: Envoy's table", () => {
  for (const [healthy, want] of [
    [100, 'P0 100'],
    [72, 'P0 100'],
    [71, 'P0 99, P1 1'],
    [50, 'P0 70, P1 30'],
    [25, 'P0 35, P1 65'],
    [0, 'P1 100'],
  ] as const)
    assert.equal(loads(percent(healthy, 100)), want, String(healthy));
});

test('too little everywhere: in proportion, and the rest of the rounding to the first', () => {
  assert.equal(loads(percent(25, 25)), 'P0 50, P1 50');
  assert.equal(loads(percent(25, 25, 20)), 'P0 36, P1 36, P2 28');
  assert.equal(loads(percent(25, 0, 25)), 'P0 50, P2 50');
  assert.equal(loads([[1, 0, 0]]), 'P0 100');
});

test('another overprovisioning factor', () => {
  assert.equal(loads(percent(50, 100), 0, 100), 'P0 50, P1 50');
  assert.equal(loads(percent(50, 100), 0, 200), 'P0 100');
});

test('degraded endpoints take what the healthy ones leave', () => {
  assert.equal(loads([[0, 10, 0]]), 'P0 100~');
  assert.equal(loads([[50, 50, 0]]), 'P0 70, P0 30~');
  assert.equal(
    loads([
      [50, 50, 0],
      [100, 0, 0],
    ]),
    'P0 70, P1 30',
  );
});

test('panic: only when all together have less than 100, and for those that are below the threshold', () => {
  assert.equal(loads(percent(30), 50), 'P0 100!');
  assert.equal(loads(percent(40, 100), 50), 'P0 56, P1 44', 'P1 is there');
  assert.equal(loads(percent(5, 60), 50), 'P0 8!, P1 92');
  assert.equal(loads(percent(30), 20), 'P0 100');
  assert.equal(loads([[20, 40, 40]], 50), 'P0 33, P0 67~', 'degraded ones are well enough');
});

test('all in panic: by size', () => {
  assert.equal(loads(percent(0), 50), 'P0 100!');
  assert.equal(
    loads(
      [
        [0, 0, 20],
        [0, 0, 60],
        [10, 0, 20],
      ],
      50,
    ),
    'P0 19!, P1 54!, P2 27!',
  );
  assert.equal(loads([], 50), '');
});

test('nobody is well and panic is off: nobody is picked', () => {
  assert.equal(loads(percent(0, 0), 0), '');
});

test('loads are above 0, sum up to 100, and each has endpoints', () => {
  const level = fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12));
  fc.assert(
    fc.property(
      fc.array(level, { maxLength: 5 }),
      fc.constantFrom(0, 20, 50, 100),
      fc.constantFrom(100, 140, 300),
      (counts, panicPercent, overprovisioning) => {
        const found = priorityLoads(records(counts), overprovisioning, panicPercent);
        if (found.length === 0) return;
        assert.equal(
          found.reduce((sum, { load }) => sum + load, 0),
          100,
        );
        for (const { load, indexes } of found) {
          assert.ok(load > 0);
          assert.ok(indexes.length > 0, JSON.stringify(counts));
        }
      },
    ),
    { numRuns: 500 },
  );
});
