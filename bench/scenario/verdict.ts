/** Verdict: a scenario's expectations against what was seen, and which policy did best, and why. */
import { figure } from '../terminal/table.js';
import type { ScenarioFigures } from './figures.js';
import type { Expectation, Scenario } from './scenario.js';
import { TIME_METRICS } from './schema.js';

export interface Finding {
  /** "scenarios/uniform/scenario.yaml: expectations[0]". */
  readonly place: string;
  readonly outcome: 'met' | 'missed' | 'skipped';
  readonly text: string;
}

/** isTimed: also what depends on the machine and the moment. */
export function findings(scenario: Scenario, seen: readonly ScenarioFigures[], isTimed: boolean): Finding[] {
  return scenario.expectations.flatMap((expectation) => {
    if (!isTimed && (TIME_METRICS as readonly string[]).includes(expectation.metric)) return [];
    if (expectation.policy !== null) return [findingOf(expectation, expectation.policy, seen)];
    return seen.map(({ policy }) => findingOf(expectation, policy, seen));
  });
}

function findingOf(expectation: Expectation, policy: string, seen: readonly ScenarioFigures[]): Finding {
  const { metric, group, relativeTo, min, max, place } = expectation;
  const what = `${metric}${group === null ? '' : ` of ${group}`} under ${policy}${relativeTo === null ? '' : ` over ${relativeTo}'s`}`;
  const of = (name: string): ScenarioFigures | undefined => seen.find((each) => each.policy === name);
  const figures = of(policy);
  const base = relativeTo === null ? null : of(relativeTo);
  if (figures === undefined || base === undefined)
    return { place, outcome: 'skipped', text: `${what}: ${figures === undefined ? policy : relativeTo} was not run` };
  const value = figures.value(metric, group) / (base === null ? 1 : base.value(metric, group));
  const bounds = [min === null ? '' : `at least ${min}`, max === null ? '' : `at most ${max}`]
    .filter(Boolean)
    .join(', ');
  const isMet = (min === null || value >= min) && (max === null || value <= max);
  return { place, outcome: isMet ? 'met' : 'missed', text: `${what} is ${figure(value)}, expected ${bounds}` };
}

/** Errors closer than this are alike. */
const ERROR_STEP = 0.001;
/** Below this ratio of the p99s nobody has won. */
const CLEAR = 1.1;

export interface Winner {
  readonly policy: string;
  readonly reason: string;
}

/** Fewest errors, then the lowest p99. */
export function winnerOf(scenario: Scenario, seen: readonly ScenarioFigures[]): Winner | null {
  const errors = (each: ScenarioFigures): number => Math.round(each.value('error_fraction') / ERROR_STEP);
  const order = [...seen].sort((a, b) => errors(a) - errors(b) || a.value('p99_ms') - b.value('p99_ms'));
  const [first, second] = order;
  const last = order.at(-1);
  if (first === undefined || second === undefined || last === undefined) return null;
  const p99 = (each: ScenarioFigures): string => `${figure(each.value('p99_ms'))} ms`;
  const share = shareSentence(scenario, first, last);
  if (errors(first) < errors(second))
    return {
      policy: first.policy,
      reason: `fewest errors: ${percent(first)} against ${percent(second)} of ${second.policy}${share}`,
    };
  const isClose = (other: ScenarioFigures): boolean => other.value('p99_ms') < first.value('p99_ms') * CLEAR;
  const alike = order.filter((each) => errors(each) === errors(first));
  const slowest = alike.at(-1) as ScenarioFigures;
  const fewer =
    alike.length < order.length ? `, with ${percent(first)} of errors against ${percent(last)} of ${last.policy}` : '';
  if (isClose(slowest))
    return {
      policy: 'none',
      reason: `no clear difference between ${alike.map(({ policy }) => policy).join(', ')}: p99 from ${p99(first)} to ${p99(slowest)}${fewer}`,
    };
  const next =
    slowest === second
      ? ''
      : isClose(second)
        ? ` (${second.policy}: ${p99(second)}, hardly more)`
        : ` (next: ${second.policy}, ${p99(second)})`;
  return {
    policy: first.policy,
    reason: `p99 ${p99(first)} against ${p99(slowest)} of ${slowest.policy}${next}${fewer}${share}`,
  };
}

function percent(each: ScenarioFigures): string {
  return `${figure(each.value('error_fraction') * 100)} %`;
}

/** Shares closer than this say nothing. */
const SHARE_RATIO = 1.15;

/** What the better one did otherwise: a group that it spared, or queues that it kept short. */
function shareSentence(scenario: Scenario, best: ScenarioFigures, worst: ScenarioFigures): string {
  const groups = scenario.groups.map(({ name }) => name);
  const gap = (name: string): number =>
    Math.exp(Math.abs(Math.log((best.groupPercent(name) + 0.1) / (worst.groupPercent(name) + 0.1))));
  const group = groups.reduce((most, name) => (gap(name) > gap(most) ? name : most));
  if (gap(group) >= SHARE_RATIO)
    return `: it sent ${figure(best.groupPercent(group))} % of the requests to "${group}" instead of ${figure(worst.groupPercent(group))} %`;
  if (best.inFlightMax < worst.inFlightMax)
    return `: at most ${best.inFlightMax} requests at one backend at a time instead of ${worst.inFlightMax}`;
  return '';
}
