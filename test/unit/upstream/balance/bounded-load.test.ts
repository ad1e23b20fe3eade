/** Bounded load: the bound at every request, nothing moved while all have room, and the steps that theory gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { buildPicker } from '../../../../engine/upstream/balance/build-picker.js';
import type { HashPolicyRecord } from '../../../../engine/upstream/balance/hash-tables.js';
import type { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { newSharedCellsMemory } from '../../../../engine/upstream/shared-cells.js';
import { endpoints, keys, MAGLEV, RING, tableOf } from '../../../support/hashing.js';

/** Places every key as a request that stays; answers requests by endpoint. law is called after each. */
function place(
  policy: HashPolicyRecord,
  table: EndpointTable,
  count: number,
  law: (active: number, placed: number, index: number) => void = () => {},
): { readonly active: number[]; readonly homeless: number } {
  const picker = buildPicker(policy, table, Prng.fromSeed(1));
  const unbound = buildPicker({ ...policy, balanceFactor: 0 }, table, Prng.fromSeed(1));
  let homeless = 0;
  keys(count).forEach((key, placed) => {
    const index = picker.pick(key, 0);
    if (index !== unbound.pick(key, 0)) homeless++;
    table.cells.add(table.requestCells[index] as number, 1);
    law(table.active(index), placed + 1, index);
  });
  return { active: table.records.map((_, index) => table.active(index)), homeless };
}

const fresh = (weights: readonly number[]): EndpointTable =>
  tableOf(
    endpoints(weights.length, (row) => ({ weight: weights[row] as number })),
    newSharedCellsMemory(),
  );

test('100 endpoints, 10,000 requests: none ever above ceil(factor x its share)', () => {
  for (const base of [RING, MAGLEV])
    for (const factor of [100, 110, 125, 200]) {
      const table = fresh(new Array(100).fill(1));
      place({ ...base, balanceFactor: factor }, table, 10000, (active, placed) => {
        const most = Math.ceil((factor * placed) / 100 / 100);
        assert.ok(active <= most, `${base.name} ${factor}: ${active} of ${placed}, at most ${most}`);
      });
    }
});

test('the bound goes by weight', () => {
  const weights = [1, 2, 3, 4, 10];
  const table = fresh(weights);
  place({ ...MAGLEV, balanceFactor: 110 }, table, 5000, (active, placed, index) => {
    const most = Math.ceil((110 * placed * (weights[index] as number)) / (100 * 20));
    assert.ok(active <= most, `${index}: ${active} of ${placed}, at most ${most}`);
  });
});

test('figures: the largest is at the bound, few requests leave their endpoint, and fewer the looser it is', () => {
  const run = (factor: number): { max: number; homeless: number } => {
    const table = fresh(new Array(100).fill(1));
    const policy: HashPolicyRecord = { ...RING, minimumRingSize: 10000, balanceFactor: factor };
    const { active, homeless } = place(policy, table, 10000);
    return { max: Math.max(...active) / 100, homeless: homeless / 10000 };
  };
  const tight = run(110);
  const usual = run(125);
  const loose = run(200);
  assert.equal(tight.max, 1.1);
  assert.ok(usual.max > 1.2 && usual.max <= 1.25, `${usual.max}`);
  assert.ok(loose.max < 1.5);
  assert.ok(tight.homeless > usual.homeless && usual.homeless > loose.homeless, JSON.stringify([tight, usual, loose]));
  assert.ok(usual.homeless < 0.05, `${usual.homeless}`);
});

test('while every endpoint has room a key stays where it belongs', () => {
  const table = fresh(new Array(20).fill(1));
  const bound = buildPicker({ ...MAGLEV, balanceFactor: 100 }, table, Prng.fromSeed(1));
  const free = buildPicker(MAGLEV, table, Prng.fromSeed(1));
  for (const key of keys(2000)) assert.equal(bound.pick(key, 0), free.pick(key, 0));
});

test('a retry goes to an untried endpoint even when only tried ones have room', () => {
  const table = fresh([1, 1]);
  table.cells.add(table.requestCells[1] as number, 50);
  const picker = buildPicker({ ...MAGLEV, balanceFactor: 100 }, table, Prng.fromSeed(1));
  for (const key of keys(50)) {
    assert.equal(picker.pick(key, 0), 0);
    assert.equal(picker.pick(key, 0b01), 1);
  }
});
