/** `npm run bench -- lb`: balancers side by side over the same seeded load, scenario by scenario. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { suggest } from '../engine/fault/problem.js';
import type { Interruption } from './interruption.js';
import { Generators, generatorsOption } from './generator/generators.js';
import { encode, PERCENTILES, percentileMs } from './latencies.js';
import type { Figure, PolicyResult, ResultBuilder, ScenarioResult } from './result/result.js';
import { ScenarioFigures } from './scenario/figures.js';
import { type Policy, readPolicies } from './scenario/policies.js';
import { ProxyConfig } from './scenario/proxy-config.js';
import { readScenario, type Scenario, SCENARIOS, scenarioNames } from './scenario/scenario.js';
import { type Measurement, runScenario } from './scenario/scenario-run.js';
import { findings, winnerOf } from './scenario/verdict.js';
import { undisturbed } from './stall-watch.js';
import { BarScale } from './terminal/bars.js';
import type { Progress } from './terminal/progress.js';
import { figure, table, whole } from './terminal/table.js';
import { UsageError } from './usage-error.js';

/** Starting and stopping of a proxy and its backends. */
const OVERHEAD_S = 1.2;

interface Entry {
  readonly scenario: Scenario;
  readonly config: ProxyConfig;
  readonly policies: readonly Policy[];
  readonly skipped: readonly { readonly policy: string; readonly why: string }[];
}

export interface LbOptions {
  /** Null: all. */
  readonly scenarios: readonly string[] | null;
  /** Null: those that each scenario names. */
  readonly policies: readonly string[] | null;
  /** Null: as each scenario says. */
  readonly durationS: number | null;
  readonly rounds: number;
  readonly server: 'auto' | 'node';
  /** Threads that make the load; null: one, and more where that can't make it. */
  readonly generators: number | null;
}

/** Throws UsageError. */
export function lbOptions(args: readonly string[]): LbOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string' },
      policies: { type: 'string' },
      duration: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      backends: { type: 'string' },
      generators: { type: 'string' },
    },
  });
  const durationS = values.duration === undefined ? null : Number(values.duration);
  if (durationS !== null && !(durationS >= 0.5 && durationS <= 3600))
    throw new UsageError(`--duration: ${values.duration} is no number of seconds from 0.5 to 3600`);
  const rounds = Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100))
    throw new UsageError(`--rounds: ${values.rounds} is no whole number from 1 to 100`);
  if (values.backends !== undefined && values.backends !== 'node')
    throw new UsageError('--backends: only node can be asked for (node:http in the place of uWebSockets.js)');
  return {
    scenarios: values.scenario?.split(',') ?? null,
    policies: values.policies?.split(',') ?? null,
    durationS,
    rounds,
    server: values.backends === 'node' ? 'node' : 'auto',
    generators: generatorsOption(values.generators),
  };
}

export class LbBench {
  readonly entries: readonly Entry[];
  readonly #options: LbOptions;

  /** Throws ScenarioError and UsageError. */
  constructor(options: LbOptions) {
    this.#options = options;
    const policies = readPolicies();
    const names = policies.map(({ name }) => name);
    known('policy', options.policies ?? [], names);
    known('scenario', options.scenarios ?? [], scenarioNames());
    this.entries = (options.scenarios ?? scenarioNames()).map((name) => {
      const read = readScenario(join(SCENARIOS, name), names);
      const scenario = options.durationS === null ? read : shortened(read, options.durationS);
      const config = new ProxyConfig(scenario);
      const wanted = policies.filter((policy) => (options.policies ?? scenario.policies).includes(policy.name));
      const refused = wanted.map((policy) => ({ policy, why: config.refusal(policy) }));
      return {
        scenario,
        config,
        policies: refused.filter(({ why }) => why === null).map(({ policy }) => policy),
        skipped: refused.flatMap(({ policy, why }) => (why === null ? [] : [{ policy: policy.name, why }])),
      };
    });
  }

  get expectedS(): number {
    const each = ({ scenario, policies }: Entry): number =>
      policies.length * this.#options.rounds * secondsOf(scenario);
    return this.entries.reduce((sum, entry) => sum + each(entry), 0);
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    for (const entry of this.entries) {
      const seen = await this.#seen(entry, builder, interruption, progress);
      if (seen.length === 0) return;
      const found = interruption.isSet ? [] : findings(entry.scenario, seen, true);
      builder.findings.push(...found);
      const result = resultOf(entry, seen);
      builder.scenarios.push(result);
      builder.figures.push(...seen.flatMap((each) => figuresOf(entry.scenario, each)));
      progress.clear();
      process.stdout.write(`${scenarioText(result, seen)}\n`);
      for (const { outcome, text } of found) if (outcome === 'missed') process.stdout.write(`  MISSED ${text}\n`);
      process.stdout.write('\n');
    }
  }

  async #seen(
    { scenario, config, policies }: Entry,
    builder: ResultBuilder,
    interruption: Interruption,
    progress: Progress,
  ): Promise<ScenarioFigures[]> {
    const say = (line: string): void => {
      if (!builder.notes.includes(line)) progress.say(line);
      builder.note(line);
    };
    const { rounds, server } = this.#options;
    const generators = new Generators(this.#options.generators);
    const seen = new Map<string, Measurement[]>();
    for (let round = 1; round <= rounds; round++)
      for (const policy of policies) {
        if (interruption.isSet) break;
        const name = `${scenario.name}${rounds === 1 ? '' : `, round ${round} of ${rounds}`}: ${policy.name}`;
        const measured = await progress.step(name, secondsOf(scenario), () =>
          undisturbed(
            () =>
              generators.run(
                (count) => runScenario(scenario, config, policy, { interruption, say, server, generators: count }),
                ({ load }) => load,
                say,
              ),
            ({ load }) => (interruption.isSet ? null : load.lags),
            (line) => say(`  ${name}: ${line}`),
          ),
        );
        if (measured.load.sent > 0) seen.set(policy.name, [...(seen.get(policy.name) ?? []), measured]);
      }
    return [...seen.values()].map((measured) => new ScenarioFigures(scenario, measured, config.weights));
  }
}

