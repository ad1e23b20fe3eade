/** Scenario: what scenarios/<name>/scenario.yaml says, read and checked: backends, load, changes, expectations. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DocumentReader, type Value } from '../../engine/control/document.js';
import type { Message } from '../../engine/control/schema.js';
import { type Problem, suggest } from '../../engine/fault/problem.js';
import { packageRoot } from '../../engine/io/addon.js';
import type { BackendSettings } from '../backend/behaviour.js';
import { ScenarioMessage, type TIME_METRICS, type COUNT_METRICS } from './schema.js';

export interface LatencyShape {
  readonly distribution: 'CONSTANT' | 'EXPONENTIAL' | 'LOGNORMAL';
  readonly meanMs: number;
  readonly sigma: number;
}
export interface Failures {
  readonly fraction: number;
  readonly status: number;
  readonly latencyMs: number;
}
export interface BackendGroup extends BackendSettings {
  readonly name: string;
  readonly count: number;
  readonly isMember: boolean;
}
/** What a change sets; what it leaves out stays. */
export interface ChangeEffect {
  readonly speed?: number;
  readonly failures?: Failures | null;
  readonly isUp?: boolean;
  readonly isMember?: boolean;
  readonly freezeMs?: number;
}
export interface Change {
  readonly atS: number;
  readonly forS: number | null;
  readonly everyS: number | null;
  readonly group: string;
  readonly backends: number;
  readonly effect: ChangeEffect;
}
export interface RequestKind {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly bodyBytes: number;
  readonly weight: number;
}
export interface Keys {
  readonly count: number;
  readonly distribution: 'UNIFORM' | 'ZIPF';
  readonly exponent: number;
  readonly header: string;
}
export interface Load {
  readonly connections: number;
  /** Per second; null = closed loop. */
  readonly rate: number | null;
  readonly arrivals: 'POISSON' | 'UNIFORM';
  readonly warmUpS: number;
  readonly durationS: number;
  readonly timeoutMs: number;
  readonly keys: Keys | null;
  readonly mix: readonly RequestKind[];
}
export type Metric = (typeof COUNT_METRICS)[number] | (typeof TIME_METRICS)[number];
export interface Expectation {
  readonly metric: Metric;
  readonly policy: string | null;
  readonly group: string | null;
  readonly relativeTo: string | null;
  readonly min: number | null;
  readonly max: number | null;
  /** "scenarios/uniform/scenario.yaml: expectations[0]". */
  readonly place: string;
}
export interface Scenario {
  readonly name: string;
  readonly directory: string;
  readonly title: string;
  readonly question: string;
  readonly seed: number;
  readonly workers: number;
  readonly policies: readonly string[];
  readonly groups: readonly BackendGroup[];
  readonly load: Load;
  readonly changes: readonly Change[];
  readonly expectations: readonly Expectation[];
}

/** A file that can't be used: every problem with its place. */
export class ScenarioError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join('; '));
    this.problems = problems;
  }
}

export const SCENARIOS = join(packageRoot(), 'scenarios');

/** Names of the folders that hold a scenario.yaml. */
export function scenarioNames(root = SCENARIOS): string[] {
  return readdirSync(root)
    .sort()
    .filter((name) => existsSync(join(root, name, 'scenario.yaml')));
}

/** knownPolicies: of the policies' file. Throws ScenarioError. */
export function readScenario(directory: string, knownPolicies: readonly string[]): Scenario {
  const path = join(directory, 'scenario.yaml');
  const { reader, value } = readDocument(path, ScenarioMessage);
  check(reader, value, knownPolicies);
  refuseProblems(reader);
  return scenarioOf(value, directory, shown(path));
}

/** Reads a file under a message, which may still have problems; throws ScenarioError when there is nothing to read. */
export function readDocument(path: string, message: Message): { reader: DocumentReader; value: Value } {
  const name = shown(path);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : null;
  if (text === null || text.trim() === '') {
    const what = text === null ? 'does not exist' : 'is empty';
    throw new ScenarioError([
      { severity: 'error', path: '', message: what, file: name, line: 0, column: 0, source: '' },
    ]);
  }
  const reader = new DocumentReader(text, { file: name, allowsUnknownFields: false, environment: {} });
  const value = reader.read(message);
  if (value === null) throw new ScenarioError(reader.sorted());
  return { reader, value };
}

