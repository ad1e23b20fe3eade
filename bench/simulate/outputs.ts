/** Outputs: a set of simulated runs as tables, as lines of JSON, and as CSV. */
import { figure, table } from '../terminal/table.js';
import type { Check } from './golden.js';
import { PERCENTILES } from './measurements.js';
import { type Run, type RunSet, scenariosOf } from './run-set.js';

export function percent(share: number): string {
  return share === 0 ? '0' : `${figure(share * 100)} %`;
}

const HEAD = [
  '',
  'mean',
  ...PERCENTILES.map((each) => `p${each}`),
  'max',
  'late',
  'failed',
  'found p99',
  'busiest',
  'home',
];

function cells({ policy, measurements }: Run): string[] {
  return [
    policy.name,
    figure(measurements.mean),
    ...PERCENTILES.map((each) => figure(measurements.percentile(each))),
    figure(measurements.max),
    percent(measurements.lateShare),
    percent(measurements.failureShare),
    String(measurements.found(99)),
    figure(measurements.spread),
    percent(measurements.homeShare),
  ];
}

export function asTables(set: RunSet): string {
  const tables = scenariosOf(set).map((scenario) => {
    const rows = set.runs.filter((run) => run.scenario === scenario).map(cells);
    return `${scenario.name}: ${scenario.summary}\n${table(HEAD, rows)}\n`;
  });
  return `${tables.join('\n')}
Latencies in service times. found: requests in flight that a request met at its server. busiest: requests of the busiest
server over the mean. home: requests that met the server of the last one with their key.`;
}

/** One object per run: latencies in service times, shares from 0 to 1. */
export function asRecords({ runs, seed }: RunSet): Readonly<Record<string, string | number>>[] {
  return runs.map(({ scenario, policy, measurements }) => ({
    scenario: scenario.name,
    load: scenario.load,
    policy: policy.name,
    seed,
    requests: measurements.requests,
    events: measurements.events,
    probes: measurements.probes,
    mean: rounded(measurements.mean),
    ...Object.fromEntries(PERCENTILES.map((each) => [`p${each}`, rounded(measurements.percentile(each))])),
    max: rounded(measurements.max),
    late: rounded(measurements.lateShare),
    failed: rounded(measurements.failureShare),
    foundP50: measurements.found(50),
    foundP99: measurements.found(99),
    busiest: rounded(measurements.spread),
    home: rounded(measurements.homeShare),
  }));
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** Names have no comma and no quote. */
export function asCsv(set: RunSet): string {
  const records = asRecords(set);
  const head = Object.keys(records[0] ?? {});
  const lines = records.map((record) => head.map((name) => record[name]).join(','));
  return `${[head.join(','), ...lines].join('\n')}\n`;
}

export function asLines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** Expected beside measured, by group, and a last line that says how many are off. */
export function asVerdicts(checks: readonly Check[]): string {
  const tables = [...new Set(checks.map(({ group }) => group))].map((group) => {
    const rows = checks
      .filter((check) => check.group === group)
      .map(({ name, expected, measured, isGood }) => [name, expected, measured, isGood ? 'ok' : 'OFF']);
    return `${group}\n${table(['', 'expected', 'measured', 'verdict'], rows)}\n`;
  });
  const off = checks.filter(({ isGood }) => !isGood).length;
  const last = off === 0 ? `all ${checks.length} as expected` : `${off} of ${checks.length} are off`;
  return [...tables, last].join('\n');
}
