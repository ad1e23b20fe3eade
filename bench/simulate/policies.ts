/** Policies: what the simulator compares, by name: a picker of the engine, its settings, and who shares its counts. */
import type { Prng } from '../../engine/base/prng.js';
import type { LbPolicyRecord } from '../../engine/plan/records.js';
import { buildPicker } from '../../engine/upstream/balance/build-picker.js';
import type { Picker } from '../../engine/upstream/balance/picker.js';
import type { EndpointTable } from '../../engine/upstream/endpoint-table.js';

/**
 * process: the workers of a proxy share, as in the engine. worker: nobody shares (what other proxies do).
 * fleet: all proxies share, which nobody can have: the bound for what knowing more could bring.
 */
export type Sharing = 'process' | 'worker' | 'fleet';

export interface PolicyVariant {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly sharing: Sharing;
  /** speed: weights are the servers' true speeds. */
  readonly weights: 'equal' | 'speed';
  build(table: EndpointTable, random: Prng): Picker;
}

function ofEngine(
  name: string,
  summary: string,
  record: LbPolicyRecord,
  sharing: Sharing = 'process',
  weights: PolicyVariant['weights'] = 'equal',
): PolicyVariant {
  return { name, summary, sharing, weights, build: (table, random) => buildPicker(record, table, random) };
}

export function leastRequest(choiceCount: number, fullScan = false): LbPolicyRecord {
  return { name: 'LEAST_REQUEST', choiceCount, fullScan, activeRequestBias: 1 };
}

export const POLICIES: readonly PolicyVariant[] = [
  ofEngine('random', 'RANDOM', { name: 'RANDOM' }),
  ofEngine('rr', 'ROUND_ROBIN', { name: 'ROUND_ROBIN' }),
  ofEngine('wrr', 'ROUND_ROBIN with true speeds as weights', { name: 'ROUND_ROBIN' }, 'process', 'speed'),
  ofEngine('p2c', 'LEAST_REQUEST, two choices', leastRequest(2)),
  ofEngine('p3c', 'LEAST_REQUEST, three choices', leastRequest(3)),
  ofEngine('scan', 'LEAST_REQUEST, full scan', leastRequest(2, true)),
  ofEngine('p2c-worker', 'two choices, each worker with counts of its own', leastRequest(2), 'worker'),
  ofEngine('scan-worker', 'full scan, each worker with counts of its own', leastRequest(2, true), 'worker'),
  ofEngine('p2c-true', 'two choices over the true counts of the whole fleet', leastRequest(2), 'fleet'),
  ofEngine('scan-true', 'full scan over the true counts of the whole fleet', leastRequest(2, true), 'fleet'),
];

/** Throws a sentence for the command line when there is none of this name. */
export function policyNamed(name: string): PolicyVariant {
  const policy = POLICIES.find((each) => each.name === name);
  if (policy === undefined)
    throw new RangeError(`no policy ${name}; there are: ${POLICIES.map((each) => each.name).join(', ')}`);
  return policy;
}