export function refuseProblems(reader: DocumentReader): void {
  if (reader.hasErrors) throw new ScenarioError(reader.sorted());
}

/** A path as problems name it: from the root of the package where it lies in there. */
function shown(path: string): string {
  const inside = relative(packageRoot(), path);
  return inside.startsWith('..') ? path : inside;
}

// ---- what the schema can't say --------------------------------------------------------------------------------

function check(reader: DocumentReader, value: Value, knownPolicies: readonly string[]): void {
  const policies = (value['policies'] ?? []) as string[];
  policies.forEach((policy, at) => {
    if (!knownPolicies.includes(policy))
      reader.report('error', value, `policies[${at}]`, notThere('policy', policy, knownPolicies));
  });
  const groups = ((value['backends'] ?? []) as Value[]).map((group) => group['name'] as string);
  ((value['backends'] ?? []) as Value[]).forEach((group, at) => {
    if (groups.indexOf(group['name'] as string) < at)
      reader.report('error', group, 'name', `there is a group ${String(group['name'])} already`);
  });
  for (const change of (value['changes'] ?? []) as Value[]) checkChange(reader, change, value, groups);
  for (const expectation of (value['expectations'] ?? []) as Value[])
    checkExpectation(reader, expectation, policies, groups);
  const load = value['load'] as Value | undefined;
  if (load?.['arrivals'] !== undefined && load['rate'] === undefined)
    reader.report('error', load, 'arrivals', 'says when requests come in an open loop: it needs a rate');
}

function notThere(kind: string, name: string, known: readonly string[]): string {
  const near = suggest(name, known);
  return `there is no ${kind} ${JSON.stringify(name)}; ${near === null ? `there are: ${known.join(', ')}` : `did you mean ${near}?`}`;
}

function checkChange(reader: DocumentReader, change: Value, scenario: Value, groups: readonly string[]): void {
  const group = ((scenario['backends'] ?? []) as Value[]).find((each) => each['name'] === change['group']);
  if (group === undefined) reader.report('error', change, 'group', notThere('group', String(change['group']), groups));
  else if (Number(change['backends'] ?? 1) > Number(group['count']))
    reader.report('error', change, 'backends', `the group has ${String(group['count'])}`);
  if (change['every_s'] !== undefined && change['for_s'] === undefined)
    reader.report('error', change, 'every_s', 'what comes again must go: for_s says after how long');
  if (Number(change['for_s']) >= Number(change['every_s']))
    reader.report('error', change, 'for_s', 'is not shorter than every_s: the change would never be undone');
  const load = scenario['load'] as Value | undefined;
  const lengthS = Number(load?.['warm_up_s'] ?? 0) + Number(load?.['duration_s'] ?? 0);
  if (Number(change['at_s']) >= lengthS)
    reader.report('error', change, 'at_s', `comes after the load has ended (${lengthS} s with the warm-up)`);
}

function checkExpectation(
  reader: DocumentReader,
  expectation: Value,
  policies: readonly string[],
  groups: readonly string[],
): void {
  for (const field of ['policy', 'relative_to'])
    if (expectation[field] !== undefined && !policies.includes(expectation[field] as string))
      reader.report('error', expectation, field, notThere('policy', String(expectation[field]), policies));
  const needsGroup = expectation['metric'] === 'group_share';
  if (needsGroup !== (expectation['group'] !== undefined))
    reader.report(
      'error',
      expectation,
      needsGroup ? 'metric' : 'group',
      'a group belongs to group_share, and only there',
    );
  if (needsGroup && expectation['group'] !== undefined && !groups.includes(expectation['group'] as string))
    reader.report('error', expectation, 'group', notThere('group', String(expectation['group']), groups));
  if (expectation['min'] === undefined && expectation['max'] === undefined)
    reader.report('error', expectation, 'metric', 'min or max is required: nothing is expected here');
}

// ---- to records -----------------------------------------------------------------------------------------------

