/** Messages of the balancing policies that learn from requests: Envoy's, and those that only exist here. */
import { RuntimeDouble } from './schema-core.js';
import { LOCALITY_LB_CONFIG } from './schema-locality.js';
import { SlowStartConfig } from './schema-slow-start.js';
import { bool, fieldValue, list, type Message, message, oneOf, only, text } from './schema.js';

const peakEwmaFields: Message['fields'] = {
  decay_time: { kind: 'duration', min: 1 },
  default_rtt: { kind: 'duration', min: 1 },
  penalty_value: { kind: 'number', min: 0 },
};
// Envoy gathers samples per worker and averages them from time to time; here each one counts at once, in all workers.
const gathering = ['aggregation_interval', 'max_samples_per_host'];
const PeakEwma: Message = {
  name: 'PeakEwma',
  typeUrl: 'envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma',
  fields: peakEwmaFields,
  unsupported: gathering,
};
const MillracePeakEwma: Message = {
  name: 'PeakEwma',
  typeUrl: 'millrace.load_balancing_policies.peak_ewma.v1.PeakEwma',
  fields: {
    ...peakEwmaFields,
    ...LOCALITY_LB_CONFIG,
    selection_method: oneOf('N_CHOICES', 'FULL_SCAN'),
    failure_penalty: { kind: 'duration' },
  },
};
const MillraceLeastRequest: Message = {
  name: 'LeastRequest',
  typeUrl: 'millrace.load_balancing_policies.least_request.v1.LeastRequest',
  fields: {
    choice_count: { kind: 'uint', min: 2 },
    active_request_bias: message(() => RuntimeDouble),
    selection_method: oneOf('N_CHOICES', 'FULL_SCAN'),
    slow_start_config: message(() => SlowStartConfig),
    failure_penalty: { kind: 'duration' },
    ...LOCALITY_LB_CONFIG,
  },
};
const PrequalProbe: Message = {
  name: 'Probe',
  fields: {
    path: text,
    host: fieldValue,
    timeout: { kind: 'duration', min: 1 },
    probes_per_request: { kind: 'number', min: 0 },
    pool_size: { kind: 'uint', min: 2, max: 1024 },
    max_age: { kind: 'duration', min: 1 },
    removals_per_request: { kind: 'number', min: 0 },
  },
  required: ['path'],
};
const Prequal: Message = {
  name: 'Prequal',
  typeUrl: 'millrace.load_balancing_policies.prequal.v1.Prequal',
  fields: {
    q_rif: { kind: 'number', min: 0, max: 1 },
    choice_count: { kind: 'uint', min: 2 },
    failure_penalty: { kind: 'duration' },
    sample_expiration: { kind: 'duration', min: 1000 },
    probe: message(() => PrequalProbe),
    read_load_reports: bool,
    ...LOCALITY_LB_CONFIG,
  },
};
const PickFirst: Message = {
  name: 'PickFirst',
  typeUrl: 'envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst',
  fields: { shuffle_address_list: bool },
};
const ClientSideWeightedRoundRobin: Message = {
  name: 'ClientSideWeightedRoundRobin',
  typeUrl: 'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin',
  fields: {
    enable_oob_load_report: only('load is read from responses', false),
    blackout_period: { kind: 'duration' },
    weight_expiration_period: { kind: 'duration' },
    weight_update_period: { kind: 'duration', min: 100 },
    error_utilization_penalty: { kind: 'number', min: 0 },
    metric_names_for_computing_utilization: list(text),
    slow_start_config: message(() => SlowStartConfig),
    ...LOCALITY_LB_CONFIG,
  },
  unsupported: ['oob_reporting_period'],
};

/** By type URL without "type.googleapis.com/". */
export const LEARNING_POLICIES: Readonly<Record<string, Message>> = Object.fromEntries(
  [PeakEwma, MillracePeakEwma, MillraceLeastRequest, Prequal, PickFirst, ClientSideWeightedRoundRobin].map((each) => [
    each.typeUrl as string,
    each,
  ]),
);
