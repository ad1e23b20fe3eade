/** ProbedPicker: Prequal's asynchronous mode: requests go by what probes have answered before, from the engine's pool. */
import type { Prng } from '../../engine/base/prng.js';
import type { Feedback, Picker } from '../../engine/upstream/balance/picker.js';
import { ProbePool, type ProbePoolConfig, type ProbeRule } from '../../engine/upstream/balance/probe-pool.js';
import type { RequestHash } from '../../engine/upstream/balance/request-hash.js';
import type { EndpointTable } from '../../engine/upstream/endpoint-table.js';

export class ProbedPicker implements Picker, Feedback {
  readonly feedback: Feedback = this;
  readonly pool: ProbePool;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #probesPerRequest: number;
  readonly #targets: Int32Array;
  #owed = 0;

  constructor(table: EndpointTable, random: Prng, config: ProbePoolConfig, rule?: ProbeRule) {
    this.#table = table;
    this.#random = random;
    this.#probesPerRequest = config.probesPerRequest;
    this.#targets = Int32Array.from(table.pickable);
    this.pool = new ProbePool(config, table.pickable.length, random, rule);
  }

  pick(_hash: RequestHash, _tried: number): number {
    const index = this.pool.pick(this.#table.cells.clock.nowUs());
    const pickable = this.#table.pickable;
    return index >= 0 ? index : (pickable[this.#random.below(pickable.length)] as number);
  }

  /** How many probes a request brings: the fraction adds up. */
  probesDue(): number {
    this.#owed += this.#probesPerRequest;
    const due = Math.min(Math.floor(this.#owed), this.#targets.length);
    this.#owed -= due;
    return due;
  }

  /** Whom the next probe of a request goes to; at: 0 for its first one. All of a request are different. */
  target(at: number): number {
    const targets = this.#targets;
    const other = at + this.#random.below(targets.length - at);
    const target = targets[other] as number;
    targets[other] = targets[at] as number;
    targets[at] = target;
    return target;
  }

  requestEnded(row: number, _latencyUs: number, _activeAtStart: number, isFailure: boolean): void {
    if (isFailure) this.pool.forget(row);
  }
}
