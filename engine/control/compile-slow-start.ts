/** slow_start_config of the policies that have it, to its record. */
import type { SlowStartRecord } from '../plan/lb-policy-record.js';
import { fieldOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { Runtime } from './runtime.js';

/** Without the config nothing, so that it can be spread into the policy's record. */
export function slowStartOf(
  reader: DocumentReader,
  runtime: Runtime,
  policy: Value,
): { readonly slowStart?: SlowStartRecord } {
  const config = fieldOf(policy, 'slow_start_config');
  if (config === undefined) return {};
  const aggression = fieldOf(config, 'aggression') ?? {};
  const exponent = runtime.number(textOf(aggression, 'runtime_key'), numberOf(aggression, 'default_value', 1));
  if (exponent <= 0) reader.report('error', aggression, 'default_value', 'must be above 0; 1 is linear');
  const slowStart = {
    windowUs: numberOf(config, 'slow_start_window', 0) * 1000,
    aggression: exponent,
    minWeight: numberOf(fieldOf(config, 'min_weight_percent') ?? {}, 'value', 10) / 100,
  };
  return { slowStart };
}
