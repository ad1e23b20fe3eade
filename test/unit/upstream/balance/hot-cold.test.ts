/** Prequal's rule: the threshold is the quantile of the last 64 loads; cold before hot; latency among cold, load among hot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HotCold } from '../../../../engine/upstream/balance/hot-cold.js';

test('the threshold is the quantile of the last 64, whatever came before', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 0.25, 0.6, 0.84, 0.99),
      fc.array(fc.oneof(fc.nat(8), fc.nat(300), fc.nat(6000)), { minLength: 1, maxLength: 300 }),
      (quantile, loads) => {
        const rule = new HotCold(quantile);
        loads.forEach((load, at) => {
          rule.saw(load);
          const window = loads.slice(Math.max(0, at - 63), at + 1).map((each) => Math.min(each, 4095));
          const sorted = window.sort((a, b) => a - b);
          const wanted = Math.ceil(quantile * sorted.length);
          assert.equal(rule.threshold, wanted === 0 ? -1 : sorted[wanted - 1]);
        });
      },
    ),
  );
});

test('cold before hot, the fastest of the cold, the least loaded of the hot', () => {
  const rule = new HotCold(0.5);
  for (const load of [1, 2, 3, 4]) rule.saw(load);
  assert.equal(rule.threshold, 2);
  assert.equal(rule.isBetter(2, 9000, 3, 100), true, 'cold and slow before hot and fast');
  assert.equal(rule.isBetter(2, 100, 1, 200), true, 'both cold: the faster');
  assert.equal(rule.isBetter(1, 100, 2, 100), true, 'both cold and as fast: the less loaded');
  assert.equal(rule.isBetter(4, 100, 3, 9000), false, 'both hot: the less loaded');
  assert.equal(rule.isBetter(1, 0, 0, 50), true, 'unknown latency is worth a try');
});

test('Q = 0 is load alone, Q = 1 latency alone', () => {
  const load = new HotCold(0);
  const latency = new HotCold(1);
  for (const each of [0, 0, 5]) {
    load.saw(each);
    latency.saw(each);
  }
  assert.equal(load.isHot(0), true);
  assert.equal(load.isBetter(0, 9000, 1, 1), true);
  assert.equal(latency.isHot(4000), false);
  assert.equal(latency.isBetter(100, 1, 0, 2), true);
});
