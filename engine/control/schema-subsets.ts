/** Messages of dividing a cluster by metadata: lb_subset_config, and the same as a typed policy. */
import { bool, type Field, list, type Message, message, oneOf, struct, text } from './schema.js';

const LbSubsetSelector: Message = {
  name: 'LbSubsetSelector',
  fields: {
    keys: list(text),
    single_host_per_subset: bool,
    fallback_policy: oneOf('NOT_DEFINED', 'NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET', 'KEYS_SUBSET'),
    fallback_keys_subset: list(text),
  },
};

const subsetFields: Message['fields'] = {
  fallback_policy: oneOf('NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET'),
  default_subset: struct,
  subset_selectors: list(message(() => LbSubsetSelector)),
  locality_weight_aware: bool,
  scale_locality_weight: bool,
  panic_mode_any: bool,
  list_as_any: bool,
  metadata_fallback_policy: oneOf('METADATA_NO_FALLBACK', 'FALLBACK_LIST'),
};

export const LbSubsetConfig: Message = { name: 'LbSubsetConfig', fields: subsetFields };

/** policy: a load_balancing_policy. */
export function subsetPolicy(policy: Field): Message {
  return {
    name: 'Subset',
    typeUrl: 'envoy.extensions.load_balancing_policies.subset.v3.Subset',
    fields: { ...subsetFields, allow_redundant_keys: bool, subset_lb_policy: policy },
    required: ['subset_lb_policy'],
  };
}
