/** CLIENT_SIDE_WEIGHTED_ROUND_ROBIN: turns by weights that the endpoints' own load reports give. */
import type { Prng } from '../../base/prng.js';
import type { Head } from '../../http/head.js';
import type { EndpointTable } from '../endpoint-table.js';
import { REPORT_SINCE, REPORT_UPDATED, REPORT_WEIGHT, reportCell } from '../shared-cells.js';
import { DeadlineHeap } from './deadline-heap.js';
import { LoadReport } from './load-report.js';
import { readLoadReport } from './load-report-formats.js';
import { type LoadReports, type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { SlowStart, type SlowStartConfig } from './slow-start.js';

// Weight of an endpoint: requests per second over (utilization + errors per second over requests per second times the
// penalty): what it would serve at full use (gRPC A58, Envoy). What any worker hears all use. Who has not been heard
// for long enough, or for too long, has the median weight of the others. In slow start it is a part of that.

export interface ClientSideWeightedConfig {
  /** An endpoint's weight counts once it has reported for so long. */
  readonly blackoutUs: number;
  /** A report that is older is void. */
  readonly expirationUs: number;
  /** How often the turns are arranged anew. */
  readonly updateUs: number;
  readonly errorUtilizationPenalty: number;
  /** As in LoadReport. */
  readonly metricNames: readonly string[];
  readonly slowStart?: SlowStartConfig;
}

const WEIGHT_MAX = 0xffffffff;

export class ClientSideWeightedPicker implements Picker, LoadReports {
  readonly feedback = null;
  readonly loadReports: LoadReports = this;
  /** By index of the table, as of the last arrangement. */
  readonly weights: Float64Array;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: ClientSideWeightedConfig;
  readonly #report: LoadReport;
  readonly #schedule: DeadlineHeap;
  readonly #slowStart: SlowStart | null;
  /** Weights that count, for the median. */
  readonly #valid: Float64Array;
  #nextUs = 0;

  constructor(table: EndpointTable, random: Prng, config: ClientSideWeightedConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    this.#slowStart = config.slowStart === undefined ? null : new SlowStart(table, config.slowStart);
    this.#report = new LoadReport(config.metricNames);
    this.#schedule = new DeadlineHeap(table.pickable.length);
    this.#valid = new Float64Array(table.pickable.length);
    this.weights = new Float64Array(table.size);
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    const nowUs = this.#table.cells.clock.nowUs();
    if (nowUs >= this.#nextUs) this.#arrange(nowUs);
    const schedule = this.#schedule;
    const index = schedule.top;
    schedule.next[0] = schedule.topDeadline + 1 / (this.weights[index] as number);
    schedule.moveTop();
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  /** Takes the weights as they are now; when one has changed the turns begin anew, each somewhere in its period. */
  #arrange(nowUs: number): void {
    const { pickable } = this.#table;
    this.#nextUs = nowUs + this.#config.updateUs;
    const otherwise = this.#medianWeight(nowUs);
    let hasChanged = this.#schedule.size === 0;
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[i] as number;
      const own = this.#weightOf(index, nowUs);
      let weight = own > 0 ? own : otherwise;
      if (this.#slowStart !== null) {
        this.#slowStart.refresh(index);
        weight *= this.#slowStart.factors[index] as number;
      }
      if (this.weights[index] === weight) continue;
      this.weights[index] = weight;
      hasChanged = true;
    }
    if (!hasChanged) return;
    this.#schedule.clear();
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[i] as number;
      this.#schedule.push(index, this.#random.float() / (this.weights[index] as number));
    }
  }

  /** 0 = it has none that counts. */
  #weightOf(index: number, nowUs: number): number {
    const { reports } = this.#table.cells;
    const at = reportCell(this.#table.rows[index] as number);
    const updatedUs = reports[at + REPORT_UPDATED] as number;
    if (updatedUs === 0) return 0;
    if (nowUs - updatedUs > this.#config.expirationUs) {
      // Should it report again, it begins anew.
      reports[at + REPORT_SINCE] = 0;
      return 0;
    }
    const sinceUs = reports[at + REPORT_SINCE] as number;
    if (sinceUs === 0 || nowUs - sinceUs < this.#config.blackoutUs) return 0;
    return reports[at + REPORT_WEIGHT] as number;
  }

  /** 1 when nobody has one: then all turns are alike. */
  #medianWeight(nowUs: number): number {
    const { pickable } = this.#table;
    let count = 0;
    for (let i = 0; i < pickable.length; i++) {
      const weight = this.#weightOf(pickable[i] as number, nowUs);
      if (weight > 0) this.#valid[count++] = weight;
    }
    if (count === 0) return 1;
    const sorted = this.#valid.subarray(0, count).sort();
    const middle = count >> 1;
    const upper = sorted[middle] as number;
    return count % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
  }

  responseHead(row: number, head: Head): void {
    const report = this.#report;
    if (!readLoadReport(head, report) || !(report.rps > 0)) return;
    const utilization = report.utilization + (this.#config.errorUtilizationPenalty * report.eps) / report.rps;
    if (!(utilization > 0)) return;
    const { reports, clock } = this.#table.cells;
    const at = reportCell(row);
    const nowUs = clock.nowUs();
    reports[at + REPORT_WEIGHT] = Math.min(report.rps / utilization, WEIGHT_MAX);
    if (reports[at + REPORT_SINCE] === 0) reports[at + REPORT_SINCE] = nowUs;
    reports[at + REPORT_UPDATED] = nowUs;
  }
}
