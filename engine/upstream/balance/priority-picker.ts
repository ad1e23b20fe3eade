/** PriorityPicker: a priority by its load, then an endpoint of it by the cluster's policy. */
import type { Prng } from '../../base/prng.js';
import { CLUSTER } from '../../metrics/declare.js';
import type { BalancingCounters, Picker } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { type View, ViewPicker } from './view-picker.js';

/** One priority's endpoints: its healthy ones, its degraded ones, or in panic all. */
export interface PriorityView extends View {
  /** Of 100 requests. */
  readonly load: number;
  readonly isPanic: boolean;
}

const HEALTHY_PANIC = CLUSTER.index.lb_healthy_panic;

export class PriorityPicker extends ViewPicker<PriorityView> {
  readonly #random: Prng;
  readonly #counters: BalancingCounters;

  /** views: at least one; their loads sum up to 100. */
  constructor(views: readonly PriorityView[], random: Prng, counters: BalancingCounters) {
    super(views);
    this.#random = random;
    this.#counters = counters;
  }

  override pick(hash: RequestHash, tried: number): number {
    const index = super.pick(hash, tried);
    if ((this.views[this.last] as PriorityView).isPanic) this.#counters.count(HEALTHY_PANIC, 1);
    return index;
  }

  /** A request with a hash always goes to the same priority while the loads are the same. */
  protected draw(hash: RequestHash): number {
    const views = this.views;
    let at = 0;
    let draw = hash.isSet ? (hash.low >>> 0) % 100 : this.#random.below(100);
    while (at < views.length - 1 && draw >= (views[at] as PriorityView).load)
      draw -= (views[at++] as PriorityView).load;
    return at;
  }
}

/** Nobody. */
export const NO_PICKER: Picker = { pick: () => -1, feedback: null };
