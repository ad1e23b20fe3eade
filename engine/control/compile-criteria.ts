/** metadata_match: what routes ask of endpoints' metadata, each combination under a number for the process's life. */
import { canonicalJson, type CriteriaRecord } from '../plan/subsets-record.js';
import { valuesOf } from './compile-subsets.js';
import { fieldOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';

const FILTER = 'envoy.lb';
const FALLBACK_LIST = 'fallback_list';

export class RouteCriteria {
  readonly #reader: DocumentReader;
  readonly #registry: PlanRegistry;
  readonly #found = new Map<number, CriteriaRecord>();

  constructor(reader: DocumentReader, registry: PlanRegistry) {
    this.#reader = reader;
    this.#registry = registry;
  }

  /** Of all routes so far. */
  get found(): CriteriaRecord[] {
    return [...this.#found.values()];
  }

  /** Number of what stands in metadata_match of a route, or of a weighted cluster whose route is `outer`; 0 = nothing. */
  of(value: Value, outer: Value = {}): number {
    const fields = { ...this.#fieldsOf(outer), ...this.#fieldsOf(value) };
    if (Object.keys(fields).length === 0) return 0;
    const number = this.#registry.criteria(canonicalJson(fields));
    const alternatives = fields[FALLBACK_LIST];
    this.#found.set(number, {
      number,
      values: valuesOf(fields),
      alternatives: isListOfMaps(alternatives) ? alternatives.map(valuesOf) : null,
    });
    if (alternatives !== undefined && !isListOfMaps(alternatives))
      this.#reader.report('error', value, 'metadata_match', `${FALLBACK_LIST} must be a list of maps`);
    return number;
  }

  #fieldsOf(value: Value): Value {
    const match = fieldOf(value, 'metadata_match');
    const filters = match === undefined ? {} : (fieldOf(match, 'filter_metadata') ?? {});
    for (const name of Object.keys(filters))
      if (name !== FILTER)
        this.#reader.report(
          'warning',
          value,
          'metadata_match',
          `${JSON.stringify(name)} has no effect: ${FILTER} alone counts`,
        );
    const fields = filters[FILTER];
    if (fields === undefined) return {};
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return fields as Value;
    this.#reader.report('error', value, 'metadata_match', `${FILTER} must be a map`);
    return {};
  }
}

function isListOfMaps(value: unknown): value is Value[] {
  return (
    Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && !Array.isArray(each))
  );
}
