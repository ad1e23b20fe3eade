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
import type { Picker } from '../../engine/upstream/balance/picker.js';
import { NO_HASH } from '../../engine/upstream/balance/request-hash.js';
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

/**
 * Open-loop requests to a fleet of which row 0 fails after 0.1 ms and the others answer after 5 ms; one every 0.5 ms.
 * isSeen: the policy hears of failures as such, else they are answers like any other. Answers the picks per index.
 */
export function failingFast(fleet: Fleet, picker: Picker, requests: number, isSeen: boolean): number[] {
  const underWay: { readonly row: number; readonly endUs: number; readonly latencyUs: number }[] = [];
  return tally(fleet.table.size, requests, () => {
    fleet.clock.us += 500;
    for (const each of underWay.splice(0)) {
      if (each.endUs > fleet.clock.us) {
        underWay.push(each);
        continue;
      }
      fleet.setActive(each.row, fleet.table.active(each.row) - 1);
      picker.feedback?.requestEnded(each.row, each.latencyUs, 0, isSeen && each.row === 0);
    }
    const row = picker.pick(NO_HASH, 0);
    const latencyUs = row === 0 ? 100 : 5000;
    fleet.setActive(row, fleet.table.active(row) + 1);
    underWay.push({ row, endUs: fleet.clock.us + latencyUs, latencyUs });
    return row;
  });
}
