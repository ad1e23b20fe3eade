/** The picker of a policy: the one place that knows all policies by name. */
import type { Prng } from '../../base/prng.js';
import type { LbPolicyRecord } from '../../plan/lb-policy-record.js';
import type { EndpointTable } from '../endpoint-table.js';
import { ClientSideWeightedPicker } from './client-side-weighted-round-robin.js';
import { HashPicker } from './hash-picker.js';
import { HashTables } from './hash-tables.js';
import { LeastRequestPicker } from './least-request.js';
import { PeakEwmaPicker } from './peak-ewma.js';
import { PickFirstPicker } from './pick-first.js';
import type { Picker } from './picker.js';
import { PrequalPicker } from './prequal.js';
import { RandomPicker } from './random.js';
import { RoundRobinPicker } from './round-robin.js';

/** tables: those of the cluster, so that its next picker finds them. */
export function buildPicker(
  policy: LbPolicyRecord,
  table: EndpointTable,
  random: Prng,
  tables = new HashTables(),
): Picker {
  switch (policy.name) {
    case 'ROUND_ROBIN':
      return new RoundRobinPicker(table, random, policy);
    case 'RANDOM':
      return new RandomPicker(table, random);
    case 'LEAST_REQUEST':
      return new LeastRequestPicker(table, random, policy);
    case 'PEAK_EWMA':
      return new PeakEwmaPicker(table, random, policy);
    case 'RING_HASH':
    case 'MAGLEV':
      return new HashPicker(table, random, policy, tables);
    case 'PREQUAL':
      return new PrequalPicker(table, random, policy);
    case 'PICK_FIRST':
      return new PickFirstPicker(table, random, policy);
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
      return new ClientSideWeightedPicker(table, random, policy);
  }
}
