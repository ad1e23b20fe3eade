/** Tests of what simulated requests and responses carry: keys with hot ones among them, and load reports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jobs } from '../../bench/simulate/jobs.js';
import { LoadReporter } from '../../bench/simulate/load-reporter.js';
import { policyNamed } from '../../bench/simulate/policies.js';
import { RequestKeys } from '../../bench/simulate/request-keys.js';
import { SERVICE_US } from '../../bench/simulate/scenario.js';
import { scenarioNamed } from '../../bench/simulate/scenarios.js';
import { Server } from '../../bench/simulate/server.js';
import { Simulation } from '../../bench/simulate/simulation.js';
import { Prng } from '../../engine/base/prng.js';
import { LoadReport } from '../../engine/upstream/balance/load-report.js';
import { readLoadReport } from '../../engine/upstream/balance/load-report-formats.js';

test('the k-th key comes as often as 1 / k says, each with a hash of its own', () => {
  const keys = new RequestKeys({ count: 100, exponent: 1 }, Prng.fromSeed(1));
  const counts = new Map<string, number>();
  for (let i = 0; i < 100_000; i++) {
    const { low, high, isSet } = keys.draw();
    assert.ok(isSet);
    counts.set(`${low} ${high}`, (counts.get(`${low} ${high}`) ?? 0) + 1);
  }
  assert.equal(counts.size, 100);
  const [first, second] = [...counts.values()].sort((a, b) => b - a) as [number, number];
  // The harmonic sum of 100 is 5.187.
  assert.ok(Math.abs(first / 100_000 - 1 / 5.187) < 0.01, String(first));
  assert.ok(Math.abs(second / first - 0.5) < 0.05, String(second));
});

test('a request is at home where the one before with its key was', () => {
  const keys = new RequestKeys({ count: 1, exponent: 0 }, Prng.fromSeed(1));
  const seen = [3, 3, 4, 3].map((server) => {
    keys.draw();
    return keys.isAtHome(server);
  });
  assert.deepEqual(seen, [false, true, false, false]);
});

test('a server reports utilization, requests and errors per second of the window that is over', () => {
  const jobs = new Jobs();
  const server = new Server(jobs, 'sharing', 2, 0.5);
  const reporter = new LoadReporter([server]);
  const report = new LoadReport([]);
  // One core of two is busy for the whole window.
  for (let i = 0; i < 10; i++) {
    const job = jobs.add();
    jobs.demandUs[job] = SERVICE_US / 2;
    jobs.isFailure[job] = i < 5 ? 1 : 0;
    server.join(job, i * SERVICE_US);
    assert.equal(readLoadReport(reporter.head(0, i * SERVICE_US), report), false);
    server.finish((i + 1) * SERVICE_US);
  }
  assert.equal(readLoadReport(reporter.head(0, 10 * SERVICE_US), report), true);
  assert.deepEqual([report.utilization, report.rps, report.eps], [0.5, 1e6 / SERVICE_US, 5e5 / SERVICE_US]);
});

const SHORT = { warmUpRequests: 20_000, requests: 40_000 };

test('weights from load reports follow speeds that nobody has configured', () => {
  const scenario = { ...scenarioNamed('half-slow-85'), ...SHORT };
  const { requestsAt } = new Simulation(scenario, policyNamed('cswrr'), 1).run();
  const share = requestsAt.slice(0, 50).reduce((sum, count) => sum + count, 0) / SHORT.requests;
  assert.ok(Math.abs(share - 1 / 3) < 0.03, String(share));
});

test('hashing keeps keys at home and drowns the owner of a hot one; with a bound it does neither wholly', () => {
  const run = (policy: string) =>
    new Simulation({ ...scenarioNamed('hot-keys'), ...SHORT }, policyNamed(policy), 1).run();
  const maglev = run('maglev');
  const bounded = run('maglev-125');
  assert.ok(maglev.homeShare > 0.8, String(maglev.homeShare));
  assert.ok(maglev.spread > 4, String(maglev.spread));
  assert.ok(bounded.homeShare > 0.1 && bounded.homeShare < maglev.homeShare, String(bounded.homeShare));
  assert.ok(bounded.spread < 1.6, String(bounded.spread));
  assert.ok(bounded.percentile(99) < maglev.percentile(99) / 10);
});
