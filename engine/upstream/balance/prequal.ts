/** PREQUAL: of a few drawn at random the fastest that is not hot, by what the whole process has in flight. */
import type { Prng } from '../../base/prng.js';
import type { EndpointTable } from '../endpoint-table.js';
import { HotCold } from './hot-cold.js';
import { type Feedback, type Picker, untriedInstead, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { TaggedLatencies } from './tagged-latencies.js';

// Prequal asks servers by probes and keeps their answers for a second. Here the answers are in shared memory and as
// fresh as can be, so each request looks at some endpoints itself: of the paper's rules what is left are the choice
// (hot-cold.ts) and the latency by load (tagged-latencies.ts); ageing, reuse and removal of answers are in the
// simulator, for those who can't look. Requests in flight are exact over all workers; those that other proxies
// have sent don't show but in the latencies.

export interface PrequalConfig {
  /** Q_RIF: the share of the loads seen lately that is cold; 0 = load alone decides, 1 = latency alone (don't). */
  readonly quantile: number;
  /** How many endpoints a request looks at. */
  readonly choiceCount: number;
  /** Least latency that a failure counts as. */
  readonly failurePenaltyUs: number;
  /** What is known of an endpoint that nobody was sent to for so long is forgotten. */
  readonly expiryUs: number;
}

export class PrequalPicker implements Picker, Feedback {
  readonly feedback: Feedback = this;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #config: PrequalConfig;
  readonly #rule: HotCold;
  readonly #latencies: TaggedLatencies;
  /** What a request in flight counts at each endpoint: 1 where the weight is highest, more where it is less. */
  readonly #scales: Float64Array;

  constructor(table: EndpointTable, random: Prng, config: PrequalConfig) {
    this.#table = table;
    this.#random = random;
    this.#config = config;
    this.#rule = new HotCold(config.quantile);
    this.#latencies = new TaggedLatencies(table.cells.samples, config.expiryUs);
    const heaviest = table.weights.reduce((most, weight) => Math.max(most, weight), 0);
    this.#scales = table.weights.map((weight) => heaviest / weight);
  }

  pick(_hash: RequestHash, tried: number): number {
    const pickable = this.#table.pickable;
    if (pickable.length === 0) return -1;
    if (pickable.length === 1) return pickable[0] as number;
    const index = this.#choose(pickable);
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
      const active = table.active(index);
      const rif = Math.round(active * (this.#scales[index] as number));
      const latencyUs = this.#latencies.estimate(table.rows[index] as number, active, nowUs);
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

  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void {
    const cells = this.#table.cells;
    const sampleUs = isFailure ? Math.max(latencyUs, this.#config.failurePenaltyUs) : latencyUs;
    if (!cells.claim(row)) return;
    this.#latencies.record(row, activeAtStart, sampleUs, cells.clock.nowUs());
    cells.release(row);
  }
}
