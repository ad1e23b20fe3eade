/** PEAK_EWMA: lowest latency times requests in flight, where a slow answer counts at once and is forgotten slowly. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { SharedAverage } from '../shared-average.js';
import { AVERAGE_LATENCY } from '../shared-cells.js';
import { type Feedback, type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

// Cost of an endpoint: average latency x (requests in flight + 1) / weight (Finagle's, as in Tower and Envoy's peak_ewma).
// A sample above the average replaces it, one below takes its share by time; without samples the average fades, which
// is how an endpoint that was slow comes to be tried again. A failure counts as an answer that took failurePenaltyUs,
// and takes its share of the average like any other: an endpoint that fails at once would look fast, and one that
// fails a request in a thousand must not be shunned.

export interface PeakEwmaConfig {
  /** Time in which an average that gets no samples falls to 1/e. */
  readonly decayUs: number;
  /** Latency of an endpoint that has not answered yet, while nothing is in flight there. */
  readonly defaultRttUs: number;
  /** Its cost while something is: one request finds out, the others wait and see. */
  readonly penaltyUs: number;
  readonly failurePenaltyUs: number;
  /** All endpoints are compared ("least response time") instead of two drawn at random. */
  readonly fullScan: boolean;
}

export class PeakEwmaPicker implements Picker, Feedback {
  readonly feedback: Feedback = this;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: PeakEwmaConfig;
  readonly #average: SharedAverage;
  /** Costs of two endpoints under comparison; in an array, because a number that a call answers is garbage. */
  readonly #costs = new Float64Array(2);

  constructor(table: EndpointTable, random: Prng, config: PeakEwmaConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    this.#average = new SharedAverage(table.cells, AVERAGE_LATENCY, config.decayUs);
    for (const index of table.members) this.#average.seed(table.rows[index] as number, -config.defaultRttUs);
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    const index = this.#config.fullScan ? this.#scan() : this.#draw();
    return tried !== 0 && wasTried(tried, index) ? untriedInstead(pickable, index, tried, this.#random) : index;
  }

  /** Two different ones. */
  #draw(): number {
    const pickable = this.#table.pickable;
    const first = this.#random.below(pickable.length);
    const skip = this.#random.below(pickable.length - 1);
    const a = pickable[first] as number;
    const b = pickable[skip < first ? skip : skip + 1] as number;
    this.#weigh(a, 0);
    this.#weigh(b, 1);
    return (this.#costs[1] as number) < (this.#costs[0] as number) ? b : a;
  }

  /** Ties go to a random one of the cheapest: reservoir sampling. */
  #scan(): number {
    const pickable = this.#table.pickable;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    let ties = 0;
    for (let i = 0; i < pickable.length; i++) {
      const index = pickable[i] as number;
      this.#weigh(index, 0);
      const cost = this.#costs[0] as number;
      if (cost < least) {
        best = index;
        least = cost;
        ties = 1;
      } else if (cost === least && this.#random.below(++ties) === 0) best = index;
    }
    return best;
  }

  /** Microseconds, over the weight. */
  cost(index: number): number {
    this.#weigh(index, 0);
    return this.#costs[0] as number;
  }

  #weigh(index: number, slot: number): void {
    const table = this.#table;
    const active = table.active(index);
    const latencyUs = this.#average.read(table.rows[index] as number);
    const weight = table.weights[index] as number;
    let cost = latencyUs * (active + 1);
    if (latencyUs <= 0) cost = active === 0 ? -latencyUs : this.#config.penaltyUs + active;
    this.#costs[slot] = cost / weight;
  }

  requestEnded(row: number, latencyUs: number, _activeAtStart: number, isFailure: boolean): void {
    if (isFailure) this.#average.mix(row, Math.max(latencyUs, this.#config.failurePenaltyUs));
    else this.#average.mixPeak(row, latencyUs);
  }
}