function scenarioOf(value: Value, directory: string, file: string): Scenario {
  return {
    name: directory.split('/').at(-1) as string,
    directory,
    title: value['title'] as string,
    question: (value['question'] as string | undefined) ?? '',
    seed: Number(value['seed'] ?? 1),
    workers: Number(value['workers'] ?? 1),
    policies: value['policies'] as string[],
    groups: (value['backends'] as Value[]).map(groupOf),
    load: loadOf(value['load'] as Value),
    changes: ((value['changes'] ?? []) as Value[]).map((change) => changeOf(change, value)),
    expectations: ((value['expectations'] ?? []) as Value[]).map((each, at) =>
      expectationOf(each, `${file}: expectations[${at}]`),
    ),
  };
}

function failuresOf(value: unknown): Failures | null {
  if (value === undefined) return null;
  const { fraction, status = 503, latency_ms: latencyMs = 0 } = value as Record<string, number>;
  return { fraction: fraction as number, status, latencyMs };
}

function groupOf(value: Value): BackendGroup {
  const latency = value['latency'] as Value;
  return {
    name: value['name'] as string,
    count: Number(value['count']),
    latency: {
      distribution: (latency['distribution'] ?? 'EXPONENTIAL') as LatencyShape['distribution'],
      meanMs: Number(latency['mean_ms']),
      sigma: Number(latency['sigma'] ?? 0.5),
    },
    concurrency: Number(value['concurrency'] ?? 0),
    queue: Number(value['queue'] ?? 0),
    failures: failuresOf(value['failures']),
    speed: Number(value['speed'] ?? 1),
    bodyBytes: Number(value['body_bytes'] ?? 128),
    isMember: value['is_member'] !== false,
  };
}

function changeOf(value: Value, scenario: Value): Change {
  const group = (scenario['backends'] as Value[]).find((each) => each['name'] === value['group']) as Value;
  return {
    atS: Number(value['at_s']),
    forS: value['for_s'] === undefined ? null : Number(value['for_s']),
    everyS: value['every_s'] === undefined ? null : Number(value['every_s']),
    group: value['group'] as string,
    backends: Number(value['backends'] ?? group['count']),
    effect: {
      ...(value['speed'] === undefined ? {} : { speed: Number(value['speed']) }),
      ...(value['failures'] === undefined ? {} : { failures: failuresOf(value['failures']) }),
      ...(value['is_up'] === undefined ? {} : { isUp: value['is_up'] as boolean }),
      ...(value['is_member'] === undefined ? {} : { isMember: value['is_member'] as boolean }),
      ...(value['freeze_ms'] === undefined ? {} : { freezeMs: Number(value['freeze_ms']) }),
    },
  };
}

function loadOf(value: Value): Load {
  const keys = value['keys'] as Value | undefined;
  const mix = (value['mix'] ?? [{ path: '/' }]) as Value[];
  return {
    connections: Number(value['connections']),
    rate: value['rate'] === undefined ? null : Number(value['rate']),
    arrivals: (value['arrivals'] ?? 'POISSON') as Load['arrivals'],
    warmUpS: Number(value['warm_up_s'] ?? 0),
    durationS: Number(value['duration_s']),
    timeoutMs: Number(value['timeout_ms'] ?? 10000),
    keys:
      keys === undefined
        ? null
        : {
            count: Number(keys['count']),
            distribution: (keys['distribution'] ?? 'UNIFORM') as Keys['distribution'],
            exponent: Number(keys['exponent'] ?? 1),
            header: (keys['header'] as string | undefined) ?? 'x-key',
          },
    mix: mix.map((each) => ({
      method: (each['method'] ?? 'GET') as RequestKind['method'],
      path: each['path'] as string,
      bodyBytes: Number(each['body_bytes'] ?? 0),
      weight: Number(each['weight'] ?? 1),
    })),
  };
}

function expectationOf(value: Value, place: string): Expectation {
  const number = (field: string): number | null => (value[field] === undefined ? null : Number(value[field]));
  return {
    metric: value['metric'] as Metric,
    policy: (value['policy'] as string | undefined) ?? null,
    group: (value['group'] as string | undefined) ?? null,
    relativeTo: (value['relative_to'] as string | undefined) ?? null,
    min: number('min'),
    max: number('max'),
    place,
  };
}
