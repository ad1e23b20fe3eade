/** PREQUAL: of a few drawn at random the fastest that is not hot, by what the whole process has in flight. */
import type { Prng } from '../../base/prng.js';
import type { Head } from '../../http/head.js';
import type { ProbeRecord } from '../../plan/lb-policy-record.js';
import type { EndpointTable } from '../endpoint-table.js';
import { REPORT_HEARD, REPORT_LATENCY, REPORT_OTHERS, reportCell } from '../shared-cells.js';
import { HotCold } from './hot-cold.js';
import { readLoadReport } from './load-report-formats.js';
import { type Feedback, type LoadReports, type Picker, type Probed, untriedInstead, wasTried } from './picker.js';
import { PROBE_POOL_DEFAULTS, ProbePool } from './probe-pool.js';
import type { RequestHash } from './request-hash.js';
import { RifReport } from './rif-report.js';
import { TaggedLatencies } from './tagged-latencies.js';

// Prequal asks servers by probes and keeps their answers for a second. What this process has sent is in shared memory
// and as fresh as can be, so each request looks at some endpoints itself: the choice is hot-cold.ts, the latency by load
// tagged-latencies.ts. What other proxies have sent shows in the latencies alone, unless servers say: in the reports of
// their responses, which all workers read and which count for as long as the clock of the config allows, or as answers
// to probes (prober.ts), which each worker keeps in a pool (probe-pool.ts) and prefers to looking.

export interface PrequalConfig {
  /** Q_RIF: the share of the loads seen lately that is cold; 0 = load alone decides, 1 = latency alone (don't). */
  readonly quantile: number;
  /** How many endpoints a request looks at. */
  readonly choiceCount: number;
  /** Least latency that a failure counts as. */
  readonly failurePenaltyUs: number;
  /** What is known of an endpoint that nobody was sent to for so long is forgotten. */
  readonly expiryUs: number;
  readonly probe?: ProbeRecord;
  readonly readsReports?: boolean;
}

/** How long a response's report counts, as long as an answer to a probe. */
const REPORT_AGE_US = 1_000_000;

export class PrequalPicker implements Picker, Feedback, LoadReports, Probed {
  readonly feedback: Feedback = this;
  readonly loadReports: LoadReports | undefined;
  readonly probed: Probed | undefined;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: PrequalConfig;
  readonly #rule: HotCold;
  readonly #latencies: TaggedLatencies;
  /** What a request in flight counts at each endpoint: 1 where the weight is highest, more where it is less. */
  readonly #scales: Float64Array;
  readonly #report = new RifReport();
  /** Null: nobody is asked. */
  readonly #pool: ProbePool | null;
  /** Of the pickable ones, by row. */
  readonly #indexOf = new Map<number, number>();

