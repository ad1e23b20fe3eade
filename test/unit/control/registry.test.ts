/** Numbers of a plan: stable for a name, dense, and harmless when there are no more of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlanRegistry, UNMEASURED } from '../../../engine/control/registry.js';
import type { EndpointPlace } from '../../../engine/control/endpoint-numbers.js';
import { ENDPOINT } from '../../../engine/metrics/declare.js';
import { COUNTERS_MAX, newMetricsMemory, WorkerMetrics } from '../../../engine/metrics/slots.js';
import type { SnapshotPlan } from '../../../engine/plan/records.js';

test('a name keeps its number, another one gets the next', () => {
  const registry = new PlanRegistry();
  assert.deepEqual(
    ['a', 'b', 'a', 'c'].map((name) => registry.cluster(name)),
    [0, 1, 0, 2],
  );
  assert.equal(registry.listener('a'), 0);
  assert.equal(registry.endpoint('a|127.0.0.1:1').row, 0);
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
  // 65,536 endpoints fit beside what this takes before them.
  for (let i = 0; registry.metrics('http', `h${i}`).counters < COUNTERS_MAX / 2; i++);
  let full = registry.endpoint('first').metrics;
  for (let i = 0; full.counters >= 0; i++) full = registry.endpoint(`e${i}`).metrics;
  assert.equal(full.counters, UNMEASURED);
  assert.ok(registry.countersUsed < COUNTERS_MAX);
  const cluster = registry.metrics('cluster', 'late');
  assert.ok(cluster.counters >= 0, 'endpoints leave room for clusters');
  const metrics = new WorkerMetrics(newMetricsMemory());
  for (let i = 0; i < 200; i++) metrics.add(full.counters + i, 1);
  assert.ok(metrics.counters.subarray(0, COUNTERS_MAX).every((count) => count === 0));
});

/** A plan with these endpoints in one cluster. */
function planWith(registry: PlanRegistry, keys: readonly string[]): SnapshotPlan {
  const endpoints = keys.map((key) => ({ key, ...registry.endpoint(key) }));
  return { clusters: [{ endpoints }] } as unknown as SnapshotPlan;
}

test('endpoints that come and go for hours take no more rows and counters than are there at a time', () => {
  const registry = new PlanRegistry();
  const cleared: number[] = [];
  const memory = { isRowIdle: () => true, clear: ({ row }: EndpointPlace) => cleared.push(row) };
  const rows = new Set<number>();
  for (let i = 0, nowMs = 0; i < 100_000; i += 10, nowMs += 5000) {
    const plan = planWith(
      registry,
      Array.from({ length: 10 }, (_, at) => `c|10.0.0.1:${i + at}`),
    );
    for (const { row } of plan.clusters[0]?.endpoints ?? []) rows.add(row);
    registry.sweep(plan, memory, nowMs);
  }
  assert.ok(rows.size <= 50, `${rows.size} rows`);
  assert.ok(cleared.length > 99_000);
  assert.ok(registry.countersUsed <= 50 * ENDPOINT.names.length);
  assert.equal([...registry.scopes()].length, 10, 'those that are gone are not shown');
});

test('a row goes to nobody else while it is busy, nor before it has rested; two endpoints never share one', () => {
  const registry = new PlanRegistry();
  let busy = new Set<number>();
  const memory = { isRowIdle: (row: number) => !busy.has(row), clear: () => {} };
  const [a, b] = [registry.endpoint('a').row, registry.endpoint('b').row];
  registry.sweep(planWith(registry, []), memory, 0);
  assert.equal(registry.endpoint('b').row, b, 'back before its rest is over: its own again');
  const none = planWith(registry, []);
  registry.sweep(none, memory, 1000);
  assert.notEqual(registry.endpoint('c').row, a, 'not rested');
  busy = new Set([a]);
  registry.sweep(none, memory, 20_000);
  const [d, e] = [registry.endpoint('d').row, registry.endpoint('e').row];
  assert.equal(d, b, 'idle and rested');
  assert.notEqual(e, a, 'busy');
  busy.clear();
  registry.sweep(planWith(registry, ['d', 'e']), memory, 21_000);
  assert.equal(registry.endpoint('f').row, a);
});
