/** Simulate (`npm run bench -- simulate`): balancers on virtual time, many proxies by many servers, the same seed for all. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  binChecks,
  type Check,
  GoldenRuns,
  hundredServersChecks,
  sharingChecks,
  supermarketChecks,
} from './simulate/golden.js';
import {
  collapseChecks,
  engineChecks,
  oneDispatcherChecks,
  orderChecks,
  prequalClaimChecks,
  prequalTableChecks,
} from './simulate/prequal-golden.js';
import type { Measurements } from './simulate/measurements.js';
import { POLICIES, type PolicyVariant, policyNamed } from './simulate/policies.js';
import { ProgressBar } from './simulate/progress-bar.js';
import type { Scenario } from './simulate/scenario.js';
import { SCENARIOS, scenarioNamed } from './simulate/scenarios.js';
import { Simulation } from './simulate/simulation.js';
import { percent, short, textTable } from './simulate/text-table.js';

const USAGE = `usage: simulate [--scenario a,b|all] [--policies a,b|all] [--seed n] [--load x] [--requests n] [--json file]
       simulate --golden [--quick] [--seed n] [--json file]
       simulate --list`;

/** Events between two looks at the progress. */
const SLICE = 200_000;
const DEFAULT_SCENARIOS = 'uniform,half-slow-85,workers-8';

interface Row {
  readonly scenario: Scenario;
  readonly policy: PolicyVariant;
  readonly measurements: Measurements;
}

function options(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: DEFAULT_SCENARIOS },
      policies: { type: 'string', default: 'all' },
      seed: { type: 'string', default: '1' },
      load: { type: 'string' },
      requests: { type: 'string' },
      json: { type: 'string' },
      golden: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}
type Options = ReturnType<typeof options>;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new RangeError(`--${name}: ${text} is not a number above 0`);
  return value;
}

function named<T>(text: string, all: readonly T[], find: (name: string) => T): T[] {
  return text === 'all' ? [...all] : text.split(',').map((name) => find(name.trim()));
}

function changed(scenario: Scenario, { load, requests }: Options): Scenario {
  return {
    ...scenario,
    ...(load === undefined ? {} : { load: positive('load', load) }),
    ...(requests === undefined ? {} : { requests: Math.round(positive('requests', requests)) }),
  };
}

/** Gives the thread back now and then, so that Ctrl-C and the bar work. */
async function runAll(
  scenarios: readonly Scenario[],
  policies: readonly PolicyVariant[],
  seed: number,
): Promise<Row[]> {
  const bar = new ProgressBar(scenarios.length * policies.length);
  const rows: Row[] = [];
  for (const scenario of scenarios)
    for (const policy of policies) {
      const simulation = new Simulation(scenario, policy, seed);
      while (simulation.advance(SLICE)) {
        bar.show(`${scenario.name} ${policy.name}`, simulation.progress);
        await new Promise((resolve) => setImmediate(resolve));
      }
      bar.step();
      rows.push({ scenario, policy, measurements: simulation.measurements });
    }
  bar.clear();
  return rows;
}

const HEAD = ['policy', 'mean', 'p50', 'p90', 'p99', 'p99.9', 'max', 'late', 'failed', 'found p99', 'busiest'];

function cells({ policy, measurements }: Row): string[] {
  return [
    policy.name,
    short(measurements.mean),
    ...[50, 90, 99, 99.9].map((each) => short(measurements.percentile(each))),
    short(measurements.max),
    percent(measurements.lateShare),
    percent(measurements.failureShare),
    String(measurements.found(99)),
    short(measurements.spread),
  ];
}

function printTables(scenarios: readonly Scenario[], rows: readonly Row[]): void {
  for (const scenario of scenarios) {
    const own = rows.filter((row) => row.scenario === scenario);
    console.log(`\n${scenario.name}: ${scenario.summary}`);
    console.log(textTable(HEAD, own.map(cells)));
  }
  console.log('\nLatencies in service times. found: requests in flight that a request met at its server.');
  console.log('busiest: requests of the busiest server over the mean.');
}

function asJson({ scenario, policy, measurements }: Row, seed: number): object {
  const { requests, events, spread, mean, max, lateShare, failureShare } = measurements;
  const percentiles = Object.fromEntries([50, 90, 99, 99.9].map((each) => [`p${each}`, measurements.percentile(each)]));
  const found = { p50: measurements.found(50), p99: measurements.found(99) };
  const figures = { requests, events, mean, ...percentiles, max, lateShare, failureShare, spread, found };
  return { scenario: scenario.name, load: scenario.load, policy: policy.name, seed, ...figures };
}

function writeLines(path: string | undefined, lines: readonly object[]): void {
  if (path === undefined) return;
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  if (path === '-') process.stdout.write(text);
  else writeFileSync(path, text);
}

function golden(seed: number, { quick, json }: Options): number {
  const bar = new ProgressBar(1);
  const runs = new GoldenRuns(seed, (label, share) => bar.show(label, share));
  const effort = quick ? 'quick' : 'full';
  const checks = [
    ...supermarketChecks(runs, effort),
    ...binChecks(seed, effort),
    ...sharingChecks(runs, effort),
    ...oneDispatcherChecks(runs),
    ...prequalClaimChecks(runs),
    ...(quick ? [] : slowChecks(runs)),
  ];
  bar.clear();
  printChecks(checks);
  writeLines(json, checks);
  return checks.every(({ isGood }) => isGood) ? 0 : 1;
}

function slowChecks(runs: GoldenRuns): Check[] {
  return [
    ...hundredServersChecks(runs),
    ...prequalTableChecks(runs),
    ...collapseChecks(runs),
    ...engineChecks(runs),
    ...orderChecks(runs),
  ];
}

function printChecks(checks: readonly Check[]): void {
  for (const group of new Set(checks.map((check) => check.group))) {
    const rows = checks
      .filter((check) => check.group === group)
      .map(({ name, expected, measured, isGood }) => [name, expected, measured, isGood ? 'ok' : 'OFF']);
    console.log(`\n${textTable([group, 'expected', 'measured', 'verdict'], rows)}`);
  }
  const off = checks.filter(({ isGood }) => !isGood).length;
  console.log(off === 0 ? `\nall ${checks.length} as expected` : `\n${off} of ${checks.length} are off`);
}

function list(): void {
  const rows = (all: readonly { name: string; summary: string }[]): string =>
    all.map(({ name, summary }) => `  ${name.padEnd(18)}${summary}`).join('\n');
  console.log(`scenarios:\n${rows(SCENARIOS)}\npolicies:\n${rows(POLICIES)}`);
}

/** Answers the exit code: 0 good, 1 a golden figure is off, 2 a wrong command line. */
export async function simulate(args: readonly string[]): Promise<number> {
  try {
    const chosen = options(args);
    const seed = Math.round(positive('seed', chosen.seed));
    if (chosen.help || chosen.list) {
      if (chosen.help) console.log(USAGE);
      else list();
      return 0;
    }
    if (chosen.golden) return golden(seed, chosen);
    const scenarios = named(chosen.scenario, SCENARIOS, scenarioNamed).map((each) => changed(each, chosen));
    const rows = await runAll(scenarios, named(chosen.policies, POLICIES, policyNamed), seed);
    if (chosen.json !== '-') printTables(scenarios, rows);
    writeLines(
      chosen.json,
      rows.map((row) => asJson(row, seed)),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await simulate(process.argv.slice(2));
