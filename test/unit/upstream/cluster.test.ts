/** Cluster: request counts, breakers, and what each end of a request is counted as. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DOWN_GONE,
  STREAM_IDLE_RESPONSE,
  UP_BAD_FRAMING,
  UP_CONNECT_REFUSED,
  UP_OVERFLOW,
  UP_RESET,
  UP_TIMEOUT,
  UP_TRUNCATED,
} from '../../../engine/fault/faults.js';
import { NO_HASH } from '../../../engine/upstream/balance/request-hash.js';
import { OverrideHost } from '../../../engine/upstream/override-host.js';
import { openBreakers } from '../../../engine/upstream/breaker.js';
import {
  CLUSTER_REQUESTS,
  clusterCell,
  ENDPOINT_REQUESTS,
  endpointCell,
} from '../../../engine/upstream/shared-cells.js';
import { breakers, clusterRecord, endpointRecord, UpstreamHarness } from '../../support/upstream-harness.js';

test('a request counts from start to finish, in the cluster and at its endpoint', () => {
  const harness = new UpstreamHarness();
  const pool = harness.cluster.pool(0);
  assert.ok(harness.cluster.requestStarted(pool, false));
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_REQUESTS)), 1);
  assert.equal(harness.cells.load(endpointCell(0, ENDPOINT_REQUESTS)), 1);
  assert.equal(harness.countEndpoint(0, 'rq_active'), 1);
  harness.cluster.requestFinished(pool, false, 204, 0, 1500, 0, 1000);
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_REQUESTS)), 0);
  assert.equal(harness.cells.load(endpointCell(0, ENDPOINT_REQUESTS)), 0);
  for (const name of ['upstream_rq_total', 'upstream_rq_completed', 'upstream_rq_2xx', 'upstream_rq_204'] as const)
    assert.equal(harness.count(name), 1, name);
  assert.equal(harness.count('upstream_rq_active'), 0);
  assert.equal(harness.countEndpoint(0, 'rq_success'), 1);
});

test('each end of a request without an answer is counted as what it was', () => {
  const ends = [
    [UP_TIMEOUT, 900, 'upstream_rq_timeout'],
    [UP_RESET, 900, 'upstream_rq_rx_reset'],
    [DOWN_GONE, 900, 'upstream_rq_tx_reset'],
    [STREAM_IDLE_RESPONSE, 900, 'upstream_rq_tx_reset'],
    [UP_BAD_FRAMING, 900, 'upstream_rq_tx_reset'],
    [DOWN_GONE, 0, 'upstream_rq_cancelled'],
    [UP_CONNECT_REFUSED, 0, null],
    [UP_OVERFLOW, 0, null],
  ] as const;
  const names = [
    'upstream_rq_timeout',
    'upstream_rq_rx_reset',
    'upstream_rq_tx_reset',
    'upstream_rq_cancelled',
  ] as const;
  for (const [fault, latencyUs, counted] of ends) {
    const harness = new UpstreamHarness();
    const pool = harness.cluster.pool(0);
    harness.cluster.requestStarted(pool, false);
    harness.cluster.requestFinished(pool, false, 0, fault, latencyUs, 0, latencyUs);
    for (const name of names) assert.equal(harness.count(name), name === counted ? 1 : 0, `${fault} ${name}`);
    assert.equal(harness.countEndpoint(0, 'rq_error'), 1);
  }
});

test('an answer that breaks off, or that nobody waits for any more, is counted as a reset, too', () => {
  for (const [fault, counted] of [
    [UP_TRUNCATED, 'upstream_rq_rx_reset'],
    [UP_TIMEOUT, 'upstream_rq_tx_reset'],
    [STREAM_IDLE_RESPONSE, 'upstream_rq_tx_reset'],
    [DOWN_GONE, 'upstream_rq_tx_reset'],
  ] as const) {
    const harness = new UpstreamHarness();
    const pool = harness.cluster.pool(0);
    harness.cluster.requestStarted(pool, false);
    harness.cluster.requestFinished(pool, false, 200, fault, 900, 0, 900);
    assert.deepEqual([harness.count('upstream_rq_2xx'), harness.count(counted)], [1, 1]);
    // Envoy: of those that nothing was heard of.
    assert.equal(harness.count('upstream_rq_timeout'), 0);
  }
});

test('max_requests: exact over workers, per priority, and free again after the end', () => {
  const shared = new UpstreamHarness().cells.shared.buffer as SharedArrayBuffer;
  const limits = { breakers: breakers({ maxRequests: 3 }) };
  const workers = [new UpstreamHarness(limits, shared), new UpstreamHarness(limits, shared)];
  const start = (worker: number, isHigh = false): boolean => {
    const { cluster } = workers[worker] as UpstreamHarness;
    return cluster.requestStarted(cluster.pool(0), isHigh);
  };
  assert.deepEqual([start(0), start(1), start(0), start(1)], [true, true, true, false]);
  assert.equal(workers[1]?.cluster.lastFault, UP_OVERFLOW);
  assert.equal(workers[1]?.count('upstream_rq_pending_overflow'), 1);
  assert.ok(start(1, true));
  const { cluster } = workers[0] as UpstreamHarness;
  cluster.requestFinished(cluster.pool(0), false, 200, 0, 1, 0, 1);
  assert.ok(start(1));
});

test('max_retries: refused and counted when so many are under way', () => {
  const harness = new UpstreamHarness({ breakers: breakers({ maxRetries: 1 }) });
  assert.ok(harness.cluster.retryStarted(false));
  assert.ok(!harness.cluster.retryStarted(false));
  assert.ok(harness.cluster.retryStarted(true));
  harness.cluster.retryFinished(false);
  assert.ok(harness.cluster.retryStarted(false));
  assert.equal(harness.count('upstream_rq_retry_overflow'), 1);
  assert.equal(harness.count('upstream_rq_retry'), 3);
});

test('breakers are shown open while nothing more gets through', () => {
  const record = clusterRecord({ breakers: breakers({ maxRequests: 1, maxConnections: 1 }) });
  const harness = new UpstreamHarness(record);
  const open = (): string[] =>
    openBreakers(harness.cells.shared, record)
      .filter(([, value]) => value === 1)
      .map(([name]) => name);
  assert.deepEqual(open(), []);
  harness.cluster.requestStarted(harness.cluster.pool(0), false);
  harness.request();
  assert.deepEqual(open(), ['circuit_breakers.default.cx_open', 'circuit_breakers.default.rq_open']);
  assert.equal(openBreakers(harness.cells.shared, record).length, 8);
});

test('picks: none is counted; another one is known to be there or not', () => {
  const harness = new UpstreamHarness({ endpoints: [endpointRecord(0), endpointRecord(1)] });
  assert.ok(harness.cluster.hasOther(0, 0));
  assert.ok(!harness.cluster.hasOther(1, 1));
  harness.cluster.update(clusterRecord({ endpoints: [endpointRecord(0, { health: 'UNHEALTHY' })], panicPercent: 0 }));
  assert.equal(harness.cluster.pick(NO_HASH, 0), -1);
  assert.equal(harness.count('upstream_cx_none_healthy'), 1);
});

test('a request that names its endpoint gets it, in any priority, unless it is unhealthy, gone or was left', () => {
  const endpoints = [0, 1, 2, 3].map((row) =>
    endpointRecord(row, {
      address: { family: 4, host: '10.0.0.1', port: 80 + row },
      priority: row === 1 ? 1 : 0,
      health: row === 2 ? 'UNHEALTHY' : row === 3 ? 'DEGRADED' : 'HEALTHY',
    }),
  );
  const { cluster } = new UpstreamHarness({ endpoints });
  const host = new OverrideHost();
  const pick = (text: string, isStrict = false): number => {
    host.set(Buffer.from(text), 0, text.length, isStrict);
    return cluster.pickHost(host, NO_HASH, 0);
  };
  assert.deepEqual(
    ['10.0.0.1:81', '10.0.0.1:83', '10.0.0.1:80'].map((text) => pick(text, true)),
    [1, 3, 0],
  );
  assert.ok(host.isPicked);
  for (const text of ['10.0.0.1:82', '10.0.0.1:8', 'x'.repeat(500)]) {
    // Priorities share by what is healthy: whom the policy picks is open, but it is none that is down.
    assert.ok([0, 1, 3].includes(pick(text)), text);
    assert.ok(!host.isPicked);
    assert.equal(pick(text, true), -1);
  }
  pick('10.0.0.1:81');
  host.isLeft = true;
  assert.notEqual(cluster.pickHost(host, NO_HASH, 0), -1);
  assert.ok(!host.isPicked);
  cluster.update(clusterRecord({ endpoints: endpoints.slice(1) }));
  assert.equal(pick('10.0.0.1:80', true), -1);
  assert.equal(pick('10.0.0.1:81', true), 0);
});
