/** EndpointTable: one cluster's endpoints as columns, built per list; what lives on is in the shared cells by row. */
import type { EndpointRecord } from '../plan/records.js';
import { clusterPositionCell, ENDPOINT_REQUESTS, endpointCell, type SharedCells } from './shared-cells.js';

/** What of a cluster a table is about: a priority, a locality, a subset. */
export interface TablePart {
  /** Indexes that may be picked. */
  readonly pickable: readonly number[];
  /** Those and the ones beside them that are not well: a table of hashes is built over all of them. */
  readonly members: readonly number[];
  readonly positionCell: number;
  /** By index, where they are not the endpoints' own; 0 = not for hashes. */
  readonly weights?: Float64Array;
}

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
  /** Indexes that this table is about. */
  readonly members: Int32Array;
  readonly cells: SharedCells;
  /** Number of the cluster. */
  readonly cluster: number;
  /** Shared cell that counts the turns of its rotation. */
  readonly positionCell: number;

  /**
   * part: where it is not given, all are members and the lowest-numbered priority that has any healthy one is pickable,
   * else degraded ones. whole: the table that this one is a part of.
   */
  constructor(
    records: readonly EndpointRecord[],
    cluster: number,
    cells: SharedCells,
    part: TablePart | null = null,
    whole: EndpointTable | null = null,
  ) {
    this.records = records;
    this.size = records.length;
    this.cells = cells;
    this.cluster = cluster;
    this.rows = whole?.rows ?? Int32Array.from(records, ({ row }) => row);
    this.requestCells =
      whole?.requestCells ?? Int32Array.from(records, (record) => endpointCell(record.row, ENDPOINT_REQUESTS));
    this.weights = part?.weights ?? whole?.weights ?? Float64Array.from(records, (record) => record.weight);
    this.pickable = Int32Array.from(part?.pickable ?? pickableIndexes(records));
    this.members = part === null ? Int32Array.from(records, (_, index) => index) : Int32Array.from(part.members);
    this.positionCell = part?.positionCell ?? clusterPositionCell(cluster);
  }

  part(part: TablePart): EndpointTable {
    return new EndpointTable(this.records, this.cluster, this.cells, part, this);
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
