/** Fleet: the workers of all proxies of a simulation, each with the engine's own picker over the engine's shared cells. */
import { Prng } from '../../engine/base/prng.js';
import type { EndpointRecord } from '../../engine/plan/records.js';
import type { Picker } from '../../engine/upstream/balance/picker.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import {
  newOwnCellsMemory,
  newSharedCellsMemory,
  type ProcessClock,
  SharedCells,
} from '../../engine/upstream/shared-cells.js';
import type { PolicyVariant } from './policies.js';
import { ProbedPicker } from './probed-picker.js';
import { expanded, type Scenario } from './scenario.js';
import type { ServerView } from './server.js';

const CLUSTER = 0;

export interface FleetWorker {
  readonly cells: SharedCells;
  readonly picker: Picker;
  /** The picker, when it goes by probes. */
  readonly probes: ProbedPicker | null;
}

/** Endpoint records as a plan would have them; row and index are the server's number. */
export function endpointRecords(weights: readonly number[]): EndpointRecord[] {
  const same = {
    hostname: '',
    priority: 0,
    region: '',
    zone: '',
    subZone: '',
    localityWeight: 0,
    health: 'HEALTHY',
    metadata: {},
    transportSocket: '',
    metrics: { counters: -1, histograms: -1 },
  } as const;
  return weights.map((weight, row) => ({
    ...same,
    key: `simulated|${row}`,
    row,
    weight,
    // What the hashing policies tell them apart by.
    address: { family: 4, host: '192.0.2.1', port: row },
  }));
}

/** Workers of proxy 0, then of proxy 1, ... */
export function buildFleet(
  scenario: Scenario,
  policy: PolicyVariant,
  servers: readonly ServerView[],
  random: Prng,
  clock: ProcessClock,
): FleetWorker[] {
  const speeds = expanded(scenario).map(({ speed }) => speed);
  const records = endpointRecords(policy.weights === 'speed' ? integerRatios(speeds) : speeds.map(() => 1));
  // One thread runs them all, so additions need not be atomic; and nobody dies, so what each holds need not be told apart.
  const notes = newOwnCellsMemory();
  const workers: FleetWorker[] = [];
  let memory: SharedArrayBuffer | null = null;
  for (let proxy = 0; proxy < scenario.proxies; proxy++) {
    if (policy.sharing !== 'fleet') memory = null;
    for (let worker = 0; worker < scenario.workers; worker++) {
      if (policy.sharing === 'worker') memory = null;
      memory ??= newSharedCellsMemory();
      const cells = new SharedCells(memory, notes, clock, true);
      // The seed of all; else the first picker of a process draws one.
      if (scenario.startsInStep) cells.clusterSeed(CLUSTER, 1);
      const table = new EndpointTable(records, CLUSTER, cells);
      const picker = policy.build(table, Prng.fromSeed(random.next()), servers);
      workers.push({ cells, picker, probes: picker instanceof ProbedPicker ? picker : null });
    }
  }
  return workers;
}

/** Weights are whole numbers: speeds to a hundredth. */
function integerRatios(speeds: readonly number[]): number[] {
  return speeds.map((speed) => Math.max(1, Math.round(speed * 100)));
}
