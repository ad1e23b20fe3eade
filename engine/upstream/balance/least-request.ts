/** LEAST_REQUEST: fewest requests in flight in the whole process, of a few drawn at random or of all. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { SharedAverage } from '../shared-average.js';
import { AVERAGE_FAILURES } from '../shared-cells.js';
import { DeadlineHeap } from './deadline-heap.js';
import { type Feedback, type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { SlowStart, type SlowStartConfig } from './slow-start.js';

/** What a request in flight counts: load is a whole number, because a fraction that a call answers is garbage. */
const REQUEST = 1024;

export interface LeastRequestConfig {
  /** How many are drawn, with replacement (Envoy's choice_count). */
  readonly choiceCount: number;
  readonly fullScan: boolean;
  /** Exponent of the load against the weight when weights differ; 0 = weights only. */
  readonly activeRequestBias: number;
  /** A failure counts as a request in flight that fades in this time; 0 or absent = failures don't count. */
  readonly failurePenaltyUs?: number;
  readonly slowStart?: SlowStartConfig;
}

// An endpoint that fails at once has nothing in flight, so it would draw everything. With a failure penalty each of its
// failures is in flight a little longer, as if it had taken that time to answer (linkerd's load biaser).

export class LeastRequestPicker implements Picker, Feedback {
  readonly feedback: Feedback | null;
  readonly #failures: SharedAverage | null;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: LeastRequestConfig;
  /** Unequal weights, or while slow start makes them so: when each is due (Envoy's EDF schedule); else empty. */
  readonly #schedule: DeadlineHeap;
  readonly #isWeighted: boolean;
  readonly #slowStart: SlowStart | null;

  constructor(table: EndpointTable, random: Prng, config: LeastRequestConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    const penaltyUs = config.failurePenaltyUs ?? 0;
    this.#failures = penaltyUs === 0 ? null : new SharedAverage(table.cells, AVERAGE_FAILURES, penaltyUs);
    this.feedback = penaltyUs === 0 ? null : this;
    const pickable = table.pickable;
    this.#isWeighted = pickable.some((index) => table.weights[index] !== table.weights[pickable[0] as number]);
    this.#slowStart = config.slowStart === undefined ? null : new SlowStart(table, config.slowStart);
    const isScheduled = this.#isWeighted || this.#slowStart !== null;
    this.#schedule = new DeadlineHeap(isScheduled ? pickable.length : 0);
    // Each begins somewhere in its period, so that the schedules of the workers don't run in step.
    if (isScheduled) for (const index of pickable) this.#schedule.push(index, random.float() / this.#weightOf(index));
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    const isScheduled = this.#isWeighted || this.#slowStart?.isActive() === true;
    const index = isScheduled ? this.#scheduled() : this.#config.fullScan ? this.#scan() : this.#draw();
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  requestEnded(row: number, _latencyUs: number, _activeAtStart: number, isFailure: boolean): void {
    if (isFailure) this.#failures?.add(row, REQUEST);
  }

  /** Requests in flight, and failures that count as such; times REQUEST, so that parts of one count. */
  #load(index: number): number {
    const active = this.#table.active(index);
    return this.#failures === null
      ? active * REQUEST
      : active * REQUEST + this.#failures.read(this.#table.rows[index] as number);
  }

  #draw(): number {
    const pickable = this.#table.pickable;
    let best = pickable[this.#random.below(pickable.length)] as number;
    let least = this.#load(best);
    for (let i = 1; i < this.#config.choiceCount; i++) {
      const other = pickable[this.#random.below(pickable.length)] as number;
      const load = this.#load(other);
      if (load < least) {
        best = other;
        least = load;
      }
    }
    return best;
  }

  /** Ties go to a random one of the least: reservoir sampling. */
  #scan(): number {
    const pickable = this.#table.pickable;
    let best = -1;
    let least = Number.MAX_SAFE_INTEGER;
    let ties = 0;
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[i] as number;
      const load = this.#load(index);
      if (load < least) {
        best = index;
        least = load;
        ties = 1;
      } else if (load === least && this.#random.below(++ties) === 0) best = index;
    }
    return best;
  }

  /** The one that is due first; it is due again after a time that grows with its load over its weight. */
  #scheduled(): number {
    const schedule = this.#schedule;
    const slowStart = this.#slowStart;
    const index = schedule.top;
    let weight = this.#table.weights[index] as number;
    if (slowStart !== null) {
      slowStart.refresh(index);
      weight *= slowStart.factors[index] as number;
    }
    // weight / (load + 1)^bias, and of that the inverse.
    const bias = this.#config.activeRequestBias;
    const load = bias === 0 ? 1 : this.#load(index) / REQUEST + 1;
    schedule.next[0] = schedule.topDeadline + (bias === 1 ? load : load ** bias) / weight;
    schedule.moveTop();
    return index;
  }

  #weightOf(index: number): number {
    const weight = this.#table.weights[index] as number;
    return this.#slowStart === null ? weight : weight * this.#slowStart.factor(index);
  }
}
