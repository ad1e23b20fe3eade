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
  readonly rate: number;
  readonly #weights: readonly number[];
  readonly #measurement: Measurement;

  /** weights: of each backend, as the proxy's config has them. */
  constructor(scenario: Scenario, measurement: Measurement, weights: readonly number[]) {
    const { load, backends } = measurement;
    this.scenario = scenario;
    this.policy = measurement.policy;
    this.#measurement = measurement;
    this.#weights = weights;
    this.latencies = decode(load.latencies);
    this.overheads = decode(load.overheads);
    this.lags = decode(load.lags);
    this.service = decode(...backends.latencies);
    // autocannon does not say which backend answered; they count for themselves.
    this.byBackend = load.byBackend.length > 0 ? load.byBackend : backends.received;
    this.sent = load.sent;
    this.rate = load.seconds > 0 ? load.good / load.seconds : 0;
    this.errors = Object.values(load.errors).reduce((sum, count) => sum + count, 0);
    this.errorText = Object.entries(load.errors)
      .map(([name, count]) => `${count} x ${name}`)
      .join(', ');
    this.cpuUsPerRequest = measurement.cpuUs / Math.max(1, load.sent);
    this.residentMiB = measurement.residentKiB / 1024;
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
        return Math.max(...this.byBackend.map((count, at) => Math.abs(count - this.#fair(at))));
      case 'group_share':
        return this.#groupShare(group as string);
      default:
        return this.keysMoved;
    }
  }

  get total(): number {
    return this.byBackend.reduce((sum, count) => sum + count, 0);
  }

  /** What a backend would have had by its weight. */
  #fair(at: number): number {
    const weights = this.#weights.reduce((sum, weight) => sum + weight, 0);
    return Math.max(Number.MIN_VALUE, (this.total * (this.#weights[at] as number)) / weights);
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
    const { keyed, moved } = this.#measurement.load;
    const gone = new Set(
      timelineOf(this.scenario)
        .filter(({ effect }) => effect.isUp === false || effect.isMember !== undefined)
        .map(({ backend }) => backend),
    );
    const sum = (counts: readonly number[]): number =>
      counts.reduce((total, count, at) => (gone.has(at) ? total : total + count), 0);
    return sum(moved) / Math.max(1, sum(keyed));
  }

  /** Most requests that one backend had at a time. */
  get inFlightMax(): number {
    return Math.max(...this.#measurement.backends.inFlightMax);
  }
}
