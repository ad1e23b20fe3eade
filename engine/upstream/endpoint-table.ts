/** EndpointTable: one cluster's endpoints as columns, built per list; what lives on is in the shared cells by row. */
import type { EndpointRecord } from '../plan/records.js';
import { ENDPOINT_REQUESTS, endpointCell, type SharedCells } from './shared-cells.js';

export class EndpointTable {
  readonly records: readonly EndpointRecord[];
  readonly size: number;
  /** Row of each in what all workers share. */
  readonly rows: Int32Array;
  /** Cell of each endpoint's requests in flight, in the whole process. */
  readonly requestCells: Int32Array;
  readonly weights: Float64Array;
  /** Indexes that may be picked. */
  readonly pickable: Int32Array;
  readonly cells: SharedCells;
  /** Number of the cluster: its rotation's position. */
  readonly cluster: number;
  /** Which part of the cluster's endpoints this is: each has a rotation of its own. */
  readonly view: number;

  /** pickable: where it is not given, the lowest-numbered priority that has any healthy one, else degraded ones. */
  constructor(
    records: readonly EndpointRecord[],
    cluster: number,
    cells: SharedCells,
    pickable: readonly number[] = pickableIndexes(records),
    view = 0,
  ) {
    this.records = records;
    this.size = records.length;
    this.cells = cells;
    this.cluster = cluster;
    this.rows = Int32Array.from(records, ({ row }) => row);
    this.requestCells = Int32Array.from(records, (record) => endpointCell(record.row, ENDPOINT_REQUESTS));
    this.weights = Float64Array.from(records, (record) => record.weight);
    this.pickable = Int32Array.from(pickable);
    this.view = view;
  }

  active(index: number): number {
    return this.cells.load(this.requestCells[index] as number);
  }
}

function pickableIndexes(records: readonly EndpointRecord[]): number[] {
  for (const health of ['HEALTHY', 'DEGRADED'] as const) {
    let first = Number.POSITIVE_INFINITY;
    for (const record of records) if (record.health === health && record.priority < first) first = record.priority;
    if (first === Number.POSITIVE_INFINITY) continue;
    const indexes: number[] = [];
    records.forEach((record, index) => {
      if (record.health === health && record.priority === first) indexes.push(index);
    });
    return indexes;
  }
  return [];
}
