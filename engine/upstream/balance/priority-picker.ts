/** PriorityPicker: a priority by its load, then an endpoint of it by the cluster's policy. */
import type { Prng } from '../../base/prng.js';
import type { Head } from '../../http/head.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Feedback, type LoadReports, type Picker, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

/** One priority's endpoints, and who picks among them. */
export interface PriorityView {
  /** Of 100 requests. */
  readonly load: number;
  readonly isPanic: boolean;
  readonly table: EndpointTable;
  readonly picker: Picker;
}

export class PriorityPicker implements Picker, Feedback, LoadReports {
  readonly feedback: Feedback | null;
  readonly loadReports: LoadReports;
  /** The last pick came from a priority in panic. */
  wasPanic = false;
  readonly #views: readonly PriorityView[];
  readonly #random: Prng;
  /** View of each endpoint row. */
  readonly #viewOf = new Map<number, PriorityView>();

  /** views: at least one; their loads sum up to 100. */
  constructor(views: readonly PriorityView[], random: Prng) {
    this.#views = views;
    this.#random = random;
    for (const view of views)
      for (const index of view.table.pickable) this.#viewOf.set(view.table.rows[index] as number, view);
    this.feedback = views.some(({ picker }) => picker.feedback !== null) ? this : null;
    this.loadReports = this;
  }

  /** A request with a hash always goes to the same priority while the loads are the same. */
  pick(hash: RequestHash, tried: number): number {
    const views = this.#views;
    let at = 0;
    let draw = hash.isSet ? (hash.low >>> 0) % 100 : this.#random.below(100);
    while (at < views.length - 1 && draw >= (views[at] as PriorityView).load)
      draw -= (views[at++] as PriorityView).load;
    const index = this.#pickAt(at, hash, tried);
    if (tried === 0 || !wasTried(tried, index)) return index;
    // All of that priority were tried.
    for (let other = 0; other < views.length; other++) {
      const next = this.#pickAt(other, hash, tried);
      if (!wasTried(tried, next)) return next;
    }
    return index;
  }

  #pickAt(at: number, hash: RequestHash, tried: number): number {
    const view = this.#views[at] as PriorityView;
    this.wasPanic = view.isPanic;
    return view.picker.pick(hash, tried);
  }

  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void {
    const view = this.#viewOf.get(row) ?? (this.#views[0] as PriorityView);
    view.picker.feedback?.requestEnded(row, latencyUs, activeAtStart, isFailure);
  }

  responseHead(row: number, head: Head): void {
    const view = this.#viewOf.get(row) ?? (this.#views[0] as PriorityView);
    view.picker.loadReports?.responseHead(row, head);
  }
}
