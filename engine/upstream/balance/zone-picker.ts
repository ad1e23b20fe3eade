/** ZonePicker: the own zone first, as far as its endpoints can take it; within a zone the cluster's policy. */
import type { Prng } from '../../base/prng.js';
import { CLUSTER } from '../../metrics/declare.js';
import type { ZoneAwareRecord } from '../../plan/locality-record.js';
import type { BalancingCounters } from './picker.js';
import type { RequestHash } from './request-hash.js';
import { type View, ViewPicker } from './view-picker.js';
import type { ZoneRouting } from './zone-routing.js';

const ALL_DIRECTLY = CLUSTER.index.lb_zone_routing_all_directly;
const SAMPLED = CLUSTER.index.lb_zone_routing_sampled;
const CROSS_ZONE = CLUSTER.index.lb_zone_routing_cross_zone;
const NO_CAPACITY_LEFT = CLUSTER.index.lb_zone_no_capacity_left;
const LOCAL_CLUSTER_NOT_OK = CLUSTER.index.lb_local_cluster_not_ok;

export class ZonePicker extends ViewPicker {
  readonly #zone: ZoneAwareRecord;
  readonly #routing: ZoneRouting;
  readonly #random: Prng;
  readonly #counters: BalancingCounters;

  /** views: one for each locality of the routing, and behind them one of them all. */
  constructor(
    views: readonly View[],
    zone: ZoneAwareRecord,
    routing: ZoneRouting,
    random: Prng,
    counters: BalancingCounters,
  ) {
    super(views);
    this.#zone = zone;
    this.#routing = routing;
    this.#random = random;
    this.#counters = counters;
  }

  override pick(hash: RequestHash, tried: number): number {
    if (this.#zone.local?.isPanic === true) {
      this.#counters.count(LOCAL_CLUSTER_NOT_OK, 1);
      return this.#zone.failsOnPanic ? -1 : this.pickAt(this.views.length - 1, hash, tried);
    }
    const index = super.pick(hash, tried);
    // A locality that was drawn without regard to who is there.
    return index < 0 ? this.pickAt(this.views.length - 1, hash, tried) : index;
  }

  protected draw(): number {
    const { routingPercent } = this.#zone;
    const { isDirect, ownPart, residual } = this.#routing;
    const random = this.#random;
    const counters = this.#counters;
    if (routingPercent < 100 && random.below(100) >= routingPercent) return this.views.length - 1;
    if (isDirect) {
      counters.count(ALL_DIRECTLY, 1);
      return 0;
    }
    if (ownPart > 0 && random.below(10000) < ownPart) {
      counters.count(SAMPLED, 1);
      return 0;
    }
    counters.count(CROSS_ZONE, 1);
    const left = residual[residual.length - 1] as number;
    if (left === 0) {
      // Rounding has left nothing over.
      counters.count(NO_CAPACITY_LEFT, 1);
      return random.below(residual.length);
    }
    const wanted = random.below(left);
    let at = 0;
    while (wanted >= (residual[at] as number)) at++;
    return at;
  }
}
