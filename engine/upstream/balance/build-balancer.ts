/** The balancer of a cluster: its table, and the policy's picker for each priority that takes requests. */
import type { Prng } from '../../base/prng.js';
import type { ClusterRecord } from '../../plan/records.js';
import { EndpointTable } from '../endpoint-table.js';
import { type PriorityLoad, priorityLoads } from '../priority-loads.js';
import type { SharedCells } from '../shared-cells.js';
import { buildPicker } from './build-picker.js';
import type { HashTables } from './hash-tables.js';
import type { Picker } from './picker.js';
import { PriorityPicker } from './priority-picker.js';

export interface Balancer {
  /** Its pickable indexes are those of all priorities that take requests. */
  readonly table: EndpointTable;
  readonly picker: Picker;
  /** Null when one priority that is well takes all. */
  readonly priorities: PriorityPicker | null;
}

export function buildBalancer(record: ClusterRecord, cells: SharedCells, random: Prng, tables: HashTables): Balancer {
  const loads = priorityLoads(record.endpoints, record.overprovisioningPercent, record.panicPercent);
  const tableOf = (indexes: readonly number[], view: number): EndpointTable =>
    new EndpointTable(record.endpoints, record.index, cells, indexes, view);
  const table = tableOf([...new Set(loads.flatMap(({ indexes }) => indexes))], 0);
  const isPlain = loads.length === 0 || (loads.length === 1 && (loads[0] as PriorityLoad).isPanic === false);
  if (isPlain) return { table, picker: buildPicker(record.lbPolicy, table, random, tables), priorities: null };
  const views = loads.map(({ load, isPanic, indexes }, view) => {
    const own = tableOf(indexes, view);
    return { load, isPanic, table: own, picker: buildPicker(record.lbPolicy, own, random, tables) };
  });
  const priorities = new PriorityPicker(views, random);
  return { table, picker: priorities, priorities };
}
