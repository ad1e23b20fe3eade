/** Golden figures: what theory and earlier simulations say, beside what this simulator measures with the engine's pickers. */
import { figure } from '../terminal/table.js';
import { fullestBin } from './balls-in-bins.js';
import type { Measurements } from './measurements.js';
import { policyNamed } from './policies.js';
import type { Scenario } from './scenario.js';
import { manyWorkers, supermarket } from './scenarios.js';
import { Simulation } from './simulation.js';
import { supermarketMean } from './supermarket.js';

export interface Check {
  readonly group: string;
  readonly name: string;
  readonly expected: string;
  readonly measured: string;
  /** What was measured, as a number. */
  readonly value: number;
  readonly isGood: boolean;
}

/** Runs, and keeps what was run, so that checks may share it. */
export class GoldenRuns {
  readonly #seed: number;
  readonly #runs = new Map<string, Measurements>();
  readonly #onProgress: (label: string, share: number) => void;

  constructor(seed: number, onProgress: (label: string, share: number) => void = () => {}) {
    this.#seed = seed;
    this.#onProgress = onProgress;
  }

  get seed(): number {
    return this.#seed;
  }

  of(scenario: Scenario, policy: string): Measurements {
    const key = JSON.stringify([scenario, policy]);
    const before = this.#runs.get(key);
    if (before !== undefined) return before;
    const simulation = new Simulation(scenario, policyNamed(policy), this.#seed);
    const label = `${scenario.name} ${policy}`;
    while (simulation.advance(200_000)) this.#onProgress(label, simulation.progress);
    this.#runs.set(key, simulation.measurements);
    return simulation.measurements;
  }
}

/** A figure within a share of what is expected. */
export function near(group: string, name: string, expected: number, measured: number, tolerance: number): Check {
  return {
    group,
    name,
    expected: `${figure(expected)} +- ${figure(tolerance * 100)} %`,
    measured: figure(measured),
    value: measured,
    isGood: Math.abs(measured / expected - 1) <= tolerance,
  };
}

export function between(group: string, name: string, least: number, most: number, measured: number): Check {
  const isGood = measured >= least && measured <= most;
  const expected = most === Number.POSITIVE_INFINITY ? `>= ${figure(least)}` : `${figure(least)} - ${figure(most)}`;
  return { group, name, expected, measured: figure(measured), value: measured, isGood };
}

/** quick: fewer servers and requests, for the test suite. */
export type Effort = 'quick' | 'full';

const SUPERMARKET_POLICIES = ['random', 'p2c', 'p3c'] as const;

/** Anchors 1.7: means within 2 %. One choice is noisy (M/M/1 near saturation), so it gets the longest run. */
export function supermarketChecks(runs: GoldenRuns, effort: Effort): Check[] {
  const loads = effort === 'quick' ? [0.7, 0.9] : [0.7, 0.9, 0.95];
  return loads.flatMap((load) =>
    SUPERMARKET_POLICIES.map((policy, at) => {
      const expected = supermarketMean(load, at + 1);
      const requests = effort === 'quick' ? 1_000_000 : at === 0 ? 24_000_000 * (load > 0.9 ? 2 : 1) : 6_000_000;
      const scenario = supermarket(load, effort === 'quick' ? 300 : 1000, requests);
      const label = `load ${load}, ${at + 1} ${at === 0 ? 'choice' : 'choices'}: mean`;
      return near('supermarket model', label, expected, runs.of(scenario, policy).mean, 0.02);
    }),
  );
}

/** Anchors 1.7, 100 servers: [policy, means at load 0.7, 0.9, 0.95]. */
const HUNDRED = [
  ['rr', 1.89, 5.22, 10.2],
  ['p2c', 1.616, 2.626, 3.405],
  ['scan', 1.001, 1.072, 1.238],
] as const;

/** Round robin, two choices and join the shortest queue, where there are no formulas (or not for so few servers). */
export function hundredServersChecks(runs: GoldenRuns): Check[] {
  return HUNDRED.flatMap(([policy, ...means]) =>
    means.map((mean, at) => {
      const load = [0.7, 0.9, 0.95][at] as number;
      const measured = runs.of(supermarket(load, 100, 5_000_000), policy).mean;
      return near('100 FIFO servers', `load ${load}, ${policy}: mean`, mean, measured, 0.05);
    }),
  );
}

/** [bins, balls per bin, choices, least, most] of the fullest bin, over the mean. */
const BINS: readonly (readonly [number, number, number, number, number])[] = [
  [1000, 1, 1, 5, 6],
  [1000, 1, 2, 3, 3],
  [1000, 1, 3, 2, 3],
  [65536, 1, 1, 7, 9],
  [65536, 1, 2, 3, 4],
  [65536, 1, 3, 3, 3],
  [1000, 100, 1, 28, 42],
  [1000, 100, 2, 2, 2],
  [1000, 100, 3, 1, 1],
];
const BIN_RUNS = 5;

/** Anchors 1.7: the median of five throws. */
export function binChecks(seed: number, effort: Effort): Check[] {
  return BINS.filter(([bins]) => effort === 'full' || bins <= 1000).map(([bins, each, choices, least, most]) => {
    const seen = Array.from(
      { length: BIN_RUNS },
      (_, run) => fullestBin(bins, bins * each, choices, seed + run) - each,
    );
    const median = seen.sort((a, b) => a - b)[BIN_RUNS >> 1] as number;
    const over = each === 1 ? median + 1 : median;
    const name = `${bins} bins, ${each} per bin, ${choices} choices: ${each === 1 ? 'fullest' : 'fullest - mean'}`;
    return between('balls in bins', name, least, most, over);
  });
}

/** Anchors 0, finding 3: p99 in service times of two choices and of a full scan. */
const WORKERS = [
  [1, 12.0, 6.5],
  [8, 19.4, 16.2],
  [32, 28.7, 28.2],
] as const;

export function sharingChecks(runs: GoldenRuns, effort: Effort): Check[] {
  const group = 'shared counts';
  const p99 = (workers: number, policy: string): number => runs.of(manyWorkers(workers), policy).percentile(99);
  return WORKERS.filter(([workers]) => effort === 'full' || workers === 8).flatMap(([workers, draw, scan]) => [
    near(group, `two choices, ${workers} workers, each its own counts: p99`, draw, p99(workers, 'p2c-worker'), 0.05),
    near(group, `two choices, ${workers} workers, shared counts: p99`, 12, p99(workers, 'p2c'), 0.05),
    near(group, `full scan, ${workers} workers, each its own counts: p99`, scan, p99(workers, 'scan-worker'), 0.05),
    near(group, `full scan, ${workers} workers, shared counts: p99`, 6.3, p99(workers, 'scan'), 0.05),
  ]);
}
