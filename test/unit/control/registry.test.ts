/** Numbers of a plan: stable for a name, dense, and harmless when there are no more of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlanRegistry, UNMEASURED } from '../../../engine/control/registry.js';
import { COUNTERS_MAX, newMetricsMemory, WorkerMetrics } from '../../../engine/metrics/slots.js';

test('a name keeps its number, another one gets the next', () => {
  const registry = new PlanRegistry();
  assert.deepEqual(
    ['a', 'b', 'a', 'c'].map((name) => registry.cluster(name)),
    [0, 1, 0, 2],
  );
  assert.equal(registry.listener('a'), 0);
  assert.equal(registry.endpoint('127.0.0.1:1 a'), 0);
  assert.equal(registry.metrics('cluster', 'a'), registry.metrics('cluster', 'a'));
});

test('more clusters than fit are refused by name of what there is too much of', () => {
  const registry = new PlanRegistry();
  assert.throws(() => {
    for (let i = 0; i < 1_000_000; i++) registry.cluster(`c${i}`);
  }, /^Error: more than \d+ clusters in the life of this process$/);
});

test('endpoints without room are not measured; what others count stays right', () => {
  const registry = new PlanRegistry();
  let full = registry.metrics('endpoint', 'first');
  for (let i = 0; full.counters >= 0; i++) full = registry.metrics('endpoint', `e${i}`);
  assert.equal(full.counters, UNMEASURED);
  assert.ok(registry.countersUsed < COUNTERS_MAX);
  const cluster = registry.metrics('cluster', 'late');
  assert.ok(cluster.counters >= 0, 'endpoints leave room for clusters');
  const metrics = new WorkerMetrics(newMetricsMemory());
  for (let i = 0; i < 200; i++) metrics.add(full.counters + i, 1);
  assert.ok(metrics.counters.subarray(0, COUNTERS_MAX).every((count) => count === 0));
});
