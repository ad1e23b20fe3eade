/** Balancer: who picks among a cluster's endpoints: by subset, priority and locality, and then by its policy. */
import { type Feedback, type LoadReports, type Probed, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';
import type { Part, SubsetPicker } from './subset-picker.js';

/** Who is probed, by index, and who wants to know. */
export interface ProbeTargets {
  readonly targets: Int32Array;
  readonly probed: readonly Probed[];
}

/** Built per endpoint list; what lives on is in the shared cells. */
export class Balancer {
  readonly feedback: Feedback | null;
  /** Reads what endpoints report of their load; null for most policies. */
  readonly loadReports: LoadReports | null;
  readonly probes: ProbeTargets;
  readonly #whole: Part;
  readonly #subsets: SubsetPicker | null;

  /** whole: for clusters without subsets. */
  constructor(whole: Part, subsets: SubsetPicker | null, probes: ProbeTargets) {
    this.probes = probes;
    this.#whole = whole;
    this.#subsets = subsets;
    const learner = subsets ?? whole.picker;
    this.feedback = learner.feedback;
    this.loadReports = learner.loadReports ?? null;
  }

  /** criteria: number of what the route asks of an endpoint's metadata, 0 = nothing. -1 = there is none to pick. */
  pick(hash: RequestHash, tried: number, criteria: number): number {
    const subsets = this.#subsets;
    return subsets === null ? this.#whole.picker.pick(hash, tried) : subsets.pick(hash, tried, criteria);
  }

  /** Is there an endpoint to pick beside those tried and this one? */
  hasOther(tried: number, index: number, criteria: number): boolean {
    const pickable = this.#subsets === null ? this.#whole.pickable : this.#subsets.pickable(criteria);
    for (let i = 0; i < pickable.length; i++) {
      const other = pickable[i] as number;
      if (other !== index && !wasTried(tried, other)) return true;
    }
    return false;
  }
}
