/** lb_subset_config, or the typed policy of the same, to its record. */
import {
  canonicalJson,
  type CriteriaRecord,
  type SubsetSelectorRecord,
  type SubsetsRecord,
} from '../plan/subsets-record.js';
import { fieldOf, fieldsOf, flagOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** Null: without selectors there are no subsets (Envoy). */
export function compileSubsets(
  reader: DocumentReader,
  config: Value | undefined,
  criteria: readonly CriteriaRecord[],
): SubsetsRecord | null {
  if (config === undefined) return null;
  const selectors = fieldsOf(config, 'subset_selectors').map((selector) => compileSelector(reader, selector));
  if (selectors.length === 0) {
    reader.report(
      'warning',
      config,
      'subset_selectors',
      'is empty: the cluster has no subsets, and nothing here has an effect',
    );
    return null;
  }
  const fallback = textOf(config, 'fallback_policy', 'NO_FALLBACK') as SubsetsRecord['fallback'];
  const usesDefault = fallback === 'DEFAULT_SUBSET' || selectors.some((each) => each.fallback === 'DEFAULT_SUBSET');
  if (config['default_subset'] !== undefined && !usesDefault)
    reader.report('warning', config, 'default_subset', 'has no effect: no fallback_policy is DEFAULT_SUBSET');
  const record: SubsetsRecord = {
    selectors,
    fallback,
    defaultSubset: valuesOf(fieldOf(config, 'default_subset') ?? {}),
    isLocalityWeightAware: flagOf(config, 'locality_weight_aware'),
    scalesLocalityWeight: flagOf(config, 'scale_locality_weight'),
    panicModeAny: flagOf(config, 'panic_mode_any'),
    listAsAny: flagOf(config, 'list_as_any'),
    allowsRedundantKeys: flagOf(config, 'allow_redundant_keys'),
    usesFallbackList: textOf(config, 'metadata_fallback_policy') === 'FALLBACK_LIST',
    criteria,
  };
  if (record.scalesLocalityWeight && !record.isLocalityWeightAware)
    reader.report('warning', config, 'scale_locality_weight', 'has no effect without locality_weight_aware');
  if (record.panicModeAny && fallback === 'NO_FALLBACK')
    reader.report('warning', config, 'panic_mode_any', 'has no effect: fallback_policy is NO_FALLBACK');
  return record;
}

function compileSelector(reader: DocumentReader, selector: Value): SubsetSelectorRecord {
  const keys = textsOf(selector, 'keys');
  const fallbackKeys = textsOf(selector, 'fallback_keys_subset');
  const fallback = textOf(selector, 'fallback_policy', 'NOT_DEFINED') as SubsetSelectorRecord['fallback'];
  if (keys.length === 0) reader.report('error', selector, 'keys', 'must not be empty');
  if (fallback !== 'KEYS_SUBSET') {
    if (fallbackKeys.length > 0)
      reader.report('error', selector, 'fallback_keys_subset', 'is for fallback_policy KEYS_SUBSET alone');
  } else if (fallbackKeys.length === 0)
    reader.report('error', selector, 'fallback_policy', 'KEYS_SUBSET needs fallback_keys_subset');
  const foreign = fallbackKeys.find((key) => !keys.includes(key));
  if (foreign !== undefined)
    reader.report('error', selector, 'fallback_keys_subset', `${JSON.stringify(foreign)} is none of keys`);
  else if (fallbackKeys.length > 0 && fallbackKeys.length === keys.length)
    reader.report('error', selector, 'fallback_keys_subset', 'must leave out some of keys');
  return { keys, isSingleHost: flagOf(selector, 'single_host_per_subset'), fallback, fallbackKeys };
}

/** Sorted, each once. */
function textsOf(value: Value, field: string): string[] {
  return [...new Set((value[field] as readonly string[] | undefined) ?? [])].sort();
}

/** A struct's values as canonical JSON. */
export function valuesOf(fields: Value): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, canonicalJson(value)]));
}
