/** Messages of the balancing policies that learn from requests: Envoy's, and those that only exist here. */
import { RuntimeDouble } from './schema-core.js';
import { type Message, message, oneOf } from './schema.js';

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
    failure_penalty: { kind: 'duration' },
  },
};
const Prequal: Message = {
  name: 'Prequal',
  typeUrl: 'millrace.load_balancing_policies.prequal.v1.Prequal',
  fields: {
    q_rif: { kind: 'number', min: 0, max: 1 },
    choice_count: { kind: 'uint', min: 2 },
    failure_penalty: { kind: 'duration' },
    sample_expiration: { kind: 'duration', min: 1000 },
  },
};

/** By type URL without "type.googleapis.com/". */
export const LEARNING_POLICIES: Readonly<Record<string, Message>> = Object.fromEntries(
  [PeakEwma, MillracePeakEwma, MillraceLeastRequest, Prequal].map((each) => [each.typeUrl as string, each]),
);
