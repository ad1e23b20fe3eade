/** FilterChain: the filters of one listener, their hooks side by side, and the configs that routes give them. */
import type { FilterRecord } from '../plan/records.js';
import { type FilterKind, type FilterState, STATELESS } from './filter.js';
import { FilterRun } from './filter-run.js';

/** A route, or a weighted cluster of one. */
export interface FilterScope {
  /** By filter name; null = the filter is off there. */
  readonly typedPerFilterConfig: Readonly<Record<string, unknown>>;
}

type Kind = FilterKind<unknown>;

export class FilterChain {
  readonly length: number;
  /** By the filter's place; undefined = it has none. */
  readonly requestHead: readonly Kind['onRequestHead'][];
  readonly requestData: readonly Kind['onRequestData'][];
  readonly requestTrailers: readonly Kind['onRequestTrailers'][];
  readonly responseHead: readonly Kind['onResponseHead'][];
  readonly responseData: readonly Kind['onResponseData'][];
  readonly responseTrailers: readonly Kind['onResponseTrailers'][];
  readonly #kinds: readonly Kind[];
  readonly #configs: readonly unknown[];
  /** Of scopes that have configs of their own, by place; null in it = the filter is off there. */
  readonly #scopeConfigs: ReadonlyMap<object, readonly unknown[]>;
  readonly #spare: FilterRun[] = [];

  /** kinds: by type URL; throws for a filter that it lacks (main has refused such a config before). */
  constructor(
    records: readonly FilterRecord[],
    kinds: ReadonlyMap<string, FilterKind<unknown>>,
    scopes: readonly FilterScope[],
  ) {
    const own = records.map((record) => kindOf(record, kinds));
    this.length = own.length;
    this.#kinds = own;
    this.requestHead = own.map((kind) => kind.onRequestHead);
    this.requestData = own.map((kind) => kind.onRequestData);
    this.requestTrailers = own.map((kind) => kind.onRequestTrailers);
    this.responseHead = own.map((kind) => kind.onResponseHead);
    this.responseData = own.map((kind) => kind.onResponseData);
    this.responseTrailers = own.map((kind) => kind.onResponseTrailers);
    this.#configs = records.map((record, place) => (own[place] as Kind).build(record.config, 1 << place));
    const scopeConfigs = new Map<object, readonly unknown[]>();
    for (const scope of scopes) {
      const { typedPerFilterConfig: given } = scope;
      if (!records.some(({ name }) => Object.hasOwn(given, name))) continue;
      const configs = records.map(({ name }, place) => {
        if (!Object.hasOwn(given, name)) return this.#configs[place];
        return given[name] === null ? null : (own[place] as Kind).build(given[name], 1 << place);
      });
      scopeConfigs.set(scope, configs);
    }
    this.#scopeConfigs = scopeConfigs;
  }

  /** By place; null in it = the filter is off. */
  configsOf(scope: object | null): readonly unknown[] {
    if (scope === null || this.#scopeConfigs.size === 0) return this.#configs;
    return this.#scopeConfigs.get(scope) ?? this.#configs;
  }

  newStates(): FilterState[] {
    return this.#kinds.map((kind) => kind.newState?.() ?? STATELESS);
  }

  /** For one exchange, which gives it back; null when there are no filters. */
  take(): FilterRun | null {
    if (this.length === 0) return null;
    return this.#spare.pop() ?? new FilterRun(this);
  }

  give(run: FilterRun): void {
    this.#spare.push(run);
  }
}

function kindOf(record: FilterRecord, kinds: ReadonlyMap<string, FilterKind<unknown>>): FilterKind<unknown> {
  const kind = kinds.get(record.typeUrl);
  if (kind === undefined) throw new Error(`filter ${record.name}: no kind for ${record.typeUrl}`);
  return kind;
}
