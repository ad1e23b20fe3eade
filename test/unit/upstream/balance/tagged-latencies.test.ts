/** Latencies by load: the median of the last eight, at the nearest load that is known, of one server alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TAGGED_INTS, TaggedLatencies } from '../../../../engine/upstream/balance/tagged-latencies.js';

const SECOND_US = 1e6;
const store = (servers = 2): TaggedLatencies =>
  new TaggedLatencies(new Int32Array(TAGGED_INTS * servers), 60 * SECOND_US);

test('the lower median of the last eight at that load', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 60 }), (samples) => {
      const latencies = store();
      samples.forEach((sample, at) => {
        latencies.record(1, 3, sample, SECOND_US);
        const last = samples.slice(Math.max(0, at - 7), at + 1).sort((a, b) => a - b);
        assert.equal(latencies.estimate(1, 3, SECOND_US), last[(last.length - 1) >> 1]);
      });
      assert.equal(latencies.estimate(0, 3, SECOND_US), 0);
    }),
  );
});

test('loads are kept apart, and the nearest known one answers', () => {
  const latencies = store();
  latencies.record(0, 2, 200, SECOND_US);
  latencies.record(0, 8, 800, SECOND_US);
  for (const [rif, want] of [
    [0, 200],
    [2, 200],
    [5, 200],
    [6, 800],
    [8, 800],
    [5000, 800],
  ] as const)
    assert.equal(latencies.estimate(0, rif, SECOND_US), want, `at ${rif}`);
});

test('from 16 on there are two steps for each doubling, in order, up to any load', () => {
  const latencies = store(1);
  const steps = [0, 1, 15, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072];
  steps.forEach((rif, at) => {
    latencies.record(0, rif, at + 1, SECOND_US);
  });
  steps.forEach((rif, at) => {
    assert.equal(latencies.estimate(0, rif, SECOND_US), at + 1, `at ${rif}`);
    const last = (steps[at + 1] ?? 1e6) - 1;
    if (rif >= 15) assert.equal(latencies.estimate(0, last, SECOND_US), at + 1, `at ${last}`);
  });
});

test('nobody was sent there for long: nothing is known any more', () => {
  const latencies = store();
  latencies.record(0, 4, 900, SECOND_US);
  assert.equal(latencies.estimate(0, 4, 60 * SECOND_US), 900);
  assert.equal(latencies.estimate(0, 4, 63 * SECOND_US), 0);
  latencies.record(0, 1, 100, 70 * SECOND_US);
  assert.equal(latencies.estimate(0, 4, 70 * SECOND_US), 100, 'what was void does not come back');
});

test('latencies of nothing and of ages are kept as what can be', () => {
  const latencies = store();
  latencies.record(0, 0, 0, SECOND_US);
  assert.equal(latencies.estimate(0, 0, SECOND_US), 1, 'known, so not 0');
  latencies.record(1, 0, 1e15, SECOND_US);
  assert.equal(latencies.estimate(1, 0, SECOND_US), 0x7fffffff);
});
