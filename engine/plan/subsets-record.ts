/** SubsetsRecord: how a cluster is divided by the metadata of its endpoints, and what routes ask of it. */

export interface SubsetsRecord {
  /** Endpoints with values for all keys of a selector are in the subset of those values. */
  readonly selectors: readonly SubsetSelectorRecord[];
  /** When there is no such subset. */
  readonly fallback: 'NO_FALLBACK' | 'ANY_ENDPOINT' | 'DEFAULT_SUBSET';
  /** What an endpoint of the default subset has: values as canonical JSON by key. */
  readonly defaultSubset: Readonly<Record<string, string>>;
  /** Locality weights count within subsets. */
  readonly isLocalityWeightAware: boolean;
  /** They shrink with the share of a locality's endpoints that a subset has. */
  readonly scalesLocalityWeight: boolean;
  /** Any endpoint when the fallback has none. */
  readonly panicModeAny: boolean;
  /** Of an endpoint's value that is a list, each element counts. */
  readonly listAsAny: boolean;
  /** What else is asked for counts only if a selector has its key. */
  readonly allowsRedundantKeys: boolean;
  /** Which criteria are tried when nobody was found: those of their fallback_list. */
  readonly usesFallbackList: boolean;
  /** Of all routes. */
  readonly criteria: readonly CriteriaRecord[];
}

export interface SubsetSelectorRecord {
  /** Sorted. */
  readonly keys: readonly string[];
  readonly isSingleHost: boolean;
  readonly fallback: 'NOT_DEFINED' | 'NO_FALLBACK' | 'ANY_ENDPOINT' | 'DEFAULT_SUBSET' | 'KEYS_SUBSET';
  readonly fallbackKeys: readonly string[];
}

/** What a route asks for (metadata_match), numbered for the life of the process; number 0 = nothing. */
export interface CriteriaRecord {
  readonly number: number;
  /** Values as canonical JSON by key. */
  readonly values: Readonly<Record<string, string>>;
  /** fallback_list: values that take the place of those above, one after the other; null = there is none. */
  readonly alternatives: readonly Readonly<Record<string, string>>[] | null;
}

/** JSON in which equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${canonicalJson(each)}`).join()}}`;
}
