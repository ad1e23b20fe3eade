/** Subsets: endpoints by the values of their metadata, and which of them a route's criteria lead to. */
import { canonicalJson, type SubsetSelectorRecord, type SubsetsRecord } from '../../plan/subsets-record.js';
import type { EndpointRecord } from '../../plan/records.js';

// Envoy's rules: a subset is found when the criteria have exactly the keys of a selector and some endpoint has exactly
// these values, well or not; else the selector's fallback decides, else the one of all. Which endpoints a route's
// criteria lead to is known as soon as the list is, so that a request only looks up a number.

/** Values as canonical JSON by key. */
type Values = Readonly<Record<string, string>>;

/** Endpoints that a request may go to; the next step counts when these have nobody to pick. */
export interface SubsetStep {
  /** The same for equal endpoints. */
  readonly key: string;
  readonly members: readonly number[];
  readonly kind: 'SELECTED' | 'FALLBACK' | 'PANIC' | 'SELECTOR_FALLBACK';
}

const ANY = 'any';
const DEFAULT = 'default';
/** More subsets that one endpoint is in by its lists would rather be a mistake, and take all memory. */
const COMBINATIONS_MAX = 4096;

export class Subsets {
  readonly #record: SubsetsRecord;
  readonly #members = new Map<string, number[]>();
  readonly #any: readonly number[];
  readonly #default: readonly number[];
  /** Endpoints that no request reaches because another one has their place in a subset of one. */
  readonly duplicates: number;

  constructor(record: SubsetsRecord, endpoints: readonly EndpointRecord[]) {
    this.#record = record;
    const metadata = endpoints.map(balancingMetadata);
    let duplicates = 0;
    // Of selectors with equal keys the first counts.
    const isFirst = ({ keys }: SubsetSelectorRecord, at: number): boolean =>
      record.selectors.findIndex((each) => isSame(each.keys, keys)) === at;
    for (const selector of record.selectors.filter(isFirst))
      metadata.forEach((fields, index) => {
        for (const values of this.#combinations(selector, fields)) {
          const key = keyOf(values);
          const members = this.#members.get(key);
          if (members === undefined) this.#members.set(key, [index]);
          else if (selector.isSingleHost) duplicates++;
          else if (members[members.length - 1] !== index) members.push(index);
        }
      });
    this.duplicates = duplicates;
    this.#any = endpoints.map((_, index) => index);
    this.#default = this.#any.filter((index) => this.#isOfDefault(metadata[index] as Record<string, unknown>));
  }

  /** Of all subsets that have an endpoint. */
  get keys(): IterableIterator<string> {
    return this.#members.keys();
  }

  /** What a request with these criteria tries, in order; nothing = it is refused. */
  steps(values: Values, alternatives: readonly Values[] | null = null): SubsetStep[] {
    if (!this.#record.usesFallbackList || alternatives === null) return this.#resolve(values);
    const { fallback_list: _, ...own } = values;
    if (alternatives.length === 0) return this.#resolve(own);
    return alternatives.flatMap((each) => this.#resolve({ ...own, ...each }));
  }

  #resolve(wanted: Values): SubsetStep[] {
    const { selectors, fallback, panicModeAny } = this.#record;
    const values = this.#record.allowsRedundantKeys ? this.#reduced(wanted) : wanted;
    const keys = Object.keys(values).sort();
    if (keys.length > 0) {
      const key = keyOf(values);
      const members = this.#members.get(key);
      if (members !== undefined) return [{ key, members, kind: 'SELECTED' }];
      const selector = selectors.find((each) => isSame(each.keys, keys) && each.fallback !== 'NOT_DEFINED');
      if (selector !== undefined) return this.#selectorFallback(selector, values);
    }
    if (fallback === 'NO_FALLBACK') return [];
    const first = fallback === 'ANY_ENDPOINT' ? this.#step(ANY, 'FALLBACK') : this.#step(DEFAULT, 'FALLBACK');
    return panicModeAny ? [first, this.#step(ANY, 'PANIC')] : [first];
  }

  #selectorFallback({ fallback, fallbackKeys }: SubsetSelectorRecord, values: Values): SubsetStep[] {
    if (fallback === 'ANY_ENDPOINT') return [this.#step(ANY, 'SELECTOR_FALLBACK')];
    if (fallback === 'DEFAULT_SUBSET') return [this.#step(DEFAULT, 'SELECTOR_FALLBACK')];
    if (fallback !== 'KEYS_SUBSET') return [];
    return this.#resolve(only(values, fallbackKeys));
  }

  #step(key: typeof ANY | typeof DEFAULT, kind: SubsetStep['kind']): SubsetStep {
    return { key, members: key === ANY ? this.#any : this.#default, kind };
  }

  /** What the first selector asks for that has all of its keys here; those with more keys first. */
  #reduced(values: Values): Values {
    const longestFirst = [...this.#record.selectors].sort((a, b) => b.keys.length - a.keys.length);
    const selector = longestFirst.find(({ keys }) => keys.every((key) => Object.hasOwn(values, key)));
    return selector === undefined ? values : only(values, selector.keys);
  }

  /** The values that an endpoint has for the keys; several where lists count by their elements; none where it lacks one. */
  #combinations(selector: SubsetSelectorRecord, fields: Readonly<Record<string, unknown>>): Values[] {
    let found: Values[] = [{}];
    for (const key of selector.keys) {
      if (!Object.hasOwn(fields, key)) return [];
      const value = fields[key];
      const each = this.#record.listAsAny && Array.isArray(value) ? value : [value];
      found = found.flatMap((values) => each.map((one) => ({ ...values, [key]: canonicalJson(one) })));
      if (found.length > COMBINATIONS_MAX) return [];
    }
    return selector.keys.length === 0 ? [] : found;
  }

  #isOfDefault(fields: Readonly<Record<string, unknown>>): boolean {
    return Object.entries(this.#record.defaultSubset).every(([key, wanted]) => {
      if (!Object.hasOwn(fields, key)) return false;
      const value = fields[key];
      if (canonicalJson(value) === wanted) return true;
      return this.#record.listAsAny && Array.isArray(value) && value.some((each) => canonicalJson(each) === wanted);
    });
  }
}

function balancingMetadata({ metadata }: EndpointRecord): Readonly<Record<string, unknown>> {
  return (metadata['envoy.lb'] as Readonly<Record<string, unknown>> | undefined) ?? {};
}

function keyOf(values: Values): string {
  return canonicalJson(values);
}

function only(values: Values, keys: readonly string[]): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)));
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}
