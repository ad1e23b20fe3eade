/** ViewPicker: parts of a cluster with a picker each; which one takes a request is what its subclasses decide. */
import type { Head } from '../../http/head.js';
import type { EndpointTable } from '../endpoint-table.js';
import { type Feedback, type LoadReports, type Picker, wasTried } from './picker.js';
import type { RequestHash } from './request-hash.js';

/** Endpoints of a cluster, and who picks among them. */
export interface View {
  readonly table: EndpointTable;
  readonly picker: Picker;
}

export abstract class ViewPicker<V extends View = View> implements Picker, Feedback, LoadReports {
  readonly feedback: Feedback | null;
  readonly loadReports: LoadReports | undefined;
  protected readonly views: readonly V[];
  /** Where the last pick came from. */
  protected last = 0;
  /** The first view of each endpoint row. */
  readonly #viewOf = new Map<number, V>();

  /** views: at least one. */
  constructor(views: readonly V[]) {
    this.views = views;
    for (const view of views)
      for (const index of view.table.pickable) {
        const row = view.table.rows[index] as number;
        if (!this.#viewOf.has(row)) this.#viewOf.set(row, view);
      }
    this.feedback = views.some(({ picker }) => picker.feedback !== null) ? this : null;
    this.loadReports = views.some(({ picker }) => picker.loadReports !== undefined) ? this : undefined;
  }

  /** Number of the view that takes the request. */
  protected abstract draw(hash: RequestHash): number;

  pick(hash: RequestHash, tried: number): number {
    const at = this.draw(hash);
    const index = this.pickAt(at, hash, tried);
    if (tried === 0 || index < 0 || !wasTried(tried, index)) return index;
    // All of that view were tried.
    for (let other = 0; other < this.views.length; other++) {
      const next = other === at ? -1 : this.pickAt(other, hash, tried);
      if (next >= 0 && !wasTried(tried, next)) return next;
    }
    return index;
  }

  protected pickAt(at: number, hash: RequestHash, tried: number): number {
    this.last = at;
    return (this.views[at] as V).picker.pick(hash, tried);
  }

  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void {
    const view = this.#viewOf.get(row) ?? (this.views[0] as V);
    view.picker.feedback?.requestEnded(row, latencyUs, activeAtStart, isFailure);
  }

  responseHead(row: number, head: Head): void {
    const view = this.#viewOf.get(row) ?? (this.views[0] as V);
    view.picker.loadReports?.responseHead(row, head);
  }
}
