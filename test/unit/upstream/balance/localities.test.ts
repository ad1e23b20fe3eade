/** Localities: who is where, effective weights as Envoy's documentation has them, weights shared out for hashes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointRecord } from '../../../../engine/plan/records.js';
import { effectiveWeights, localitiesOf, sharedOutWeights } from '../../../../engine/upstream/balance/localities.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

function placed(zones: readonly (readonly [string, number, number])[]): EndpointRecord[] {
  const records: EndpointRecord[] = [];
  for (const [zone, count, localityWeight] of zones)
    for (let i = 0; i < count; i++) records.push(endpointRecord(records.length, { zone, localityWeight }));
  return records;
}
const all = (records: readonly unknown[]): number[] => records.map((_, index) => index);
/** The share of each in ten thousand. */
const parts = (weights: readonly number[]): number[] => {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => Math.round((10000 * weight) / sum));
};

test('endpoints are grouped by region, zone and sub-zone, the one asked for first', () => {
  const records = [
    endpointRecord(0, { region: 'r', zone: 'b' }),
    endpointRecord(1, { region: 'r', zone: 'a' }),
    endpointRecord(2, { region: 'r', zone: 'b', subZone: 's' }),
    endpointRecord(3, { region: 'r', zone: 'b' }),
    endpointRecord(4),
  ];
  const found = localitiesOf(records, [0, 1, 2, 3, 4], [0, 1, 4], JSON.stringify(['r', 'b', '']));
  assert.deepEqual(
    found.map(({ members, eligible }) => [members, eligible]),
    [
      [[0, 3], [0]],
      [[4], [4]],
      [[1], [1]],
      [[2], []],
    ],
  );
});

test("weights shrink with the endpoints that are down, as in Envoy's example: 1 and 2 x 1.4 x 50 %", () => {
  const records = placed([
    ['x', 2, 1],
    ['y', 2, 2],
  ]);
  assert.deepEqual(effectiveWeights(localitiesOf(records, all(records), all(records)), 140), [1, 2]);
  assert.deepEqual(parts(effectiveWeights(localitiesOf(records, all(records), [0, 1, 2]), 140)), [4167, 5833]);
  assert.deepEqual(effectiveWeights(localitiesOf(records, all(records), [0, 1]), 140), [1, 0]);
  // 72 % well is as good as all; without overprovisioning every one that is missing counts.
  const large = placed([
    ['x', 100, 1],
    ['y', 100, 1],
  ]);
  const without = (missing: number): number[] => all(large).slice(missing);
  assert.deepEqual(effectiveWeights(localitiesOf(large, all(large), without(28)), 140), [1, 1]);
  assert.deepEqual(parts(effectiveWeights(localitiesOf(large, all(large), without(29)), 140)), [4985, 5015]);
  assert.deepEqual(effectiveWeights(localitiesOf(large, all(large), without(10)), 100), [9, 10]);
});

test("effective weights are in the formula's proportion, whatever the counts", () => {
  const zone = fc.record({
    count: fc.integer({ min: 1, max: 97 }),
    well: fc.nat({ max: 97 }),
    weight: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 4294967295 })),
  });
  fc.assert(
    fc.property(fc.array(zone, { minLength: 1, maxLength: 12 }), fc.integer({ min: 100, max: 300 }), (zones, over) => {
      const localities = zones.map(({ count, well, weight }, at) => ({
        name: String(at),
        weight,
        members: new Array<number>(count).fill(0),
        eligible: new Array<number>(Math.min(well, count)).fill(0),
      }));
      const expected = localities.map(
        ({ weight, members, eligible }) => weight * Math.min(1, ((over / 100) * eligible.length) / members.length),
      );
      const found = effectiveWeights(localities, over);
      const [most, mostFound] = [Math.max(...expected), Math.max(...found)];
      if (most === 0) return found.every((each) => each === 0);
      return found.every((each, at) => {
        const wanted = (expected[at] as number) / most;
        return Number.isInteger(each) && each === 0 ? wanted === 0 : Math.abs(each / mostFound - wanted) < 1e-9;
      });
    }),
  );
});

test('a weight that endpoints share out: each has its part of it, by its own weight', () => {
  const records = placed([
    ['x', 1, 3],
    ['y', 3, 1],
    ['z', 2, 0],
  ]).map((record, row) => (row === 3 ? { ...record, weight: 2 } : record));
  const shared = sharedOutWeights(localitiesOf(records, all(records), all(records)), records) as Float64Array;
  // x has three quarters; of y's quarter its third one has a half.
  assert.deepEqual([...shared], [12, 1, 1, 2, 0, 0]);
  const none = placed([
    ['x', 1, 0],
    ['y', 1, 0],
  ]);
  assert.equal(sharedOutWeights(localitiesOf(none, all(none), all(none)), none), null);
});