  constructor(table: EndpointTable, random: Prng, config: PrequalConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    this.#rule = new HotCold(config.quantile);
    this.#latencies = new TaggedLatencies(table.cells.samples, config.expiryUs);
    const heaviest = table.weights.reduce((most, weight) => Math.max(most, weight), 0);
    this.#scales = table.weights.map((weight) => heaviest / weight);
    this.loadReports = config.readsReports === true ? this : undefined;
    this.#pool = poolOf(config, table.pickable.length, random, this.#rule);
    this.probed = this.#pool === null ? undefined : this;
    for (const index of table.pickable) this.#indexOf.set(table.rows[index] as number, index);
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    const answered = this.#pool === null ? -1 : this.#pool.pick(this.#table.cells.clock.nowUs());
    const index = answered >= 0 ? answered : this.#choose(pickable);
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  /**
   * Each drawn alone: neighbours may be alike (of one zone, or every other one). With few endpoints all of them, from a
   * random one on, so that none is first in every tie. The first is a fair sample of the loads.
   */
  #choose(pickable: Int32Array): number {
    const table = this.#table;
    const rule = this.#rule;
    const count = pickable.length;
    const nowUs = table.cells.clock.nowUs();
    const looksAtAll = count <= this.#config.choiceCount;
    let at = this.#random.below(count);
    let best = -1;
    let bestRif = 0;
    let bestLatencyUs = 0;
    for (let left = looksAtAll ? count : this.#config.choiceCount; left > 0; left--) {
      const index = pickable[at] as number;
      const row = table.rows[index] as number;
      const own = table.active(index);
      const isReported = this.#config.readsReports === true && this.#isFresh(row, nowUs);
      const active = isReported ? own + this.#others(row) : own;
      const rif = Math.round(active * (this.#scales[index] as number));
      const reportedUs = isReported ? this.#reportedUs(row) : 0;
      const latencyUs = reportedUs > 0 ? reportedUs : this.#latencies.estimate(row, own, nowUs);
      if (best < 0) rule.saw(rif);
      if (best < 0 || rule.isBetter(rif, latencyUs, bestRif, bestLatencyUs)) {
        best = index;
        bestRif = rif;
        bestLatencyUs = latencyUs;
      }
      at = looksAtAll ? at + 1 : this.#random.below(count);
      if (at === count) at = 0;
    }
    return best;
  }

  #isFresh(row: number, nowUs: number): boolean {
    const heardUs = this.#table.cells.reports[reportCell(row) + REPORT_HEARD] as number;
    return heardUs > 0 && nowUs - heardUs <= REPORT_AGE_US;
  }
  #others(row: number): number {
    return (this.#table.cells.reports[reportCell(row) + REPORT_OTHERS] as number) | 0;
  }
  #reportedUs(row: number): number {
    return (this.#table.cells.reports[reportCell(row) + REPORT_LATENCY] as number) | 0;
  }

  /** The request whose response this is may or may not be counted by the server: one more or less is no matter. */
  responseHead(row: number, head: Head): void {
    const report = this.#report;
    const index = this.#indexOf.get(row);
    if (index === undefined || !readLoadReport(head, report) || report.rif < 0) return;
    const { reports, clock } = this.#table.cells;
    const at = reportCell(row);
    reports[at + REPORT_OTHERS] = Math.max(0, report.rif - this.#table.active(index));
    reports[at + REPORT_LATENCY] = report.latencyUs;
    reports[at + REPORT_HEARD] = clock.nowUs();
  }

  answered(row: number, head: Head): void {
    const report = this.#report;
    const index = this.#indexOf.get(row);
    if (index === undefined) return;
    if (!readLoadReport(head, report) || report.rif < 0) {
      this.#pool?.forget(index);
      return;
    }
    const { cells } = this.#table;
    const nowUs = cells.clock.nowUs();
    const rif = Math.round(report.rif * (this.#scales[index] as number));
    const latencyUs = report.latencyUs > 0 ? report.latencyUs : this.#latencies.estimate(row, report.rif, nowUs);
    this.#pool?.add(index, rif, latencyUs, nowUs);
  }

  unanswered(row: number): void {
    const index = this.#indexOf.get(row);
    if (index !== undefined) this.#pool?.forget(index);
  }

  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void {
    const cells = this.#table.cells;
    if (isFailure && this.#pool !== null) this.unanswered(row);
    const sampleUs = isFailure ? Math.max(latencyUs, this.#config.failurePenaltyUs) : latencyUs;
    if (!cells.claim(row)) return;
    this.#latencies.record(row, activeAtStart, sampleUs, cells.clock.nowUs());
    cells.release(row);
  }
}

function poolOf(config: PrequalConfig, servers: number, random: Prng, rule: HotCold): ProbePool | null {
  const { probe } = config;
  if (probe === undefined) return null;
  const own = {
    quantile: config.quantile,
    size: probe.poolSize,
    maxAgeUs: probe.maxAgeUs,
    probesPerRequest: probe.probesPerRequest,
    removalsPerRequest: probe.removalsPerRequest,
  };
  return new ProbePool({ ...PROBE_POOL_DEFAULTS, ...own }, servers, random, rule);
}
