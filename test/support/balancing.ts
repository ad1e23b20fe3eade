/** Balancing: endpoints, shared cells and a clock that the test moves; for tests of pickers. */
import type { EndpointRecord } from '../../engine/plan/records.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import {
  ENDPOINT_REQUESTS,
  endpointCell,
  newSharedCellsMemory,
  type ProcessClock,
  SharedCells,
} from '../../engine/upstream/shared-cells.js';
import { endpointRecord } from './upstream-harness.js';

export class ManualClock implements ProcessClock {
  us = 1_000_000;
  nowUs(): number {
    return this.us;
  }
  passMs(ms: number): void {
    this.us += ms * 1000;
  }
}

/** Endpoints of one cluster as one worker sees them. */
export class Fleet {
  readonly clock: ManualClock;
  readonly cells: SharedCells;
  table: EndpointTable;

  constructor(records: readonly EndpointRecord[], clock = new ManualClock(), shared = newSharedCellsMemory()) {
    this.clock = clock;
    this.cells = new SharedCells(shared, newSharedCellsMemory(), clock);
    this.table = new EndpointTable(records, 0, this.cells);
  }

  /** Equal endpoints. */
  static of(size: number, overrides: Partial<EndpointRecord> = {}): Fleet {
    return new Fleet(Array.from({ length: size }, (_, row) => endpointRecord(row, overrides)));
  }

  /** Requests in flight at an endpoint become this many. */
  setActive(row: number, count: number): void {
    const cell = endpointCell(row, ENDPOINT_REQUESTS);
    this.cells.add(cell, count - this.cells.load(cell));
  }
}

/** How often each index was picked. */
export function tally(size: number, picks: number, pick: () => number): number[] {
  const counts = new Array<number>(size).fill(0);
  for (let i = 0; i < picks; i++) {
    const index = pick();
    counts[index] = (counts[index] as number) + 1;
  }
  return counts;
}
