/** Simulate (`npm run bench -- simulate`): balancers on virtual time, many proxies by many servers, the same seed for all. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../engine/io/addon.js';
import { goldenChecks } from './simulate/golden-set.js';
import { asCsv, asLines, asRecords, asTables, asVerdicts } from './simulate/outputs.js';
import { renderPage } from './simulate/page.js';
import { POLICIES, type PolicyVariant, policyNamed, RULES } from './simulate/policies.js';
import { runAll, type RunSet } from './simulate/run-set.js';
import type { Scenario } from './simulate/scenario.js';
import { SCENARIOS, scenarioNamed } from './simulate/scenarios.js';
import { UsageError } from './usage-error.js';

const USAGE = `usage: simulate [--scenario a,b|all] [--policies a,b|rules|all] [--seed n] [--load x] [--requests n]
                [--json file] [--csv file] [--html file]     "-" for a file is standard output
       simulate --golden [--quick] [--seed n] [--json file] [--keep]
       simulate --list`;

const DEFAULT_SCENARIOS = 'uniform,half-slow-85,workers-8';
const DEFAULT_POLICIES = 'rr,wrr,p2c,scan,peak-ewma-1000,prequal,probed,p2c-worker,prequal-worker,p2c-true';
const KEPT = 'simulate.ndjson';

function options(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: DEFAULT_SCENARIOS },
      policies: { type: 'string', default: DEFAULT_POLICIES },
      seed: { type: 'string', default: '1' },
      load: { type: 'string' },
      requests: { type: 'string' },
      json: { type: 'string' },
      csv: { type: 'string' },
      html: { type: 'string' },
      golden: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}
type Options = ReturnType<typeof options>;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new UsageError(`--${name}: ${text} is not a number above 0`);
  return value;
}

function scenariosOf({ scenario, load, requests }: Options): Scenario[] {
  const chosen = scenario === 'all' ? SCENARIOS : scenario.split(',').map(scenarioNamed);
  return chosen.map((each) => ({
    ...each,
    ...(load === undefined ? {} : { load: positive('load', load) }),
    ...(requests === undefined ? {} : { requests: Math.round(positive('requests', requests)) }),
  }));
}

function policiesOf({ policies }: Options): readonly PolicyVariant[] {
  if (policies === 'all') return POLICIES;
  return policies.split(',').flatMap((name) => (name === 'rules' ? RULES.map(policyNamed) : policyNamed(name)));
}

function write(path: string | undefined, text: () => string): void {
  if (path === '-') process.stdout.write(text());
  else if (path !== undefined) writeFileSync(path, text());
}

function writeAll(set: RunSet, { json, csv, html }: Options, args: readonly string[]): void {
  if (![json, csv, html].includes('-')) console.log(asTables(set));
  write(json, () => asLines(asRecords(set)));
  write(csv, () => asCsv(set));
  write(html, () => renderPage(set, `npm run bench -- simulate ${args.join(' ')}`));
}

/** --keep: a line in results/, with what was measured by what was asked. */
function golden(seed: number, { quick, json, keep }: Options): number {
  const checks = goldenChecks(seed, quick ? 'quick' : 'full');
  if (json !== '-') console.log(asVerdicts(checks));
  write(json, () => asLines(checks));
  const isGood = checks.every((check) => check.isGood);
  if (keep) {
    const figures = Object.fromEntries(checks.map(({ group, name, value }) => [`${group}: ${name}`, value]));
    const line = { date: new Date().toISOString(), node: process.version, seed, isGood, figures };
    appendFileSync(join(packageRoot(), 'results', KEPT), asLines([line]));
  }
  return isGood ? 0 : 1;
}

function list(): void {
  const rows = (all: readonly { name: string; summary: string }[]): string =>
    all.map(({ name, summary }) => `  ${name.padEnd(18)}${summary}`).join('\n');
  console.log(`scenarios:\n${rows(SCENARIOS)}\npolicies:\n${rows(POLICIES)}\nrules: ${RULES.join(',')}`);
}

/** What parseArgs throws is of the command line too. */
function isUsage(error: unknown): error is Error {
  return error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
}

/** Answers the exit code: 0 good, 1 a golden figure is off, 2 a wrong command line, 130 interrupted. */
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
    const set = await runAll(scenariosOf(chosen), policiesOf(chosen), seed);
    writeAll(set, chosen, args);
    return set.isInterrupted ? 130 : 0;
  } catch (error) {
    if (!isUsage(error)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await simulate(process.argv.slice(2));