function known(kind: string, names: readonly string[], all: readonly string[]): void {
  for (const name of names) {
    if (all.includes(name)) continue;
    const near = suggest(name, all);
    const remedy = near === null ? `there are: ${all.join(', ')}` : `did you mean ${near}?`;
    throw new UsageError(`there is no ${kind} ${JSON.stringify(name)}; ${remedy}`);
  }
}

function secondsOf({ load }: Scenario): number {
  return load.warmUpS + load.durationS + OVERHEAD_S;
}

/** The same load in less time: changes come earlier in proportion. */
export function shortened(scenario: Scenario, durationS: number): Scenario {
  const { load } = scenario;
  const factor = durationS / load.durationS;
  return {
    ...scenario,
    load: { ...load, durationS, warmUpS: load.warmUpS * factor },
    changes: scenario.changes.map((change) => ({
      ...change,
      atS: change.atS * factor,
      forS: change.forS === null ? null : change.forS * factor,
      everyS: change.everyS === null ? null : change.everyS * factor,
    })),
  };
}

function resultOf({ scenario, policies, skipped }: Entry, seen: readonly ScenarioFigures[]): ScenarioResult {
  const winner = winnerOf(scenario, seen);
  const { load } = scenario;
  const rate = load.rate === null ? 'closed loop' : `${load.rate}/s, ${load.arrivals.toLowerCase()} arrivals`;
  const workers = scenario.workers === 1 ? '1 worker' : `${scenario.workers} workers`;
  return {
    name: scenario.name,
    title: scenario.title,
    question: scenario.question,
    load: `${rate}, ${load.connections} connections, ${load.durationS} s, ${workers}, seed ${scenario.seed}`,
    policies: seen.map((each) => policyResult(each, policies.find(({ name }) => name === each.policy)?.note ?? '')),
    skipped,
    winner: winner?.policy ?? '',
    reason: winner?.reason ?? '',
  };
}

function policyResult(figures: ScenarioFigures, note: string): PolicyResult {
  return {
    policy: figures.policy,
    note,
    requests: figures.sent,
    errors: figures.errors,
    errorText: figures.errorText,
    percentilesMs: PERCENTILES.map((percentile) => percentileMs(figures.latencies, percentile)),
    overheadMs: [50, 99].map((percentile) => percentileMs(figures.overheads, percentile)),
    lagMs: [50, 99].map((percentile) => percentileMs(figures.lags, percentile)),
    spread: figures.value('spread'),
    keysMoved: figures.scenario.load.keys === null ? null : figures.keysMoved,
    byBackend: figures.byBackend,
    cpuUsPerRequest: figures.cpuUsPerRequest,
    residentMiB: figures.residentMiB,
    latencies: encode(figures.latencies),
    service: encode(figures.service),
  };
}

function figuresOf(scenario: Scenario, figures: ScenarioFigures): Figure[] {
  const name = (what: string): string => `lb/${scenario.name}/${figures.policy}/${what}`;
  return [
    { name: name('p50'), unit: 'ms', better: 'lower', samples: figures.samplesMs(50) },
    { name: name('p99'), unit: 'ms', better: 'lower', samples: figures.samplesMs(99) },
    { name: name('errors'), unit: 'requests', better: 'lower', samples: [figures.errors] },
  ];
}

const HEAD = [
  'policy',
  'p50 ms',
  'p90',
  'p99',
  'p99.9',
  'max',
  'errors',
  'spread',
  'added p50',
  'p99',
  'sent late p99',
];

function scenarioText(result: ScenarioResult, seen: readonly ScenarioFigures[]): string {
  const rows = result.policies.map((policy) => [
    policy.policy,
    ...policy.percentilesMs.map(figure),
    whole(policy.errors),
    figure(policy.spread),
    ...policy.overheadMs.map(figure),
    // Of the generator itself: what can't be blamed on a proxy.
    figure(policy.lagMs[1] as number),
    ...(policy.keysMoved === null ? [] : [`${figure(policy.keysMoved * 100)} %`]),
  ]);
  const head = result.policies[0]?.keysMoved == null ? HEAD : [...HEAD, 'keys moved'];
  const scale = new BarScale(seen.map(({ latencies }) => latencies));
  const width = Math.max(...seen.map(({ policy }) => policy.length));
  const bars = seen.map(({ policy, latencies }) => `  ${policy.padEnd(width)} ${scale.line(latencies)}`);
  const skipped = result.skipped.map(({ policy, why }) => `  not in this build: ${policy} (${why.split(';')[0]})`);
  return [
    `${result.title}  (${result.name}: ${result.load})`,
    `  ${result.question}`,
    '',
    table(head, rows),
    '',
    ...bars,
    `  ${' '.repeat(width)} ${scale.axis()}`,
    '',
    ...(result.reason === '' ? [] : [`  winner: ${result.winner}: ${result.reason}`]),
    ...skipped,
  ].join('\n');
}
