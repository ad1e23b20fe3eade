/** Honest clocks: a server that freezes must show in the percentiles of an open loop, as it would for its users. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backends } from '../../bench/backend/backends.js';
import { runOpenLoop } from '../../bench/generator/load-run.js';
import { decode, percentileMs } from '../../bench/latencies.js';
import { freePort } from '../support/free-port.js';
import { QUICK_BACKEND } from '../support/quick-backend.js';

const FREEZE_MS = 1000;
const RATE = 1000;
const SECONDS = 10;

test('a freeze of 1 s in 10 s at 1,000/s is seen by a tenth of the requests and more', async () => {
  const targetPort = await freePort();
  // It can do 1,600/s, so that what piled up takes its time to go.
  const latency = { distribution: 'CONSTANT', meanMs: 5, sigma: 0 } as const;
  const settings = { ...QUICK_BACKEND, latency, concurrency: 8, bodyBytes: 128 };
  const backends = await Backends.start([settings], [targetPort], 1);
  const timers: NodeJS.Timeout[] = [];
  const report = await runOpenLoop(
    {
      host: '127.0.0.1',
      targetPorts: [targetPort],
      connections: 50,
      rate: RATE,
      arrivals: 'UNIFORM',
      warmUpS: 0,
      durationS: SECONDS,
      timeoutMs: 20_000,
      mix: [{ method: 'GET', path: '/', bodyBytes: 0, weight: 1 }],
      keys: null,
      backends: 1,
      seed: 1,
      control: new Int32Array(new SharedArrayBuffer(4)),
    },
    1,
    () => timers.push(setTimeout(() => backends.change(0, { freezeMs: FREEZE_MS }), 3000)),
  );
  await backends.stop();
  assert.deepEqual([report.sent, report.good, report.errors], [RATE * SECONDS, RATE * SECONDS, {}]);
  const latencies = decode(report.latencies);
  // The only figures of time that a test looks at: as a part of the freeze.
  const ofFreeze = (percentile: number): number => percentileMs(latencies, percentile) / FREEZE_MS;
  assert.ok(ofFreeze(90) > 0.1, `p90 is ${ofFreeze(90)} of the freeze`);
  assert.ok(ofFreeze(99) > 0.7, `p99 is ${ofFreeze(99)} of the freeze`);
});
