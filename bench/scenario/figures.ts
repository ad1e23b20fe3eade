/** ScenarioFigures: what a run of a policy comes to in the metrics that expectations name. */
import type { Histogram } from 'hdr-histogram-js';
import { decode, percentileMs } from '../latencies.js';
import type { Metric, Scenario } from './scenario.js';
import type { Measurement } from './scenario-run.js';
import { timelineOf } from './timeline.js';

const PERCENTILE_OF: Readonly<Partial<Record<Metric, number>>> = {
  p50_ms: 50,
  p90_ms: 90,
  p99_ms: 99,
  p999_ms: 99.9,
  max_ms: 100,
};

export class ScenarioFigures {
  readonly scenario: Scenario;
  readonly policy: string;
  readonly latencies: Histogram;
  readonly overheads: Histogram;
  readonly lags: Histogram;
  /** At the backends. */
  readonly service: Histogram;
  readonly byBackend: readonly number[];
  readonly cpuUsPerRequest: number;
  readonly residentMiB: number;
  readonly errors: number;
  readonly errorText: string;
  readonly sent: number;
  readonly #weights: readonly number[];
  readonly #rounds: readonly Measurement[];

  /** rounds: at least one; weights: of each backend, as the proxy's config has them. */
  constructor(scenario: Scenario, rounds: readonly Measurement[], weights: readonly number[]) {
    const loads = rounds.map(({ load }) => load);
    this.scenario = scenario;
    this.policy = (rounds[0] as Measurement).policy;
    this.#rounds = rounds;
    this.#weights = weights;
    this.latencies = decode(...loads.map(({ latencies }) => latencies));
    this.overheads = decode(...loads.map(({ overheads }) => overheads));
    this.lags = decode(...loads.map(({ lags }) => lags));
    this.service = decode(...rounds.flatMap(({ backends }) => backends.latencies));
    this.byBackend = sums(rounds.map(countsOf));
    this.sent = total(loads.map(({ sent }) => sent));
    const errors: Record<string, number> = {};
    for (const load of loads)
      for (const [name, count] of Object.entries(load.errors)) errors[name] = (errors[name] ?? 0) + count;
    this.errors = total(Object.values(errors));
    this.errorText = Object.entries(errors)
      .map(([name, count]) => `${count} x ${name}`)
      .join(', ');
    this.cpuUsPerRequest = total(rounds.map(({ cpuUs }) => cpuUs)) / Math.max(1, this.sent);
    this.residentMiB = Math.max(...rounds.map(({ residentKiB }) => residentKiB)) / 1024;
  }

  /** A percentile of each round. */
  samplesMs(percentile: number): number[] {
    return this.#rounds.map(({ load }) => percentileMs(decode(load.latencies), percentile));
  }

  value(metric: Metric, group: string | null = null): number {
    const percentile = PERCENTILE_OF[metric];
    if (percentile !== undefined) return percentileMs(this.latencies, percentile);
    switch (metric) {
      case 'requests':
        return this.sent;
      case 'errors':
        return this.errors;
      case 'error_fraction':
        return this.errors / Math.max(1, this.sent);
      case 'spread':
        return Math.max(...this.byBackend.map((count, at) => count / this.#fair(at)));
      case 'spread_deviation':
        // A rotation begins anew with every proxy.
        return Math.max(...this.#rounds.map((round) => this.#deviation(countsOf(round))));
      case 'group_share':
        return this.#groupShare(group as string);
      default:
        return this.keysMoved;
    }
  }

  get total(): number {
    return total(this.byBackend);
  }

  /** What a backend would have had of all by its weight. */
  #fair(at: number, all = this.total): number {
    return Math.max(Number.MIN_VALUE, (all * (this.#weights[at] as number)) / total(this.#weights));
  }

  #deviation(counts: readonly number[]): number {
    const all = total(counts);
    return Math.max(...counts.map((count, at) => Math.abs(count - this.#fair(at, all))));
  }

  /** Of a group's backends the requests over what would have been fair. */
  #groupShare(name: string): number {
    let at = 0;
    let count = 0;
    let fair = 0;
    for (const group of this.scenario.groups)
      for (let i = 0; i < group.count; i++, at++) {
        if (group.name !== name) continue;
        count += this.byBackend[at] as number;
        fair += this.#fair(at);
      }
    return count / fair;
  }

  /** Share of a group in percent of all requests. */
  groupPercent(name: string): number {
    let at = 0;
    let count = 0;
    for (const group of this.scenario.groups)
      for (let i = 0; i < group.count; i++, at++) if (group.name === name) count += this.byBackend[at] as number;
    return (100 * count) / Math.max(1, this.total);
  }

  /** Of the answers under keys whose backend was there all the time: those that came from another one. */
  get keysMoved(): number {
    const keyed = sums(this.#rounds.map(({ load }) => load.keyed));
    const moved = sums(this.#rounds.map(({ load }) => load.moved));
    const gone = new Set(
      timelineOf(this.scenario)
        .filter(({ effect }) => effect.isUp === false || effect.isMember !== undefined)
        .map(({ backend }) => backend),
    );
    const sum = (counts: readonly number[]): number => total(counts.filter((_, at) => !gone.has(at)));
    return sum(moved) / Math.max(1, sum(keyed));
  }

  /** Most requests that one backend had at a time. */
  get inFlightMax(): number {
    return Math.max(...this.#rounds.flatMap(({ backends }) => backends.inFlightMax));
  }
}

/** autocannon does not say which backend answered; they count for themselves. */
function countsOf({ load, backends }: Measurement): readonly number[] {
  return load.byBackend.length > 0 ? load.byBackend : backends.received;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Column by column. */
function sums(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, at) => total(rows.map((row) => row[at] as number)));
}
