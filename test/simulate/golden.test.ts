/** Golden figures, the quick ones: the engine's pickers do what theory says when they are simulated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binChecks, type Check, GoldenRuns, sharingChecks, supermarketChecks } from '../../bench/simulate/golden.js';
import { policyNamed } from '../../bench/simulate/policies.js';
import { scenarioNamed } from '../../bench/simulate/scenarios.js';
import { oneDispatcherChecks, prequalClaimChecks } from '../../bench/simulate/prequal-golden.js';
import { Simulation } from '../../bench/simulate/simulation.js';
import { supermarketMean } from '../../bench/simulate/supermarket.js';

function assertGood(checks: readonly Check[]): void {
  assert.ok(checks.length > 0);
  for (const { name, expected, measured, isGood } of checks)
    assert.ok(isGood, `${name}: expected ${expected}, measured ${measured}`);
}

test('the formula of the supermarket model gives the published means', () => {
  const published = [
    [0.9, 1, 10],
    [0.5, 2, 1.266],
    [0.95, 2, 3.383],
    [0.99, 3, 3.858],
  ] as const;
  for (const [load, choices, mean] of published)
    assert.ok(Math.abs(supermarketMean(load, choices) - mean) < 0.001, `${load} ${choices}`);
});

test('supermarket model: means within 2 %', () => assertGood(supermarketChecks(new GoldenRuns(1), 'quick')));

test('balls in bins', () => assertGood(binChecks(1, 'quick')));

test('counts of eight workers, shared and not', () => assertGood(sharingChecks(new GoldenRuns(1), 'quick')));

const SHORT = { warmUpRequests: 1000, requests: 20_000 };

test('the same seed gives the same run, another seed another one', () => {
  const run = (seed: number): number =>
    new Simulation({ ...scenarioNamed('antagonist'), ...SHORT }, policyNamed('p2c'), seed).run().mean;
  assert.equal(run(7), run(7));
  assert.notEqual(run(7), run(8));
});

test('late requests that are cancelled end at the timeout, and their servers forget them', () => {
  const scenario = { ...scenarioNamed('timeouts'), ...SHORT, load: 1.5 };
  const measurements = new Simulation(scenario, policyNamed('rr'), 1).run();
  assert.ok(measurements.lateShare > 0.1);
  assert.ok(measurements.max <= scenario.timeout * 1.001);
  assert.equal(measurements.requests, SHORT.requests);
  // Whoever is given up leaves: at twice the capacity queues would grow without end.
  assert.ok(measurements.found(100) < 500);
});

test('failures come with the share that the scenario says', () => {
  const { failureShare } = new Simulation({ ...scenarioNamed('failing-fast'), ...SHORT }, policyNamed('rr'), 1).run();
  assert.ok(Math.abs(failureShare - 0.025) < 0.004, String(failureShare));
});

test('least-request is drawn to the server that fails fast', () => {
  const shareOfFirst = (policy: string): number => {
    const run = new Simulation({ ...scenarioNamed('failing-fast'), ...SHORT }, policyNamed(policy), 1).run();
    return (run.requestsAt[0] as number) / (SHORT.requests / 20);
  };
  assert.ok(shareOfFirst('rr') < 1.05);
  assert.ok(shareOfFirst('scan') > 1.3, String(shareOfFirst('scan')));
});

test('Prequal: against true counts, local counts, other Qs and probe rates', () =>
  assertGood(prequalClaimChecks(new GoldenRuns(1))));

test('one proxy for all: published tails, and the naive latency estimate that runs away', () =>
  assertGood(oneDispatcherChecks(new GoldenRuns(1))));
