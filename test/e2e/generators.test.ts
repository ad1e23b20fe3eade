/** Several generator threads make the load of one: the same number of requests, all answered, over all their connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backends } from '../../bench/backend/backends.js';
import { runClosedLoop, runOpenLoop } from '../../bench/generator/load-run.js';
import { decode } from '../../bench/latencies.js';
import { freePort } from '../support/free-port.js';
import { QUICK_BACKEND } from '../support/quick-backend.js';

const COMMON = {
  host: '127.0.0.1',
  timeoutMs: 5000,
  mix: [{ method: 'GET', path: '/', bodyBytes: 0, weight: 1 }],
  control: new Int32Array(new SharedArrayBuffer(4)),
} as const;

test('an open loop by one, two and three threads', async () => {
  const targetPorts = [await freePort(), await freePort()];
  const backends = await Backends.start([QUICK_BACKEND, QUICK_BACKEND], targetPorts, 1);
  const sent: number[] = [];
  for (const generators of [1, 2, 3]) {
    const report = await runOpenLoop(
      {
        ...COMMON,
        targetPorts,
        connections: 10,
        rate: 500,
        arrivals: 'POISSON',
        warmUpS: 0,
        durationS: 1,
        keys: { count: 50, distribution: 'UNIFORM', exponent: 1, header: 'x-key' },
        backends: 2,
        seed: 3,
      },
      generators,
    );
    assert.deepEqual([report.generators, report.errors, report.good], [generators, {}, report.sent]);
    assert.equal(decode(report.latencies).totalCount, report.sent);
    assert.equal((report.byBackend[0] as number) + (report.byBackend[1] as number), report.sent);
    assert.ok((report.byBackend[0] as number) > 0 && (report.byBackend[1] as number) > 0, 'both ports were asked');
    sent.push(report.sent);
  }
  assert.deepEqual(sent, Array(3).fill(sent[0]));
  await backends.stop();
});

test('a closed loop by two threads', async () => {
  const targetPort = await freePort();
  const backends = await Backends.start([QUICK_BACKEND], [targetPort], 1);
  const report = await runClosedLoop({ ...COMMON, targetPort, connections: 4, durationS: 1 }, 2);
  assert.deepEqual([report.generators, report.kind, report.errors], [2, 'closed', {}]);
  assert.ok(report.good > 10, `${report.good} answers`);
  await backends.stop();
});
