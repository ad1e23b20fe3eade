/** load_balancing_policy: a list of typed policies, some of which hold another such list. */
import { RuntimeDouble } from './schema-core.js';
import { HASHING_POLICIES } from './schema-hashing.js';
import { LEARNING_POLICIES } from './schema-learning.js';
import { LOCALITY_LB_CONFIG } from './schema-locality.js';
import { SlowStartConfig } from './schema-slow-start.js';
import { subsetPolicy } from './schema-subsets.js';
import { bool, type Message, message, oneOf, text } from './schema.js';

const LeastRequest: Message = {
  name: 'LeastRequest',
  typeUrl: 'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
  fields: {
    choice_count: { kind: 'uint', min: 2 },
    active_request_bias: message(() => RuntimeDouble),
    selection_method: oneOf('N_CHOICES', 'FULL_SCAN'),
    enable_full_scan: bool,
    slow_start_config: message(() => SlowStartConfig),
    ...LOCALITY_LB_CONFIG,
  },
};
const RoundRobin: Message = {
  name: 'RoundRobin',
  typeUrl: 'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin',
  fields: { slow_start_config: message(() => SlowStartConfig), ...LOCALITY_LB_CONFIG },
};
const Random: Message = {
  name: 'Random',
  typeUrl: 'envoy.extensions.load_balancing_policies.random.v3.Random',
  fields: { ...LOCALITY_LB_CONFIG },
};
const WrrLocality: Message = {
  name: 'WrrLocality',
  typeUrl: 'envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality',
  fields: { endpoint_picking_policy: message(() => LoadBalancingPolicy) },
  required: ['endpoint_picking_policy'],
};
const Subset: Message = subsetPolicy(message(() => LoadBalancingPolicy));

const TYPES: Readonly<Record<string, Message>> = {
  ...Object.fromEntries(
    [LeastRequest, RoundRobin, Random, WrrLocality, Subset].map((each) => [each.typeUrl as string, each]),
  ),
  ...LEARNING_POLICIES,
  ...HASHING_POLICIES,
};

const TypedExtensionConfig: Message = {
  name: 'TypedExtensionConfig',
  fields: { name: text, typed_config: { kind: 'any', types: () => TYPES } },
  required: ['name', 'typed_config'],
};
const Policy: Message = {
  name: 'Policy',
  fields: { typed_extension_config: message(() => TypedExtensionConfig) },
  required: ['typed_extension_config'],
};
export const LoadBalancingPolicy: Message = {
  name: 'LoadBalancingPolicy',
  fields: { policies: { kind: 'list', of: message(() => Policy), notEmpty: true } },
  required: ['policies'],
};
