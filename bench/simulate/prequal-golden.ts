/** Golden figures of Prequal and what it is compared with: 100 clients, 100 servers, half of them at half speed. */
import { between, type Check, type GoldenRuns, near } from './golden.js';
import { percent } from './outputs.js';
import { halfSlow, oneDispatcher, testbed } from './scenarios.js';

const GROUP = 'half of the servers at half speed';

// The figures are of single short runs of another simulator: over seeds ours vary by 5 % at p99 and by 25 % at p99.9
// of wrr, whose proxies begin in step and drift apart during the run.
const P99_TOLERANCE = 0.2;
const P999_TOLERANCE = 0.25;

/** [load, policy, p99, p99.9 or 0 = none was published]. */
const FIGURES: readonly (readonly [number, string, number, number])[] = [
  [0.65, 'wrr', 15.7, 21.2],
  [0.65, 'p2c', 17.7, 25.4],
  [0.65, 'peak-ewma', 19.4, 33.4],
  [0.65, 'p2c-true', 5.9, 7.6],
  [0.65, 'probed-q0', 6.2, 0],
  [0.65, 'probed', 5.6, 0],
  [0.65, 'probed-q84', 5.7, 0],
  [0.65, 'probed-q84-r1', 6.6, 0],
  [0.65, 'probed-q84-r0.5', 12.4, 0],
  [0.85, 'wrr', 23.5, 37.6],
  [0.85, 'p2c', 52, 69],
  [0.85, 'peak-ewma', 80.2, 120],
  [0.85, 'p2c-true', 7, 9.3],
  [0.85, 'probed-q0', 7.1, 0],
  [0.85, 'probed', 7.7, 0],
  [0.85, 'probed-q84-r1', 10.4, 0],
];

/** The table of anchors 1.1, where the model has a steady state. */
export function prequalTableChecks(runs: GoldenRuns): Check[] {
  return FIGURES.flatMap(([load, policy, p99, p999]) => {
    const run = runs.of(halfSlow(load), policy);
    const label = `load ${load}, ${policy}`;
    const checks = [near(GROUP, `${label}: p99`, p99, run.percentile(99), P99_TOLERANCE)];
    if (p999 > 0) checks.push(near(GROUP, `${label}: p99.9`, p999, run.percentile(99.9), P999_TOLERANCE));
    return checks;
  });
}

/** Where queues grow until the run ends, latencies say how long it was: what counts is that they do. */
export function collapseChecks(runs: GoldenRuns): Check[] {
  const collapsed = [
    [0.65, 'rr'],
    [0.85, 'rr'],
    [0.65, 'probed-q99'],
    [0.85, 'probed-q99'],
    [0.65, 'probed-q100'],
    [0.85, 'probed-q100'],
  ] as const;
  return collapsed.map(([load, policy]) => {
    const { lateShare } = runs.of(halfSlow(load), policy);
    const expected = 'collapses: > 5 % late';
    const name = `load ${load}, ${policy}`;
    return { group: GROUP, name, expected, measured: percent(lateShare), value: lateShare, isGood: lateShare > 0.05 };
  });
}

/** What proves an implementation of Prequal right: anchors 1.1, (a) to (d). */
export function prequalClaimChecks(runs: GoldenRuns, load = 0.85): Check[] {
  const p99 = (policy: string): number => runs.of(halfSlow(load), policy).percentile(99);
  const group = `Prequal at load ${load}`;
  return [
    near(group, 'Q = 0: p99 over that of two choices over true counts', 1, p99('probed-q0') / p99('p2c-true'), 0.1),
    between(group, 'Q = 0.6: p99 over that of two choices over local counts', 0, 0.5, p99('probed') / p99('p2c')),
    atLeast(group, 'Q = 0.84: p99 over that of Q = 0.6', 1.2, p99('probed-q84') / p99('probed')),
    atLeast(group, 'Q = 1: p99 over that of Q = 0.6', 10, p99('probed-q100') / p99('probed')),
    atLeast(group, 'half a probe per request: p99 over that of three', 1.5, p99('probed-r0.5') / p99('probed')),
  ];
}

/** The engine's own form, without probes: what a proxy has sent itself, and how long it took. */
export function engineChecks(runs: GoldenRuns): Check[] {
  const p99 = (policy: string): number => runs.of(halfSlow(0.85), policy).percentile(99);
  const group = 'PREQUAL without probes at load 0.85';
  return [
    between(group, 'Q = 0.6: p99 over that of two choices over local counts', 0, 0.5, p99('prequal') / p99('p2c')),
    near(group, 'Q = 0.6 over true counts: p99 over that with probes', 1, p99('prequal-true') / p99('probed'), 0.25),
    atLeast(group, 'Q = 1: p99 over that of Q = 0.6', 2, p99('prequal-q100') / p99('prequal')),
  ];
}

/** [load, policy, p99]: anchors 1.1 and 1.2. Answers are used twice at most: see PolicyVariant 'probed-few'. */
const ONE_DISPATCHER: readonly (readonly [number, string, number])[] = [
  [0.65, 'p2c', 14.2],
  [0.65, 'peak-ewma', 18],
  [0.65, 'peak-ewma-1', 54.8],
  [0.85, 'wrr', 57.6],
  [0.85, 'p2c', 31],
  [0.85, 'scan', 11.9],
  [0.85, 'probed-few-q0', 15.8],
  [0.85, 'probed-few', 18],
  [0.85, 'probed-few-q84', 25],
];

/** One proxy that sends everything: what it believes of a server comes back to it at once, so an error feeds itself. */
export function oneDispatcherChecks(runs: GoldenRuns): Check[] {
  const group = 'one proxy, 20 servers';
  const p99s = ONE_DISPATCHER.map(([load, policy, p99]) => {
    const measured = runs.of(oneDispatcher(load), policy).percentile(99);
    return near(group, `load ${load}, ${policy}: p99`, p99, measured, P99_TOLERANCE);
  });
  const mean = (policy: string): number => runs.of(oneDispatcher(0.85), policy).mean;
  return [
    ...p99s,
    between(group, 'load 0.85, Q = 0.84: mean (6.5)', 1, 10, mean('probed-few-q84')),
    atLeast(group, 'load 0.85, Q = 0.84, latencies not kept apart by load: mean runs away', 500, mean('probed-naive')),
  ];
}

function atLeast(group: string, name: string, least: number, measured: number): Check {
  return between(group, name, least, Number.POSITIVE_INFINITY, measured);
}

/** Best first, as published: NSDI 2024. YARP is left out at 70 %, where it is worse than at 90 %. */
export const PUBLISHED_ORDER: Readonly<Record<number, readonly string[]>> = {
  0.7: ['probed', 'c3', 'wrr', 'scan', 'rr'],
  0.9: ['probed', 'c3', 'yarp', 'scan', 'wrr', 'rr'],
};

const TIE = 0.85;

/** Neighbours of the published order keep theirs; 15 % is a tie. */
export function orderChecks(runs: GoldenRuns): Check[] {
  return Object.entries(PUBLISHED_ORDER).flatMap(([load, order]) =>
    order.slice(1).map((worse, at) => {
      const better = order[at] as string;
      const p99 = (policy: string): number => runs.of(testbed(Number(load)), policy).percentile(99);
      return atLeast(
        'order of the rules',
        `load ${load}: p99 of ${worse} over ${better}`,
        TIE,
        p99(worse) / p99(better),
      );
    }),
  );
}
