/** SubsetPicker: the number of a route's criteria leads to the endpoints that it asks for, and to who picks among them. */
import type { Head } from '../../http/head.js';
import { CLUSTER } from '../../metrics/declare.js';
import type { CriteriaRecord } from '../../plan/subsets-record.js';
import type { EndpointTable } from '../endpoint-table.js';
import type { BalancingCounters, Feedback, LoadReports, Picker } from './picker.js';
import type { RequestHash } from './request-hash.js';
import type { Subsets, SubsetStep } from './subsets.js';

/** Endpoints of a subset, in all priorities. */
export interface Part {
  readonly pickable: Int32Array;
  readonly picker: Picker;
}

interface Step {
  readonly part: Part;
  readonly kind: SubsetStep['kind'];
}

const SELECTED = CLUSTER.index.lb_subsets_selected;
const FALLBACK = CLUSTER.index.lb_subsets_fallback;
const FALLBACK_PANIC = CLUSTER.index.lb_subsets_fallback_panic;

export class SubsetPicker implements Feedback, LoadReports {
  readonly feedback: Feedback | null;
  readonly loadReports: LoadReports | undefined;
  /** By number of the criteria; the first is for requests that ask for nothing. */
  readonly #chains: (readonly Step[])[] = [];
  readonly #counters: BalancingCounters;
  /** Who learns of each endpoint row. */
  readonly #pickerOf = new Map<number, Picker>();

  /** build: makes a part of its members; called once for equal ones. */
  constructor(
    subsets: Subsets,
    criteria: readonly CriteriaRecord[],
    build: (members: readonly number[]) => Part,
    table: EndpointTable,
    counters: BalancingCounters,
  ) {
    this.#counters = counters;
    const parts = new Map<string, Part>();
    const partOf = ({ key, members }: SubsetStep): Part => {
      const part = parts.get(key) ?? build(members);
      parts.set(key, part);
      return part;
    };
    const chainOf = (steps: readonly SubsetStep[]): Step[] =>
      steps.map((step) => ({ part: partOf(step), kind: step.kind }));
    this.#chains[0] = chainOf(subsets.steps({}));
    for (const { number, values, alternatives } of criteria)
      this.#chains[number] = chainOf(subsets.steps(values, alternatives));
    for (let number = 0; number < this.#chains.length; number++) this.#chains[number] ??= this.#chains[0] as Step[];
    const pickers = [...parts.values()].map(({ picker }) => picker);
    for (const { pickable, picker } of parts.values())
      for (const index of pickable) {
        const row = table.rows[index] as number;
        if (!this.#pickerOf.has(row)) this.#pickerOf.set(row, picker);
      }
    this.feedback = pickers.some(({ feedback }) => feedback !== null) ? this : null;
    this.loadReports = pickers.some(({ loadReports }) => loadReports !== undefined) ? this : undefined;
  }

  /** criteria: a number of this plan or an earlier one. */
  pick(hash: RequestHash, tried: number, criteria: number): number {
    const chain = this.#chainOf(criteria);
    for (let at = 0; at < chain.length; at++) {
      const { part, kind } = chain[at] as Step;
      if (kind === 'SELECTED') this.#counters.count(SELECTED, 1);
      const index = part.picker.pick(hash, tried);
      if (index < 0) continue;
      if (kind === 'FALLBACK') this.#counters.count(FALLBACK, 1);
      else if (kind === 'PANIC') this.#counters.count(FALLBACK_PANIC, 1);
      return index;
    }
    return -1;
  }

  /** Whom such a request may go to. */
  pickable(criteria: number): Int32Array {
    const chain = this.#chainOf(criteria);
    for (let at = 0; at < chain.length; at++) {
      const { pickable } = (chain[at] as Step).part;
      if (pickable.length > 0) return pickable;
    }
    return NOBODY;
  }

  #chainOf(criteria: number): readonly Step[] {
    return this.#chains[criteria < this.#chains.length ? criteria : 0] as readonly Step[];
  }

  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void {
    this.#pickerOf.get(row)?.feedback?.requestEnded(row, latencyUs, activeAtStart, isFailure);
  }

  responseHead(row: number, head: Head): void {
    this.#pickerOf.get(row)?.loadReports?.responseHead(row, head);
  }
}

const NOBODY = new Int32Array(0);
